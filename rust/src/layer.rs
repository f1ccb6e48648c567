//! The digests, sizes and tar walk of a layer, computed in one pass.

use std::path::Path;
use std::sync::Arc;

use crate::compression::{Format, Frames};
use crate::failure::{Failure, Result};
use crate::hashing::StreamDigest;
use crate::limits::Limits;
use crate::regular_file;
use crate::stop::Stop;
use crate::stream::{FileRange, LimitedStream, PeekStream, Slice, Stream, read_head};
use crate::walk::{Members, TarWalk, WalkResult, walk};
use crate::writer::BlobWriter;

/// The facts about a layer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LayerFacts {
    /// The digest of the stored file.
    pub digest: String,
    /// The size of the stored file.
    pub size: u64,
    /// The compression, detected from the content.
    pub compression: &'static str,
    /// The digest of the tar, including all bytes after its end mark.
    pub diff_id: String,
    /// The size of the tar, including all bytes after its end mark.
    pub tar_size: u64,
    /// The number of members of the tar.
    pub entries: u64,
}

/// Read a layer once: compute its digests and sizes, walk its tar and check its limits.
pub fn layer_pass(path: &Path, limits: Limits, stop: Stop) -> Result<LayerFacts> {
    let io = |error: std::io::Error| Failure::io(path, 0, &error);
    let file = regular_file::open(path)?;
    let stored_size = file.metadata().map_err(io)?.len();
    let format = Format::detect(&Format::ALL, |count| read_head(&file, count)).map_err(io)?;
    let [mut stored_digest, mut tar_digest] = [0; 2].map(|_| StreamDigest::new(stored_size));
    let mut walker = TarWalk::new(Members::counted(limits));
    let stored = Tee {
        source: FileRange::new(Arc::new(file), path, 0, None, stop.clone()),
        observe: |slice: &Slice| stored_digest.update(slice),
    };
    let (plain, limit): (Box<dyn Stream>, _) = match format {
        None => (Box::new(stored), limits.size_limit(None)),
        Some(format) => (
            Box::new(Frames::new(stored, format, limits.max_frames, stop)),
            limits.size_limit(Some(stored_size)),
        ),
    };
    let mut tar = Tee {
        source: LimitedStream::new(plain, limit),
        observe: |slice: &Slice| tar_digest.update(slice),
    };
    match walk(&mut tar, &mut walker) {
        WalkResult::Complete => {}
        WalkResult::TarFailure(failure) | WalkResult::StreamFailure(failure) => {
            return Err(failure);
        }
    }
    drop(tar);
    let (digest, size) = stored_digest.finish();
    let (diff_id, tar_size) = tar_digest.finish();
    Ok(LayerFacts {
        digest,
        size,
        compression: format.map_or("none", Format::name),
        diff_id,
        tar_size,
        entries: walker.members.count(),
    })
}

/// Compute the digest of a layer's tar while the layer is written.
///
/// `size` is the final size of the blob. The failures are those of [`layer_pass`], and
/// [`Code::Cancelled`](crate::Code::Cancelled) if the writer is closed before it has `size` bytes.
pub fn follow(writer: &BlobWriter, size: u64, limits: Limits) -> Result<String> {
    let mut stored = PeekStream::new(writer.follow(size));
    let format = Format::of_stream(&mut stored, &Format::ALL);
    let (plain, limit): (Box<dyn Stream>, _) = match format {
        None => (Box::new(stored), limits.size_limit(None)),
        Some(format) => (
            Box::new(Frames::new(
                stored,
                format,
                limits.max_frames,
                writer.stop(),
            )),
            limits.size_limit(Some(size)),
        ),
    };
    let mut digest = StreamDigest::new(size);
    let mut tar = Tee {
        source: LimitedStream::new(plain, limit),
        observe: |slice: &Slice| digest.update(slice),
    };
    match walk(&mut tar, &mut TarWalk::new(Members::counted(limits))) {
        WalkResult::Complete => {}
        WalkResult::TarFailure(failure) | WalkResult::StreamFailure(failure) => {
            return Err(failure);
        }
    }
    drop(tar);
    Ok(digest.finish().0)
}

/// A stream that passes each non-empty slice to `observe`.
struct Tee<S, F> {
    source: S,
    observe: F,
}

impl<S: Stream, F: FnMut(&Slice) + Send> Stream for Tee<S, F> {
    fn next_slice(&mut self) -> Result<Slice> {
        let slice = self.source.next_slice()?;
        if !slice.is_empty() {
            (self.observe)(&slice);
        }
        Ok(slice)
    }
}

#[cfg(test)]
mod tests;

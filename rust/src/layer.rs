//! Everything that can be known of a stored layer, in one pass over it.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use crate::failure::{Failure, Result};
use crate::hashing::Sum;
use crate::limits::Limits;
use crate::round::{Format, LONGEST_MAGIC, Round};
use crate::stop::Stop;
use crate::stream::{Ahead, Bounded, FileRange, Slice, Stream, read_at};
use crate::walk::{TarWalk, Verdict, walk};
use crate::writer::BlobWriter;

/// What a layer is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LayerFacts {
    /// Of the file as it is stored.
    pub digest: String,
    /// Of the file as it is stored.
    pub size: u64,
    /// Found by content.
    pub compression: &'static str,
    /// Digest of the tar, all bytes after its end mark included.
    pub diff_id: String,
    /// Size of the same.
    pub tar_size: u64,
    /// Members of the tar.
    pub entries: u64,
}

/// Read a layer once: both digests, both sizes, the tar walk, the budgets.
pub fn layer_pass(path: &Path, limits: Limits, stop: Stop) -> Result<LayerFacts> {
    let io = |error: std::io::Error| Failure::io(path, 0, &error);
    let file = File::open(path).map_err(io)?;
    let stored = file.metadata().map_err(io)?.len();
    let mut head = vec![0; LONGEST_MAGIC];
    let count = read_at(&file, &mut head, 0).map_err(io)?;
    let format = Format::detect(&head[..count], &Format::ALL);
    let [mut raw_sum, mut tar_sum] = [0; 2].map(|_| Sum::of(stored));
    let mut walker = TarWalk::new(limits);
    let raw = Tee {
        source: FileRange::new(Arc::new(file), path, 0, None, stop),
        see: |piece: &Slice| raw_sum.update(piece),
    };
    let (plain, ceiling): (Box<dyn Stream>, _) = match format {
        None => (Box::new(raw), limits.ceiling(None)),
        Some(format) => (
            Box::new(Round::new(raw, format)),
            limits.ceiling(Some(stored)),
        ),
    };
    let mut tar = Tee {
        source: Bounded::new(plain, ceiling),
        see: |piece: &Slice| tar_sum.update(piece),
    };
    match walk(&mut tar, &mut walker) {
        Verdict::Whole => {}
        Verdict::Tar(failure) | Verdict::Stream(failure) => return Err(failure),
    }
    drop(tar);
    let (digest, size) = raw_sum.finish();
    let (diff_id, tar_size) = tar_sum.finish();
    Ok(LayerFacts {
        digest,
        size,
        compression: format.map_or("none", Format::name),
        diff_id,
        tar_size,
        entries: walker.members.len() as u64,
    })
}

/// The digest of the tar of a layer that is still being written, read behind the writer.
///
/// `size` is what the blob will have. The judgement is that of [`layer_pass`]; where the writer
/// is closed before, it is [`Code::Cancelled`].
pub fn follow(writer: &BlobWriter, size: u64, limits: Limits) -> Result<String> {
    let mut stored = Ahead::new(writer.follow(size));
    let format = Format::detect(&stored.peek(LONGEST_MAGIC), &Format::ALL);
    let (plain, ceiling): (Box<dyn Stream>, _) = match format {
        None => (Box::new(stored), limits.ceiling(None)),
        Some(format) => (
            Box::new(Round::new(stored, format)),
            limits.ceiling(Some(size)),
        ),
    };
    let mut sum = Sum::of(size);
    let mut tar = Tee {
        source: Bounded::new(plain, ceiling),
        see: |piece: &Slice| sum.update(piece),
    };
    match walk(&mut tar, &mut TarWalk::new(limits)) {
        Verdict::Whole => {}
        Verdict::Tar(failure) | Verdict::Stream(failure) => return Err(failure),
    }
    drop(tar);
    Ok(sum.finish().0)
}

/// A stream whose slices are seen by somebody on their way, but for the empty one at the end.
struct Tee<S, F> {
    source: S,
    see: F,
}

impl<S: Stream, F: FnMut(&Slice) + Send> Stream for Tee<S, F> {
    fn pull(&mut self) -> Result<Slice> {
        let piece = self.source.pull()?;
        if !piece.is_empty() {
            (self.see)(&piece);
        }
        Ok(piece)
    }
}

#[cfg(test)]
mod tests;

//! Everything that can be known of a stored layer, in one pass over it.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use crate::digest::{Algorithm, Hasher};
use crate::failure::{Code, Failure, Result};
use crate::limits::Limits;
use crate::round::{Format, LONGEST_MAGIC, Round};
use crate::stream::{Ahead, Bounded, FileRange, Slice, Stream, read_at};
use crate::walk::{TarWalk, Verdict, walk};
use crate::writer::BlobWriter;

/// From this size on hashing is done beside inflating.
const LARGE: u64 = 1 << 20;

/// How many slices may wait to be hashed.
const QUEUE: usize = 32;

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
pub fn layer_pass(path: &Path, limits: Limits) -> Result<LayerFacts> {
    let io = |error: std::io::Error| Failure::io(path, 0, &error);
    let file = File::open(path).map_err(io)?;
    let stored = file.metadata().map_err(io)?.len();
    let mut head = vec![0; LONGEST_MAGIC];
    let count = read_at(&file, &mut head, 0).map_err(io)?;
    let format = Format::detect(&head[..count], &Format::ALL);
    let (mut raw_lane, mut tar_lane) = (Lane::open(stored, "raw")?, Lane::open(stored, "tar")?);
    let mut walker = TarWalk::new(limits);
    let raw = Tee {
        source: FileRange::new(Arc::new(file), path, 0, None),
        lane: &mut raw_lane,
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
        lane: &mut tar_lane,
    };
    match walk(&mut tar, &mut walker) {
        Verdict::Whole => {}
        Verdict::Tar(failure) | Verdict::Stream(failure) => return Err(failure),
    }
    drop(tar);
    let (digest, size) = raw_lane.finish()?;
    let (diff_id, tar_size) = tar_lane.finish()?;
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
    let mut lane = Lane::open(size, "tar")?;
    let mut tar = Tee {
        source: Bounded::new(plain, ceiling),
        lane: &mut lane,
    };
    match walk(&mut tar, &mut TarWalk::new(limits)) {
        Verdict::Whole => {}
        Verdict::Tar(failure) | Verdict::Stream(failure) => return Err(failure),
    }
    drop(tar);
    Ok(lane.finish()?.0)
}

/// A stream that shows every slice to a lane on its way.
struct Tee<'a, S> {
    source: S,
    lane: &'a mut Lane,
}

impl<S: Stream> Stream for Tee<'_, S> {
    fn pull(&mut self) -> Result<Slice> {
        let piece = self.source.pull()?;
        self.lane.update(&piece);
        Ok(piece)
    }
}

/// Hashes and counts slices, here or on a thread of its own.
struct Lane {
    size: u64,
    work: Work,
}

enum Work {
    Here(Hasher),
    There(SyncSender<Slice>, JoinHandle<Hasher>),
}

impl Lane {
    fn open(stored: u64, name: &str) -> Result<Self> {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        if stored < LARGE {
            let work = Work::Here(hasher);
            return Ok(Self { size: 0, work });
        }
        let (sender, slices) = sync_channel::<Slice>(QUEUE);
        let thread = Builder::new()
            .name(format!("towline-{name}"))
            .spawn(move || {
                for slice in slices {
                    hasher.update(&slice);
                }
                hasher
            })
            .map_err(|error| Failure::io(Path::new("a thread"), 0, &error))?;
        let work = Work::There(sender, thread);
        Ok(Self { size: 0, work })
    }

    fn update(&mut self, slice: &Slice) {
        self.size += slice.len() as u64;
        match &mut self.work {
            Work::Here(hasher) => hasher.update(slice),
            Work::There(sender, _) => {
                // An error means that the thread is gone, which `finish` reports.
                let _ = sender.send(slice.clone());
            }
        }
    }

    fn finish(self) -> Result<(String, u64)> {
        let hasher = match self.work {
            Work::Here(hasher) => hasher,
            Work::There(sender, thread) => {
                drop(sender);
                thread
                    .join()
                    .map_err(|_| Failure::new(Code::Io, 0, "a hashing thread died"))?
            }
        };
        Ok((hasher.finish(), self.size))
    }
}

#[cfg(test)]
mod tests;

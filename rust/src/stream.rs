//! Streams of bytes that are pulled a slice at a time.

use std::collections::VecDeque;
use std::fs::File;
use std::io::ErrorKind;
use std::ops::{Deref, Range};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::failure::{Code, Failure, Result};
use crate::limits::Ceiling;
use crate::stop::Stop;

/// The most that one pull gives. The twin cuts its slices at the same places, so that both have
/// seen the same bytes when a decoder stumbles.
pub(crate) const SLICE: usize = 128 << 10;

/// Some bytes that several may look at, without a copy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slice {
    bytes: Arc<Vec<u8>>,
    range: Range<usize>,
}

impl Slice {
    /// Take up to `count` bytes off the front.
    pub fn split_to(&mut self, count: usize) -> Self {
        let middle = self.range.start + count.min(self.len());
        let front = Self {
            bytes: Arc::clone(&self.bytes),
            range: self.range.start..middle,
        };
        self.range.start = middle;
        front
    }
}

impl From<Vec<u8>> for Slice {
    fn from(bytes: Vec<u8>) -> Self {
        let range = 0..bytes.len();
        Self {
            bytes: Arc::new(bytes),
            range,
        }
    }
}

/// Buffers of a slice, used again when nobody looks at what was in them any more.
///
/// So a stream that is worked off as it comes stays in one buffer, which stays in the cache, and
/// is zeroed once.
#[derive(Default)]
pub(crate) struct Buffers(Vec<Arc<Vec<u8>>>);

/// Of as many buffers at most is known; who has more in flight allocates them.
const KNOWN: usize = 64;

impl Buffers {
    /// A buffer to be filled, of one byte more than a slice. What is in it means nothing.
    pub fn take(&mut self) -> Vec<u8> {
        let free = |bytes: &mut Arc<Vec<u8>>| Arc::get_mut(bytes).map(std::mem::take);
        for at in (0..self.0.len()).rev() {
            if let Some(bytes) = free(&mut self.0[at]) {
                self.0.swap_remove(at);
                return bytes;
            }
        }
        vec![0; SLICE + 1]
    }

    /// What was filled of a buffer. A little is copied, lest it hold a whole buffer in memory.
    pub fn lend(&mut self, bytes: Vec<u8>, filled: usize) -> Slice {
        let (bytes, slice) = if filled < SLICE / 4 {
            let few = bytes[..filled].to_vec();
            (Arc::new(bytes), few.into())
        } else {
            let bytes = Arc::new(bytes);
            let range = 0..filled;
            (Arc::clone(&bytes), Slice { bytes, range })
        };
        if self.0.len() < KNOWN {
            self.0.push(bytes);
        }
        slice
    }
}

impl Deref for Slice {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.range.clone()]
    }
}

impl AsRef<[u8]> for Slice {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

/// Gives the next slice; an empty one at the end.
pub(crate) trait Stream: Send {
    fn pull(&mut self) -> Result<Slice>;

    /// Go forward without reading, where that can be done; how far that was.
    fn skip(&mut self, _count: u64) -> Result<u64> {
        Ok(0)
    }
}

impl<S: Stream + ?Sized> Stream for Box<S> {
    fn pull(&mut self) -> Result<Slice> {
        (**self).pull()
    }

    fn skip(&mut self, count: u64) -> Result<u64> {
        (**self).skip(count)
    }
}

/// Bytes in memory, as a stream.
pub(crate) struct Held(Slice);

impl Held {
    pub fn new(bytes: Slice) -> Self {
        Self(bytes)
    }
}

impl Stream for Held {
    fn pull(&mut self) -> Result<Slice> {
        Ok(self.0.split_to(SLICE))
    }
}

/// Read a stream to its end, to learn whether it has one.
pub(crate) fn drain(stream: &mut dyn Stream) -> Result<()> {
    while !stream.pull()?.is_empty() {}
    Ok(())
}

/// Read what is there at an offset, up to a buffer full.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
    loop {
        match file.read_at(buffer, offset) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// The bytes of an open file from a position up to `end`, or to the end of the file.
pub(crate) struct FileRange {
    file: Arc<File>,
    path: PathBuf,
    position: u64,
    end: Option<u64>,
    stop: Stop,
    buffers: Buffers,
}

impl FileRange {
    pub fn new(file: Arc<File>, path: &Path, position: u64, end: Option<u64>, stop: Stop) -> Self {
        Self {
            file,
            path: path.to_owned(),
            position,
            end,
            stop,
            buffers: Buffers::default(),
        }
    }
}

impl Stream for FileRange {
    fn pull(&mut self) -> Result<Slice> {
        self.stop.check(self.position)?;
        let left = self.end.map_or(u64::MAX, |end| end - self.position);
        let wanted = usize::try_from(left).map_or(SLICE, |left| left.min(SLICE));
        let mut bytes = self.buffers.take();
        let count = read_at(&self.file, &mut bytes[..wanted], self.position)
            .map_err(|error| Failure::io(&self.path, self.position, &error))?;
        if count == 0 && wanted > 0 && self.end.is_some() {
            return Err(Failure::new(
                Code::Truncated,
                self.position,
                format!(
                    "{} ends at byte {}, {left} too early",
                    self.path.display(),
                    self.position
                ),
            ));
        }
        self.position += count as u64;
        Ok(self.buffers.lend(bytes, count))
    }

    fn skip(&mut self, count: u64) -> Result<u64> {
        let size = self
            .file
            .metadata()
            .map_err(|error| Failure::io(&self.path, self.position, &error))?
            .len();
        let count = count.min(size.saturating_sub(self.position));
        self.position += count;
        Ok(count)
    }
}

/// A stream that may not give more than its ceiling.
pub(crate) struct Bounded<S> {
    source: S,
    ceiling: Ceiling,
    given: u64,
    over: bool,
}

impl<S: Stream> Bounded<S> {
    pub fn new(source: S, ceiling: Ceiling) -> Self {
        Self {
            source,
            ceiling,
            given: 0,
            over: false,
        }
    }

    fn failure(&self) -> Failure {
        let size = self.ceiling.size;
        let detail = if self.ceiling.code == Code::LimitRatio {
            format!("the input may not grow to more than {size} bytes")
        } else {
            format!("more than the {size} bytes allowed")
        };
        Failure::new(self.ceiling.code, size, detail)
    }
}

impl<S: Stream> Stream for Bounded<S> {
    fn pull(&mut self) -> Result<Slice> {
        if self.over {
            return Err(self.failure());
        }
        let mut piece = self.source.pull()?;
        let room = self.ceiling.size - self.given;
        if piece.len() as u64 > room {
            self.over = true;
            if room == 0 {
                return Err(self.failure());
            }
            // less than the length of a piece
            piece = piece.split_to(room as usize);
        }
        self.given += piece.len() as u64;
        Ok(piece)
    }

    fn skip(&mut self, count: u64) -> Result<u64> {
        let skipped = self.source.skip(count)?;
        if skipped > self.ceiling.size - self.given {
            self.over = true;
            return Err(self.failure());
        }
        self.given += skipped;
        Ok(skipped)
    }
}

/// A stream whose first bytes can be looked at before they are pulled.
pub(crate) struct Ahead<S> {
    source: S,
    slices: VecDeque<Slice>,
    failure: Option<Failure>,
}

impl<S: Stream> Ahead<S> {
    pub fn new(source: S) -> Self {
        Self {
            source,
            slices: VecDeque::new(),
            failure: None,
        }
    }

    /// At least `count` bytes, fewer if the stream ends or fails before.
    pub fn peek(&mut self, count: usize) -> Vec<u8> {
        let mut held: Vec<u8> = Vec::new();
        for slice in &self.slices {
            held.extend_from_slice(&slice[..slice.len().min(count)]);
        }
        while held.len() < count && self.failure.is_none() {
            match self.source.pull() {
                Err(failure) => self.failure = Some(failure),
                Ok(slice) if slice.is_empty() => break,
                Ok(slice) => {
                    held.extend_from_slice(&slice[..slice.len().min(count)]);
                    self.slices.push_back(slice);
                }
            }
        }
        held
    }
}

impl<S: Stream> Stream for Ahead<S> {
    fn pull(&mut self) -> Result<Slice> {
        if let Some(slice) = self.slices.pop_front() {
            return Ok(slice);
        }
        match &self.failure {
            Some(failure) => Err(failure.clone()),
            None => self.source.pull(),
        }
    }
}

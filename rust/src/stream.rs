//! Streams of bytes that are read one slice at a time.

use std::collections::VecDeque;
use std::fs::File;
use std::io::ErrorKind;
use std::ops::{Deref, Range};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::failure::{Code, Failure, Result};
use crate::limits::SizeLimit;
use crate::stop::Stop;

/// The maximum size of a slice.
///
/// The Python twin uses the same size, so that both report the same result when a decoder fails.
pub(crate) const SLICE: usize = 128 << 10;

/// A reference-counted range of bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slice {
    bytes: Arc<Vec<u8>>,
    range: Range<usize>,
}

impl Slice {
    /// Remove up to `count` bytes from the front and return them.
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

/// Buffers of slices, which are reused when no slice refers to them.
///
/// A stream whose slices are dropped before the next one is read uses one buffer. That buffer stays
/// in the CPU cache and is zeroed once.
#[derive(Default)]
pub(crate) struct BufferPool(Vec<Arc<Vec<u8>>>);

/// The maximum number of buffers in a pool; further buffers are allocated and freed.
const MAX_BUFFERS: usize = 64;

impl BufferPool {
    /// Return a buffer of one byte more than a slice; its content is undefined.
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

    /// Return a slice of the first `filled` bytes of a buffer.
    ///
    /// A small slice is copied, so that it does not occupy a whole buffer.
    pub fn share(&mut self, bytes: Vec<u8>, filled: usize) -> Slice {
        let (bytes, slice) = if filled < SLICE / 4 {
            let copy = bytes[..filled].to_vec();
            (Arc::new(bytes), copy.into())
        } else {
            let bytes = Arc::new(bytes);
            let range = 0..filled;
            (Arc::clone(&bytes), Slice { bytes, range })
        };
        if self.0.len() < MAX_BUFFERS {
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

/// A stream of slices.
pub(crate) trait Stream: Send {
    /// Read the next slice; it is empty at the end of the stream.
    fn next_slice(&mut self) -> Result<Slice>;

    /// Skip up to `count` bytes without reading them; return the number of bytes skipped.
    fn skip(&mut self, _count: u64) -> Result<u64> {
        Ok(0)
    }
}

impl<S: Stream + ?Sized> Stream for Box<S> {
    fn next_slice(&mut self) -> Result<Slice> {
        (**self).next_slice()
    }

    fn skip(&mut self, count: u64) -> Result<u64> {
        (**self).skip(count)
    }
}

/// A stream of bytes in memory.
pub(crate) struct MemoryStream(Slice);

impl MemoryStream {
    pub fn new(bytes: Slice) -> Self {
        Self(bytes)
    }
}

impl Stream for MemoryStream {
    fn next_slice(&mut self) -> Result<Slice> {
        Ok(self.0.split_to(SLICE))
    }
}

/// Read a stream to its end and discard the bytes.
pub(crate) fn drain(stream: &mut dyn Stream) -> Result<()> {
    while !stream.next_slice()?.is_empty() {}
    Ok(())
}

/// Read a stream to its end and pass each slice to `process`.
pub(crate) fn for_each_slice(
    stream: &mut dyn Stream,
    mut process: impl FnMut(&Slice),
) -> Result<()> {
    loop {
        let slice = stream.next_slice()?;
        if slice.is_empty() {
            return Ok(());
        }
        process(&slice);
    }
}

/// Read from a file at an offset; return the number of bytes read.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
    loop {
        match file.read_at(buffer, offset) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Read the first `count` bytes of a file, or all if there are fewer.
pub(crate) fn read_head(file: &File, count: usize) -> std::io::Result<Vec<u8>> {
    let mut head = vec![0; count];
    let filled = read_at(file, &mut head, 0)?;
    head.truncate(filled);
    Ok(head)
}

/// A stream of a range of an open file: from `position` to `end`, or to the end of the file.
pub(crate) struct FileRange {
    file: Arc<File>,
    path: PathBuf,
    position: u64,
    end: Option<u64>,
    stop: Stop,
    buffers: BufferPool,
}

impl FileRange {
    pub fn new(file: Arc<File>, path: &Path, position: u64, end: Option<u64>, stop: Stop) -> Self {
        Self {
            file,
            path: path.to_owned(),
            position,
            end,
            stop,
            buffers: BufferPool::default(),
        }
    }
}

impl Stream for FileRange {
    fn next_slice(&mut self) -> Result<Slice> {
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
        Ok(self.buffers.share(bytes, count))
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

/// A stream that fails if it is longer than its limit.
pub(crate) struct LimitedStream<S> {
    source: S,
    limit: SizeLimit,
    position: u64,
    exceeded: bool,
}

impl<S: Stream> LimitedStream<S> {
    pub fn new(source: S, limit: SizeLimit) -> Self {
        Self {
            source,
            limit,
            position: 0,
            exceeded: false,
        }
    }

    pub fn source(&self) -> &S {
        &self.source
    }

    fn failure(&self) -> Failure {
        let size = self.limit.size;
        let detail = if self.limit.code == Code::LimitRatio {
            format!("the input may not grow to more than {size} bytes")
        } else {
            format!("more than the {size} bytes allowed")
        };
        Failure::new(self.limit.code, size, detail)
    }
}

impl<S: Stream> Stream for LimitedStream<S> {
    fn next_slice(&mut self) -> Result<Slice> {
        if self.exceeded {
            return Err(self.failure());
        }
        let mut slice = self.source.next_slice()?;
        let left = self.limit.size - self.position;
        if slice.len() as u64 > left {
            self.exceeded = true;
            if left == 0 {
                return Err(self.failure());
            }
            // The cast is exact, because `left` is less than the length of a slice.
            slice = slice.split_to(left as usize);
        }
        self.position += slice.len() as u64;
        Ok(slice)
    }

    fn skip(&mut self, count: u64) -> Result<u64> {
        let skipped = self.source.skip(count)?;
        if skipped > self.limit.size - self.position {
            self.exceeded = true;
            return Err(self.failure());
        }
        self.position += skipped;
        Ok(skipped)
    }
}

/// A stream whose first bytes can be inspected before they are read.
pub(crate) struct PeekStream<S> {
    source: S,
    slices: VecDeque<Slice>,
    failure: Option<Failure>,
}

impl<S: Stream> PeekStream<S> {
    pub fn new(source: S) -> Self {
        Self {
            source,
            slices: VecDeque::new(),
            failure: None,
        }
    }

    /// Return at least the next `count` bytes, or fewer if the stream ends or fails before.
    pub fn peek(&mut self, count: usize) -> Vec<u8> {
        let mut head: Vec<u8> = Vec::new();
        for slice in &self.slices {
            head.extend_from_slice(&slice[..slice.len().min(count)]);
        }
        while head.len() < count && self.failure.is_none() {
            match self.source.next_slice() {
                Err(failure) => self.failure = Some(failure),
                Ok(slice) if slice.is_empty() => break,
                Ok(slice) => {
                    head.extend_from_slice(&slice[..slice.len().min(count)]);
                    self.slices.push_back(slice);
                }
            }
        }
        head
    }
}

impl<S: Stream> Stream for PeekStream<S> {
    fn next_slice(&mut self) -> Result<Slice> {
        if let Some(slice) = self.slices.pop_front() {
            return Ok(slice);
        }
        match &self.failure {
            Some(failure) => Err(failure.clone()),
            None => self.source.next_slice(),
        }
    }
}

//! The blob writer: it writes bytes to a file and hashes them.
//!
//! * `state`: the file, and the state that the writer shares with other threads;
//! * `follower`: a stream of the file, read while it is written.
//!
//! The thread that produces the bytes also writes them: they are in the cache of its core, and on
//! few cores a further thread would only compete with it. The threads of
//! [`hashing`](crate::hashing) hash all bytes in order. A limit shared by all writers bounds the
//! bytes in memory that wait to be hashed. After a failure, the next call returns it.

use std::fs::{File, OpenOptions};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::digest::{Algorithm, Hasher};
use crate::failure::{Code, Failure, Result};
use crate::file_copy::{CopyError, FileCopier};
pub use crate::hashing::Bytes;
use crate::hashing::{BackgroundHasher, Segment, SegmentReader};
use crate::preallocation::Preallocation;
use crate::receive::{Buffer, Received, Receiver};
use crate::stop::Stop;

mod follower;
mod state;

pub(crate) use follower::Follower;
use state::WriterState;

/// Writes a file and computes its digest; the file is always a prefix of the written bytes.
pub struct BlobWriter {
    state: Arc<WriterState>,
    /// Locked during each append; `None` after the writer was closed.
    hasher: Mutex<Option<BackgroundHasher>>,
    /// The process of the writer; a forked process lacks the threads that hash.
    pid: u32,
    preallocation: Preallocation,
}

impl BlobWriter {
    /// Open a file for writing; with `resume`, keep its bytes and hash them first.
    ///
    /// `stop` cancels all operations on the writer, in any thread.
    pub fn open(path: &Path, resume: bool, algorithm: Algorithm, stop: Stop) -> Result<Self> {
        let io = |error: std::io::Error| Failure::io(path, 0, &error);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(!resume)
            .mode(0o644)
            .open(path)
            .map_err(io)?;
        let existing = file.metadata().map_err(io)?.len();
        let state = Arc::new(WriterState::new(path.to_owned(), file, stop));
        let reader: Arc<dyn SegmentReader> = Arc::clone(&state) as _;
        let hasher = BackgroundHasher::new(Some(reader), algorithm);
        if existing > 0 {
            hasher.append(Segment::File(0, existing));
            state.advance(existing);
        }
        Ok(Self {
            state,
            hasher: Mutex::new(Some(hasher)),
            pid: process::id(),
            preallocation: Preallocation::default(),
        })
    }

    /// Return the size of the file: the kept and the appended bytes.
    pub fn offset(&self) -> u64 {
        self.state.offset()
    }

    /// Append bytes; wait while too many bytes are in flight.
    pub fn write(&self, bytes: Bytes) -> Result<()> {
        self.check()?;
        if (*bytes).as_ref().is_empty() {
            return Ok(());
        }
        let guard = self.lock();
        let hasher = guard.as_ref().ok_or_else(|| self.state.closed_error())?;
        self.append_bytes(hasher, bytes)
    }

    /// Append up to `max_size` bytes of a connected socket.
    ///
    /// It ends early at the end of the stream, and when the total wait is longer than `max_wait`.
    /// The inner error is that of the socket.
    pub fn receive(
        &self,
        socket: BorrowedFd<'_>,
        max_size: u64,
        max_wait: Duration,
    ) -> Result<(Received, std::io::Result<()>)> {
        self.check()?;
        let guard = self.lock();
        let hasher = guard.as_ref().ok_or_else(|| self.state.closed_error())?;
        let mut receiver = Receiver::new(socket, max_size, max_wait);
        loop {
            self.check()?;
            let mut buffer = Buffer::take();
            let expected = max_size - receiver.received.count;
            self.preallocation
                .reserve(&self.state.file, self.offset(), expected);
            let outcome = receiver.fill(&mut buffer, || self.check().is_err());
            if !buffer.as_ref().is_empty() {
                self.append_bytes(hasher, buffer.into_bytes())?;
            }
            match outcome {
                Ok(true) => {}
                Ok(false) => return Ok((receiver.received, Ok(()))),
                Err(error) => return Ok((receiver.received, Err(error))),
            }
        }
    }

    /// Append a range of an open file.
    ///
    /// If the source ends early ([`Code::Truncated`]), its bytes are appended and the writer can
    /// continue.
    pub fn copy_range(&self, source: &File, name: &str, from: u64, size: u64) -> Result<()> {
        self.check()?;
        let guard = self.lock();
        let hasher = guard.as_ref().ok_or_else(|| self.state.closed_error())?;
        let mut copier = FileCopier::new(source, &self.state.file);
        let start = self.offset();
        let mut done = 0;
        if start == 0 && from == 0 && size > 0 && self.try_clone(&copier, source, size)? {
            done = size;
            self.append_segment(hasher, Segment::File(0, size), size);
        }
        while done < size {
            self.check()?;
            let at = start + done;
            let count = copier.step(from + done, at, size - done).map_err(|error| {
                self.state.fail(match error {
                    CopyError::Read(at, error) => Failure::io(Path::new(name), at, &error),
                    CopyError::Write(at, error) => self.state.io(at, &error),
                })
            })?;
            if count == 0 {
                let (at, missing) = (from + done, size - done);
                let detail = format!("{name} ends at byte {at}, {missing} too early");
                return Err(Failure::new(Code::Truncated, at, detail));
            }
            done += count;
            // The hash is that of the written bytes, because the source can change meanwhile.
            self.append_segment(hasher, Segment::File(at, at + count), count);
        }
        Ok(())
    }

    pub(crate) fn stop(&self) -> Stop {
        self.state.stop.clone()
    }

    /// Return a stream of the file, which follows the writer up to the final `size`.
    pub(crate) fn follow(&self, size: u64) -> Follower {
        Follower::new(Arc::clone(&self.state), size)
    }

    /// End the followers that wait for further bytes, with [`Code::Cancelled`].
    pub fn end_following(&self) {
        self.state.end_following();
    }

    /// Wait until all bytes are hashed and close the file; return its digest and size.
    pub fn finish(&self, sync: bool) -> Result<(String, u64)> {
        self.check()?;
        let hasher = self
            .lock()
            .take()
            .ok_or_else(|| self.state.closed_error())?;
        let hash = hasher.finish(&self.state.stop);
        hasher.close();
        let result = self.finish_file(hash, sync);
        if result.is_err() {
            self.state.close();
            self.preallocation.release(&self.state.file, self.offset());
        }
        result
    }

    fn finish_file(&self, hash: Option<Hasher>, sync: bool) -> Result<(String, u64)> {
        self.check()?;
        let hash = hash.ok_or_else(|| self.state.closed_error())?;
        let offset = self.offset();
        let file = &self.state.file;
        let io = |error: std::io::Error| self.state.io(offset, &error);
        let size = file.metadata().map_err(io)?.len();
        if size != offset {
            let path = self.state.path.display();
            let detail = format!("{path} has {size} bytes, {offset} were written");
            return Err(Failure::new(Code::Changed, size.min(offset), detail));
        }
        self.preallocation.release(file, size);
        if sync {
            file.sync_data().map_err(io)?;
        }
        Ok((hash.finish(), size))
    }

    /// Close the file and keep the written bytes; further calls have no effect.
    pub fn abort(&self) {
        if self.pid != process::id() {
            return;
        }
        if self.hasher.try_lock().is_ok_and(|guard| guard.is_none()) {
            return;
        }
        self.state.close();
        if let Some(hasher) = self.lock().take() {
            hasher.close();
            self.preallocation.release(&self.state.file, self.offset());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<BackgroundHasher>> {
        self.hasher.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self) -> Result<()> {
        if self.pid != process::id() {
            let detail = "the writer belongs to another process";
            return Err(Failure::new(Code::Cancelled, self.offset(), detail));
        }
        self.state.check()
    }

    fn append_bytes(&self, hasher: &BackgroundHasher, bytes: Bytes) -> Result<()> {
        let size = (*bytes).as_ref().len() as u64;
        let at = self.offset();
        let written = self.state.file.write_all_at((*bytes).as_ref(), at);
        written.map_err(|error| self.state.fail(self.state.io(at, &error)))?;
        hasher.append_bytes(bytes);
        self.state.advance(size);
        Ok(())
    }

    /// Append a segment that is in the file already.
    fn append_segment(&self, hasher: &BackgroundHasher, segment: Segment, size: u64) {
        hasher.append(segment);
        self.state.advance(size);
    }

    /// Try to clone the whole source file; return whether that was done.
    fn try_clone(&self, copier: &FileCopier<'_>, source: &File, size: u64) -> Result<bool> {
        let whole = source
            .metadata()
            .is_ok_and(|metadata| metadata.len() == size);
        if !whole || !copier.clone_file() {
            return Ok(false);
        }
        let io = |error| self.state.fail(self.state.io(0, &error));
        if self.state.file.metadata().map_err(io)?.len() == size {
            return Ok(true);
        }
        // The size of the source changed meanwhile.
        self.state.file.set_len(0).map_err(io)?;
        Ok(false)
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        self.abort();
    }
}

#[cfg(test)]
mod tests;

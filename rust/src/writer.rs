//! The blob writer: what it is given is written at once, and hashed beside that.
//!
//! Who produces the bytes also writes them: they are in this core's cache, and on few cores one
//! more thread would only take turns with this one. The threads of [`hashing`](crate::hashing)
//! get every piece in order. What waits there is bounded by a budget shared by all writers. When
//! something fails, the next call says what happened.

use std::fs::{File, OpenOptions};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crate::copy::{Copier, Trouble};
use crate::digest::{Algorithm, Hasher};
use crate::failure::{Code, Failure, Result};
pub use crate::hashing::Bytes;
use crate::hashing::{Job, Queue, Stored};
use crate::preallocation::Preallocation;
use crate::receive::{Buffer, Received, Receiver};
use crate::stop::{POLL, Stop};
use crate::stream::{SLICE, Slice, Stream, read_at};

/// What the writer, the hashing threads and those who follow know together.
struct Shared {
    path: PathBuf,
    file: File,
    failure: OnceLock<Failure>,
    /// The writer is closed, or about to be.
    closed: AtomicBool,
    stop: Stop,
    offset: AtomicU64,
    /// Nothing more will be written that anybody might follow.
    ended: AtomicBool,
    /// How many wait for more to be written.
    followers: Mutex<usize>,
    grown: Condvar,
}

impl Shared {
    fn fail(&self, failure: Failure) -> Failure {
        let failure = self.failure.get_or_init(|| failure).clone();
        self.tell();
        failure
    }

    fn io(&self, offset: u64, error: &std::io::Error) -> Failure {
        Failure::io(&self.path, offset, error)
    }

    /// Wake who follows.
    fn tell(&self) {
        if *self
            .followers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            > 0
        {
            self.grown.notify_all();
        }
    }

    /// Wait a little for so many bytes to be there, or for anything else to be told.
    fn wait_beyond(&self, end: u64) {
        let followers = &self.followers;
        let waiting = followers.lock().unwrap_or_else(PoisonError::into_inner);
        if self.offset() < end && !self.over() && self.failure.get().is_none() {
            let waited = self.grown.wait_timeout(waiting, POLL);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
    }

    fn grow(&self, count: u64) {
        self.offset.fetch_add(count, Ordering::AcqRel);
        self.tell();
    }

    fn offset(&self) -> u64 {
        self.offset.load(Ordering::Acquire)
    }

    /// Whether nothing more comes.
    fn over(&self) -> bool {
        self.closed.load(Ordering::Acquire) || self.ended.load(Ordering::Acquire)
    }

    fn closed_error(&self) -> Failure {
        Failure::new(Code::Cancelled, self.offset(), "the writer is closed")
    }

    /// Nothing, or what ends all that is done with the writer.
    fn check(&self) -> Result<()> {
        if let Some(failure) = self.failure.get() {
            return Err(failure.clone());
        }
        self.stop.check(self.offset())?;
        if self.closed.load(Ordering::Acquire) {
            return Err(self.closed_error());
        }
        Ok(())
    }
}

impl Stored for Shared {
    fn load(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        let mut done = 0;
        while done < buffer.len() {
            let at = offset + done as u64;
            let count = read_at(&self.file, &mut buffer[done..], at)
                .map_err(|error| self.io(at, &error))?;
            if count == 0 {
                let detail = format!("{} was cut at byte {at}", self.path.display());
                return Err(Failure::new(Code::Changed, at, detail));
            }
            done += count;
        }
        Ok(())
    }

    fn fail(&self, failure: Failure) {
        Self::fail(self, failure);
    }
}

/// Writes a file and knows its digest; the file is always a prefix of what was written.
pub struct BlobWriter {
    shared: Arc<Shared>,
    /// Held by whoever appends; gone once the writer is closed.
    queue: Mutex<Option<Arc<Queue>>>,
    /// A fork has the writer, but not the threads that hash.
    owner: u32,
    ahead: Preallocation,
}

impl BlobWriter {
    /// Open a file for writing; with `resume` keep what it has, and hash that first.
    ///
    /// `stop` ends all that is done with the writer, in any thread.
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
        let held = file.metadata().map_err(io)?.len();
        let shared = Arc::new(Shared {
            path: path.to_owned(),
            file,
            failure: OnceLock::new(),
            closed: AtomicBool::new(false),
            stop,
            ended: AtomicBool::new(false),
            offset: AtomicU64::new(0),
            followers: Mutex::new(0),
            grown: Condvar::new(),
        });
        let stored: Arc<dyn Stored> = Arc::clone(&shared) as _;
        let queue = Queue::open(Some(stored), algorithm);
        let writer = Self {
            shared,
            queue: Mutex::new(Some(Arc::clone(&queue))),
            owner: process::id(),
            ahead: Preallocation::default(),
        };
        if held > 0 {
            writer.appended(&queue, Job::Stored(0, held), held);
        }
        Ok(writer)
    }

    /// Bytes held and handed over so far.
    pub fn offset(&self) -> u64 {
        self.shared.offset()
    }

    /// Append bytes, and wait only while too much waits to be hashed.
    pub fn write(&self, bytes: Bytes) -> Result<()> {
        self.check()?;
        if (*bytes).as_ref().is_empty() {
            return Ok(());
        }
        let guard = self.lock();
        let queue = guard.as_ref().ok_or_else(|| self.shared.closed_error())?;
        self.put(queue, bytes)
    }

    /// Append up to `most` bytes of a connected socket.
    ///
    /// It ends early where the other side has ended, and when it has been waited for longer than
    /// `patience` in all; the error is one of the socket.
    pub fn receive(
        &self,
        socket: BorrowedFd<'_>,
        most: u64,
        patience: Duration,
    ) -> Result<(Received, std::io::Result<()>)> {
        self.check()?;
        let guard = self.lock();
        let queue = guard.as_ref().ok_or_else(|| self.shared.closed_error())?;
        let mut receiver = Receiver::new(socket, most, patience);
        loop {
            self.check()?;
            let mut buffer = Buffer::take();
            let coming = most - receiver.received.count;
            self.ahead.reserve(&self.shared.file, self.offset(), coming);
            let outcome = receiver.fill(&mut buffer, || self.check().is_err());
            if !buffer.as_ref().is_empty() {
                self.put(queue, buffer.lend())?;
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
    /// Where the source has fewer bytes ([`Code::Truncated`]) those are appended, and the writer
    /// can go on.
    pub fn copy_range(&self, source: &File, name: &str, from: u64, size: u64) -> Result<()> {
        self.check()?;
        let guard = self.lock();
        let queue = guard.as_ref().ok_or_else(|| self.shared.closed_error())?;
        let mut copier = Copier::new(source, &self.shared.file);
        let start = self.offset();
        let mut done = 0;
        if start == 0 && from == 0 && size > 0 && self.cloned(&copier, source, size)? {
            done = size;
            self.appended(queue, Job::Stored(0, size), size);
        }
        while done < size {
            self.check()?;
            let at = start + done;
            let count = copier
                .step(from + done, at, size - done)
                .map_err(|trouble| {
                    self.shared.fail(match trouble {
                        Trouble::Reading(at, error) => Failure::io(Path::new(name), at, &error),
                        Trouble::Writing(at, error) => self.shared.io(at, &error),
                    })
                })?;
            if count == 0 {
                let (at, missing) = (from + done, size - done);
                let detail = format!("{name} ends at byte {at}, {missing} too early");
                return Err(Failure::new(Code::Truncated, at, detail));
            }
            done += count;
            // What counts is what was written here: the source can change under our hands.
            self.appended(queue, Job::Stored(at, at + count), count);
        }
        Ok(())
    }

    /// What is written, as it grows, up to the `size` that it will have.
    pub(crate) fn follow(&self, size: u64) -> Follower {
        *self
            .shared
            .followers
            .lock()
            .unwrap_or_else(PoisonError::into_inner) += 1;
        Follower {
            shared: Arc::clone(&self.shared),
            position: 0,
            size,
        }
    }

    /// Nothing more comes: who follows and still waits is told so.
    pub fn end_following(&self) {
        self.shared.ended.store(true, Ordering::Release);
        self.shared.tell();
    }

    /// Wait until all is hashed and close the file; its digest and size.
    pub fn finish(&self, sync: bool) -> Result<(String, u64)> {
        self.check()?;
        let queue = self
            .lock()
            .take()
            .ok_or_else(|| self.shared.closed_error())?;
        let hasher = queue.finish(&self.shared.stop);
        queue.close();
        let finished = self.finished(hasher, sync);
        if finished.is_err() {
            self.shared.closed.store(true, Ordering::Release);
            self.shared.tell();
            self.ahead.give_back(&self.shared.file, self.offset());
        }
        finished
    }

    fn finished(&self, hasher: Option<Hasher>, sync: bool) -> Result<(String, u64)> {
        self.check()?;
        let hasher = hasher.ok_or_else(|| self.shared.closed_error())?;
        let offset = self.offset();
        let file = &self.shared.file;
        let io = |error: std::io::Error| self.shared.io(offset, &error);
        let size = file.metadata().map_err(io)?.len();
        if size != offset {
            let path = self.shared.path.display();
            let detail = format!("{path} has {size} bytes, {offset} were written");
            return Err(Failure::new(Code::Changed, size.min(offset), detail));
        }
        self.ahead.give_back(file, size);
        if sync {
            file.sync_data().map_err(io)?;
        }
        Ok((hasher.finish(), size))
    }

    /// Close, and keep what was written; once more changes nothing.
    pub fn abort(&self) {
        if self.owner != process::id() {
            return;
        }
        if let Ok(guard) = self.queue.try_lock()
            && guard.is_none()
        {
            return;
        }
        self.shared.closed.store(true, Ordering::Release);
        self.shared.tell();
        if let Some(queue) = self.lock().take() {
            queue.close();
            self.ahead.give_back(&self.shared.file, self.offset());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Queue>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self) -> Result<()> {
        if self.owner != process::id() {
            let detail = "the writer belongs to another process";
            return Err(Failure::new(Code::Cancelled, self.offset(), detail));
        }
        self.shared.check()
    }

    /// Write bytes and have them hashed.
    fn put(&self, queue: &Arc<Queue>, bytes: Bytes) -> Result<()> {
        let size = (*bytes).as_ref().len() as u64;
        let at = self.offset();
        let written = self.shared.file.write_all_at((*bytes).as_ref(), at);
        written.map_err(|error| self.shared.fail(self.shared.io(at, &error)))?;
        queue.append_piece(bytes);
        self.shared.grow(size);
        Ok(())
    }

    fn appended(&self, queue: &Arc<Queue>, job: Job, size: u64) {
        queue.append(job);
        self.shared.grow(size);
    }

    /// Try to share all blocks of a whole file.
    fn cloned(&self, copier: &Copier<'_>, source: &File, size: u64) -> Result<bool> {
        let whole = source.metadata().is_ok_and(|facts| facts.len() == size);
        if !whole || !copier.clone_whole() {
            return Ok(false);
        }
        let io = |error| self.shared.fail(self.shared.io(0, &error));
        if self.shared.file.metadata().map_err(io)?.len() == size {
            return Ok(true);
        }
        // The source changed its size in between.
        self.shared.file.set_len(0).map_err(io)?;
        Ok(false)
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        self.abort();
    }
}

/// Reads what a writer writes, behind it, in the slices in which a file is read.
pub(crate) struct Follower {
    shared: Arc<Shared>,
    position: u64,
    size: u64,
}

impl Stream for Follower {
    fn pull(&mut self) -> Result<Slice> {
        self.shared.stop.check(self.position)?;
        if self.shared.over() && self.shared.offset() < self.size {
            return Err(self.shared.closed_error()); // whatever is here will be no layer
        }
        let wanted = (self.size - self.position).min(SLICE as u64);
        while self.shared.offset() < self.position + wanted {
            self.shared.check()?;
            if self.shared.over() {
                return Err(self.shared.closed_error());
            }
            self.shared.wait_beyond(self.position + wanted);
        }
        let mut bytes = vec![0; wanted as usize];
        self.shared.load(&mut bytes, self.position)?;
        self.position += wanted;
        Ok(bytes.into())
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        *self
            .shared
            .followers
            .lock()
            .unwrap_or_else(PoisonError::into_inner) -= 1;
    }
}

#[cfg(test)]
mod tests;

//! The file of a writer, and the state that the writer shares with other threads.

use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::failure::{Code, Failure, Result};
use crate::hashing::SegmentReader;
use crate::stop::{POLL, Stop};
use crate::stream::read_at;

/// The state that a writer shares with its followers and with the threads that hash.
pub(super) struct WriterState {
    pub path: PathBuf,
    pub file: File,
    pub stop: Stop,
    /// The first failure.
    failure: OnceLock<Failure>,
    /// The writer is closed, or `abort` is in progress.
    closed: AtomicBool,
    /// The number of bytes written.
    offset: AtomicU64,
    /// The followers must not wait for further bytes.
    following_ended: AtomicBool,
    /// The number of followers.
    followers: Mutex<usize>,
    changed: Condvar,
}

impl WriterState {
    pub fn new(path: PathBuf, file: File, stop: Stop) -> Self {
        Self {
            path,
            file,
            stop,
            failure: OnceLock::new(),
            closed: AtomicBool::new(false),
            offset: AtomicU64::new(0),
            following_ended: AtomicBool::new(false),
            followers: Mutex::new(0),
            changed: Condvar::new(),
        }
    }

    /// Record a failure; return the first one recorded.
    pub fn fail(&self, failure: Failure) -> Failure {
        let failure = self.failure.get_or_init(|| failure).clone();
        self.notify_followers();
        failure
    }

    /// Create a failure of the file.
    pub fn io(&self, offset: u64, error: &std::io::Error) -> Failure {
        Failure::io(&self.path, offset, error)
    }

    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.notify_followers();
    }

    pub fn end_following(&self) {
        self.following_ended.store(true, Ordering::Release);
        self.notify_followers();
    }

    pub fn add_follower(&self) {
        *self.followers() += 1;
    }

    pub fn remove_follower(&self) {
        *self.followers() -= 1;
    }

    fn followers(&self) -> MutexGuard<'_, usize> {
        self.followers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn notify_followers(&self) {
        if *self.followers() > 0 {
            self.changed.notify_all();
        }
    }

    /// Wait until the file has `size` bytes, or the state changes, or a poll interval passes.
    pub fn wait_for_size(&self, size: u64) {
        let followers = self.followers();
        if self.offset() < size && !self.has_ended() && self.failure.get().is_none() {
            let waited = self.changed.wait_timeout(followers, POLL);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Count written bytes.
    pub fn advance(&self, count: u64) {
        self.offset.fetch_add(count, Ordering::AcqRel);
        self.notify_followers();
    }

    pub fn offset(&self) -> u64 {
        self.offset.load(Ordering::Acquire)
    }

    /// Return whether the writer was aborted, or has failed to finish.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Return whether the followers get no further bytes.
    pub fn has_ended(&self) -> bool {
        self.is_closed() || self.following_ended.load(Ordering::Acquire)
    }

    pub fn closed_error(&self) -> Failure {
        Failure::new(Code::Cancelled, self.offset(), "the writer is closed")
    }

    /// Fail if the writer has failed, is cancelled or is closed.
    pub fn check(&self) -> Result<()> {
        if let Some(failure) = self.failure.get() {
            return Err(failure.clone());
        }
        self.stop.check(self.offset())?;
        if self.is_closed() {
            return Err(self.closed_error());
        }
        Ok(())
    }
}

impl SegmentReader for WriterState {
    fn read_segment(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
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

    fn report_failure(&self, failure: Failure) {
        self.fail(failure);
    }
}

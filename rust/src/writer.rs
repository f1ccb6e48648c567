//! The blob writer: what it is given is hashed and written by two threads of its own.
//!
//! Both get every piece at once and in order, so hashing and writing overlap with each other and
//! with whoever produces the bytes. What waits is bounded by a budget shared by all writers. When
//! a thread fails, it goes on taking pieces and drops them: nobody waits for it, and the next
//! call says what happened.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{Builder, JoinHandle};

use crate::budget::Share;
use crate::copy::{Copier, Trouble};
use crate::digest::{Algorithm, Hasher};
use crate::failure::{Code, Failure, Result};
use crate::stream::read_at;

/// How many pieces may wait before each thread, however small they are.
const QUEUE: usize = 64;

/// Bytes that belong to somebody else and stay as they are.
pub type Bytes = Box<dyn AsRef<[u8]> + Send + Sync>;

struct Piece {
    bytes: Bytes,
    /// Where in the file it belongs.
    offset: u64,
    _share: Share,
}

enum HashJob {
    Piece(Arc<Piece>),
    /// What is in the file between these offsets.
    Stored(u64, u64),
}

enum DiskJob {
    Piece(Arc<Piece>),
    /// Say when all before is written.
    Flush(SyncSender<()>),
}

/// What the threads and the writer know together.
struct Shared {
    path: PathBuf,
    file: File,
    failure: OnceLock<Failure>,
    stop: AtomicBool,
}

impl Shared {
    fn fail(&self, failure: Failure) -> Failure {
        self.failure.get_or_init(|| failure).clone()
    }

    fn failed(&self) -> bool {
        self.failure.get().is_some()
    }

    fn io(&self, offset: u64, error: &std::io::Error) -> Failure {
        Failure::io(&self.path, offset, error)
    }
}

struct Lanes {
    hash: SyncSender<HashJob>,
    disk: SyncSender<DiskJob>,
    hashing: JoinHandle<Hasher>,
    writing: JoinHandle<()>,
}

/// Writes a file and knows its digest; the file is always a prefix of what was written.
pub struct BlobWriter {
    shared: Arc<Shared>,
    lanes: Mutex<Option<Lanes>>,
    offset: AtomicU64,
    /// A fork has the writer, but not its threads.
    owner: u32,
}

impl BlobWriter {
    /// Open a file for writing; with `resume` keep what it has, and hash that first.
    pub fn open(path: &Path, resume: bool, algorithm: Algorithm) -> Result<Self> {
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
            stop: AtomicBool::new(false),
        });
        let lanes = Lanes::start(&shared, algorithm).map_err(io)?;
        let writer = Self {
            shared,
            lanes: Mutex::new(Some(lanes)),
            offset: AtomicU64::new(held),
            owner: process::id(),
        };
        if held > 0 {
            let lanes = writer.lock();
            writer.hand_over(&lanes, HashJob::Stored(0, held), None)?;
        }
        Ok(writer)
    }

    /// Bytes held and handed over so far.
    pub fn offset(&self) -> u64 {
        self.offset.load(Ordering::Acquire)
    }

    /// Append bytes: hand them to the threads, and wait only while too much is in flight.
    pub fn write(&self, bytes: Bytes) -> Result<()> {
        self.check()?;
        let size = (*bytes).as_ref().len() as u64;
        if size == 0 {
            return Ok(());
        }
        let share = Share::take(size);
        let lanes = self.lock();
        let piece = Arc::new(Piece {
            bytes,
            offset: self.offset(),
            _share: share,
        });
        let disk = DiskJob::Piece(Arc::clone(&piece));
        self.hand_over(&lanes, HashJob::Piece(piece), Some(disk))?;
        self.offset.fetch_add(size, Ordering::AcqRel);
        Ok(())
    }

    /// Append a range of an open file.
    ///
    /// Where the source has fewer bytes ([`Code::Truncated`]) those are appended, and the writer
    /// can go on.
    pub fn copy_range(&self, source: &File, name: &str, from: u64, size: u64) -> Result<()> {
        self.check()?;
        let guard = self.lock();
        let lanes = guard.as_ref().ok_or_else(|| self.closed())?;
        lanes.flush();
        self.check()?;
        let mut copier = Copier::new(source, &self.shared.file);
        let start = self.offset();
        let mut done = 0;
        if start == 0 && from == 0 && size > 0 && self.cloned(&copier, source, size)? {
            done = size;
            self.copied(lanes, size)?;
        }
        while done < size {
            if self.shared.stop.load(Ordering::Acquire) {
                return Err(self.closed());
            }
            self.check()?;
            let count = copier
                .step(from + done, start + done, size - done)
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
            self.copied(lanes, count)?;
        }
        Ok(())
    }

    /// Wait until all is written and close the file; its digest and size.
    pub fn finish(&self, sync: bool) -> Result<(String, u64)> {
        self.check()?;
        let lanes = self.lock().take().ok_or_else(|| self.closed())?;
        let hasher = lanes.join(&self.shared);
        if let Some(failure) = self.shared.failure.get() {
            return Err(failure.clone());
        }
        let hasher = hasher.ok_or_else(|| self.closed())?;
        let offset = self.offset();
        let file = &self.shared.file;
        let size = file
            .metadata()
            .map_err(|error| self.shared.io(offset, &error))?
            .len();
        if size != offset {
            let path = self.shared.path.display();
            let detail = format!("{path} has {size} bytes, {offset} were written");
            return Err(Failure::new(Code::Changed, size.min(offset), detail));
        }
        if sync {
            file.sync_data()
                .map_err(|error| self.shared.io(offset, &error))?;
        }
        Ok((hasher.finish(), size))
    }

    /// Write out what was handed over, close, and keep it; once more changes nothing.
    pub fn abort(&self) {
        if self.owner != process::id() {
            return;
        }
        self.shared.stop.store(true, Ordering::Release);
        if let Some(lanes) = self.lock().take() {
            lanes.join(&self.shared);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Lanes>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self) -> Result<()> {
        if self.owner != process::id() {
            let detail = "the writer belongs to another process";
            return Err(Failure::new(Code::Cancelled, self.offset(), detail));
        }
        self.shared
            .failure
            .get()
            .map_or(Ok(()), |failure| Err(failure.clone()))
    }

    fn closed(&self) -> Failure {
        Failure::new(Code::Cancelled, self.offset(), "the writer is closed")
    }

    fn hand_over(&self, lanes: &Option<Lanes>, hash: HashJob, disk: Option<DiskJob>) -> Result<()> {
        let lanes = lanes.as_ref().ok_or_else(|| self.closed())?;
        // A thread that is gone has panicked; `join` says so.
        let lost = || {
            let failure = Failure::new(Code::Io, self.offset(), "a thread of the writer is gone");
            self.shared.fail(failure)
        };
        if let Some(job) = disk {
            lanes.disk.send(job).map_err(|_| lost())?;
        }
        lanes.hash.send(hash).map_err(|_| lost())
    }

    /// Have bytes hashed that were copied into the file: what counts is what was written there,
    /// for the source can change under our hands.
    fn copied(&self, lanes: &Lanes, count: u64) -> Result<()> {
        let from = self.offset.fetch_add(count, Ordering::AcqRel);
        lanes
            .hash
            .send(HashJob::Stored(from, from + count))
            .map_err(|_| self.closed())
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

impl Lanes {
    fn start(shared: &Arc<Shared>, algorithm: Algorithm) -> std::io::Result<Self> {
        let (hash, hash_jobs) = sync_channel(QUEUE);
        let (disk, disk_jobs) = sync_channel(QUEUE);
        let mine = Arc::clone(shared);
        let hasher = Hasher::new(algorithm);
        let hashing = Builder::new()
            .name("towline-hash".into())
            .spawn(move || hash_all(&hash_jobs, hasher, &mine))?;
        let mine = Arc::clone(shared);
        let writing = Builder::new()
            .name("towline-disk".into())
            .spawn(move || write_all(&disk_jobs, &mine))?;
        Ok(Self {
            hash,
            disk,
            hashing,
            writing,
        })
    }

    /// Wait until all that was handed over is in the file.
    fn flush(&self) {
        let (done, wait) = sync_channel(1);
        if self.disk.send(DiskJob::Flush(done)).is_ok() {
            // An error means that the thread is gone, which `join` reports.
            let _ = wait.recv();
        }
    }

    fn join(self, shared: &Shared) -> Option<Hasher> {
        drop((self.hash, self.disk));
        let written = self.writing.join();
        let hashed = self.hashing.join();
        if written.is_err() || hashed.is_err() {
            shared.fail(Failure::new(Code::Io, 0, "a thread of the writer died"));
        }
        hashed.ok()
    }
}

fn hash_all(jobs: &Receiver<HashJob>, mut hasher: Hasher, shared: &Shared) -> Hasher {
    for job in jobs {
        if shared.failed() {
            continue;
        }
        match job {
            HashJob::Piece(piece) => hasher.update((*piece.bytes).as_ref()),
            HashJob::Stored(from, to) => {
                if let Err(failure) = hash_stored(&mut hasher, shared, from, to) {
                    shared.fail(failure);
                }
            }
        }
    }
    hasher
}

fn hash_stored(hasher: &mut Hasher, shared: &Shared, from: u64, to: u64) -> Result<()> {
    let mut buffer = vec![0; 256 << 10];
    let mut at = from;
    while at < to && !shared.failed() {
        let wanted = (to - at).min(buffer.len() as u64) as usize;
        let count = read_at(&shared.file, &mut buffer[..wanted], at)
            .map_err(|error| shared.io(at, &error))?;
        if count == 0 {
            let detail = format!("{} was cut at byte {at}", shared.path.display());
            return Err(Failure::new(Code::Changed, at, detail));
        }
        hasher.update(&buffer[..count]);
        at += count as u64;
    }
    Ok(())
}

fn write_all(jobs: &Receiver<DiskJob>, shared: &Shared) {
    for job in jobs {
        match job {
            DiskJob::Flush(done) => {
                // An error means that nobody waits any more.
                let _ = done.send(());
            }
            DiskJob::Piece(_) if shared.failed() => {}
            DiskJob::Piece(piece) => {
                let bytes = (*piece.bytes).as_ref();
                if let Err(error) = shared.file.write_all_at(bytes, piece.offset) {
                    shared.fail(shared.io(piece.offset, &error));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;

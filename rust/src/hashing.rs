//! Hashing beside other work, two streams at a time where two have bytes.
//!
//! A writer has a [`Queue`], and so has each stream of a layer that is read ([`Sum`]); what is
//! appended to it is hashed in order, by the threads of the [`pool`].

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::budget::Permit;
use crate::digest::{Algorithm, Hasher};
use crate::failure::Failure;
use crate::stop::{POLL, Stop};

mod pool;

pub(crate) use pool::hurried;
use pool::{Pool, pool};

/// The most that is hashed of stored bytes before others have their turn.
const STEP: usize = 256 << 10;

/// What a piece counts at least, for it takes memory beside its bytes: however little each brings,
/// no more than a thousand wait.
const LEAST: u64 = 4 << 10;

/// From this size on a stream is hashed beside what brings it.
const LARGE: u64 = 1 << 20;

/// Bytes that belong to somebody else and stay as they are.
pub type Bytes = Box<dyn AsRef<[u8]> + Send + Sync>;

/// What is to be hashed.
pub(crate) enum Job {
    /// Bytes in memory, how many of them are hashed already, and their part of the budget.
    Piece {
        bytes: Bytes,
        done: usize,
        _permit: Permit,
    },
    /// What is in the file between these offsets.
    Stored(u64, u64),
}

impl Job {
    /// What it counts until all of it is hashed.
    fn size(&self) -> u64 {
        match self {
            Self::Piece { bytes, .. } => cost(bytes),
            Self::Stored(from, to) => to - from,
        }
    }
}

fn cost(bytes: &Bytes) -> u64 {
    LEAST.max((**bytes).as_ref().len() as u64)
}

/// Where stored bytes are read from; reports what goes wrong.
pub(crate) trait Stored: Send + Sync {
    /// Fill the buffer with the bytes at an offset.
    fn load(&self, buffer: &mut [u8], offset: u64) -> Result<(), Failure>;
    /// Take note of a failure.
    fn fail(&self, failure: Failure);
}

/// The bytes of one stream on their way to being hashed.
pub(crate) struct Queue {
    pool: &'static Pool,
    /// Where stored bytes lie, if there are any.
    file: Option<Arc<dyn Stored>>,
    work: Mutex<Work>,
    done: Condvar,
}

struct Work {
    jobs: VecDeque<Job>,
    /// Away while a thread uses it.
    hasher: Option<Hasher>,
    /// Waits for a thread, or has one.
    listed: bool,
}

impl Queue {
    pub fn open(file: Option<Arc<dyn Stored>>, algorithm: Algorithm) -> Arc<Self> {
        let pool = pool();
        pool.open_queue();
        Arc::new(Self {
            pool,
            file,
            work: Mutex::new(Work {
                jobs: VecDeque::new(),
                hasher: Some(Hasher::new(algorithm)),
                listed: false,
            }),
            done: Condvar::new(),
        })
    }

    /// Have it hashed, after all that came before.
    pub fn append(self: &Arc<Self>, job: Job) {
        let size = job.size();
        let mut work = self.lock();
        match (work.jobs.back_mut(), job) {
            (Some(Job::Stored(_, end)), Job::Stored(from, to)) if *end == from => *end = to,
            (_, job) => work.jobs.push_back(job),
        }
        let list = !work.listed;
        work.listed = true;
        drop(work);
        self.pool.add(list.then_some(self), size);
    }

    /// The same with bytes in memory; waits while too many of them wait.
    pub fn append_piece(self: &Arc<Self>, bytes: Bytes) {
        let size = cost(&bytes);
        let _permit = Permit::try_take(size).unwrap_or_else(|| hurried(|| Permit::take(size)));
        self.append(Job::Piece {
            bytes,
            done: 0,
            _permit,
        });
    }

    /// Wait until all is hashed; the hash of it, once, and none where that was stopped.
    pub fn finish(&self, stop: &Stop) -> Option<Hasher> {
        hurried(|| {
            loop {
                let mut work = self.lock();
                if !work.listed {
                    return work.hasher.take();
                }
                let waited = self.done.wait_timeout(work, POLL);
                drop(waited.unwrap_or_else(PoisonError::into_inner));
                if stop.is_set() {
                    return None;
                }
            }
        })
    }

    /// Nothing more will come, and what waits need not be hashed.
    pub fn close(&self) {
        let left: Vec<Job> = self.lock().jobs.drain(..).collect();
        self.pool.close_queue(left.iter().map(Job::size).sum());
    }

    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next bytes; of stored ones as many as a step has.
    fn next(&self) -> Turn {
        let mut work = self.lock();
        let mut job = work.jobs.pop_front();
        if let Some(Job::Stored(from, to)) = job {
            let stop = to.min(from + STEP as u64);
            if stop < to {
                work.jobs.push_front(Job::Stored(stop, to));
            }
            job = Some(Job::Stored(from, stop));
        }
        Turn {
            job,
            hasher: work.hasher.take(),
        }
    }

    /// Give the hasher back, and what is left of the job; whether there is more to hash.
    fn put_back(&self, turn: Turn) -> bool {
        let mut work = self.lock();
        work.hasher = turn.hasher;
        if let Some(rest) = turn.job {
            work.jobs.push_front(rest);
        }
        work.listed = !work.jobs.is_empty();
        if !work.listed {
            self.done.notify_all();
        }
        work.listed
    }
}

/// What a thread took of a queue.
struct Turn {
    job: Option<Job>,
    hasher: Option<Hasher>,
}

impl Turn {
    /// The bytes, read into the buffer where they are in the file.
    fn bytes<'a>(&'a self, queue: &Queue, buffer: &'a mut Vec<u8>) -> &'a [u8] {
        match &self.job {
            Some(Job::Piece { bytes, done, .. }) => &(**bytes).as_ref()[*done..],
            Some(Job::Stored(from, to)) => {
                buffer.resize(STEP, 0);
                let wanted = &mut buffer[..(to - from) as usize];
                let Some(file) = &queue.file else {
                    return &[];
                };
                match file.load(wanted, *from) {
                    Ok(()) => wanted,
                    Err(failure) => {
                        file.fail(failure);
                        &[]
                    }
                }
            }
            None => &[],
        }
    }

    /// Hash what there is; what it counted.
    fn hash(&mut self, queue: &Queue, buffer: &mut Vec<u8>) -> u64 {
        let mut hasher = self.hasher.take();
        if let Some(hasher) = &mut hasher {
            hasher.update(self.bytes(queue, buffer));
        }
        self.hasher = hasher;
        self.done(usize::MAX)
    }

    /// Hash as many bytes of two turns as both have, side by side; what each counted that is done.
    ///
    /// What is left of a piece waits for more of the other one; stored bytes lie in a buffer that
    /// is used again, so they are hashed to their end.
    fn hash_both(
        &mut self,
        other: &mut Self,
        queues: [&Queue; 2],
        [first, second]: &mut [Vec<u8>; 2],
    ) -> [u64; 2] {
        let (mut a, mut b) = (self.hasher.take(), other.hasher.take());
        let (x, y) = (self.bytes(queues[0], first), other.bytes(queues[1], second));
        let common = x.len().min(y.len());
        if let (Some(a), Some(b)) = (&mut a, &mut b) {
            Hasher::update_both(a, &x[..common], b, &y[..common]);
            for (turn, hasher, bytes) in [(&*self, a, x), (&*other, b, y)] {
                if !turn.is_piece() {
                    hasher.update(&bytes[common..]);
                }
            }
        }
        (self.hasher, other.hasher) = (a, b);
        [self, other].map(|turn| turn.done(common))
    }

    fn is_piece(&self) -> bool {
        matches!(self.job, Some(Job::Piece { .. }))
    }

    /// So many bytes more are hashed of a piece, or all that is stored; what counts no more.
    fn done(&mut self, count: usize) -> u64 {
        if let Some(Job::Piece { bytes, done, .. }) = &mut self.job {
            *done = done.saturating_add(count);
            if *done < (**bytes).as_ref().len() {
                return 0;
            }
        }
        self.job.take().map_or(0, |job| job.size())
    }
}

/// The SHA-256 of bytes that lie nowhere, and their number.
pub(crate) struct Sum {
    hashing: Hashing,
    size: u64,
}

enum Hashing {
    Here(Box<Hasher>),
    Beside(Open),
}

/// A queue that is closed when nobody wants its hash any more.
struct Open(Arc<Queue>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Sum {
    /// For a stream of which so many bytes are stored.
    pub fn of(stored: u64) -> Self {
        let hashing = if stored < LARGE {
            Hashing::Here(Box::new(Hasher::new(Algorithm::Sha256)))
        } else {
            Hashing::Beside(Open(Queue::open(None, Algorithm::Sha256)))
        };
        Self { hashing, size: 0 }
    }

    pub fn update<B: AsRef<[u8]> + Clone + Send + Sync + 'static>(&mut self, bytes: &B) {
        self.size += bytes.as_ref().len() as u64;
        match &mut self.hashing {
            Hashing::Here(hasher) => hasher.update(bytes.as_ref()),
            Hashing::Beside(queue) => queue.0.append_piece(Box::new(bytes.clone())),
        }
    }

    /// Digest and size.
    pub fn finish(self) -> (String, u64) {
        let hasher = match self.hashing {
            Hashing::Here(hasher) => *hasher,
            Hashing::Beside(queue) => {
                let hasher = queue.0.finish(&Stop::default());
                hasher.expect("it is asked for once, and never stopped")
            }
        };
        (hasher.finish(), self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::BYTES;

    #[test]
    fn little_pieces_do_not_pile_up() {
        let [queue, idle] = [0; 2].map(|_| Queue::open(None, Algorithm::Sha256));
        for _ in 0..5_000 {
            queue.append_piece(Box::new([7_u8]));
            assert!(queue.lock().jobs.len() as u64 <= BYTES / LEAST);
        }
        assert!(queue.finish(&Stop::default()).is_some());
        queue.close();
        idle.close();
    }

    #[test]
    fn pieces_of_any_lengths_are_hashed_in_order() {
        let sizes = [1, 63, 64, 65, 100_000, 131_072, 200_001, 7, 262_144];
        let queues = [0; 2].map(|_| Queue::open(None, Algorithm::Sha256));
        let mut wanted = [0; 2].map(|_| Hasher::new(Algorithm::Sha256));
        for round in 0..200_usize {
            let which = round * round % 7 % 2;
            let piece = vec![round as u8; sizes[round * 31 % sizes.len()]];
            wanted[which].update(&piece);
            queues[which].append_piece(Box::new(piece));
        }
        for (queue, wanted) in queues.iter().zip(wanted) {
            let hasher = queue.finish(&Stop::default()).unwrap();
            assert_eq!(hasher.finish(), wanted.finish());
            queue.close();
        }
    }
}

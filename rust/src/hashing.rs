//! Threads that hash for all writers, two streams at a time where two have bytes.
//!
//! A writer has a [`Line`]; what it appends to it is hashed in order. One thread for every two
//! processors serves all lines: each takes the next piece of two of them and hashes both in two
//! lanes. A thread ends when there are no lines any more.

use std::collections::VecDeque;
use std::process;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Builder};

use crate::budget::Share;
use crate::digest::{Algorithm, Hasher};
use crate::failure::Failure;

/// The most that is hashed of a line before others have their turn.
const STEP: usize = 256 << 10;

/// Bytes that belong to somebody else and stay as they are.
pub type Bytes = Box<dyn AsRef<[u8]> + Send + Sync>;

/// What is to be hashed.
pub(crate) enum Job {
    /// Bytes in memory, and their share of the budget.
    Piece { bytes: Bytes, _share: Share },
    /// What is in the file between these offsets.
    Stored(u64, u64),
}

/// Where stored bytes are read from; reports what goes wrong.
pub(crate) trait Stored: Send + Sync {
    /// Fill the buffer with the bytes at an offset.
    fn load(&self, buffer: &mut [u8], offset: u64) -> Result<(), Failure>;
    /// Take note of a failure.
    fn fail(&self, failure: Failure);
}

/// The bytes of one writer on their way to being hashed.
pub(crate) struct Line {
    file: Arc<dyn Stored>,
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

struct Pool {
    state: Mutex<State>,
    wake: Condvar,
}

struct State {
    ready: VecDeque<Arc<Line>>,
    lines: usize,
    threads: usize,
    /// A fork inherits the counts, but not the threads.
    owner: u32,
}

static POOL: Pool = Pool {
    state: Mutex::new(State {
        ready: VecDeque::new(),
        lines: 0,
        threads: 0,
        owner: 0,
    }),
    wake: Condvar::new(),
};

impl Line {
    pub fn open(file: Arc<dyn Stored>, algorithm: Algorithm) -> Arc<Self> {
        POOL.lock().lines += 1;
        Arc::new(Self {
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
    pub fn append(self: &Arc<Self>, job: Job) -> std::io::Result<()> {
        let mut work = self.lock();
        match (work.jobs.back_mut(), job) {
            (Some(Job::Stored(_, end)), Job::Stored(from, to)) if *end == from => *end = to,
            (_, job) => work.jobs.push_back(job),
        }
        let list = !work.listed;
        work.listed = true;
        drop(work);
        if list { POOL.list(self) } else { Ok(()) }
    }

    /// Wait until all is hashed; the hash of it, once.
    pub fn finish(&self) -> Option<Hasher> {
        let mut work = self.lock();
        while work.listed {
            work = self.done.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
        work.hasher.take()
    }

    /// Nothing more will come, and what waits need not be hashed.
    pub fn close(&self) {
        self.lock().jobs.clear();
        POOL.forget();
    }

    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next bytes; of stored ones as many as a step has.
    fn next(&self) -> Turn {
        let mut work = self.lock();
        let job = work.jobs.pop_front();
        if let Some(Job::Stored(from, to)) = job {
            let stop = to.min(from + STEP as u64);
            if stop < to {
                work.jobs.push_front(Job::Stored(stop, to));
            }
            return Turn {
                job: Some(Job::Stored(from, stop)),
                hasher: work.hasher.take(),
            };
        }
        Turn {
            job,
            hasher: work.hasher.take(),
        }
    }

    /// Give the hasher back, and say whether there is more.
    fn put_back(self: &Arc<Self>, hasher: Option<Hasher>) -> bool {
        let mut work = self.lock();
        work.hasher = hasher;
        work.listed = !work.jobs.is_empty();
        if !work.listed {
            self.done.notify_all();
        }
        work.listed
    }
}

/// What a thread took of a line.
struct Turn {
    job: Option<Job>,
    hasher: Option<Hasher>,
}

impl Turn {
    /// The bytes, read into the buffer where they are in the file.
    fn bytes<'a>(&'a self, line: &Line, buffer: &'a mut Vec<u8>) -> &'a [u8] {
        match &self.job {
            Some(Job::Piece { bytes, .. }) => (**bytes).as_ref(),
            Some(Job::Stored(from, to)) => {
                buffer.resize(STEP, 0);
                let wanted = &mut buffer[..(to - from) as usize];
                match line.file.load(wanted, *from) {
                    Ok(()) => wanted,
                    Err(failure) => {
                        line.file.fail(failure);
                        &[]
                    }
                }
            }
            None => &[],
        }
    }
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let owner = process::id();
        if state.owner != owner {
            *state = State {
                ready: VecDeque::new(),
                lines: 0,
                threads: 0,
                owner,
            };
        }
        state
    }

    fn list(&self, line: &Arc<Line>) -> std::io::Result<()> {
        let mut state = self.lock();
        state.ready.push_back(Arc::clone(line));
        if state.threads < most_threads() && state.ready.len() > state.threads {
            Builder::new().name("towline-hash".into()).spawn(work)?;
            state.threads += 1;
        }
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    fn forget(&self) {
        let mut state = self.lock();
        state.lines = state.lines.saturating_sub(1);
        if state.lines == 0 {
            self.wake.notify_all();
        }
    }

    /// One line with bytes, or two; none when the thread is to end.
    fn take(&self) -> Option<(Arc<Line>, Option<Arc<Line>>)> {
        let mut state = self.lock();
        loop {
            if let Some(line) = state.ready.pop_front() {
                return Some((line, state.ready.pop_front()));
            }
            if state.lines == 0 {
                state.threads -= 1;
                return None;
            }
            state = self
                .wake
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn most_threads() -> usize {
    static COUNT: OnceLock<usize> = OnceLock::new();
    *COUNT
        .get_or_init(|| thread::available_parallelism().map_or(1, |count| count.get().div_ceil(2)))
}

fn work() {
    let (mut buffer, mut second) = (Vec::new(), Vec::new());
    while let Some((line, other)) = POOL.take() {
        let mut turn = line.next();
        let mut hasher = turn.hasher.take();
        if let Some(other) = other {
            let mut beside = other.next();
            let mut sibling = beside.hasher.take();
            if let (Some(a), Some(b)) = (&mut hasher, &mut sibling) {
                let x = turn.bytes(&line, &mut buffer);
                let y = beside.bytes(&other, &mut second);
                Hasher::update_both(a, x, b, y);
            }
            drop(beside);
            relist(&other, sibling);
        } else if let Some(hasher) = &mut hasher {
            hasher.update(turn.bytes(&line, &mut buffer));
        }
        drop(turn);
        relist(&line, hasher);
    }
}

fn relist(line: &Arc<Line>, hasher: Option<Hasher>) {
    if line.put_back(hasher) {
        POOL.lock().ready.push_back(Arc::clone(line));
        POOL.wake.notify_one();
    }
}

//! Threads that hash for all writers, two streams at a time where two have bytes.
//!
//! A writer has a [`Line`], and so has a tar that is decompressed while it comes ([`Sum`]); what is
//! appended to it is hashed in order. One thread for every two
//! processors serves all lines: each takes the next piece of two of them and hashes both in two
//! lanes. To find a second line, and not to be woken for every piece, a thread waits until enough
//! has come, unless somebody waits for it. It ends when there are no lines any more.

use std::collections::VecDeque;
use std::process;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Builder};

use crate::budget::Share;
use crate::digest::{Algorithm, Hasher};
use crate::failure::Failure;

/// The most that is hashed of a line before others have their turn.
const STEP: usize = 256 << 10;

/// What must wait to be hashed before a thread is woken for it.
const BATCH: u64 = 1 << 19;

/// The same where only one of several lines has bytes: another may have some soon.
const ALONE: u64 = 1 << 20;

/// What a piece counts at least, for it takes memory beside its bytes: however little each brings,
/// no more than a thousand wait.
const LEAST: u64 = 4 << 10;

/// Bytes that belong to somebody else and stay as they are.
pub type Bytes = Box<dyn AsRef<[u8]> + Send + Sync>;

/// What is to be hashed.
pub(crate) enum Job {
    /// Bytes in memory, and their share of the budget.
    Piece { bytes: Bytes, _share: Share },
    /// What is in the file between these offsets.
    Stored(u64, u64),
}

impl Job {
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
pub(crate) struct Line {
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

struct Pool {
    state: Mutex<State>,
    wake: Condvar,
}

struct State {
    ready: VecDeque<Arc<Line>>,
    /// What waits in all lines, in bytes; less than nothing while what was taken at once is not
    /// counted yet.
    waiting: i64,
    /// How many wait for something to be hashed now.
    hurry: usize,
    lines: usize,
    threads: usize,
    idle: usize,
    /// A fork inherits the counts, but not the threads.
    owner: u32,
}

static POOL: Pool = Pool {
    state: Mutex::new(State::new(0)),
    wake: Condvar::new(),
};

impl State {
    const fn new(owner: u32) -> Self {
        Self {
            ready: VecDeque::new(),
            waiting: 0,
            hurry: 0,
            lines: 0,
            threads: 0,
            idle: 0,
            owner,
        }
    }

    /// Whether a thread should set to work.
    fn due(&self) -> bool {
        let enough = match self.ready.len() {
            0 => return false,
            1 if self.lines > 1 => ALONE,
            _ => BATCH,
        };
        self.hurry > 0 || self.lines == 0 || self.waiting >= enough as i64
    }
}

/// Do what waits for bytes to be hashed; until it is done, no thread waits for more to come.
pub(crate) fn hurried<T>(wait: impl FnOnce() -> T) -> T {
    let mut state = POOL.lock();
    state.hurry += 1;
    POOL.release(state);
    let done = wait();
    let mut state = POOL.lock();
    state.hurry = state.hurry.saturating_sub(1); // 0 already in a fork
    done
}

impl Line {
    pub fn open(file: Option<Arc<dyn Stored>>, algorithm: Algorithm) -> Arc<Self> {
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
        let size = job.size();
        let mut work = self.lock();
        match (work.jobs.back_mut(), job) {
            (Some(Job::Stored(_, end)), Job::Stored(from, to)) if *end == from => *end = to,
            (_, job) => work.jobs.push_back(job),
        }
        let list = !work.listed;
        work.listed = true;
        drop(work);
        POOL.add(list.then_some(self), size)
    }

    /// The same with bytes in memory; waits while too many of them wait.
    pub fn append_piece(self: &Arc<Self>, bytes: Bytes) -> std::io::Result<()> {
        let size = cost(&bytes);
        let _share = Share::try_take(size).unwrap_or_else(|| hurried(|| Share::take(size)));
        self.append(Job::Piece { bytes, _share })
    }

    /// Wait until all is hashed; the hash of it, once.
    pub fn finish(&self) -> Option<Hasher> {
        hurried(|| {
            let mut work = self.lock();
            while work.listed {
                work = self.done.wait(work).unwrap_or_else(PoisonError::into_inner);
            }
            work.hasher.take()
        })
    }

    /// Nothing more will come, and what waits need not be hashed.
    pub fn close(&self) {
        let left: Vec<Job> = self.lock().jobs.drain(..).collect();
        POOL.forget(left.iter().map(Job::size).sum());
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

/// The digest of bytes that lie nowhere.
pub(crate) struct Sum {
    line: Arc<Line>,
    failure: Option<std::io::Error>,
}

impl Sum {
    pub fn new(algorithm: Algorithm) -> Self {
        Self {
            line: Line::open(None, algorithm),
            failure: None,
        }
    }

    /// A failure is told by `finish`.
    pub fn update(&mut self, bytes: Bytes) {
        if self.failure.is_none() {
            self.failure = self.line.append_piece(bytes).err();
        }
    }

    pub fn finish(mut self) -> std::io::Result<String> {
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        let hasher = self.line.finish();
        Ok(hasher.expect("only this takes it").finish())
    }
}

impl Drop for Sum {
    fn drop(&mut self) {
        self.line.close();
    }
}

/// What a thread took of a line.
struct Turn {
    job: Option<Job>,
    hasher: Option<Hasher>,
}

impl Turn {
    fn size(&self) -> u64 {
        self.job.as_ref().map_or(0, Job::size)
    }

    /// The bytes, read into the buffer where they are in the file.
    fn bytes<'a>(&'a self, line: &Line, buffer: &'a mut Vec<u8>) -> &'a [u8] {
        match &self.job {
            Some(Job::Piece { bytes, .. }) => (**bytes).as_ref(),
            Some(Job::Stored(from, to)) => {
                buffer.resize(STEP, 0);
                let wanted = &mut buffer[..(to - from) as usize];
                let Some(file) = &line.file else {
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
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let owner = process::id();
        if state.owner != owner {
            *state = State::new(owner);
        }
        state
    }

    /// Take note of bytes that wait, and of a line that had none before.
    fn add(&self, line: Option<&Arc<Line>>, size: u64) -> std::io::Result<()> {
        let mut state = self.lock();
        state.waiting += size as i64;
        state.ready.extend(line.map(Arc::clone));
        if state.threads < most_threads() && state.ready.len() > state.threads {
            match Builder::new().name("towline-hash".into()).spawn(work) {
                Ok(_) => state.threads += 1,
                // Those that are there do all the work.
                Err(error) if state.threads == 0 => return Err(error),
                Err(_) => {}
            }
        }
        self.release(state);
        Ok(())
    }

    fn forget(&self, left: u64) {
        let mut state = self.lock();
        state.waiting -= left as i64;
        state.lines = state.lines.saturating_sub(1);
        if state.lines == 0 {
            self.wake.notify_all();
        }
        self.release(state);
    }

    fn release(&self, state: MutexGuard<'_, State>) {
        let wake = state.idle > 0 && state.due();
        drop(state);
        if wake {
            self.wake.notify_one();
        }
    }

    /// One line with bytes, or two; none when the thread is to end.
    fn take(&self) -> Option<(Arc<Line>, Option<Arc<Line>>)> {
        let mut state = self.lock();
        let mut slept = false;
        loop {
            // Who is awake goes on while there are two.
            let go_on = state.due() || (!slept && state.ready.len() > 1);
            if go_on && let Some(line) = state.ready.pop_front() {
                return Some((line, state.ready.pop_front()));
            }
            if state.lines == 0 {
                state.threads -= 1;
                return None;
            }
            state.idle += 1;
            state = self
                .wake
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
            slept = true;
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
            let hashed = beside.size();
            drop(beside);
            relist(&other, sibling, hashed);
        } else if let Some(hasher) = &mut hasher {
            hasher.update(turn.bytes(&line, &mut buffer));
        }
        let hashed = turn.size();
        drop(turn);
        relist(&line, hasher, hashed);
    }
}

/// Give a hasher back after so many bytes, and let its line wait for the next turn.
fn relist(line: &Arc<Line>, hasher: Option<Hasher>, hashed: u64) {
    let more = line.put_back(hasher);
    let mut state = POOL.lock();
    state.waiting -= hashed as i64;
    state.ready.extend(more.then(|| Arc::clone(line)));
    POOL.release(state);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::BUDGET;

    #[test]
    fn little_pieces_do_not_pile_up() {
        let [line, idle] = [0; 2].map(|_| Line::open(None, Algorithm::Sha256));
        for _ in 0..5_000 {
            line.append_piece(Box::new([7_u8])).unwrap();
            assert!(line.lock().jobs.len() as u64 <= BUDGET / LEAST);
        }
        assert!(line.finish().is_some());
        line.close();
        idle.close();
    }
}

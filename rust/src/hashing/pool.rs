//! The threads that hash the segments of all queues: one thread for every two processors.
//!
//! A thread takes a segment of each of two queues and hashes them as a pair. It waits until a batch
//! of bytes is there, unless a caller waits for the hash: a batch makes a second queue more likely,
//! and the thread is not woken for every segment. A thread ends when no queue is open. If no thread
//! can be created, the appending thread hashes.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Builder};

use crate::hashing::queue::{Queue, WorkItem};
use crate::per_process::PerProcess;

/// The number of waiting bytes at which a thread is woken.
const BATCH: u64 = 1 << 19;

/// The same number if only one of several queues has segments, because another may soon have some.
const SINGLE_BATCH: u64 = 1 << 20;

static POOL: PerProcess<Pool> = PerProcess::new();

#[derive(Default)]
pub(super) struct Pool {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    /// The queues that have segments and are not processed by a thread.
    ready: VecDeque<Arc<Queue>>,
    /// The cost of all segments that are not hashed. It is negative for a moment if a segment is
    /// hashed before it is counted.
    waiting: i64,
    /// The number of callers that wait for the hash.
    blocked: usize,
    /// The number of open queues.
    queues: usize,
    threads: usize,
    idle: usize,
}

impl State {
    /// Return whether there is a batch of work for a thread.
    fn has_batch(&self) -> bool {
        let enough = match self.ready.len() {
            0 => return false,
            1 if self.queues > 1 => SINGLE_BATCH,
            _ => BATCH,
        };
        self.blocked > 0 || self.queues == 0 || self.waiting >= enough as i64
    }

    /// Take the next ready queue, or the next two.
    fn next(&mut self) -> Option<(Arc<Queue>, Option<Arc<Queue>>)> {
        let first = self.ready.pop_front()?;
        Some((first, self.ready.pop_front()))
    }
}

/// Return the pool of this process.
pub(super) fn pool() -> &'static Pool {
    POOL.get()
}

/// Run `wait`, which waits for bytes to be hashed; meanwhile no thread waits for a batch.
pub(super) fn wait_for_hashing<T>(wait: impl FnOnce() -> T) -> T {
    let pool = pool();
    let mut state = pool.lock();
    state.blocked += 1;
    pool.unlock_and_wake(state);
    let result = wait();
    pool.lock().blocked -= 1;
    result
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn open_queue(&self) {
        self.lock().queues += 1;
    }

    /// Close a queue; `discarded` is the cost of its segments that will not be hashed.
    pub fn close_queue(&self, discarded: u64) {
        let mut state = self.lock();
        state.waiting -= discarded as i64;
        state.queues -= 1;
        if state.queues == 0 {
            self.wake.notify_all();
        }
        self.unlock_and_wake(state);
    }

    /// Add the cost of a new segment, and its queue if that had no segments before.
    pub fn add_work(&'static self, queue: Option<&Arc<Queue>>, cost: u64) {
        let mut state = self.lock();
        state.waiting += cost as i64;
        state.ready.extend(queue.map(Arc::clone));
        if state.threads < max_threads() && state.ready.len() > state.threads {
            let thread = Builder::new().name("towline-hash".into());
            if thread.spawn(|| self.run_thread()).is_ok() {
                state.threads += 1;
            }
        }
        let no_threads = state.threads == 0;
        self.unlock_and_wake(state);
        if no_threads {
            while let Some((queue, other)) = self.next() {
                self.hash(&queue, other.as_ref(), &mut Default::default());
            }
        }
    }

    fn next(&self) -> Option<(Arc<Queue>, Option<Arc<Queue>>)> {
        self.lock().next()
    }

    /// Release the lock and wake a thread if there is a batch.
    fn unlock_and_wake(&self, state: MutexGuard<'_, State>) {
        let wake = state.idle > 0 && state.has_batch();
        drop(state);
        if wake {
            self.wake.notify_one();
        }
    }

    /// Wait for work and take the next ready queues; `None` if the thread must end.
    fn wait_for_work(&self) -> Option<(Arc<Queue>, Option<Arc<Queue>>)> {
        let mut state = self.lock();
        let mut slept = false;
        loop {
            // A thread that has not slept also continues while two queues are ready.
            let proceed = state.has_batch() || (!slept && state.ready.len() > 1);
            let found = proceed.then(|| state.next()).flatten();
            if found.is_some() {
                return found;
            }
            if state.queues == 0 {
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

    /// Run a thread of the pool.
    fn run_thread(&self) {
        let mut buffers = <[Vec<u8>; 2]>::default();
        while let Some((queue, other)) = self.wait_for_work() {
            self.hash(&queue, other.as_ref(), &mut buffers);
        }
    }

    /// Hash the next segment of one queue or of two; file segments are read into the buffers.
    fn hash(&self, queue: &Arc<Queue>, other: Option<&Arc<Queue>>, buffers: &mut [Vec<u8>; 2]) {
        let mut item = queue.next();
        let Some(other) = other else {
            let hashed = item.hash(queue, &mut buffers[0]);
            return self.put_back(queue, item, hashed);
        };
        let mut other_item = other.next();
        let [hashed, other_hashed] = item.hash_pair(&mut other_item, [queue, other], buffers);
        self.put_back(other, other_item, other_hashed);
        self.put_back(queue, item, hashed);
    }

    /// Return the rest of an item to its queue, which is ready again if it has more segments.
    fn put_back(&self, queue: &Arc<Queue>, item: WorkItem, hashed: u64) {
        let more = queue.put_back(item);
        let mut state = self.lock();
        state.waiting -= hashed as i64;
        state.ready.extend(more.then(|| Arc::clone(queue)));
        self.unlock_and_wake(state);
    }
}

fn max_threads() -> usize {
    static COUNT: OnceLock<usize> = OnceLock::new();
    *COUNT
        .get_or_init(|| thread::available_parallelism().map_or(1, |count| count.get().div_ceil(2)))
}

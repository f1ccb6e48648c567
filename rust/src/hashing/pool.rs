//! The threads that hash, one for every two processors: each takes the next bytes of two queues and
//! hashes both in two lanes. To find a second queue, and not to be woken for every piece, a thread
//! waits until enough has come, unless somebody waits for it. It ends when there are no queues any
//! more. Where the machine gives no thread, who appends hashes too.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Builder};

use super::{Queue, Turn};
use crate::per_process::PerProcess;

/// What must wait to be hashed before a thread is woken for it.
const BATCH: u64 = 1 << 19;

/// The same where only one of several queues has bytes: another may have some soon.
const ALONE: u64 = 1 << 20;

static POOL: PerProcess<Pool> = PerProcess::new();

#[derive(Default)]
pub(super) struct Pool {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    ready: VecDeque<Arc<Queue>>,
    /// What waits in all queues, in bytes; less than nothing while what was taken at once is not
    /// counted yet.
    waiting: i64,
    /// How many wait for something to be hashed now.
    hurry: usize,
    queues: usize,
    threads: usize,
    idle: usize,
}

impl State {
    /// Whether a thread should set to work.
    fn due(&self) -> bool {
        let enough = match self.ready.len() {
            0 => return false,
            1 if self.queues > 1 => ALONE,
            _ => BATCH,
        };
        self.hurry > 0 || self.queues == 0 || self.waiting >= enough as i64
    }

    /// One queue with bytes, or two.
    fn next(&mut self) -> Option<(Arc<Queue>, Option<Arc<Queue>>)> {
        let first = self.ready.pop_front()?;
        Some((first, self.ready.pop_front()))
    }
}

/// The pool of this process.
pub(super) fn pool() -> &'static Pool {
    POOL.get()
}

/// Do what waits for bytes to be hashed; until it is done, no thread waits for more to come.
pub(crate) fn hurried<T>(wait: impl FnOnce() -> T) -> T {
    let pool = pool();
    let mut state = pool.lock();
    state.hurry += 1;
    pool.release(state);
    let done = wait();
    pool.lock().hurry -= 1;
    done
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn open_queue(&self) {
        self.lock().queues += 1;
    }

    /// A queue is closed; so many of its bytes are not going to be hashed.
    pub fn close_queue(&self, left: u64) {
        let mut state = self.lock();
        state.waiting -= left as i64;
        state.queues -= 1;
        if state.queues == 0 {
            self.wake.notify_all();
        }
        self.release(state);
    }

    /// Take note of bytes that wait, and of a queue that had none before.
    pub fn add(&'static self, queue: Option<&Arc<Queue>>, size: u64) {
        let mut state = self.lock();
        state.waiting += size as i64;
        state.ready.extend(queue.map(Arc::clone));
        if state.threads < most_threads() && state.ready.len() > state.threads {
            let thread = Builder::new().name("towline-hash".into());
            if thread.spawn(|| self.work()).is_ok() {
                state.threads += 1;
            }
        }
        let alone = state.threads == 0;
        self.release(state);
        if alone {
            while let Some((queue, other)) = self.next() {
                self.hash(&queue, other.as_ref(), &mut Default::default());
            }
        }
    }

    fn next(&self) -> Option<(Arc<Queue>, Option<Arc<Queue>>)> {
        self.lock().next()
    }

    fn release(&self, state: MutexGuard<'_, State>) {
        let wake = state.idle > 0 && state.due();
        drop(state);
        if wake {
            self.wake.notify_one();
        }
    }

    /// The same for a thread, which waits; none when it is to end.
    fn take(&self) -> Option<(Arc<Queue>, Option<Arc<Queue>>)> {
        let mut state = self.lock();
        let mut slept = false;
        loop {
            // Who is awake goes on while there are two.
            let go_on = state.due() || (!slept && state.ready.len() > 1);
            if go_on && let Some(found) = state.next() {
                return Some(found);
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

    /// The life of a thread.
    fn work(&self) {
        let mut buffers = <[Vec<u8>; 2]>::default();
        while let Some((queue, other)) = self.take() {
            self.hash(&queue, other.as_ref(), &mut buffers);
        }
    }

    /// Hash the next bytes of one queue or of two; stored ones are read into the buffers.
    fn hash(&self, queue: &Arc<Queue>, other: Option<&Arc<Queue>>, buffers: &mut [Vec<u8>; 2]) {
        let mut turn = queue.next();
        let Some(other) = other else {
            let hashed = turn.hash(queue, &mut buffers[0]);
            return self.put_back(queue, turn, hashed);
        };
        let mut beside = other.next();
        let [hashed, hashed_beside] = turn.hash_both(&mut beside, [queue, other], buffers);
        self.put_back(other, beside, hashed_beside);
        self.put_back(queue, turn, hashed);
    }

    /// Give back what is left of a turn, and let its queue wait for the next one.
    fn put_back(&self, queue: &Arc<Queue>, turn: Turn, hashed: u64) {
        let more = queue.put_back(turn);
        let mut state = self.lock();
        state.waiting -= hashed as i64;
        state.ready.extend(more.then(|| Arc::clone(queue)));
        self.release(state);
    }
}

fn most_threads() -> usize {
    static COUNT: OnceLock<usize> = OnceLock::new();
    *COUNT
        .get_or_init(|| thread::available_parallelism().map_or(1, |count| count.get().div_ceil(2)))
}

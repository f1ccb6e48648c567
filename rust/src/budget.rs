//! One budget for all writers: how many bytes may wait to be hashed.

use std::process;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::per_process::PerProcess;

/// Bytes in flight over all writers.
pub(crate) const BYTES: u64 = 4 << 20;

/// Who waits is woken when no more than this is held, so that he has room for a while.
const LOW: u64 = BYTES / 2;

static BUDGET: PerProcess<Budget> = PerProcess::new();

#[derive(Default)]
struct Budget {
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Default)]
struct State {
    held: u64,
    /// How many wait for room.
    waiting: usize,
}

impl State {
    fn has_room(&self, cost: u64) -> bool {
        self.held + cost <= BYTES
    }
}

impl Budget {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn permit(&'static self, state: &mut State, cost: u64) -> Permit {
        state.held += cost;
        Permit {
            budget: self,
            cost,
            owner: process::id(),
        }
    }
}

/// A part of the budget, given back when dropped.
pub(crate) struct Permit {
    budget: &'static Budget,
    cost: u64,
    /// A fork that drops it has another budget.
    owner: u32,
}

impl Permit {
    /// A permit, where there is room for one without waiting.
    pub fn try_take(bytes: u64) -> Option<Self> {
        let cost = bytes.min(BYTES);
        let budget = BUDGET.get();
        let mut state = budget.lock();
        let room = state.has_room(cost);
        room.then(|| budget.permit(&mut state, cost))
    }

    /// Wait for room. A piece larger than the whole budget goes alone, so none waits for ever:
    /// what is in flight is worked off by threads that take no permit themselves.
    pub fn take(bytes: u64) -> Self {
        let cost = bytes.min(BYTES);
        let budget = BUDGET.get();
        let mut state = budget.lock();
        while !state.has_room(cost) {
            state.waiting += 1;
            state = budget
                .freed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
        budget.permit(&mut state, cost)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.owner != process::id() {
            return;
        }
        let mut state = self.budget.lock();
        state.held -= self.cost;
        let awaited = state.waiting > 0 && state.held <= LOW;
        drop(state);
        if awaited {
            self.budget.freed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_piece_of_any_size_goes_through() {
        let permit = Permit::take(BYTES / 2);
        let waiting = thread::spawn(|| drop(Permit::take(10 * BYTES)));
        drop(permit);
        waiting.join().unwrap();
    }
}

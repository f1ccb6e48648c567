//! One budget for all writers: how many bytes may wait to be hashed.

use std::process;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes in flight over all writers.
pub(crate) const BUDGET: u64 = 4 << 20;

/// Who waits is woken when no more than this is held, so that he has room for a while.
const LOW: u64 = BUDGET / 2;

static TILL: Till = Till {
    state: Mutex::new(State::new(0)),
    freed: Condvar::new(),
};

struct Till {
    state: Mutex<State>,
    freed: Condvar,
}

struct State {
    held: u64,
    /// How many wait for room.
    waiting: usize,
    /// The process that counts: a fork inherits the count, but not the threads that would pay it
    /// back.
    owner: u32,
}

impl State {
    const fn new(owner: u32) -> Self {
        Self {
            held: 0,
            waiting: 0,
            owner,
        }
    }

    fn has_room(&self, cost: u64) -> bool {
        self.held + cost <= BUDGET
    }
}

impl Till {
    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let owner = process::id();
        if state.owner != owner {
            *state = State::new(owner);
        }
        state
    }
}

/// A share of the budget, given back when dropped.
pub(crate) struct Share {
    cost: u64,
    owner: u32,
}

impl Share {
    /// A share, where there is room for one without waiting.
    pub fn try_take(bytes: u64) -> Option<Self> {
        let cost = bytes.min(BUDGET);
        let mut state = TILL.lock();
        state.has_room(cost).then(|| Self::of(&mut state, cost))
    }

    /// Wait for room. A piece larger than the whole budget goes alone, so none waits for ever:
    /// what is in flight is worked off by threads that take no share themselves.
    pub fn take(bytes: u64) -> Self {
        let cost = bytes.min(BUDGET);
        let mut state = TILL.lock();
        while !state.has_room(cost) {
            state.waiting += 1;
            state = TILL
                .freed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
        Self::of(&mut state, cost)
    }

    fn of(state: &mut State, cost: u64) -> Self {
        state.held += cost;
        Self {
            cost,
            owner: state.owner,
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut state = TILL.lock();
        if state.owner == self.owner {
            state.held -= self.cost;
        }
        let awaited = state.waiting > 0 && state.held <= LOW;
        drop(state);
        if awaited {
            TILL.freed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_piece_of_any_size_goes_through() {
        let share = Share::take(BUDGET / 2);
        let waiting = thread::spawn(|| drop(Share::take(10 * BUDGET)));
        drop(share);
        waiting.join().unwrap();
    }
}

//! One budget for all writers: how many bytes may wait to be hashed.

use std::process;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes in flight over all writers.
pub(crate) const BUDGET: u64 = 16 << 20;

static TILL: Till = Till {
    state: Mutex::new(State { held: 0, owner: 0 }),
    freed: Condvar::new(),
};

struct Till {
    state: Mutex<State>,
    freed: Condvar,
}

struct State {
    held: u64,
    /// The process that counts: a fork inherits the count, but not the threads that would pay it
    /// back.
    owner: u32,
}

impl Till {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A share of the budget, given back when dropped.
pub(crate) struct Share {
    cost: u64,
    owner: u32,
}

impl Share {
    /// Wait for room. A piece larger than the whole budget goes alone, so none waits for ever:
    /// what is in flight is worked off by threads that take no share themselves.
    pub fn take(bytes: u64) -> Self {
        let cost = bytes.min(BUDGET);
        let owner = process::id();
        let mut state = TILL.lock();
        if state.owner != owner {
            *state = State { held: 0, owner };
        }
        while state.held + cost > BUDGET {
            state = TILL
                .freed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.held += cost;
        Self { cost, owner }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut state = TILL.lock();
        if state.owner == self.owner {
            state.held -= self.cost;
        }
        drop(state);
        TILL.freed.notify_all();
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

//! The limit on the bytes in memory that wait to be hashed, shared by all writers.

use std::process;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::per_process::PerProcess;

/// The maximum number of bytes in flight over all writers.
pub(crate) const MAX_BYTES: u64 = 4 << 20;

/// Waiting threads are woken when no more than this is in flight, so that they do not wait again
/// at once.
const LOW_WATERMARK: u64 = MAX_BYTES / 2;

static IN_FLIGHT: PerProcess<InFlight> = PerProcess::new();

#[derive(Default)]
struct InFlight {
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Default)]
struct State {
    /// The bytes in flight.
    bytes: u64,
    /// The number of waiting threads.
    waiting: usize,
}

impl State {
    fn has_room(&self, cost: u64) -> bool {
        self.bytes + cost <= MAX_BYTES
    }
}

impl InFlight {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn permit(&'static self, state: &mut State, cost: u64) -> Permit {
        state.bytes += cost;
        Permit {
            in_flight: self,
            cost,
            pid: process::id(),
        }
    }
}

/// A permit for a number of bytes in flight; it is returned when dropped.
pub(crate) struct Permit {
    in_flight: &'static InFlight,
    cost: u64,
    /// The process that took the permit; a forked process must not return it.
    pid: u32,
}

impl Permit {
    /// Take a permit, or return `None` if that would wait.
    pub fn try_take(bytes: u64) -> Option<Self> {
        let cost = bytes.min(MAX_BYTES);
        let in_flight = IN_FLIGHT.get();
        let mut state = in_flight.lock();
        let room = state.has_room(cost);
        room.then(|| in_flight.permit(&mut state, cost))
    }

    /// Take a permit, and wait until there is one.
    ///
    /// The wait ends, because the threads that hash take no permits, and a segment larger than the
    /// limit counts as the whole limit.
    pub fn take(bytes: u64) -> Self {
        let cost = bytes.min(MAX_BYTES);
        let in_flight = IN_FLIGHT.get();
        let mut state = in_flight.lock();
        while !state.has_room(cost) {
            state.waiting += 1;
            state = in_flight
                .freed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
        in_flight.permit(&mut state, cost)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.pid != process::id() {
            return;
        }
        let mut state = self.in_flight.lock();
        state.bytes -= self.cost;
        let wake = state.waiting > 0 && state.bytes <= LOW_WATERMARK;
        drop(state);
        if wake {
            self.in_flight.freed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_segment_larger_than_the_limit_gets_a_permit() {
        let permit = Permit::take(MAX_BYTES / 2);
        let waiting = thread::spawn(|| drop(Permit::take(10 * MAX_BYTES)));
        drop(permit);
        waiting.join().unwrap();
    }
}

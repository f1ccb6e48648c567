//! Cancellation of operations that are in progress.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::failure::{Code, Failure, Result};

/// The interval at which a waiting thread checks for cancellation.
pub(crate) const POLL: Duration = Duration::from_millis(100);

/// A cancellation flag. Any thread can set it, and it stays set.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Cancel all operations that use this flag; they fail with [`Code::Cancelled`].
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Return whether the flag is set.
    pub fn was_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Return whether the flag is set or this thread is interrupted.
    ///
    /// The caller must not hold a lock, because a signal handler can run in this call.
    pub(crate) fn is_set(&self) -> bool {
        self.was_set() || interrupted()
    }

    /// Fail with [`Code::Cancelled`] at `offset` if the flag is set.
    pub(crate) fn check(&self, offset: u64) -> Result<()> {
        if self.is_set() {
            return Err(Failure::new(Code::Cancelled, offset, "stopped"));
        }
        Ok(())
    }
}

/// The interrupt check of a thread.
#[derive(Clone, Copy)]
struct Interrupts {
    check: fn() -> bool,
    /// The time of the next call of `check`.
    next: Instant,
    /// `check` has returned true; it is not called again.
    interrupted: bool,
}

thread_local! {
    static INTERRUPTS: Cell<Option<Interrupts>> = const { Cell::new(None) };
}

/// Run `work` in this thread; it is cancelled when `check` returns true.
pub fn interruptible<T>(check: fn() -> bool, work: impl FnOnce() -> T) -> T {
    let next = Instant::now() + POLL;
    let outer = INTERRUPTS.replace(Some(Interrupts {
        check,
        next,
        interrupted: false,
    }));
    let result = work();
    INTERRUPTS.set(outer);
    result
}

/// Return whether this thread is interrupted; call its check once per [`POLL`].
fn interrupted() -> bool {
    let Some(mut interrupts) = INTERRUPTS.get() else {
        return false;
    };
    let now = Instant::now();
    if !interrupts.interrupted && now >= interrupts.next {
        interrupts.interrupted = (interrupts.check)();
        interrupts.next = now + POLL;
        INTERRUPTS.set(Some(interrupts));
    }
    interrupts.interrupted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_thread_of_the_work_is_interrupted() {
        let stop = Stop::default();
        let stopped = || {
            std::thread::sleep(2 * POLL);
            stop.check(7).map_err(|failure| failure.code)
        };
        assert_eq!(interruptible(|| true, stopped), Err(Code::Cancelled));
        assert_eq!(interruptible(|| false, stopped), Ok(()));
        let in_other_thread = || std::thread::scope(|scope| scope.spawn(stopped).join().unwrap());
        assert_eq!(interruptible(|| true, in_other_thread), Ok(()));
        assert_eq!(stopped(), Ok(()));
    }
}

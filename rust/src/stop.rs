//! A word that ends what is under way.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::failure::{Code, Failure, Result};

/// How long a wait may last before it looks whether it was stopped.
pub(crate) const POLL: Duration = Duration::from_millis(100);

/// Ends all that was given it, from any thread, once and for good.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// What is under way ends soon, with [`Code::Cancelled`].
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Not to be asked with a lock held: a handler of signals may run meanwhile.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire) || interrupted()
    }

    /// The failure of what was at `offset` when it was stopped.
    pub(crate) fn check(&self, offset: u64) -> Result<()> {
        if self.is_set() {
            return Err(Failure::new(Code::Cancelled, offset, "stopped"));
        }
        Ok(())
    }
}

/// What a thread asks now and then, and when it does so next.
#[derive(Clone, Copy)]
struct Interrupts {
    ask: fn() -> bool,
    next: Instant,
    /// It is to end; that is not asked again.
    over: bool,
}

thread_local! {
    static INTERRUPTS: Cell<Option<Interrupts>> = const { Cell::new(None) };
}

/// Let work in this thread end, as if it were stopped, when `ask` says so.
pub fn interruptible<T>(ask: fn() -> bool, work: impl FnOnce() -> T) -> T {
    let next = Instant::now() + POLL;
    let over = false;
    let outer = INTERRUPTS.replace(Some(Interrupts { ask, next, over }));
    let done = work();
    INTERRUPTS.set(outer);
    done
}

fn interrupted() -> bool {
    let Some(mut interrupts) = INTERRUPTS.get() else {
        return false;
    };
    let now = Instant::now();
    if !interrupts.over && now >= interrupts.next {
        interrupts.over = (interrupts.ask)();
        interrupts.next = now + POLL;
        INTERRUPTS.set(Some(interrupts));
    }
    interrupts.over
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_interrupted_in_its_own_thread_only() {
        let stop = Stop::default();
        let stopped = || {
            std::thread::sleep(2 * POLL);
            stop.check(7).map_err(|failure| failure.code)
        };
        assert_eq!(interruptible(|| true, stopped), Err(Code::Cancelled));
        assert_eq!(interruptible(|| false, stopped), Ok(()));
        let beside = || std::thread::scope(|scope| scope.spawn(stopped).join().unwrap());
        assert_eq!(interruptible(|| true, beside), Ok(()));
        assert_eq!(stopped(), Ok(()));
    }
}

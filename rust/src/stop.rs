//! A word that ends what is under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

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

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// The failure of what was at `offset` when it was stopped.
    pub(crate) fn check(&self, offset: u64) -> Result<()> {
        if self.is_set() {
            return Err(Failure::new(Code::Cancelled, offset, "stopped"));
        }
        Ok(())
    }
}

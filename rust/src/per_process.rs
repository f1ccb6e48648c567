//! What a process has once, and a fork of it anew.

use std::process;
use std::sync::OnceLock;

/// A value for each process.
///
/// A fork inherits memory, but only the thread that forked: a lock that another one held would stay
/// locked for ever, and what another one was to do would never be done.
pub(crate) struct PerProcess<T>(OnceLock<Box<Own<T>>>);

struct Own<T> {
    owner: u32,
    value: T,
    /// Of those that were forked off.
    forked: PerProcess<T>,
}

impl<T: Default> PerProcess<T> {
    pub const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// The value of this process.
    pub fn get(&self) -> &T {
        let owner = process::id();
        let mut place = self;
        loop {
            let own = place.0.get_or_init(|| {
                Box::new(Own {
                    owner,
                    value: T::default(),
                    forked: Self::new(),
                })
            });
            if own.owner == owner {
                return &own.value;
            }
            place = &own.forked;
        }
    }
}

//! Global values that exist once per process, and again in each forked process.

use std::process;
use std::sync::OnceLock;

/// A value of which each process has its own copy.
///
/// A forked process has the memory of its parent, but only the thread that called `fork`. A lock
/// that another thread held would stay locked forever, and the work of another thread would never
/// be done.
pub(crate) struct PerProcess<T>(OnceLock<Box<Entry<T>>>);

struct Entry<T> {
    pid: u32,
    value: T,
    /// The values of processes that were forked from this one.
    forked: PerProcess<T>,
}

impl<T: Default> PerProcess<T> {
    pub const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Return the value of this process.
    pub fn get(&self) -> &T {
        let pid = process::id();
        let mut slot = self;
        loop {
            let entry = slot.0.get_or_init(|| {
                Box::new(Entry {
                    pid,
                    value: T::default(),
                    forked: Self::new(),
                })
            });
            if entry.pid == pid {
                return &entry.value;
            }
            slot = &entry.forked;
        }
    }
}

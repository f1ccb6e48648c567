//! The state of an archive that is kept between calls, and its lock.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use super::end;
use super::member_cache::MemberCache;
use super::pass::Pass;
use crate::failure::{Failure, Result};
use crate::sparse::SparseFiles;

/// The state that is kept between calls.
#[derive(Default)]
pub(super) struct State {
    /// The current sequential pass.
    pub pass: Option<Pass>,
    /// The member data that `index` kept in memory.
    pub cache: MemberCache,
    /// The damage of the compression that `index` found, and the number of verified bytes.
    pub damage: Option<(u64, Failure)>,
    /// The sparse files that `index` found.
    pub sparse: SparseFiles,
}

impl State {
    /// Fail if a range is not within the verified bytes.
    pub fn check(&self, offset: u64, size: u64) -> Result<()> {
        let data_end = self.sparse.end_of_data(offset);
        let end = data_end.unwrap_or_else(|| end((offset, size)));
        match &self.damage {
            Some((verified, failure)) if size > 0 && end > *verified => Err(failure.clone()),
            _ => Ok(()),
        }
    }
}

/// The lock of the state. It knows which thread holds it.
#[derive(Default)]
pub(super) struct StateLock {
    state: Mutex<State>,
    /// A `ThreadId`, because a forked process keeps it, in contrast to the number of the thread.
    holder: Mutex<Option<ThreadId>>,
}

impl StateLock {
    pub fn lock(&self) -> StateGuard<'_> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *self.holder() = Some(thread::current().id());
        StateGuard { lock: self, state }
    }

    /// Return whether `lock` would wait forever, because this thread has the lock.
    pub fn is_held_by_this_thread(&self) -> bool {
        *self.holder() == Some(thread::current().id())
    }

    fn holder(&self) -> MutexGuard<'_, Option<ThreadId>> {
        self.holder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The locked state.
pub(super) struct StateGuard<'a> {
    lock: &'a StateLock,
    state: MutexGuard<'a, State>,
}

impl Deref for StateGuard<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for StateGuard<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Drop for StateGuard<'_> {
    fn drop(&mut self) {
        // The state is unlocked after this, so the holder is never that of another guard.
        *self.lock.holder() = None;
    }
}

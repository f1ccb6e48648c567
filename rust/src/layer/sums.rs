//! The digests of a layer: of what is stored, and of the tar in it.
//!
//! Both streams have bytes at once, so they are hashed in two lanes: between the steps of
//! decompression where there is one processor, else on a thread beside it.

use std::collections::VecDeque;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle, available_parallelism};

use crate::digest::{Algorithm, Hasher};
use crate::failure::{Code, Failure, Result};
use crate::stream::Slice;

/// From this size on hashing is done beside inflating.
const LARGE: u64 = 1 << 20;

/// So many slices of one stream wait for some of the other.
const WAITING: usize = 2;

/// How many slices may be on their way to another thread.
const QUEUE: usize = 16;

/// Hashes and counts the slices of a stream.
pub(super) struct Lane {
    sums: Arc<Mutex<Sums>>,
    which: usize,
    size: u64,
}

impl Lane {
    /// For the two streams of a layer of some stored size.
    pub fn pair(stored: u64) -> [Self; 2] {
        let alone = stored < LARGE || available_parallelism().is_ok_and(|count| count.get() == 1);
        let beside = if alone { None } else { Sums::beside() };
        let sums = beside.unwrap_or_else(|| Sums::Here(Box::default()));
        let sums = Arc::new(Mutex::new(sums));
        [0, 1].map(|which| Self {
            sums: Arc::clone(&sums),
            which,
            size: 0,
        })
    }

    pub fn update(&mut self, slice: &Slice) {
        self.size += slice.len() as u64;
        match &mut *self.lock() {
            Sums::Here(both) => both.update(self.which, slice.clone()),
            Sums::There(sender, _) => {
                // An error means that the thread is gone, which `finish` reports.
                let _ = sender.send((self.which, slice.clone()));
            }
            Sums::Lost => {}
        }
    }

    /// Digest and size.
    pub fn finish(self) -> Result<(String, u64)> {
        let hasher = self.lock().finish(self.which)?;
        Ok((hasher.finish(), self.size))
    }

    fn lock(&self) -> MutexGuard<'_, Sums> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who hashes.
enum Sums {
    Here(Box<Both>),
    There(SyncSender<(usize, Slice)>, JoinHandle<Box<Both>>),
    Lost,
}

impl Sums {
    /// On a thread of its own; nothing where the machine gives none.
    fn beside() -> Option<Self> {
        let (sender, slices) = sync_channel(QUEUE);
        let work = move || {
            let mut both = Box::<Both>::default();
            for (which, slice) in slices {
                both.update(which, slice);
            }
            both
        };
        let thread = Builder::new().name("towline-sums".into()).spawn(work);
        Some(Self::There(sender, thread.ok()?))
    }

    fn finish(&mut self, which: usize) -> Result<Hasher> {
        let lost = || Failure::new(Code::Io, 0, "a hashing thread died");
        *self = match std::mem::replace(self, Self::Lost) {
            Self::There(sender, thread) => {
                drop(sender);
                Self::Here(thread.join().map_err(|_| lost())?)
            }
            other => other,
        };
        match self {
            Self::Here(both) => Ok(both.finish(which)),
            _ => Err(lost()),
        }
    }
}

/// Two streams, and what waits of them to be hashed.
struct Both {
    hashers: [Hasher; 2],
    waiting: [VecDeque<Slice>; 2],
}

impl Default for Both {
    fn default() -> Self {
        Self {
            hashers: [0, 1].map(|_| Hasher::new(Algorithm::Sha256)),
            waiting: Default::default(),
        }
    }
}

impl Both {
    fn update(&mut self, which: usize, slice: Slice) {
        self.waiting[which].push_back(slice);
        self.hash_both();
        if self.waiting[which].len() > WAITING
            && let Some(slice) = self.waiting[which].pop_front()
        {
            self.hashers[which].update(&slice);
        }
    }

    /// Hash in two lanes as long as both streams have bytes.
    fn hash_both(&mut self) {
        let [a, b] = &mut self.hashers;
        let [first, second] = &mut self.waiting;
        while let (Some(x), Some(y)) = (first.front_mut(), second.front_mut()) {
            let common = x.len().min(y.len());
            Hasher::update_both(a, &x.split_to(common), b, &y.split_to(common));
            for waiting in [&mut *first, &mut *second] {
                if waiting.front().is_some_and(|slice| slice.is_empty()) {
                    waiting.pop_front();
                }
            }
        }
    }

    fn finish(&mut self, which: usize) -> Hasher {
        for slice in self.waiting[which].drain(..) {
            self.hashers[which].update(&slice);
        }
        self.hashers[which].clone()
    }
}

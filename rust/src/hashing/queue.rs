//! The segments of one stream that wait to be hashed.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::digest::{Algorithm, Hasher};
use crate::failure::Failure;
use crate::in_flight::Permit;
use crate::stop::{POLL, Stop};

/// The maximum size of a file segment that is hashed in one step, so that other queues do not wait
/// long.
const READ_SIZE: usize = 256 << 10;

/// The minimum cost of a segment in memory, which includes its overhead. It limits the number of
/// waiting segments to about a thousand.
pub(super) const MIN_COST: u64 = 4 << 10;

/// Bytes in memory that do not change.
pub type Bytes = Box<dyn AsRef<[u8]> + Send + Sync>;

/// A segment of a stream that is to be hashed.
pub(crate) enum Segment {
    /// Bytes in memory, the number of them that are hashed, and their permit.
    Memory {
        bytes: Bytes,
        hashed: usize,
        _permit: Permit,
    },
    /// The bytes of the file between these offsets.
    File(u64, u64),
}

impl Segment {
    /// Return the number of bytes that count as waiting until the whole segment is hashed.
    pub(super) fn cost(&self) -> u64 {
        match self {
            Self::Memory { bytes, .. } => cost(bytes),
            Self::File(from, to) => to - from,
        }
    }
}

pub(super) fn cost(bytes: &Bytes) -> u64 {
    MIN_COST.max((**bytes).as_ref().len() as u64)
}

/// Reads the file segments of a stream.
pub(crate) trait SegmentReader: Send + Sync {
    /// Fill the buffer with the bytes at an offset.
    fn read_segment(&self, buffer: &mut [u8], offset: u64) -> Result<(), Failure>;
    /// Record a failure of `read_segment`.
    fn report_failure(&self, failure: Failure);
}

/// The queue of one stream.
pub(super) struct Queue {
    reader: Option<Arc<dyn SegmentReader>>,
    state: Mutex<State>,
    done: Condvar,
}

struct State {
    segments: VecDeque<Segment>,
    /// `None` while a thread uses it.
    hasher: Option<Hasher>,
    /// The queue waits for a thread or is processed by one.
    scheduled: bool,
}

impl Queue {
    pub fn new(reader: Option<Arc<dyn SegmentReader>>, algorithm: Algorithm) -> Self {
        Self {
            reader,
            state: Mutex::new(State {
                segments: VecDeque::new(),
                hasher: Some(Hasher::new(algorithm)),
                scheduled: false,
            }),
            done: Condvar::new(),
        }
    }

    /// Append a segment; return whether the caller must schedule the queue.
    pub fn push(&self, segment: Segment) -> bool {
        let mut state = self.lock();
        match (state.segments.back_mut(), segment) {
            (Some(Segment::File(_, end)), Segment::File(from, to)) if *end == from => *end = to,
            (_, segment) => state.segments.push_back(segment),
        }
        let schedule = !state.scheduled;
        state.scheduled = true;
        schedule
    }

    /// Wait until the queue is empty and take its hasher; `None` if `stop` is set.
    pub fn wait(&self, stop: &Stop) -> Option<Hasher> {
        loop {
            let mut state = self.lock();
            if !state.scheduled {
                return state.hasher.take();
            }
            let waited = self.done.wait_timeout(state, POLL);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
            if stop.is_set() {
                return None;
            }
        }
    }

    /// Remove and return all waiting segments.
    pub fn clear(&self) -> Vec<Segment> {
        self.lock().segments.drain(..).collect()
    }

    /// Take the next segment; a file segment is limited to [`READ_SIZE`].
    pub fn next(&self) -> WorkItem {
        let mut state = self.lock();
        let mut segment = state.segments.pop_front();
        if let Some(Segment::File(from, to)) = segment {
            let end = to.min(from + READ_SIZE as u64);
            if end < to {
                state.segments.push_front(Segment::File(end, to));
            }
            segment = Some(Segment::File(from, end));
        }
        WorkItem {
            segment,
            hasher: state.hasher.take(),
        }
    }

    /// Return the hasher and the rest of a segment; return whether the queue has more segments.
    pub fn put_back(&self, item: WorkItem) -> bool {
        let mut state = self.lock();
        state.hasher = item.hasher;
        if let Some(rest) = item.segment {
            state.segments.push_front(rest);
        }
        state.scheduled = !state.segments.is_empty();
        if !state.scheduled {
            self.done.notify_all();
        }
        state.scheduled
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.lock().segments.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The work of a thread on one queue: a segment and the hasher.
pub(super) struct WorkItem {
    segment: Option<Segment>,
    hasher: Option<Hasher>,
}

impl WorkItem {
    /// Return the bytes of the segment; those of a file are read into the buffer.
    fn bytes<'a>(&'a self, queue: &Queue, buffer: &'a mut Vec<u8>) -> &'a [u8] {
        match &self.segment {
            Some(Segment::Memory { bytes, hashed, .. }) => &(**bytes).as_ref()[*hashed..],
            Some(Segment::File(from, to)) => {
                buffer.resize(READ_SIZE, 0);
                let target = &mut buffer[..(to - from) as usize];
                let Some(reader) = &queue.reader else {
                    return &[];
                };
                match reader.read_segment(target, *from) {
                    Ok(()) => target,
                    Err(failure) => {
                        reader.report_failure(failure);
                        &[]
                    }
                }
            }
            None => &[],
        }
    }

    /// Hash the segment; return its cost.
    pub fn hash(&mut self, queue: &Queue, buffer: &mut Vec<u8>) -> u64 {
        let mut hasher = self.hasher.take();
        if let Some(hasher) = &mut hasher {
            hasher.update(self.bytes(queue, buffer));
        }
        self.hasher = hasher;
        self.advance(usize::MAX)
    }

    /// Hash the segments of two queues as a pair, up to the end of the shorter one; return the cost
    /// of each segment that is completely hashed.
    ///
    /// The rest of a longer segment in memory stays for the next pair. A file segment is hashed
    /// completely, because its buffer is reused.
    pub fn hash_pair(
        &mut self,
        other: &mut Self,
        queues: [&Queue; 2],
        [first, second]: &mut [Vec<u8>; 2],
    ) -> [u64; 2] {
        let (mut a, mut b) = (self.hasher.take(), other.hasher.take());
        let (x, y) = (self.bytes(queues[0], first), other.bytes(queues[1], second));
        let common = x.len().min(y.len());
        if let (Some(a), Some(b)) = (&mut a, &mut b) {
            Hasher::update_pair(a, &x[..common], b, &y[..common]);
            for (item, hasher, bytes) in [(&*self, a, x), (&*other, b, y)] {
                if !item.is_in_memory() {
                    hasher.update(&bytes[common..]);
                }
            }
        }
        (self.hasher, other.hasher) = (a, b);
        [self, other].map(|item| item.advance(common))
    }

    fn is_in_memory(&self) -> bool {
        matches!(self.segment, Some(Segment::Memory { .. }))
    }

    /// Count `count` bytes of a segment in memory, or a whole file segment, as hashed.
    ///
    /// Return the cost of the segment if it is completely hashed, else 0.
    fn advance(&mut self, count: usize) -> u64 {
        if let Some(Segment::Memory { bytes, hashed, .. }) = &mut self.segment {
            *hashed = hashed.saturating_add(count);
            if *hashed < (**bytes).as_ref().len() {
                return 0;
            }
        }
        self.segment.take().map_or(0, |segment| segment.cost())
    }
}

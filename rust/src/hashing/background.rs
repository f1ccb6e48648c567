//! The background hasher of one stream.

use std::sync::Arc;

use crate::digest::{Algorithm, Hasher};
use crate::hashing::pool::{Pool, pool, wait_for_hashing};
use crate::hashing::queue::{Bytes, Queue, Segment, SegmentReader, cost};
use crate::in_flight::Permit;
use crate::stop::Stop;

/// Hashes the segments of one stream in background threads, in order.
///
/// The owner must call `close`, but not in a forked process: another thread may have held the lock
/// of the pool when the process was forked.
pub(crate) struct BackgroundHasher {
    pool: &'static Pool,
    queue: Arc<Queue>,
}

impl BackgroundHasher {
    /// Create a hasher; `reader` reads the segments that are in a file.
    pub fn new(reader: Option<Arc<dyn SegmentReader>>, algorithm: Algorithm) -> Self {
        let pool = pool();
        pool.open_queue();
        Self {
            pool,
            queue: Arc::new(Queue::new(reader, algorithm)),
        }
    }

    /// Append a segment to the stream.
    pub fn append(&self, segment: Segment) {
        let cost = segment.cost();
        let is_new = self.queue.push(segment);
        self.pool.add_work(is_new.then_some(&self.queue), cost);
    }

    /// Append bytes in memory to the stream; wait while too many bytes are in flight.
    pub fn append_bytes(&self, bytes: Bytes) {
        let cost = cost(&bytes);
        let _permit =
            Permit::try_take(cost).unwrap_or_else(|| wait_for_hashing(|| Permit::take(cost)));
        self.append(Segment::Memory {
            bytes,
            hashed: 0,
            _permit,
        });
    }

    /// Wait until all segments are hashed.
    ///
    /// Return the hasher on the first call; `None` on further calls or if `stop` is set.
    pub fn finish(&self, stop: &Stop) -> Option<Hasher> {
        wait_for_hashing(|| self.queue.wait(stop))
    }

    /// End the stream and discard the segments that are not hashed.
    pub fn close(&self) {
        let discarded = self.queue.clear();
        self.pool
            .close_queue(discarded.iter().map(Segment::cost).sum());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hashing::queue::MIN_COST;
    use crate::in_flight::MAX_BYTES;

    #[test]
    fn the_number_of_small_segments_is_limited() {
        let [hasher, idle] = [0; 2].map(|_| BackgroundHasher::new(None, Algorithm::Sha256));
        for _ in 0..5_000 {
            hasher.append_bytes(Box::new([7_u8]));
            assert!(hasher.queue.len() as u64 <= MAX_BYTES / MIN_COST);
        }
        assert!(hasher.finish(&Stop::default()).is_some());
        hasher.close();
        idle.close();
    }

    #[test]
    fn segments_of_any_size_are_hashed_in_order() {
        let sizes = [1, 63, 64, 65, 100_000, 131_072, 200_001, 7, 262_144];
        let hashers = [0; 2].map(|_| BackgroundHasher::new(None, Algorithm::Sha256));
        let mut expected = [0; 2].map(|_| Hasher::new(Algorithm::Sha256));
        for step in 0..200_usize {
            let which = step * step % 7 % 2;
            let bytes = vec![step as u8; sizes[step * 31 % sizes.len()]];
            expected[which].update(&bytes);
            hashers[which].append_bytes(Box::new(bytes));
        }
        for (hasher, expected) in hashers.iter().zip(expected) {
            let hash = hasher.finish(&Stop::default()).unwrap();
            assert_eq!(hash.finish(), expected.finish());
            hasher.close();
        }
    }
}

//! Hashing in background threads, two streams at a time if two have bytes.
//!
//! * `background`: the hasher of one stream, for the blob writer;
//! * `stream_digest`: the digest and size of one stream, for the layer pass;
//! * `queue`: the segments of one stream that wait to be hashed;
//! * `pool`: the threads that hash the segments of all queues.

mod background;
mod pool;
mod queue;
mod stream_digest;

pub(crate) use background::BackgroundHasher;
pub use queue::Bytes;
pub(crate) use queue::{Segment, SegmentReader};
pub(crate) use stream_digest::StreamDigest;

//! Decompression of gzip, bzip2, xz and zstd.
//!
//! * `format`: the formats, their detection, and the result of a decoder;
//! * `frames`: the decompressed form of a stream of frames;
//! * `decoder`: the decoder of one frame;
//! * `zstd`: the decoder of one zstd frame.

mod decoder;
mod format;
mod frames;
mod zstd;

pub use format::Format;
pub(crate) use format::LONGEST_MAGIC;
pub(crate) use frames::{FrameStatus, Frames};

//! Limits on the output of decoders and on the content of a tar.

use crate::failure::Code;

/// The ratio limit does not apply to the first 64 MiB of a stream.
const RATIO_FREE_BYTES: u64 = 64 << 20;

/// The limits of an archive or a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// The maximum size of the tar, and of each compressed stream that contains it.
    pub max_bytes: u64,
    /// The maximum ratio of the size of such a stream to the size of the stored input. It applies
    /// to streams of more than 64 MiB.
    pub max_ratio: u64,
    /// The maximum number of members of the tar.
    pub max_entries: u64,
    /// The maximum length of a name or link name in bytes.
    pub max_path: u64,
    /// The maximum number of bytes that the index of an archive counts for all members together:
    /// those of their names and link names, and 256 for each.
    pub max_index: u64,
    /// The maximum number of frames of a compressed stream; an xz stream counts as 4, and a bzip2
    /// stream as 64.
    pub max_frames: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 1 << 40,
            max_ratio: 2000,
            max_entries: 10_000_000,
            max_path: 65_536,
            max_index: 32 << 20,
            max_frames: 1 << 22,
        }
    }
}

/// The maximum size of a stream, and the error code if the stream is longer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SizeLimit {
    pub size: u64,
    pub code: Code,
}

impl Limits {
    /// Return the limit of a stream that is decompressed from `stored` bytes; `None` stands for an
    /// uncompressed stream.
    pub(crate) fn size_limit(&self, stored: Option<u64>) -> SizeLimit {
        let by_ratio = stored.map_or(u64::MAX, |stored| {
            RATIO_FREE_BYTES.max(self.max_ratio.saturating_mul(stored))
        });
        if by_ratio < self.max_bytes {
            SizeLimit {
                size: by_ratio,
                code: Code::LimitRatio,
            }
        } else {
            SizeLimit {
                size: self.max_bytes,
                code: Code::LimitBytes,
            }
        }
    }
}

//! Budgets, enforced on what comes out of a decoder.

use crate::failure::Code;

/// Small inputs may be as compressible as they like.
const GRACE: u64 = 64 << 20;

/// What an archive or a layer may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Bytes of tar, and of every compressed stream on the way to it.
    pub max_bytes: u64,
    /// Ratio of such a stream to the stored input, once it has given 64 MiB.
    pub max_ratio: u64,
    /// Members of the tar.
    pub max_entries: u64,
    /// Bytes of a name or link name.
    pub max_path: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 1 << 40,
            max_ratio: 2000,
            max_entries: 10_000_000,
            max_path: 65_536,
        }
    }
}

/// How many bytes one stream may give, and the code of the budget that says so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ceiling {
    pub size: u64,
    pub code: Code,
}

impl Limits {
    /// The budget of a stream decompressed from `stored` bytes; `None`: it is stored as it is.
    pub(crate) fn ceiling(&self, stored: Option<u64>) -> Ceiling {
        let by_ratio = stored.map_or(u64::MAX, |stored| {
            GRACE.max(self.max_ratio.saturating_mul(stored))
        });
        if by_ratio < self.max_bytes {
            Ceiling {
                size: by_ratio,
                code: Code::LimitRatio,
            }
        } else {
            Ceiling {
                size: self.max_bytes,
                code: Code::LimitBytes,
            }
        }
    }
}

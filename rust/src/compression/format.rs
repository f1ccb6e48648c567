//! The compression formats, their detection, and the error of a frame.

use crate::failure::{Code, Failure, Result};

/// The length of the longest magic number.
pub(crate) const LONGEST_MAGIC: usize = 6;

/// A compression format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Format {
    Gzip,
    Bzip2,
    Xz,
    Zstd,
}

impl Format {
    /// All formats, in the order of detection.
    pub const ALL: [Self; 4] = [Self::Gzip, Self::Bzip2, Self::Xz, Self::Zstd];

    /// Return the format with this name, or [`Code::Unsupported`].
    pub fn named(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|format| format.name() == name);
        found.ok_or_else(|| {
            let detail = format!("no compression format '{name}'");
            Failure::new(Code::Unsupported, 0, detail)
        })
    }

    /// Return the name of the format.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
        }
    }

    /// Return the magic number with which each frame begins.
    pub(crate) fn magic(self) -> &'static [u8] {
        match self {
            Self::Gzip => b"\x1f\x8b\x08",
            Self::Bzip2 => b"BZh",
            Self::Xz => b"\xfd7zXZ\x00",
            Self::Zstd => b"\x28\xb5\x2f\xfd",
        }
    }

    /// Return the first of `formats` whose magic number `head` begins with.
    pub(crate) fn detect(head: &[u8], formats: &[Self]) -> Option<Self> {
        formats
            .iter()
            .copied()
            .find(|format| head.starts_with(format.magic()))
    }
}

/// The reason why a frame cannot be decoded.
pub(crate) struct DecodeError {
    pub code: Code,
    pub detail: String,
}

impl DecodeError {
    pub fn corrupt(detail: &str) -> Self {
        Self {
            code: Code::Corrupt,
            detail: detail.to_owned(),
        }
    }

    pub fn unsupported(detail: String) -> Self {
        Self {
            code: Code::Unsupported,
            detail,
        }
    }
}

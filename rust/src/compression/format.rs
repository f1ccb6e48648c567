//! The compression formats, their detection, and the result of a decoder.

use std::convert::Infallible;

use crate::failure::{Code, Failure, Result};
use crate::stream::{PeekStream, Stream};

/// The length of the longest magic number.
pub(crate) const LONGEST_MAGIC: usize = 6;
/// The maximum length of the skippable frames before the first zstd frame, which are kept in memory
/// to detect the format.
const LONGEST_PREFIX: usize = 4 << 20;

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

    /// Return what a frame counts against [`Limits::max_frames`](crate::limits::Limits), for the
    /// time that it takes to make its decoder.
    pub(crate) fn frame_cost(self) -> u64 {
        match self {
            Self::Gzip | Self::Zstd => 1,
            Self::Xz => 4,
            Self::Bzip2 => 64,
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

    /// Return the first of `formats` whose magic number a stream begins with.
    ///
    /// Before the first zstd frame there may be skippable frames, as pzstd writes them. `read`
    /// returns at least as many of the first bytes as it is asked for, or all if there are fewer.
    pub(crate) fn detect<E>(
        formats: &[Self],
        mut read: impl FnMut(usize) -> std::result::Result<Vec<u8>, E>,
    ) -> std::result::Result<Option<Self>, E> {
        let head = read(LONGEST_MAGIC)?;
        let mut formats = formats.iter().copied();
        let found = formats.clone().find(|it| head.starts_with(it.magic()));
        if found.is_some() || !is_skippable(&head) || !formats.any(|it| it == Self::Zstd) {
            return Ok(found);
        }
        let head = read(LONGEST_PREFIX)?;
        let is_zstd = without_skippable_frames(&head).starts_with(Self::Zstd.magic());
        Ok(is_zstd.then_some(Self::Zstd))
    }

    /// Return the format of a stream, as [`detect`](Self::detect).
    pub(crate) fn of_stream<S: Stream>(
        stream: &mut PeekStream<S>,
        formats: &[Self],
    ) -> Option<Self> {
        let peek = |count| Ok::<_, Infallible>(stream.peek(count));
        Self::detect(formats, peek).unwrap_or_else(|never| match never {})
    }
}

/// Return whether bytes begin with the magic number of a skippable zstd frame: 0x184D2A50 to
/// 0x184D2A5F, little-endian.
pub(crate) fn is_skippable(bytes: &[u8]) -> bool {
    matches!(bytes, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// Return the bytes after the skippable frames at the beginning; none if one is not complete.
fn without_skippable_frames(mut bytes: &[u8]) -> &[u8] {
    while is_skippable(bytes) {
        let Some(size) = bytes.get(4..8).and_then(|size| size.try_into().ok()) else {
            return &[];
        };
        let end = 8 + u32::from_le_bytes(size) as usize;
        bytes = bytes.get(end..).unwrap_or_default();
    }
    bytes
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

/// The result of one decoding step.
pub(crate) struct Step {
    /// The number of input bytes consumed.
    pub consumed: usize,
    /// The number of output bytes produced: one block with zstd, else at most a slice.
    pub produced: usize,
    /// Whether the frame is complete, including its checksum.
    pub finished: bool,
}

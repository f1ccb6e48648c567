//! The error type of the core.

use std::io;
use std::path::Path;

/// The result of a function of the core.
pub type Result<T> = std::result::Result<T, Failure>;

/// The kind of a failure; `towline/core/failure.py` documents each code and its offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Code {
    Cancelled,
    Changed,
    Corrupt,
    Io,
    LimitBytes,
    LimitEntries,
    LimitFrames,
    LimitIndex,
    LimitPath,
    LimitRatio,
    NotTar,
    Truncated,
    Unsupported,
}

impl Code {
    /// Return the stable name of the code.
    pub fn slug(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Changed => "changed",
            Self::Corrupt => "corrupt",
            Self::Io => "io",
            Self::LimitBytes => "limit_bytes",
            Self::LimitEntries => "limit_entries",
            Self::LimitFrames => "limit_frames",
            Self::LimitIndex => "limit_index",
            Self::LimitPath => "limit_path",
            Self::LimitRatio => "limit_ratio",
            Self::NotTar => "not_tar",
            Self::Truncated => "truncated",
            Self::Unsupported => "unsupported",
        }
    }
}

/// Bytes could not be read, written or verified.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail} ({} at byte {offset})", code.slug())]
pub struct Failure {
    /// The kind of the failure.
    pub code: Code,
    /// A byte offset; its meaning depends on the code.
    pub offset: u64,
    /// The error text.
    pub detail: String,
}

impl Failure {
    /// Create a failure.
    pub fn new(code: Code, offset: u64, detail: impl Into<String>) -> Self {
        Self {
            code,
            offset,
            detail: detail.into(),
        }
    }

    /// Create a failure from an error of the operating system, at an offset of a file.
    pub fn io(path: &Path, offset: u64, error: &io::Error) -> Self {
        let text = error.to_string();
        let message = text.split(" (os error").next().unwrap_or(&text);
        Self::new(Code::Io, offset, format!("{}: {message}", path.display()))
    }

    /// Return whether a second attempt on the same bytes can give another result.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self.code, Code::Io | Code::Cancelled)
    }

    /// Return whether a limit was exceeded; nothing more is read in that case.
    pub(crate) fn is_limit(&self) -> bool {
        matches!(
            self.code,
            Code::LimitBytes
                | Code::LimitEntries
                | Code::LimitFrames
                | Code::LimitIndex
                | Code::LimitPath
                | Code::LimitRatio
        )
    }
}

//! The one error of the core.

use std::io;
use std::path::Path;

/// What a call of the core gives.
pub type Result<T> = std::result::Result<T, Failure>;

/// What went wrong; `towline/core/failure.py` says what each means and where its offset points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Code {
    Cancelled,
    Changed,
    Corrupt,
    Io,
    LimitBytes,
    LimitEntries,
    LimitPath,
    LimitRatio,
    NotTar,
    Truncated,
    Unsupported,
}

impl Code {
    /// The stable slug.
    pub fn slug(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Changed => "changed",
            Self::Corrupt => "corrupt",
            Self::Io => "io",
            Self::LimitBytes => "limit_bytes",
            Self::LimitEntries => "limit_entries",
            Self::LimitPath => "limit_path",
            Self::LimitRatio => "limit_ratio",
            Self::NotTar => "not_tar",
            Self::Truncated => "truncated",
            Self::Unsupported => "unsupported",
        }
    }
}

/// Bytes could not be read, written or believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail} ({} at byte {offset})", code.slug())]
pub struct Failure {
    /// What went wrong.
    pub code: Code,
    /// A byte position.
    pub offset: u64,
    /// Plain words about it.
    pub detail: String,
}

impl Failure {
    /// A failure of any kind.
    pub fn new(code: Code, offset: u64, detail: impl Into<String>) -> Self {
        Self {
            code,
            offset,
            detail: detail.into(),
        }
    }

    /// What the operating system said about a file, and where in it.
    pub fn io(path: &Path, offset: u64, error: &io::Error) -> Self {
        let said = error.to_string();
        let words = said.split(" (os error").next().unwrap_or(&said);
        Self::new(Code::Io, offset, format!("{}: {words}", path.display()))
    }

    /// It is no property of the bytes: of the same ones something else may be said another time.
    pub(crate) fn is_of_the_moment(&self) -> bool {
        matches!(self.code, Code::Io | Code::Cancelled)
    }

    /// A budget was used up: nothing more is read.
    pub(crate) fn is_limit(&self) -> bool {
        matches!(
            self.code,
            Code::LimitBytes | Code::LimitEntries | Code::LimitPath | Code::LimitRatio
        )
    }
}

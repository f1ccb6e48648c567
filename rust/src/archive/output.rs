//! The receiver of the bytes of a member.

use std::fs::File;

use crate::failure::{Failure, Result};
use crate::writer::{BlobWriter, Bytes};

/// An object to which the bytes of a member are appended.
///
/// Its errors are returned unchanged, and nothing more is appended after one.
pub trait Output {
    /// The error of an append, or a failure of the archive.
    type Error: From<Failure>;

    /// Append bytes. The archive is locked during the call.
    fn write(&self, bytes: Bytes) -> std::result::Result<(), Self::Error>;

    /// Append a range of an open file; errors have `name` as its name.
    fn copy_range(
        &self,
        file: &File,
        name: &str,
        offset: u64,
        size: u64,
    ) -> std::result::Result<(), Self::Error>;
}

impl Output for BlobWriter {
    type Error = Failure;

    fn write(&self, bytes: Bytes) -> Result<()> {
        self.write(bytes)
    }

    fn copy_range(&self, file: &File, name: &str, offset: u64, size: u64) -> Result<()> {
        self.copy_range(file, name, offset, size)
    }
}

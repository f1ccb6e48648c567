//! Opening of files that must be regular: reading any other kind might never end.

use std::fs::File;
use std::path::Path;

use rustix::fs::{Mode, OFlags, open as open_file};

use crate::failure::{Code, Failure, Result};

/// Open a regular file for reading; a pipe without a writer does not block.
pub(crate) fn open(path: &Path) -> Result<File> {
    let io = |error: std::io::Error| Failure::io(path, 0, &error);
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = open_file(path, flags, Mode::empty());
    let file = File::from(opened.map_err(|error| io(error.into()))?);
    if file.metadata().map_err(io)?.is_file() {
        return Ok(file);
    }
    let detail = format!("{}: Not a regular file", path.display());
    Err(Failure::new(Code::Io, 0, detail))
}

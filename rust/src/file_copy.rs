//! Copying from one open file to another.
//!
//! The kernel copies if it can. `copy_file_range` shares blocks if the file system supports that
//! for a range, so `FICLONE` is used only for a whole file.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use rustix::fs::{copy_file_range, ioctl_ficlone};
use rustix::io::Errno;

use crate::stream::read_at;

/// The maximum number of bytes that the kernel copies in one step, before they are hashed.
const MAX_STEP: u64 = 4 << 20;

/// The buffer size of a copy through user space.
const BUFFER: usize = 1 << 20;

/// The error of a copy.
pub(crate) enum CopyError {
    /// The source could not be read at this offset.
    Read(u64, io::Error),
    /// The target could not be written at this offset.
    Write(u64, io::Error),
}

/// Copies from one file to another in steps.
pub(crate) struct FileCopier<'a> {
    source: &'a File,
    target: &'a File,
    use_kernel: bool,
    buffer: Vec<u8>,
}

impl<'a> FileCopier<'a> {
    pub fn new(source: &'a File, target: &'a File) -> Self {
        Self {
            source,
            target,
            use_kernel: true,
            buffer: Vec::new(),
        }
    }

    /// Clone the whole source into the empty target; return whether the file system supports it.
    pub fn clone_file(&self) -> bool {
        ioctl_ficlone(self.target.as_fd(), self.source.as_fd()).is_ok()
    }

    /// Copy up to `size` bytes and return their number, which is 0 only at the end of the source.
    pub fn step(&mut self, from: u64, to: u64, size: u64) -> Result<u64, CopyError> {
        if self.use_kernel {
            let (mut read, mut written) = (from, to);
            let size = size.min(MAX_STEP) as usize;
            match copy_file_range(
                self.source,
                Some(&mut read),
                self.target,
                Some(&mut written),
                size,
            ) {
                Ok(count) if count > 0 => return Ok(count as u64),
                Err(Errno::INTR) => return self.step(from, to, size as u64),
                Err(error @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG | Errno::IO)) => {
                    return Err(CopyError::Write(to, error.into()));
                }
                // The call fails across file systems, for pipes and on old kernels; for some files
                // it wrongly returns 0. Reading works for all of them.
                Ok(_) | Err(_) => self.use_kernel = false,
            }
        }
        self.buffer.resize(BUFFER, 0);
        let wanted = size.min(BUFFER as u64) as usize;
        let count = read_at(self.source, &mut self.buffer[..wanted], from)
            .map_err(|error| CopyError::Read(from, error))?;
        self.target
            .write_all_at(&self.buffer[..count], to)
            .map_err(|error| CopyError::Write(to, error))?;
        Ok(count as u64)
    }
}

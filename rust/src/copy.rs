//! Bytes from one open file into another, the cheapest way there is.
//!
//! `copy_file_range` shares blocks by itself where the file system can do that for a range, so
//! only a whole file is asked for with `FICLONE`.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use rustix::fs::{copy_file_range, ioctl_ficlone};
use rustix::io::Errno;

use crate::stream::read_at;

/// How much is copied before it is offered for hashing.
pub(crate) const STRIDE: u64 = 4 << 20;

const BUFFER: usize = 1 << 20;

/// Why a copy stopped.
pub(crate) enum Trouble {
    /// Reading the source, at this offset of it.
    Reading(u64, io::Error),
    /// Writing the target, at this offset of it.
    Writing(u64, io::Error),
}

/// Copies from one file into another, step by step.
pub(crate) struct Copier<'a> {
    source: &'a File,
    target: &'a File,
    by_kernel: bool,
    buffer: Vec<u8>,
}

impl<'a> Copier<'a> {
    pub fn new(source: &'a File, target: &'a File) -> Self {
        Self {
            source,
            target,
            by_kernel: true,
            buffer: Vec::new(),
        }
    }

    /// Make the empty target a clone of the whole source, if the file system can.
    pub fn clone_whole(&self) -> bool {
        ioctl_ficlone(self.target.as_fd(), self.source.as_fd()).is_ok()
    }

    /// Copy up to `size` bytes; how many, and 0 only at the end of the source.
    pub fn step(&mut self, from: u64, to: u64, size: u64) -> Result<u64, Trouble> {
        if self.by_kernel {
            let (mut read, mut written) = (from, to);
            let size = size.min(STRIDE) as usize;
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
                    return Err(Trouble::Writing(to, error.into()));
                }
                // Other file systems, pipes, old kernels; and some files of which it says that
                // they are empty. Reading tells.
                Ok(_) | Err(_) => self.by_kernel = false,
            }
        }
        self.buffer.resize(BUFFER, 0);
        let wanted = size.min(BUFFER as u64) as usize;
        let count = read_at(self.source, &mut self.buffer[..wanted], from)
            .map_err(|error| Trouble::Reading(from, error))?;
        self.target
            .write_all_at(&self.buffer[..count], to)
            .map_err(|error| Trouble::Writing(to, error))?;
        Ok(count as u64)
    }
}

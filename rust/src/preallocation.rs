//! Preallocation of disk blocks for a file that grows.
//!
//! Without it, the file system allocates blocks for each page. That costs 7 % of the CPU time of an
//! image pull over loopback on ext4 (1.56 s without, 1.46 s with preallocation, 2026-11-23).

use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FallocateFlags, fallocate};

/// The maximum size of one preallocation, so that a wrong expected size does not fill the disk.
const WINDOW: u64 = 64 << 20;

/// The minimum size of a preallocation; for fewer bytes it does not pay.
const MIN_SIZE: u64 = 1 << 20;

/// The value of a file that gets no further preallocation.
const DISABLED: u64 = u64::MAX;

/// The end offset of the preallocated blocks of a file, or [`DISABLED`].
///
/// The length of the file does not change.
#[derive(Debug, Default)]
pub(crate) struct Preallocation(AtomicU64);

impl Preallocation {
    /// Preallocate blocks from offset `at` for `expected` bytes, unless there are some already.
    pub fn reserve(&self, file: &File, at: u64, expected: u64) {
        if at < self.0.load(Ordering::Relaxed) || expected < MIN_SIZE {
            return;
        }
        let size = expected.min(WINDOW);
        let reserved = fallocate(file, FallocateFlags::KEEP_SIZE, at, size);
        if reserved.is_err() {
            trim(file); // a full disk may have allocated a part
        }
        // An error is ignored, because the write itself fails if the disk is full.
        self.0
            .store(reserved.map_or(DISABLED, |()| at + size), Ordering::Relaxed);
    }

    /// Free the preallocated blocks after the end of the file, whose size is `size`.
    pub fn release(&self, file: &File, size: u64) {
        let reserved = self.0.swap(DISABLED, Ordering::Relaxed);
        if reserved != DISABLED && reserved > size {
            trim(file);
        }
    }
}

/// Free the blocks after the end of a file.
///
/// An error is ignored, because these blocks are freed with the file.
fn trim(file: &File) {
    if let Ok(metadata) = file.metadata() {
        let _ = file.set_len(metadata.len());
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::testing::TempDir;

    #[test]
    fn blocks_are_reserved_and_released() {
        let directory = TempDir::new("preallocation");
        let path = directory.file("blob", b"begun");
        let file = OpenOptions::new().write(true).open(path).unwrap();
        let blocks = || file.metadata().unwrap().blocks() * 512;
        let preallocation = Preallocation::default();
        preallocation.reserve(&file, 5, MIN_SIZE - 1);
        assert!(blocks() < MIN_SIZE);
        preallocation.reserve(&file, 5, WINDOW + MIN_SIZE);
        assert!((WINDOW..WINDOW + MIN_SIZE).contains(&blocks()));
        preallocation.reserve(&file, 6, WINDOW);
        assert!(blocks() < WINDOW + MIN_SIZE);
        preallocation.release(&file, 5);
        assert!(blocks() < MIN_SIZE);
        assert_eq!(file.metadata().unwrap().len(), 5);
    }

    #[test]
    fn partly_reserved_blocks_are_released() {
        let directory = TempDir::new("preallocation-part");
        let path = directory.file("blob", b"begun");
        let file = OpenOptions::new().write(true).open(path).unwrap();
        // This is the state after a full disk. The offset makes the next call fail.
        fallocate(&file, FallocateFlags::KEEP_SIZE, 5, MIN_SIZE).unwrap();
        let blocks = || file.metadata().unwrap().blocks() * 512;
        assert!(blocks() >= MIN_SIZE);
        Preallocation::default().reserve(&file, i64::MAX as u64 - MIN_SIZE, MIN_SIZE);
        assert!(blocks() < MIN_SIZE);
        assert_eq!(file.metadata().unwrap().len(), 5);
    }

    #[test]
    fn a_truncated_file_keeps_its_size() {
        let directory = TempDir::new("preallocation-cut");
        let path = directory.file("blob", b"begun");
        let file = OpenOptions::new().write(true).open(path).unwrap();
        let preallocation = Preallocation::default();
        preallocation.reserve(&file, 5, MIN_SIZE);
        file.set_len(2).unwrap();
        preallocation.release(&file, 5);
        assert_eq!(file.metadata().unwrap().len(), 2);
    }
}

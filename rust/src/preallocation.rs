//! Blocks of the disk for bytes that are to come.
//!
//! Blocks that are set aside ahead spare the file system finding some for each page: 7 % of the CPU
//! time of a pull over loopback on ext4 (1.56 s without, 1.46 s with it, 2026-11-23).

use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FallocateFlags, fallocate};

/// How much is set aside at once, so that nobody takes the whole disk by a promise.
const WINDOW: u64 = 64 << 20;

/// What is smaller is written before anything could be set aside for it.
const LEAST: u64 = 1 << 20;

const NEVER: u64 = u64::MAX;

/// Up to where one file has blocks, or [`NEVER`]; the file's length stays as it is.
#[derive(Debug, Default)]
pub(crate) struct Preallocation(AtomicU64);

impl Preallocation {
    /// Set blocks aside behind `at`, where so much is to come and none are left.
    pub fn reserve(&self, file: &File, at: u64, coming: u64) {
        if at < self.0.load(Ordering::Relaxed) || coming < LEAST {
            return;
        }
        let size = coming.min(WINDOW);
        let reserved = fallocate(file, FallocateFlags::KEEP_SIZE, at, size);
        if reserved.is_err() {
            trim(file); // a disk that is full may have given a part of it
        }
        // Where it cannot be done, the writing itself says whether that matters.
        self.0
            .store(reserved.map_or(NEVER, |()| at + size), Ordering::Relaxed);
    }

    /// Give back what nothing came for; `size` is that of the file.
    pub fn give_back(&self, file: &File, size: u64) {
        let reserved = self.0.swap(NEVER, Ordering::Relaxed);
        if reserved != NEVER && reserved > size {
            trim(file);
        }
    }
}

/// Give back what lies behind the end of a file; what stays goes with it.
fn trim(file: &File) {
    if let Ok(facts) = file.metadata() {
        let _ = file.set_len(facts.len());
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::testing::Scratch;

    #[test]
    fn blocks_are_reserved_and_given_back() {
        let scratch = Scratch::new("preallocation");
        let path = scratch.file("blob", b"begun");
        let file = OpenOptions::new().write(true).open(path).unwrap();
        let blocks = || file.metadata().unwrap().blocks() * 512;
        let ahead = Preallocation::default();
        ahead.reserve(&file, 5, LEAST - 1);
        assert!(blocks() < LEAST);
        ahead.reserve(&file, 5, WINDOW + LEAST);
        assert!((WINDOW..WINDOW + LEAST).contains(&blocks()));
        ahead.reserve(&file, 6, WINDOW);
        assert!(blocks() < WINDOW + LEAST);
        ahead.give_back(&file, 5);
        assert!(blocks() < LEAST);
        assert_eq!(file.metadata().unwrap().len(), 5);
    }

    #[test]
    fn what_was_reserved_in_part_is_given_back() {
        let scratch = Scratch::new("preallocation-part");
        let path = scratch.file("blob", b"begun");
        let file = OpenOptions::new().write(true).open(path).unwrap();
        // As a full disk leaves it; what fails here is the offset.
        fallocate(&file, FallocateFlags::KEEP_SIZE, 5, LEAST).unwrap();
        let blocks = || file.metadata().unwrap().blocks() * 512;
        assert!(blocks() >= LEAST);
        Preallocation::default().reserve(&file, i64::MAX as u64 - LEAST, LEAST);
        assert!(blocks() < LEAST);
        assert_eq!(file.metadata().unwrap().len(), 5);
    }

    #[test]
    fn a_file_that_was_cut_stays_so() {
        let scratch = Scratch::new("preallocation-cut");
        let path = scratch.file("blob", b"begun");
        let file = OpenOptions::new().write(true).open(path).unwrap();
        let ahead = Preallocation::default();
        ahead.reserve(&file, 5, LEAST);
        file.set_len(2).unwrap();
        ahead.give_back(&file, 5);
        assert_eq!(file.metadata().unwrap().len(), 2);
    }
}

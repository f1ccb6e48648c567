//! Room on the disk for bytes that are to come.
//!
//! Blocks that are set aside ahead spare the file system finding some for each page: 7 % of the CPU
//! time of a pull over loopback on ext4 (1.56 s without, 1.46 s with it, 2026-11-23).

use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FallocateFlags, fallocate};

/// How much room is made at once, so that nobody takes the whole disk by a promise.
const WINDOW: u64 = 64 << 20;

/// What is smaller is written before room could be made for it.
const LEAST: u64 = 1 << 20;

const NEVER: u64 = u64::MAX;

/// Up to where one file has blocks, or [`NEVER`]; the file's length stays as it is.
#[derive(Debug, Default)]
pub(crate) struct Room(AtomicU64);

impl Room {
    /// Make room behind `at`, where so much is to come and none is left.
    pub fn make(&self, file: &File, at: u64, coming: u64) {
        if at < self.0.load(Ordering::Relaxed) || coming < LEAST {
            return;
        }
        let size = coming.min(WINDOW);
        let made = fallocate(file, FallocateFlags::KEEP_SIZE, at, size);
        if made.is_err() {
            trim(file); // a disk that is full may have given a part of it
        }
        // Where it cannot be done, the writing itself says whether that matters.
        self.0
            .store(made.map_or(NEVER, |()| at + size), Ordering::Relaxed);
    }

    /// Give back what nothing came for; `size` is that of the file.
    pub fn give_back(&self, file: &File, size: u64) {
        let room = self.0.swap(NEVER, Ordering::Relaxed);
        if room != NEVER && room > size {
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
    fn room_is_made_and_given_back() {
        let scratch = Scratch::new("room");
        let path = scratch.file("blob", b"begun");
        let file = OpenOptions::new().write(true).open(path).unwrap();
        let blocks = || file.metadata().unwrap().blocks() * 512;
        let room = Room::default();
        room.make(&file, 5, LEAST - 1);
        assert!(blocks() < LEAST);
        room.make(&file, 5, WINDOW + LEAST);
        assert!((WINDOW..WINDOW + LEAST).contains(&blocks()));
        room.make(&file, 6, WINDOW);
        assert!(blocks() < WINDOW + LEAST);
        room.give_back(&file, 5);
        assert!(blocks() < LEAST);
        assert_eq!(file.metadata().unwrap().len(), 5);
    }

    #[test]
    fn room_that_was_made_in_part_is_given_back() {
        let scratch = Scratch::new("room-part");
        let path = scratch.file("blob", b"begun");
        let file = OpenOptions::new().write(true).open(path).unwrap();
        // As a full disk leaves it; what fails here is the offset.
        fallocate(&file, FallocateFlags::KEEP_SIZE, 5, LEAST).unwrap();
        let blocks = || file.metadata().unwrap().blocks() * 512;
        assert!(blocks() >= LEAST);
        Room::default().make(&file, i64::MAX as u64 - LEAST, LEAST);
        assert!(blocks() < LEAST);
        assert_eq!(file.metadata().unwrap().len(), 5);
    }

    #[test]
    fn a_file_that_was_cut_stays_so() {
        let scratch = Scratch::new("room-cut");
        let path = scratch.file("blob", b"begun");
        let file = OpenOptions::new().write(true).open(path).unwrap();
        let room = Room::default();
        room.make(&file, 5, LEAST);
        file.set_len(2).unwrap();
        room.give_back(&file, 5);
        assert_eq!(file.metadata().unwrap().len(), 2);
    }
}

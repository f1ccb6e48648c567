use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::Mutex;
use std::thread;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::digest::Algorithm;
use crate::failure::Code;
use crate::testing::{TempDir, member};
use crate::writer::{BlobWriter, Bytes};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn tar() -> Vec<u8> {
    let inner = gzip(b"the content of a member");
    [
        member(b"a", b'0', b"first"),
        member(b"b", b'0', &inner),
        member(b"c", b'0', &[7; 300_000]),
        vec![0; 1024],
    ]
    .concat()
}

fn with_archive(name: &str, bytes: &[u8], test: impl Fn(&Archive, &TempDir)) {
    let directory = TempDir::new(name);
    let path = directory.file("archive", bytes);
    test(
        &Archive::open(&path, Options::default()).unwrap(),
        &directory,
    );
}

#[test]
fn members_do_not_depend_on_the_compression() {
    let tar = tar();
    for (rounds, bytes) in [tar.clone(), gzip(&tar), gzip(&gzip(&tar))]
        .iter()
        .enumerate()
    {
        with_archive(&format!("framing-{rounds}"), bytes, |archive, directory| {
            assert_eq!(archive.framing().len(), rounds);
            let (members, failure) = archive.index(CacheOptions::default()).unwrap();
            assert_eq!((members.len(), failure), (3, None));
            let range = |at: usize| (members[at].offset, members[at].size);
            let read = archive
                .read(&[range(2), range(0), (514, 2), (0, 0)])
                .unwrap();
            assert_eq!(read[0], [7; 300_000]);
            assert_eq!((&read[1][..], &read[2][..]), (&b"first"[..], &b"rs"[..]));
            let (offset, size) = range(1);
            assert_eq!(archive.measure(offset, size).unwrap(), 23);
            for (decompress, expected) in [(true, 23), (false, size)] {
                let path = directory.file("blob", b"");
                let writer =
                    BlobWriter::open(&path, false, Algorithm::Sha256, Stop::default()).unwrap();
                archive.copy_to(offset, size, &writer, decompress).unwrap();
                assert_eq!(writer.finish(false).unwrap().1, expected);
            }
            let end = tar.len() as u64;
            let failure = archive.read(&[(end - 1, 2)]).unwrap_err();
            assert_eq!((failure.code, failure.offset), (Code::Truncated, end));
        });
    }
}

#[test]
fn members_in_a_damaged_frame_are_omitted() {
    let tar = tar();
    let (front, back) = tar.split_at(2048);
    let first = gzip(front);
    let bytes = [&first[..], &gzip(back)[..40]].concat();
    with_archive("verified", &bytes, |archive, _| {
        let (members, failure) = archive.index(CacheOptions::default()).unwrap();
        let failure = failure.unwrap();
        assert_eq!(members.len(), 2);
        assert_eq!(
            (failure.code, failure.offset),
            (Code::Truncated, first.len() as u64)
        );
        assert_eq!(archive.read(&[(512, 5)]).unwrap()[0], b"first");
        assert_eq!(archive.read(&[(3000, 5)]).unwrap_err(), failure);
    });
    with_archive("verified-outer", &gzip(&bytes)[..50], |archive, _| {
        assert_eq!(archive.index(CacheOptions::default()).unwrap().0.len(), 0);
    });
}

/// An output that keeps the bytes, and fails when it has more than `limit` of them.
struct LimitedOutput<'a> {
    archive: &'a Archive,
    bytes: Mutex<Vec<u8>>,
    limit: usize,
}

#[derive(Debug, PartialEq)]
enum OutputError {
    Full,
    Archive(Code),
}

impl From<Failure> for OutputError {
    fn from(failure: Failure) -> Self {
        Self::Archive(failure.code)
    }
}

impl Output for LimitedOutput<'_> {
    type Error = OutputError;

    fn write(&self, bytes: Bytes) -> std::result::Result<(), OutputError> {
        assert!(self.archive.is_locked_by_this_thread());
        let in_other_thread = || self.archive.is_locked_by_this_thread();
        assert!(!thread::scope(|scope| scope
            .spawn(in_other_thread)
            .join()
            .unwrap()));
        let mut kept = self.bytes.lock().unwrap();
        assert!(kept.len() <= self.limit, "no call after a failure");
        kept.extend_from_slice((*bytes).as_ref());
        if kept.len() > self.limit {
            return Err(OutputError::Full);
        }
        Ok(())
    }

    fn copy_range(
        &self,
        file: &File,
        _name: &str,
        offset: u64,
        size: u64,
    ) -> std::result::Result<(), OutputError> {
        assert!(!self.archive.is_locked_by_this_thread());
        let mut bytes = vec![0; size as usize];
        file.read_exact_at(&mut bytes, offset).unwrap();
        self.bytes.lock().unwrap().extend_from_slice(&bytes);
        Ok(())
    }
}

#[test]
fn an_error_of_an_output_leaves_the_archive_usable() {
    let tar = tar();
    for (name, bytes) in [("plain", tar.clone()), ("gzip", gzip(&tar))] {
        with_archive(&format!("output-{name}"), &bytes, |archive, _| {
            let copy = |range: (u64, u64), limit: usize, decompress: bool| {
                let output = LimitedOutput {
                    archive,
                    bytes: Mutex::default(),
                    limit,
                };
                let result = archive.copy_to(range.0, range.1, &output, decompress);
                assert!(!archive.is_locked_by_this_thread());
                (result, output.bytes.into_inner().unwrap())
            };
            let (members, _) = archive.index(CacheOptions::default()).unwrap();
            let range = |at: usize| (members[at].offset, members[at].size);
            assert_eq!(copy(range(1), 22, true).0, Err(OutputError::Full));
            assert_eq!(copy(range(1), 23, true).1, b"the content of a member");
            if name == "gzip" {
                let (result, written) = copy(range(2), 1, false);
                assert_eq!(result, Err(OutputError::Full));
                assert!(written.len() < 300_000);
                let beyond = (tar.len() as u64, 1);
                let truncated = Err(OutputError::Archive(Code::Truncated));
                assert_eq!(copy(beyond, 0, false).0, truncated);
            }
            assert_eq!(copy(range(2), 300_000, false), (Ok(()), vec![7; 300_000]));
        });
    }
}

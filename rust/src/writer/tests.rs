use std::fs;

use super::*;
use crate::stream::Stream;
use crate::testing::TempDir;

fn open(path: &Path, resume: bool) -> BlobWriter {
    BlobWriter::open(path, resume, Algorithm::Sha256, Stop::default()).unwrap()
}

fn digest_of(bytes: &[u8]) -> String {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    hasher.update(bytes);
    hasher.finish()
}

#[test]
fn writes_hashes_and_resumes() {
    let directory = TempDir::new("writes");
    let path = directory.file("blob", b"old");
    let writer = open(&path, false);
    writer.write(Box::new(b"hello ".to_vec())).unwrap();
    writer.abort();
    assert_eq!(fs::read(&path).unwrap(), b"hello ");
    let writer = open(&path, true);
    assert_eq!(writer.offset(), 6);
    writer.write(Box::new(b"world".to_vec())).unwrap();
    assert_eq!(
        writer.finish(true).unwrap(),
        (digest_of(b"hello world"), 11)
    );
    assert_eq!(writer.finish(false).unwrap_err().code, Code::Cancelled);
    let late = writer.write(Box::new(b"late".to_vec()));
    assert_eq!(late.unwrap_err().code, Code::Cancelled);
}

#[test]
fn copies_between_writes() {
    let directory = TempDir::new("copies");
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|at| at as u8).collect();
    let source = File::open(directory.file("source", &bytes)).unwrap();
    let path = directory.file("blob", b"");
    let writer = open(&path, false);
    writer.write(Box::new(b"head".to_vec())).unwrap();
    writer.copy_range(&source, "source", 5, 2_000_000).unwrap();
    writer.write(Box::new(b"tail".to_vec())).unwrap();
    let all = [b"head", &bytes[5..2_000_005], b"tail"].concat();
    assert_eq!(
        writer.finish(false).unwrap(),
        (digest_of(&all), all.len() as u64)
    );
    assert_eq!(fs::read(&path).unwrap(), all);
}

#[test]
fn a_source_that_ends_early() {
    let directory = TempDir::new("early");
    let source = File::open(directory.file("source", b"0123456789")).unwrap();
    let writer = open(&directory.file("blob", b""), false);
    let failure = writer.copy_range(&source, "source", 4, 100).unwrap_err();
    assert_eq!((failure.code, failure.offset), (Code::Truncated, 10));
    assert_eq!(writer.finish(false).unwrap(), (digest_of(b"456789"), 6));
}

#[test]
fn a_file_that_is_truncated_meanwhile() {
    let directory = TempDir::new("cut");
    let path = directory.file("blob", b"");
    let writer = open(&path, false);
    writer.write(Box::new(vec![1; 1000])).unwrap();
    while fs::metadata(&path).unwrap().len() < 1000 {
        std::thread::yield_now();
    }
    OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(10)
        .unwrap();
    let failure = writer.finish(false).unwrap_err();
    assert_eq!((failure.code, failure.offset), (Code::Changed, 10));
}

#[test]
fn the_next_calls_report_a_full_disk() {
    let writer = open(Path::new("/dev/full"), false);
    let mut failure = None;
    while failure.is_none() {
        failure = writer.write(Box::new(vec![0; 4096])).err();
    }
    assert_eq!(failure.unwrap().code, Code::Io);
    assert_eq!(writer.finish(false).unwrap_err().code, Code::Io);
}

#[test]
fn many_writers_share_the_limit() {
    let directory = TempDir::new("many");
    std::thread::scope(|scope| {
        for at in 0..8 {
            let path = directory.file(&at.to_string(), b"");
            scope.spawn(move || {
                let writer = open(&path, false);
                for _ in 0..12 {
                    writer.write(Box::new(vec![0; 3 << 20])).unwrap();
                }
                assert_eq!(writer.finish(false).unwrap().1, 36 << 20);
            });
        }
    });
}

#[test]
fn a_cancelled_writer_leaves_a_prefix() {
    let directory = TempDir::new("stopped");
    let bytes = vec![7; 3_000_000];
    let source = File::open(directory.file("source", &bytes)).unwrap();
    let path = directory.file("blob", b"");
    let stop = Stop::default();
    let writer = BlobWriter::open(&path, false, Algorithm::Sha256, stop.clone()).unwrap();
    writer.copy_range(&source, "source", 0, 1_000_000).unwrap();
    let mut follower = writer.follow(3_000_000);
    stop.set();
    let outcomes = [
        writer.copy_range(&source, "source", 0, 1_000_000),
        writer.write(Box::new(b"more".to_vec())),
        follower.next_slice().map(drop),
        writer.finish(false).map(drop),
    ];
    for outcome in outcomes {
        assert_eq!(outcome.unwrap_err().code, Code::Cancelled);
    }
    assert_eq!(fs::read(&path).unwrap(), bytes[..1_000_000]);
}

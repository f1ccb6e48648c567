use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::digest::Algorithm;
use crate::failure::Code;
use crate::testing::{TempDir, member};

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

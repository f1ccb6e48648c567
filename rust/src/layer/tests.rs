use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::failure::Code;
use crate::testing::{TempDir, header, member};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn random_bytes(size: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..size).map(next).collect()
}

fn pass(bytes: &[u8]) -> Result<LayerFacts> {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("layer").replace(':', "-");
    let directory = TempDir::new(&name);
    layer_pass(
        &directory.file("layer", bytes),
        Limits::default(),
        Stop::default(),
    )
}

#[test]
fn facts_do_not_depend_on_the_compression() {
    for size in [0, 1000, 3_000_000] {
        let tar = [
            member(b"a", b'0', &random_bytes(size)),
            vec![0; 1024],
            b"tail".to_vec(),
        ]
        .concat();
        let (plain, gzipped) = (pass(&tar).unwrap(), pass(&gzip(&tar)).unwrap());
        assert_eq!(plain.digest, plain.diff_id);
        assert_eq!((plain.compression, gzipped.compression), ("none", "gzip"));
        assert_eq!(plain.diff_id, gzipped.diff_id);
        assert_eq!((gzipped.tar_size, gzipped.entries), (tar.len() as u64, 1));
    }
}

#[test]
fn all_gzip_members_are_read() {
    let tar = member(b"a", b'0', &random_bytes(100_000));
    let (front, back) = tar.split_at(5000);
    let facts = pass(&[gzip(front), gzip(b""), gzip(back)].concat()).unwrap();
    assert_eq!(facts.diff_id, pass(&tar).unwrap().diff_id);
}

#[test]
fn the_offset_of_damage_is_that_of_its_frame() {
    let tar = member(b"a", b'0', &random_bytes(100_000));
    let (front, back) = tar.split_at(5000);
    let (first, mut second) = (gzip(front), gzip(back));
    let at = first.len() as u64;
    let cut = [&first[..], &second[..second.len() - 1]].concat();
    let failure = pass(&cut).unwrap_err();
    assert_eq!((failure.code, failure.offset), (Code::Truncated, at));
    let junk = [&first[..], b"junk"].concat();
    let failure = pass(&junk).unwrap_err();
    assert_eq!((failure.code, failure.offset), (Code::Corrupt, at));
    let last = second.len() - 6;
    second[last] ^= 1;
    let failure = pass(&[first, second].concat()).unwrap_err();
    assert_eq!((failure.code, failure.offset), (Code::Corrupt, at));
}

#[test]
fn damaged_compression_has_precedence_over_a_damaged_tar() {
    let bad = gzip(&[b'j'; 2000]);
    assert_eq!(pass(&bad).unwrap_err().code, Code::NotTar);
    let failure = pass(&bad[..bad.len() - 1]).unwrap_err();
    assert_eq!((failure.code, failure.offset), (Code::Truncated, 0));
}

#[test]
fn decompression_bombs_exceed_the_limit() {
    let bomb = gzip(&[header(b"a", b'0', 100 << 20), vec![0; 100 << 20]].concat());
    let directory = TempDir::new("bomb");
    let limits = Limits {
        max_ratio: 10,
        ..Limits::default()
    };
    let failure = layer_pass(&directory.file("layer", &bomb), limits, Stop::default()).unwrap_err();
    assert_eq!((failure.code, failure.offset), (Code::LimitRatio, 64 << 20));
}

//! Tests with unusual tars, each with one defect or one extension.

use super::*;
use crate::limits::Limits;
use crate::testing::{header, member, padded, set_checksum};

const END: [u8; 1024] = [0; 1024];

/// Walk the tar in slices of several sizes, which must give the same result.
fn walked(tar: &[u8]) -> (Vec<Member>, Option<Failure>) {
    with_limits(tar, Limits::default())
}

fn with_limits(tar: &[u8], limits: Limits) -> (Vec<Member>, Option<Failure>) {
    let all = [1, 7, 512, 1000, tar.len().max(1)].map(|size| {
        let mut walker = TarWalk::new(Members::kept(limits, limits.size_limit(None)));
        let mut results = tar.chunks(size).map(|slice| walker.feed(slice));
        let failure = results.find_map(Result::err);
        let failure = failure.or_else(|| walker.finish().err());
        (walker.members.into_kept().0, failure)
    });
    assert!(
        all.windows(2).all(|pair| pair[0] == pair[1]),
        "the result depends on the slices"
    );
    all[0].clone()
}

fn failure_at(tar: &[u8]) -> (Code, u64) {
    let failure = walked(tar).1.expect("a failure");
    (failure.code, failure.offset)
}

fn paths(members: &[Member]) -> Vec<String> {
    let text = |member: &Member| String::from_utf8_lossy(&member.name).into_owned();
    members.iter().map(text).collect()
}

fn pax(records: &[u8]) -> Vec<u8> {
    member(b"pax", b'x', records)
}

#[test]
fn members_have_exact_offsets() {
    let tar = [
        member(b"a", b'0', b"hello"),
        member(b"d/", b'5', b""),
        END.to_vec(),
    ]
    .concat();
    let (members, failure) = walked(&tar);
    assert_eq!(failure, None);
    assert_eq!(paths(&members), ["a", "d/"]);
    assert_eq!((members[0].offset, members[0].size), (512, 5));
    assert_eq!((members[1].header, members[1].offset), (1024, 1536));
}

#[test]
fn gnu_and_pax_long_names() {
    let tar = [
        member(b"././@LongLink", b'L', b"long/name\0"),
        member(b"././@LongLink", b'K', b"long/link\0"),
        member(b"short", b'2', b""),
        pax(b"14 path=pax/a\n21 linkpath=pax/link\n"),
        member(b"short", b'1', b""),
        member(b"plain", b'0', b""),
        END.to_vec(),
    ]
    .concat();
    let (members, failure) = walked(&tar);
    assert_eq!(failure, None);
    assert_eq!(paths(&members), ["long/name", "pax/a", "plain"]);
    assert_eq!(members[0].linkname, b"long/link");
    assert_eq!(members[1].linkname, b"pax/link");
    assert_eq!((members[0].header, members[0].offset), (0, 5 * 512));
    assert_eq!(members[2].header, 8 * 512);
}

#[test]
fn the_pax_size_has_precedence() {
    let tar = [
        pax(b"12 size=600\n"),
        header(b"a", b'0', 0),
        padded(&[7; 600]),
        member(b"b", b'0', b""),
    ]
    .concat();
    let (members, failure) = walked(&tar);
    assert_eq!(
        (members[0].size, paths(&members).len(), failure),
        (600, 2, None)
    );
}

#[test]
fn base_256_sizes() {
    let mut block = header(b"a", b'0', 0);
    block[124..136].copy_from_slice(b"\x80\0\0\0\0\0\0\0\0\0\x02\x58");
    set_checksum(&mut block);
    let tar = [block.clone(), padded(&[7; 600]), member(b"b", b'0', b"")].concat();
    assert_eq!(walked(&tar).0[0].size, 600);
    block[124..136].copy_from_slice(&[0xff; 12]);
    set_checksum(&mut block);
    assert_eq!(failure_at(&block), (Code::Corrupt, 0));
    block[124..136].copy_from_slice(b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff");
    set_checksum(&mut block);
    assert_eq!(failure_at(&block), (Code::Corrupt, 0));
}

#[test]
fn old_type_flag() {
    let tar = [member(b"a", 0, b"x"), member(b"d/", 0, b"")].concat();
    let kinds: Vec<u8> = walked(&tar).0.iter().map(|member| member.kind).collect();
    assert_eq!(kinds, b"05");
    assert_eq!(failure_at(&member(b"d/", 0, b"x")), (Code::Corrupt, 0));
}

#[test]
fn signed_checksums() {
    let mut block = header(b"\xe9", b'0', 0);
    let sum: i64 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| {
            if (148..156).contains(&at) {
                32
            } else {
                i64::from(*byte as i8)
            }
        })
        .sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert_eq!(walked(&block).0.len(), 1);
}

#[test]
fn ustar_and_star_prefixes() {
    let mut block = header(b"name", b'0', 0);
    block[345..350].copy_from_slice(b"pre/x");
    set_checksum(&mut block);
    assert_eq!(paths(&walked(&block).0), ["pre/x/name"]);
    block[345..476].fill(b'p');
    block[476..487].copy_from_slice(b"00000000000");
    block[508..512].copy_from_slice(b"tar\0");
    set_checksum(&mut block);
    assert_eq!(walked(&block).0[0].name.len(), 131 + 5);
    block[257..265].copy_from_slice(b"ustar  \0");
    set_checksum(&mut block);
    assert_eq!(paths(&walked(&block).0), ["name"]);
}

#[test]
fn sparse_maps_precede_the_data() {
    let mut block = header(b"s", b'S', 5);
    block[257..265].copy_from_slice(b"ustar  \0");
    block[482] = 1;
    block[483..494].copy_from_slice(b"00000000144");
    set_checksum(&mut block);
    let mut more = vec![0; 512];
    more[..24].copy_from_slice(b"00000000012 00000000005 ");
    more[504] = 1;
    let data = padded(b"hello");
    let tar = [&block[..], &more, &[0; 512], &data, &END].concat();
    let (members, failure) = walked(&tar);
    assert_eq!(
        (members[0].offset, members[0].size, failure),
        (FIRST_EXPANDED, 100, None)
    );
    let mut walker = TarWalk::new(Members::counted(Limits::default()));
    walker.feed(&tar).unwrap();
    walker.finish().unwrap();
    assert_eq!(walker.members.count(), 1);
    more[0] = b'x';
    let damaged = [&block[..], &more, &[0; 512], &data, &END].concat();
    assert_eq!(failure_at(&damaged), (Code::Corrupt, 0));
}

#[test]
fn global_headers_are_ignored() {
    let tar = [
        member(b"g", b'g', b"ignored."),
        member(b"a", b'0', b""),
        END.to_vec(),
    ]
    .concat();
    let (members, failure) = walked(&tar);
    assert_eq!((paths(&members), failure), (vec!["a".to_owned()], None));
    assert_eq!(members[0].header, 1024);
}

#[test]
fn valid_ends() {
    let one = member(b"a", b'0', b"x");
    for end in [
        &b""[..],
        &[0; 512],
        &END,
        &[END.to_vec(), b"junk".to_vec()].concat(),
    ] {
        assert_eq!(walked(&[&one, end].concat()).1, None);
    }
    assert_eq!(walked(b"").1, None);
}

#[test]
fn truncated_tars() {
    let tar = [member(b"a", b'0', b"hello"), pax(b"14 path=pax/a\n")].concat();
    assert_eq!(failure_at(&tar[..100]), (Code::NotTar, 0));
    assert_eq!(failure_at(&tar[..514]), (Code::Truncated, 514));
    // The padding of the last member may be missing.
    for end in 517..=1024 {
        assert_eq!(walked(&tar[..end]).1, None);
    }
    assert_eq!(failure_at(&tar[..1025]), (Code::Truncated, 1025));
    assert_eq!(failure_at(&tar), (Code::Truncated, 2048));
    // The member is complete when its data is.
    assert_eq!(walked(&tar[..516]).0.len(), 0);
    assert_eq!(walked(&tar[..517]).0.len(), 1);
}

#[test]
fn damaged_tars() {
    let one = member(b"a", b'0', b"x");
    let junk = vec![b'j'; 512];
    assert_eq!(failure_at(&junk), (Code::NotTar, 0));
    assert_eq!(
        failure_at(&[&one[..], &junk].concat()),
        (Code::Corrupt, 1024)
    );
    let gap = [&one[..], &[0; 512], &one].concat();
    assert_eq!(failure_at(&gap), (Code::Corrupt, 1536));
    let malformed = [pax(b"nonsense"), one.clone()].concat();
    assert_eq!(failure_at(&malformed), (Code::Corrupt, 0));
    let at_end = [pax(b""), END.to_vec()].concat();
    assert_eq!(failure_at(&at_end), (Code::Corrupt, 512));
    let size = [pax(b"11 size=-1\n"), one].concat();
    assert_eq!(failure_at(&size), (Code::Corrupt, 1024));
}

#[test]
fn limits() {
    let tar = [
        member(b"a", b'0', b""),
        pax(b"14 path=pax/a\n"),
        member(b"b", b'0', b""),
    ]
    .concat();
    let few = Limits {
        max_entries: 1,
        ..Limits::default()
    };
    let (members, failure) = with_limits(&tar, few);
    let failure = failure.unwrap();
    assert_eq!(
        (members.len(), failure.code, failure.offset),
        (1, Code::LimitEntries, 512)
    );
    let short = Limits {
        max_path: 4,
        ..Limits::default()
    };
    let failure = with_limits(&tar, short).1.unwrap();
    assert_eq!((failure.code, failure.offset), (Code::LimitPath, 512));
    let huge = header(b"L", b'L', LARGEST_EXTENSION + 1);
    let failure = walked(&huge).1.unwrap();
    assert_eq!((failure.code, failure.offset), (Code::LimitPath, 0));
}

//! What an index notes of a compressed archive, so that asking for it costs no further pass.

use std::collections::{BTreeMap, BinaryHeap, HashMap};

use crate::failure::Result;
use crate::round::LONGEST_MAGIC;
use crate::stream::Slice;

/// What a kept member counts beside its bytes, for it takes memory beside them.
const EACH: u64 = 128;

/// How many sizes are noted: a decoder costs something, also where nothing comes out of it.
const SIZES: usize = 4096;

/// What is to be noted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keep {
    /// So many bytes of members, the smallest first; and the first few bytes of all others.
    pub bytes: u64,
    /// The sizes that compressed members have when they are decompressed once.
    pub sizes: bool,
}

/// What was noted.
#[derive(Default)]
pub(super) struct Notes {
    keep: Keep,
    /// Of members that are not kept, by offset, in order.
    heads: Vec<(u64, Head)>,
    kept: BTreeMap<u64, Slice>,
    /// Size and offset of those that are kept, the largest on top.
    largest: BinaryHeap<(u64, u64)>,
    /// What all that are kept count.
    held: u64,
    /// By offset and size of the member.
    sizes: HashMap<(u64, u64), Result<u64>>,
    /// Bytes that may still be decompressed to learn sizes.
    pub budget: u64,
}

#[derive(Clone, Copy)]
struct Head {
    bytes: [u8; LONGEST_MAGIC],
    size: u8,
}

impl Notes {
    pub fn new(keep: Keep, budget: u64) -> Self {
        Self {
            keep,
            budget,
            ..Self::default()
        }
    }

    pub fn wants_sizes(&self) -> bool {
        self.keep.sizes && self.budget > 0 && self.sizes.len() < SIZES
    }

    pub fn wants_anything(&self) -> bool {
        self.keep.bytes > 0 || self.wants_sizes()
    }

    pub fn note_head(&mut self, offset: u64, head: &[u8]) {
        let mut bytes = [0; LONGEST_MAGIC];
        let size = head.len().min(LONGEST_MAGIC);
        bytes[..size].copy_from_slice(&head[..size]);
        let size = size as u8;
        self.heads.push((offset, Head { bytes, size }));
    }

    /// Whether a member of this size is kept, which larger ones make room for.
    pub fn make_room(&mut self, size: u64) -> bool {
        let cost = size.saturating_add(EACH);
        if cost > self.keep.bytes {
            return false;
        }
        while self.held + cost > self.keep.bytes {
            match self.largest.peek() {
                Some(&(other, offset)) if other > size => {
                    self.largest.pop();
                    self.kept.remove(&offset);
                    self.held -= other + EACH;
                }
                _ => return false,
            }
        }
        true
    }

    pub fn keep(&mut self, offset: u64, bytes: Slice) {
        self.held += bytes.len() as u64 + EACH;
        self.largest.push((bytes.len() as u64, offset));
        self.kept.insert(offset, bytes);
    }

    pub fn note_size(&mut self, member: (u64, u64), size: Result<u64>) {
        self.sizes.insert(member, size);
    }

    /// The size of a decompressed member, or what is wrong with it.
    pub fn size(&self, member: (u64, u64)) -> Option<Result<u64>> {
        self.sizes.get(&member).cloned()
    }

    /// A range of the tar, if it lies in what was noted of one member.
    pub fn bytes(&self, offset: u64, size: u64) -> Option<Slice> {
        if let Some((start, whole)) = self.kept.range(..=offset).next_back()
            && (offset - start).saturating_add(size) <= whole.len() as u64
        {
            let mut rest = whole.clone();
            rest.split_to((offset - start) as usize);
            return Some(rest.split_to(size as usize));
        }
        let found = self.heads.binary_search_by_key(&offset, |head| head.0);
        let head = self.heads[found.ok()?].1;
        (size <= u64::from(head.size)).then(|| head.bytes[..size as usize].to_vec().into())
    }
}

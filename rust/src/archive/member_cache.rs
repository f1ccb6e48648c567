//! The member data of a compressed archive that its index keeps in memory.
//!
//! Reading cached data needs no further pass.

use std::collections::{BTreeMap, BinaryHeap, HashMap};

use crate::compression::LONGEST_MAGIC;
use crate::failure::Result;
use crate::stream::Slice;

/// The memory overhead of a cached member in bytes.
const OVERHEAD: u64 = 128;

/// The maximum number of cached sizes, because each one needs a decoder, even for an empty result.
const MAX_SIZES: usize = 4096;

/// The options of a member cache.
#[derive(Clone, Copy, Debug, Default)]
pub struct CacheOptions {
    /// The maximum size of cached members, of which the smallest are preferred. The first bytes
    /// of all other members are cached too, unless both options are off.
    pub bytes: u64,
    /// Whether to cache the sizes of compressed members after one round of decompression.
    pub sizes: bool,
}

/// The cached data of members.
#[derive(Default)]
pub(super) struct MemberCache {
    options: CacheOptions,
    /// The first bytes of members, sorted by offset.
    heads: Vec<(u64, Head)>,
    /// The whole content of members, by offset.
    contents: BTreeMap<u64, Slice>,
    /// The size and offset of each member in `contents`, the largest first.
    largest: BinaryHeap<(u64, u64)>,
    /// The memory use of `contents`.
    used: u64,
    /// The decompressed sizes, by offset and stored size.
    sizes: HashMap<(u64, u64), Result<u64>>,
    /// The number of bytes that may still be decompressed to find sizes.
    pub bytes_left: u64,
    /// The frames that may still be decompressed to find sizes.
    pub frames_left: u64,
}

#[derive(Clone, Copy)]
struct Head {
    bytes: [u8; LONGEST_MAGIC],
    size: u8,
}

impl MemberCache {
    pub fn new(options: CacheOptions, max_bytes: u64, max_frames: u64) -> Self {
        Self {
            options,
            bytes_left: max_bytes,
            frames_left: max_frames,
            ..Self::default()
        }
    }

    pub fn wants_sizes(&self) -> bool {
        self.options.sizes
            && self.bytes_left > 0
            && self.frames_left > 0
            && self.sizes.len() < MAX_SIZES
    }

    pub fn wants_data(&self) -> bool {
        self.options.bytes > 0 || self.wants_sizes()
    }

    pub fn add_head(&mut self, offset: u64, head: &[u8]) {
        let mut bytes = [0; LONGEST_MAGIC];
        let size = head.len().min(LONGEST_MAGIC);
        bytes[..size].copy_from_slice(&head[..size]);
        let size = size as u8;
        self.heads.push((offset, Head { bytes, size }));
    }

    /// Evict larger members to make room for one of this size; return whether there is room.
    pub fn make_room(&mut self, size: u64) -> bool {
        let cost = size.saturating_add(OVERHEAD);
        if cost > self.options.bytes {
            return false;
        }
        while self.used + cost > self.options.bytes {
            match self.largest.peek() {
                Some(&(other, offset)) if other > size => {
                    self.largest.pop();
                    self.contents.remove(&offset);
                    self.used -= other + OVERHEAD;
                }
                _ => return false,
            }
        }
        true
    }

    pub fn add_content(&mut self, offset: u64, bytes: Slice) {
        self.used += bytes.len() as u64 + OVERHEAD;
        self.largest.push((bytes.len() as u64, offset));
        self.contents.insert(offset, bytes);
    }

    pub fn add_size(&mut self, member: (u64, u64), size: Result<u64>) {
        self.sizes.insert(member, size);
    }

    /// Return the decompressed size of a member or the failure of its decompression, if cached.
    pub fn size(&self, member: (u64, u64)) -> Option<Result<u64>> {
        self.sizes.get(&member).cloned()
    }

    /// Return a range of the tar if it is within the cached data of one member.
    pub fn bytes(&self, offset: u64, size: u64) -> Option<Slice> {
        let nearest = self.contents.range(..=offset).next_back();
        let within = nearest
            .filter(|(start, whole)| (offset - **start).saturating_add(size) <= whole.len() as u64);
        if let Some((start, whole)) = within {
            let mut rest = whole.clone();
            rest.split_to((offset - start) as usize);
            return Some(rest.split_to(size as usize));
        }
        let found = self.heads.binary_search_by_key(&offset, |head| head.0);
        let head = self.heads[found.ok()?].1;
        (size <= u64::from(head.size)).then(|| head.bytes[..size as usize].to_vec().into())
    }
}

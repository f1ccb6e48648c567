//! SHA-256 as a stream, alone or beside another one.
//!
//! Blocks are hashed by `sha2`, which picks the processor's instructions at run time; where two
//! streams have bytes at once, by [`lanes`](crate::lanes).
//!
//! The lanes stay because they pay in a whole pull: 1,174 MB in 6 layers from a registry on
//! loopback, two processors, medians of 7 alternating pairs: 1.37 s and 1.68 s of CPU with them,
//! 1.50 s and 1.82 s without (2026-11-23).

use sha2::block_api::compress256;

use crate::lanes::{State, compress_both};

const BLOCK: usize = 64;

const START: State = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// A SHA-256 that is being computed.
#[derive(Clone, Debug)]
pub(crate) struct Sha256 {
    state: State,
    /// Bytes of a block that is not whole yet.
    rest: [u8; BLOCK],
    size: u64,
}

impl Sha256 {
    pub fn new() -> Self {
        Self {
            state: START,
            rest: [0; BLOCK],
            size: 0,
        }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        let bytes = self.fill(bytes);
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        compress256(&mut self.state, blocks);
        self.keep(blocks.len(), rest);
    }

    /// The same as `a.update(x)` and `b.update(y)`.
    pub fn update_both(a: &mut Self, x: &[u8], b: &mut Self, y: &[u8]) {
        let (x, y) = (a.fill(x), b.fill(y));
        let common = (x.len() / BLOCK).min(y.len() / BLOCK);
        let ((x, more_x), (y, more_y)) = (x.split_at(common * BLOCK), y.split_at(common * BLOCK));
        let (x, y) = (x.as_chunks().0, y.as_chunks().0);
        if !compress_both(&mut a.state, x, &mut b.state, y) {
            compress256(&mut a.state, x);
            compress256(&mut b.state, y);
        }
        a.size += (common * BLOCK) as u64;
        b.size += (common * BLOCK) as u64;
        a.update(more_x);
        b.update(more_y);
    }

    pub fn finish(mut self) -> [u8; 32] {
        let bits = self.size * 8;
        let held = self.held();
        let mut end = [0; 2 * BLOCK];
        end[..held].copy_from_slice(&self.rest[..held]);
        end[held] = 0x80;
        let size = if held < BLOCK - 8 { BLOCK } else { 2 * BLOCK };
        end[size - 8..size].copy_from_slice(&bits.to_be_bytes());
        compress256(&mut self.state, end[..size].as_chunks().0);
        let mut sum = [0; 32];
        for (bytes, word) in sum.chunks_exact_mut(4).zip(self.state) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        sum
    }

    fn held(&self) -> usize {
        (self.size % BLOCK as u64) as usize
    }

    /// Complete the block that was begun; what is left begins a new one, or is nothing.
    fn fill<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let held = self.held();
        if held == 0 {
            return bytes;
        }
        let (front, bytes) = bytes.split_at(bytes.len().min(BLOCK - held));
        self.rest[held..held + front.len()].copy_from_slice(front);
        self.size += front.len() as u64;
        if self.held() == 0 {
            compress256(&mut self.state, &[self.rest]);
        }
        bytes
    }

    fn keep(&mut self, blocks: usize, rest: &[u8]) {
        if blocks == 0 && rest.is_empty() {
            return;
        }
        self.rest[..rest.len()].copy_from_slice(rest);
        self.size += (blocks * BLOCK + rest.len()) as u64;
    }
}

#[cfg(test)]
mod tests {
    use sha2::Digest as _;

    use super::*;

    fn bytes(size: usize, seed: u32) -> Vec<u8> {
        let mut state = seed;
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..size).map(next).collect()
    }

    fn known(bytes: &[u8]) -> [u8; 32] {
        sha2::Sha256::digest(bytes).into()
    }

    #[test]
    fn every_length_around_blocks() {
        for size in 0..=4 * BLOCK + 1 {
            let all = bytes(size, 1);
            for cut in 0..=size.min(BLOCK + 1) {
                let mut hash = Sha256::new();
                hash.update(&all[..cut]);
                hash.update(&all[cut..]);
                assert_eq!(hash.finish(), known(&all), "{size} cut at {cut}");
            }
        }
    }

    #[test]
    fn two_streams_of_every_length() {
        for first in 0..=3 * BLOCK + 1 {
            for second in 0..=3 * BLOCK + 1 {
                let (x, y) = (bytes(first, 2), bytes(second, 3));
                let (mut a, mut b) = (Sha256::new(), Sha256::new());
                Sha256::update_both(&mut a, &x, &mut b, &y);
                assert_eq!((a.finish(), b.finish()), (known(&x), known(&y)));
            }
        }
    }

    #[test]
    fn two_streams_in_pieces_of_any_size() {
        let (x, y) = (bytes(100_003, 4), bytes(99_001, 5));
        for seed in 0..200_u32 {
            let sizes = bytes(4000, seed);
            let (mut a, mut b) = (Sha256::new(), Sha256::new());
            let (mut left, mut right) = (&x[..], &y[..]);
            for pair in sizes.chunks(2) {
                let cut = |size: u8, left: &[u8]| (usize::from(size) * 5 / 2).min(left.len());
                let (one, more) = left.split_at(cut(pair[0], left));
                let (two, rest) = right.split_at(cut(pair[1], right));
                Sha256::update_both(&mut a, one, &mut b, two);
                (left, right) = (more, rest);
            }
            Sha256::update_both(&mut a, left, &mut b, right);
            assert_eq!(
                (a.finish(), b.finish()),
                (known(&x), known(&y)),
                "seed {seed}"
            );
        }
    }

    /// `cargo test --release -- --ignored --nocapture lanes_pay` prints the figures.
    #[test]
    #[ignore = "a measurement"]
    fn lanes_pay() {
        let (x, y) = (bytes(256 << 10, 6), bytes(256 << 10, 7));
        let timed = |name: &str, work: &mut dyn FnMut()| {
            let begun = std::time::Instant::now();
            (0..4000).for_each(|_| work());
            let rate = 2.0 * 4000.0 * x.len() as f64 / begun.elapsed().as_secs_f64() / 1e9;
            println!("{name}: {rate:.2} GB/s");
        };
        let (mut a, mut b) = (Sha256::new(), Sha256::new());
        timed("one after the other", &mut || {
            a.update(&x);
            b.update(&y);
        });
        timed("two lanes", &mut || {
            Sha256::update_both(&mut a, &x, &mut b, &y)
        });
    }
}

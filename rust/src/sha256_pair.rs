//! SHA-256 of two streams on one core, with interleaved rounds.
//!
//! The latency of `sha256rnds2` is several cycles, but the processor can start one every second
//! cycle. Each round of a stream needs the result of the previous round, so one stream uses only a
//! part of the throughput. A second, independent stream uses the rest.
//!
//! This module uses unsafe code for two reasons. The instructions exist only on some processors, so
//! [`is_available`] checks for them before they are called. Vectors are loaded from byte slices
//! through pointers; each load is within a block, whose type guarantees 64 bytes.
//!
//! Processors without these instructions use `sha2` alone. So do ARM processors, because no ARM
//! machine was available for measurements.

/// The state of a SHA-256 computation between two blocks.
pub(crate) type State = [u32; 8];

/// Hash the blocks of two streams, up to the end of the shorter one.
///
/// Return false, and hash nothing, if the processor lacks the instructions.
pub(crate) fn compress_pair(a: &mut State, x: &[[u8; 64]], b: &mut State, y: &[[u8; 64]]) -> bool {
    #[cfg(target_arch = "x86_64")]
    if is_available() {
        // SAFETY: the processor has the instructions.
        #[allow(unsafe_code)]
        unsafe {
            x86::compress_pair(a, x, b, y);
        }
        return true;
    }
    let _ = (a, x, b, y);
    false
}

/// Return whether the processor has the instructions.
fn is_available() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("sha") && is_x86_feature_detected!("sse4.1");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
#[allow(unsafe_op_in_unsafe_fn)] // before Rust 1.87 all instructions are unsafe functions
mod x86 {
    use std::arch::x86_64::*;

    use super::State;

    #[rustfmt::skip]
    static K: [u32; 64] = [
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
    ];

    /// The state in the register layout of the instructions: ABEF and CDGH.
    #[derive(Clone, Copy)]
    struct Registers {
        abef: __m128i,
        cdgh: __m128i,
    }

    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    unsafe fn load_state(state: &State) -> Registers {
        let low = unsafe { _mm_loadu_si128(state.as_ptr().cast()) };
        let high = unsafe { _mm_loadu_si128(state.as_ptr().add(4).cast()) };
        let (cdab, efgh) = (_mm_shuffle_epi32(low, 0xb1), _mm_shuffle_epi32(high, 0x1b));
        Registers {
            abef: _mm_alignr_epi8(cdab, efgh, 8),
            cdgh: _mm_blend_epi16(efgh, cdab, 0xf0),
        }
    }

    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    unsafe fn store_state(registers: Registers, state: &mut State) {
        let (feba, dchg) = (
            _mm_shuffle_epi32(registers.abef, 0x1b),
            _mm_shuffle_epi32(registers.cdgh, 0xb1),
        );
        let (low, high) = (
            _mm_blend_epi16(feba, dchg, 0xf0),
            _mm_alignr_epi8(dchg, feba, 8),
        );
        unsafe {
            _mm_storeu_si128(state.as_mut_ptr().cast(), low);
            _mm_storeu_si128(state.as_mut_ptr().add(4).cast(), high);
        }
    }

    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    unsafe fn words(block: &[u8; 64]) -> [__m128i; 4] {
        let big_endian = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
        let word = |at: usize| {
            let four = unsafe { _mm_loadu_si128(block.as_ptr().add(16 * at).cast()) };
            _mm_shuffle_epi8(four, big_endian)
        };
        [word(0), word(1), word(2), word(3)]
    }

    /// Compute the next four words of the message schedule from the last sixteen.
    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    unsafe fn schedule(m: [__m128i; 4]) -> __m128i {
        let sum = _mm_add_epi32(
            _mm_sha256msg1_epu32(m[0], m[1]),
            _mm_alignr_epi8(m[3], m[2], 4),
        );
        _mm_sha256msg2_epu32(sum, m[3])
    }

    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    unsafe fn rounds(registers: Registers, words: __m128i, constants: __m128i) -> Registers {
        let first = _mm_add_epi32(words, constants);
        let cdgh = _mm_sha256rnds2_epu32(registers.cdgh, registers.abef, first);
        let abef = _mm_sha256rnds2_epu32(registers.abef, cdgh, _mm_shuffle_epi32(first, 0x0e));
        Registers { abef, cdgh }
    }

    #[target_feature(enable = "sha,ssse3,sse4.1")]
    pub unsafe fn compress_pair(a: &mut State, x: &[[u8; 64]], b: &mut State, y: &[[u8; 64]]) {
        unsafe {
            let (mut one, mut two) = (load_state(a), load_state(b));
            for (block, other) in x.iter().zip(y) {
                let (before_one, before_two) = (one, two);
                let (mut m, mut n) = (words(block), words(other));
                for step in 0..12 {
                    let constants = _mm_loadu_si128(K.as_ptr().add(4 * step).cast());
                    one = rounds(one, m[0], constants);
                    two = rounds(two, n[0], constants);
                    m = [m[1], m[2], m[3], schedule(m)];
                    n = [n[1], n[2], n[3], schedule(n)];
                }
                for step in 0..4 {
                    let constants = _mm_loadu_si128(K.as_ptr().add(48 + 4 * step).cast());
                    one = rounds(one, m[step], constants);
                    two = rounds(two, n[step], constants);
                }
                one.abef = _mm_add_epi32(one.abef, before_one.abef);
                one.cdgh = _mm_add_epi32(one.cdgh, before_one.cdgh);
                two.abef = _mm_add_epi32(two.abef, before_two.abef);
                two.cdgh = _mm_add_epi32(two.cdgh, before_two.cdgh);
            }
            store_state(one, a);
            store_state(two, b);
        }
    }
}

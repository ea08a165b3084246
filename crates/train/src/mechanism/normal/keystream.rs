//! The ChaCha12 keystream, sixteen blocks at a time.
//!
//! The words of sixteen consecutive blocks lie word by word, not block by block: what a vector of sixteen lanes computes is what is stored. Twelve
//! rounds are what Rust's `rand` takes for its own secure generator; the best attack known reaches seven (Aumasson 2019, eprint 2019/1492).

use crate::instructions::Instructions;
use zeroize::Zeroizing;

/// 64-bit words of sixteen blocks.
pub(super) const BATCH: usize = 128;

const LANES: usize = 16;
const ROUNDS: usize = 12;
/// "expand 32-byte k".
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

/// The stream of one key and nonce.
pub(super) struct Keystream {
    key: Zeroizing<[u32; 8]>,
    nonce: u64,
    counter: u64,
    instructions: Instructions,
    /// Of the last batch, for [`Keystream::word`].
    words: Zeroizing<[u64; BATCH]>,
    used: usize,
}

impl Keystream {
    pub(super) fn new(key: &[u8; 32], nonce: u64, instructions: Instructions) -> Self {
        let mut words = Zeroizing::new([0; 8]);
        for (word, bytes) in words.iter_mut().zip(key.chunks_exact(4)) {
            *word = u32::from_le_bytes(bytes.try_into().expect("four bytes"));
        }
        Self { key: words, nonce, counter: 0, instructions, words: Zeroizing::new([0; BATCH]), used: BATCH }
    }

    /// The next sixteen blocks.
    pub(super) fn next(&mut self, out: &mut [u64; BATCH]) {
        match self.instructions {
            Instructions::Plain => plain(&self.key, self.counter, self.nonce, out),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512(found) => avx512::blocks(found, &self.key, self.counter, self.nonce, out),
        }
        self.counter += LANES as u64;
    }

    /// One word; not to be mixed with [`Keystream::next`] on one stream.
    pub(super) fn word(&mut self) -> u64 {
        if self.used == BATCH {
            let mut words = Zeroizing::new([0; BATCH]);
            self.next(&mut words);
            (self.words, self.used) = (words, 0);
        }
        self.used += 1;
        self.words[self.used - 1]
    }
}

/// The state before the rounds, but for the counters.
fn constant(word: usize, key: &[u32; 8], nonce: u64) -> u32 {
    match word {
        0..4 => CONSTANTS[word],
        4..12 => key[word - 4],
        14 => nonce as u32,
        _ => (nonce >> 32) as u32,
    }
}

/// The columns, then the diagonals, of a double round.
const QUARTERS: [[usize; 4]; 8] =
    [[0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15], [0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14]];

/// Four blocks at a time, which fit the registers that every x86-64 has.
fn plain(key: &[u32; 8], counter: u64, nonce: u64, out: &mut [u64; BATCH]) {
    const AT_ONCE: usize = 4;
    for part in 0..LANES / AT_ONCE {
        let counters: [u64; AT_ONCE] = std::array::from_fn(|lane| counter + (part * AT_ONCE + lane) as u64);
        let start: [[u32; AT_ONCE]; 16] = std::array::from_fn(|word| match word {
            12 => counters.map(|c| c as u32),
            13 => counters.map(|c| (c >> 32) as u32),
            _ => [constant(word, key, nonce); AT_ONCE],
        });
        let mut s = start;
        for _ in 0..ROUNDS / 2 {
            for [a, b, c, d] in QUARTERS {
                for (x, y, z, rotation) in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)] {
                    s[x] = std::array::from_fn(|lane| s[x][lane].wrapping_add(s[y][lane]));
                    s[z] = std::array::from_fn(|lane| (s[z][lane] ^ s[x][lane]).rotate_left(rotation));
                }
            }
        }
        for (word, (s, start)) in s.iter().zip(start).enumerate() {
            let mut sums = s.iter().zip(start).map(|(s, start)| u64::from(s.wrapping_add(start)));
            for pair in 0..AT_ONCE / 2 {
                let (low, high) = (sums.next().unwrap_or_default(), sums.next().unwrap_or_default());
                out[word * LANES / 2 + part * AT_ONCE / 2 + pair] = low | (high << 32);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    #![expect(
        unsafe_code,
        reason = "vector instructions: called only with proof that the processor has them; stores go to arrays of their size"
    )]

    use super::{BATCH, LANES, QUARTERS, ROUNDS, constant};
    use crate::instructions::Avx512;
    use std::arch::x86_64::{
        _mm512_add_epi32, _mm512_add_epi64, _mm512_castsi256_si512, _mm512_cvtepi64_epi32, _mm512_inserti64x4, _mm512_rol_epi32,
        _mm512_set_epi64, _mm512_set1_epi32, _mm512_set1_epi64, _mm512_srli_epi64, _mm512_storeu_si512, _mm512_xor_si512,
    };

    pub(super) fn blocks(_: Avx512, key: &[u32; 8], counter: u64, nonce: u64, out: &mut [u64; BATCH]) {
        // SAFETY: an `Avx512` exists only where these instructions were detected.
        unsafe { sixteen(key, counter, nonce, out) }
    }

    #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
    fn sixteen(key: &[u32; 8], counter: u64, nonce: u64, out: &mut [u64; BATCH]) {
        let mut start = [_mm512_set1_epi32(0); 16];
        for (word, start) in start.iter_mut().enumerate() {
            *start = _mm512_set1_epi32(constant(word, key, nonce).cast_signed());
        }
        let low = _mm512_add_epi64(_mm512_set1_epi64(counter.cast_signed()), _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0));
        let high = _mm512_add_epi64(low, _mm512_set1_epi64(8));
        let join = |low, high| _mm512_inserti64x4::<1>(_mm512_castsi256_si512(_mm512_cvtepi64_epi32(low)), _mm512_cvtepi64_epi32(high));
        start[12] = join(low, high);
        start[13] = join(_mm512_srli_epi64::<32>(low), _mm512_srli_epi64::<32>(high));
        let mut s = start;
        // With constant indices the state stays in registers.
        macro_rules! quarter {
            ($which:expr) => {
                let [a, b, c, d] = const { QUARTERS[$which] };
                s[a] = _mm512_add_epi32(s[a], s[b]);
                s[d] = _mm512_rol_epi32::<16>(_mm512_xor_si512(s[d], s[a]));
                s[c] = _mm512_add_epi32(s[c], s[d]);
                s[b] = _mm512_rol_epi32::<12>(_mm512_xor_si512(s[b], s[c]));
                s[a] = _mm512_add_epi32(s[a], s[b]);
                s[d] = _mm512_rol_epi32::<8>(_mm512_xor_si512(s[d], s[a]));
                s[c] = _mm512_add_epi32(s[c], s[d]);
                s[b] = _mm512_rol_epi32::<7>(_mm512_xor_si512(s[b], s[c]));
            };
        }
        for _ in 0..ROUNDS / 2 {
            quarter!(0);
            quarter!(1);
            quarter!(2);
            quarter!(3);
            quarter!(4);
            quarter!(5);
            quarter!(6);
            quarter!(7);
        }
        for ((s, start), out) in s.into_iter().zip(start).zip(out.chunks_exact_mut(LANES / 2)) {
            // SAFETY: eight words of 64 bits are one vector.
            unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), _mm512_add_epi32(s, start)) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha12Rng;

    /// Both kernels against `rand_chacha`, also where the counter passes 2³².
    #[test]
    fn the_words_are_those_of_chacha12() {
        let key: [u8; 32] = std::array::from_fn(|i| (7 * i + 3) as u8);
        for instructions in [Instructions::Plain, Instructions::detect()] {
            for (nonce, counter) in [(0, 0), (0x0123_4567_89ab_cdef, 5), (1, (1 << 32) - 7)] {
                let mut stream = Keystream::new(&key, nonce, instructions);
                stream.counter = counter;
                let mut found = [0; BATCH];
                stream.next(&mut found);
                assert_eq!(stream.counter, counter + 16);
                let mut other = ChaCha12Rng::from_seed(key);
                other.set_stream(nonce);
                other.set_word_pos(u128::from(counter) * 16);
                for block in 0..LANES {
                    for word in 0..16 {
                        let both = found[word * LANES / 2 + block / 2];
                        let own = (both >> (32 * (block % 2))) as u32;
                        assert_eq!(own, other.next_u32(), "{instructions:?}, block {block}, word {word}");
                    }
                }
            }
        }
    }

    #[test]
    fn words_are_those_of_the_batches() {
        let mut one = Keystream::new(&[1; 32], 4, Instructions::detect());
        let mut many = Keystream::new(&[1; 32], 4, Instructions::Plain);
        for _ in 0..3 {
            let mut batch = [0; BATCH];
            many.next(&mut batch);
            batch.iter().for_each(|&word| assert_eq!(one.word(), word));
        }
    }
}

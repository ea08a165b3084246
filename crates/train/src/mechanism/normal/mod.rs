//! Standard normal numbers from a key: a ziggurat (Marsaglia & Tsang 2000, doi:10.18637/jss.v005.i08) over the ChaCha12 keystream, eight at a
//! time where the processor has AVX-512, one at a time elsewhere, with the same numbers.
//!
//! How far the draws are from the law: the strips of the ziggurat have exactly equal areas (`ziggurat`), so that a draw *is* a normal number,
//! moved by less than 2⁻⁵⁰ when it is written as an `f64`, except on an event of probability below [`TOTAL_VARIATION`]. No part of the tail is
//! cut off: a draw beyond the last strip takes 128 bits for its size.

mod double_double;
mod keystream;
mod ziggurat;

use crate::instructions::Instructions;
use keystream::{BATCH, Keystream};
use zeroize::Zeroizing;
use ziggurat::Ziggurat;

/// Bound on the total variation between a draw and a normal number, rounded: what the tie of a comparison in the tail (probability below
/// 5.4·10⁻⁵ · 2⁻⁴⁸) and the rounding of the tail's own probability (below 2⁻⁶²) can change. Over 10¹⁰ coordinates and steps it adds
/// 1.8·10⁻⁸ to δ.
#[cfg_attr(not(test), expect(dead_code, reason = "what the documentation of the noise states, and the tests compute"))]
pub(crate) const TOTAL_VARIATION: f64 = 1.0 / (1_u64 << 59) as f64;

/// Draws with a nonce of their own: segments can be drawn in any order, and by several threads.
const SEGMENT: usize = 1 << 14;

/// The normal numbers of one purpose.
pub(crate) struct Normals {
    key: Zeroizing<[u8; 32]>,
}

impl Normals {
    /// All randomness comes from this seed, which is secret.
    pub(crate) fn from_seed(key: Zeroizing<[u8; 32]>) -> Self {
        Self { key }
    }

    /// Adds `std` times one normal number to each value.
    pub(crate) fn add(&self, std: f64, values: &mut [f64]) {
        self.add_with(std, values, Instructions::detect());
    }

    /// The first `len` normal numbers.
    pub(crate) fn take(&self, len: usize) -> Vec<f64> {
        let mut values = vec![0.0; len];
        self.add(1.0, &mut values);
        values
    }

    fn add_with(&self, std: f64, values: &mut [f64], instructions: Instructions) {
        if values.len() <= SEGMENT {
            return self.segment(0, std, values, instructions);
        }
        use rayon::prelude::*;
        values.par_chunks_mut(SEGMENT).enumerate().for_each(|(at, values)| self.segment(at as u64, std, values, instructions));
    }

    fn segment(&self, at: u64, std: f64, values: &mut [f64], instructions: Instructions) {
        let ziggurat = Ziggurat::get();
        let mut stream = Keystream::new(&self.key, 2 * at, instructions);
        // What a draw needs beyond its first 64 bits, which it does once in two hundred times.
        let mut more = Keystream::new(&self.key, 2 * at + 1, instructions);
        let mut bits = Zeroizing::new([0; BATCH]);
        for part in values.chunks_mut(BATCH) {
            stream.next(&mut bits);
            match <&mut [f64; BATCH]>::try_from(&mut *part) {
                Ok(part) => ziggurat.add(&bits, std, part, &mut more, instructions),
                Err(_) => {
                    let mut whole = [0.0; BATCH];
                    whole[..part.len()].copy_from_slice(part);
                    ziggurat.add(&bits, std, &mut whole, &mut more, instructions);
                    part.copy_from_slice(&whole[..part.len()]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;

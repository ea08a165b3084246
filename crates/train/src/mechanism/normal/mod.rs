//! Standard normal numbers from a key: a ziggurat (Marsaglia & Tsang 2000, doi:10.18637/jss.v005.i08) over the ChaCha12 keystream, eight at a
//! time where the processor has AVX-512, one at a time elsewhere, with the same numbers.
//!
//! How far the draws are from the law: that is proved in `ziggurat`, and [`inexact`] says it to the accountants. What it is said of is moved by
//! less than 2⁻⁵⁰ when it is written as an `f64`. No part of the tail is cut off: a draw beyond the last strip takes 128 bits for its size.

mod double_double;
mod keystream;
mod ziggurat;

use crate::instructions::Instructions;
use keystream::{BATCH, Keystream};
use reticent_accounting::{Delta, Epsilon, Event};
use zeroize::Zeroizing;
use ziggurat::Ziggurat;

/// The most numbers that a step adds noise to.
pub(crate) const MOST: usize = 1 << 30;

/// How far the noise of a step is from its law: of up to twice [`MOST`] draws, since a tree takes up to two for each number and step.
pub(crate) fn inexact() -> Event {
    let draws = 2.0 * MOST as f64;
    Event::Inexact {
        log_ratio: Epsilon::new(draws * ziggurat::LOG_RATIO).expect("a small number"),
        total_variation: Delta::new(draws * ziggurat::TOTAL_VARIATION).expect("a small number"),
    }
}

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

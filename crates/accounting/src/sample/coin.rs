//! Uniform integers and coins whose probabilities are exact: the only place where random bits are read.
//!
//! Source: Canonne, Kamath, Steinke, *The Discrete Gaussian for Differential Privacy* (NeurIPS 2020, arXiv:2004.00010), Algorithm 1.

use super::Ratio;
use num_bigint::BigUint;
use rand_core::CryptoRng;

/// Uniform on 0, …, n − 1, by rejection: every value from the same number of bit patterns.
pub(super) fn below(n: &BigUint, rng: &mut impl CryptoRng) -> BigUint {
    debug_assert!(*n > BigUint::ZERO, "there is a value below it");
    let bits = (n - 1_u32).bits();
    let words = usize::try_from(bits.div_ceil(32)).expect("fits in memory");
    let spare = (words as u64 * 32 - bits) as u32;
    loop {
        let mut drawn: Vec<u32> = (0..words).map(|_| rng.next_u32()).collect();
        if let Some(top) = drawn.last_mut() {
            *top >>= spare;
        }
        let drawn = BigUint::new(drawn);
        if drawn < *n {
            return drawn;
        }
    }
}

/// True with probability a/b; a ≤ b.
pub(super) fn bernoulli(a: &BigUint, b: &BigUint, rng: &mut impl CryptoRng) -> bool {
    below(b, rng) < *a
}

/// True with probability exp(−γ).
pub(super) fn bernoulli_exp(gamma: &Ratio, rng: &mut impl CryptoRng) -> bool {
    let whole = &gamma.numerator / &gamma.denominator;
    let rest = Ratio { numerator: &gamma.numerator % &gamma.denominator, denominator: gamma.denominator.clone() };
    let one = Ratio { numerator: 1_u32.into(), denominator: 1_u32.into() };
    // exp(−γ) = exp(−1)^⌊γ⌋ · exp(−rest): one coin each, until one falls.
    let mut left = whole;
    while left > BigUint::ZERO {
        if !bernoulli_exp_at_most_one(&one, rng) {
            return false;
        }
        left -= 1_u32;
    }
    bernoulli_exp_at_most_one(&rest, rng)
}

/// True with probability exp(−γ) for γ ≤ 1: the first K for which a coin of γ/K falls is odd with that probability.
fn bernoulli_exp_at_most_one(gamma: &Ratio, rng: &mut impl CryptoRng) -> bool {
    let mut k = 1_u64;
    while bernoulli(&gamma.numerator, &(&gamma.denominator * k), rng) {
        k += 1;
    }
    k % 2 == 1
}

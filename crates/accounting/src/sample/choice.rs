//! One of several: randomised response, the exponential mechanism, permute-and-flip, report-noisy-max.

use super::Ratio;
use super::coin::{below, bernoulli_exp};
use crate::Error;
use num_bigint::BigUint;
use rand_core::CryptoRng;

/// The true answer out of `answers`, or another: each other one is e^ε times less likely than the true one. Pure ε, for replacing the answer.
///
/// Warner 1965; k answers: Kairouz, Bonawitz, Ramage 2016. Drawn by rejection: a uniform answer is kept if it is the true one, and otherwise
/// with probability e^{−ε}.
///
/// ```
/// use rand_core::SeedableRng;
/// use reticent_accounting::sample::{Ratio, randomised_response};
/// let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(3);
/// let epsilon = Ratio::new(2, 1)?;
/// let told = (0..1000).filter(|_| randomised_response(1, 2, &epsilon, &mut rng) == Ok(1)).count();
/// // e²/(e² + 1) = .881 of them; four standard errors are 41.
/// assert!(told.abs_diff(881) < 41);
/// # Ok::<(), reticent_accounting::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] where the true answer is none of them.
pub fn randomised_response(truth: usize, answers: usize, epsilon: &Ratio, rng: &mut impl CryptoRng) -> Result<usize, Error> {
    if truth >= answers {
        return Err(Error::OutOfRange { quantity: "true answer", value: truth as f64, range: "below the number of answers" });
    }
    loop {
        let answer = index(answers, rng);
        if answer == truth || bernoulli_exp(epsilon, rng) {
            return Ok(answer);
        }
    }
}

/// A candidate, each with probability ∝ exp(ε·score/(2Δ)): the exponential mechanism. Pure ε; scores have sensitivity Δ.
///
/// McSherry, Talwar 2007. [`permute_and_flip`] is never worse and charged the same.
///
/// ```
/// use rand_core::SeedableRng;
/// use reticent_accounting::sample::{Ratio, exponential};
/// let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(4);
/// let epsilon = Ratio::new(2, 1)?;
/// let second = (0..1000).filter(|_| exponential(&[0, 1], 1, &epsilon, &mut rng) == Ok(1)).count();
/// // e/(e + 1) = .731 of them; four standard errors are 56.
/// assert!(second.abs_diff(731) < 56);
/// # Ok::<(), reticent_accounting::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] without a candidate, or for a sensitivity of 0.
pub fn exponential(scores: &[i64], sensitivity: u64, epsilon: &Ratio, rng: &mut impl CryptoRng) -> Result<usize, Error> {
    let best = best(scores, sensitivity)?;
    loop {
        let candidate = index(scores.len(), rng);
        if bernoulli_exp(&behind(best, scores[candidate], sensitivity, epsilon), rng) {
            return Ok(candidate);
        }
    }
}

/// A candidate by permute-and-flip: in random order, the first whose coin of exp(ε·(score − best)/(2Δ)) does not fall. Pure ε; scores have
/// sensitivity Δ.
///
/// McKenna, Sheldon 2020, Algorithm 1; the same distribution as report-noisy-max with exponential noise (Ding et al. 2021).
///
/// ```
/// use rand_core::SeedableRng;
/// use reticent_accounting::sample::{Ratio, permute_and_flip};
/// let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(5);
/// let best = (0..200).filter(|_| permute_and_flip(&[3, 40, 5], 1, &Ratio::new(1, 1).unwrap(), &mut rng) == Ok(1)).count();
/// assert_eq!(best, 200); // a lead of 35 at ε = 1: missed once in 10⁷
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] without a candidate, or for a sensitivity of 0.
pub fn permute_and_flip(scores: &[i64], sensitivity: u64, epsilon: &Ratio, rng: &mut impl CryptoRng) -> Result<usize, Error> {
    let best = best(scores, sensitivity)?;
    let mut left: Vec<usize> = (0..scores.len()).collect();
    loop {
        let candidate = left.swap_remove(index(left.len(), rng));
        // The best one's coin never falls, so that the list does not run out.
        if bernoulli_exp(&behind(best, scores[candidate], sensitivity, epsilon), rng) {
            return Ok(candidate);
        }
    }
}

/// A candidate by report-noisy-max: the one whose score is the highest after noise with density λe^{−λx} on x ≥ 0, λ = ε/(2Δ), was added to
/// each. Pure ε; scores have sensitivity Δ.
///
/// Real-valued noise cannot be drawn exactly, and need not be: who wins has the distribution of [`permute_and_flip`] (Ding, Kifer, Saghaian,
/// Steinke, Wang, Xiao, Zhang 2021, arXiv:2105.07260), which draws it. Only the winner is given, never its noisy score: that would cost more.
///
/// ```
/// use rand_core::SeedableRng;
/// use reticent_accounting::sample::{Ratio, report_noisy_max};
/// let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(6);
/// let epsilon = Ratio::new(2, 1)?;
/// let second = (0..1000).filter(|_| report_noisy_max(&[0, 1], 1, &epsilon, &mut rng) == Ok(1)).count();
/// // 1 - 1/2e = .816 of them; four standard errors are 49.
/// assert!(second.abs_diff(816) < 49);
/// # Ok::<(), reticent_accounting::Error>(())
/// ```
///
/// # Errors
/// Those of [`permute_and_flip`].
pub fn report_noisy_max(scores: &[i64], sensitivity: u64, epsilon: &Ratio, rng: &mut impl CryptoRng) -> Result<usize, Error> {
    permute_and_flip(scores, sensitivity, epsilon, rng)
}

fn best(scores: &[i64], sensitivity: u64) -> Result<i64, Error> {
    if sensitivity == 0 {
        return Err(Error::OutOfRange { quantity: "sensitivity", value: 0.0, range: "at least 1" });
    }
    scores.iter().copied().max().ok_or(Error::OutOfRange { quantity: "number of candidates", value: 0.0, range: "at least 1" })
}

/// ε·(best − score)/(2Δ).
fn behind(best: i64, score: i64, sensitivity: u64, epsilon: &Ratio) -> Ratio {
    epsilon.times(best.abs_diff(score)).over(BigUint::from(sensitivity) * 2_u32)
}

fn index(n: usize, rng: &mut impl CryptoRng) -> usize {
    usize::try_from(below(&n.into(), rng)).expect("below a usize")
}

//! What draws that are only nearly of their stated law add: the one place where [`Event::Inexact`](crate::Event::Inexact) is paid for.
//!
//! Noise is drawn from a law of its own, whatever the data are. Let that law be within a total variation of eta of one whose density is
//! within a factor of e^(+-gamma) of the stated one. If the stated noise makes a mechanism of the curve delta(epsilon), then for any set S
//! of outputs of neighbours P and Q, with primes for what is drawn,
//!
//! P'(S) <= e^gamma P(S) + eta <= e^gamma (e^epsilon Q(S) + delta(epsilon)) + eta
//!       <= e^(epsilon + 2 gamma) (Q'(S) + eta) + e^gamma delta(epsilon) + eta,
//!
//! so that delta'(epsilon) <= e^gamma delta(epsilon - 2 gamma) + (1 + e^epsilon) eta. Over a composition gammas and etas add up, also where
//! each step is chosen after seeing the one before.

use crate::{Delta, Error};

/// The gammas and etas of an event, added up; zero for an event whose draws are exact.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Inexact {
    pub(crate) log_ratio: f64,
    pub(crate) total_variation: f64,
}

impl Inexact {
    /// Adds `count` times these, rounded up.
    pub(crate) fn add(&mut self, log_ratio: f64, total_variation: f64, count: u64) {
        let up = |sum: f64, one: f64| if one > 0.0 { (sum + one * count as f64) * (1.0 + 4.0 * f64::EPSILON) } else { sum };
        (self.log_ratio, self.total_variation) = (up(self.log_ratio, log_ratio), up(self.total_variation, total_variation));
    }

    /// What the ratio of densities adds to the Renyi divergence of an order: those of P enter to the power of it, those of Q to 1 less.
    pub(crate) fn divergence(self, order: f64) -> f64 {
        self.log_ratio * (2.0 * order - 1.0) / (order - 1.0)
    }

    /// What is added to delta at `epsilon`.
    pub(crate) fn delta(self, epsilon: f64) -> f64 {
        if self.total_variation == 0.0 { 0.0 } else { self.total_variation * (1.0 + epsilon.exp()) * (1.0 + 1e-14) }
    }

    /// A bound on delta at `epsilon` from the curve of exact draws, which falls.
    pub(crate) fn delta_from(self, epsilon: f64, stated: impl FnOnce(f64) -> Result<f64, Error>) -> Result<f64, Error> {
        let before = epsilon - 2.0 * self.log_ratio;
        // Below 0 the curve's slope is above -1.
        let found = stated(before.max(0.0))? + (-before).max(0.0);
        Ok((self.log_ratio.exp() * found + self.delta(epsilon)).min(1.0))
    }

    /// A bound on epsilon at `delta` from that of exact draws, which falls in delta. What is added depends on the answer, so that a guess is
    /// taken which the answer turns out to be within.
    pub(crate) fn epsilon_from(
        self,
        delta: Delta,
        accountant: &'static str,
        stated: impl Fn(Delta) -> Result<f64, Error>,
    ) -> Result<f64, Error> {
        let mut found = stated(delta)?;
        if self == Self::default() {
            return Ok(found);
        }
        loop {
            let guess = (found + 2.0 * self.log_ratio) * (1.0 + 1e-9) + 1e-12;
            let added = self.delta(guess);
            let left = (delta.get() - added) * (-self.log_ratio).exp() * (1.0 - 1e-15);
            // What is beyond half of delta hardly ever settles, and says that no bound can be stated.
            if left.is_nan() || left < 0.5 * delta.get() {
                return Err(Error::InexactDraws { accountant, delta: delta.get(), added });
            }
            found = stated(Delta::new(left)?)?;
            if found + 2.0 * self.log_ratio <= guess {
                return Ok(found + 2.0 * self.log_ratio);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normal::upper_tail;
    use crate::{Epsilon, gaussian};

    const EXACT: Inexact = Inexact { log_ratio: 0.0, total_variation: 0.0 };

    /// Both directions of one bound: at the epsilon found for a delta, the delta found is that delta.
    #[test]
    fn epsilon_and_delta_are_inverse() {
        let log_delta = |e: f64| Ok(gaussian::log_delta_of_mu(1.0, e).exp());
        let epsilon = |d: Delta| gaussian::epsilon_of_mu(1.0, d);
        for (log_ratio, total_variation) in [(0.0, 0.0), (1e-3, 0.0), (0.0, 1e-8), (0.2, 1e-10), (1e-6, 3e-8)] {
            let inexact = Inexact { log_ratio, total_variation };
            let delta = Delta::new(1e-5).unwrap();
            let found = inexact.epsilon_from(delta, "test", epsilon).unwrap();
            let back = inexact.delta_from(found, log_delta).unwrap();
            assert!((back / 1e-5 - 1.0).abs() < 1e-5 && back <= 1e-5 * (1.0 + 1e-9), "{inexact:?}: {found} {back}");
        }
        assert_eq!(EXACT.delta_from(2.0, log_delta).unwrap(), log_delta(2.0).unwrap());
    }

    /// A sampler that is as bad as it may be, against its exact delta: a Gaussian of which a part eta of the mass nearest to one end is moved
    /// far away, seen by a record that moves it. Its delta is above the Gaussian's, and the bound is above that.
    #[test]
    fn a_sampler_that_cuts_its_tail_is_covered() {
        for (mu, eta) in [(1.0, 1e-4), (0.5, 1e-3), (2.0, 1e-6)] {
            for epsilon in [0.5, 1.0, 3.0] {
                // Cut at c with P(Z > c) = eta: then Q' has nothing beyond c, and all that P' has there, up to c + mu, is delta.
                let c = {
                    let (mut low, mut high) = (0.0, 40.0);
                    for _ in 0..200 {
                        let middle = 0.5 * (low + high);
                        *if upper_tail(middle) > eta { &mut low } else { &mut high } = middle;
                    }
                    high
                };
                let from = epsilon / mu + mu / 2.0;
                // P' = N(mu, 1) cut at c + mu, Q' = N(0, 1) cut at c; what is cut lies at a point of each one's own.
                let exact = if from < c {
                    upper_tail(from - mu) - upper_tail(c) - epsilon.exp() * (upper_tail(from) - upper_tail(c)) + eta
                } else {
                    upper_tail(c - mu)
                };
                let stated = |e: f64| Ok(gaussian::log_delta_of_mu(mu, e).exp());
                let bound = Inexact { log_ratio: 0.0, total_variation: eta }.delta_from(epsilon, stated).unwrap();
                assert!(bound >= exact && exact > stated(epsilon).unwrap(), "{mu} {eta} {epsilon}: {bound} {exact}");
                // And above it by no more than is added.
                assert!(bound <= exact + 1.0001 * eta * (1.0 + epsilon.exp()), "{mu} {eta} {epsilon}: {bound} {exact}");
            }
        }
    }

    #[test]
    fn what_no_bound_covers_is_refused() {
        let inexact = Inexact { log_ratio: 0.0, total_variation: 1e-12 };
        let at = |epsilon: f64| inexact.epsilon_from(Delta::new(1e-5).unwrap(), "test", |_| Ok(epsilon));
        assert_eq!(at(10.0).unwrap(), 10.0);
        match at(17.0).unwrap_err() {
            Error::InexactDraws { added, .. } => assert!(added > 2e-5 && added < 3e-5, "{added:e}"),
            other => panic!("{other}"),
        }
        assert!(at(2_000.0).is_err());
        assert!(Epsilon::new(at(1.0).unwrap()).is_ok());
    }

    #[test]
    fn sums_round_up() {
        let mut sum = Inexact::default();
        sum.add(0.1, 0.0, 3);
        sum.add(0.0, 1e-20, 7);
        assert!(sum.log_ratio >= 0.3 && sum.log_ratio < 0.3 + 1e-15 && sum.total_variation >= 7e-20);
        sum.add(1.0, 1.0, 0);
        assert!(sum.log_ratio < 0.3 + 1e-15);
    }
}

//! Which noise, how much, and the event that says so.

use std::num::NonZeroU32;

use num_bigint::BigUint;
use rand_core::CryptoRng;

use crate::normal::log_upper_tail;
use crate::sample::{DiscreteGaussian, DiscreteLaplace, Ratio};
use crate::{Epsilon, Error, Event, NoiseMultiplier};

/// The budget of one query, exact, and with it the kind of noise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Noise {
    /// Discrete Laplace noise; for a choice, permute-and-flip.
    Pure {
        /// The ε of the whole query, at δ = 0.
        epsilon: Ratio,
    },
    /// Discrete Gaussian noise; for a choice, the exponential mechanism.
    Zcdp {
        /// The ρ of the whole query: Rényi divergence of order a is at most ρ·a.
        rho: Ratio,
    },
}

impl Noise {
    /// Pure ε, rounded down to a multiple of 2⁻⁴⁰.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for an ε below 2⁻⁴⁰ or above 2²⁰.
    pub fn pure(epsilon: Epsilon) -> Result<Self, Error> {
        Ok(Self::Pure { epsilon: Ratio::at_most(epsilon)? })
    }

    /// Zero-concentrated, ρ rounded down to a multiple of 2⁻⁴⁰.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a ρ below 2⁻⁴⁰ or above 2²⁰.
    pub fn zcdp(rho: Epsilon) -> Result<Self, Error> {
        Ratio::at_most(rho).map(|rho| Self::Zcdp { rho }).map_err(|_| Error::OutOfRange {
            quantity: "rho",
            value: rho.get(),
            range: "from 2^-40 to 2^20",
        })
    }

    /// How far the noise on an integer of this sensitivity goes: beyond it (strictly) with probability `miss` or less. In the integer's
    /// units; known before anything is asked.
    ///
    /// Exact for discrete Laplace noise: P(|X| > h) = 2e^{−(h+1)/b}/(1 + e^{−1/b}). For discrete Gaussian noise by the tail of the
    /// continuous one, P(X > h) ≤ P(N ≥ h) for integers h ≥ 0: the sum of e^{−k²/2σ²} over k > h is below the integral from h, and over all
    /// k it is at least √(2πσ²), by Poisson's summation. So it is up to 1 wider than need be.
    ///
    /// ```
    /// use reticent_accounting::query::Noise;
    /// use reticent_accounting::sample::Ratio;
    /// let one = std::num::NonZeroU32::MIN;
    /// assert_eq!(Noise::Pure { epsilon: Ratio::new(1, 10)? }.half_width(one, 0.05)?, 30.0);
    /// assert_eq!(Noise::Zcdp { rho: Ratio::new(1, 200)? }.half_width(one, 0.05)?, 20.0); // σ = 10
    /// # Ok::<(), reticent_accounting::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a `miss` that is not above 0 and below 1, and for a budget that draws no noise.
    pub fn half_width(&self, sensitivity: NonZeroU32, miss: f64) -> Result<f64, Error> {
        if !(miss > 0.0 && miss < 1.0) {
            return Err(Error::OutOfRange { quantity: "miss", value: miss, range: "above 0 and below 1" });
        }
        Ok(self.on(sensitivity)?.half_width(miss))
    }

    /// One of `parts` equal shares: releases that each spend one compose to the whole.
    pub(super) fn share(&self, parts: u32) -> Self {
        match self {
            Self::Pure { epsilon } => Self::Pure { epsilon: epsilon.over(parts) },
            Self::Zcdp { rho } => Self::Zcdp { rho: rho.over(parts) },
        }
    }

    /// What to add to an integer that moves by at most `sensitivity`.
    pub(super) fn on(&self, sensitivity: NonZeroU32) -> Result<Added, Error> {
        Ok(match self {
            Self::Pure { epsilon } => {
                Added { law: Law::Laplace(DiscreteLaplace::private(sensitivity.get().into(), epsilon)?), event: self.stated()? }
            }
            Self::Zcdp { rho } => {
                let multiplier = Multiplier::of(rho)?;
                Added {
                    law: Law::Gaussian(DiscreteGaussian::new(multiplier.variance(sensitivity))?),
                    event: Event::DiscreteGaussian { noise_multiplier: multiplier.get()?, sensitivity },
                }
            }
        })
    }

    /// The budget as an event that says nothing else.
    pub(super) fn stated(&self) -> Result<Event, Error> {
        Ok(match self {
            Self::Pure { epsilon } => Event::Pure { epsilon: Epsilon::new(epsilon.at_least())? },
            Self::Zcdp { rho } => Event::Zcdp { xi: Epsilon::ZERO, rho: Epsilon::new(rho.at_least())? },
        })
    }
}

/// σ/Δ as a multiple of 2⁻³²: a rational number that is a double, so that noise and event have the same one.
struct Multiplier(u64);

impl Multiplier {
    /// The smallest with Δ²/(2σ²) ≤ ρ.
    fn of(rho: &Ratio) -> Result<Self, Error> {
        let refused = || Error::OutOfRange { quantity: "rho", value: rho.at_least(), range: "from 2^-41 to 2^60" };
        if rho.is_zero() {
            return Err(refused());
        }
        // m² ≥ 1/(2ρ) with m = k/2³² and ρ = p/q: k² ≥ q·2⁶³/p.
        let least = ((&rho.denominator << 63_u32) + &rho.numerator - 1_u32) / &rho.numerator;
        let k = (least - 1_u32).sqrt() + 1_u32;
        u64::try_from(k).ok().filter(|k| (2..1 << 53).contains(k)).map(Self).ok_or_else(refused)
    }

    fn get(&self) -> Result<NoiseMultiplier, Error> {
        NoiseMultiplier::new(self.0 as f64 / 2_f64.powi(32))
    }

    /// σ² for an integer of this sensitivity.
    fn variance(&self, sensitivity: NonZeroU32) -> Ratio {
        let sigma = BigUint::from(self.0) * sensitivity.get();
        Ratio { numerator: &sigma * &sigma, denominator: BigUint::from(1_u32) << 64_u32 }
    }
}

/// Noise of one law, and the event of adding it once.
#[derive(Debug)]
pub(super) struct Added {
    pub(super) law: Law,
    pub(super) event: Event,
}

#[derive(Debug)]
pub(super) enum Law {
    Laplace(DiscreteLaplace),
    Gaussian(DiscreteGaussian),
}

impl Added {
    pub(super) fn to(&self, value: i128, rng: &mut impl CryptoRng) -> i128 {
        match &self.law {
            Law::Laplace(law) => law.add_to(value, rng),
            Law::Gaussian(law) => law.add_to(value, rng),
        }
    }

    /// The smallest h found with P(|noise| > h) ≤ `miss`.
    pub(super) fn half_width(&self, miss: f64) -> f64 {
        // Well above the round-off of the logarithms.
        let outwards = |h: f64| (h * (1.0 + 1e-12)).ceil();
        match &self.law {
            Law::Laplace(law) => {
                let b = law.scale().at_least();
                (outwards(b * (2.0 / (miss * (1.0 + (-1.0 / b).exp()))).ln()) - 1.0).max(0.0)
            }
            Law::Gaussian(law) => outwards(law.variance().at_least().sqrt() * two_sided(miss)),
        }
    }
}

/// The z with P(|N| > z) = `miss`, from above.
fn two_sided(miss: f64) -> f64 {
    let (mut low, mut high) = (0.0, 64.0);
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if log_upper_tail(middle) > (0.5 * miss).ln() { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(a: u64, b: u64) -> Ratio {
        Ratio::new(a, b).unwrap()
    }

    fn on(noise: &Noise, sensitivity: u32) -> Added {
        noise.on(NonZeroU32::new(sensitivity).unwrap()).unwrap()
    }

    #[test]
    fn no_event_says_less_than_is_spent() {
        for (a, b) in [(1, 10), (1, 3), (7, 3), (1, 1), (22, 7), (1, u64::MAX), (u64::MAX, 3)] {
            let epsilon = ratio(a, b);
            let Event::Pure { epsilon: stated } = (Noise::Pure { epsilon: epsilon.clone() }).stated().unwrap() else { panic!() };
            // A double is a rational number: compared without rounding.
            assert!(exact(stated.get()) >= epsilon, "{a}/{b}");
            assert!(stated.get() <= (a as f64 / b as f64) * (1.0 + 1e-15), "{a}/{b}");
        }
        for (a, b) in [(1, 2), (1, 200), (3, 7), (1, 1_000_000), (50, 1), (1, 3)] {
            let rho = ratio(a, b);
            for sensitivity in [1, 3, 1000] {
                let Added { law: Law::Gaussian(law), event: Event::DiscreteGaussian { noise_multiplier, sensitivity: stated } } =
                    on(&Noise::Zcdp { rho: rho.clone() }, sensitivity)
                else {
                    panic!()
                };
                assert_eq!(stated.get(), sensitivity);
                // The deviation is the stated multiple of the sensitivity, exactly, and Δ²/(2σ²) is at most ρ, and hardly less.
                let multiple = exact(noise_multiplier.get());
                let squared = |r: &Ratio| Ratio { numerator: &r.numerator * &r.numerator, denominator: &r.denominator * &r.denominator };
                assert_eq!(*law.variance(), squared(&multiple.times(sensitivity)));
                let spent = squared(&multiple).times(2_u32).inverse();
                assert!(spent <= rho && spent.times(1_000_001_u32) >= rho.times(1_000_000_u32), "{a}/{b}");
            }
        }
        // σ = Δ/√(2ρ) is a double here.
        assert_eq!(on(&Noise::Zcdp { rho: ratio(1, 200) }, 1).event.to_string(), "discrete Gaussian(10, sensitivity 1)");
    }

    /// The rational number that a positive double is.
    fn exact(value: f64) -> Ratio {
        let (mut numerator, mut shift) = (value, 0_u32);
        while numerator.fract() != 0.0 {
            numerator *= 2.0;
            shift += 1;
        }
        let whole = u128::from(numerator as u64).max(numerator as u128);
        Ratio { numerator: whole.into(), denominator: BigUint::from(1_u32) << shift }
    }

    #[test]
    fn half_widths_are_those_of_the_laws() {
        for miss in [0.5, 0.05, 1e-3] {
            for (a, b) in [(1, 10), (1, 1), (5, 1), (2, 7)] {
                let h = on(&Noise::Pure { epsilon: ratio(a, b) }, 3).half_width(miss);
                let p = (-(a as f64) / b as f64 / 3.0).exp();
                // Summed up to where nothing is left.
                let beyond = |h: f64| 2.0 * (1.0 - p) / (1.0 + p) * (h as i32 + 1..20_000).map(|k| p.powi(k)).sum::<f64>();
                assert!(beyond(h) <= miss && (h == 0.0 || beyond(h - 1.0) > miss), "{a}/{b} {miss}: {h}");

                let h = on(&Noise::Zcdp { rho: ratio(a, b) }, 3).half_width(miss);
                let weight = |k: i32| (-f64::from(k * k) / 9.0 * a as f64 / b as f64).exp();
                let total: f64 = (-2000..=2000).map(weight).sum();
                let beyond = |h: f64| 2.0 * (h as i32 + 1..2000).map(weight).sum::<f64>() / total;
                assert!(beyond(h) <= miss && (h < 2.0 || beyond(h - 2.0) > miss), "{a}/{b} {miss}: {h}");
            }
        }
        assert!((two_sided(0.05) - 1.959_963_984_540_054).abs() < 1e-12);
        for miss in [0.0, 1.0, -1.0, f64::NAN] {
            assert!(Noise::Pure { epsilon: ratio(1, 1) }.half_width(NonZeroU32::MIN, miss).is_err());
        }
    }

    #[test]
    fn no_budget_is_no_noise() {
        for noise in [Noise::Pure { epsilon: ratio(0, 1) }, Noise::Zcdp { rho: ratio(0, 1) }, Noise::Zcdp { rho: ratio(u64::MAX, 1) }] {
            assert!(matches!(noise.on(NonZeroU32::MIN), Err(Error::OutOfRange { .. })), "{noise:?}");
        }
        assert!(Noise::pure(Epsilon::ZERO).is_err());
        assert!(Noise::zcdp(Epsilon::ZERO).unwrap_err().to_string().starts_with("rho must be"));
    }
}

//! Positive rational numbers: what a coin can be tossed with exactly.

use crate::{Epsilon, Error};
use num_bigint::BigUint;
use std::cmp::Ordering;

/// A number a/b with a ≥ 0 and b ≥ 1, kept exactly.
#[derive(Clone, Debug)]
pub struct Ratio {
    pub(crate) numerator: BigUint,
    pub(crate) denominator: BigUint,
}

impl PartialEq for Ratio {
    fn eq(&self, other: &Self) -> bool {
        &self.numerator * &other.denominator == &other.numerator * &self.denominator
    }
}

impl Eq for Ratio {}

impl PartialOrd for Ratio {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ratio {
    fn cmp(&self, other: &Self) -> Ordering {
        (&self.numerator * &other.denominator).cmp(&(&other.numerator * &self.denominator))
    }
}

/// Bits behind the binary point that [`Ratio::at_most`] keeps.
const BITS: i32 = 40;

impl Ratio {
    /// `numerator / denominator`.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a denominator of 0.
    pub fn new(numerator: u64, denominator: u64) -> Result<Self, Error> {
        if denominator == 0 {
            return Err(Error::OutOfRange { quantity: "denominator", value: 0.0, range: "at least 1" });
        }
        Ok(Self { numerator: numerator.into(), denominator: denominator.into() })
    }

    /// The greatest multiple of 2⁻⁴⁰ that is at most ε: what is spent is never more than what is charged.
    ///
    /// ```
    /// use reticent_accounting::{Epsilon, sample::Ratio};
    /// assert_eq!(Ratio::at_most(Epsilon::new(0.75)?)?, Ratio::new(3 << 38, 1 << 40)?);
    /// # Ok::<(), reticent_accounting::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for an ε below 2⁻⁴⁰ or above 2²⁰.
    pub fn at_most(epsilon: Epsilon) -> Result<Self, Error> {
        // A power of two scales without rounding.
        let scaled = (epsilon.get() * 2_f64.powi(BITS)).floor();
        if !(1.0..=2_f64.powi(BITS + 20)).contains(&scaled) {
            return Err(Error::OutOfRange { quantity: "epsilon", value: epsilon.get(), range: "from 2^-40 to 2^20" });
        }
        Ok(Self { numerator: BigUint::from(scaled as u64), denominator: BigUint::from(1_u64 << BITS) })
    }

    /// A double that is at least this, and above it by less than 2⁻⁵¹ of it: what is written down is never less than what is spent.
    ///
    /// Infinite where no double is as large.
    ///
    /// ```
    /// use reticent_accounting::sample::Ratio;
    /// assert_eq!(Ratio::new(3, 4)?.at_least(), 0.75);
    /// assert_eq!(Ratio::new(1, 10)?.at_least(), 0.1); // the double 0.1 is above 1/10
    /// assert!(Ratio::new(3, 10)?.at_least() > 0.3); // the double 0.3 is below 3/10
    /// # Ok::<(), reticent_accounting::Error>(())
    /// ```
    #[must_use]
    pub fn at_least(&self) -> f64 {
        if self.is_zero() {
            return 0.0;
        }
        // A quotient from 2⁵¹ to 2⁵³: rounded up to an integer, it is a double.
        let bits = |of: &BigUint| i64::try_from(of.bits()).expect("fits in memory");
        let shift = 52 - (bits(&self.numerator) - bits(&self.denominator));
        let scaled = if shift >= 0 { self.times(BigUint::from(1_u32) << shift) } else { self.over(BigUint::from(1_u32) << -shift) };
        let (quotient, rest) = (&scaled.numerator / &scaled.denominator, &scaled.numerator % &scaled.denominator);
        let quotient = u64::try_from(quotient).expect("below 2^53") + u64::from(rest != BigUint::ZERO);
        // In two steps, so that neither power leaves the range of doubles; a number too small for one goes to the smallest.
        let half = (-shift / 2).clamp(-2_000, 2_000) as i32;
        let rest = (-shift).clamp(-4_000, 4_000) as i32 - half;
        let value = libm::ldexp(libm::ldexp(quotient as f64, half), rest);
        if value < f64::MIN_POSITIVE { f64::MIN_POSITIVE } else { value }
    }

    /// The square: a variance from a standard deviation.
    ///
    /// ```
    /// use reticent_accounting::sample::Ratio;
    /// assert_eq!(Ratio::new(3, 2)?.squared(), Ratio::new(9, 4)?);
    /// # Ok::<(), reticent_accounting::Error>(())
    /// ```
    #[must_use]
    pub fn squared(&self) -> Self {
        self.times(self.numerator.clone()).over(self.denominator.clone())
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.numerator == BigUint::ZERO
    }

    /// This times `by`.
    pub(crate) fn times(&self, by: impl Into<BigUint>) -> Self {
        Self { numerator: &self.numerator * by.into(), denominator: self.denominator.clone() }
    }

    /// This divided by `by`, which is not 0.
    pub(crate) fn over(&self, by: impl Into<BigUint>) -> Self {
        Self { numerator: self.numerator.clone(), denominator: &self.denominator * by.into() }
    }

    /// One divided by this, which is not 0.
    pub(crate) fn inverse(&self) -> Self {
        Self { numerator: self.denominator.clone(), denominator: self.numerator.clone() }
    }
}

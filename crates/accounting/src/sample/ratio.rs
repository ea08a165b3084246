//! Positive rational numbers: what a coin can be tossed with exactly.

use crate::{Epsilon, Error};
use num_bigint::BigUint;

/// A number a/b with a ≥ 0 and b ≥ 1, kept exactly.
#[derive(Clone, Debug)]
pub struct Ratio {
    pub(super) numerator: BigUint,
    pub(super) denominator: BigUint,
}

impl PartialEq for Ratio {
    fn eq(&self, other: &Self) -> bool {
        &self.numerator * &other.denominator == &other.numerator * &self.denominator
    }
}

impl Eq for Ratio {}

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

    pub(super) fn is_zero(&self) -> bool {
        self.numerator == BigUint::ZERO
    }

    /// This times `by`.
    pub(super) fn times(&self, by: impl Into<BigUint>) -> Self {
        Self { numerator: &self.numerator * by.into(), denominator: self.denominator.clone() }
    }

    /// This divided by `by`, which is not 0.
    pub(super) fn over(&self, by: impl Into<BigUint>) -> Self {
        Self { numerator: self.numerator.clone(), denominator: &self.denominator * by.into() }
    }

    /// One divided by this, which is not 0.
    pub(super) fn inverse(&self) -> Self {
        Self { numerator: self.denominator.clone(), denominator: self.numerator.clone() }
    }
}

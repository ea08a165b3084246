//! Discrete Laplace and discrete Gaussian noise on the integers.
//!
//! Source: Canonne, Kamath, Steinke 2020 (arXiv:2004.00010), Algorithms 2 and 3.

use super::Ratio;
use super::coin::{below, bernoulli, bernoulli_exp};
use crate::Error;
use num_bigint::{BigInt, BigUint, Sign};
use rand_core::CryptoRng;

/// P(x) = (e^{1/b} − 1)/(e^{1/b} + 1) · e^{−|x|/b} on the integers. Added to an integer of sensitivity Δ it costs ε = Δ/b.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscreteLaplace {
    scale: Ratio,
}

/// P(x) ∝ e^{−x²/(2σ²)} on the integers. Added to an integer of sensitivity Δ it costs ρ = Δ²/(2σ²) of zCDP (Theorem 4 there), at any σ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscreteGaussian {
    variance: Ratio,
    /// Scale of the Laplace noise that is thinned out: ⌊σ⌋ + 1.
    envelope: BigUint,
}

fn positive(value: &Ratio, quantity: &'static str) -> Result<(), Error> {
    if value.is_zero() { Err(Error::OutOfRange { quantity, value: 0.0, range: "above 0" }) } else { Ok(()) }
}

impl DiscreteLaplace {
    /// With scale b, in units of the integers.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a scale of 0.
    pub fn new(scale: Ratio) -> Result<Self, Error> {
        positive(&scale, "scale").map(|()| Self { scale })
    }

    /// The scale b.
    #[must_use]
    pub const fn scale(&self) -> &Ratio {
        &self.scale
    }

    /// The noise that makes a value of sensitivity `sensitivity` ε-private: b = Δ/ε.
    ///
    /// ```
    /// use rand_core::SeedableRng;
    /// use reticent_accounting::sample::{DiscreteLaplace, Ratio};
    /// let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
    /// let noise = DiscreteLaplace::private(1, &Ratio::new(1, 2)?)?; // ε = 1/2
    /// assert_eq!(noise, DiscreteLaplace::new(Ratio::new(2, 1)?)?);
    /// println!("{}", 40 + noise.sample(&mut rng));
    /// # Ok::<(), reticent_accounting::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a sensitivity or an ε of 0.
    pub fn private(sensitivity: u64, epsilon: &Ratio) -> Result<Self, Error> {
        positive(epsilon, "epsilon")?;
        Self::new(epsilon.inverse().times(sensitivity))
    }

    /// A draw. One beyond 64 bits, as comes with probability e^{−2⁶³/b}, is given as the outermost: no result is kept apart then, which
    /// [`add_to`](Self::add_to) does at any scale.
    pub fn sample(&self, rng: &mut impl CryptoRng) -> i64 {
        clamp(&self.draw(rng))
    }

    /// `value` plus a draw, in integers without bounds. A result beyond 128 bits is given as the outermost: that is done to the result, not
    /// to the noise, and costs nothing.
    pub fn add_to(&self, value: i128, rng: &mut impl CryptoRng) -> i128 {
        saturated(&(signed(self.draw(rng)) + value))
    }

    /// Sign (true: below 0) and size. With b = t/s: a uniform rest below t, thinned by exp(−rest/t), and a geometric number of whole t.
    pub(super) fn draw(&self, rng: &mut impl CryptoRng) -> (bool, BigUint) {
        let (t, s) = (&self.scale.numerator, &self.scale.denominator);
        let one = Ratio { numerator: 1_u32.into(), denominator: 1_u32.into() };
        loop {
            let rest = below(t, rng);
            if !bernoulli_exp(&Ratio { numerator: rest.clone(), denominator: t.clone() }, rng) {
                continue;
            }
            let mut whole = BigUint::ZERO;
            while bernoulli_exp(&one, rng) {
                whole += 1_u32;
            }
            let size = (rest + t * whole) / s;
            let negative = bernoulli(&1_u32.into(), &2_u32.into(), rng);
            // Zero has one sign only: with two it would be drawn twice as often.
            if !(negative && size == BigUint::ZERO) {
                return (negative, size);
            }
        }
    }
}

impl DiscreteGaussian {
    /// With variance parameter σ², in squared units of the integers.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a variance of 0.
    pub fn new(variance: Ratio) -> Result<Self, Error> {
        positive(&variance, "variance")?;
        let envelope = (&variance.numerator / &variance.denominator).sqrt() + 1_u32;
        Ok(Self { variance, envelope })
    }

    /// The variance parameter σ².
    #[must_use]
    pub const fn variance(&self) -> &Ratio {
        &self.variance
    }

    /// The noise that makes a value of sensitivity `sensitivity` ρ-zCDP: σ² = Δ²/(2ρ).
    ///
    /// ```
    /// use rand_core::SeedableRng;
    /// use reticent_accounting::sample::{DiscreteGaussian, Ratio};
    /// let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(2);
    /// let noise = DiscreteGaussian::private(1, &Ratio::new(1, 50)?)?; // rho = 1/50: a variance of 25
    /// let within = (0..1000).filter(|_| noise.sample(&mut rng).abs() <= 5).count();
    /// // .729 of them; four standard errors are 56.
    /// assert!(within.abs_diff(729) < 56);
    /// # Ok::<(), reticent_accounting::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a sensitivity or a ρ of 0.
    pub fn private(sensitivity: u64, rho: &Ratio) -> Result<Self, Error> {
        positive(rho, "rho")?;
        Self::new(rho.inverse().times(BigUint::from(sensitivity) * sensitivity).over(2_u32))
    }

    /// A draw. One beyond 64 bits, as hardly comes where σ is below 2⁵⁸, is given as the outermost: no result is kept apart then, which
    /// [`add_to`](Self::add_to) does at any σ.
    pub fn sample(&self, rng: &mut impl CryptoRng) -> i64 {
        clamp(&self.draw(rng))
    }

    /// `value` plus a draw, in integers without bounds. A result beyond 128 bits is given as the outermost: that is done to the result, not
    /// to the noise, and costs nothing.
    pub fn add_to(&self, value: i128, rng: &mut impl CryptoRng) -> i128 {
        saturated(&(signed(self.draw(rng)) + value))
    }

    /// Sign (true: below 0) and size.
    fn draw(&self, rng: &mut impl CryptoRng) -> (bool, BigUint) {
        let t = &self.envelope;
        let laplace = DiscreteLaplace { scale: Ratio { numerator: t.clone(), denominator: 1_u32.into() } };
        let Ratio { numerator: n, denominator: d } = &self.variance;
        loop {
            let drawn = laplace.draw(rng);
            // Kept with exp(−(|y| − σ²/t)²/(2σ²)); with σ² = n/d that is (|y|·d·t − n)² / (2·n·d·t²).
            let scaled = &drawn.1 * d * t;
            let off = if scaled >= *n { scaled - n } else { n - scaled };
            let gamma = Ratio { numerator: &off * &off, denominator: n * d * t * t * 2_u32 };
            if bernoulli_exp(&gamma, rng) {
                return drawn;
            }
        }
    }
}

pub(super) fn signed((negative, size): (bool, BigUint)) -> BigInt {
    BigInt::from_biguint(if negative { Sign::Minus } else { Sign::Plus }, size)
}

fn saturated(value: &BigInt) -> i128 {
    i128::try_from(value).unwrap_or(if value.sign() == Sign::Minus { i128::MIN } else { i128::MAX })
}

fn clamp((negative, size): &(bool, BigUint)) -> i64 {
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    if *negative { -size } else { size }
}

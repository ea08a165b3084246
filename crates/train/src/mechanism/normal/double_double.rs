//! Numbers of 106 bits as the unevaluated sum of two `f64` (Dekker 1971; Hida, Li & Bailey 2001): for the ziggurat's strips, and for the one
//! comparison in 10¹² that 53 bits cannot decide.

use std::ops::{Add, Mul, Sub};

/// `high + low`, with `low` at most half a unit in the last place of `high`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct DoubleDouble {
    pub(super) high: f64,
    pub(super) low: f64,
}

impl DoubleDouble {
    pub(super) const ONE: Self = Self { high: 1.0, low: 0.0 };

    /// Of any two numbers.
    pub(super) fn sum(a: f64, b: f64) -> Self {
        let high = a + b;
        let of_b = high - a;
        Self { high, low: (a - (high - of_b)) + (b - of_b) }
    }

    /// Exactly this integer of 128 bits over 2¹²⁸, cut to 106 bits.
    pub(super) fn fraction(bits: u128) -> Self {
        let unit = 2_f64.powi(-128);
        let high = bits as f64;
        // 2¹²⁸ itself, where rounding went up: the difference is then taken in two steps.
        let rest = if high >= 2_f64.powi(128) { -((u128::MAX - bits) as f64) - 1.0 } else { difference(bits, high as u128) };
        Self::sum(high * unit, rest * unit)
    }

    /// `self / other`, to about 2⁻¹⁰⁰.
    pub(super) fn over(self, other: f64) -> Self {
        self.by(Self::from(other))
    }

    /// The same for two of these.
    pub(super) fn by(self, other: Self) -> Self {
        let first = self.high / other.high;
        let rest = self - Self::from(first) * other;
        let second = rest.high / other.high;
        let rest = rest - Self::from(second) * other;
        Self::sum(first, second) + Self::from(rest.high / other.high)
    }

    /// Times a power of two.
    pub(super) fn scaled(self, power: f64) -> Self {
        Self { high: self.high * power, low: self.low * power }
    }

    /// e⁻ˢᵉˡᶠ for `self` in [0, 64], to about 2⁻⁹⁰: Taylor's series of e^(−self/2¹⁰), squared ten times.
    pub(super) fn exp_of_negative(self) -> Self {
        let scale = 2_f64.powi(-10);
        let x = Self { high: -self.high * scale, low: -self.low * scale };
        let mut sum = Self::ONE;
        for k in (1..=16).rev() {
            sum = Self::ONE + (x * sum).over(f64::from(k));
        }
        (0..10).fold(sum, |power, _| power * power)
    }

    pub(super) fn is_negative(self) -> bool {
        self.high < 0.0
    }
}

/// a − b in `f64`, for numbers close to one another.
fn difference(a: u128, b: u128) -> f64 {
    if a >= b { (a - b) as f64 } else { -((b - a) as f64) }
}

impl From<f64> for DoubleDouble {
    fn from(high: f64) -> Self {
        Self { high, low: 0.0 }
    }
}

impl Add for DoubleDouble {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let (high, low) = (Self::sum(self.high, other.high), Self::sum(self.low, other.low));
        let first = Self::sum(high.high, high.low + low.high);
        Self::sum(first.high, first.low + low.low)
    }
}

impl Sub for DoubleDouble {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + Self { high: -other.high, low: -other.low }
    }
}

impl Mul for DoubleDouble {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        let high = self.high * other.high;
        let low = self.high.mul_add(other.high, -high) + (self.high * other.low + self.low * other.high);
        Self::sum(high, low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: DoubleDouble, high: f64, low: f64) {
        let rest = (found - DoubleDouble { high, low }).high.abs();
        assert!(rest <= high.abs() * 2_f64.powi(-88), "{found:?}, {rest:e} off");
    }

    /// e⁻¹, e⁻⁶·⁵ and 1/3 to 32 digits, each as its nearest f64 and the nearest f64 to what is left.
    #[test]
    fn exponentials_and_quotients_have_ninety_bits() {
        close(DoubleDouble::from(1.0).exp_of_negative(), 0.367_879_441_171_442_33, -1.242_875_367_278_836_4e-17);
        close(DoubleDouble::from(0.0).exp_of_negative(), 1.0, 0.0);
        close(DoubleDouble::ONE.over(3.0), 1.0 / 3.0, 1.850_371_707_708_594e-17);
        // (e^-a)(e^-b) = e^-(a+b).
        for (a, b) in [(0.3, 4.2), (6.5, 0.01), (2.0_f64.sqrt(), 3.0)] {
            let [a, b] = [a, b].map(DoubleDouble::from);
            let (both, product) = ((a + b).exp_of_negative(), a.exp_of_negative() * b.exp_of_negative());
            close(both, product.high, product.low);
        }
    }

    #[test]
    fn fractions_hold_106_bits() {
        assert_eq!(DoubleDouble::fraction(1 << 127), DoubleDouble::from(0.5));
        assert_eq!(DoubleDouble::fraction(0), DoubleDouble::from(0.0));
        let bits = (1_u128 << 127) | (1 << 60);
        assert_eq!(DoubleDouble::fraction(bits), DoubleDouble { high: 0.5, low: 2_f64.powi(-68) });
        let most = DoubleDouble::fraction(u128::MAX);
        assert_eq!((most.high, most.low), (1.0, -2_f64.powi(-128)));
    }
}

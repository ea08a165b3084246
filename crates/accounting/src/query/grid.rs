//! Public bounds and a public spacing: where reals become integers, one record at a time.

use crate::Error;

/// The multiples of `spacing` from `low` to `high`.
///
/// Sums over a grid are sums of integers. With reals they would not be: floating-point sums depend on the order and move by more than a
/// record's bound (Casacuberta, Shoemate, Vadhan and Wagaman, CCS 2022, arXiv:2207.10635).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    low: i64,
    high: i64,
    spacing: f64,
}

impl Grid {
    /// The bounds are taken to the nearest multiples of the spacing. All three in the unit of the values.
    ///
    /// ```
    /// use reticent_accounting::query::Grid;
    /// let grid = Grid::new(-10.2, 40.0, 0.5)?;
    /// assert_eq!((grid.low(), grid.high()), (-10.0, 40.0));
    /// # Ok::<(), reticent_accounting::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a spacing that is not above 0 and finite, for a bound more than 2³² − 1 spacings from 0 or from the other
    /// bound, and where nothing lies between the bounds.
    pub fn new(low: f64, high: f64, spacing: f64) -> Result<Self, Error> {
        if !(spacing > 0.0 && spacing.is_finite()) {
            return Err(Error::OutOfRange { quantity: "spacing", value: spacing, range: "above 0 and finite" });
        }
        let most = f64::from(u32::MAX);
        let step = |bound: f64| {
            let step = (bound / spacing).round();
            // Also refuses a NaN.
            if step.abs() <= most {
                Ok(step as i64)
            } else {
                Err(Error::OutOfRange { quantity: "bound", value: bound, range: "within 2^32 - 1 spacings of 0" })
            }
        };
        let grid = Self { low: step(low)?, high: step(high)?, spacing };
        if grid.low < grid.high && grid.width() <= u64::from(u32::MAX) {
            Ok(grid)
        } else {
            Err(Error::OutOfRange { quantity: "high bound", value: high, range: "from 1 to 2^32 - 1 spacings above the low bound" })
        }
    }

    /// The low end, in the unit of the values.
    #[must_use]
    pub fn low(&self) -> f64 {
        self.low as f64 * self.spacing
    }

    /// The high end, in the unit of the values.
    #[must_use]
    pub fn high(&self) -> f64 {
        self.high as f64 * self.spacing
    }

    /// Distance of neighbouring points.
    #[must_use]
    pub const fn spacing(&self) -> f64 {
        self.spacing
    }

    /// The value as a number of spacings, within the bounds; a NaN is at the low end.
    pub(super) fn step(&self, value: f64) -> i64 {
        let step = (value / self.spacing).round();
        // A cast turns a NaN into 0, which may lie outside the bounds.
        if step.is_nan() { self.low } else { (step as i64).clamp(self.low, self.high) }
    }

    /// max(|low|, |high|), in spacings.
    pub(super) fn reach(&self) -> u64 {
        self.low.unsigned_abs().max(self.high.unsigned_abs())
    }

    /// high − low, in spacings.
    pub(super) const fn width(&self) -> u64 {
        self.high.abs_diff(self.low)
    }

    /// The point in the middle or half a spacing below, in spacings.
    pub(super) const fn middle(&self) -> i64 {
        (self.low + self.high).div_euclid(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_a_place() {
        let grid = Grid::new(2.0, 7.0, 0.5).unwrap();
        let steps = [f64::NAN, f64::NEG_INFINITY, -1e300, 0.0, 2.24, 2.26, 6.9, 1e300, f64::INFINITY].map(|x| grid.step(x));
        assert_eq!(steps, [4, 4, 4, 4, 4, 5, 14, 14, 14]);
        assert_eq!((grid.reach(), grid.width(), grid.middle()), (14, 10, 9));
        let negative = Grid::new(-3.0, -1.0, 1.0).unwrap();
        assert_eq!((negative.step(f64::NAN), negative.reach(), negative.middle()), (-3, 3, -2));
        assert_eq!(Grid::new(-2.0, 1.0, 1.0).unwrap().middle(), -1);
        // A spacing so small that the quotient overflows.
        assert_eq!(Grid::new(0.0, 1e-300, 1e-300).unwrap().step(1e300), 1);
    }

    #[test]
    fn bounds_are_checked() {
        for (low, high, spacing) in [
            (0.0, 1.0, 0.0),
            (0.0, 1.0, -1.0),
            (0.0, 1.0, f64::NAN),
            (0.0, 1.0, f64::INFINITY),
            (f64::NAN, 1.0, 1.0),
            (0.0, f64::INFINITY, 1.0),
            (0.0, 1.0, 1e-10),
            (1.0, 1.0, 1.0),
            (2.0, 1.0, 1.0),
            (0.0, 0.4, 1.0),
            (-3e9, 3e9, 1.0),
        ] {
            assert!(matches!(Grid::new(low, high, spacing), Err(Error::OutOfRange { .. })), "{low} {high} {spacing}");
        }
        assert!(Grid::new(0.0, f64::from(u32::MAX), 1.0).is_ok());
    }
}

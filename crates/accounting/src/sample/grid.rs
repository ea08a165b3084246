//! Real vectors as integers, without adding to what one unit can change.

use crate::Error;

/// Multiples of 2^`exponent`, for noise that is drawn as integers.
///
/// Each unit's clipped vector is put on the grid by itself, towards zero, so that no coordinate and no norm grows; the integers are then
/// added, which is exact. A unit whose vector has an L2 norm of at most C so moves the sum by at most C/2^exponent in L2 (as for L1), and
/// noise of [`VectorNoise`](super::VectorNoise) with sigma = noise multiplier times C/2^exponent makes it a
/// [`DiscreteGaussian`](crate::Event::DiscreteGaussian) release. Rounding costs a bias below one spacing a unit and coordinate: choose
/// 2^exponent well below C over the square root of the number of coordinates.
///
/// ```
/// use reticent_accounting::sample::Grid;
/// let grid = Grid::new(-10)?;
/// let mut sum = vec![0_i64; 3];
/// for unit in [[0.5, -0.25, 0.0001], [0.1, 0.2, -0.3]] {
///     grid.add(&unit, &mut sum)?;
/// }
/// assert_eq!(sum, [614, -52, -307]); // 1024 times .6, -.05 and -.2999, towards zero
/// assert_eq!(grid.value(512), 0.5);
/// # Ok::<(), reticent_accounting::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    exponent: i32,
}

/// Coordinates are below this, so that 2^11 of them add up in 64 bits, as do as many millions of smaller ones.
const LARGEST: f64 = (1_u64 << 52) as f64;

impl Grid {
    /// A grid of spacing 2^`exponent`; [`Error::OutOfRange`] outside -500 to 500.
    pub fn new(exponent: i32) -> Result<Self, Error> {
        if (-500..=500).contains(&exponent) {
            Ok(Self { exponent })
        } else {
            Err(Error::OutOfRange { quantity: "the exponent of a grid", value: exponent.into(), range: "from -500 to 500" })
        }
    }

    /// The distance of two points.
    #[must_use]
    pub fn spacing(self) -> f64 {
        2_f64.powi(self.exponent)
    }

    /// The number of a point.
    #[must_use]
    pub fn value(self, point: i64) -> f64 {
        point as f64 * self.spacing()
    }

    /// Adds one unit's vector to a sum of integers.
    ///
    /// [`Error::OutOfRange`] where the lengths differ, a number is not finite or beyond 2^52 points, or the sum beyond 64 bits; the sum is
    /// then as before. All are errors of the caller's clipping, which bounds every number: with it in place none depends on the data.
    pub fn add(self, vector: &[f64], sum: &mut [i64]) -> Result<(), Error> {
        if vector.len() != sum.len() {
            return Err(Error::OutOfRange { quantity: "the length of a vector", value: vector.len() as f64, range: "that of the sum" });
        }
        // A power of two scales without rounding.
        let point = |value: f64| (value * 2_f64.powi(-self.exponent)).trunc();
        let fits = |(value, total): (&f64, &i64)| {
            let point = point(*value);
            point.abs() < LARGEST && total.checked_add(point as i64).is_some()
        };
        if !vector.iter().zip(sum.iter()).all(fits) {
            return Err(Error::OutOfRange { quantity: "a number for the grid", value: LARGEST, range: "clipped below 2^52 points" });
        }
        for (total, value) in sum.iter_mut().zip(vector) {
            *total += point(*value) as i64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        /// In whole numbers: no coordinate grows, so no norm does, and each is less than one point off.
        #[test]
        fn nothing_grows(vector in proptest::collection::vec(-1e3_f64..1e3, 1..20), exponent in -20..3_i32) {
            let grid = Grid::new(exponent).unwrap();
            let mut sum = vec![0; vector.len()];
            grid.add(&vector, &mut sum).unwrap();
            for (value, point) in vector.iter().zip(&sum) {
                let back = grid.value(*point);
                prop_assert!(back.abs() <= value.abs() && back * value >= 0.0 && (back - value).abs() < grid.spacing());
            }
        }
    }

    #[test]
    fn what_does_not_fit_changes_nothing() {
        let grid = Grid::new(0).unwrap();
        let mut sum = vec![1, i64::MAX];
        for bad in [vec![1.0], vec![f64::NAN, 0.0], vec![f64::INFINITY, 0.0], vec![1e16, 0.0], vec![2.0, 1.0]] {
            assert!(matches!(grid.add(&bad, &mut sum), Err(Error::OutOfRange { .. })), "{bad:?}");
            assert_eq!(sum, [1, i64::MAX]);
        }
        grid.add(&[-3.9, -1.0], &mut sum).unwrap();
        assert_eq!(sum, [-2, i64::MAX - 1]);
        assert!(Grid::new(1_000).is_err());
    }
}

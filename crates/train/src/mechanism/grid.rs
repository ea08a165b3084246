//! Noise that is an integer, drawn exactly, on sums that are rounded to a grid before.
//!
//! The sum of n coordinates is rounded, to the nearest multiple of the spacing h. Neighbouring sums are then farther apart than before by
//! at most √n·h (each coordinate by at most h), and the noise is as much larger. All of this is public: h follows from the noise, which is
//! between 2³⁸ and 2³⁹ spacings wide, so that what is added is about one part in 10⁸ for a million coordinates.
//!
//! Accountants know Gaussians of real numbers. The discrete Gaussian with s spacings differs from a real Gaussian, rounded, by a factor
//! within e^(±67/s²) at every point up to 40 s, beyond which neither has a mass above 10⁻³⁴⁰: with v = x/2s², the rounded density over
//! that at the point is the mean of cosh(xu/s²)e^(−u²/2s²) over |u| ≤ ½, between 1 − 1/24s² and sinh(v)/v ≤ e^(v²/6); the sum of a discrete
//! Gaussian is √2π·s·(1 + 2e^(−2π²s²) + …). Rounding is post-processing. Accountants are told so ([`Event::Inexact`]).

use rand_chacha::ChaCha20Rng;
use reticent_accounting::sample::{Grid, Ratio, VectorNoise};
use reticent_accounting::{Delta, Epsilon, Event};
use std::num::NonZeroU64;

/// Least width of the noise, in spacings, as a power of two.
const WIDTH: i32 = 38;

/// The coordinates of a model of this size and of the counts beside it.
pub(crate) fn with_counts(coordinates: NonZeroU64) -> u64 {
    coordinates.get().saturating_add(2)
}

/// How far the noise of a step is from that of real numbers, for a model of this many coordinates.
pub(crate) fn inexact(coordinates: NonZeroU64) -> Event {
    Event::Inexact {
        log_ratio: Epsilon::new(67.0 * with_counts(coordinates) as f64 / 2_f64.powi(2 * WIDTH)).expect("a small number"),
        total_variation: Delta::new(f64::MIN_POSITIVE).expect("a small number"),
    }
}

/// Noise for sums that one unit moves by at most a given norm.
pub(crate) struct Integers {
    grid: Grid,
    noise: VectorNoise,
}

/// Points beyond this are taken for the outermost, so that the noise finds room.
const LARGEST: i64 = 1 << 62;

/// The grid, and the width of the noise in spacings, for noise of `multiplier` times `norm` and what rounding this many numbers adds.
pub(crate) fn layout(multiplier: f64, norm: f64, coordinates: NonZeroU64) -> Option<(Grid, u64)> {
    let std = multiplier * norm;
    if !std.is_normal() {
        return None;
    }
    let grid = Grid::new(std.log2().floor() as i32 - WIDTH).ok()?;
    // norm/spacing is exact; the other steps lose less than a part in 10¹⁵.
    let width = multiplier * (norm / grid.spacing() + (with_counts(coordinates) as f64).sqrt());
    Some((grid, (width * (1.0 + 1e-14)).ceil() as u64))
}

impl Integers {
    /// `None` where multiplier and norm are no ordinary numbers, or the noise is wider than can be drawn.
    pub(crate) fn new(multiplier: f64, norm: f64, coordinates: NonZeroU64) -> Option<Self> {
        let (grid, width) = layout(multiplier, norm, coordinates)?;
        let noise = VectorNoise::gaussian(Ratio::new(width, 1).ok()?.squared()).ok()?;
        Some(Self { grid, noise })
    }

    /// Rounds each number and adds noise; what comes back are multiples of the spacing.
    pub(crate) fn add(&self, values: &mut [f64], rng: &mut ChaCha20Rng) {
        for value in values {
            let point = ((*value / self.grid.spacing()).round() as i64).clamp(-LARGEST, LARGEST);
            *value = self.grid.value(point.saturating_add(self.noise.sample(rng)));
        }
    }
}

//! Noise for long vectors: the same exact distributions as [`DiscreteGaussian`](super::DiscreteGaussian) and
//! [`DiscreteLaplace`](super::DiscreteLaplace), at tens of millions of draws a second.
//!
//! f(x), e^(-x^2/2 sigma^2) or e^(-|x|/b), falls with |x|. The sizes up to some N W are cut into N buckets of W integers, W a power of
//! two; over bucket i stands an integer height of at least C f(i W), C an integer as well. What lies beyond is under steps that fall by a
//! fixed fraction for every W. All heights and what is left of a round total are one alias table (Walker 1977; Vose 1991) in integers: a
//! word of random bits chooses bucket and height at once, another the place, and both are kept if the height is below C f(x).
//! That is decided
//! - at once, where the height is below the bucket's lowest;
//! - else in floating point, where it is off by more than 2^-40 of C f(x), far more than rounding can do;
//! - else in whole numbers, with as many digits and as many random bits as it takes.
//!
//! So no approximation is left, and nothing has to be added to delta: total variation 0. What depends on what is drawn is the time.

use std::cmp::Ordering;

use num_bigint::BigUint;
use rand_core::CryptoRng;

use super::Ratio;
use super::coin::{below, bernoulli};
use crate::Error;

/// Noise for vectors of integers.
///
/// ```
/// use rand_core::SeedableRng;
/// use reticent_accounting::sample::{Ratio, VectorNoise};
/// // For this example only: a generator from the system in real use.
/// let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(7);
/// let noise = VectorNoise::gaussian(Ratio::new(1 << 20, 1)?)?; // sigma = 1024
/// let mut vector = vec![0_i64; 10_000];
/// noise.fill(&mut vector, &mut rng);
/// let variance = vector.iter().map(|x| (x * x) as f64).sum::<f64>() / 10_000.0;
/// assert!((variance / 1_048_576.0 - 1.0).abs() < 0.06); // 4 standard errors
/// # Ok::<(), reticent_accounting::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct VectorNoise {
    law: Law,
    /// Log2 of W.
    width: u32,
    /// C.
    scale: u64,
    /// Heights of buckets, and what is below C f(x) everywhere in them.
    buckets: Vec<Bucket>,
    /// The last height, which the steps beyond begin with.
    beyond: u64,
    columns: Vec<Column>,
}

/// f: the exponent is a rational number for every integer.
#[derive(Clone, Debug)]
enum Law {
    Gaussian { variance: Ratio },
    Laplace { scale: Ratio },
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    height: u64,
    lowest: u64,
}

/// 2^[`COLUMN_BITS`] heights: those below `cut` of one bucket, the others of another.
#[derive(Clone, Copy, Debug)]
struct Column {
    cut: u64,
    /// What is added to a height of the column to make it one of its own bucket.
    own_from: u64,
    other: u16,
    /// The same for the other bucket, from the cut.
    other_from: u64,
}

const COLUMNS_LOG: u32 = 11;
const COLUMN_BITS: u32 = 47;
/// Buckets; two more are what lies beyond, and what is left of the round total: nothing.
const BUCKETS: usize = 1 << 10;
const BEYOND: usize = BUCKETS;
/// Rounding of f in floating point is below this by far.
const MARGIN: f64 = 1.0 / (1_u64 << 40) as f64;

impl VectorNoise {
    /// P(x) ∝ e^(-x^2/2 sigma^2), `variance` = sigma^2: on a sum of L2 sensitivity D it costs D^2/2 sigma^2 of zCDP, as
    /// [`Event::DiscreteGaussian`](crate::Event::DiscreteGaussian).
    ///
    /// [`Error::OutOfRange`] for a sigma below 1 or above 2^40.
    pub fn gaussian(variance: Ratio) -> Result<Self, Error> {
        let deviation = float(&variance).sqrt();
        Self::new(Law::Gaussian { variance }, deviation)
    }

    /// P(x) ∝ e^(-|x|/b): on a sum of L1 sensitivity D it costs D/b of epsilon.
    ///
    /// [`Error::OutOfRange`] for a scale below 1 or above 2^40.
    pub fn laplace(scale: Ratio) -> Result<Self, Error> {
        let b = float(&scale);
        Self::new(Law::Laplace { scale }, b)
    }

    /// Fills `vector` with independent draws.
    pub fn fill(&self, vector: &mut [i64], rng: &mut impl CryptoRng) {
        for place in vector {
            *place = self.sample(rng);
        }
    }

    /// The total variation distance of any number of draws from the stated distribution: none.
    #[must_use]
    pub const fn total_variation(&self) -> f64 {
        0.0
    }

    /// A draw. Values beyond 64 bits, if they should ever come, are given as the outermost.
    pub fn sample(&self, rng: &mut impl CryptoRng) -> i64 {
        loop {
            let word = rng.next_u64();
            let (bucket, height) = self.locate(word);
            let negative = word >> 63 == 1;
            let place = if self.width == 0 { 0 } else { rng.next_u64() >> (64 - self.width) };
            let Some(size) = self.size(bucket, height, place, rng) else { continue };
            // Zero has one sign only: with two it would be drawn twice as often.
            if !(negative && size == 0) {
                let size = i64::try_from(size).unwrap_or(i64::MAX);
                return if negative { -size } else { size };
            }
        }
    }

    /// The bucket and the height in it that the low bits of a word stand for.
    fn locate(&self, word: u64) -> (usize, u64) {
        let height = word & ((1 << COLUMN_BITS) - 1);
        let index = (word >> COLUMN_BITS) as usize & ((1 << COLUMNS_LOG) - 1);
        let column = self.columns[index];
        if height < column.cut {
            (index, height + column.own_from)
        } else {
            (usize::from(column.other), height - column.cut + column.other_from)
        }
    }

    /// The size at a place of a bucket, or nothing where the height is above the curve.
    fn size(&self, bucket: usize, height: u64, place: u64, rng: &mut impl CryptoRng) -> Option<u64> {
        match self.buckets.get(bucket) {
            Some(found) => {
                let size = ((bucket as u64) << self.width) + place;
                (height < found.lowest || self.keeps(size, height, 0, rng)).then_some(size)
            }
            None if bucket == BEYOND => self.far(place, rng),
            None => None,
        }
    }

    /// A size beyond the buckets, or nothing: step k with probability r^k (1 - r), under a height of `beyond` r^k.
    #[cold]
    fn far(&self, place: u64, rng: &mut impl CryptoRng) -> Option<u64> {
        let (over, under) = self.law.fall();
        let (over, under) = (BigUint::from(over), BigUint::from(under));
        let mut step = 0_u32;
        while bernoulli(&over, &under, rng) {
            step += 1;
        }
        let size = (((BUCKETS as u64) + u64::from(step)) << self.width).saturating_add(place);
        let height = u64::try_from(&below(&self.beyond.into(), rng)).expect("below 64 bits");
        self.keeps(size, height, step, rng).then_some(size)
    }

    /// Whether height + U < C f(size) (1/r)^step, U uniform on [0, 1).
    fn keeps(&self, size: u64, height: u64, step: u32, rng: &mut impl CryptoRng) -> bool {
        if step == 0 {
            let curve = self.scale as f64 * self.law.float(size);
            if height as f64 + 1.0 <= curve * (1.0 - MARGIN) {
                return true;
            }
            // A curve that underflows is not known well.
            if curve > 1e-200 && height as f64 >= curve * (1.0 + MARGIN) {
                return false;
            }
        }
        self.keeps_exactly(size, height, step, rng)
    }

    #[cold]
    fn keeps_exactly(&self, size: u64, height: u64, step: u32, rng: &mut impl CryptoRng) -> bool {
        let exponent = self.law.exponent(size);
        let (over, under) = self.law.fall();
        let factor = Ratio { numerator: BigUint::from(under).pow(step) * self.scale, denominator: BigUint::from(over).pow(step) };
        let (mut digits, mut drawn) = (0_u64, BigUint::from(height));
        loop {
            drawn = (drawn << 64_u32) + rng.next_u64();
            digits += 64;
            // Both sides in units of 2^-digits.
            let (low, high) = exponential(&exponent, digits);
            let (low, high) = (low * &factor.numerator / &factor.denominator, high * &factor.numerator / &factor.denominator + 1_u32);
            // U has more digits to come.
            if drawn < low {
                return true;
            }
            if drawn >= high {
                return false;
            }
        }
    }

    fn new(law: Law, deviation: f64) -> Result<Self, Error> {
        if !(1.0..=2_f64.powi(40)).contains(&deviation) {
            return Err(Error::OutOfRange { quantity: "the scale of noise for vectors", value: deviation, range: "from 1 to 2^40" });
        }
        // W between sigma/128 and sigma/64, or 1: the buckets reach to 8 sigma at least.
        let width = (deviation.log2().floor() - 6.0).max(0.0) as u32;
        let at = |bucket: usize| law.float((bucket as u64) << width);
        // Steps of W beyond the buckets: each at most r times the one before, whatever W.
        let (over, under) = law.fall();
        let steps = f64::from(under) / f64::from(under - over);
        let sum: f64 = (0..BUCKETS).map(at).sum::<f64>() + at(BUCKETS) * steps;
        let total = 1_u64 << (COLUMNS_LOG + COLUMN_BITS);
        let scale = (total as f64 * (1.0 - 1e-9) / sum) as u64;
        // At least 1, also where the curve is too low for floating point.
        let above = |bucket: usize| ((scale as f64 * at(bucket) * (1.0 + MARGIN)).ceil() as u64).max(1);
        let buckets: Vec<Bucket> = (0..BUCKETS)
            .map(|bucket| {
                let last = (((bucket as u64) + 1) << width) - 1;
                // Heights up to this one, U included, are below the curve.
                Bucket { height: above(bucket), lowest: (scale as f64 * law.float(last) * (1.0 - MARGIN)).floor() as u64 }
            })
            .collect();
        let beyond = above(BUCKETS);
        let mut heights: Vec<u64> = buckets.iter().map(|bucket| bucket.height).collect();
        heights.push(beyond * u64::from(under) / u64::from(under - over));
        let used: u64 = heights.iter().sum();
        heights.push(total.checked_sub(used).expect("the scale leaves room for rounding up"));
        Ok(Self { law, width, scale, buckets, beyond, columns: alias(&heights) })
    }
}

impl Law {
    /// r, as a fraction of numbers whose difference divides the second: f(x + W) <= r f(x) beyond the buckets, for W >= deviation/128 or
    /// where W = 1 and all 1,024 buckets hold one integer. Gaussian: e^(-1024 W^2/sigma^2) <= e^(-1/16). Laplace: e^(-W/b) <= e^(-1/128).
    const fn fall(&self) -> (u32, u32) {
        match self {
            Self::Gaussian { .. } => (31, 32),
            Self::Laplace { .. } => (255, 256),
        }
    }

    fn float(&self, size: u64) -> f64 {
        let size = size as f64;
        match self {
            Self::Gaussian { variance } => (-size * size / (2.0 * float(variance))).exp(),
            Self::Laplace { scale } => (-size / float(scale)).exp(),
        }
    }

    fn exponent(&self, size: u64) -> Ratio {
        match self {
            Self::Gaussian { variance } => variance.inverse().times(BigUint::from(size) * size).over(2_u32),
            Self::Laplace { scale } => scale.inverse().times(size),
        }
    }
}

/// The nearest number, within a few units: of 64 leading bits on either side.
fn float(ratio: &Ratio) -> f64 {
    let leading = |n: &BigUint| {
        let shift = n.bits().saturating_sub(64);
        (u64::try_from(&(n >> shift)).expect("64 bits") as f64, shift as i32)
    };
    let ((over, up), (under, down)) = (leading(&ratio.numerator), leading(&ratio.denominator));
    over / under * 2_f64.powi(up - down)
}

/// e^-`exponent` in units of 2^-`digits`, from below and from above, not far apart.
fn exponential(exponent: &Ratio, digits: u64) -> (BigUint, BigUint) {
    let whole = &exponent.numerator / &exponent.denominator;
    // e^-g < 2^-g: nothing is left.
    if whole.cmp(&BigUint::from(digits)) == Ordering::Greater {
        return (BigUint::ZERO, 1_u32.into());
    }
    // e^g from below by its series, all of whose terms are positive; the terms lose less than a unit each, and what follows the last is
    // less than the last, once terms halve.
    let precision = 2 * digits + 64;
    let one = BigUint::from(1_u32) << precision;
    let (mut term, mut sum, mut k) = (one.clone(), one, 0_u64);
    while term > BigUint::ZERO || &exponent.numerator * 2_u32 > &exponent.denominator * k {
        k += 1;
        term = term * &exponent.numerator / (&exponent.denominator * k);
        sum += &term;
    }
    // A unit lost in a term is multiplied by up to e^g in those after it.
    let lost = (BigUint::from(k) + 2_u32) << (u64::try_from(&whole).expect("at most digits") * 3 / 2 + 3);
    let numerator = BigUint::from(1_u32) << (precision + digits);
    (&numerator / (&sum + lost), numerator / sum + 1_u32)
}

/// Every height of every bucket in one place of one column (Vose 1991, in integers).
fn alias(heights: &[u64]) -> Vec<Column> {
    let full = 1_u64 << COLUMN_BITS;
    let columns = 1 << COLUMNS_LOG;
    let mut left: Vec<u64> = heights.iter().copied().chain(std::iter::repeat(0)).take(columns).collect();
    // How much of a bucket is placed already.
    let mut placed = vec![0_u64; columns];
    let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..columns).partition(|&i| left[i] < full);
    let mut table = vec![Column { cut: full, own_from: 0, other: 0, other_from: 0 }; columns];
    while let Some(own) = small.pop() {
        let other = *large.last().expect("columns are full on average");
        let (cut, rest) = (left[own], full - left[own]);
        table[own] = Column { cut, own_from: placed[own], other: other as u16, other_from: placed[other] };
        placed[own] += cut;
        placed[other] += rest;
        left[other] -= rest;
        if left[other] < full {
            large.pop();
            small.push(other);
        }
    }
    for own in large {
        // Exactly full.
        table[own].own_from = placed[own];
    }
    table
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::sample::{DiscreteGaussian, DiscreteLaplace};

    fn noises() -> Vec<(&'static str, VectorNoise)> {
        let ratio = |a, b| Ratio::new(a, b).unwrap();
        vec![
            ("gaussian 1", VectorNoise::gaussian(ratio(1, 1)).unwrap()),
            ("gaussian 3.3", VectorNoise::gaussian(ratio(109, 10)).unwrap()),
            ("gaussian 200", VectorNoise::gaussian(ratio(40_000, 1)).unwrap()),
            ("gaussian 2^20", VectorNoise::gaussian(ratio(1 << 40, 1)).unwrap()),
            ("gaussian 2^20 - 1", VectorNoise::gaussian(ratio(((1 << 20) - 1) * ((1 << 20) - 1), 1)).unwrap()),
            ("laplace 1", VectorNoise::laplace(ratio(1, 1)).unwrap()),
            ("laplace 7.7", VectorNoise::laplace(ratio(77, 10)).unwrap()),
            ("laplace 2^20", VectorNoise::laplace(ratio(1 << 20, 1)).unwrap()),
            ("laplace 2^39.9", VectorNoise::laplace(ratio(1_000_000_000_001, 1)).unwrap()),
        ]
    }

    /// Every height below a bucket's is in the table once, and nothing else.
    #[test]
    fn the_table_holds_every_height_once() {
        for (name, noise) in noises() {
            let mut pieces: Vec<(usize, u64, u64)> = Vec::new();
            for (own, column) in noise.columns.iter().enumerate() {
                assert!(column.cut <= 1 << COLUMN_BITS);
                pieces.push((own, column.own_from, column.cut));
                pieces.push((usize::from(column.other), column.other_from, (1 << COLUMN_BITS) - column.cut));
            }
            // What a word finds is where the table says.
            for (index, pieces) in pieces.chunks(2).enumerate() {
                let [(own, own_from, cut), (other, other_from, rest)] = *pieces else { unreachable!() };
                let word = |height: u64| ((index as u64) << COLUMN_BITS) + height;
                if cut > 0 {
                    assert_eq!([noise.locate(word(0)), noise.locate(word(cut - 1))], [(own, own_from), (own, own_from + cut - 1)]);
                }
                if rest > 0 {
                    let found = [noise.locate(word(cut)), noise.locate(word(cut + rest - 1) | 3 << 62)];
                    assert_eq!(found, [(other, other_from), (other, other_from + rest - 1)]);
                }
            }
            pieces.retain(|piece| piece.2 > 0);
            pieces.sort_unstable();
            let mut ends = vec![0; BEYOND + 2];
            for (bucket, from, size) in pieces {
                assert_eq!(ends[bucket], from, "{name}: bucket {bucket}");
                ends[bucket] += size;
            }
            for (bucket, found) in noise.buckets.iter().enumerate() {
                assert_eq!(ends[bucket], found.height, "{name}: bucket {bucket}");
            }
            let (over, under) = noise.law.fall();
            assert_eq!(ends[BEYOND], noise.beyond * u64::from(under / (under - over)), "{name}");
        }
    }

    /// In whole numbers: heights cover the curve, and what is kept unseen is below it.
    #[test]
    fn heights_cover_the_curve() {
        for (name, noise) in noises() {
            // C f(x) in units of 2^-128.
            let curve = |size: u64| {
                let (low, high) = exponential(&noise.law.exponent(size), 128);
                (low * noise.scale, high * noise.scale)
            };
            for (bucket, found) in noise.buckets.iter().enumerate() {
                let first = (bucket as u64) << noise.width;
                let last = first + (1 << noise.width) - 1;
                assert!(BigUint::from(found.height) << 128 >= curve(first).1, "{name}: bucket {bucket} is too low");
                assert!(BigUint::from(found.lowest) << 128 <= curve(last).0, "{name}: bucket {bucket} keeps too much");
            }
            let (over, under) = noise.law.fall();
            for step in [0, 1, 2, 10, 100] {
                let first = ((BUCKETS as u64) + u64::from(step)) << noise.width;
                let height = (BigUint::from(noise.beyond) << 128) * BigUint::from(over).pow(step) / BigUint::from(under).pow(step);
                assert!(height >= curve(first).0, "{name}: step {step} beyond is too low");
            }
        }
    }

    /// The series against the library's function, and its two ends close together.
    #[test]
    fn exponentials_are_between_their_bounds() {
        for (a, b) in [(0_u64, 1_u64), (1, 3), (1, 1), (7, 2), (30, 1), (1_000_003, 17_000), (63, 1), (64, 1)] {
            for digits in [64_u64, 128, 320] {
                let (low, high) = exponential(&Ratio::new(a, b).unwrap(), digits);
                assert!(low <= high && &high - &low <= BigUint::from(3_u32), "{a}/{b} at {digits}: {low} {high}");
            }
            let exact = (-(a as f64) / b as f64).exp();
            let (low, _) = exponential(&Ratio::new(a, b).unwrap(), 128);
            let low = float(&Ratio { numerator: low, denominator: BigUint::from(1_u32) << 128_u32 });
            assert!((low - exact).abs() <= 1e-14 * exact + 1e-38, "{a}/{b}: {low} {exact}");
        }
        let (low, high) = exponential(&Ratio::new(1_000, 1).unwrap(), 64);
        assert!(low == BigUint::ZERO && high == BigUint::from(1_u32));
    }

    /// Decided in whole numbers, a height at the edge is kept as often as the fraction of it under the curve: 20,000 draws, 5 standard
    /// deviations, false alarms below 1e-6 each; and all edges that floating point decides are decided the same.
    #[test]
    fn edges_are_decided_as_they_should_be() {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        for (name, noise) in noises() {
            for bucket in [1_u64, 40, 300] {
                let size = (bucket << noise.width) + (1_u64 << noise.width) / 2;
                let curve = noise.scale as f64 * noise.law.float(size);
                for (height, kept) in [(curve * (1.0 - 1e-9), true), (curve * (1.0 + 1e-9) + 1.0, false)] {
                    if height > 1.0 {
                        assert_eq!(noise.keeps_exactly(size, height as u64, 0, &mut rng), kept, "{name}: {size}");
                        assert_eq!(noise.keeps(size, height as u64, 0, &mut rng), kept, "{name}: {size}");
                    }
                }
            }
            // The place where about half a height is under the curve, far out, where heights are few.
            let Some(size) = (0..40_u64 << 45).step_by(1 << noise.width).take(1_200).find(|&size| {
                let curve = noise.scale as f64 * noise.law.float(size);
                curve < 1e4 && (0.2..0.8).contains(&curve.fract())
            }) else {
                continue;
            };
            let curve = noise.scale as f64 * noise.law.float(size);
            let kept = (0..20_000).filter(|_| noise.keeps(size, curve as u64, 0, &mut rng)).count() as f64;
            let (p, n) = (curve.fract(), 20_000.0);
            assert!((kept - n * p).abs() < 5.0 * (n * p * (1.0 - p)).sqrt(), "{name}: {kept} of {n} at {p}");
        }
    }

    /// Of the heights over a whole bucket, as many are kept as there are under the curve: 100,000 tries, 5 standard deviations, false
    /// alarms below 1e-6 each. Draws as a whole would hardly show what becomes of the one in a hundred that is not kept.
    #[test]
    fn what_is_above_the_curve_is_not_kept() {
        let mut rng = ChaCha20Rng::seed_from_u64(8);
        for (name, noise) in noises() {
            for bucket in [100_usize, 150, 200] {
                let (height, width) = (noise.buckets[bucket].height, 1_u64 << noise.width);
                if height < 1_000 || width == 1 {
                    continue;
                }
                let n = 100_000_u32;
                let kept = (0..n)
                    .filter(|_| {
                        let at = u64::try_from(&below(&height.into(), &mut rng)).unwrap();
                        let place = u64::try_from(&below(&width.into(), &mut rng)).unwrap();
                        noise.size(bucket, at, place, &mut rng).is_some()
                    })
                    .count();
                let pieces = width.min(256);
                let curve = |i: u64| noise.law.float(((bucket as u64) << noise.width) + i * (width / pieces) + width / pieces / 2);
                let under = (0..pieces).map(curve).sum::<f64>() / pieces as f64 * noise.scale as f64 / height as f64;
                let (n, kept) = (f64::from(n), kept as f64);
                let deviation = (n * under * (1.0 - under)).sqrt();
                assert!((kept - n * under).abs() < 5.0 * deviation, "{name}, bucket {bucket}: {kept} of {n} at {under}");
                assert!(n * (1.0 - under) > 8.0 * deviation, "{name}, bucket {bucket}: nothing could be seen");
            }
        }
    }

    /// Wilson and Hilferty's normal approximation to chi-squared; 5 standard deviations are 3e-7.
    #[track_caller]
    fn fits(name: &str, counts: &[f64], expected: &[f64]) {
        let statistic: f64 = counts.iter().zip(expected).map(|(o, e)| (o - e).powi(2) / e).sum();
        let df = counts.len() as f64 - 1.0;
        let z = ((statistic / df).cbrt() - (1.0 - 2.0 / (9.0 * df))) / (2.0 / (9.0 * df)).sqrt();
        assert!(z < 5.0, "{name}: chi-squared {statistic:.1} on {df} degrees of freedom");
    }

    /// 200,000 draws in cells of equal width, signs apart, against the sums of f; 9 tests at 3e-7 each.
    #[test]
    fn draws_have_their_probabilities() {
        let mut rng = ChaCha20Rng::seed_from_u64(4);
        let n = 200_000;
        for (name, noise) in noises() {
            let mut drawn = vec![0; n];
            noise.fill(&mut drawn, &mut rng);
            // Cells of `width` integers around 0, as many as expect 20 draws or more; the rest is the last cell.
            let deviation = match &noise.law {
                Law::Gaussian { variance } => float(variance).sqrt(),
                Law::Laplace { scale } => float(scale),
            };
            let width = ((deviation / 8.0) as i64).max(1);
            // Of a cell, by the midpoint rule where there are many integers in it; its error is (1/24)(width/deviation)^2 of a cell.
            let pieces = width.min(64);
            let mass = |cell: i64| -> f64 {
                let per = width as f64 / pieces as f64;
                (0..pieces)
                    .map(|i| {
                        let middle = (cell * width) as f64 + (i as f64 + 0.5) * per - 0.5;
                        let x = if pieces == width { (cell * width + i) as f64 } else { middle };
                        per * match &noise.law {
                            Law::Gaussian { variance } => (-x * x / (2.0 * float(variance))).exp(),
                            Law::Laplace { scale } => (-x.abs() / float(scale)).exp(),
                        }
                    })
                    .sum()
            };
            let reach = 400;
            let masses: Vec<f64> = (-reach..reach).map(mass).collect();
            let total: f64 = masses.iter().sum();
            let mut counts = vec![0.0; masses.len()];
            let mut outside = 0.0;
            for x in &drawn {
                let cell = x.div_euclid(width) + reach;
                match usize::try_from(cell).ok().and_then(|cell| counts.get_mut(cell)) {
                    Some(count) => *count += 1.0,
                    None => outside += 1.0,
                }
            }
            let (mut observed, mut expected) = (vec![outside], vec![0.0]);
            for (count, mass) in counts.iter().zip(&masses) {
                let wanted = mass / total * n as f64;
                if wanted >= 20.0 {
                    observed.push(*count);
                    expected.push(wanted);
                } else {
                    observed[0] += count;
                    expected[0] += wanted;
                }
            }
            fits(name, &observed, &expected);
        }
    }

    /// The slow exact samplers and this one: two samples of 60,000 in the same cells; 4 tests at 3e-7 each.
    #[test]
    fn draws_are_those_of_the_slow_samplers() {
        let mut rng = ChaCha20Rng::seed_from_u64(5);
        let ratio = |a, b| Ratio::new(a, b).unwrap();
        let n = 60_000;
        let mut compare = |name: &str, slow: &mut dyn FnMut(&mut ChaCha20Rng) -> i64, fast: VectorNoise, width: i64| {
            let mut counts = vec![[0.0; 2]; 81];
            for _ in 0..n {
                for (which, x) in [slow(&mut rng), fast.sample(&mut rng)].into_iter().enumerate() {
                    counts[(x.div_euclid(width) + 40).clamp(0, 80) as usize][which] += 1.0;
                }
            }
            counts.retain(|[a, b]| a + b >= 40.0);
            // Of two equal samples, (a - b)^2/(a + b).
            let (a, b): (Vec<f64>, Vec<f64>) = counts.iter().map(|[a, b]| ((a - b) / 2_f64.sqrt() + (a + b) / 2.0, (a + b) / 2.0)).unzip();
            fits(name, &a, &b);
        };
        let gaussian = DiscreteGaussian::new(ratio(109, 10)).unwrap();
        compare("gaussian 3.3", &mut |rng| gaussian.sample(rng), VectorNoise::gaussian(ratio(109, 10)).unwrap(), 1);
        let wide = DiscreteGaussian::new(ratio(1 << 30, 1)).unwrap();
        compare("gaussian 2^15", &mut |rng| wide.sample(rng), VectorNoise::gaussian(ratio(1 << 30, 1)).unwrap(), 4_096);
        let laplace = DiscreteLaplace::new(ratio(5, 2)).unwrap();
        compare("laplace 2.5", &mut |rng| laplace.sample(rng), VectorNoise::laplace(ratio(5, 2)).unwrap(), 1);
        let wide = DiscreteLaplace::new(ratio(100_000, 1)).unwrap();
        compare("laplace 1e5", &mut |rng| wide.sample(rng), VectorNoise::laplace(ratio(100_000, 1)).unwrap(), 20_000);
    }

    /// What is drawn beyond the buckets: nearly never comes up, so it is drawn alone. The steps' sizes have the law's own tail; 3,000 draws
    /// in cells of equal probability, at 3e-7 each.
    #[test]
    fn far_draws_have_the_tail_of_the_law() {
        let mut rng = ChaCha20Rng::seed_from_u64(6);
        let mut tested = 0;
        for (name, noise) in noises() {
            let first = (BUCKETS as u64) << noise.width;
            if noise.scale as f64 * noise.law.float(first) < 1.0 {
                // Next to nothing is kept where the curve is below one height.
                continue;
            }
            let mut sizes = Vec::new();
            let mut tries = 0;
            while sizes.len() < 3_000 && tries < 400_000 {
                tries += 1;
                let place = if noise.width == 0 { 0 } else { rand_core::Rng::next_u64(&mut rng) >> (64 - noise.width) };
                sizes.extend(noise.far(place, &mut rng));
            }
            tested += 1;
            let n = sizes.len() as f64;
            assert!(n >= 1_000.0, "{name}: {n} of {tries}");
            // f beyond `first`, relative to it, summed over every W.
            let width = 1_u64 << noise.width;
            let steps: Vec<f64> = (0..4_000_u64).map(|i| noise.law.float(first + i * width + width / 2) / noise.law.float(first)).collect();
            let total: f64 = steps.iter().sum();
            let (mut observed, mut expected, mut from, mut mass) = (Vec::new(), Vec::new(), 0, 0.0);
            for (i, step) in steps.iter().enumerate() {
                mass += step / total * n;
                if mass >= 30.0 || i == steps.len() - 1 {
                    let within = |size: &&u64| (from..=i as u64).contains(&((**size - first) / width));
                    observed.push(sizes.iter().filter(within).count() as f64);
                    expected.push(mass.max(1e-9));
                    (from, mass) = (i as u64 + 1, 0.0);
                }
            }
            let (o, e) = (observed.pop().unwrap(), expected.pop().unwrap());
            *observed.last_mut().unwrap() += o;
            *expected.last_mut().unwrap() += e;
            fits(name, &observed, &expected);
        }
        assert!(tested >= 3, "{tested}");
    }

    #[test]
    fn scales_out_of_range_are_refused() {
        for (a, b) in [(0, 1), (1, 2), (u64::MAX, 1)] {
            assert!(matches!(VectorNoise::laplace(Ratio::new(a, b).unwrap()), Err(Error::OutOfRange { .. })), "{a}/{b}");
        }
        assert!(VectorNoise::gaussian(Ratio::new(1, 1).unwrap()).is_ok());
    }
}

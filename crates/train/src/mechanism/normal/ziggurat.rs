//! A ziggurat whose strips have exactly equal areas, and draws from it.
//!
//! f(x) = e^(−x²/2), x ≥ 0, lies under [`STRIPS`] strips of one area A. Strip 0 is the rectangle `[0, R] × [0, f(R)]` with the tail beyond R.
//! Strip i is a rectangle `[0, wᵢ] × [gᵢ, gᵢ + A/wᵢ]`, where wᵢ is an `f64` at or a little above f⁻¹(gᵢ), and the next strip begins where this
//! one ends, a sum of two `f64`. The last ends a little above 1. A point that is uniform in a strip chosen uniformly, and is kept if it lies
//! under f, has a normal abscissa; a strip's left part, up to f⁻¹ of its upper edge, lies under f and needs no look.
//!
//! A draw takes 10 bits for the strip, one for the sign, 53 for the abscissa u·wᵢ. Whether a point in the right part is kept is decided by 117
//! bits of u and 128 of the ordinate, of which the last 64 are drawn where they matter: in `f64` where the distance is above what that can
//! lose and in 106 bits otherwise. So it is in the tail, and where the bits of u end exactly between a strip's left part and its right.
//!
//! How far the law of a draw is from the normal one, before it is written as an `f64`: [`LOG_RATIO`] and [`TOTAL_VARIATION`].
//! - Within a strip the ordinate of a point has 2¹²⁸ values, which is 2⁻¹²⁸ of the strip's height and that at most 1.1 times f there; and what
//!   106 bits lose in comparing it with f is less than 2⁻⁸⁸ of f (`double_double`).
//! - Strips' areas differ by less than 2⁻⁹⁰ of one, and so does R·f(R) with the tail from them.
//! - In the tail, beyond = −ln U/R and kept if V < e^(−beyond²/2), with U and V of 128 bits: a probability p is off by 2⁻¹²⁸/p of itself.
//!   Up to beyond = 8.5 that is below 2⁻⁷⁶ for V and 2⁻⁷⁸ for U, and 106 bits lose less.
//! - Above 8.5, which is 12.5 standard deviations, either law has less than 2⁻¹¹⁶: the normal one by its tail, this one as it is a factor of
//!   two at most above where bits run out (V is kept with at most 2⁻¹²⁸ more than e^(−beyond²/2)).

use super::double_double::DoubleDouble;
use super::keystream::{BATCH, Keystream};
use crate::instructions::Instructions;
use std::sync::LazyLock;

const STRIPS: usize = 1024;
/// Where the tail begins: the strips then end less than 2⁻⁴⁰ above 1.
const R: f64 = 4.038_849_846_109_501;
const BITS: i32 = 53;

/// Bound on |ln| of a draw's density over the normal one, within 12.5 standard deviations.
pub(super) const LOG_RATIO: f64 = 1.0 / (1_u128 << 75) as f64;
/// Bound on what either law has beyond.
pub(super) const TOTAL_VARIATION: f64 = 1.0 / (1_u128 << 116) as f64;

/// The strips.
pub(super) struct Ziggurat {
    /// wᵢ·2⁻⁵³; of strip 0, A/f(R)·2⁻⁵³.
    unit: [f64; STRIPS],
    /// u below this is in the left part.
    left: [u64; STRIPS],
    /// The bits of the left part of strip 0 that follow: it is not under f as a whole, but a rectangle that ends there.
    left_of_0: u64,
    /// gᵢ, for i ≥ 1.
    lower: [DoubleDouble; STRIPS],
    /// A/wᵢ.
    height: [DoubleDouble; STRIPS],
}

static ZIGGURAT: LazyLock<Ziggurat> = LazyLock::new(|| Ziggurat::new(R).0);

impl Ziggurat {
    pub(super) fn get() -> &'static Self {
        &ZIGGURAT
    }

    /// The strips that begin at this R, and where the last ends.
    fn new(r: f64) -> (Self, DoubleDouble) {
        let scale = 2_f64.powi(BITS);
        let mut z = Self {
            unit: [0.0; STRIPS],
            left: [0; STRIPS],
            left_of_0: 0,
            lower: [DoubleDouble::ONE; STRIPS],
            height: [DoubleDouble::ONE; STRIPS],
        };
        let bottom = density(DoubleDouble::from(r));
        let area = bottom * (DoubleDouble::from(r) + tail_over_density(r));
        // The part of strip 0 that is the rectangle, in 2⁻⁵³ and what is left over.
        let base = DoubleDouble::from(r).by(DoubleDouble::from(r) + tail_over_density(r));
        z.unit[0] = r / base.high / scale;
        let whole = (base.high * scale).floor();
        let rest = base.scaled(scale) - DoubleDouble::from(whole);
        (z.left[0], z.left_of_0) = if rest.is_negative() {
            (whole as u64 - 1, (rest + DoubleDouble::ONE).scaled(2_f64.powi(64)).high as u64)
        } else {
            (whole as u64, rest.scaled(2_f64.powi(64)).high as u64)
        };
        // To either side of what `ln` and `sqrt` round.
        let margin = 2_f64.powi(-48);
        let (mut lower, mut inverse) = (bottom, r);
        for i in 1..STRIPS {
            let width = inverse * (1.0 + margin);
            let height = area.over(width);
            let upper = lower + height;
            let next = if upper.high < 1.0 { (-2.0 * upper.high.ln()).sqrt() } else { 0.0 };
            z.unit[i] = width / scale;
            z.left[i] = (next * (1.0 - margin) / width * scale) as u64;
            (z.lower[i], z.height[i]) = (lower, height);
            (lower, inverse) = (upper, next);
        }
        (z, lower)
    }

    /// Adds `std` times a draw to each value: the fast path for all, then what it could not decide, in order.
    pub(super) fn add(&self, bits: &[u64; BATCH], std: f64, values: &mut [f64; BATCH], more: &mut Keystream, instructions: Instructions) {
        let mut undecided = match instructions {
            Instructions::Plain => self.plain(bits, std, values),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512(found) => avx512::add(found, self, bits, std, values),
        };
        while undecided != 0 {
            let at = undecided.trailing_zeros() as usize;
            undecided &= undecided - 1;
            values[at] += std * self.resolve(bits[at], more);
        }
    }

    /// Which values are not decided, as bits; these stay as they are.
    fn plain(&self, bits: &[u64; BATCH], std: f64, values: &mut [f64; BATCH]) -> u128 {
        let mut undecided = 0;
        for (at, (value, bits)) in values.iter_mut().zip(bits).enumerate() {
            let (strip, negative, u) = split(*bits);
            let decided = u < self.left[strip];
            undecided |= u128::from(!decided) << at;
            if decided {
                *value += std * signed(u as f64 * self.unit[strip], negative);
            }
        }
        undecided
    }

    /// The draw that begins with these bits.
    fn resolve(&self, mut bits: u64, more: &mut Keystream) -> f64 {
        loop {
            let (strip, negative, u) = split(bits);
            let size = u as f64 * self.unit[strip];
            if u < self.left[strip] {
                return signed(size, negative);
            }
            if strip == 0 {
                if u == self.left[0] && more.word() < self.left_of_0 {
                    return signed(size, negative);
                }
                return signed(tail(more), negative);
            }
            let height = more.word();
            if self.is_under(strip, size, height, || more.word(), u) {
                return signed(size, negative);
            }
            bits = more.word();
        }
    }

    /// Whether the point at `size`, at this height in its strip, lies under f.
    fn is_under(&self, strip: usize, size: f64, height: u64, mut more: impl FnMut() -> u64, u: u64) -> bool {
        // Each term loses less than 2⁻⁵⁰, and cutting u moves f by less than 2⁻⁵¹.
        const LOSS: f64 = 1e-13;
        let share = (height as f64 + 0.5) * 2_f64.powi(-64);
        let above = self.lower[strip].high + share * self.height[strip].high - (-size * size / 2.0).exp();
        if above.abs() > LOSS {
            return above < 0.0;
        }
        let mut with_more = |bits: u64| (u128::from(bits) << 64) | u128::from(more());
        self.is_under_exactly(strip, with_more(u), with_more(height))
    }

    /// The same with u of 117 bits and a height of 128.
    fn is_under_exactly(&self, strip: usize, u: u128, height: u128) -> bool {
        let share = DoubleDouble::fraction(height);
        let width = DoubleDouble::from(self.unit[strip] * 2_f64.powi(BITS));
        let x = DoubleDouble::fraction(u << 11) * width;
        (self.lower[strip] + share * self.height[strip] - density(x)).is_negative()
    }
}

/// Strip, sign, and the bits of the abscissa.
fn split(bits: u64) -> (usize, bool, u64) {
    ((bits % STRIPS as u64) as usize, bits & STRIPS as u64 != 0, bits >> 11)
}

fn signed(size: f64, negative: bool) -> f64 {
    if negative { -size } else { size }
}

fn density(x: DoubleDouble) -> DoubleDouble {
    let square = x * x;
    DoubleDouble { high: square.high / 2.0, low: square.low / 2.0 }.exp_of_negative()
}

/// ∫ f beyond r over f(r), for r above 3, by Laplace's continued fraction 1/(r + 1/(r + 2/(r + 3/(r + …)))).
fn tail_over_density(r: f64) -> DoubleDouble {
    let mut denominator = DoubleDouble::from(r);
    for k in (1..=400).rev() {
        // k / denominator = 1 / (denominator / k), with one step of Newton's for the low part.
        let inverse = 1.0 / denominator.high;
        let inverse = DoubleDouble::from(inverse) * (DoubleDouble::from(2.0) - denominator * DoubleDouble::from(inverse));
        denominator = DoubleDouble::from(r) + inverse * DoubleDouble::from(f64::from(k));
    }
    let inverse = 1.0 / denominator.high;
    DoubleDouble::from(inverse) * (DoubleDouble::from(2.0) - denominator * DoubleDouble::from(inverse))
}

/// A draw beyond R (Marsaglia 1964), whose uniform numbers keep 53 bits however small they are.
fn tail(more: &mut Keystream) -> f64 {
    let mut uniform = || (u128::from(more.word()) << 64) | u128::from(more.word());
    loop {
        let (first, second) = (uniform(), uniform());
        let beyond = minus_log(first) / R;
        if is_kept(first, second, beyond) {
            return R + beyond;
        }
    }
}

fn minus_log(bits: u128) -> f64 {
    -(bits as f64 * 2_f64.powi(-128)).ln()
}

/// Whether 2·(−ln V) > beyond², beyond = −ln U/R.
fn is_kept(u: u128, v: u128, beyond: f64) -> bool {
    // A part in 2⁵⁰ of either side is far above what f64 loses.
    let (height, square) = (2.0 * minus_log(v), beyond * beyond);
    if (height - square).abs() > 1e-14 * (height + square) + 1e-15 || u == 0 || v == 0 {
        return height > square;
    }
    is_kept_exactly(u, v)
}

/// The same in 106 bits, as V < e^(−beyond²/2).
fn is_kept_exactly(u: u128, v: u128) -> bool {
    let u = DoubleDouble::fraction(u);
    // One step of Newton's on e^(−x) = U.
    let about = DoubleDouble::from(-u.high.ln());
    let power = about.exp_of_negative();
    let beyond = (about + (power - u).by(power)).over(R);
    (DoubleDouble::fraction(v) - density(beyond)).is_negative()
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    #![expect(
        unsafe_code,
        reason = "vector instructions: called only with proof that the processor has them; ten bits index tables of 1024"
    )]

    use super::{BATCH, STRIPS, Ziggurat};
    use crate::instructions::Avx512;
    use std::arch::x86_64::{
        _mm512_add_pd, _mm512_and_si512, _mm512_castsi512_pd, _mm512_cmplt_epu64_mask, _mm512_cvtepi64_pd, _mm512_i64gather_epi64,
        _mm512_i64gather_pd, _mm512_loadu_pd, _mm512_loadu_si512, _mm512_mask_storeu_pd, _mm512_mul_pd, _mm512_set1_epi64, _mm512_set1_pd,
        _mm512_slli_epi64, _mm512_srli_epi64, _mm512_xor_pd,
    };

    pub(super) fn add(_: Avx512, ziggurat: &Ziggurat, bits: &[u64; BATCH], std: f64, values: &mut [f64; BATCH]) -> u128 {
        // SAFETY: an `Avx512` exists only where these instructions were detected.
        unsafe { eights(ziggurat, bits, std, values) }
    }

    #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
    fn eights(ziggurat: &Ziggurat, bits: &[u64; BATCH], std: f64, values: &mut [f64; BATCH]) -> u128 {
        let (strips, sign) = (_mm512_set1_epi64(STRIPS as i64 - 1), _mm512_set1_epi64(STRIPS as i64));
        let std = _mm512_set1_pd(std);
        let mut undecided = 0;
        for (at, (bits, values)) in bits.chunks_exact(8).zip(values.chunks_exact_mut(8)).enumerate() {
            // SAFETY: eight words are one vector; the strip is below the length of both tables.
            unsafe {
                let bits = _mm512_loadu_si512(bits.as_ptr().cast());
                let strip = _mm512_and_si512(bits, strips);
                let u = _mm512_srli_epi64::<11>(bits);
                let unit = _mm512_i64gather_pd::<8>(strip, ziggurat.unit.as_ptr());
                let left = _mm512_i64gather_epi64::<8>(strip, ziggurat.left.as_ptr().cast());
                // From bit 10 to the sign bit.
                let sign = _mm512_castsi512_pd(_mm512_slli_epi64::<53>(_mm512_and_si512(bits, sign)));
                let draw = _mm512_xor_pd(_mm512_mul_pd(_mm512_cvtepi64_pd(u), unit), sign);
                // Not fused: every processor computes the same.
                let sum = _mm512_add_pd(_mm512_loadu_pd(values.as_ptr()), _mm512_mul_pd(std, draw));
                let decided = _mm512_cmplt_epu64_mask(u, left);
                _mm512_mask_storeu_pd(values.as_mut_ptr(), decided, sum);
                undecided |= u128::from(!decided) << (8 * at);
            }
        }
        undecided
    }
}

#[cfg(test)]
mod tests;

//! A ziggurat whose strips have exactly equal areas, and draws from it.
//!
//! f(x) = e^(−x²/2), x ≥ 0, lies under [`STRIPS`] strips of one area A. Strip 0 is the rectangle `[0, R] × [0, f(R)]` with the tail beyond R.
//! Strip i is a rectangle `[0, wᵢ] × [gᵢ, gᵢ + A/wᵢ]`, where wᵢ is an `f64` at or a little above f⁻¹(gᵢ), and the next strip begins where this
//! one ends, a sum of two `f64`. The last ends a little above 1. A point that is uniform in a strip chosen uniformly, and is kept if it lies
//! under f, has a normal abscissa; a strip's left part, up to f⁻¹ of its upper edge, lies under f and needs no look.
//!
//! A draw takes 10 bits for the strip, one for the sign, 53 for the abscissa u·wᵢ. Whether a point in the right part is kept is decided by 117
//! bits of u and 64 of the ordinate, in `f64` where the distance is above what that can lose and in 106 bits otherwise.

use super::double_double::DoubleDouble;
use super::keystream::{BATCH, Keystream};
use crate::instructions::Instructions;
use std::sync::LazyLock;

const STRIPS: usize = 1024;
/// Where the tail begins: the strips then end less than 2⁻⁴⁰ above 1.
const R: f64 = 4.038_849_846_109_501;
const BITS: i32 = 53;

/// The strips.
pub(super) struct Ziggurat {
    /// wᵢ·2⁻⁵³; of strip 0, A/f(R)·2⁻⁵³.
    unit: [f64; STRIPS],
    /// u below this is in the left part.
    left: [u64; STRIPS],
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
        let mut z =
            Self { unit: [0.0; STRIPS], left: [0; STRIPS], lower: [DoubleDouble::ONE; STRIPS], height: [DoubleDouble::ONE; STRIPS] };
        let bottom = density(DoubleDouble::from(r));
        let area = bottom * (DoubleDouble::from(r) + tail_over_density(r));
        let base = r / (r + tail_over_density(r).high);
        z.unit[0] = r / base / scale;
        z.left[0] = (base * scale) as u64;
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
    fn is_under(&self, strip: usize, size: f64, height: u64, more: impl FnOnce() -> u64, u: u64) -> bool {
        // Each term loses less than 2⁻⁵⁰, and cutting u moves f by less than 2⁻⁵¹.
        const LOSS: f64 = 1e-13;
        let share = (height as f64 + 0.5) * 2_f64.powi(-64);
        let above = self.lower[strip].high + share * self.height[strip].high - (-size * size / 2.0).exp();
        if above.abs() > LOSS {
            return above < 0.0;
        }
        self.is_under_exactly(strip, (u128::from(u) << 64) | u128::from(more()), height)
    }

    /// The same with u of 117 bits.
    fn is_under_exactly(&self, strip: usize, u: u128, height: u64) -> bool {
        let share = DoubleDouble::fraction((u128::from(height) << 64) | (1 << 63));
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
    let mut exponential = || {
        let bits = (u128::from(more.word()) << 64) | u128::from(more.word());
        -(bits as f64 * 2_f64.powi(-128)).ln()
    };
    loop {
        let (beyond, height) = (exponential() / R, exponential());
        if 2.0 * height > beyond * beyond {
            return R + beyond;
        }
    }
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

//! Self- and mixed composition of tabulated steps by the fast Fourier transform, exponentially tilted.
//!
//! The transform errs by about 1e-16 of the *largest* mass, while delta lives in a tail that may be far smaller: so
//! each step is first multiplied by e^(lambda loss), which moves the bulk of the composition to the epsilon in
//! question, and the product is divided out afterwards. A window around that bulk is all that has to be kept; what
//! lies outside it is bounded by Chernoff's inequality and charged.

use realfft::RealFftPlanner;
use realfft::num_complex::Complex64;

use super::table::{Table, UNIT};

/// Largest transform: of 2^21 numbers there are seldom more than six arrays, about 100 MB.
pub(crate) const MAX_POINTS: usize = 1 << 21;

/// ln of the tilted mass allowed outside the window on each side, where the tilt fits.
pub(crate) const LOG_OUTSIDE: f64 = -20.8;

/// The composed distribution near the epsilon of interest: mass at loss `origin + i h` is
/// `tilted[i] * e^(log_normaliser - lambda loss)`, with the errors that have to be charged to delta.
#[derive(Debug)]
pub(crate) struct Composed {
    pub(crate) h: f64,
    pub(crate) origin: f64,
    pub(crate) tilted: Vec<f64>,
    pub(crate) lambda: f64,
    pub(crate) log_normaliser: f64,
    /// Bound on the Euclidean norm of the round-off in `tilted`.
    pub(crate) round_off: f64,
    /// Tilted mass that may have wrapped round into the window.
    pub(crate) aliased: f64,
    /// True mass above the window, at infinite loss included.
    pub(crate) above: f64,
    /// Mass at infinite loss as the tables have it.
    pub(crate) infinite: f64,
    /// Relative error of every mass.
    pub(crate) relative: f64,
    /// How far round-off may have moved the losses.
    pub(crate) shift: f64,
}

/// A tabulated step, its repetitions, and roughly ln of the sum of mass e^(lambda loss), to keep exponents small.
pub(crate) struct Part {
    pub(crate) table: Table,
    pub(crate) count: u64,
    pub(crate) log_moment: f64,
}

/// Why a composition could not be made.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The window needs this many points.
    TooManyPoints(f64),
    /// A moment is not a finite number.
    Overflow,
}

/// Composes the parts, all tabulated at spacing `h`, around the tilt `lambda` >= 0, with at most e^`log_outside` of the
/// tilted mass outside the window on each side.
pub(crate) fn compose(
    mut parts: Vec<Part>,
    h: f64,
    lambda: f64,
    log_outside: f64,
    planner: &mut RealFftPlanner<f64>,
) -> Result<Composed, Trouble> {
    let tilted: Vec<TiltedStep> = parts.iter_mut().map(|p| TiltedStep::new(p, h, lambda)).collect();
    let log_normaliser: f64 = tilted.iter().map(|s| s.count as f64 * s.log_moment).sum();
    if !log_normaliser.is_finite() || tilted.iter().any(|s| !s.norm.is_finite()) {
        return Err(Trouble::Overflow);
    }
    let window = Window::around(&tilted, h, log_outside);
    let points = (window.high - window.low) / h + 4.0;
    if points > MAX_POINTS as f64 || points.is_nan() {
        return Err(Trouble::TooManyPoints(points));
    }
    let size = transform_size(points as usize);
    let grid_origin: f64 = tilted.iter().map(|s| s.count as f64 * s.origin).sum();
    let first = ((window.low - grid_origin) / h).floor();

    let mut folded = vec![0.0; size];
    // Error of a transform relative to its Euclidean norm: Higham 2002, Theorem 24.2, with room for mixed radix and for the step
    // between a real transform and a complex one of half the size.
    let transform_error = 8.0 * UNIT * ((size as f64).log2() + 4.0);
    let (mut round_off, mut relative, mut shift, mut above, mut log_finite) = (0.0, 0.0, 0.0, 0.0, 0.0);
    let alone = parts.len() == 1 && parts[0].count == 1;
    let mut product: Vec<Complex64> = Vec::new();
    for (step, part) in tilted.into_iter().zip(&parts) {
        let count = step.count as f64;
        // The tilt of each mass errs by the exponent's round-off and that of the running product of exponentials.
        relative += count * (part.table.relative + UNIT * (80.0 + 2.0 * lambda * h * step.mass.len() as f64));
        shift += count * part.table.shift;
        above += count * part.table.infinite;
        log_finite += count * (-part.table.infinite).ln_1p();
        folded.fill(0.0);
        for (i, &mass) in step.mass.iter().enumerate() {
            folded[i % size] += mass;
        }
        drop(step.mass);
        if alone {
            break;
        }
        let forward = planner.plan_fft_forward(size);
        let mut spectrum = forward.make_output_vec();
        forward.process_with_scratch(&mut folded, &mut spectrum, &mut forward.make_scratch_vec()).expect("lengths are the plan's");
        let error = transform_error * step.norm;
        round_off += count * error * (count * error * (size as f64).sqrt()).exp();
        for value in &mut spectrum {
            *value = power(*value, step.count);
        }
        if product.is_empty() {
            product = spectrum;
        } else {
            for (p, value) in product.iter_mut().zip(&spectrum) {
                *p *= value;
            }
        }
    }
    if !alone {
        // The spectrum of real numbers is real at both ends, but for round-off.
        let last = product.len() - 1;
        (product[0].im, product[last].im) = (0.0, 0.0);
        let inverse = planner.plan_fft_inverse(size);
        inverse.process_with_scratch(&mut product, &mut folded, &mut inverse.make_scratch_vec()).expect("lengths are the plan's");
        let scale = 1.0 / size as f64;
        let mut squared = 0.0;
        for value in &mut folded {
            *value *= scale;
            squared += *value * *value;
        }
        let total: f64 = parts.iter().map(|p| p.count as f64).sum();
        round_off += (transform_error + 4.0 * UNIT * total) * (squared.sqrt() + round_off) + 1e-30;
    }
    drop(product);
    let kept = points as usize;
    folded.rotate_left(first.rem_euclid(size as f64) as usize);
    folded.truncate(kept);
    folded.shrink_to_fit();
    above += (log_normaliser - lambda * window.high + log_outside).exp() * window.outside_above;
    let origin = grid_origin + first * h;
    relative += 8.0 * UNIT * (log_normaliser.abs() + lambda * (origin.abs() + kept as f64 * h));
    shift += 4.0 * UNIT * (first.abs() * h + parts.iter().map(|p| p.count as f64 * p.table.origin.abs()).sum::<f64>());
    Ok(Composed {
        h,
        origin,
        tilted: folded,
        lambda,
        log_normaliser,
        round_off,
        aliased: log_outside.exp() * (window.outside_above + window.outside_below),
        above,
        infinite: -f64::exp_m1(log_finite),
        relative: relative.exp_m1(),
        shift,
    })
}

/// A step with its masses tilted and normalised.
struct TiltedStep {
    origin: f64,
    mass: Vec<f64>,
    count: u64,
    log_moment: f64,
    /// Euclidean norm of the masses.
    norm: f64,
    mean: f64,
    variance: f64,
}

impl TiltedStep {
    fn new(part: &mut Part, h: f64, lambda: f64) -> Self {
        let origin = part.table.origin;
        // Nobody else needs them, and there may be millions.
        let mut mass = std::mem::take(&mut part.table.mass);
        let mut exponentials = Exponentials::new(lambda * origin - part.log_moment, lambda * h);
        let mut sum = 0.0;
        for m in &mut mass {
            let weight = exponentials.next();
            if *m > 0.0 {
                *m *= weight;
                sum += *m;
            }
        }
        let (mut first, mut second, mut squared) = (0.0, 0.0, 0.0);
        for (i, m) in mass.iter_mut().enumerate() {
            *m /= sum;
            first += *m * i as f64;
            second += *m * (i as f64) * (i as f64);
            squared += *m * *m;
        }
        Self {
            origin,
            mass,
            count: part.count,
            log_moment: part.log_moment + sum.ln(),
            norm: squared.sqrt(),
            mean: origin + h * first,
            variance: h * h * (second - first * first).max(0.0),
        }
    }

    /// ln E e^(t (loss - mean)) under the tilted masses.
    fn cumulant(&self, h: f64, t: f64) -> f64 {
        let mut exponentials = Exponentials::new(t * (self.origin - self.mean), t * h);
        let mut sum = 0.0;
        for &m in &self.mass {
            let weight = exponentials.next();
            if m > 0.0 {
                sum += m * weight;
            }
        }
        sum.ln()
    }
}

/// The range of losses that holds all but a charged part of the tilted composition.
struct Window {
    low: f64,
    high: f64,
    /// 1, or 0 where the window reaches the end of the support.
    outside_below: f64,
    outside_above: f64,
}

impl Window {
    fn around(steps: &[TiltedStep], h: f64, log_outside: f64) -> Self {
        let total = |f: &dyn Fn(&TiltedStep) -> f64| steps.iter().map(|s| s.count as f64 * f(s)).sum::<f64>();
        let mean = total(&|s| s.mean);
        let deviation = total(&|s| s.variance).sqrt().max(h * 1e-3);
        let bottom = total(&|s| s.origin);
        let top = total(&|s| s.origin + (s.mass.len() - 1) as f64 * h);
        // P[S - mean > d] <= e^(K(t) - t d) for every t > 0: solve for d at several t, keep the smallest.
        let reach = |sign: f64| {
            let scale = (-2.0 * log_outside).sqrt() / deviation;
            let mut best = f64::INFINITY;
            for factor in [1.0, 0.5, 0.25, 0.1, 0.03] {
                let t = scale * factor;
                let distance = (total(&|s| s.cumulant(h, sign * t)) - log_outside) / t;
                if distance < best {
                    best = distance;
                } else if distance.is_finite() {
                    break;
                }
                if best < 7.5 * deviation {
                    break;
                }
            }
            best
        };
        let (below, above) = (mean - reach(-1.0), mean + reach(1.0));
        let slack = h + 1e-9 * (top - bottom);
        Self {
            low: below.max(bottom - slack),
            high: above.min(top + slack),
            outside_below: f64::from(u8::from(below > bottom - slack)),
            outside_above: f64::from(u8::from(above < top + slack)),
        }
    }
}

/// e^(start + i step) for i = 0, 1, ..., by multiplication, anchored afresh every 32.
pub(crate) struct Exponentials {
    start: f64,
    step: f64,
    factor: f64,
    index: u64,
    value: f64,
}

impl Exponentials {
    pub(crate) fn new(start: f64, step: f64) -> Self {
        Self { start, step, factor: step.exp(), index: 0, value: 0.0 }
    }

    pub(crate) fn next(&mut self) -> f64 {
        // A value that leaves the normal range would spoil those after it.
        if self.index.is_multiple_of(32) || !(self.value > 1e-280 && self.value < 1e280) {
            self.value = (self.start + self.index as f64 * self.step).exp();
        } else {
            self.value *= self.factor;
        }
        self.index += 1;
        self.value
    }
}

/// z^count by repeated squaring; zero where the result is below e^-75.
fn power(z: Complex64, count: u64) -> Complex64 {
    if 0.5 * count as f64 * z.norm_sqr().ln() < -75.0 {
        return Complex64::default();
    }
    let (mut result, mut square, mut left) = (Complex64::new(1.0, 0.0), z, count);
    loop {
        if left & 1 == 1 {
            result *= square;
        }
        left >>= 1;
        if left == 0 {
            return result;
        }
        square = square * square;
    }
}

/// The smallest 2^a or 3 2^a that holds `points`: the transform is fastest on these.
fn transform_size(points: usize) -> usize {
    let power = points.next_power_of_two();
    if power / 4 * 3 >= points { power / 4 * 3 } else { power }
}

//! Self- and mixed composition of tabulated steps by the fast Fourier transform, exponentially tilted.
//!
//! The transform errs by about 1e-16 of the *largest* mass, while delta lives in a tail that may be far smaller: so
//! each step is first multiplied by e^(lambda loss), which moves the bulk of the composition to the epsilon in
//! question, and the product is divided out afterwards. A window around that bulk is all that has to be kept; what
//! lies outside it is bounded by Chernoff's inequality and charged.

use realfft::RealFftPlanner;
use realfft::num_complex::Complex64;

use super::table::{Table, UNIT};

/// Largest transform: of 2^21 numbers there are at most five arrays at once, plans included, about 80 MB.
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
    let mut tilted: Vec<TiltedStep> = parts.iter_mut().map(|p| TiltedStep::new(p, h, lambda)).collect();
    check(&tilted)?;
    let window = Window::around(&tilted, h, log_outside);
    let size = transform_size(window.points(h)?);
    let mut errors = Errors::default();
    let alone = tilted.len() == 1 && tilted[0].count == 1;
    let mut folded = vec![0.0; size];
    let mut product: Vec<Complex64> = Vec::new();
    for step in &mut tilted {
        folded.fill(0.0);
        step.fold(&mut folded);
        // Nobody else needs them, and there may be millions.
        step.mass = Vec::new();
        if alone {
            break;
        }
        let mut spectrum = forward(&mut folded, planner);
        errors.add(step, size);
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
        backward(&mut product, &mut folded, planner);
        errors.finish(&folded, tilted.iter().map(|s| s.count as f64).sum());
    }
    drop(product);
    Ok(Composed::new(folded, &tilted, &window, h, lambda, log_outside, errors))
}

/// One part composed as often as it says and up to so many times less, that of fewest first: they share all but the way back.
pub(crate) struct Fewer {
    /// The one, its count that of the composition to be made next.
    step: [TiltedStep; 1],
    windows: std::vec::IntoIter<Window>,
    base: Vec<Complex64>,
    product: Vec<Complex64>,
    size: usize,
    h: f64,
    lambda: f64,
    log_outside: f64,
}

impl Fewer {
    pub(crate) fn new(
        mut part: Part,
        fewer: u64,
        most_points: usize,
        h: f64,
        lambda: f64,
        log_outside: f64,
        planner: &mut RealFftPlanner<f64>,
    ) -> Result<Self, Trouble> {
        let count = part.count;
        let mut step = [TiltedStep::new(&mut part, h, lambda)];
        check(&step)?;
        let (mut windows, mut points) = (Vec::new(), 0);
        for n in (0..=fewer).rev() {
            step[0].count = count - n;
            let window = Window::around(&step, h, log_outside);
            points = points.max(window.points(h)?);
            windows.push(window);
        }
        if points > most_points {
            return Err(Trouble::TooManyPoints(points as f64));
        }
        step[0].count = count - fewer;
        let size = transform_size(points);
        let mut folded = vec![0.0; size];
        step[0].fold(&mut folded);
        step[0].mass = Vec::new();
        let base = forward(&mut folded, planner);
        let product = base.iter().map(|&value| power(value, count - fewer)).collect();
        Ok(Self { step, windows: windows.into_iter(), base, product, size, h, lambda, log_outside })
    }

    pub(crate) fn next(&mut self, planner: &mut RealFftPlanner<f64>) -> Option<Composed> {
        let window = self.windows.next()?;
        let (mut folded, mut errors) = (vec![0.0; self.size], Errors::default());
        backward(&mut self.product.clone(), &mut folded, planner);
        errors.add(&self.step[0], self.size);
        errors.finish(&folded, self.step[0].count as f64);
        let composed = Composed::new(folded, &self.step, &window, self.h, self.lambda, self.log_outside, errors);
        for (p, value) in self.product.iter_mut().zip(&self.base) {
            *p *= value;
        }
        self.step[0].count += 1;
        Some(composed)
    }
}

fn check(steps: &[TiltedStep]) -> Result<(), Trouble> {
    let finite = |s: &TiltedStep| (s.count as f64 * s.log_moment).is_finite() && s.norm.is_finite();
    if steps.iter().all(finite) { Ok(()) } else { Err(Trouble::Overflow) }
}

/// Plans of more points than this are as large as what they transform, and not kept.
const KEPT_PLAN: usize = 1 << 19;

fn forward(folded: &mut [f64], planner: &mut RealFftPlanner<f64>) -> Vec<Complex64> {
    let mut fresh = RealFftPlanner::new();
    let forward = if folded.len() > KEPT_PLAN { &mut fresh } else { planner }.plan_fft_forward(folded.len());
    drop(fresh);
    let mut spectrum = forward.make_output_vec();
    forward.process_with_scratch(folded, &mut spectrum, &mut forward.make_scratch_vec()).expect("lengths are the plan's");
    spectrum
}

fn backward(product: &mut [Complex64], folded: &mut [f64], planner: &mut RealFftPlanner<f64>) {
    // The spectrum of real numbers is real at both ends, but for round-off.
    let last = product.len() - 1;
    (product[0].im, product[last].im) = (0.0, 0.0);
    let mut fresh = RealFftPlanner::new();
    let inverse = if folded.len() > KEPT_PLAN { &mut fresh } else { planner }.plan_fft_inverse(folded.len());
    drop(fresh);
    inverse.process_with_scratch(product, folded, &mut inverse.make_scratch_vec()).expect("lengths are the plan's");
    let scale = 1.0 / folded.len() as f64;
    for value in folded {
        *value *= scale;
    }
}

/// Bounds on the round-off of the transforms.
#[derive(Debug, Default)]
struct Errors {
    round_off: f64,
}

impl Errors {
    /// Error of a transform relative to its Euclidean norm: Higham 2002, Theorem 24.2, with room for mixed radix and for the step
    /// between a real transform and a complex one of half the size.
    fn of_transform(size: usize) -> f64 {
        8.0 * UNIT * ((size as f64).log2() + 4.0)
    }

    /// That of a step's transform, multiplied by itself so often.
    fn add(&mut self, step: &TiltedStep, size: usize) {
        let error = step.count as f64 * Self::of_transform(size) * step.norm;
        self.round_off += error * (error * (size as f64).sqrt()).exp();
    }

    /// That of the way back, after `total` multiplications.
    fn finish(&mut self, folded: &[f64], total: f64) {
        let squared: f64 = folded.iter().map(|value| value * value).sum();
        self.round_off += (Self::of_transform(folded.len()) + 4.0 * UNIT * total) * (squared.sqrt() + self.round_off) + 1e-30;
    }
}

impl Composed {
    fn new(mut folded: Vec<f64>, steps: &[TiltedStep], window: &Window, h: f64, lambda: f64, log_outside: f64, errors: Errors) -> Self {
        let sum = |of: &dyn Fn(&TiltedStep) -> f64| steps.iter().map(|s| s.count as f64 * of(s)).sum::<f64>();
        let log_normaliser = sum(&|s| s.log_moment);
        let grid_origin = sum(&|s| s.origin);
        let first = ((window.low - grid_origin) / h).floor();
        let (size, kept) = (folded.len(), (window.high - window.low) / h + 4.0);
        folded.rotate_left(first.rem_euclid(size as f64) as usize);
        folded.truncate(kept as usize);
        folded.shrink_to_fit();
        let origin = grid_origin + first * h;
        // The tilt of each mass errs by the exponent's round-off and that of the running product of exponentials.
        let relative = sum(&|s| s.relative + UNIT * (80.0 + 2.0 * lambda * h * s.len as f64))
            + 8.0 * UNIT * (log_normaliser.abs() + lambda * (origin.abs() + kept.floor() * h))
            // Sums over atoms are running sums.
            + 4.0 * UNIT * kept;
        Self {
            h,
            origin,
            tilted: folded,
            lambda,
            log_normaliser,
            round_off: errors.round_off,
            aliased: log_outside.exp() * (window.outside_above + window.outside_below),
            above: sum(&|s| s.infinite) + (log_normaliser - lambda * window.high + log_outside).exp() * window.outside_above,
            infinite: -f64::exp_m1(sum(&|s| (-s.infinite).ln_1p())),
            relative: relative.exp_m1(),
            shift: sum(&|s| s.shift) + 4.0 * UNIT * (first.abs() * h + sum(&|s| s.origin.abs())),
        }
    }
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
    /// How many masses there were, and what the table says of its errors.
    len: usize,
    infinite: f64,
    relative: f64,
    shift: f64,
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
            len: mass.len(),
            infinite: part.table.infinite,
            relative: part.table.relative,
            shift: part.table.shift,
            mass,
            count: part.count,
            log_moment: part.log_moment + sum.ln(),
            norm: squared.sqrt(),
            mean: origin + h * first,
            variance: h * h * (second - first * first).max(0.0),
        }
    }

    /// Adds the masses to a grid that goes round.
    fn fold(&self, grid: &mut [f64]) {
        for chunk in self.mass.chunks(grid.len()) {
            for (slot, mass) in grid.iter_mut().zip(chunk) {
                *slot += mass;
            }
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
    fn points(&self, h: f64) -> Result<usize, Trouble> {
        let points = (self.high - self.low) / h + 4.0;
        if points > MAX_POINTS as f64 || points.is_nan() { Err(Trouble::TooManyPoints(points)) } else { Ok(points as usize) }
    }

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

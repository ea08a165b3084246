//! Pairs of mixtures of Gaussians on the line that dominate mechanisms a single subsampled Gaussian does not describe.
//!
//! A pair (P, Q) dominates a mechanism where every hockey-stick divergence between the mechanism's outputs on neighbours is at
//! most that between P and Q; composition keeps this (Zhu, Dong & Wang 2022, Theorem 10). What all derivations here use: whatever
//! a set E is, its mass under N(c, s^2 I) follows from that under N(0, s^2 I) to within how far |c| is, and half-spaces in one
//! direction reach all these limits at once. So the worst centres lie on one line, as far apart as they may.
//!
//! - A user with up to k records, each sampled by itself, added: P = sum_j Bin(k, q)(j) N(j, s^2), Q = N(0, s^2).
//! - One record of a Poisson sample replaced: P = (1-q) N(0, s^2) + q N(1, s^2), Q = (1-q) N(0, s^2) + q N(-1, s^2). By joint
//!   convexity the divergence is q times one between N(x) and (1-b) N(0) + b N(x'); both masses of a set are least on the same
//!   half-space, for |x| = 1 and x' = -x.
//! - A Poisson sample of which at most B are kept, one record added (Chua et al. 2024, arXiv:2411.04205): given that the others
//!   fill the batch, which has probability p = P[Bin(N-1, q) >= B] whether the record is there or not, the record takes another's
//!   place with probability q' = P[Bin(N, q) > B] B/(p N), which moves the sum by up to 2. What is kept of the others is then an
//!   even draw of B, or of B - 1, of them, however many there were, so that the rate may be averaged over their number. If they
//!   do not fill it, it is an ordinary sample. Which of both is revealed.
//! - Batches of a fixed size, one record replaced (Balle, Barthe & Gaboardi 2018, Theorems 9 and 10; Zhu, Dong & Wang 2022,
//!   Proposition 30): for e^epsilon >= 1 the divergence is at most that of adding a record at rate w to a sum that moves by 2
//!   (2j where the record is drawn j times), and the divergences below 1 follow by symmetry.
//!
//! The first two are attained by a mechanism, so that an interval is around the event's own epsilon. The others are bounds.

use crate::binomial;
use crate::quadrature::binomial_tail;
use crate::{Error, Event};

/// A pair of laws, in branches that the output reveals.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) branches: Vec<Branch>,
    /// Mass at a loss of 0, the same under both.
    pub(crate) even: f64,
    /// Mass at an infinite loss.
    pub(crate) infinite: f64,
}

/// `weight` times mixtures of N(shift, sigma^2), where x lies between `from` and `to`. ln(p/q)(x) rises with x.
#[derive(Debug, Clone)]
pub(crate) struct Branch {
    pub(crate) weight: f64,
    pub(crate) sigma: f64,
    /// (probability, shift), some shifts above those of `q` or as high.
    pub(crate) p: Vec<(f64, f64)>,
    pub(crate) q: Vec<(f64, f64)>,
    pub(crate) from: f64,
    pub(crate) to: f64,
    /// Whether q belongs to P and p to Q, so that the loss is -ln(p/q).
    pub(crate) turned: bool,
}

/// Probabilities below this are no longer told apart.
const SMALLEST: f64 = 1e-290;

/// Most Gaussians of one mixture.
const MOST: usize = 4096;

/// The pair for an event that [`Event::parts`] leaves whole, if it is one of those above. Where a binomial has more values than can
/// be told apart, those as improbable as `rare` are taken for an infinite loss; with `rare` 0, for the largest value.
pub(crate) fn of(event: &Event, accountant: &'static str, rare: f64) -> Result<Option<Pair>, Error> {
    let gaussian = |inner: &Event| match inner {
        Event::Gaussian { noise_multiplier } => Ok(noise_multiplier.get()),
        _ => Err(event.refused(accountant, "only a single Gaussian can be sampled: a sampled composition reuses one batch")),
    };
    Ok(Some(match event {
        Event::UserLevelGaussian { noise_multiplier, sampling_rate, records_per_user } => {
            let (k, q) = (f64::from(records_per_user.get()), sampling_rate.get());
            let (components, infinite) = binomial_components(k, q, rare)?;
            let p = components.into_iter().map(|(j, weight)| (weight, j)).collect();
            Pair { branches: vec![Branch::whole(1.0, noise_multiplier.get(), p, vec![(1.0, 0.0)])], even: 0.0, infinite }
        }
        Event::ReplaceOne { event: inner } => match inner.as_ref() {
            Event::PoissonSampled { sampling_rate, event: inner } => {
                let (q, sigma) = (sampling_rate.get(), gaussian(inner)?);
                let mixture = |shift| vec![(1.0 - q, 0.0), (q, shift)];
                Pair { branches: vec![Branch::whole(1.0, sigma, mixture(1.0), mixture(-1.0))], even: 0.0, infinite: 0.0 }
            }
            Event::FixedSizeSampled { records, batch, with_replacement, event: inner } => {
                let (n, b, sigma) = (records.get() as f64, batch.get() as f64, gaussian(inner)?);
                if *with_replacement {
                    let q = 1.0 / n;
                    let w = -(b * (-q).ln_1p()).exp_m1();
                    let (components, rare) = binomial_components(b, q, rare)?;
                    let times = components.into_iter().filter(|(j, _)| *j > 0.0).map(|(j, weight)| (weight / w, 2.0 * j));
                    Pair::folded(w, sigma, times, rare / w)
                } else if b <= n {
                    Pair::folded(b / n, sigma, [(1.0, 2.0)], 0.0)
                } else {
                    return Err(Error::OutOfRange { quantity: "the batch", value: b, range: "at most the number of records" });
                }
            }
            _ => return Err(event.refused(accountant, "how replacing a record differs here from adding one is not known")),
        },
        Event::TruncatedPoissonSampled { sampling_rate, records, batch, event: inner } => {
            let (n, b, q, sigma) = (records.get() as f64, batch.get() as f64, sampling_rate.get(), gaussian(inner)?);
            let full = binomial::upper_tail(n - 1.0, q, b);
            let mut branches = vec![Branch::sampled(1.0 - full, q, sigma, 1.0)];
            if full > 0.0 {
                let taken = (binomial::upper_tail(n, q, b + 1.0) * b / (full * n)).min(q);
                branches.push(Branch::sampled(full, taken, sigma, 2.0));
            }
            Pair { branches, even: 0.0, infinite: 0.0 }
        }
        _ => return Ok(None),
    }))
}

/// The likely values of a binomial, with their probabilities, and the probability of all larger ones. Those that are too improbable
/// and small count for the smallest that is kept: the farther a centre moves, the more its mixture differs from the base, on the
/// half-spaces where that is most.
fn binomial_components(n: f64, q: f64, rare: f64) -> Result<(Vec<(f64, f64)>, f64), Error> {
    let least = rare.max(SMALLEST);
    let mode = ((n + 1.0) * q).floor().min(n);
    let mut components = Vec::new();
    let mut j = mode;
    while j >= 0.0 && components.len() <= MOST {
        let weight = binomial::mass(n, q, j);
        if weight < least {
            break;
        }
        components.push((j, weight));
        j -= 1.0;
    }
    components.reverse();
    if j >= 0.0
        && let Some(lowest) = components.first_mut()
    {
        lowest.1 += 1.0 - binomial::upper_tail(n, q, j + 1.0);
    }
    let mut j = mode + 1.0;
    let mut beyond = 0.0;
    while j <= n && components.len() <= MOST {
        let weight = binomial::mass(n, q, j);
        if weight < least {
            beyond = binomial::upper_tail(n, q, j).max(SMALLEST);
            break;
        }
        components.push((j, weight));
        j += 1.0;
    }
    if components.len() > MOST {
        return Err(Error::GridTooLarge { points: n, limit: MOST });
    }
    if rare == 0.0 && beyond > 0.0 {
        components.push((n, beyond));
        beyond = 0.0;
    }
    Ok((components, beyond))
}

impl Pair {
    /// For losses above 0 that of adding at rate `w` to one of several Gaussians, which one being revealed; for those below
    /// its mirror image; and what is left at 0.
    fn folded(w: f64, sigma: f64, moves: impl IntoIterator<Item = (f64, f64)>, infinite: f64) -> Self {
        let mut branches = Vec::new();
        let mut even = 1.0 - infinite;
        for (weight, distance) in moves {
            // The densities are equal half-way.
            let up = Branch { from: 0.5 * distance, ..Branch::sampled(weight, w, sigma, distance) };
            let above = crate::normal::upper_tail(0.5 * distance / sigma);
            // Mass of the mixture, and of the base, beyond it.
            even -= weight * ((1.0 - w) * above + w * (1.0 - above) + above);
            branches.push(up.turned());
            branches.push(up);
        }
        Self { branches, even: even.max(0.0), infinite }
    }

    /// P and Q change places.
    pub(crate) fn turned(&self) -> Self {
        Self { branches: self.branches.iter().map(Branch::turned).collect(), ..self.clone() }
    }

    /// ln E_Q (P/Q)^order for the worse of both directions, without the infinite losses.
    pub(crate) fn log_moment(&self, order: f64) -> f64 {
        let one_way = |pair: &Self| {
            let logs: Vec<f64> = pair.branches.iter().map(|b| b.weight.ln() + b.log_excess(order)).collect();
            let top = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            if top.is_finite() { top + logs.iter().map(|log| (log - top).exp()).sum::<f64>().ln() } else { top }
        };
        let log_excess = one_way(self).max(one_way(&self.turned()));
        if log_excess > 40.0 { log_excess } else { log_excess.exp().ln_1p() }
    }
}

impl Branch {
    fn whole(weight: f64, sigma: f64, p: Vec<(f64, f64)>, q: Vec<(f64, f64)>) -> Self {
        Self { weight, sigma, p, q, from: f64::NEG_INFINITY, to: f64::INFINITY, turned: false }
    }

    /// A Gaussian that moves by `distance` on a sample at `rate`.
    fn sampled(weight: f64, rate: f64, sigma: f64, distance: f64) -> Self {
        Self::whole(weight, sigma, vec![(1.0 - rate, 0.0), (rate, distance)], vec![(1.0, 0.0)])
    }

    fn turned(&self) -> Self {
        Self { turned: !self.turned, ..self.clone() }
    }

    pub(crate) fn shifts(&self) -> (f64, f64) {
        let all = || self.p.iter().chain(&self.q).filter(|(w, _)| *w > 0.0).map(|c| c.1);
        (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max))
    }

    /// ln(p/q) at x, and its slope there.
    pub(crate) fn log_ratio(&self, x: f64) -> (f64, f64) {
        let ((p, p_mean), (q, q_mean)) = (self.log_density(&self.p, x), self.log_density(&self.q, x));
        (p - q, (p_mean - q_mean) / (self.sigma * self.sigma))
    }

    /// ln of a mixture's density over that of N(0, sigma^2) at x, and the mean shift given x.
    fn log_density(&self, mixture: &[(f64, f64)], x: f64) -> (f64, f64) {
        let variance = self.sigma * self.sigma;
        let exponent = |shift: f64| shift * (x - 0.5 * shift) / variance;
        let top =
            mixture.iter().map(|&(w, shift)| if w > 0.0 { exponent(shift) } else { f64::NEG_INFINITY }).fold(f64::NEG_INFINITY, f64::max);
        // The weights sum to 1, so that where all exponents are small the sum's excess over 1 keeps its digits.
        let (mut excess, mut sum, mut first, mut weights) = (0.0, 0.0, 0.0, 0.0);
        for &(w, shift) in mixture {
            let e = exponent(shift);
            let term = w * (e - top).exp();
            excess += w * e.exp_m1();
            sum += term;
            weights += w;
            first += term * shift;
        }
        let log = if top < 1.0 && (weights - 1.0_f64).abs() < 1e-12 { excess.ln_1p() } else { top + sum.ln() };
        (log, first / sum)
    }

    /// ln of the integral of Q ((P/Q)^order - 1 - order (P/Q - 1)), never negative: over all branches its linear terms add to nothing.
    /// Gauss-Legendre on panels short against the densities and the distance of the loss's singularities, pi sigma^2/range of shifts.
    fn log_excess(&self, order: f64) -> f64 {
        let variance = self.sigma * self.sigma;
        let (lowest, highest) = self.shifts();
        let top = |mixture: &[(f64, f64)]| mixture.iter().map(|c| c.1).fold(f64::NEG_INFINITY, f64::max);
        let bottom = |mixture: &[(f64, f64)]| mixture.iter().map(|c| c.1).fold(f64::INFINITY, f64::min);
        // Where the outermost centres put the mode of P^order Q^(1 - order).
        let (low, high, base) = if self.turned {
            ((order * bottom(&self.q) - (order - 1.0) * top(&self.p)).min(lowest), highest, &self.p)
        } else {
            (lowest, (order * top(&self.p) - (order - 1.0) * bottom(&self.q)).max(highest), &self.q)
        };
        let (from, to) = (self.from.max(low - 12.0 * self.sigma), self.to.min(high + 12.0 * self.sigma));
        let panel = self.sigma.min(2.0 * variance / (highest - lowest));
        let panels = ((to - from) / panel).ceil();
        if panels > MAX_PANELS {
            // Divergences are quasi-convex: no more than between the centres farthest apart, which part with the sampling.
            let exponent = 0.5 * order * (order - 1.0) * (highest - lowest).powi(2) / variance;
            return if exponent < 40.0 { exponent.exp_m1().ln() } else { exponent };
        }
        let panel = (to - from) / panels;
        let mut logs: Vec<(f64, f64)> = Vec::new();
        for i in 0..panels as u64 {
            for &(node, weight) in &LEGENDRE {
                for sign in [-1.0, 1.0] {
                    let x = from + panel * (i as f64 + 0.5 + 0.5 * sign * node);
                    let ratio = self.log_ratio(x).0;
                    let loss = if self.turned { -ratio } else { ratio };
                    let log_q = self.log_density(base, x).0 - 0.5 * x * x / variance;
                    let (y, growth) = (loss.exp_m1(), order * loss);
                    let log_term = if (order * y).abs() < 0.05 && y.abs() < 0.05 {
                        log_q + binomial_tail(order, y).max(0.0).ln()
                    } else if growth < 300.0 {
                        log_q + (growth.exp_m1() - order * y).max(0.0).ln()
                    } else {
                        log_q + growth
                    };
                    logs.push((log_term, weight));
                }
            }
        }
        let peak = logs.iter().map(|l| l.0).fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = logs.iter().map(|&(log, weight)| weight * (log - peak).exp()).sum();
        if peak.is_finite() { peak + sum.ln() + (0.5 * panel / (self.sigma * (2.0 * std::f64::consts::PI).sqrt())).ln() } else { peak }
    }
}

/// Most panels of one integral.
const MAX_PANELS: f64 = 20_000.0;

/// Positive nodes and weights of the Gauss-Legendre rule of 10 points (Abramowitz & Stegun, table 25.4).
const LEGENDRE: [(f64, f64); 5] = [
    (0.148_874_338_981_631_2, 0.295_524_224_714_752_87),
    (0.433_395_394_129_247_2, 0.269_266_719_309_996_35),
    (0.679_409_568_299_024_4, 0.219_086_362_515_982_04),
    (0.865_063_366_688_984_5, 0.149_451_349_150_580_6),
    (0.973_906_528_517_171_7, 0.066_671_344_308_688_14),
];

//! Renyi divergences of mechanisms without a batch: one formula each.
//!
//! Mironov 2017 (arXiv:1702.07476), section 6, for Laplace noise and randomised response, which is also the worst of all
//! mechanisms of its epsilon; Bun & Steinke 2016 for zCDP; Canonne, Kamath & Steinke 2020, Theorem 4, for the discrete
//! Gaussian; Papernot & Steinke 2021 (arXiv:2110.03620) for the best of several runs.

use super::{NAME, allocation};
use crate::event::Runs;
use crate::{Epsilon, Error, Event, Order, pair};

/// The divergence of `order` of one of the mechanisms that [`Event::parts`] leaves whole.
pub(crate) fn rdp(event: &Event, order: f64) -> Result<f64, Error> {
    if let Some(pair) = pair::of(event, NAME, 0.0)? {
        return Ok(pair.log_moment(order).max(0.0) / (order - 1.0));
    }
    Ok(match event {
        Event::RandomAllocation { noise_multiplier, rounds, rounds_per_record } => {
            allocation::rdp(noise_multiplier.get(), rounds.get(), rounds_per_record.get(), order)?
        }
        Event::Laplace { scale } => laplace(1.0 / scale.get(), order),
        Event::DiscreteLaplace { scale } => randomised_response(1.0 / scale.get(), 2.0, order),
        Event::RandomisedResponse { epsilon, answers } => {
            check_answers(answers.get())?;
            randomised_response(epsilon.get(), f64::from(answers.get()), order)
        }
        Event::Exponential { epsilon } => bounded_range(epsilon.get(), order),
        Event::Pure { epsilon } | Event::PermuteAndFlip { epsilon } => randomised_response(epsilon.get(), 2.0, order),
        Event::DiscreteGaussian { noise_multiplier, .. } => order / (2.0 * noise_multiplier.get() * noise_multiplier.get()),
        Event::Zcdp { xi, rho } => xi.get() + rho.get() * order,
        Event::Approximate { delta, epsilon } if delta.get() == 0.0 => randomised_response(epsilon.get(), 2.0, order),
        Event::Approximate { .. } => return Err(event.refused(NAME, "with a delta of its own its divergence is infinite")),
        Event::RepeatAndSelect { runs, mean, event } => repeat_and_select(*runs, *mean, event, order)?,
        _ => return Err(event.refused(NAME, "no formula is known")),
    })
}

pub(crate) fn check_answers(answers: u32) -> Result<(), Error> {
    if answers >= 2 {
        Ok(())
    } else {
        Err(Error::OutOfRange { quantity: "the number of answers", value: f64::from(answers), range: "at least 2" })
    }
}

/// With t = 1/scale: ln[a/(2a-1) e^((a-1) t) + (a-1)/(2a-1) e^(-a t)]/(a-1).
fn laplace(t: f64, order: f64) -> f64 {
    let (up, down) = (order / (2.0 * order - 1.0), (order - 1.0) / (2.0 * order - 1.0));
    // The first exponential is taken out.
    t + (up + down * ((1.0 - 2.0 * order) * t).exp()).ln() / (order - 1.0)
}

/// With p and r the probabilities of the true and of one other answer: ln[p^a r^(1-a) + r^a p^(1-a) + (k-2) r]/(a-1).
fn randomised_response(epsilon: f64, answers: f64, order: f64) -> f64 {
    // In units of r = 1/(e^epsilon + k - 1), with e^(a epsilon) taken out.
    let log_r = -(epsilon + ((answers - 1.0) * (-epsilon).exp()).ln_1p());
    let rest = ((1.0 - 2.0 * order) * epsilon).exp() + (answers - 2.0) * (-order * epsilon).exp();
    ((log_r + order * epsilon + rest.ln_1p()) / (order - 1.0)).max(0.0)
}

/// The worst mechanism whose losses all lie in a range of epsilon, as those of the exponential mechanism do (Dong, Durfee & Rogers
/// 2020, arXiv:1909.13830): e^loss being convex, it has two losses, t and t - epsilon, whose masses follow from E_Q[e^loss] = 1. With
/// u = e^-t and c = e^-epsilon, E_Q[e^(a loss)] = [u^(1-a) (1 - c^a) - u^-a (c - c^a)]/(1 - c), largest where its derivative is 0.
fn bounded_range(epsilon: f64, order: f64) -> f64 {
    // Cesar & Rogers 2021 (arXiv:2004.07223), from Hoeffding's lemma.
    let at_most = (order * epsilon * epsilon / 8.0).min(epsilon);
    let c = (-epsilon).exp();
    let u = order * c * ((1.0 - order) * epsilon).exp_m1() / ((order - 1.0) * (-order * epsilon).exp_m1());
    let t = -u.ln();
    let log_moment = if order * epsilon > 100.0 {
        ((u - c) + (1.0 - u) * (-order * epsilon).exp()).ln() + order * t - (-c).ln_1p()
    } else {
        // The 1 that the masses sum to is taken out, so that a moment near 1 keeps its digits.
        let mass = (t - epsilon).exp_m1() * u / (-epsilon).exp_m1();
        (mass * (order * t).exp_m1() + (1.0 - mass) * (order * (t - epsilon)).exp_m1()).ln_1p()
    };
    let round_off = 1e-12 + 1e-14 / ((order - 1.0) * epsilon);
    let exact = log_moment / (order - 1.0) * (1.0 + round_off);
    if exact > 0.0 { exact.min(at_most) } else { at_most }
}

/// Theorem 2 (truncated negative binomial with eta = 1 or 0) and Theorem 6 (Poisson).
fn repeat_and_select(runs: Runs, mean: f64, event: &Event, order: f64) -> Result<f64, Error> {
    if !(mean >= 1.0 && mean.is_finite()) {
        return Err(Error::OutOfRange { quantity: "the mean number of runs", value: mean, range: "at least 1 and finite" });
    }
    // What a total variation adds is counted with the parts.
    let one = super::but_for_variation(event, Order::new(order)?)?;
    let from_mean = mean.ln() / (order - 1.0);
    let with_gamma = |eta: f64, gamma: f64| -> Result<f64, Error> {
        let parts = event.parts(NAME)?;
        let divergence = super::Divergence::checked(&parts)?;
        let at = |j: f64| divergence.or_infinite(j) + parts.inexact.divergence(j);
        let (_, penalty) = super::minimise_over_orders(|j| (1.0 - 1.0 / j) * at(j) - gamma.ln() / j);
        Ok(one + (1.0 + eta) * penalty.max(0.0) + from_mean)
    };
    match runs {
        Runs::Geometric => with_gamma(1.0, 1.0 / mean),
        Runs::Logarithmic => with_gamma(0.0, logarithmic_gamma(mean)),
        Runs::Poisson => {
            let delta = super::delta(event, Epsilon::new((1.0 / (order - 1.0)).ln_1p())?)?;
            Ok(one + mean * delta + from_mean)
        }
    }
}

/// The gamma at which (1/gamma - 1)/ln(1/gamma), the mean of the logarithmic law, is `mean`, rounded down: a smaller
/// gamma costs more.
fn logarithmic_gamma(mean: f64) -> f64 {
    let (mut low, mut high) = (1e-300_f64, 1.0_f64);
    for _ in 0..2_000 {
        let middle = (low * high).sqrt();
        if middle >= 1.0 - 1e-12 || high / low < 1.0 + 1e-12 {
            break;
        }
        if (1.0 / middle - 1.0) / -middle.ln() > mean { low = middle } else { high = middle }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The divergence by its definition, summed or integrated.
    #[test]
    fn formulas_are_the_definition() {
        for order in [1.5_f64, 2.0, 7.0] {
            for scale in [0.5_f64, 1.0, 6.0] {
                let (n, reach) = (400_000, 40.0 * scale);
                let step = 2.0 * reach / f64::from(n);
                let density = |x: f64| (-x.abs() / scale).exp() / (2.0 * scale);
                let sum: f64 = (0..n)
                    .map(|i| {
                        let x = -reach + (f64::from(i) + 0.5) * step;
                        density(x).powf(order) * density(x - 1.0).powf(1.0 - order)
                    })
                    .sum();
                let exact = (sum * step).ln() / (order - 1.0);
                assert!((laplace(1.0 / scale, order) / exact - 1.0).abs() < 1e-6, "{order} {scale}");
            }
            for (epsilon, answers) in [(0.1_f64, 2.0), (1.0, 5.0), (4.0, 3.0)] {
                let r = 1.0 / (epsilon.exp() + answers - 1.0);
                let p = r * epsilon.exp();
                let moment = p.powf(order) * r.powf(1.0 - order) + r.powf(order) * p.powf(1.0 - order) + (answers - 2.0) * r;
                let exact = moment.ln() / (order - 1.0);
                assert!((randomised_response(epsilon, answers, order) / exact - 1.0).abs() < 1e-10, "{order} {epsilon}");
            }
        }
        // Exponential mechanism, dp_accounting's tests: epsilon 1 at orders 1 and 1,000, where it says 1.
        assert!((bounded_range(1.0, 1.0 + 1e-6) - 0.123_301_561).abs() < 1e-6);
        assert!(bounded_range(1.0, 1_000.0) < 1.0);
        for epsilon in [1e-4_f64, 0.01, 0.06, 0.5, 3.0, 9.0] {
            for order in [1.01_f64, 1.5, 2.0, 7.0, 60.0] {
                let worst = (0..=20_000).map(|i| {
                    let high = epsilon * f64::from(i) / 20_000.0;
                    let mass = (high - epsilon).exp_m1() / (high.exp() * (-epsilon).exp_m1());
                    // The 1 that the masses sum to is taken out, so that small moments keep their digits.
                    let excess = mass * (order * high).exp_m1() + (1.0 - mass) * (order * (high - epsilon)).exp_m1();
                    excess.ln_1p() / (order - 1.0)
                });
                let worst = worst.fold(0.0, f64::max);
                let ours = bounded_range(epsilon, order);
                assert!(ours >= worst * (1.0 - 1e-9) && ours <= worst * 1.001, "{epsilon} {order}: {ours} {worst}");
            }
        }
        let gamma = logarithmic_gamma(10.0);
        assert!(((1.0 / gamma - 1.0) / -gamma.ln() / 10.0 - 1.0).abs() < 1e-9);
    }
}

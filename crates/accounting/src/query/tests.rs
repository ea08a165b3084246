//! What a unit can change, over all small data sets; what that makes of each output's probability; what errors depend on.
//!
//! Data sets have up to three records from values that are below, at and above the bounds, infinite, or not a number. Privacy is checked
//! from probabilities, not from draws: exactly in fractions for added noise, whose loss is at most |shift|/b, or shift²/(2σ²) for each
//! order of Rényi divergence, and by enumeration for choices. Chi-squared tests: 10 at 1e-6 each, on fixed seeds.

use std::num::NonZeroU32;

use num_bigint::BigUint;
use proptest::prelude::*;

use super::histogram::{counts, plan};
use super::moments::{Plan, Sums, squares_sensitivity};
use super::noise::{Added, Law};
use super::quantile::{choice, scores};
use super::sum::total;
use super::*;
use crate::sample::Ratio;
use crate::sample::tests::{DRAWS, fits, rng};
use crate::{Delta, pld, pure, zcdp};

const VALUES: [f64; 7] = [f64::NAN, f64::NEG_INFINITY, -1.0, 0.3, 1.0, 2.0, 1e9];
const RELATIONS: [Neighbours; 2] = [Neighbours::AddOrRemoveOne, Neighbours::ReplaceOne];

fn ratio(a: u64, b: u64) -> Ratio {
    Ratio::new(a, b).unwrap()
}

fn unit(neighbours: Neighbours, records: u32) -> Unit {
    Unit { neighbours, records: NonZeroU32::new(records).unwrap() }
}

fn grid() -> Grid {
    Grid::new(-1.0, 2.0, 1.0).unwrap()
}

/// All lists of `length` values, in order.
fn lists(length: usize) -> Vec<Vec<f64>> {
    (0..length).fold(vec![vec![]], |lists, _| lists.iter().flat_map(|list| VALUES.map(|v| [list.as_slice(), &[v]].concat())).collect())
}

/// All pairs of data sets of which one is the other with the records of one unit added, or with those of one replaced. No query depends on
/// the order.
fn neighbours(of: Unit) -> Vec<(Vec<f64>, Vec<f64>)> {
    let mut pairs = vec![];
    for rest in (0..=2).flat_map(lists) {
        for size in 1..=of.records.get() as usize {
            for unit in lists(size) {
                let with = [rest.as_slice(), &unit].concat();
                if of.neighbours == Neighbours::ReplaceOne {
                    pairs.extend(lists(size).into_iter().map(|other| (with.clone(), [rest.as_slice(), &other].concat())));
                } else {
                    pairs.push((rest.clone(), with));
                }
            }
        }
    }
    pairs
}

/// The greatest of `moved` over all neighbours.
fn greatest(of: Unit, moved: impl Fn(&[f64], &[f64]) -> u128) -> u128 {
    neighbours(of).iter().map(|(a, b)| moved(a, b)).max().unwrap()
}

fn of(data: &[f64]) -> impl Iterator<Item = f64> {
    data.iter().copied()
}

/// The first, the second and the last of four bins, by value; some records are in none.
fn bins(data: &[f64]) -> Vec<i128> {
    counts(data.iter().map(|x| if *x > 1.5 { 9 } else { (*x > 0.5) as usize + (*x > -2.0) as usize }), 3)
}

fn apart(a: &[i128], b: &[i128]) -> Vec<u128> {
    a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).collect()
}

#[test]
fn nothing_moves_further_than_its_sensitivity_and_something_as_far() {
    for relation in RELATIONS {
        for records in [1, 2] {
            let who = unit(relation, records);
            let is = |moved: u128, added: u64, replaced: u64| {
                assert_eq!(moved, u128::from(who.sensitivity(added, replaced).unwrap().get()), "{who:?}");
            };
            for grid in [grid(), Grid::new(-2.0, 1.0, 1.0).unwrap()] {
                is(greatest(who, |a, b| total(of(a), &grid).abs_diff(total(of(b), &grid))), grid.reach(), grid.width());
                let sums = |x: &[f64]| Sums::of(of(x), &grid);
                is(greatest(who, |a, b| sums(a).sum.abs_diff(sums(b).sum)), 2, 3);
                let squares = greatest(who, |a, b| sums(a).squares.abs_diff(sums(b).squares));
                assert_eq!(squares, u128::from(squares_sensitivity(&grid, who).unwrap().get()));
            }
            is(greatest(who, |a, b| bins(a).iter().zip(&bins(b)).map(|(a, b)| a.abs_diff(*b)).sum()), 1, 2);
            is(greatest(who, |a, b| apart(&bins(a), &bins(b)).into_iter().max().unwrap()), 1, 1);
            if relation == Neighbours::ReplaceOne {
                assert_eq!(greatest(who, |a, b| a.len().abs_diff(b.len()) as u128), 0);
            } else {
                is(greatest(who, |a, b| a.len().abs_diff(b.len()) as u128), 1, 1);
            }
        }
        // Ranks: both ends of the greater of a and b − a, with ties, and a candidate on either side of all values.
        for (part, of_all) in [(1, 2), (1, 4), (3, 4), (2, 5)] {
            let (rank, who) = (Rank::new(part, of_all).unwrap(), unit(relation, 1));
            let ranked = |x: &[f64]| scores(of(x), &[-3.0, -1.0, 0.3, 1.0, 5.0], rank);
            let moved = greatest(who, |a, b| ranked(a).iter().zip(ranked(b)).map(|(a, b)| u128::from(a.abs_diff(b))).max().unwrap());
            let stated = rank.sensitivity(who).unwrap().get();
            assert_eq!(moved, u128::from(stated), "{part}/{of_all} {relation}");
        }
    }
}

/// What the added noise spends on a shift: ε = |shift|/b or ρ = shift²/(2σ²), exactly.
fn spent(added: &Added, shift: u128) -> Ratio {
    match &added.law {
        Law::Laplace(law) => law.scale().inverse().times(shift),
        Law::Gaussian(law) => law.variance().times(2_u32).inverse().times(BigUint::from(shift) * shift),
    }
}

fn plus(a: &Ratio, b: &Ratio) -> Ratio {
    Ratio { numerator: &a.numerator * &b.denominator + &b.numerator * &a.denominator, denominator: &a.denominator * &b.denominator }
}

#[test]
fn no_neighbours_differ_by_more_than_the_budget() {
    let grid = grid();
    for (noise, budget) in [
        (Noise::Pure { epsilon: ratio(1, 3) }, ratio(1, 3)),
        (Noise::Pure { epsilon: ratio(7, 2) }, ratio(7, 2)),
        (Noise::Zcdp { rho: ratio(1, 7) }, ratio(1, 7)),
    ] {
        for who in RELATIONS.into_iter().flat_map(|relation| [unit(relation, 1), unit(relation, 2)]) {
            let on_sum = noise.on(who.sensitivity(grid.reach(), grid.width()).unwrap()).unwrap();
            let on_mean = |parts: u32| Plan::new(&noise.share(parts), &grid, who).unwrap();
            let known = u32::from(who.neighbours != Neighbours::ReplaceOne);
            let (mean, variance) = (on_mean(1 + known), on_mean(2 + known));
            let squares = noise.share(2 + known).on(squares_sensitivity(&grid, who).unwrap()).unwrap();
            let (bin, _) = plan(&noise, who).unwrap();
            let mut most = vec![ratio(0, 1); 4];
            for (a, b) in neighbours(who) {
                let (x, y) = (Sums::of(of(&a), &grid), Sums::of(of(&b), &grid));
                let sized = |plan: &Plan| {
                    let sum = spent(&plan.sum, x.sum.abs_diff(y.sum));
                    plan.size.as_ref().map_or(sum.clone(), |size| plus(&sum, &spent(size, x.size.abs_diff(y.size))))
                };
                let losses = [
                    spent(&on_sum, total(of(&a), &grid).abs_diff(total(of(&b), &grid))),
                    sized(&mean),
                    plus(&sized(&variance), &spent(&squares, x.squares.abs_diff(y.squares))),
                    apart(&bins(&a), &bins(&b)).into_iter().fold(ratio(0, 1), |sum, shift| plus(&sum, &spent(&bin, shift))),
                ];
                for (most, loss) in most.iter_mut().zip(losses) {
                    assert!(loss <= budget, "{who:?} {noise:?}: {a:?} and {b:?} spend {loss:?}");
                    if loss > *most {
                        *most = loss;
                    }
                }
            }
            // Nothing is wasted: sums, means and histograms spend it all for some neighbours, up to the grid of the multiplier.
            for at in [0, 1, 3] {
                assert!(most[at].times(1_000_001_u32) >= budget.times(1_000_000_u32), "{who:?} {noise:?} {at}: {:?}", most[at]);
            }
        }
    }
}

/// P(noise = k) by the formulas.
fn mass(added: &Added, k: i128) -> f64 {
    let double = |r: &Ratio| r.at_least();
    match &added.law {
        Law::Laplace(law) => {
            let p = (-1.0 / double(law.scale())).exp();
            (1.0 - p) / (1.0 + p) * p.powi(k.unsigned_abs() as i32)
        }
        Law::Gaussian(law) => {
            let weight = |k: i128| (-((k * k) as f64) / (2.0 * double(law.variance()))).exp();
            weight(k) / (-500..=500).map(weight).sum::<f64>()
        }
    }
}

/// The inequality itself, output by output: P(o|D) ≤ e^ε P(o|D'), and Renyi divergences below ρ·α.
#[test]
fn each_output_is_nearly_as_likely_for_a_neighbour() {
    let grid = grid();
    for relation in RELATIONS {
        let who = unit(relation, 1);
        let sensitivity = who.sensitivity(grid.reach(), grid.width()).unwrap();
        let laplace = Noise::Pure { epsilon: ratio(2, 3) }.on(sensitivity).unwrap();
        let gaussian = Noise::Zcdp { rho: ratio(1, 5) }.on(sensitivity).unwrap();
        let masses: Vec<f64> = (-200..=200).map(|k| mass(&laplace, k)).collect();
        let gaussians: Vec<f64> = (-60..=60).map(|k| mass(&gaussian, k)).collect();
        let mut seen = std::collections::BTreeSet::new();
        for (a, b) in neighbours(who) {
            let shift = total(of(&a), &grid) - total(of(&b), &grid);
            if !seen.insert(shift) {
                continue;
            }
            for (k, p) in masses.iter().enumerate() {
                if let Some(q) = usize::try_from(k as i128 + shift).ok().and_then(|k| masses.get(k)) {
                    assert!(*p <= (2.0_f64 / 3.0).exp() * q * (1.0 + 1e-12), "{shift} {k}");
                }
            }
            for order in [1.5, 2.0, 6.0] {
                // By logarithms: the powers alone leave the range of doubles.
                let part = |(k, p): (usize, &f64)| {
                    let q = gaussians.get(usize::try_from(k as i128 + shift).ok()?)?;
                    Some((order * p.ln() + (1.0 - order) * q.ln()).exp())
                };
                let moment: f64 = gaussians.iter().enumerate().filter_map(part).sum();
                assert!(moment.ln() / (order - 1.0) <= 0.2 * order + 1e-9, "{shift} at {order}: {moment}");
            }
        }
        assert!(seen.len() > 3);
    }
}

/// Permute-and-flip as it is described: over all orders of the candidates, the first whose coin holds.
fn permuted(left: &[usize], keep: &[f64], chance: f64, p: &mut [f64]) {
    for &candidate in left {
        let comes = chance / left.len() as f64;
        p[candidate] += comes * keep[candidate];
        let rest: Vec<usize> = left.iter().copied().filter(|c| *c != candidate).collect();
        permuted(&rest, keep, comes * (1.0 - keep[candidate]), p);
    }
}

fn chosen(scores: &[i64], epsilon: f64, sensitivity: f64, permute: bool) -> Vec<f64> {
    let best = *scores.iter().max().unwrap();
    let keep: Vec<f64> = scores.iter().map(|s| (epsilon * (s - best) as f64 / (2.0 * sensitivity)).exp()).collect();
    if !permute {
        let sum: f64 = keep.iter().sum();
        return keep.iter().map(|w| w / sum).collect();
    }
    let mut p = vec![0.0; keep.len()];
    permuted(&(0..keep.len()).collect::<Vec<_>>(), &keep, 1.0, &mut p);
    p
}

#[test]
fn a_chosen_quantile_tells_no_more_than_it_is_charged() {
    let candidates = [-1.0, 0.3, 1.0, 2.0];
    for (relation, (part, of_all)) in RELATIONS.into_iter().flat_map(|r| [(1, 2), (3, 4)].map(|rank| (r, rank))) {
        let rank = Rank::new(part, of_all).unwrap();
        let sensitivity = rank.sensitivity(unit(relation, 1)).unwrap().get().into();
        let epsilon = 1.25_f64;
        let (by_rho, _) = choice(&Noise::Zcdp { rho: ratio(1, 2) }).unwrap();
        let mut most = 0.0_f64;
        for (a, b) in neighbours(unit(relation, 1)) {
            let (x, y) = (scores(of(&a), &candidates, rank), scores(of(&b), &candidates, rank));
            let (p, q) = (chosen(&x, epsilon, sensitivity, true), chosen(&y, epsilon, sensitivity, true));
            for (p, q) in p.iter().zip(&q) {
                most = most.max((p / q).ln().abs());
            }
            let (p, q) = (chosen(&x, by_rho.at_least(), sensitivity, false), chosen(&y, by_rho.at_least(), sensitivity, false));
            for order in [1.1, 2.0, 5.0, 40.0] {
                let renyi = |p: &[f64], q: &[f64]| {
                    p.iter().zip(q).map(|(p, q)| p.powf(order) * q.powf(1.0 - order)).sum::<f64>().ln() / (order - 1.0)
                };
                assert!(renyi(&p, &q).max(renyi(&q, &p)) <= 0.5 * order + 1e-9, "{a:?} {b:?} at {order}");
            }
        }
        assert!(most <= epsilon + 1e-9, "{part}/{of_all} {relation}: {most}");
        // Not far below either: half of ε is spent by the best candidate alone.
        assert!(most > 0.5 * epsilon, "{part}/{of_all} {relation}: {most}");
    }
}

/// Draws from −`reach` to `reach` around `centre` against the law.
#[track_caller]
fn drawn(added: &Added, centre: i128, mut draw: impl FnMut() -> i128) {
    let reach = 60_i128;
    let mut counts = vec![0; 2 * reach as usize + 1];
    for _ in 0..DRAWS {
        if let Some(count) = usize::try_from(draw() - centre + reach).ok().and_then(|at| counts.get_mut(at)) {
            *count += 1;
        }
    }
    fits(&counts, &(-reach..=reach).map(|k| mass(added, k)).collect::<Vec<_>>());
}

#[test]
fn releases_have_the_distribution_that_is_charged() {
    let (who, replaced) = (unit(Neighbours::AddOrRemoveOne, 1), unit(Neighbours::ReplaceOne, 1));
    let mut rng = rng(51);
    let grid = grid();
    let one = NonZeroU32::MIN;
    for noise in [Noise::Pure { epsilon: ratio(1, 2) }, Noise::Zcdp { rho: ratio(1, 9) }] {
        drawn(&noise.on(one).unwrap(), 12, || count(12, &noise, who, &mut rng).unwrap().value.into());
        // Five records: 2 + 2 − 1 − 1 + 0.
        let on_sum = noise.on(NonZeroU32::new(3).unwrap()).unwrap();
        drawn(&on_sum, 2, || sum([9.0, 2.0, -9.0, f64::NAN, 0.1], &grid, &noise, replaced, &mut rng).unwrap().value as i128);
    }
    let noise = Noise::Pure { epsilon: ratio(1, 1) };
    let on_bin = noise.on(NonZeroU32::new(2).unwrap()).unwrap();
    for (bin, count) in [(0, 3), (2, 1)] {
        let data = [-5.0, 0.0, f64::NAN, 7.5];
        drawn(&on_bin, count, || histogram(data, &[0.0, 1.0, 2.0, 3.0], &noise, replaced, &mut rng).unwrap().value[bin].into());
    }
    let (data, candidates, upper) = ([0.0, 0.0, 1.0, 2.0, 3.0], [0.0, 0.5, 1.0, 2.5], Rank::new(3, 4).unwrap());
    let (by_epsilon, by_rho) = (Noise::Pure { epsilon: ratio(3, 2) }, Noise::Zcdp { rho: ratio(1, 2) });
    for (noise, who, rank, chance) in [
        (&by_epsilon, who, Rank::MEDIAN, chosen(&scores(data, &candidates, Rank::MEDIAN), 1.5, 1.0, true)),
        (&by_rho, who, Rank::MEDIAN, chosen(&scores(data, &candidates, Rank::MEDIAN), 2.0, 1.0, false)),
        (&by_epsilon, who, upper, chosen(&scores(data, &candidates, upper), 1.5, 3.0, true)),
        (&by_rho, replaced, upper, chosen(&scores(data, &candidates, upper), 2.0, 4.0, false)),
    ] {
        let mut counts = vec![0; 4];
        for _ in 0..DRAWS {
            let value = quantile(data, &candidates, rank, noise, who, &mut rng).unwrap().value;
            counts[candidates.iter().position(|c| *c == value).unwrap()] += 1;
        }
        fits(&counts, &chance);
    }
    // A public number of records is not touched.
    let release = count(7, &noise, replaced, &mut rng).unwrap();
    assert_eq!((release.value, release.event, release.error), (7, Event::None, 0.0));
}

/// Misses of a probability of .05 or less in 600 tries: more than 56 + 4.75 · 5.4 come once in 10⁶ choices of the seeds.
#[test]
fn errors_are_passed_as_rarely_as_stated() {
    let grid = Grid::new(-10.0, 31.0, 0.5).unwrap();
    let data: Vec<f64> = (0..400).map(|i| f64::from(i % 37) - 5.0).collect();
    let n = data.len() as f64;
    let exact_mean = data.iter().sum::<f64>() / n;
    let exact_variance = data.iter().map(|x| (x - exact_mean).powi(2)).sum::<f64>() / n;
    let rank_off = |value: f64| {
        (data.iter().filter(|x| **x < value).count() as f64 - 0.5 * n)
            .max(0.0)
            .max(0.5 * n - data.iter().filter(|x| **x <= value).count() as f64)
    };
    let candidates: Vec<f64> = (-10..=31).map(f64::from).collect();
    let mut rng = rng(61);
    for noise in [Noise::Pure { epsilon: ratio(1, 2) }, Noise::Zcdp { rho: ratio(1, 50) }] {
        for who in RELATIONS.map(|relation| unit(relation, 1)) {
            let mut missed = [0; 4];
            let mut widths = [0.0; 4];
            for _ in 0..600 {
                let mut check = |at: usize, off: f64, error: f64| {
                    missed[at] += usize::from(off > error + 1e-9);
                    widths[at] += error / 600.0;
                };
                let of_mean = mean(of(&data), &grid, &noise, who, &mut rng).unwrap();
                check(0, (of_mean.value - exact_mean).abs(), of_mean.error);
                let of_variance = variance(of(&data), &grid, &noise, who, &mut rng).unwrap();
                check(1, (of_variance.value - exact_variance).abs(), of_variance.error);
                let of_rank = quantile(of(&data), &candidates, Rank::MEDIAN, &noise, who, &mut rng).unwrap();
                check(2, rank_off(of_rank.value), of_rank.error);
                let in_bins = categories((0..400).map(|i| i % 5), 8, &noise, who, &mut rng).unwrap();
                let farthest = in_bins.value.iter().enumerate().map(|(bin, count)| (count - if bin < 5 { 80 } else { 0 }).abs()).max();
                check(3, farthest.unwrap() as f64, in_bins.error);
            }
            assert!(missed.iter().all(|m| *m <= 56), "{missed:?} {noise:?} {who:?}");
            // And says something: no error is as wide as the range.
            assert!(widths[0] < 4.0 && widths[1] < 200.0 && widths[2] < 100.0 && widths[3] < 60.0, "{widths:?}");
        }
    }
}

#[test]
fn events_compose_to_the_budget() {
    let grid = Grid::new(0.0, 100.0, 1.0).unwrap();
    let mut rng = rng(71);
    let data = [3.0, 4.0];
    for who in [Neighbours::AddOrRemoveOne, Neighbours::ReplaceOne, Neighbours::ZeroOut].map(|relation| unit(relation, 1)) {
        let mut events = |noise: &Noise| {
            [
                count_where([true], noise, who, &mut rng).unwrap().event,
                sum(data, &grid, noise, who, &mut rng).unwrap().event,
                mean(data, &grid, noise, who, &mut rng).unwrap().event,
                variance(data, &grid, noise, who, &mut rng).unwrap().event,
                quantile(data, &[1.0, 2.0], Rank::MEDIAN, noise, who, &mut rng).unwrap().event,
                categories([1], 2, noise, who, &mut rng).unwrap().event,
            ]
        };
        for event in events(&Noise::Pure { epsilon: ratio(1, 3) }) {
            let epsilon = pure::epsilon(&event).unwrap().get();
            assert!((1.0 / 3.0..1.0 / 3.0 + 1e-15).contains(&epsilon), "{event}: {epsilon}");
        }
        for event in events(&Noise::Zcdp { rho: ratio(1, 30) }) {
            let rho = zcdp::rho(&event).unwrap();
            assert!((rho * 30.0 - 1.0).abs() < 1e-6, "{event}: {rho}");
            let delta = Delta::new(1e-6).unwrap();
            let at_most = zcdp::epsilon(rho, delta).unwrap();
            match pld::epsilon(&event, delta) {
                Ok(tight) => assert!(tight.upper <= at_most, "{event}: {tight} {at_most}"),
                Err(refused) => assert!(matches!(event, Event::Zcdp { .. }), "{event}: {refused}"),
            }
        }
    }
    // Under a zeroed record the number of records that are not empty is not public.
    let noise = Noise::Pure { epsilon: ratio(1, 3) };
    for (relation, charged) in [(Neighbours::AddOrRemoveOne, true), (Neighbours::ReplaceOne, false), (Neighbours::ZeroOut, true)] {
        assert_eq!(count(3, &noise, unit(relation, 1), &mut rng).unwrap().event != Event::None, charged);
    }
    // Many records a unit: ρ alone, of all bins together.
    let (_, event) = plan(&Noise::Zcdp { rho: ratio(1, 8) }, unit(Neighbours::ReplaceOne, 3)).unwrap();
    assert_eq!(event.to_string(), "zCDP(0, 0.125)");
}

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(-0.0), Just(f64::MAX), any::<f64>(), -10.0..10.0]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// Errors, events and the errors of simple sums follow from public parameters; whatever the data, there is a finite answer.
    #[test]
    fn nothing_but_the_answer_depends_on_the_data(
        data in prop::collection::vec(any_value(), 0..6),
        (replaced, zcdp) in any::<(bool, bool)>(), records in 1_u32..4, budget in 0_u64..3, width in 0_u32..70_000, bins in 0_usize..4,
        seed in 0_u64..1_000,
    ) {
        let mut rng = rng(seed);
        let who = unit(RELATIONS[usize::from(replaced)], records);
        let noise = if zcdp { Noise::Zcdp { rho: ratio(budget, 3) } } else { Noise::Pure { epsilon: ratio(budget, 2) } };
        let edges: Vec<f64> = (0..bins).map(|i| i as f64).collect();
        // Under a public number of records, other data of the same size; else none at all.
        let other: Vec<f64> = if replaced { vec![0.0; data.len()] } else { vec![] };
        // What may depend on public parameters alone.
        let mut public = |data: &[f64]| {
            let mut all: Vec<Result<(String, f64), Error>> = vec![];
            let mut add = |finite: bool, public: Result<(String, f64), Error>| {
                assert!(finite);
                all.push(public);
            };
            fn split<T>(made: Result<Release<T>, Error>, keep: bool, ok: impl Fn(&T) -> bool) -> (bool, Result<(String, f64), Error>) {
                match made {
                    Ok(release) => {
                        assert!(release.error.is_finite() && release.error >= 0.0);
                        (ok(&release.value), Ok((release.event.to_string(), if keep { release.error } else { 0.0 })))
                    }
                    Err(error) => (true, Err(error)),
                }
            }
            let (finite, made) = split(count(data.len() as u64, &noise, who, &mut rng), true, |_| true);
            add(finite, made);
            let (finite, made) = split(count_where(data.iter().map(|x| *x > 0.0), &noise, who, &mut rng), true, |_| true);
            add(finite, made);
            if let Ok(grid) = Grid::new(-3.0, f64::from(width) - 3.0, 1.0) {
                let within = |low: f64, high: f64| move |value: &f64| (low..=high).contains(value);
                let (finite, made) = split(sum(of(data), &grid, &noise, who, &mut rng), true, |v| v.is_finite());
                add(finite, made);
                let (finite, made) = split(mean(of(data), &grid, &noise, who, &mut rng), false, within(grid.low(), grid.high()));
                add(finite, made);
                let most = (grid.high() - grid.low()).powi(2) / 4.0;
                let (finite, made) = split(variance(of(data), &grid, &noise, who, &mut rng), false, within(0.0, most));
                add(finite, made);
            }
            let (finite, made) = split(quantile(of(data), &edges, Rank::MEDIAN, &noise, who, &mut rng), true, |v| edges.contains(v));
            add(finite, made);
            let (finite, made) = split(histogram(of(data), &edges, &noise, who, &mut rng), true, |v| v.len() + 1 == edges.len());
            add(finite, made);
            let records = data.iter().map(|x| *x as usize);
            let (finite, made) = split(categories(records, bins, &noise, who, &mut rng), true, |v| v.len() == bins);
            add(finite, made);
            all
        };
        let (one, two) = (public(&data), public(&other));
        let same = |a: &Result<(String, f64), Error>, b: &Result<(String, f64), Error>| match (a, b) {
            // Errors hold a NaN where there is no number to show.
            (Err(a), Err(b)) => a.to_string() == b.to_string(),
            _ => a == b,
        };
        prop_assert!(one.len() == two.len() && one.iter().zip(&two).all(|(a, b)| same(a, b)), "{one:?} {two:?}");
        // With a budget, edges and bins there is always an answer.
        if budget > 0 && bins > 1 && (1..40_000).contains(&width) {
            prop_assert!(one.iter().all(Result::is_ok), "{one:?}");
        }
    }
}

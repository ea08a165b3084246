//! Model inversion: what does a model take for the most typical input of a class?
//!
//! What comes out is about a class. Where a class is one person (faces by name), that is about a person; where it is not, the class mean is what anybody
//! knows who has seen such data, and an inversion that is no nearer to it than to other classes has found nothing.

use crate::controls;
use crate::update::Network;
use crate::{Attack, Error, Finding, MemberScores, folds};

/// A model whose confidence has a slope: white box, or its answers to enough questions.
pub trait Slope {
    /// p of a class for one input, and its slope by each of the inputs.
    fn confidence(&self, input: &[f64], class: usize) -> (f64, Vec<f64>);
}

impl Slope for Network {
    fn confidence(&self, input: &[f64], class: usize) -> (f64, Vec<f64>) {
        // What does not fit is no number, which `invert` refuses.
        Self::confidence(self, input, class).unwrap_or_else(|_| (f64::NAN, vec![]))
    }
}

impl<F: Fn(&[f64], usize) -> (f64, Vec<f64>)> Slope for F {
    fn confidence(&self, input: &[f64], class: usize) -> (f64, Vec<f64>) {
        self(input, class)
    }
}

/// How long it climbs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Climb {
    /// Length of a step in units of the inputs: the slope is normalised, for the one of a sure model vanishes.
    pub step: f64,
    /// Most steps.
    pub steps: usize,
    /// Ends after so many without a better input.
    pub patience: usize,
    /// Ends at this confidence.
    pub enough: f64,
}

impl Default for Climb {
    fn default() -> Self {
        Self { step: 0.5, steps: 1000, patience: 50, enough: 0.999 }
    }
}

/// What was found for a class.
#[derive(Clone)]
pub struct Inverted {
    /// The input with the highest confidence on the way.
    pub input: Vec<f64>,
    /// That confidence.
    pub confidence: f64,
}

/// MI-FACE (Fredrikson, Jha and Ristenpart 2015, algorithm 1, without its denoiser): climbs the confidence in `class` from `start`, each coordinate kept
/// within `bounds`.
///
/// ```
/// use reticent_audit::inversion::{Climb, invert};
/// // A model that is sure of (1, -1): a bump around it.
/// let model = |x: &[f64], _: usize| {
///     let p = (-((x[0] - 1.0).powi(2) + (x[1] + 1.0).powi(2))).exp();
///     (p, vec![-2.0 * p * (x[0] - 1.0), -2.0 * p * (x[1] + 1.0)])
/// };
/// let found = invert(&model, &[0.0, 0.0], 0, (-2.0, 2.0), Climb { step: 0.01, ..Climb::default() })?;
/// assert!(found.confidence > 0.99 && (found.input[0] - 1.0).abs() < 0.05);
/// # Ok::<(), reticent_audit::Error>(())
/// ```
///
/// # Errors
/// [`Error::NotANumber`] where the model's confidence or its slope is no number; [`Error::Length`] for a slope of another length.
pub fn invert(model: &dyn Slope, start: &[f64], class: usize, bounds: (f64, f64), climb: Climb) -> Result<Inverted, Error> {
    let mut x = start.to_vec();
    let mut best = Inverted { input: x.clone(), confidence: f64::NEG_INFINITY };
    let mut since = 0;
    for _ in 0..=climb.steps {
        let (p, slope) = model.confidence(&x, class);
        folds::finite(&[p])?;
        folds::finite(&slope)?;
        folds::same_length("the slope", slope.len(), x.len())?;
        if p > best.confidence {
            (best, since) = (Inverted { input: x.clone(), confidence: p }, 0);
        } else {
            since += 1;
        }
        let length = slope.iter().map(|s| s * s).sum::<f64>().sqrt();
        if best.confidence >= climb.enough || since > climb.patience || length == 0.0 {
            break;
        }
        x.iter_mut().zip(&slope).for_each(|(x, s)| *x = (*x + climb.step * s / length).clamp(bounds.0, bounds.1));
    }
    Ok(best)
}

/// Pearson's correlation of two inputs; 0 where one of them is constant.
#[must_use]
pub fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let (ma, mb) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        let (x, y) = (x - ma, y - mb);
        (ab, aa, bb) = (ab + x * y, aa + x * x, bb + y * y);
    }
    if aa > 0.0 && bb > 0.0 { ab / (aa * bb).sqrt() } else { 0.0 }
}

/// Whether inversions resemble the mean of the real inputs of their class more than those of other classes: "members" are correlations with the own
/// class, "non-members" with each other class, all inputs taken less the mean over classes, which every inversion may resemble. `inverted[class]`, `means[class]`.
///
/// `of_control` are inversions of the same kind of model trained on labels dealt at random: what the search and the shape of the data alone give. Where
/// they resemble the class means, the finding is invalid.
///
/// # Errors
/// [`Error::Length`]; [`Error::OneSided`] for fewer than two classes.
pub fn resemble(attack: Attack, inverted: &[Vec<f64>], means: &[Vec<f64>], of_control: &[Vec<f64>]) -> Result<Finding, Error> {
    folds::same_length("inversions", inverted.len(), means.len())?;
    folds::same_length("inversions of the control", of_control.len(), means.len())?;
    let width = means.first().map_or(0, Vec::len);
    for list in inverted.iter().chain(means).chain(of_control) {
        folds::same_length("inputs", list.len(), width)?;
    }
    let scores = |found: &[Vec<f64>]| {
        let (own, other) = correlations(found, means);
        MemberScores::new(own, other)
    };
    let found = scores(inverted)?;
    let checks = vec![controls::no_advantage("the same attack on a model of labels dealt at random", &scores(of_control)?)];
    let gaps = ["single people: what comes out is about a class, as the class mean is", "attackers with a model of what inputs look like"];
    Finding::new(attack, &found, checks, None, None, None, gaps.map(str::to_owned).to_vec())
}

/// How much more inversions are like the mean of their own class than like those of others: the mean correlation with the own less the mean of the others,
/// centred as in [`resemble`]; from −2 to 2, and about 0 where they have nothing to do with the classes.
///
/// # Errors
/// [`Error::Length`]; [`Error::OneSided`] for fewer than two classes.
pub fn resemblance(inverted: &[Vec<f64>], means: &[Vec<f64>]) -> Result<f64, Error> {
    folds::same_length("inversions", inverted.len(), means.len())?;
    for list in inverted.iter().chain(means) {
        folds::same_length("inputs", list.len(), means[0].len())?;
    }
    let (own, other) = correlations(inverted, means);
    if other.is_empty() {
        return Err(Error::OneSided { members: own.len(), non_members: 0 });
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    Ok(mean(&own) - mean(&other))
}

/// The probability that a model of labels dealt at random has a [`resemblance`] as high, by its rank among such models: (1 + as high)/(1 + all). It holds
/// for any number of classes, where the area of [`resemble`] needs many; the least that n controls can show is 1/(n + 1).
#[must_use]
pub fn p_value(found: f64, of_controls: &[f64]) -> f64 {
    (1 + of_controls.iter().filter(|c| **c >= found).count()) as f64 / (1 + of_controls.len()) as f64
}

/// Correlations of each inversion with the mean of its own class, and of every other class; all less the mean over classes.
fn correlations(found: &[Vec<f64>], means: &[Vec<f64>]) -> (Vec<f64>, Vec<f64>) {
    let (found, means) = (centred(found), centred(means));
    let (mut own, mut other) = (vec![], vec![]);
    for (class, input) in found.iter().enumerate() {
        for (of, mean) in means.iter().enumerate() {
            if of == class { &mut own } else { &mut other }.push(correlation(input, mean));
        }
    }
    (own, other)
}

fn centred(all: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let width = all.first().map_or(0, Vec::len);
    let mean: Vec<f64> = (0..width).map(|j| all.iter().map(|v| v[j]).sum::<f64>() / all.len() as f64).collect();
    all.iter().map(|v| v.iter().zip(&mean).map(|(v, m)| v - m).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::update::Differentiable;
    use crate::{Verdict, testing};

    fn attack() -> Attack {
        Attack { name: "inversion".into(), variant: "".into(), threat_model: "".into(), unit: "class".into(), seed: 1 }
    }

    /// Softmax regression whose weights are prototypes: the steepest way to a class is its prototype less the mean of all, weighted by p; it ends there.
    fn prototypes(classes: usize, width: usize, seed: u64) -> (Network, Vec<Vec<f64>>) {
        let mut rng = testing::rng(seed);
        let means: Vec<Vec<f64>> = (0..classes).map(|_| (0..width).map(|_| testing::normal(&mut rng)).collect()).collect();
        let weights = means.concat().into_iter().chain(vec![0.0; classes]).collect();
        (Network::new(vec![width, classes], weights).unwrap(), means)
    }

    fn inversions(model: &Network) -> Vec<Vec<f64>> {
        let start = vec![0.0; model.inputs()];
        (0..model.classes()).map(|c| invert(model, &start, c, (-1.0, 1.0), Climb::default()).unwrap().input).collect()
    }

    #[test]
    fn prototypes_come_out_and_those_of_another_model_do_not() {
        let (model, means) = prototypes(8, 50, 1);
        let (control, _) = prototypes(8, 50, 2);
        for class in 0..8 {
            let found = invert(&model, &[0.0; 50], class, (-1.0, 1.0), Climb::default()).unwrap();
            assert!(found.confidence >= 0.999 && found.input.iter().all(|x| x.abs() <= 1.0));
            // Confidence is what the model says of it.
            assert!((Slope::confidence(&model, &found.input, class).0 - found.confidence).abs() < 1e-15);
        }
        let finding = resemble(attack(), &inversions(&model), &means, &inversions(&control)).unwrap();
        assert!(finding.area.auc > 0.99 && finding.controls[0].passed, "{:?} {:?}", finding.area, finding.controls);
        // The control resembles the classes: the finding is about something else.
        let invalid = resemble(attack(), &inversions(&model), &means, &inversions(&model)).unwrap();
        assert!(matches!(invalid.verdict, Verdict::Invalid { .. }));
    }

    /// With two classes an area is of two numbers on each side: 0, ½ or 1. The rank among models of dealt labels tells prototypes from them, and these, held
    /// against one another, come first about as often as they should: of 200 more than 24 first of 20 with probability 4e-5, fewer than 1 with 4e-5.
    #[test]
    fn two_classes_are_told_by_rank() {
        let of = |seed| inversions(&prototypes(2, 40, seed).0);
        let (model, means) = prototypes(2, 40, 1);
        let controls: Vec<f64> = (0..19).map(|s| resemblance(&of(100 + s), &means).unwrap()).collect();
        let found = resemblance(&inversions(&model), &means).unwrap();
        assert!(found > 1.5 && p_value(found, &controls) == 0.05, "{found} {controls:?}");
        let mut first = 0;
        for round in 0..200 {
            let all: Vec<f64> = (0..20).map(|s| resemblance(&of(1000 + 20 * round + s), &means).unwrap()).collect();
            first += usize::from(p_value(all[0], &all[1..]) <= 0.05);
        }
        assert!((1..=24).contains(&first), "{first}");
        assert_eq!((p_value(1.0, &[]), p_value(1.0, &[1.0, 0.0, 2.0])), (1.0, 0.75));
        assert!(matches!(resemblance(&means[..1], &means[..1]), Err(Error::OneSided { .. })));
        assert!(matches!(resemblance(&means[..1], &means), Err(Error::Length { .. })));
    }

    /// 100 pairs of unrelated models: the control fails in about .1% of pairs, more than 3 of 100 with probability 4e-6.
    #[test]
    fn unrelated_models_resemble_nothing() {
        let mut failed = 0;
        for seed in 0..100 {
            let (model, _) = prototypes(6, 30, 100 + seed);
            let (_, means) = prototypes(6, 30, 500 + seed);
            let found = inversions(&model);
            failed += usize::from(matches!(resemble(attack(), &found, &means, &found).unwrap().verdict, Verdict::Invalid { .. }));
        }
        assert!(failed <= 3, "{failed}");
    }

    #[test]
    fn bad_input() {
        let nonsense = |_: &[f64], _: usize| (f64::NAN, vec![0.0]);
        assert!(matches!(invert(&nonsense, &[0.0], 0, (0.0, 1.0), Climb::default()), Err(Error::NotANumber { .. })));
        let short = |_: &[f64], _: usize| (0.5, vec![]);
        assert!(matches!(invert(&short, &[0.0], 0, (0.0, 1.0), Climb::default()), Err(Error::Length { .. })));
        let flat = |x: &[f64], _: usize| (0.5, vec![0.0; x.len()]);
        assert_eq!(invert(&flat, &[0.2], 0, (0.0, 1.0), Climb::default()).unwrap().input, [0.2]);
        let one = vec![vec![1.0, 2.0]];
        assert!(matches!(resemble(attack(), &one, &one, &one), Err(Error::OneSided { .. })));
        assert!(matches!(resemble(attack(), &one, &[], &one), Err(Error::Length { .. })));
        assert_eq!(correlation(&[1.0, 1.0], &[1.0, 2.0]), 0.0);
        assert!((correlation(&[1.0, 2.0, 4.0], &[-2.0, -4.0, -8.0]) + 1.0).abs() < 1e-12);
    }
}

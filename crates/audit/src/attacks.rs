//! The attacks on membership by name: what each needs, what it is called, and whose it is.

use crate::folds::same_length;
use crate::lira::{Knowledge, Variance, log_likelihood_ratios};
use crate::reference::Calibration;
use crate::shadow::Membership;
use crate::{Error, attack_classifier, population, quantile, reference, signal};

/// RMIA's γ, and `a` where only models without the unit are there.
const GAMMA: f64 = 2.0;
const OFFLINE_A: f64 = 0.33;

/// What an attack on membership needs beside the answers about each unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Probabilities and the true class.
    Answers,
    /// Non-members of the same kind, at least five of each side.
    Population,
    /// The same, and each unit's inputs.
    Inputs,
    /// Answers to questions with noise: the model itself.
    Questions,
    /// Reference models without each unit.
    Out,
    /// Reference models with each unit and without it.
    Both,
}

impl Needs {
    /// In words.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Answers => "probabilities and the true class",
            Self::Population => "at least five members and five others",
            Self::Inputs => "the inputs of each unit, and at least five members and five others",
            Self::Questions => "the model itself, to ask it further questions",
            Self::Out => "reference models trained without each unit: one, for LiRA two",
            Self::Both => "reference models trained with each unit and others without it: one of each, for LiRA two",
        }
    }
}

/// An attack on membership.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Name {
    /// What it is chosen by: `lira-fixed`.
    pub id: &'static str,
    /// What it does and whose it is, in a line.
    pub about: &'static str,
    /// What it needs.
    pub needs: Needs,
    /// Score at or above which a unit is called a member, fixed in advance.
    pub threshold: Option<f64>,
    run: Run,
}

type Signal = fn(&[f64], usize) -> f64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    Signal(usize),
    Population(usize, bool),
    Quantile,
    LabelOnly,
    Known,
    Shokri,
    Calibrated(Calibration),
    Lira(Option<Variance>, Knowledge),
    Rmia(Knowledge),
    Base(Knowledge),
}

/// The signals that an answer gives, in the order of [`Material::signals`].
pub const SIGNALS: [Signal; 6] =
    [signal::confidence, signal::loss, signal::correctness, signal::entropy, signal::modified_entropy, signal::phi];
/// Place of the loss among [`SIGNALS`].
pub const LOSS: usize = 1;
const MODIFIED_ENTROPY: usize = 4;
/// Place of φ among [`SIGNALS`].
pub const PHI: usize = 5;

const fn name(id: &'static str, needs: Needs, threshold: Option<f64>, run: Run, about: &'static str) -> Name {
    Name { id, about, needs, threshold, run }
}

use Knowledge::{Offline, Online};

/// Every attack, the simplest first.
pub const ALL: [Name; 23] = [
    name(
        "confidence",
        Needs::Answers,
        Some(crate::membership::CONFIDENCE_THRESHOLD),
        Run::Signal(0),
        "probability of the true class (Yeom et al. 2018)",
    ),
    name("loss", Needs::Answers, None, Run::Signal(LOSS), "ln of the probability of the true class (Yeom et al. 2018)"),
    name("correctness", Needs::Answers, Some(1.0), Run::Signal(2), "1 where the true class is the most probable (Yeom et al. 2018)"),
    name("entropy", Needs::Answers, None, Run::Signal(3), "minus the entropy, without the label (Salem et al. 2019)"),
    name("modified-entropy", Needs::Answers, None, Run::Signal(MODIFIED_ENTROPY), "minus the modified entropy (Song and Mittal 2021)"),
    name(
        "class-entropy",
        Needs::Population,
        Some(0.9),
        Run::Population(MODIFIED_ENTROPY, true),
        "modified entropy beside non-members of the class (Song and Mittal 2021, a threshold a class)",
    ),
    name("population", Needs::Population, Some(0.9), Run::Population(LOSS, false), "loss beside non-members (Attack-P, Ye et al. 2022)"),
    name(
        "quantile",
        Needs::Inputs,
        Some(quantile::THRESHOLD),
        Run::Quantile,
        "logit beside the quantile predicted from the inputs (Bertran et al. 2023)",
    ),
    name("label-only", Needs::Questions, None, Run::LabelOnly, "noise that the label withstands (Choquette-Choo et al. 2021)"),
    name(
        "known-members",
        Needs::Population,
        Some(0.0),
        Run::Known,
        "logistic regression on the answer's signals, some members known (TensorFlow Privacy)",
    ),
    name(
        "shadow-classifier",
        Needs::Both,
        Some(0.0),
        Run::Shokri,
        "a classifier of shadow answers for each class (Shokri et al. 2017), on the logit",
    ),
    name("calibrated", Needs::Out, None, Run::Calibrated(Calibration::Out), "ℓ − μ_out (Watson et al. 2022)"),
    name("calibrated-middle", Needs::Both, None, Run::Calibrated(Calibration::Middle), "ℓ − (μ_in + μ_out)/2 (Sablayrolles et al. 2019)"),
    name(
        "lira",
        Needs::Both,
        None,
        Run::Lira(None, Online),
        "likelihood ratio, variance by the number of models: below 64 normal-inverse-gamma, else per unit",
    ),
    name(
        "lira-per-example",
        Needs::Both,
        None,
        Run::Lira(Some(Variance::PerExample), Online),
        "likelihood ratio, mean and variance per unit (Carlini et al. 2022)",
    ),
    name(
        "lira-global",
        Needs::Both,
        None,
        Run::Lira(Some(Variance::Global), Online),
        "likelihood ratio, one variance for in and one for out, centred by unit",
    ),
    name(
        "lira-fixed",
        Needs::Both,
        None,
        Run::Lira(Some(Variance::GlobalUncentred), Online),
        "likelihood ratio, fixed variance as in the authors' code (Carlini et al. 2022)",
    ),
    name(
        "lira-student",
        Needs::Both,
        None,
        Run::Lira(Some(Variance::StudentT), Online),
        "likelihood ratio, normal-inverse-gamma prior fitted to all units (after BaVarIA, Brännvall 2026)",
    ),
    name(
        "lira-offline",
        Needs::Out,
        None,
        Run::Lira(None, Offline),
        "how far above models without the unit (Carlini et al. 2022), variance as `lira`",
    ),
    name("rmia", Needs::Both, None, Run::Rmia(Online), "pairs with other units, both kinds of models (Zarifzadeh et al. 2024), γ = 2"),
    name(
        "rmia-offline",
        Needs::Out,
        None,
        Run::Rmia(Offline),
        "pairs with other units, models without the unit, γ = 2, a = .33 (Zarifzadeh et al. 2024)",
    ),
    name("base", Needs::Both, None, Run::Base(Online), "ln p − ln of its mean under the reference models (Lassila et al. 2025)"),
    name("base-offline", Needs::Out, None, Run::Base(Offline), "ln p − ln of its mean under models without the unit (Lassila et al. 2025)"),
];

/// Finds attacks by their names, in the order of [`ALL`]; `all` is every one of them.
///
/// ```
/// let found = reticent_audit::attacks::named(&["lira".into(), "loss".into()])?;
/// assert_eq!(found.iter().map(|a| a.id).collect::<Vec<_>>(), ["loss", "lira"]);
/// assert!(reticent_audit::attacks::named(&["psychic".into()]).is_err());
/// # Ok::<(), reticent_audit::Error>(())
/// ```
///
/// # Errors
/// [`Error::NoAttack`].
pub fn named(names: &[String]) -> Result<Vec<Name>, Error> {
    if let Some(unknown) = names.iter().find(|n| *n != "all" && ALL.iter().all(|a| a.id != **n)) {
        return Err(Error::NoAttack { name: unknown.clone() });
    }
    Ok(ALL.into_iter().filter(|a| names.iter().any(|n| n == "all" || n == a.id)).collect())
}

/// What is at hand of one model, by unit. No `Debug`: signals are about somebody.
pub struct Material<'a> {
    /// Whether the model was trained with the unit.
    pub member: &'a [bool],
    /// The class of each unit.
    pub class: &'a [usize],
    /// `[signal][unit]` for [`SIGNALS`].
    pub signals: &'a [Vec<f64>],
    /// `[unit]`, what a model would be asked: without it no attack by quantile regression.
    pub inputs: Option<&'a [Vec<f64>]>,
    /// The score of [`label_only`](crate::label_only), where the model could be asked.
    pub withstood: Option<&'a [f64]>,
    /// Answers of reference models.
    pub references: Option<References<'a>>,
    /// Of all draws.
    pub seed: u64,
}

/// What reference models answer, by model and unit.
#[derive(Clone, Copy)]
pub struct References<'a> {
    /// φ.
    pub phi: &'a [Vec<f64>],
    /// ln p of the true class.
    pub log_p: &'a [Vec<f64>],
    /// The same under the model attacked, `[unit]`.
    pub of_target: &'a [f64],
    /// Which model was trained with which unit.
    pub members: &'a Membership,
}

impl Material<'_> {
    /// The scores of an attack, and its variant in words. `None` where what it needs is not there.
    ///
    /// # Errors
    /// As the attack's own function.
    pub fn scores(&self, attack: Name) -> Result<Option<(String, Vec<f64>)>, Error> {
        for signal in self.signals {
            same_length("signals", signal.len(), self.member.len())?;
        }
        same_length("classes", self.class.len(), self.member.len())?;
        let phi = &self.signals[PHI];
        let mut about = attack.about.to_owned();
        let one_class = vec![0; self.class.len()];
        let scores = match attack.run {
            Run::Signal(which) => self.signals[which].clone(),
            Run::Population(which, by_class) => {
                population::quantile(&self.signals[which], if by_class { self.class } else { &one_class }, self.member, self.seed)?
            }
            Run::Quantile => match self.inputs {
                Some(inputs) => quantile::regression(phi, &self.with_class(inputs), self.member, self.seed)?,
                None => return Ok(None),
            },
            Run::LabelOnly => match self.withstood {
                Some(withstood) => withstood.to_vec(),
                None => return Ok(None),
            },
            Run::Known => {
                let signals: Vec<Vec<f64>> = (0..self.member.len()).map(|u| self.signals.iter().map(|s| s[u]).collect()).collect();
                attack_classifier::known_members(&self.with_class(&signals), self.member, self.seed)?
            }
            _ => {
                let Some(References { phi: shadow, log_p: shadow_log_p, of_target: log_p, members }) = self.references else {
                    return Ok(None);
                };
                let (ins, outs) = (self.fewest(members, true), self.fewest(members, false));
                let enough = |knowledge, least| outs >= least && (knowledge == Offline || ins >= least);
                match attack.run {
                    Run::Shokri if enough(Online, 1) => attack_classifier::shadow_trained(phi, shadow, members, self.class)?,
                    Run::Calibrated(by) if enough(if by == Calibration::Out { Offline } else { Online }, 1) => {
                        reference::calibrated(log_p, shadow_log_p, members, by)?
                    }
                    Run::Lira(variance, knowledge) if enough(knowledge, 2) => {
                        let variance = variance.unwrap_or(Variance::for_shadows(members.shadows()));
                        let words = variance.describe();
                        about = if knowledge == Online { words.to_owned() } else { words.replacen("online", "offline", 1) };
                        log_likelihood_ratios(phi, shadow, members, variance, knowledge)?
                    }
                    Run::Rmia(knowledge) if enough(knowledge, 1) => {
                        let (a, words) = match knowledge {
                            Online => (1.0, format!("online, γ = {GAMMA}")),
                            Offline => (OFFLINE_A, format!("offline, γ = {GAMMA}, a = {OFFLINE_A}")),
                        };
                        about = words;
                        reference::rmia(log_p, shadow_log_p, members, GAMMA, a, knowledge)?
                    }
                    Run::Base(knowledge) if enough(knowledge, 1) => {
                        about = if knowledge == Online { "online" } else { "offline" }.into();
                        reference::base(log_p, shadow_log_p, members, knowledge)?
                    }
                    _ => return Ok(None),
                }
            }
        };
        Ok(Some((about, scores)))
    }

    fn fewest(&self, members: &Membership, side: bool) -> usize {
        let count = |unit| (0..members.shadows()).filter(|&m| members.is_in(m, unit) == side).count();
        (0..members.units()).map(count).min().unwrap_or(0)
    }

    /// What is known of each unit, followed by one input for each class.
    fn with_class(&self, known: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let classes = self.class.iter().max().map_or(0, |c| c + 1);
        let of =
            |(x, &class): (&Vec<f64>, &usize)| x.iter().copied().chain((0..classes).map(|c| f64::from(u8::from(c == class)))).collect();
        known.iter().zip(self.class).map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shadow::balanced_matrix;
    use crate::{MemberScores, testing};
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn names_are_unique_and_found() {
        assert_eq!(ALL.iter().map(|a| a.id).collect::<BTreeSet<_>>().len(), ALL.len());
        assert_eq!(named(&["all".into()]).unwrap().len(), ALL.len());
        assert_eq!(named(&[]).unwrap(), []);
    }

    /// What every attack finds of one model, by name: units of different difficulty, which follows from their inputs; whoever is in stands `lift` higher.
    fn areas(lift: f64, seed: u64) -> BTreeMap<&'static str, f64> {
        let mut rng = testing::rng(seed);
        let (units, shadows) = (1200, 8);
        let members = balanced_matrix(units, shadows, 2).unwrap();
        let inputs: Vec<Vec<f64>> = (0..units).map(|_| vec![testing::normal(&mut rng), testing::normal(&mut rng)]).collect();
        let mut phi = |is_in: &dyn Fn(usize) -> bool| -> Vec<f64> {
            (0..units).map(|u| 2.0 * inputs[u][0] + lift * f64::from(u8::from(is_in(u))) + 0.5 * testing::normal(&mut rng)).collect()
        };
        let log_p = |phi: &[f64]| phi.iter().map(|f| -(1.0 + (-f).exp()).ln()).collect::<Vec<f64>>();
        let shadow: Vec<Vec<f64>> = (0..shadows).map(|s| phi(&|u| members.is_in(s, u))).collect();
        let shadow_log_p: Vec<Vec<f64>> = shadow.iter().map(|p| log_p(p)).collect();
        let member: Vec<bool> = (0..units).map(|u| u % 2 == 0).collect();
        let of_target = phi(&|u| member[u]);
        let p: Vec<[f64; 2]> = of_target.iter().map(|f| 1.0 / (1.0 + (-f).exp())).map(|p| [p, 1.0 - p]).collect();
        let signals: Vec<Vec<f64>> = SIGNALS.iter().map(|signal| p.iter().map(|p| signal(p, 0)).collect()).collect();
        let material = Material {
            member: &member,
            class: &vec![0; units],
            signals: &signals,
            inputs: Some(&inputs),
            withstood: Some(&of_target),
            references: Some(References { phi: &shadow, log_p: &shadow_log_p, of_target: &signals[LOSS], members: &members }),
            seed,
        };
        let area = |attack: Name| {
            let scores = material.scores(attack).unwrap().unwrap().1;
            let side = |which| scores.iter().zip(&member).filter(|(_, m)| **m == which).map(|(s, _)| *s).collect();
            (attack.id, MemberScores::new(side(true), side(false)).unwrap().auc())
        };
        ALL.into_iter().map(area).collect()
    }

    /// Nothing to find: each of 23 areas leaves .5 ± 5.5 × .0167 with probability 4e-8.
    #[test]
    fn without_a_lift_none_finds_anything() {
        let found = areas(0.0, 31);
        assert!(found.values().all(|a| (a - 0.5).abs() < 0.092), "{found:?}");
    }

    /// With one all but entropy (which does not know the label) and its like find it, and those that know how hard a unit is find more.
    #[test]
    fn with_a_lift_each_finds_its_share() {
        let found = areas(1.0, 32);
        for (id, area) in &found {
            let knows = ["quantile", "calibrated", "lira", "rmia", "base"].iter().any(|k| id.starts_with(k));
            assert!(*area > if knows { 0.68 } else { 0.52 } || *id == "entropy", "{id}: {area}");
            assert!(!knows || *area > found["loss"] + 0.05, "{id}: {area}, loss {}", found["loss"]);
        }
    }

    /// Without references, inputs or questions the attacks that need them are not there; the others are.
    #[test]
    fn what_is_not_at_hand_is_not_made_up() {
        let member: Vec<bool> = (0..20).map(|u| u % 2 == 0).collect();
        let signals = vec![(0..20).map(f64::from).collect::<Vec<f64>>(); SIGNALS.len()];
        let material =
            Material { member: &member, class: &[0; 20], signals: &signals, inputs: None, withstood: None, references: None, seed: 0 };
        for attack in ALL {
            let there = matches!(attack.needs, Needs::Answers | Needs::Population);
            assert_eq!(material.scores(attack).unwrap().is_some(), there, "{}", attack.id);
        }
        assert!(matches!(Material { class: &[0; 19], ..material }.scores(ALL[0]), Err(Error::Length { .. })));
    }
}

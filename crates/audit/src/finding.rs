//! A finding: what was attacked, how, what came out, and what it says about a stated ε.

use crate::ceiling;
use crate::controls::Control;
use crate::roc::{Area, Decision, PRIORS, Point, REPORTED_FPR, TprAt, positive_predictive_value};
use crate::vulnerability::{Bin, histogram};
use crate::{Error, LowerBound, MemberScores};
use reticent_accounting::{Delta, Epsilon, Event};
use serde::Serialize;

/// Points of the curve kept for a plot.
const POINTS: usize = 200;

/// What the attacker has and does: part of every finding.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Attack {
    /// Its name in the field: `LiRA`, `loss`, `confidence`.
    pub name: String,
    /// Which of its variants: official implementations disagree.
    pub variant: String,
    /// Access, knowledge beside the model, and whether queries depend on answers.
    pub threat_model: String,
    /// What a score is about: `person`, `reconstructed unit`, `canary`.
    pub unit: String,
    /// Seed of all draws of the attack.
    pub seed: u64,
}

/// The proved bound that a finding is held against.
#[derive(Debug, Clone, PartialEq)]
pub struct Stated {
    /// Proved upper bound.
    pub epsilon: Epsilon,
    /// Its δ.
    pub delta: Delta,
    /// The mechanism, where it is known: its trade-off curve is tighter than its (ε, δ).
    pub event: Option<Event>,
}

/// A measured lower bound, and what its audit could have shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The bound.
    pub bound: LowerBound,
    /// The largest ε that a perfect attack on this sample would have shown.
    pub ceiling: f64,
    /// The ε that the same attack shows where it must find something, the noise left out: its real power. `None` where that was not tried.
    pub power: Option<f64>,
}

/// The positive predictive value at a threshold, for one share of members among those attacked.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Predictive {
    /// False-positive rate of the threshold.
    pub fpr: f64,
    /// Share of members among those attacked.
    pub prior: f64,
    /// Probability that somebody called a member is one.
    pub value: f64,
}

/// The largest true-positive rate that the stated bound allows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Allowed {
    /// False-positive rate.
    pub fpr: f64,
    /// By (ε, δ).
    pub by_epsilon: f64,
    /// By the mechanism's trade-off curve, where the mechanism is known.
    pub by_mechanism: Option<f64>,
}

/// What a measured lower bound says about the proved upper bound. There is no verdict that a model leaks nothing.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// The measured lower bound lies above the proved upper bound: one of them is wrong. Look for the fault before releasing anything.
    Contradicted {
        /// Measured.
        lower: f64,
        /// Proved.
        upper: f64,
    },
    /// The measured lower bound lies below the proved upper bound, and this audit could have contradicted it.
    Consistent {
        /// Measured.
        lower: f64,
        /// Proved.
        upper: f64,
    },
    /// This audit could hardly have contradicted the bound: not even a perfect attack on this sample, or not this attack with the noise left out.
    Inconclusive {
        /// The largest ε that this audit could show: its power.
        power: f64,
        /// Proved.
        upper: f64,
    },
    /// There is no proved bound, or no lower bound was measured, to hold against the other.
    NothingToCompare,
    /// A control failed: the numbers do not mean what they seem to.
    Invalid {
        /// Which, and how.
        why: String,
    },
}

impl Verdict {
    /// Compares what was measured with what was proved; `power` is the largest ε that the audit could have shown.
    ///
    /// ```
    /// use reticent_accounting::Delta;
    /// use reticent_audit::{LowerBound, Verdict};
    /// let lower = LowerBound::one_run_counts(1000, 1000, 900, Delta::new(1e-5)?, 0.05)?;
    /// assert!(matches!(Verdict::of(Some(&lower), Some(1.5), 5.8), Verdict::Contradicted { .. }));
    /// assert!(matches!(Verdict::of(Some(&lower), Some(2.5), 5.8), Verdict::Consistent { .. }));
    /// assert!(matches!(Verdict::of(Some(&lower), Some(8.0), 5.8), Verdict::Inconclusive { .. }));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn of(lower: Option<&LowerBound>, upper: Option<f64>, power: f64) -> Self {
        match (lower, upper) {
            (Some(lower), Some(upper)) if lower.epsilon() > upper => Self::Contradicted { lower: lower.epsilon(), upper },
            (Some(_), Some(upper)) if power <= upper => Self::Inconclusive { power, upper },
            (Some(lower), Some(upper)) => Self::Consistent { lower: lower.epsilon(), upper },
            _ => Self::NothingToCompare,
        }
    }

    /// One word for a table.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Contradicted { .. } => "contradicted",
            Self::Consistent { .. } => "consistent",
            Self::Inconclusive { .. } => "inconclusive",
            Self::NothingToCompare => "nothing to compare",
            Self::Invalid { .. } => "invalid",
        }
    }
}

/// All of one attack on one model. Holds no score and names nobody.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// How the controls came out, before anything else.
    pub controls: Vec<Control>,
    /// What it says about the stated bound.
    pub verdict: Verdict,
    /// The attack.
    pub attack: Attack,
    /// Number of members.
    pub members: usize,
    /// Number of non-members.
    pub non_members: usize,
    /// True-positive rates at the reported false-positive rates.
    pub tpr_at: Vec<TprAt>,
    /// The area under the curve, with a 95% interval.
    pub area: Area,
    /// The decision at a threshold fixed in advance, where the attack has one.
    pub decision: Option<Decision>,
    /// What a call is worth at the thresholds of `tpr_at`, for members of 1, 10 and 50% of those attacked.
    pub predictive: Vec<Predictive>,
    /// Measured lower bound on ε.
    pub lower_bound: Option<LowerBound>,
    /// The proved bound it is held against.
    pub epsilon_upper: Option<f64>,
    /// δ of both.
    pub delta: Option<f64>,
    /// The largest ε that a perfect attack on this sample would have shown.
    pub epsilon_ceiling: Option<f64>,
    /// The ε that the same attack showed with the noise left out.
    pub epsilon_without_noise: Option<f64>,
    /// What the stated bound allows.
    pub allowed: Vec<Allowed>,
    /// The curve, for a plot with both axes logarithmic.
    pub roc: Vec<Point>,
    /// Exposure of single members, in bins.
    pub vulnerability: Vec<Bin>,
    /// What this finding says nothing about.
    pub not_tested: Vec<String>,
}

impl Finding {
    /// Analyses the scores of an attack. `threshold` is one fixed in advance.
    ///
    /// # Errors
    /// [`Error::Accounting`] where the mechanism of `stated` has no curve.
    pub fn new(
        attack: Attack,
        scores: &MemberScores,
        controls: Vec<Control>,
        threshold: Option<f64>,
        lower: Option<Measured>,
        stated: Option<&Stated>,
        not_tested: Vec<String>,
    ) -> Result<Self, Error> {
        let tpr_at: Vec<TprAt> = REPORTED_FPR.iter().map(|&fpr| scores.tpr_at(fpr)).collect::<Result<_, _>>()?;
        let mut predictive = vec![];
        for at in &tpr_at {
            if let TprAt::Measured { fpr, tpr, .. } = *at {
                let called = PRIORS.iter().filter_map(|&prior| Some((prior, positive_predictive_value(tpr, fpr, prior)?)));
                predictive.extend(called.map(|(prior, value)| Predictive { fpr, prior, value }));
            }
        }
        let curve = match stated.and_then(|s| s.event.as_ref()) {
            Some(event) => ceiling::true_positives_of(event, &REPORTED_FPR)?.into_iter().map(Some).collect(),
            None => vec![None; REPORTED_FPR.len()],
        };
        let allowed = stated.map(|s| {
            let at = |(&fpr, by_mechanism): (&f64, &Option<f64>)| Allowed {
                fpr,
                by_epsilon: ceiling::true_positives(s.epsilon, s.delta, fpr),
                by_mechanism: *by_mechanism,
            };
            REPORTED_FPR.iter().zip(&curve).map(at).collect()
        });
        let upper = stated.map(|s| s.epsilon.get());
        let most = lower.as_ref().map(|l| l.ceiling);
        let power = lower.as_ref().map_or(0.0, |l| l.power.unwrap_or(l.ceiling).min(l.ceiling));
        let verdict = match controls.iter().find(|c| !c.passed) {
            Some(c) => {
                Verdict::Invalid { why: format!("{}: an area of {:.4} where {:.4} to {:.4} passes", c.name, c.auc, c.lowest, c.highest) }
            }
            None => Verdict::of(lower.as_ref().map(|l| &l.bound), upper, power),
        };
        Ok(Self {
            controls,
            verdict,
            attack,
            members: scores.members(),
            non_members: scores.non_members(),
            tpr_at,
            area: scores.area(0.95)?,
            decision: threshold.map(|t| scores.decision(t)),
            predictive,
            epsilon_without_noise: lower.as_ref().and_then(|l| l.power),
            lower_bound: lower.map(|l| l.bound),
            epsilon_upper: upper,
            delta: stated.map(|s| s.delta.get()),
            epsilon_ceiling: most,
            allowed: allowed.unwrap_or_default(),
            roc: scores.curve(POINTS),
            vulnerability: histogram(scores),
            not_tested,
        })
    }

    /// The true-positive rate at one of the reported false-positive rates.
    #[must_use]
    pub fn at(&self, rate: f64) -> Option<TprAt> {
        let of = |at: &TprAt| match at {
            TprAt::Measured { fpr, .. } | TprAt::Refused { fpr, .. } => *fpr,
        };
        self.tpr_at.iter().find(|at| of(at) == rate).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controls;

    fn attack() -> Attack {
        Attack { name: "loss".into(), variant: "".into(), threat_model: "".into(), unit: "person".into(), seed: 1 }
    }

    #[test]
    fn a_failing_control_makes_it_invalid_whatever_was_measured() {
        let scores = MemberScores::new(vec![1.0; 500], vec![0.0; 500]).unwrap();
        let lower = LowerBound::one_run_counts(1000, 1000, 1000, Delta::new(0.0).unwrap(), 0.05).unwrap();
        let stated = Stated { epsilon: Epsilon::new(1.0).unwrap(), delta: Delta::new(0.0).unwrap(), event: None };
        let finding = |controls| {
            Finding::new(
                attack(),
                &scores,
                controls,
                None,
                Some(Measured { bound: lower.clone(), ceiling: 5.81, power: None }),
                Some(&stated),
                vec![],
            )
            .unwrap()
        };
        assert!(matches!(finding(vec![]).verdict, Verdict::Contradicted { .. }));
        let failed = finding(vec![controls::constant_model(&scores)]);
        assert!(matches!(&failed.verdict, Verdict::Invalid { why } if why.contains("constant")), "{:?}", failed.verdict);
    }

    #[test]
    fn an_attack_that_misses_a_run_without_noise_proves_no_consistency() {
        let scores = MemberScores::new(vec![1.0, 0.0], vec![1.0, 0.0]).unwrap();
        let bound = LowerBound::one_run_counts(1000, 1000, 500, Delta::new(0.0).unwrap(), 0.05).unwrap();
        let stated = Stated { epsilon: Epsilon::new(1.0).unwrap(), delta: Delta::new(0.0).unwrap(), event: None };
        for (power, word) in [(None, "consistent"), (Some(0.3), "inconclusive"), (Some(3.0), "consistent")] {
            let measured = Measured { bound: bound.clone(), ceiling: 5.81, power };
            let finding = Finding::new(attack(), &scores, vec![], None, Some(measured), Some(&stated), vec![]).unwrap();
            assert_eq!(finding.verdict.word(), word, "{power:?}");
        }
    }

    #[test]
    fn json_holds_what_documents_cite() {
        let scores = MemberScores::new(vec![1.0; 50], vec![0.0; 500]).unwrap();
        let json = serde_json::to_value(Finding::new(attack(), &scores, vec![], Some(0.5), None, None, vec![]).unwrap()).unwrap();
        assert_eq!(json["verdict"]["verdict"], "nothing-to-compare");
        assert_eq!(json["tpr_at"][2]["needs_negatives"], 1000);
        assert_eq!(json["tpr_at"][3]["tpr"], 1.0);
        assert_eq!(json["decision"]["balanced_accuracy"], 1.0);
        assert_eq!(json["area"]["auc"], 1.0);
    }
}

//! What attacks measured: on the released model beside its twins, and on text with planted secrets.
//!
//! Three things stay apart, by type and by words: [`ProvedUpper`] holds whatever the attack, [`MeasuredLower`] holds with its
//! confidence for the attack that was made, and an [`Estimate`] bounds nothing. ε in nats throughout.

use super::Count;
use super::count::withhold;
use serde::{Deserialize, Serialize};

/// An upper bound on ε that was proved. Printed as `ε ≤`, rounded up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ProvedUpper {
    /// ε in nats, finite and not negative.
    pub(crate) epsilon: f64,
    /// δ, in (0, 1).
    pub(crate) delta: f64,
    /// What it covers, with its neighbours and unit: `frequent/1 alone, add/remove one unit (reconstructed unit, ≤ 5 rows)`.
    pub(crate) covers: String,
}

/// A lower bound on ε that was measured, corrected for how often was looked. Printed as `ε ≥`, rounded down, with its confidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct MeasuredLower {
    /// ε in nats; 0 where the attack shows nothing.
    pub(crate) epsilon: f64,
    /// Probability, before measuring, that the bound is right: 0.95.
    pub(crate) confidence: f64,
    /// δ at which it stands, that of the proved bound.
    pub(crate) delta: f64,
    /// How it was had: `one run with 1,000 canaries, 200 guesses, f-DP (Mahloujifar et al. 2024)`.
    pub(crate) method: String,
    /// The model attacked: `frequent/1`, `a run of the same plan with canaries`, `twin without clipping and noise`.
    pub(crate) of: String,
    /// The greatest ε that this method could have reported at this size, with a perfect attack. What lies above was not looked for.
    #[serde(default)]
    pub(crate) ceiling: Option<f64>,
    /// Ledger event of the audit, where it is not that of the section.
    #[serde(default)]
    pub(crate) evidence: Option<u64>,
}

/// A number with its interval that bounds nothing: AUC, accuracy, TPR at an FPR.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Estimate {
    /// `AUC of LiRA, this release`.
    pub(crate) name: String,
    /// The value.
    pub(crate) value: f64,
    /// Lower end of the 95% interval; NaN is not allowed, leave it out.
    #[serde(default)]
    pub(crate) lo: Option<f64>,
    /// Upper end of the 95% interval.
    #[serde(default)]
    pub(crate) hi: Option<f64>,
    /// What it would be by guessing alone, for instance 0.5 for an AUC.
    #[serde(default)]
    pub(crate) guessing: Option<f64>,
}

/// Which model a curve, a histogram or a text belongs to: picks the mark and the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Attacked {
    /// The released model, or another run of its plan: with clipping and noise.
    Release,
    /// The twin: the same, without clipping and noise.
    Twin,
    /// Trained to overfit on purpose: shows that the attack can find something.
    Overfit,
}

/// Membership inference against the release and its twins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct AuditSection {
    /// The released model attacked: `frequent/1`.
    pub(crate) model: String,
    /// The attack and its variant: `LiRA, offline, variance pooled, 32 shadow models (Carlini et al. 2022)`.
    pub(crate) attack: String,
    /// What the attacker holds and sees: `class probabilities of all rows of a unit; shadow models on data of the same population`.
    pub(crate) threat_model: String,
    /// ROC of the same attack on each model; any order.
    #[serde(default)]
    pub(crate) curves: Vec<RocCurve>,
    /// The proved bound on the model attacked alone: the ceiling of its ROC. None where nothing was proved.
    #[serde(default)]
    pub(crate) proved: Option<ProvedUpper>,
    /// Measured lower bounds. The first whose `of` is the model of the section, or else the first, is the one of the summary.
    #[serde(default)]
    pub(crate) lower: Vec<MeasuredLower>,
    /// Other numbers, which bound nothing.
    #[serde(default)]
    pub(crate) estimates: Vec<Estimate>,
    /// How the units' scores spread.
    #[serde(default)]
    pub(crate) vulnerability: Option<Vulnerability>,
    /// What models take for each class, where it was asked for.
    #[serde(default)]
    pub(crate) inverted: Vec<Inverted>,
    /// What checks the audit itself.
    #[serde(default)]
    pub(crate) controls: Vec<Control>,
    /// What the audit says about the proved bound.
    pub(crate) verdict: Verdict,
    /// What was not tried: `attacks that see gradients`.
    #[serde(default)]
    pub(crate) not_tested: Vec<String>,
    /// Ledger event of the evidence.
    #[serde(default)]
    pub(crate) evidence: Option<u64>,
}

/// A model inverted: for each class the input that it is most sure of, beside the mean of the real rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Inverted {
    /// Whose: `this release`, `twin without clipping and noise`.
    pub(crate) label: String,
    /// How much more inversions are like the mean of their own class than like those of others, from −2 to 2.
    pub(crate) resemblance: f64,
    /// The same of models of labels dealt at random.
    pub(crate) of_controls: Vec<f64>,
    /// The share of all of them that is as high.
    pub(crate) p_value: f64,
    pub(crate) classes: Vec<InvertedClass>,
    /// By column; in each list one value a class.
    pub(crate) features: Vec<InvertedFeature>,
    /// A picture as `data:image/png;base64,…`: rows of inversions, of a model of dealt labels, and of class means; a column for each class.
    #[serde(default)]
    pub(crate) picture: Option<String>,
}

/// What came out for a class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct InvertedClass {
    pub(crate) class: String,
    /// Probability that the model gives its inversion.
    pub(crate) confidence: f64,
    /// Correlation with the mean of its own rows, and the highest with that of another class.
    pub(crate) own: f64,
    pub(crate) highest_other: f64,
}

/// A column of the inversions and of the class means, in the units of the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct InvertedFeature {
    pub(crate) column: String,
    pub(crate) inverted: Vec<String>,
    pub(crate) means: Vec<String>,
}

/// The ROC of one attack on one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RocCurve {
    /// Which of the three.
    pub(crate) attacked: Attacked,
    /// In words: `this release`, `twin without clipping and noise`, `overfit on purpose`.
    pub(crate) label: String,
    /// Units that were in the training data.
    pub(crate) members: Count,
    /// Units that were not. The least FPR that can be told apart is one over this.
    pub(crate) non_members: Count,
    /// Points by rising FPR; thin them to about 100, evenly in log FPR. An FPR of 0 is allowed and not drawn.
    pub(crate) points: Vec<RocPoint>,
}

/// One threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RocPoint {
    /// False positives over non-members, in [0, 1].
    pub(crate) fpr: f64,
    /// True positives over members, in [0, 1].
    pub(crate) tpr: f64,
    /// Lower end of the 95% Clopper–Pearson interval of `tpr`, at this point alone.
    pub(crate) lo: f64,
    /// Upper end.
    pub(crate) hi: f64,
}

/// How the scores of the units spread, in bins shared by all series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Vulnerability {
    /// The score: `log-odds of having been in the data, by LiRA`. Greater means more exposed.
    pub(crate) score: String,
    /// Ends of the bins, rising; one more than there are bins.
    pub(crate) edges: Vec<f64>,
    /// Two outlines, for instance members and non-members, or members under two models.
    pub(crate) series: Vec<Bins>,
}

/// Units by bin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bins {
    /// Whose: `members`, `non-members`; `members, this release`.
    pub(crate) label: String,
    /// Units in each bin.
    pub(crate) units: Vec<Count>,
    /// Units in all bins.
    pub(crate) total: Count,
}

/// A check of the audit itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Control {
    /// `blind baseline, never sees the model`, `random membership`, `overfit on purpose`.
    pub(crate) name: String,
    /// What it gave and what it should: `AUC 0.503, should be 0.5 ± 0.025`.
    pub(crate) found: String,
    /// Whether it came out as it should. One that did not makes the finding invalid.
    pub(crate) passed: bool,
}

/// What an audit says about the proved bound. It never says that nothing leaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// The measured lower bound lies above the proved upper bound: something is wrong.
    Contradicted,
    /// It lies below, and the audit could have found a contradiction.
    Consistent,
    /// The audit could not have told: too few units or too weak an attack.
    Inconclusive,
    /// A control failed: nothing follows from the numbers.
    Invalid,
}

/// Secrets planted in text, and how far a model trained on it gives them away. Planted secrets are invented and nobody's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TextSection {
    /// The model and the text: `character LSTM on 5,574 SMS messages`.
    pub(crate) what: String,
    /// How a secret looks: `my code is NNNNNN`.
    pub(crate) form: String,
    /// Number of candidates |R| that a secret is ranked among; log2 of it is the greatest exposure.
    pub(crate) candidates: f64,
    /// Exposure by repeats; one series a way of training.
    #[serde(default)]
    pub(crate) series: Vec<ExposureSeries>,
    /// Ends of messages that the models say.
    #[serde(default)]
    pub(crate) rests: Vec<SaidRests>,
    /// What the models go on with after the beginning of a planted secret.
    #[serde(default)]
    pub(crate) completions: Vec<Completion>,
    /// Ledger event of the evidence.
    #[serde(default)]
    pub(crate) evidence: Option<u64>,
}

/// Ends of messages that a model says, asked with what stands before them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SaidRests {
    /// Of which model: `without clipping and noise`.
    pub(crate) label: String,
    /// Bytes asked with, and asked for.
    pub(crate) prefix: u64,
    pub(crate) suffix: u64,
    /// Of messages it learned from: asked, said in full, said but for a tenth in edits or in full, and found before 100 wrong guesses.
    pub(crate) seen: (u64, u64, u64),
    pub(crate) found: u64,
    /// Of messages it never saw: asked, said in full, nearly.
    pub(crate) unseen: (u64, u64, u64),
}

/// How a text model was trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TextTraining {
    /// With clipping and noise.
    WithNoise,
    /// Without.
    WithoutNoise,
    /// Without, on text whose secrets were found and replaced first.
    Redacted,
}

/// Exposure under one way of training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ExposureSeries {
    /// Which.
    pub(crate) training: TextTraining,
    /// In words: `without clipping and noise`.
    pub(crate) label: String,
    /// The proved bound, where there is one.
    #[serde(default)]
    pub(crate) proved: Option<ProvedUpper>,
    /// By rising repeats.
    pub(crate) points: Vec<ExposurePoint>,
    /// Quality of the model on held-out text: `perplexity 4.1 per character`.
    #[serde(default)]
    pub(crate) quality: Option<String>,
}

/// Exposure of secrets that were repeated equally often, all repeats within one unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ExposurePoint {
    /// How often each was repeated, from 1.
    pub(crate) repeats: u64,
    /// Mean exposure in bits, an estimate: from 0 to log2 of the candidates.
    pub(crate) exposure: f64,
    /// Least exposure among these secrets.
    #[serde(default)]
    pub(crate) lo: Option<f64>,
    /// Greatest.
    #[serde(default)]
    pub(crate) hi: Option<f64>,
    /// Secrets planted at this number of repeats.
    pub(crate) planted: u64,
    /// Of these, how many the model wrote out word for word when given their beginning.
    pub(crate) extracted: u64,
}

/// One planted secret and what each model made of its beginning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Completion {
    /// What the model was given.
    pub(crate) prompt: String,
    /// What had been planted after it; invented, nobody's.
    pub(crate) planted: String,
    /// By training, the label of its series and the text the model went on with.
    pub(crate) written: Vec<(String, String)>,
}

impl AuditSection {
    /// The measured lower bound of the summary.
    pub(super) fn measured(&self) -> Option<&MeasuredLower> {
        self.lower.iter().find(|l| l.of == self.model).or(self.lower.first())
    }

    /// Without what would tell a count from 1 to 9.
    pub(super) fn conceal(&mut self) {
        self.curves.iter_mut().for_each(RocCurve::conceal);
        for bins in self.vulnerability.iter_mut().flat_map(|v| &mut v.series) {
            withhold(bins.units.iter_mut(), bins.total.exact());
        }
    }
}

impl RocCurve {
    /// The least TPR that ten members make.
    pub(super) fn floor(&self) -> Option<f64> {
        self.members.exact().filter(|n| *n > 0).map(|n| 10.0 / n as f64)
    }

    /// Drops the points that one to nine members make, and all where the number of members is hidden itself.
    fn conceal(&mut self) {
        match self.floor() {
            Some(floor) => self.points.retain(|p| p.tpr <= 0.0 || p.tpr >= floor * (1.0 - 1e-9)),
            None => self.points.clear(),
        }
    }

    /// The point with the greatest TPR at an FPR of at most `fpr`, where ten non-members or more make that rate.
    pub(super) fn at(&self, fpr: f64) -> Option<&RocPoint> {
        let enough = self.non_members.exact().is_some_and(|n| n as f64 * fpr >= 10.0 - 1e-9);
        if !enough {
            return None;
        }
        self.points.iter().filter(|p| p.fpr <= fpr * (1.0 + 1e-9)).max_by(|a, b| a.fpr.total_cmp(&b.fpr).then(a.tpr.total_cmp(&b.tpr)))
    }
}

impl TextSection {
    /// The greatest exposure there can be, in bits.
    pub(super) fn most(&self) -> f64 {
        self.candidates.log2()
    }

    /// Whether any secret of the series was written out word for word.
    pub(super) fn extracted(&self, training: TextTraining) -> (u64, u64) {
        let points = self.series.iter().filter(|s| s.training == training).flat_map(|s| &s.points);
        points.fold((0, 0), |(extracted, planted), p| (extracted + p.extracted, planted + p.planted))
    }
}

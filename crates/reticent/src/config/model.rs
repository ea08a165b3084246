//! What to train, and what it may reveal.

use super::problem::Kind;
use super::reader::{Fields, INSIDE_UNIT, POSITIVE, RATE, UP_TO_HALF, UP_TO_TWO};
use schemars::JsonSchema;
use serde::Serialize;
use toml::de::DeValue;

/// `[models.NAME]`: what to train, from which data, for which purpose, under which bound.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Model {
    /// Name of the data set: `[data.NAME]`.
    pub(crate) data: String,
    /// Name of the purpose: `[purposes.NAME]`.
    pub(crate) purpose: String,
    /// The model that this one was fine-tuned from: it serves the purpose of that one, or a part of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) base: Option<String>,
    /// The family of models.
    pub(crate) kind: ModelKind,
    /// Widths of the hidden layers of an `mlp`; one of 32 if left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(range(min = 1)))]
    pub(crate) hidden: Vec<u64>,
    /// What is computed of a row before the model sees it, by public rules; the encoded columns themselves if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) features: Option<FeatureMap>,
    /// The bound and how it is reached; not for a `certified-logistic`.
    #[serde(skip_serializing_if = "Privacy::is_unsaid")]
    #[schemars(with = "Option<Privacy>")]
    pub(crate) privacy: Privacy,
    /// For a `certified-logistic` alone: the guarantee of a removal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) certified: Option<Certified>,
    /// What `reticent serve` gives out; labels alone if left out.
    #[serde(default)]
    pub(crate) serve: Serve,
}

/// What is computed of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FeatureMap {
    /// Each number by its place among bins between its bounds.
    Bins,
    /// The wavelet scattering transform of a square image whose pixels are the columns, row by row.
    Scattering,
}

/// The family of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ModelKind {
    /// Logistic regression.
    Logistic,
    /// A feed-forward network.
    Mlp,
    /// Logistic regression out of which a unit can be taken by (ε, δ)-certified removal. It has no differential privacy and is never released.
    CertifiedLogistic,
}

/// `certified = { … }`: the guarantee of (ε, δ)-certified removal, and what reaches it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Certified {
    /// ε of all removals until the model is trained again, in nats.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 2))]
    pub(crate) epsilon: f64,
    /// The δ that goes with it.
    #[serde(default = "delta")]
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 0.5))]
    pub(crate) delta: f64,
    /// Standard deviation of the noise in the summed loss.
    #[serde(default = "sigma")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub(crate) sigma: f64,
    /// Strength of the regularisation a row.
    #[serde(default = "lambda")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub(crate) lambda: f64,
    /// Rows of one unit that take part. 5 if left out, 1 where `subject = "row"`.
    #[serde(default = "max_rows_per_subject")]
    #[schemars(range(min = 1))]
    pub(crate) max_rows_per_subject: u64,
}

/// `[models.NAME.serve]`: what a served model gives out, and how often to one caller. The bound holds whatever is given out; less of it
/// leaves less to attack.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Serve {
    /// What is given out for a row.
    #[serde(default)]
    pub(crate) output: ServedOutput,
    /// Decimals of a score.
    #[serde(default = "decimals")]
    #[schemars(range(min = 1, max = 6))]
    pub(crate) decimals: u64,
    /// Rows that one caller may have scored by a release, ever.
    #[serde(default = "queries_per_caller")]
    #[schemars(range(min = 1))]
    pub(crate) queries_per_caller: u64,
}

/// What is given out for a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ServedOutput {
    /// The predicted class.
    #[default]
    Labels,
    /// The class, and the probability of every class, rounded.
    Scores,
}

/// `privacy`: the bound on what the model can reveal about any one unit, and the plan that reaches it (DP-SGD).
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Privacy {
    /// Upper bound, in nats, for all `releases` together.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub(crate) epsilon: f64,
    /// The δ that goes with it; the same for all models of a data set.
    #[serde(default = "delta")]
    #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))]
    pub(crate) delta: f64,
    /// Releases that `epsilon` covers together: this one and later retrainings, for instance after an erasure.
    #[serde(default = "releases")]
    #[schemars(range(min = 1))]
    pub(crate) releases: u64,
    /// Rows of one unit that take part; chosen once, before training. 5 if left out, 1 where `subject = "row"`.
    #[serde(default = "max_rows_per_subject")]
    #[schemars(range(min = 1))]
    pub(crate) max_rows_per_subject: u64,
    /// Norm to which the summed gradient of one unit is clipped.
    #[serde(default = "max_grad_norm")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub(crate) max_grad_norm: f64,
    /// Chance of each unit to be in a step (Poisson sampling).
    #[serde(default = "sample_rate")]
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1))]
    pub(crate) sample_rate: f64,
    /// Steps of training.
    #[serde(default = "steps")]
    #[schemars(range(min = 1))]
    pub(crate) steps: u64,
    /// Step size; chosen by the trainer if left out, without looking at the data.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub(crate) learning_rate: Option<f64>,
    /// In every so-manieth step the gradients of all units are looked at, so that a person who asks can be told a bound of their own; 1 is
    /// the tightest. None is kept if left out. The values are personal data: they stay with the model, for answers to requests alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub(crate) individual_every: Option<u64>,
    /// True where none is written: the model has no such bound, and all but `max_rows_per_subject` is a stand-in.
    #[serde(skip)]
    #[schemars(skip)]
    pub(crate) unsaid: bool,
}

impl Model {
    pub(super) fn read(mut fields: Fields<'_, '_, '_>) -> Self {
        fields.need("data", "name a data set: data = \"visits\" for [data.visits]");
        fields.need("purpose", "name a purpose: purpose = \"care\" for [purposes.care]");
        fields.need("kind", "write kind = \"logistic\" or kind = \"mlp\"");
        let data = fields.text("data").unwrap_or_default();
        let purpose = fields.text("purpose").unwrap_or_default();
        let base = fields.text("base");
        let kinds = [("logistic", ModelKind::Logistic), ("mlp", ModelKind::Mlp), (REMOVABLE, ModelKind::CertifiedLogistic)];
        let kind = fields.choice("kind", &kinds);
        let hidden = hidden(&mut fields, kind);
        let removable = kind == Some(ModelKind::CertifiedLogistic);
        let (path, said) = (fields.at("features"), fields.has("features"));
        let features = fields.choice("features", &[("bins", FeatureMap::Bins), ("scattering", FeatureMap::Scattering)]);
        if removable && said {
            fields.reader.error(Kind::Contradiction, &path, "a model for removals has none", "remove it, or write kind = \"logistic\"");
        }
        if removable {
            fields.need("certified", "write certified = { epsilon = 1.0 }");
        } else {
            fields.need("privacy", "write privacy = { epsilon = 2.0 }");
        }
        let (path, said) = (fields.at("privacy"), fields.has("privacy"));
        let mut privacy = fields.table("privacy").map_or_else(Privacy::default, Privacy::read);
        if removable && said {
            let message = "a model for removals has no differential privacy bound";
            fields.reader.error(Kind::Contradiction, &path, message, "remove it, or write kind = \"logistic\"");
        }
        let (path, said) = (fields.at("certified"), fields.has("certified"));
        let certified = fields.table("certified").map(Certified::read);
        if !removable && said && kind.is_some() {
            let message = "is for models of its own kind";
            fields.reader.error(Kind::Contradiction, &path, message, format!("remove it, or write kind = \"{REMOVABLE}\""));
        }
        if let Some(certified) = certified.as_ref().filter(|_| removable) {
            privacy = Privacy { unsaid: true, max_rows_per_subject: certified.max_rows_per_subject, ..Privacy::default() };
        }
        let serve = fields.table("serve").map_or_else(Serve::default, Serve::read);
        fields.close();
        Self { data, purpose, base, kind: kind.unwrap_or(ModelKind::Logistic), hidden, features, privacy, certified, serve }
    }

    /// Whether it is a model for removals: it has no differential privacy bound, charges no budget and is never released.
    pub(crate) fn is_removable(&self) -> bool {
        self.kind == ModelKind::CertifiedLogistic
    }
}

/// The kind of a model out of which units can be taken.
const REMOVABLE: &str = "certified-logistic";

impl Certified {
    fn read(mut fields: Fields<'_, '_, '_>) -> Self {
        fields.need("epsilon", "write epsilon = 1.0, or whatever bound you can answer for");
        let certified = Self {
            epsilon: fields.number("epsilon", UP_TO_TWO).unwrap_or(1.0),
            delta: fields.number("delta", UP_TO_HALF).unwrap_or_else(delta),
            sigma: fields.number("sigma", POSITIVE).unwrap_or_else(sigma),
            lambda: fields.number("lambda", POSITIVE).unwrap_or_else(lambda),
            max_rows_per_subject: fields.whole("max_rows_per_subject", 1).unwrap_or(Privacy::BY_SUBJECT),
        };
        fields.close();
        certified
    }
}

fn hidden(fields: &mut Fields<'_, '_, '_>, kind: Option<ModelKind>) -> Vec<u64> {
    let path = fields.at("hidden");
    let default = if kind == Some(ModelKind::Mlp) { vec![32] } else { vec![] };
    let Some(at) = fields.get("hidden") else { return default };
    let widths = at.value.as_array().map(|items| items.iter().map(|v| whole(v.get_ref())).collect::<Option<Vec<_>>>());
    match widths {
        _ if matches!(kind, Some(ModelKind::Logistic | ModelKind::CertifiedLogistic)) => {
            fields.reader.error(Kind::Contradiction, &path, "a logistic model has no hidden layers", "remove it, or write kind = \"mlp\"");
            default
        }
        Some(Some(widths)) if !widths.is_empty() => widths,
        _ => {
            fields.reader.error(Kind::WrongType, &path, "needs a list of whole numbers above 0", "write hidden = [32]");
            default
        }
    }
}

fn whole(value: &DeValue<'_>) -> Option<u64> {
    let DeValue::Integer(integer) = value else { return None };
    u64::from_str_radix(integer.as_str(), integer.radix()).ok().filter(|n| *n > 0)
}

impl Serve {
    const MOST_DECIMALS: u64 = 6;

    pub(super) fn read(mut fields: Fields<'_, '_, '_>) -> Self {
        let output = fields.choice("output", &[("labels", ServedOutput::Labels), ("scores", ServedOutput::Scores)]).unwrap_or_default();
        let path = fields.at("decimals");
        let mut decimals = fields.whole("decimals", 1).unwrap_or_else(decimals);
        if decimals > Self::MOST_DECIMALS {
            fields.reader.error(Kind::NotAllowed, &path, "must be at most 6", "two decimals are enough for a person to read");
            decimals = Self::MOST_DECIMALS;
        }
        let queries_per_caller = fields.whole("queries_per_caller", 1).unwrap_or_else(queries_per_caller);
        fields.close();
        Self { output, decimals, queries_per_caller }
    }
}

impl Default for Serve {
    fn default() -> Self {
        Self { output: ServedOutput::default(), decimals: decimals(), queries_per_caller: queries_per_caller() }
    }
}

impl Privacy {
    pub(super) fn read(mut fields: Fields<'_, '_, '_>) -> Self {
        fields.need("epsilon", "write epsilon = 2.0, or whatever bound you can answer for");
        let privacy = Self {
            epsilon: fields.number("epsilon", POSITIVE).unwrap_or(1.0),
            delta: fields.number("delta", INSIDE_UNIT).unwrap_or_else(delta),
            releases: fields.whole("releases", 1).unwrap_or_else(releases),
            max_rows_per_subject: fields.whole("max_rows_per_subject", 1).unwrap_or(Self::BY_SUBJECT),
            max_grad_norm: fields.number("max_grad_norm", POSITIVE).unwrap_or_else(max_grad_norm),
            sample_rate: fields.number("sample_rate", RATE).unwrap_or_else(sample_rate),
            steps: fields.whole("steps", 1).unwrap_or_else(steps),
            learning_rate: fields.number("learning_rate", POSITIVE),
            individual_every: fields.whole("individual_every", 1),
            unsaid: false,
        };
        fields.close();
        privacy
    }

    fn is_unsaid(&self) -> bool {
        self.unsaid
    }

    /// Stands for a `max_rows_per_subject` that is left out until the data set is known.
    pub(super) const BY_SUBJECT: u64 = 0;
}

impl Default for Privacy {
    fn default() -> Self {
        Self {
            epsilon: 1.0,
            delta: delta(),
            releases: releases(),
            max_rows_per_subject: max_rows_per_subject(),
            max_grad_norm: max_grad_norm(),
            sample_rate: sample_rate(),
            steps: steps(),
            learning_rate: None,
            individual_every: None,
            unsaid: false,
        }
    }
}

pub(super) fn delta() -> f64 {
    1e-5
}
fn releases() -> u64 {
    2
}
pub(super) fn max_rows_per_subject() -> u64 {
    5
}
fn max_grad_norm() -> f64 {
    1.0
}
fn sample_rate() -> f64 {
    0.1
}
fn steps() -> u64 {
    300
}
fn sigma() -> f64 {
    10.0
}
fn lambda() -> f64 {
    1e-3
}
fn decimals() -> u64 {
    2
}
fn queries_per_caller() -> u64 {
    1000
}

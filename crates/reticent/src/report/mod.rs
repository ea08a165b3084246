//! The report of one release: what went in, what was left out, what the model can reveal, how well it works.
//!
//! [`Report`] is both the input of [`render`] and the evidence file beside the page (`report.json`). It holds no
//! count from 1 to 9: [`Count`] cannot represent one. Call [`Report::concealed`] before the JSON is written, so that a
//! masked count cannot be had by subtraction either; [`render`] does so by itself.
//!
//! Units: ε in nats. Every ε of the page stands at [`Privacy::delta`], for [`Privacy::neighbours`], and covers
//! [`Privacy::releases`].

mod answers;
mod attacks;
mod count;
mod explained;
mod minimised;
mod number;
mod page;
mod plot;
mod sheet;
#[cfg(test)]
mod tests;

pub(crate) use answers::{About, ErasedModel, ErasureSection, ExplanationSection, Left, ModelDone, RemovalSection, Store, Waterfall};
pub(crate) use attacks::{
    Attacked, AuditSection, Bins, Completion, Control, Estimate, ExposurePoint, ExposureSeries, Inverted, InvertedClass, InvertedFeature,
    MeasuredLower, ProvedUpper, RocCurve, RocPoint, SaidRests, TextSection, TextTraining, Verdict, Vulnerability,
};
pub(crate) use count::{Count, withhold};
pub(crate) use explained::{Explained, LIMITS as EXPLAINED_LIMITS, percent, render_explained};
pub(crate) use minimised::{ScanFinding, ScanSection, SelectedColumn, SelectionSection};
pub(crate) use page::{render, render_audit, render_loop, render_repeats, render_text};
pub(crate) use plot::picture;
pub(crate) use sheet::Sheet;

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Everything the page says, with the ledger event behind each number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Name of the page, for instance `Visits: will a person see a doctor next year?`.
    pub(crate) title: String,
    /// What is real here and what is not: `Real, de-identified, public data; controller and consents simulated.`
    pub(crate) statement: String,
    /// RFC 3339.
    pub(crate) generated_at: String,
    /// Printed large on every page of an experiment: `UNRELEASED experiment`.
    #[serde(default)]
    pub(crate) stamp: Option<String>,
    /// Who decides on purpose and means.
    pub(crate) controller: String,
    /// What the data is used for, and the recorded basis.
    pub(crate) purpose: Purpose,
    /// Records in, records left out by reason, records trained on.
    pub(crate) flow: Flow,
    /// The proved bound and its parameters.
    pub(crate) privacy: Privacy,
    /// How well the released model works, measured on held-out records.
    pub(crate) utility: Utility,
    /// The same metric within groups.
    #[serde(default)]
    pub(crate) subgroups: Vec<Subgroup>,
    /// What the gate decided and why.
    pub(crate) gate: Gate,
    /// What a scan for personal data found, where one was made.
    #[serde(default)]
    pub(crate) scan: Option<ScanSection>,
    /// Which columns were chosen, where a choice was made.
    #[serde(default)]
    pub(crate) selection: Option<SelectionSection>,
    /// Membership inference against the release and its twins, where it was made.
    #[serde(default)]
    pub(crate) audit: Option<AuditSection>,
    /// Planted secrets in a text model, where they were looked for.
    #[serde(default)]
    pub(crate) text: Option<TextSection>,
    /// One decision taken apart, where one was.
    #[serde(default)]
    pub(crate) explanation: Option<ExplanationSection>,
    /// Erasures so far, where there are any.
    #[serde(default)]
    pub(crate) erasure: Option<ErasureSection>,
    /// The newest removal without training anew, where there is one.
    #[serde(default)]
    pub(crate) removal: Option<RemovalSection>,
    /// The log's state when the page was made.
    pub(crate) log: Log,
    /// What was written, by digest.
    #[serde(default)]
    pub(crate) files: Vec<File>,
    /// Commands that reproduce or check the result, in order.
    #[serde(default)]
    pub(crate) commands: Vec<String>,
    /// Time by step.
    #[serde(default)]
    pub(crate) timing: Vec<Timing>,
    /// The ledger events that the numbers cite.
    #[serde(default)]
    pub(crate) evidence: Vec<Event>,
}

/// A registered purpose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Purpose {
    /// Name in the workspace.
    pub(crate) name: String,
    /// Term of a vocabulary such as DPV; printed as text, never fetched.
    #[serde(default)]
    pub(crate) iri: Option<String>,
    /// In plain words.
    pub(crate) description: String,
    /// Recorded basis under GDPR Art 6, for instance `(1)(a) consent`.
    #[serde(default)]
    pub(crate) art6: Option<String>,
    /// Recorded condition under GDPR Art 9, where the data has special categories.
    #[serde(default)]
    pub(crate) art9: Option<String>,
    /// Ledger event of the registration.
    #[serde(default)]
    pub(crate) evidence: Option<u64>,
}

/// The way of the records from import to training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Flow {
    /// What came in.
    pub(crate) imported: Amount,
    /// What was left out, in the order of the steps. Each record is counted once, at the first reason that applies.
    #[serde(default)]
    pub(crate) steps: Vec<FlowStep>,
    /// What the model was trained on.
    pub(crate) trained: Amount,
}

/// Records and the units they belong to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Amount {
    /// Number of records.
    pub(crate) records: Count,
    /// Number of units.
    pub(crate) units: Count,
    /// Ledger event.
    #[serde(default)]
    pub(crate) evidence: Option<u64>,
}

/// Records left out for one reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct FlowStep {
    /// The reason, for instance `consent withdrawn`.
    pub(crate) label: String,
    /// Records left out here.
    pub(crate) records: Count,
    /// Units with at least one record left out here.
    pub(crate) units: Count,
    /// Ledger event.
    #[serde(default)]
    pub(crate) evidence: Option<u64>,
}

/// The bound on what the releases reveal about any one unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Privacy {
    /// Proved upper bound on ε of all `releases` together, reserved ones included.
    pub(crate) epsilon_upper: f64,
    /// Lower end of the accountant's numerical bracket around the mechanism's ε; not an audit.
    pub(crate) epsilon_lower_numeric: f64,
    /// The same plan under Rényi DP: a second, looser upper bound.
    pub(crate) epsilon_rdp: f64,
    /// δ of every ε on the page.
    pub(crate) delta: f64,
    /// Whose presence is hidden: `person`, `row`, `reconstructed unit`.
    pub(crate) unit: String,
    /// The neighbouring relation, for instance `add/remove one unit`.
    pub(crate) neighbours: String,
    /// Public cap on a unit's rows.
    pub(crate) max_rows_per_unit: u64,
    /// Standard deviation of the noise over the clipping norm.
    pub(crate) noise_multiplier: f64,
    /// Probability that a unit is in a batch.
    pub(crate) sample_rate: f64,
    /// Noised steps taken.
    pub(crate) steps: u64,
    /// Clipping norm (L2) of a unit's summed gradient.
    pub(crate) max_grad_norm: f64,
    /// The filter that keeps the budget over all runs on this data.
    pub(crate) filter: Filter,
    /// What the joint ε covers, in the order of composition.
    #[serde(default)]
    pub(crate) releases: Vec<Release>,
    /// What it does not cover.
    #[serde(default)]
    pub(crate) not_covered: Vec<String>,
    /// Ledger event of the accounting.
    #[serde(default)]
    pub(crate) evidence: Option<u64>,
}

/// The budget and what is spent of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Filter {
    /// Order of the Rényi filter.
    pub(crate) order: f64,
    /// The budget, as ε at the same δ.
    pub(crate) budget_epsilon: f64,
    /// Charged so far, as ε at the same δ. A filter counts more than the accountant of one fixed plan.
    pub(crate) spent_epsilon: f64,
    /// Ledger event of the charge.
    #[serde(default)]
    pub(crate) evidence: Option<u64>,
}

/// Bytes derived from a noised sum that leave, or may leave, the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Release {
    /// What is released.
    pub(crate) name: String,
    /// Out already, or charged in full and not out yet.
    pub(crate) state: ReleaseState,
    /// Upper bound on ε of this release alone.
    pub(crate) epsilon: f64,
    /// Upper bound on ε of this and all earlier releases together.
    pub(crate) cumulative_epsilon: f64,
    /// Ledger event.
    #[serde(default)]
    pub(crate) evidence: Option<u64>,
}

/// Whether a release is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ReleaseState {
    /// It left the run.
    Released,
    /// It is charged in full and has not left.
    Reserved,
}

/// How well the model works.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Utility {
    /// Name of the metric: `AUC`.
    pub(crate) metric: String,
    /// How the intervals were made: `95% bootstrap over units, 1,000 resamples`.
    pub(crate) interval: String,
    /// The model of this release.
    pub(crate) release: Measured,
    /// Its twin: same model and data, no clipping, no noise. Internal evaluation, not released.
    pub(crate) twin: Measured,
    /// Other kinds of model, for comparison.
    #[serde(default)]
    pub(crate) others: Vec<Comparison>,
    /// The metric over ε, from a sweep of internal evaluation.
    #[serde(default)]
    pub(crate) curve: Vec<CurvePoint>,
}

/// A measurement with its interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// The measured value.
    pub(crate) value: f64,
    /// Lower end of the interval.
    pub(crate) lo: f64,
    /// Upper end of the interval.
    pub(crate) hi: f64,
    /// Ledger event.
    #[serde(default)]
    pub(crate) evidence: Option<u64>,
}

/// Another kind of model on the same split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Comparison {
    /// For instance `MLP, 1 hidden layer of 32`.
    pub(crate) name: String,
    /// Trained with the clipping and noise of the plan.
    #[serde(default)]
    pub(crate) with_noise: Option<Measured>,
    /// Trained without.
    #[serde(default)]
    pub(crate) twin: Option<Measured>,
}

/// The metric at one ε, over seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CurvePoint {
    /// ε of each run at this point.
    pub(crate) epsilon: f64,
    /// Mean over seeds.
    pub(crate) mean: f64,
    /// Standard deviation over seeds.
    pub(crate) sd: f64,
    /// Number of seeds.
    pub(crate) seeds: u64,
    /// Ledger event.
    #[serde(default)]
    pub(crate) evidence: Option<u64>,
}

/// The metric within one group of the held-out records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Subgroup {
    /// The column that makes the groups.
    pub(crate) column: String,
    /// The group.
    pub(crate) level: String,
    /// Units in it.
    pub(crate) units: Count,
    /// Records in it.
    pub(crate) records: Count,
    /// The released model; none where a class has fewer than 10 units.
    #[serde(default)]
    pub(crate) release: Option<Measured>,
    /// The twin; none where a class has fewer than 10 units.
    #[serde(default)]
    pub(crate) twin: Option<Measured>,
    /// Ledger event of the counts.
    #[serde(default)]
    pub(crate) evidence: Option<u64>,
}

/// What the gate decided, under the recorded policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Gate {
    /// The decision.
    pub(crate) decision: Decision,
    /// Why records were kept out.
    #[serde(default)]
    pub(crate) reasons: Vec<FlowStep>,
    /// SHA-256 of the permit, hex.
    pub(crate) permit: String,
    /// SHA-256 of the policy, hex.
    pub(crate) policy: String,
    /// Ledger event of the decision.
    #[serde(default)]
    pub(crate) evidence: Option<u64>,
}

/// The gate's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Decision {
    /// No rule objected to the records that remain.
    Permitted,
    /// Experiment mode: rules objected and were reported as warnings.
    Warned,
    /// A rule refused.
    Refused,
}

/// The log at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Log {
    /// Number of leaves.
    pub(crate) size: u64,
    /// Root hash of the Merkle tree over them.
    pub(crate) root: String,
    /// Where the signed checkpoint lies.
    pub(crate) checkpoint_path: String,
}

/// A file by digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct File {
    /// Path within the workspace.
    pub(crate) path: String,
    /// Hex.
    pub(crate) sha256: String,
}

/// Wall-clock time of one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Timing {
    /// For instance `train`.
    pub(crate) step: String,
    /// Seconds.
    pub(crate) seconds: f64,
}

/// A ledger event that a number of the page cites.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Event {
    /// Its number in the ledger.
    pub(crate) event: u64,
    /// For instance `training settled`.
    pub(crate) kind: String,
    /// RFC 3339.
    pub(crate) time: String,
    /// Hash of its leaf in the log, hex.
    pub(crate) leaf: String,
}

impl Privacy {
    /// ε of the newest release alone: what the metric of this release was paid for with.
    pub(crate) fn of_this_release(&self) -> f64 {
        self.releases.iter().rev().find(|r| r.state == ReleaseState::Released).map_or(self.epsilon_upper, |r| r.epsilon)
    }
}

impl Report {
    /// The report with further counts withheld where a masked one could otherwise be had by subtraction.
    ///
    /// Within the flow, the gate's reasons and each column of subgroups: a single masked count, or several that sum to
    /// less than 10, take the smallest visible neighbour with them. A reason of the gate that is also a step of the flow,
    /// by its label, is hidden where the step is. Applying it twice changes nothing.
    #[must_use]
    pub(crate) fn concealed(mut self) -> Self {
        let flow = &mut self.flow;
        // Records partition the difference between imported and trained; units overlap, so they have no total.
        let imported = flow.imported.records.exact();
        let left_out = imported.zip(flow.trained.records.exact()).map(|(all, kept)| all.saturating_sub(kept));
        count::withhold(flow.steps.iter_mut().map(|s| &mut s.records), left_out);
        count::withhold(flow.steps.iter_mut().map(|s| &mut s.units), None);

        let mut others = Vec::new();
        for reason in &mut self.gate.reasons {
            match flow.steps.iter().find(|s| s.label == reason.label) {
                Some(step) => {
                    reason.records = reason.records.no_more_than(step.records);
                    reason.units = reason.units.no_more_than(step.units);
                }
                None => others.push(reason),
            }
        }
        count::withhold(others.iter_mut().map(|r| &mut r.records), None);
        count::withhold(others.iter_mut().map(|r| &mut r.units), None);

        let columns: BTreeSet<String> = self.subgroups.iter().map(|s| s.column.clone()).collect();
        for column in &columns {
            let mut levels: Vec<&mut Subgroup> = self.subgroups.iter_mut().filter(|s| s.column == *column).collect();
            count::withhold(levels.iter_mut().map(|s| &mut s.records), None);
            count::withhold(levels.iter_mut().map(|s| &mut s.units), None);
        }
        self.audit.iter_mut().for_each(AuditSection::conceal);
        self
    }
}

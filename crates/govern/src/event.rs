//! What can happen, as it is written down. The meaning of a variant never changes; new facts get new variants.

use crate::asserted::AssertedModel;
use crate::assessment::{AssessmentDecision, Section};
use crate::basis::BasisEvent;
use crate::breach::BreachEvent;
use crate::register::RegisterEvent;
use crate::request::RequestEvent;
use reticent_proof::{Decision, Policy};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor(pub String);

/// One fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Event {
    /// The workspace was made.
    WorkspaceCreated {
        /// Its random name, also the log's origin.
        workspace: String,
    },
    /// A data version was imported and quarantined.
    DataImported {
        /// `visits/v1`.
        version: String,
        /// Rows.
        records: u64,
        /// Units of privacy.
        units: u64,
        /// Salted digest of the rows.
        rows_digest: String,
    },
    /// A file of basis events was read; the events themselves follow.
    BasisFileImported {
        /// Data set.
        dataset: String,
        /// File name without its folder.
        file: String,
        /// Events written.
        events: u64,
    },
    /// A basis was given, refused, withdrawn, restricted or objected to.
    Basis(BasisEvent),
    /// An impact assessment was opened.
    AssessmentOpened {
        /// Data set.
        dataset: String,
        /// Purpose.
        purpose: String,
        /// Criteria of the screening that hold.
        criteria: Vec<String>,
        /// Parts that people still have to write.
        to_be_completed: Vec<String>,
    },
    /// The gate decided.
    GateDecided {
        /// The decision, counts and digests only.
        decision: Decision,
        /// Reasons that the controller chose to exclude for this request alone.
        chosen: Vec<reticent_proof::Reason>,
        /// What it was decided on beyond ledger and rows: with it the decision can be made again to the same bytes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        then: Option<Circumstances>,
    },
    /// A policy under which the gate decided, once for each: its digest stands in the decisions.
    PolicyRecorded {
        /// SHA-256 of the policy.
        digest: String,
        /// The policy.
        policy: Policy,
    },
    /// Something was entered in a register, or changed there, from a moment on.
    Registered(RegisterEvent),
    /// People have to decide about released models: a basis of somebody they were trained on has ended.
    TaskOpened {
        /// Number of the task, from 1.
        task: u64,
        /// Data set.
        dataset: String,
        /// The models.
        models: Vec<String>,
        /// How many units it is about.
        units: u64,
        /// What happened to their bases.
        because: Vec<crate::BasisKind>,
    },
    /// They decided.
    TaskClosed {
        /// Number of the task.
        task: u64,
        /// Who.
        by: String,
        /// What, and why.
        decision: String,
    },
    /// The clock stood before the last event, and somebody said that it is right now.
    ClockAccepted {
        /// Time of the last event.
        last: String,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// The ledger was brought back from a backup: the events before this one are the backup's.
    LedgerRestored {
        /// When the backup was made, RFC 3339.
        made: String,
        /// Events in it.
        events: u64,
        /// SHA-256 of its rows.
        sha256: String,
    },
    /// What names people was sealed with another key.
    LedgerResealed {
        /// Name of the key, which tells nothing of it.
        key: String,
    },
    /// A model that was trained elsewhere was brought in; what is said of it is asserted.
    ModelRegistered(AssertedModel),
    /// Somebody wanted to reach a host.
    ConnectionDecided {
        /// The host.
        host: String,
        /// For which purpose.
        purpose: String,
        /// Whether it is declared for that.
        allowed: bool,
        /// Why not.
        why: Vec<String>,
    },
    /// Things past their retention were removed, or kept under a hold.
    RetentionEnforced {
        /// What was removed: kind and name.
        removed: Vec<String>,
        /// What was kept under a legal hold: kind and name.
        held: Vec<String>,
    },
    /// A budget was opened. Its terms never change.
    BudgetOpened {
        /// Data set.
        dataset: String,
        /// Unit of privacy.
        unit: String,
        /// Total ε.
        epsilon: f64,
        /// δ.
        delta: f64,
        /// Order at which the Rényi filter adds.
        order: f64,
    },
    /// A run was charged in full, before its noise key existed.
    BudgetReserved {
        /// The run.
        run: String,
        /// Data set.
        dataset: String,
        /// SHA-256 of the plan.
        plan_digest: String,
        /// Rényi loss of the run at the filter's order.
        cost: f64,
        /// Rényi loss set aside for later runs of the same plan (retraining after an erasure).
        held: f64,
    },
    /// A noise key exists: from here on noise may have been drawn.
    NoiseKeyCreated {
        /// The run.
        run: String,
    },
    /// An interrupted run can no longer be replayed.
    RunAbandoned {
        /// The run.
        run: String,
        /// Why.
        reason: String,
        /// Rényi loss that stays charged: all of the run's own if its noise key existed, else none.
        charged: f64,
    },
    /// A model was released.
    ModelReleased(Release),
    /// A release was refused at the last look.
    ReleaseBlocked {
        /// The run.
        run: String,
        /// The decision then.
        decision: Decision,
    },
    /// Models were trained for internal evaluation; their weights are gone.
    InternalEvaluation {
        /// Data version.
        version: String,
        /// How many models.
        models: u64,
        /// What for.
        purpose: String,
    },
    /// Something was measured or written down as evidence; the whole of it is a file beside the ledger.
    EvidenceRecorded {
        /// What kind: `audit`, `text-audit`, `explanation`, `scan`, `selection` and the like.
        topic: String,
        /// What it is about: a model, a data version, a file name.
        about: String,
        /// File under `.reticent/evidence`.
        file: String,
        /// SHA-256 of the file.
        sha256: String,
        /// The numbers that documents cite, by name.
        numbers: BTreeMap<String, f64>,
    },
    /// A report was written.
    ReportWritten {
        /// File name.
        file: String,
        /// SHA-256 of the file.
        sha256: String,
    },
    /// A unit was taken out: counts, and no name.
    SubjectErased {
        /// Number of the request, from 1.
        erasure: u64,
        /// Data set.
        dataset: String,
        /// Rows of the unit in the tables.
        rows: u64,
        /// Events of the unit that were emptied.
        events: u64,
    },
    /// A data version was written again without a unit; the tables before it are deleted.
    DataReduced {
        /// `visits/v2`.
        version: String,
        /// The version it was made from.
        from: String,
        /// Rows.
        records: u64,
        /// Units of privacy.
        units: u64,
        /// Salted digest of the rows.
        rows_digest: String,
    },
    /// Values of a unit's rows were put right: a data version was written again with them; the tables before it are deleted.
    DataCorrected {
        /// `visits/v2`.
        version: String,
        /// The version it was made from.
        from: String,
        /// Number of the request.
        request: u64,
        /// Values that were changed.
        values: u64,
        /// Salted digest of the rows.
        rows_digest: String,
    },
    /// A step of a person's request.
    Request(RequestEvent),
    /// A step of a breach of personal data.
    Breach(BreachEvent),
    /// A release is served no longer.
    ReleaseRecalled {
        /// `risk/1`.
        model: String,
        /// Why.
        reason: String,
        /// Who decided.
        by: String,
    },
    /// A run was charged to what another had set aside: the budget's total did not move.
    RetrainingReserved {
        /// The run.
        run: String,
        /// The run whose reserve it took.
        from_run: String,
        /// Rényi loss moved.
        cost: f64,
    },
    /// A legitimate interest (Art 6(1)(f)) was assessed in its three steps.
    LegitimateInterestAssessed {
        /// Data set.
        dataset: String,
        /// Purpose.
        purpose: String,
        /// Whether the interest itself holds.
        interest_holds: bool,
        /// Whether the processing is necessary for it.
        necessary: bool,
        /// Whether the people's interests do not override it.
        balanced: bool,
        /// The reasoning.
        text: String,
        /// Who approved.
        approved_by: String,
        /// When it must be made again, seconds since 1970.
        expires: i64,
        /// Who assessed it; never who approved.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        assessed_by: Option<String>,
        /// Who advised on it; neither of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        advised_by: Option<String>,
    },
    /// People wrote parts of an impact assessment.
    AssessmentUpdated {
        /// Data set.
        dataset: String,
        /// Purpose.
        purpose: String,
        /// What they wrote, by name of the part.
        sections: BTreeMap<String, Section>,
    },
    /// Somebody advised on an impact assessment.
    AssessmentAdvised {
        /// Data set.
        dataset: String,
        /// Purpose.
        purpose: String,
        /// Who.
        by: String,
        /// What they advise.
        advice: String,
    },
    /// The controller decided on an impact assessment.
    AssessmentDecided {
        /// Data set.
        dataset: String,
        /// Purpose.
        purpose: String,
        /// Who; never somebody who advised.
        by: String,
        /// What.
        decision: AssessmentDecision,
        /// Why.
        reason: String,
    },
}

/// What a decision was made on, beyond the ledger and the rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Circumstances {
    /// Number of the last event that was known.
    pub known: i64,
    /// Rows of one unit that took part, where the data set was cut to so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<u64>,
    /// Until when the rows could be used, seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_until: Option<i64>,
    /// Column that ages were read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<String>,
}

/// A released model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// `risk/1`.
    pub model: String,
    /// The run.
    pub run: String,
    /// Data version.
    pub data_version: String,
    /// Purpose.
    pub purpose: String,
    /// SHA-256 of the plan.
    pub plan_digest: String,
    /// SHA-256 of the permit.
    pub permit_digest: String,
    /// SHA-256 of the weights file.
    pub weights_sha256: String,
    /// SHA-256 of the manifest.
    pub manifest_sha256: String,
}

/// An event as it stands in the ledger.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StoredEvent {
    /// Number, from 1.
    pub seq: i64,
    /// When, RFC 3339.
    pub at: String,
    /// Who.
    pub actor: String,
    /// What.
    pub event: Event,
    /// What the log holds of it.
    pub commitment: String,
}

impl Event {
    /// The name of the kind, `model-released`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::WorkspaceCreated { .. } => "workspace-created",
            Self::DataImported { .. } => "data-imported",
            Self::BasisFileImported { .. } => "basis-file-imported",
            Self::Basis(_) => "basis",
            Self::AssessmentOpened { .. } => "assessment-opened",
            Self::GateDecided { .. } => "gate-decided",
            Self::BudgetOpened { .. } => "budget-opened",
            Self::BudgetReserved { .. } => "budget-reserved",
            Self::NoiseKeyCreated { .. } => "noise-key-created",
            Self::RunAbandoned { .. } => "run-abandoned",
            Self::ModelReleased(_) => "model-released",
            Self::ReleaseBlocked { .. } => "release-blocked",
            Self::InternalEvaluation { .. } => "internal-evaluation",
            Self::EvidenceRecorded { .. } => "evidence-recorded",
            Self::ReportWritten { .. } => "report-written",
            Self::SubjectErased { .. } => "subject-erased",
            Self::DataReduced { .. } => "data-reduced",
            Self::ReleaseRecalled { .. } => "release-recalled",
            Self::RetrainingReserved { .. } => "retraining-reserved",
            Self::LegitimateInterestAssessed { .. } => "legitimate-interest-assessed",
            Self::AssessmentUpdated { .. } => "assessment-updated",
            Self::AssessmentAdvised { .. } => "assessment-advised",
            Self::AssessmentDecided { .. } => "assessment-decided",
            Self::PolicyRecorded { .. } => "policy-recorded",
            Self::Registered(_) => "registered",
            Self::TaskOpened { .. } => "task-opened",
            Self::TaskClosed { .. } => "task-closed",
            Self::ClockAccepted { .. } => "clock-accepted",
            Self::LedgerRestored { .. } => "ledger-restored",
            Self::LedgerResealed { .. } => "ledger-resealed",
            Self::ModelRegistered(_) => "model-registered",
            Self::ConnectionDecided { .. } => "connection-decided",
            Self::RetentionEnforced { .. } => "retention-enforced",
            Self::DataCorrected { .. } => "data-corrected",
            Self::Request(_) => "request",
            Self::Breach(_) => "breach",
        }
    }

    /// Whose event it is: its commitment is keyed by that unit's own key, which an erasure destroys.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        if let Self::Basis(basis) = self { Some(&basis.subject) } else { None }
    }
}

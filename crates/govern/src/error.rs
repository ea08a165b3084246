//! What the ledger can refuse.

use reticent_accounting::Error as AccountingError;

/// Why the ledger did not do what was asked. Nothing is changed when an error is returned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The database could not be read or written. Typical cause: a full disk, a damaged file.
    #[error("the ledger cannot be used: {0}")]
    Database(#[from] sqlx::Error),
    /// The disk refused.
    #[error("{what}: {source}")]
    Io {
        /// What was attempted.
        what: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The URL of the ledger cannot be used. What it holds is never told: there may be a password in it.
    #[error("the ledger's URL cannot be used: {why}")]
    LedgerUrl {
        /// Why not.
        why: String,
    },
    /// The server is not on this machine.
    #[error("the ledger would lie on {host}: it holds personal data, and connections are not encrypted here")]
    LedgerHost {
        /// The host.
        host: String,
    },
    /// What was removed is still on the server's disk: a transaction that began before may read it. The same request again goes on.
    #[error("somebody's transaction on the server still sees what was removed from `{table}`: end it and ask again")]
    StillSeen {
        /// The table.
        table: &'static str,
    },
    /// The ledger was written by a newer program.
    #[error("the ledger has format {found}, this program knows up to {known}")]
    Newer {
        /// Format of the file.
        found: i64,
        /// Newest format this program knows.
        known: i64,
    },
    /// A backup is not what it should be. Nothing was changed.
    #[error("the backup cannot be used: {why}")]
    Backup {
        /// Why not.
        why: String,
    },
    /// What names people is sealed with a key that is not at hand.
    #[error("the ledger is sealed with the key {by}, which is not at hand")]
    Sealed {
        /// Name of the key.
        by: String,
    },
    /// An event cannot be read back.
    #[error("event {seq} of the ledger is damaged: {why}")]
    Damaged {
        /// Its number.
        seq: i64,
        /// What is wrong.
        why: String,
    },
    /// A file of basis events has wrong rows; all of them, by line.
    #[error("{}", .0.iter().map(|(line, why)| format!("line {line}: {why}")).collect::<Vec<_>>().join("\n"))]
    BasisRows(Vec<(u64, String)>),
    /// Receipts come with another content than under their numbers before.
    #[error("{receipts} receipts are on record with another content: a receipt says one thing")]
    Replayed {
        /// How many.
        receipts: u64,
    },
    /// The clock stands before the last event. Typical causes: a machine that lost its time, somebody who set it back.
    #[error("the clock says {now}, before the last event of the ledger at {last}")]
    Clock {
        /// Time of the last event.
        last: String,
        /// What the clock says.
        now: String,
    },
    /// A register has wrong entries; all of them, by name.
    #[error("{}", .0.join("\n"))]
    Register(Vec<String>),
    /// Nothing of this kind is on record.
    #[error("no {what} is called {name}")]
    Unknown {
        /// Kind of thing.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The budget is on record with other terms.
    #[error("the budget of `{dataset}` is ε = {epsilon} at δ = {delta} for each {unit} and cannot be changed")]
    BudgetFixed {
        /// Data set.
        dataset: String,
        /// Unit.
        unit: String,
        /// Its ε.
        epsilon: f64,
        /// Its δ.
        delta: f64,
    },
    /// The filter admits no further run of this cost.
    #[error(
        "the budget of `{dataset}` (ε = {epsilon} at δ = {delta} for each {unit}) does not admit this run: it needs {asked:.4} of Rényi loss, {left:.4} of {total:.4} is left"
    )]
    BudgetSpent {
        /// Data set.
        dataset: String,
        /// Unit.
        unit: String,
        /// Its ε.
        epsilon: f64,
        /// Its δ.
        delta: f64,
        /// Cost of the run with its reserve.
        asked: f64,
        /// What is left.
        left: f64,
        /// The whole.
        total: f64,
    },
    /// No budget was opened.
    #[error("no budget is open for `{dataset}` and each {unit}")]
    NoBudget {
        /// Data set.
        dataset: String,
        /// Unit.
        unit: String,
    },
    /// No run of this name is reserved.
    #[error("run {run} is not reserved")]
    NoRun {
        /// The run.
        run: String,
    },
    /// The run is too far, or not far enough, for what was asked. Typical cause: another process gave it up in the meantime.
    #[error("run {run} is {state}: {asked} is not possible")]
    WrongState {
        /// The run.
        run: String,
        /// How far it is.
        state: &'static str,
        /// What was asked.
        asked: &'static str,
    },
    /// Nothing is left of what a run had set aside.
    #[error("run {run} has no reserve left")]
    NoReserve {
        /// The run.
        run: String,
    },
    /// A reserve is for the same mechanism on the same budget only: another would cost, or reveal, something else.
    #[error("the reserve of run {run} is for another plan, data set or unit")]
    OtherPlan {
        /// The run.
        run: String,
    },
    /// No model was released under this name.
    #[error("no release is called {model}")]
    NoRelease {
        /// The name.
        model: String,
    },
    /// Whoever advises on an assessment does not decide on it.
    #[error("{by} cannot both advise on an assessment and decide on it")]
    SameActor {
        /// Who.
        by: String,
    },
    /// Whoever proposes, whoever advises and whoever decides are different people.
    #[error("{by} cannot have two of these parts: to propose, to advise, to decide")]
    TwoParts {
        /// Who.
        by: String,
    },
    /// A request cannot take this step.
    #[error("request {request}: {why}")]
    Request {
        /// Its number.
        request: u64,
        /// Why not.
        why: String,
    },
    /// A breach cannot take this step.
    #[error("breach {breach}: {why}")]
    Breach {
        /// Its number.
        breach: u64,
        /// Why not.
        why: String,
    },
    /// Whoever made a model does not review its decisions.
    #[error("{by} {part}: somebody else looks at the decision again")]
    Reviewer {
        /// Who.
        by: String,
        /// What they did.
        part: String,
    },
    /// A caller has asked a model as often as it may be asked.
    #[error("{model} may be asked {limit} times by one caller: {asked} more are asked for, {left} are left")]
    QueriesSpent {
        /// The model.
        model: String,
        /// How often in all.
        limit: u64,
        /// How many are asked for now.
        asked: u64,
        /// How many are left.
        left: u64,
    },
    /// The accountant refuses.
    #[error(transparent)]
    Accounting(#[from] AccountingError),
}

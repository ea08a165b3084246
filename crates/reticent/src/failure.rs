//! The edge: one `error:` sentence, one `hint:`, one exit code.

use std::fmt;
use std::process::ExitCode;

/// Why a verb did not do what was asked, in words for the person who asked.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    /// Facts for `--json`.
    pub(crate) facts: serde_json::Value,
}

/// What sort of failure, which is also the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Something is broken or missing.
    Failed,
    /// The command line or a file written by the user is wrong.
    Usage,
    /// A rule refused.
    Refused,
}

impl Failure {
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { kind: Kind::Failed, message: message.into(), hint: None, facts: serde_json::Value::Null }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { kind: Kind::Usage, ..Self::failed(message) }
    }

    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self { kind: Kind::Refused, ..Self::failed(message) }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    pub(crate) fn facts(self, facts: impl serde::Serialize) -> Self {
        Self { facts: serde_json::to_value(facts).unwrap_or_default(), ..self }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self.kind {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::Refused => 3,
        })
    }

    pub(crate) fn to_json(&self) -> serde_json::Value {
        let kind = match self.kind {
            Kind::Failed => "failed",
            Kind::Usage => "usage",
            Kind::Refused => "refused",
        };
        serde_json::json!({ "schema_version": 1, "error": { "kind": kind, "message": self.message, "hint": self.hint, "facts": self.facts } })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "\n\nhint: {hint}")?;
        }
        Ok(())
    }
}

impl From<reticent_data::Error> for Failure {
    fn from(error: reticent_data::Error) -> Self {
        use reticent_data::Error;
        match &error {
            Error::Rows(problems) => {
                let mut hints: Vec<&str> = problems.iter().map(|p| p.kind.hint()).collect();
                hints.sort_unstable();
                hints.dedup();
                Self::usage(format!("the rows do not fit the declared columns; nothing was imported\n{error}"))
                    .hint(hints.join("\n      "))
                    .facts(problems)
            }
            Error::Empty => Self::usage("the file has no rows").hint("bring a file with a header line and at least one row"),
            Error::Csv { .. } => Self::usage(format!("the file cannot be read as CSV: {error}"))
                .hint("look at that line; `delimiter` in reticent.toml sets the separator"),
            Error::Schema { .. } => {
                Self::usage(format!("reticent.toml: {error}")).hint("`reticent check` reports all problems of the file")
            }
            Error::OtherVersion { .. } | Error::Stored { .. } => {
                Self::failed(error.to_string()).hint("bring the file back from your backup; `reticent log verify` tells what else differs")
            }
            Error::Io { .. } => Self::failed(error.to_string()),
            _ => Self::failed(error.to_string()),
        }
    }
}

impl From<reticent_govern::Error> for Failure {
    fn from(error: reticent_govern::Error) -> Self {
        use reticent_govern::Error;
        match &error {
            Error::BudgetSpent { .. } => Self::refused(error.to_string()).hint("`reticent budget` shows every charge and reserve; to spend what is left, keep the terms in `[data.NAME.budget]` and lower the `epsilon` of the model"),
            Error::BudgetFixed { .. } => Self::refused(error.to_string()).hint("put the recorded terms back into reticent.toml: a budget that could be raised would bound nothing"),
            Error::SameActor { .. } => Self::refused(error.to_string())
                .hint("whoever advises as data-protection officer does not decide as controller: name two people (GDPR Art 38(6))"),
            Error::BasisRows(_) => Self::usage(format!("the file of events has wrong lines; nothing was imported\n{error}"))
                .hint("columns: subject,purpose,state,at,notice,art6,art9,expires; `reticent consent import --help` shows an example"),
            Error::TwoParts { .. } => Self::refused(error.to_string())
                .hint("whoever owns a purpose proposes, the data-protection officer advises, the controller decides: name different people"),
            Error::Request { .. } | Error::Breach { .. } => Self::refused(error.to_string()),
            Error::Reviewer { .. } => Self::refused(error.to_string()).hint("name a reviewer who neither trained nor released it (GDPR Art 22(3))"),
            Error::Clock { .. } => Self::refused(error.to_string())
                .hint("set the clock right; where it is right and the ledger ran ahead, somebody answers for it: `reticent register clock --by NAME --reason TEXT`"),
            Error::Replayed { .. } => Self::refused(error.to_string())
                .hint("take the receipts out of the file, or find out who changed them; nothing was imported"),
            Error::Register(_) => Self::usage(format!("the entries are wrong; nothing was entered\n{error}"))
                .hint("`reticent register import --help` shows every register"),
            Error::Database(_) | Error::Damaged { .. } => Self::failed(error.to_string())
                .hint("where the disk is full, free some space; where the file is damaged, bring back the newest .reticent/ledger.db: an older one is refused"),
            Error::LedgerUrl { .. } => Self::usage(error.to_string())
                .hint("`[ledger] url` in reticent.toml or RETICENT_LEDGER_URL: \"postgres://reticent@localhost/visits\""),
            Error::LedgerHost { .. } => Self::refused(error.to_string())
                .hint("run the server on this machine, or lead an encrypted tunnel to a port here and declare where it ends as a host"),
            Error::StillSeen { .. } => Self::failed(error.to_string()).hint("the same request finishes what is left"),
            Error::Sealed { .. } => Self::failed(error.to_string()).hint("bring .reticent/keys/ledger.key back from your backup; nothing was changed"),
            Error::Newer { .. } => Self::failed(error.to_string()).hint("use the newer program for this workspace"),
            _ => Self::failed(error.to_string()),
        }
    }
}

impl From<reticent_proof::log::Error> for Failure {
    fn from(error: reticent_proof::log::Error) -> Self {
        Self::failed(format!("the log: {error}")).hint("`reticent log verify` names each file that does not fit")
    }
}

impl From<reticent_train::Error> for Failure {
    fn from(error: reticent_train::Error) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<reticent_explain::Error> for Failure {
    fn from(error: reticent_explain::Error) -> Self {
        use reticent_explain::Error;
        match &error {
            Error::TooManyColumns { .. } => Self::refused(error.to_string()).hint("drop columns that the model does not need"),
            Error::TooFewUnits { .. } | Error::TooFine { .. } => {
                Self::refused(error.to_string()).hint("an explanation compares with averages that show nobody: it needs more units")
            }
            Error::Sum { .. } => Self::refused(error.to_string()),
            _ => Self::failed(error.to_string()),
        }
    }
}

impl From<reticent_accounting::Error> for Failure {
    fn from(error: reticent_accounting::Error) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<crate::config::Problems> for Failure {
    fn from(problems: crate::config::Problems) -> Self {
        let count = problems.problems.len();
        let noun = if count == 1 { "problem" } else { "problems" };
        Self::usage(format!("{} has {count} {noun}\n{problems}", problems.file)).facts(&problems.problems)
    }
}

/// Runs what catches its own panics, on the bytes of a file that somebody sent, without the lines that a panic prints.
pub(crate) fn quietly<T>(run: impl FnOnce() -> T) -> T {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let done = run();
    std::panic::set_hook(hook);
    done
}

//! Is an assessment needed? The nine criteria of WP248 rev.01, as far as what is declared can tell.

use super::fria::fria;
use crate::config::{Art22, Config};
use serde::Serialize;

/// The criteria and what follows.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Screening {
    /// All nine, in the order of WP248.
    pub(crate) criteria: Vec<Criterion>,
    /// What follows from them, in words.
    pub(crate) outcome: String,
    /// Whether an assessment of the impact on fundamental rights is due too.
    pub(crate) fria: Criterion,
}

/// One criterion.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Criterion {
    /// In our words.
    pub(crate) name: &'static str,
    /// Whether it holds.
    pub(crate) answer: Answer,
    /// What that was read from.
    pub(crate) why: String,
}

/// Whether a criterion holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    /// It follows from what is declared.
    Holds,
    /// What is declared says no.
    NotDeclared,
    /// Only people can tell.
    ForPeople,
}

/// Units from which on we speak of a large scale; WP248 names no number.
const LARGE: u64 = 5000;

/// The screening of a purpose on a data set, both declared in `config`.
pub(crate) fn screening(config: &Config, dataset: &str, purpose: &str) -> Screening {
    let data = &config.data[dataset];
    let declared = &config.purposes[purpose];
    let special: Vec<&str> = data.columns.declared.iter().filter(|c| c.special.is_some()).map(|c| c.name.as_str()).collect();
    let (large, automated) = (data.units >= LARGE, declared.art22 != Art22::None);
    let yes = |holds: bool| if holds { Answer::Holds } else { Answer::NotDeclared };
    let criterion = |name, answer, why: String| Criterion { name, answer, why };
    let for_people = |name, why: &str| Criterion { name, answer: Answer::ForPeople, why: why.into() };
    let criteria = vec![
        criterion("evaluation or scoring", Answer::Holds, "a model scores people".into()),
        criterion(
            "decisions by machine with legal or similar effect",
            yes(automated),
            if automated { "declared, on a ground of Art 22(2)".into() } else { "the purpose declares none".into() },
        ),
        for_people("systematic monitoring", "whether people are watched, and where, is not declared"),
        criterion(
            "sensitive data",
            yes(!special.is_empty()),
            if special.is_empty() { "no column is declared `special`".into() } else { special.join(", ") },
        ),
        criterion(
            "large scale",
            yes(large),
            if large { "5,000 units or more".into() } else { "fewer than 5,000 units, where we draw the line".into() },
        ),
        for_people("data sets matched or combined", "where the file came from is not declared"),
        for_people("people who cannot easily object", "children, patients, employees: no column says so for certain"),
        for_people("new technology or a new use", "training under differential privacy is not common yet"),
        for_people("a right, a service or a contract withheld", "what follows from a score is not declared"),
    ];
    let holds = criteria.iter().filter(|c| c.answer == Answer::Holds).count();
    let open = criteria.iter().filter(|c| c.answer == Answer::ForPeople).count();
    // Art 35(3)(a) and (b) ask for one whatever the count.
    let always = automated || (large && !special.is_empty());
    let outcome = match (always, holds) {
        (true, _) => format!("{holds} of 9 hold and {open} are for people to say; GDPR Art 35(3) asks for an assessment in such a case"),
        (false, 2..) => format!("{holds} of 9 hold and {open} are for people to say; from two on, WP248 expects an assessment"),
        (false, _) => format!("{holds} of 9 hold and {open} are for people to say; one more, and WP248 expects an assessment"),
    };
    Screening { criteria, outcome, fria: fria(declared) }
}

impl Screening {
    /// Whether AI Act Art 27 asks for its parts.
    pub(crate) fn fria_is_due(&self) -> bool {
        self.fria.answer == Answer::Holds
    }

    /// The criteria that hold, each with its reason: what the ledger keeps when an assessment is opened.
    pub(crate) fn holding(&self) -> Vec<String> {
        self.criteria.iter().filter(|c| c.answer == Answer::Holds).map(|c| format!("{}: {}", c.name, c.why)).collect()
    }
}

impl Answer {
    /// In words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::NotDeclared => "not declared",
            Self::ForPeople => "for people to say",
        }
    }
}

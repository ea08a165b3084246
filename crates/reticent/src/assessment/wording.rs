//! What people write, and the words around it.

use clap::ValueEnum;
use reticent_govern::AssessmentDecision;
use serde::Serialize;

/// A part of an assessment that only people can write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Part {
    /// How the processing takes place: systems, recipients, transfers, where people meet it
    Context,
    /// Which screening criteria hold that no program can tell
    Screening,
    /// Why the processing is needed for the purpose, and why no less would do
    Necessity,
    /// Risks to the people concerned, each with severity and likelihood
    Risks,
    /// What answers those risks, and what remains
    Measures,
    /// What the people concerned say, or why they were not asked
    Views,
    /// Fundamental rights: in which of the deployer's processes the system is used, and for what
    FriaProcess,
    /// Fundamental rights: how long and how often it is used
    FriaPeriod,
    /// Fundamental rights: which people and groups it is likely to affect
    FriaPeople,
    /// Fundamental rights: which harm is likely to come to them
    FriaRisks,
    /// Fundamental rights: how people oversee it
    FriaOversight,
    /// Fundamental rights: what is done when a risk comes true, who governs that, and where to complain
    FriaMeasures,
}

impl Part {
    /// In the order of the document.
    pub(crate) const ALL: [Self; 12] = [
        Self::Context,
        Self::Screening,
        Self::Necessity,
        Self::Risks,
        Self::Measures,
        Self::Views,
        Self::FriaProcess,
        Self::FriaPeriod,
        Self::FriaPeople,
        Self::FriaRisks,
        Self::FriaOversight,
        Self::FriaMeasures,
    ];

    /// Its name on the command line and in the ledger.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Context => "context",
            Self::Screening => "screening",
            Self::Necessity => "necessity",
            Self::Risks => "risks",
            Self::Measures => "measures",
            Self::Views => "views",
            Self::FriaProcess => "fria-process",
            Self::FriaPeriod => "fria-period",
            Self::FriaPeople => "fria-people",
            Self::FriaRisks => "fria-risks",
            Self::FriaOversight => "fria-oversight",
            Self::FriaMeasures => "fria-measures",
        }
    }

    /// Its heading, and how it is named where it is missing.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Context => "how the processing takes place",
            Self::Screening => "screening criteria that no program can tell",
            Self::Necessity => "necessity and proportionality of the processing",
            Self::Risks => "risks to the people concerned, with severity and likelihood",
            Self::Measures => "measures that answer those risks",
            Self::Views => "views of the people concerned, or why they were not sought",
            Self::FriaProcess => "fundamental rights: the processes in which the system is used",
            Self::FriaPeriod => "fundamental rights: how long and how often it is used",
            Self::FriaPeople => "fundamental rights: the people and groups it is likely to affect",
            Self::FriaRisks => "fundamental rights: the harm that is likely to come to them",
            Self::FriaOversight => "fundamental rights: how people oversee it",
            Self::FriaMeasures => "fundamental rights: what is done when a risk comes true, governance and complaints",
        }
    }

    /// Whether an assessment cannot be decided in favour without it (GDPR Art 35(7)(b) to (d)); `fria` where AI Act Art 27(1)(a) to (f) is due.
    pub(crate) fn is_required(self, fria: bool) -> bool {
        matches!(self, Self::Necessity | Self::Risks | Self::Measures) || (fria && self.is_of_fria())
    }

    /// Whether it belongs to the assessment of the impact on fundamental rights.
    pub(crate) fn is_of_fria(self) -> bool {
        self >= Self::FriaProcess
    }
}

/// What an officer recommends, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Recommendation {
    /// The processing may go on as assessed
    Approve,
    /// It should not
    Refuse,
    /// The authority should be consulted first
    Consult,
}

impl Recommendation {
    const ALL: [Self; 3] = [Self::Approve, Self::Refuse, Self::Consult];

    /// In words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Approve => "that the processing goes on as assessed",
            Self::Refuse => "that it does not go on",
            Self::Consult => "that the authority is consulted first",
        }
    }

    /// Whether a decision follows it.
    pub(crate) fn agrees_with(self, decision: AssessmentDecision) -> bool {
        matches!(
            (self, decision),
            (Self::Approve, AssessmentDecision::Approved)
                | (Self::Refuse, AssessmentDecision::Refused)
                | (Self::Consult, AssessmentDecision::ConsultAuthority)
        )
    }

    /// The advice as one text for the ledger: the recommendation is its first line.
    pub(crate) fn before(this: Option<Self>, text: &str) -> String {
        this.map_or_else(|| text.to_owned(), |r| format!("{}\n\n{text}", r.first_line()))
    }

    /// The recommendation and the words of an advice in the ledger.
    pub(crate) fn split(advice: &str) -> (Option<Self>, String) {
        let (first, rest) = advice.split_once("\n\n").unwrap_or((advice, ""));
        match Self::ALL.into_iter().find(|r| r.first_line() == first) {
            Some(found) => (Some(found), rest.to_owned()),
            None => (None, advice.to_owned()),
        }
    }

    fn first_line(self) -> String {
        format!("Recommends {}.", self.words())
    }
}

/// What no assessment made by a program says.
pub(super) const NOT_SAID: [&str; 9] = [
    "that the processing is permitted in law: people decide on that, and an authority or a court may see it otherwise",
    "that the risks named are all there are, or rightly weighed: they are as their authors wrote them",
    "that what is declared or recorded is true: the log shows that it did not change since a checkpoint held elsewhere",
    "that nothing leaks: a proved bound holds under its terms, and a measured lower bound says what one attack brought out",
    "anything about data, models or releases outside this workspace",
    "who advises and who decides in fact: two names differ, and the program knows no more of them",
    "that an erasure reached copies outside the listed stores",
    "that its counts hide an erasure: whoever holds it from before and after can tell from them how many were erased",
    "legal advice: nothing here is",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recommendation_comes_back_with_its_words() {
        for r in Recommendation::ALL.map(Some).into_iter().chain([None]) {
            let text = "The columns go further than the purpose.\n\nLeave out two.";
            assert_eq!(Recommendation::split(&Recommendation::before(r, text)), (r, text.to_owned()));
        }
        assert_eq!(Recommendation::split("Recommends nothing."), (None, "Recommends nothing.".to_owned()));
    }
}

//! The registers: who processes, with whom, where, under which notice, for how long. Typed entries, each true from a moment on and known from
//! another: what stood at any time, as far as it was known at any other, is a query.

mod host;
mod read;
mod retention;

pub use host::HostDecision;
pub use read::read_register;
pub use retention::{DueThing, until};

use crate::interest::apart;
use crate::{Actor, Error, Event, Ledger};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One entry from a moment on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterEvent {
    /// What it is about: a version, a host, a name. One kind of entry has each once.
    pub id: String,
    /// From when it holds, seconds since 1970.
    pub from: i64,
    /// Until when, seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
    /// What is entered.
    pub entry: Entry,
}

/// What the registers hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "register", rename_all = "kebab-case")]
pub enum Entry {
    /// A controller or processor (Art 4(7), 4(8), 26, 28).
    Party(Party),
    /// A purpose.
    Purpose(PurposeEntry),
    /// Somebody who receives data (Art 4(9), 30(1)(d)).
    Recipient(Recipient),
    /// A host that data may be sent to: a database, an HTTP sink, an object store.
    Host(Host),
    /// A version of a notice (Art 13, 14).
    Notice(Notice),
    /// How long a kind of thing is kept.
    Retention(Retention),
    /// What may not be deleted for now (Art 17(3)(e)).
    LegalHold(LegalHold),
    /// A test whether reuse for another purpose is compatible (Art 6(4)).
    Compatibility(CompatibilityTest),
}

/// A controller or processor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Party {
    /// `controller`, `joint-controller`, `processor`, `representative` or `data-protection-officer`.
    pub role: PartyRole,
    /// Name.
    pub name: String,
    /// Where it can be reached.
    pub contact: String,
    /// Country, `IE`.
    pub country: String,
    /// The contract that binds a processor (Art 28), or the arrangement of joint controllers (Art 26).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<String>,
}

/// Part of a party.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartyRole {
    /// Decides on purposes and means.
    Controller,
    /// Decides together with others.
    JointController,
    /// Processes on behalf of one.
    Processor,
    /// Represents one that is not established in the Union.
    Representative,
    /// Advises, and decides nothing.
    DataProtectionOfficer,
}

/// A purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PurposeEntry {
    /// In a vocabulary.
    pub iri: String,
    /// The purpose that it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broader: Option<String>,
    /// Who answers for it.
    pub owner: String,
    /// One sentence for the people whose data it is.
    pub description: String,
    /// How long data is kept for it, `P3Y`.
    pub retention: String,
    /// Where the use case is documented.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub documentation: Option<String>,
}

/// Somebody who receives data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipient {
    /// Name.
    pub name: String,
    /// Country, `IE`.
    pub country: String,
    /// Purposes that it receives data for.
    pub purposes: Vec<String>,
    /// The contract of a processor (Art 28).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<String>,
    /// What carries a transfer out of the Union (Chapter V): `adequacy`, `standard-contractual-clauses` and the like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<String>,
}

/// A host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Whose it is: a recipient of this register.
    pub recipient: String,
    /// Country where it stands, `IE`.
    pub region: String,
}

/// A version of a notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// Languages it is shown in.
    pub languages: Vec<String>,
    /// Purposes that it names.
    pub purposes: Vec<String>,
    /// SHA-256 of what is shown, by language.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub shown: BTreeMap<String, String>,
}

/// How long a kind of thing is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// ISO 8601, `P3Y`.
    pub keep: String,
}

/// What may not be deleted for now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LegalHold {
    /// Data set.
    pub dataset: String,
    /// Why.
    pub reason: String,
    /// Who ordered it.
    pub ordered_by: String,
}

/// The five factors of Art 6(4), each in words, and the outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompatibilityTest {
    /// Data set.
    pub dataset: String,
    /// The purpose that the rows were collected for.
    pub from: String,
    /// The purpose that they are wanted for.
    pub to: String,
    /// Link between the purposes (a).
    pub link: Factor,
    /// Context of the collection, and what people expect (b).
    pub context: Factor,
    /// Nature of the data, special categories and offences above all (c).
    pub nature: Factor,
    /// Consequences for the people (d).
    pub consequences: Factor,
    /// Safeguards: encryption, pseudonyms and the like (e).
    pub safeguards: Factor,
    /// Who tested.
    pub tested_by: String,
    /// Who advised, where somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advised_by: Option<String>,
    /// Who decided.
    pub decided_by: String,
}

/// One factor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Factor {
    /// Whether it speaks for the reuse.
    pub speaks_for: bool,
    /// Why.
    pub why: String,
}

impl CompatibilityTest {
    /// Whether every factor speaks for the reuse: one that does not leaves it to a new basis.
    #[must_use]
    pub fn compatible(&self) -> bool {
        self.factors().iter().all(|f| f.speaks_for)
    }

    fn factors(&self) -> [&Factor; 5] {
        [&self.link, &self.context, &self.nature, &self.consequences, &self.safeguards]
    }
}

impl Entry {
    /// The register it belongs to, `legal-hold`.
    #[must_use]
    pub fn register(&self) -> &'static str {
        match self {
            Self::Party(_) => "party",
            Self::Purpose(_) => "purpose",
            Self::Recipient(_) => "recipient",
            Self::Host(_) => "host",
            Self::Notice(_) => "notice",
            Self::Retention(_) => "retention",
            Self::LegalHold(_) => "legal-hold",
            Self::Compatibility(_) => "compatibility",
        }
    }
}

/// What entering did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Entered {
    /// Entries written.
    pub written: u64,
    /// Entries that stood so already.
    pub known: u64,
}

impl Ledger {
    /// Enters these, all or none; what stands so already is left alone.
    ///
    /// # Errors
    /// [`Error::Register`] with everything that is wrong; [`Error::TwoParts`]; [`Error::Clock`], [`Error::Database`].
    pub fn enter(&mut self, actor: &Actor, entries: &[RegisterEvent]) -> Result<Entered, Error> {
        let wrong: Vec<String> = entries.iter().flat_map(problems).collect();
        if !wrong.is_empty() {
            return Err(Error::Register(wrong));
        }
        for entry in entries {
            if let Entry::Compatibility(test) = &entry.entry {
                apart(&[Some(&test.tested_by), test.advised_by.as_ref(), Some(&test.decided_by)])?;
            }
        }
        self.write(|ledger| {
            let standing: Vec<RegisterEvent> = ledger.register_events(i64::MAX)?.into_iter().map(|(_, event)| event).collect();
            let mut entered = Entered::default();
            for event in entries {
                let same = |e: &&RegisterEvent| e.id == event.id && e.entry.register() == event.entry.register();
                if standing.iter().rev().find(same) == Some(event) {
                    entered.known += 1;
                } else {
                    ledger.append_within(actor, &Event::Registered(event.clone()))?;
                    entered.written += 1;
                }
            }
            Ok(entered)
        })
    }

    /// The entries of a register that hold at `at` (seconds since 1970), as far as they were known at event number `known`.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Damaged`].
    pub fn register(&mut self, register: &str, at: i64, known: Option<i64>) -> Result<BTreeMap<String, RegisterEvent>, Error> {
        let mut newest: BTreeMap<String, RegisterEvent> = BTreeMap::new();
        for (_, event) in self.register_events(known.unwrap_or(i64::MAX))? {
            if event.entry.register() != register || event.from > at {
                continue;
            }
            // Of two that hold, the one from later on; of two from the same moment, the one that was written later.
            if newest.get(&event.id).is_none_or(|standing| standing.from <= event.from) {
                newest.insert(event.id.clone(), event);
            }
        }
        newest.retain(|_, event| event.until.is_none_or(|until| until > at));
        Ok(newest)
    }

    /// Every entry with its event's number, oldest first.
    pub(crate) fn register_events(&mut self, known: i64) -> Result<Vec<(i64, RegisterEvent)>, Error> {
        let stored = self.events("registered")?.into_iter().filter(|s| s.seq <= known);
        Ok(stored.filter_map(|s| if let Event::Registered(event) = s.event { Some((s.seq, event)) } else { None }).collect())
    }
}

/// What is wrong with an entry, by its name.
fn problems(event: &RegisterEvent) -> Vec<String> {
    let name = format!("{} {}", event.entry.register(), event.id);
    let mut wrong = vec![];
    let mut says = |holds: bool, why: &str| {
        if holds {
            wrong.push(format!("{name}: {why}"));
        }
    };
    says(event.id.trim().is_empty() || event.id.len() > 200, "its name is empty or longer than 200 bytes");
    says(event.until.is_some_and(|until| until <= event.from), "it ends before it begins");
    match &event.entry {
        Entry::Retention(retention) => {
            says(until(0, &retention.keep).is_none(), "`keep` is no period such as P3Y");
            says(!retention::THINGS.contains(&event.id.as_str()), &format!("is none of {}", retention::THINGS.join(", ")));
        }
        Entry::Purpose(purpose) => {
            says(until(0, &purpose.retention).is_none(), "`retention` is no period such as P3Y");
            says(purpose.broader.as_deref() == Some(&event.id), "it is part of itself");
            says(purpose.owner.trim().is_empty(), "nobody owns it");
        }
        Entry::Party(party) => {
            says(matches!(party.role, PartyRole::Processor) && blank(party.contract.as_ref()), "a processor needs its contract (Art 28)");
            says(!is_country(&party.country), "`country` is no code of two letters");
        }
        Entry::Recipient(recipient) => {
            says(!is_country(&recipient.country), "`country` is no code of two letters");
            says(recipient.purposes.is_empty(), "it receives data for no purpose");
        }
        Entry::Host(host) => {
            says(!is_country(&host.region), "`region` is no code of two letters");
            says(event.id.contains(['/', '*', ' ', '@']) || !event.id.is_ascii(), "a host is one name, without address, user or pattern");
        }
        Entry::Notice(notice) => {
            says(notice.languages.is_empty(), "it is shown in no language");
            says(notice.purposes.is_empty(), "it names no purpose");
        }
        Entry::LegalHold(hold) => {
            says(hold.reason.trim().is_empty() || hold.ordered_by.trim().is_empty(), "it needs `reason` and `ordered_by`");
        }
        Entry::Compatibility(test) => {
            says(test.from == test.to, "it starts from the purpose it leads to");
            says(event.until.is_none(), "it needs `until`: a test must be made again");
            says(test.factors().iter().any(|f| f.why.trim().is_empty()), "every factor needs a reason");
        }
    }
    let text = serde_json::to_string(event).expect("plain data has JSON");
    says(text.contains("\\u00"), "it holds a control character");
    wrong
}

fn blank(text: Option<&String>) -> bool {
    text.is_none_or(|t| t.trim().is_empty())
}

fn is_country(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase())
}

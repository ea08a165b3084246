//! Where data may go: an undeclared host is denied, and so is one whose country or contract is missing.

use super::{Entry, PartyRole};
use crate::law::in_the_union;
use crate::{Actor, Error, Event, Ledger};
use serde::Serialize;

/// Whether a host may be reached for a purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HostDecision {
    /// Whether it may.
    pub allowed: bool,
    /// Why not; empty where it may.
    pub why: Vec<String>,
}

impl Ledger {
    /// Decides about a connection to a host for a purpose, and records it, before anything is sent.
    ///
    /// # Errors
    /// [`Error::Clock`], [`Error::Database`].
    pub fn connection(&mut self, actor: &Actor, host: &str, purpose: &str) -> Result<HostDecision, Error> {
        let now = self.now()?;
        let why = self.against_host(&host.to_lowercase(), purpose, now)?;
        let decision = HostDecision { allowed: why.is_empty(), why };
        let event =
            Event::ConnectionDecided { host: host.into(), purpose: purpose.into(), allowed: decision.allowed, why: decision.why.clone() };
        self.append(actor, &event)?;
        Ok(decision)
    }

    fn against_host(&mut self, name: &str, purpose: &str, now: i64) -> Result<Vec<String>, Error> {
        let hosts = self.register("host", now, None)?;
        let found = hosts.into_iter().find(|(id, _)| id.to_lowercase() == name).map(|(_, e)| e.entry);
        let Some(Entry::Host(host)) = found else { return Ok(vec!["the host is not declared".into()]) };
        let Some(Entry::Recipient(recipient)) = self.register("recipient", now, None)?.remove(&host.recipient).map(|e| e.entry) else {
            return Ok(vec!["the host's recipient is not declared".into()]);
        };
        let mut why = vec![];
        if !recipient.purposes.iter().any(|p| p == purpose) {
            why.push("the recipient receives nothing for this purpose".into());
        }
        let outside = [&host.region, &recipient.country].into_iter().any(|country| !in_the_union(country, now));
        if outside && super::blank(recipient.transfer.as_ref()) {
            why.push("it lies outside the Union, and nothing carries a transfer (Chapter V)".into());
        }
        let parties = self.register("party", now, None)?;
        let processor = parties
            .values()
            .any(|p| matches!(&p.entry, Entry::Party(party) if party.role == PartyRole::Processor && party.name == recipient.name));
        if !processor && super::blank(recipient.contract.as_ref()) {
            why.push("no contract with the recipient is on record (Art 28)".into());
        }
        Ok(why)
    }
}

//! What the gate knows when it is asked, now or as it was known then; and the decision again, from what is on record.

use crate::basis::{BasisKind, State};
use crate::store::Statement;
use crate::{Actor, Circumstances, Error, Event, Ledger};
use reticent_proof::{Compatibility, Decision, Facts, LegitimateInterest, Permit, Policy, Request, UnitFacts, decide};
use std::collections::{BTreeMap, BTreeSet};

/// What facts are wanted about.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Data set.
    pub dataset: &'a str,
    /// Data version, `visits/v1`.
    pub version: &'a str,
    /// Purpose.
    pub purpose: &'a str,
    /// Rows of each unit.
    pub rows: &'a BTreeMap<String, u64>,
    /// Age of units in years, as far as the rows say it.
    pub ages: &'a BTreeMap<String, u8>,
    /// Until when the rows may be used, seconds since 1970.
    pub keep_until: Option<i64>,
    /// Now, seconds since 1970.
    pub now: i64,
    /// Number of the last event that counts, for what was known at an earlier time; none for all.
    pub known: Option<i64>,
}

static NO_AGES: BTreeMap<String, u8> = BTreeMap::new();

impl<'a> Question<'a> {
    /// About these rows, now, without ages and without a retention.
    #[must_use]
    pub fn new(dataset: &'a str, version: &'a str, purpose: &'a str, rows: &'a BTreeMap<String, u64>, now: i64) -> Self {
        Self { dataset, version, purpose, rows, ages: &NO_AGES, keep_until: None, now, known: None }
    }
}

impl Ledger {
    /// Everything that [`decide`] needs to know about these units.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Damaged`].
    pub fn facts(&mut self, question: &Question<'_>) -> Result<Facts, Error> {
        let Question { dataset, version, purpose, rows, ages, keep_until, now, known } = *question;
        let known = known.unwrap_or(i64::MAX);
        let opened = self.events("assessment-opened")?;
        let assessment = opened.into_iter().rev().filter(|s| s.seq <= known).find_map(|stored| match stored.event {
            Event::AssessmentOpened { dataset: d, purpose: p, .. } if d == dataset && p == purpose => Some(stored.seq as u64),
            _ => None,
        });
        let events_known = self.basis_events_known_by(dataset, known)?;
        let compatible = self.compatible(dataset, purpose, now, known)?;
        let mut all = self.states(dataset, purpose, now, known)?;
        let mut states: Vec<State> = rows.keys().map(|unit| all.take(unit).unwrap_or_default()).collect();
        // A basis for the purpose that the rows were collected for, where reuse was found compatible and there is none for this one.
        for test in &compatible {
            let mut theirs = self.states(dataset, &test.from, now, known)?;
            for (unit, here) in rows.keys().zip(&mut states) {
                let Some(state) = theirs.take(unit) else { continue };
                if here.basis.is_none() {
                    here.basis = state.basis.map(|basis| reticent_proof::BasisFacts { purpose: Some(test.from.clone()), ..basis });
                    here.age = here.age.or(state.age);
                }
                here.restricted |= state.restricted;
                here.objected |= state.objected;
            }
        }
        let units = rows
            .iter()
            .zip(states)
            .map(|((unit, &records), state)| {
                let age = state.age.into_iter().chain(ages.get(unit).copied()).min();
                UnitFacts {
                    unit: unit.clone(),
                    records,
                    basis: state.basis,
                    restricted: state.restricted,
                    objected: state.objected,
                    overridden: state.overridden,
                    age,
                    opted_out: state.opted_out,
                    opted_in: state.opted_in,
                    limited: state.limited,
                }
            })
            .collect();
        let legitimate_interest = self.legitimate_interest(dataset, purpose, known)?;
        Ok(Facts { data_version: version.into(), assessment, events_known, legitimate_interest, compatible, keep_until, units })
    }

    /// Records a decision, with its policy where that is new, so that it can be made again from the ledger and the rows. `then.known` is the
    /// number of the last event that its facts took in ([`Ledger::last_seq`] before they were gathered).
    ///
    /// # Errors
    /// [`Error::Clock`], [`Error::Database`].
    pub fn record_decision(
        &mut self,
        actor: &Actor,
        policy: &Policy,
        decision: &Decision,
        chosen: &BTreeSet<reticent_proof::Reason>,
        then: &Circumstances,
    ) -> Result<i64, Error> {
        self.write(|ledger| ledger.record_decision_within(actor, policy, decision, chosen, then))
    }

    pub(crate) fn record_decision_within(
        &mut self,
        actor: &Actor,
        policy: &Policy,
        decision: &Decision,
        chosen: &BTreeSet<reticent_proof::Reason>,
        then: &Circumstances,
    ) -> Result<i64, Error> {
        if self.policy(&decision.policy_digest)?.is_none() {
            self.append_within(actor, &Event::PolicyRecorded { digest: decision.policy_digest.clone(), policy: policy.clone() })?;
        }
        let chosen = chosen.iter().copied().collect();
        self.append_within(actor, &Event::GateDecided { decision: decision.clone(), chosen, then: Some(then.clone()) })
    }

    /// The policy of this digest, where a decision was made under it.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Damaged`].
    pub fn policy(&mut self, wanted: &str) -> Result<Option<Policy>, Error> {
        Ok(self.events("policy-recorded")?.into_iter().find_map(|stored| match stored.event {
            Event::PolicyRecorded { digest, policy } if digest == wanted => Some(policy),
            _ => None,
        }))
    }

    /// Makes a decision again, from its policy and from what was known then. Who was erased since is missing from the facts: the digests
    /// then differ, and say so.
    ///
    /// # Errors
    /// [`Error::Unknown`] where the policy is not on record; [`Error::Database`].
    pub fn replay(&mut self, decision: &Decision, question: &Question<'_>) -> Result<(Decision, Option<Permit>), Error> {
        let name = || decision.policy_digest.clone();
        let policy = self.policy(&decision.policy_digest)?.ok_or_else(|| Error::Unknown { what: "policy on record", name: name() })?;
        let Request { data_version, purpose, at, .. } = &decision.request;
        let facts = self.facts(&Question { version: data_version, purpose, now: *at, ..*question })?;
        Ok(decide(&policy, &facts, &decision.request))
    }

    fn basis_events_known_by(&mut self, dataset: &str, known: i64) -> Result<bool, Error> {
        let query = Statement::new("SELECT 1 FROM basis WHERE dataset = ? AND seq <= ? LIMIT 1");
        Ok(!self.rows(query.bind(dataset.to_owned()).bind(known))?.is_empty())
    }

    /// The newest assessment of a legitimate interest, where all three of its steps held.
    fn legitimate_interest(&mut self, dataset: &str, purpose: &str, known: i64) -> Result<Option<LegitimateInterest>, Error> {
        let newest = self.events("legitimate-interest-assessed")?.into_iter().rev().filter(|s| s.seq <= known).find_map(|stored| {
            match stored.event {
                Event::LegitimateInterestAssessed { dataset: d, purpose: p, interest_holds, necessary, balanced, expires, .. }
                    if d == dataset && p == purpose =>
                {
                    Some((interest_holds && necessary && balanced, LegitimateInterest { event: stored.seq as u64, expires }))
                }
                _ => None,
            }
        });
        Ok(newest.filter(|(holds, _)| *holds).map(|(_, assessed)| assessed))
    }

    /// Compatibility tests (Art 6(4)) in favour of a purpose, the newest for each purpose that rows come from.
    fn compatible(&mut self, dataset: &str, purpose: &str, now: i64, known: i64) -> Result<Vec<Compatibility>, Error> {
        let mut found: BTreeMap<String, Option<Compatibility>> = BTreeMap::new();
        for stored in self.register_events(known)? {
            if let crate::register::Entry::Compatibility(test) = &stored.1.entry
                && test.dataset == dataset
                && test.to == purpose
                && stored.1.from <= now
            {
                let expires = stored.1.until.unwrap_or(i64::MAX);
                let stands = test.compatible().then(|| Compatibility { event: stored.0 as u64, from: test.from.clone(), expires });
                found.insert(test.from.clone(), stands);
            }
        }
        Ok(found.into_values().flatten().collect())
    }
}

/// Kinds of events after which people have to decide about models that are out already.
pub(crate) fn ends_a_basis(kind: BasisKind) -> bool {
    matches!(
        kind,
        BasisKind::Withdrawn
            | BasisKind::Objected
            | BasisKind::Restricted
            | BasisKind::Revoked
            | BasisKind::Invalidated
            | BasisKind::Refused
    )
}

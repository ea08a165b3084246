//! What the gate knows when it is asked.

use crate::{Error, Event, Ledger};
use reticent_proof::{Facts, LegitimateInterest, UnitFacts};
use std::collections::BTreeMap;

impl Ledger {
    /// Gathers the facts about the units of a data version (`units`: pseudonym and number of rows) for a purpose, at `now` (seconds since 1970).
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn facts(&mut self, dataset: &str, version: &str, purpose: &str, units: &BTreeMap<String, u64>, now: i64) -> Result<Facts, Error> {
        let opened = self.events("assessment-opened")?;
        let assessment = opened.iter().rev().find_map(|stored| match &stored.event {
            Event::AssessmentOpened { dataset: d, purpose: p, .. } if d == dataset && p == purpose => Some(stored.seq as u64),
            _ => None,
        });
        let events_known = self.basis_events_known(dataset)?;
        let mut states = self.states(dataset, purpose, now)?;
        let units = units
            .iter()
            .map(|(unit, &records)| {
                let state = states.remove(unit).unwrap_or_default();
                UnitFacts { unit: unit.clone(), records, basis: state.basis, restricted: state.restricted, objected: state.objected }
            })
            .collect();
        let legitimate_interest = self.legitimate_interest(dataset, purpose)?;
        Ok(Facts { data_version: version.into(), assessment, events_known, legitimate_interest, units })
    }

    /// The newest assessment of a legitimate interest, where all three of its steps held.
    fn legitimate_interest(&mut self, dataset: &str, purpose: &str) -> Result<Option<LegitimateInterest>, Error> {
        let newest = self.events("legitimate-interest-assessed")?.into_iter().rev().find_map(|stored| match stored.event {
            Event::LegitimateInterestAssessed { dataset: d, purpose: p, interest_holds, necessary, balanced, expires, .. }
                if d == dataset && p == purpose =>
            {
                Some((interest_holds && necessary && balanced, LegitimateInterest { event: stored.seq as u64, expires }))
            }
            _ => None,
        });
        Ok(newest.filter(|(holds, _)| *holds).map(|(_, assessed)| assessed))
    }

    /// Whether any basis event is known for a data set; until then it is quarantined.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn basis_events_known(&mut self, dataset: &str) -> Result<bool, Error> {
        Ok(!self.rows(sqlx::query("SELECT 1 FROM basis WHERE dataset = ? LIMIT 1").bind(dataset.to_owned()))?.is_empty())
    }
}

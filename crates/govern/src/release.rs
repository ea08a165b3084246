//! The moment a model leaves its run directory: the gate is asked once more, inside the transaction that lets it go.

use crate::budget::ReservationState;
use crate::gate::Question;
use crate::{Actor, Circumstances, Error, Event, GroundThen, Ledger, Release};
use reticent_proof::{Decision, Policy, Request, decide};
use std::collections::{BTreeMap, BTreeSet};

/// The last look: what the gate is asked, and what it is told beyond what is on record.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// The policy as it stands now.
    pub policy: &'a Policy,
    /// The question.
    pub request: &'a Request,
    /// Age of units in years, as far as the rows say it.
    pub ages: &'a BTreeMap<String, u8>,
    /// Until when the rows may be used, seconds since 1970.
    pub keep_until: Option<i64>,
    /// Rows of one unit that took part.
    pub cap: Option<u64>,
    /// Column that ages were read from.
    pub age: Option<&'a str>,
}

/// What came of a release.
#[derive(Debug)]
pub enum Outcome {
    /// The model is released; the event's number.
    Released(i64),
    /// The gate refused, or a trained unit's basis is gone. The run stays charged.
    Blocked(Box<Decision>),
}

impl Ledger {
    /// Releases the model of a run if every unit in `trained` (pseudonym and rows) still takes part under `policy`, deciding and writing in one
    /// transaction, so that no withdrawal can fall between the two. Without a `gate` (experiment mode) nothing is decided.
    ///
    /// # Errors
    /// [`Error::NoRun`]; [`Error::WrongState`] where the run drew no noise or is over.
    pub fn release(
        &mut self,
        actor: &Actor,
        release: &Release,
        dataset: &str,
        gate: Option<Look<'_>>,
        trained: &BTreeMap<String, u64>,
    ) -> Result<Outcome, Error> {
        self.write(|ledger| {
            let mut members: BTreeMap<GroundThen, Vec<String>> = BTreeMap::new();
            if let Some(Look { policy, request, ages, keep_until, cap, age }) = gate {
                // Whoever took part must still be allowed to: nobody may be left out now, the model has learned from all of them.
                let strict = Policy { exclude: [].into(), ..policy.clone() };
                let known = ledger.last_seq()?;
                let asked = Question::new(dataset, &request.data_version, &request.purpose, trained, request.at);
                let facts = ledger.facts(&Question { ages, keep_until, known: Some(known), ..asked })?;
                let (decision, permit) = decide(&strict, &facts, request);
                let then = Circumstances { known, cap, keep_until, age: age.map(str::to_owned) };
                ledger.record_decision_within(actor, &strict, &decision, &BTreeSet::new(), &then)?;
                if permit.is_none() {
                    ledger.advance(&release.run, &[ReservationState::Drawing], ReservationState::Abandoned, "its release")?;
                    ledger.append_within(actor, &Event::ReleaseBlocked { run: release.run.clone(), decision: decision.clone() })?;
                    return Ok(Outcome::Blocked(Box::new(decision)));
                }
                members = Self::grounds(&facts, trained.keys());
            } else {
                members.insert(GroundThen::asserted("experiment: nobody decided"), trained.keys().cloned().collect());
            }
            ledger.advance(&release.run, &[ReservationState::Drawing], ReservationState::Released, "its release")?;
            // Who is in it, and on which ground, in the same transaction: what is out can be asked about.
            ledger.record_members_within(&release.model, &members)?;
            ledger.append_within(actor, &Event::ModelReleased(release.clone())).map(Outcome::Released)
        })
    }

    /// Recalls a release: whoever asks for it is refused from now on. False where it was recalled before.
    ///
    /// # Errors
    /// [`Error::NoRelease`].
    pub fn recall(&mut self, actor: &Actor, model: &str, reason: &str, by: &str) -> Result<bool, Error> {
        self.write(|ledger| {
            let released = ledger.events("model-released")?.iter().any(|s| matches!(&s.event, Event::ModelReleased(r) if r.model == model));
            if !released {
                return Err(Error::NoRelease { model: model.into() });
            }
            if ledger.recalled()?.contains(model) {
                return Ok(false);
            }
            let event = Event::ReleaseRecalled { model: model.into(), reason: reason.into(), by: by.into() };
            ledger.append_within(actor, &event).map(|_| true)
        })
    }

    /// Names of the releases that were recalled.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Damaged`].
    pub fn recalled(&mut self) -> Result<BTreeSet<String>, Error> {
        let recalled = self.events("release-recalled")?.into_iter();
        Ok(recalled.filter_map(|s| if let Event::ReleaseRecalled { model, .. } = s.event { Some(model) } else { None }).collect())
    }
}

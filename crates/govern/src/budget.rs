//! Budgets that outlive runs: opened once, charged before a noise key exists, never overspent by two processes.
//!
//! A budget belongs to a data set and a unit of privacy. It is kept by a Rényi filter at one fixed order, because a later run may be
//! chosen after seeing what an earlier one gave (Feldman & Zrnic 2021, arXiv:2008.11193).

use crate::store::{Row, Statement};
use crate::{Actor, Error, Event, Ledger};
use reticent_accounting::filter::RenyiFilter;
use reticent_accounting::{Delta, Epsilon, Event as Mechanism, Order};
use serde::Serialize;

/// A budget and what has been charged to it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Budget {
    /// Data set.
    pub dataset: String,
    /// Unit of privacy.
    pub unit: String,
    /// Total ε.
    pub epsilon: f64,
    /// δ.
    pub delta: f64,
    /// Order at which the filter adds.
    pub order: f64,
    /// Rényi loss the filter admits in all.
    pub total: f64,
    /// Rényi loss charged, reserves included.
    pub spent: f64,
    /// Every charge, oldest first.
    pub reservations: Vec<Reservation>,
}

/// One charge.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reservation {
    /// The run.
    pub run: String,
    /// The release it is for, `risk/1`.
    pub model: String,
    /// Data set.
    pub dataset: String,
    /// Unit of privacy.
    pub unit: String,
    /// What the run's noise is bound to.
    pub binding: String,
    /// The plan's JSON.
    pub plan: String,
    /// What the run does, for the accountants.
    pub event: Mechanism,
    /// Rényi loss charged for the run.
    pub cost: f64,
    /// Rényi loss set aside for later runs of the same plan.
    pub held: f64,
    /// How many such runs.
    pub held_runs: u64,
    /// How far the run is.
    pub state: ReservationState,
    /// The run whose reserve it took, where it is a retraining.
    pub from_run: Option<String>,
}

/// How far a charged run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReservationState {
    /// Charged; no noise key exists, hence no noise was drawn.
    Reserved,
    /// A noise key exists; noise may have been drawn.
    Drawing,
    /// The model is released.
    Released,
    /// Charged in full and given up.
    Abandoned,
}

impl ReservationState {
    const ALL: [(Self, &str); 4] =
        [(Self::Reserved, "reserved"), (Self::Drawing, "drawing"), (Self::Released, "released"), (Self::Abandoned, "abandoned")];

    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(s, _)| *s == self).expect("all states are listed").1
    }
}

/// A run to be charged.
#[derive(Clone, Debug)]
pub struct RunRequest {
    /// Fresh, random name.
    pub run: String,
    /// The release it is for, `risk/1`.
    pub model: String,
    /// Data set.
    pub dataset: String,
    /// Unit of privacy.
    pub unit: String,
    /// What the run's noise is bound to: an interrupted run goes on only where this is equal.
    pub binding: String,
    /// The plan's JSON.
    pub plan: String,
    /// SHA-256 of the plan.
    pub plan_digest: String,
    /// What the run does.
    pub event: Mechanism,
    /// Later runs of the same plan to set loss aside for.
    pub held_runs: u64,
}

impl Ledger {
    /// Opens a budget, or finds it open on the same terms (its order stays what it was).
    ///
    /// # Errors
    /// [`Error::BudgetFixed`] where it was opened on other terms.
    pub fn open_budget(
        &mut self,
        actor: &Actor,
        dataset: &str,
        unit: &str,
        epsilon: Epsilon,
        delta: Delta,
        order: Order,
    ) -> Result<Budget, Error> {
        self.write(|ledger| {
            if let Some(budget) = ledger.budget(dataset, unit)? {
                if budget.epsilon == epsilon.get() && budget.delta == delta.get() {
                    return Ok(budget);
                }
                return Err(Error::BudgetFixed {
                    dataset: dataset.into(),
                    unit: unit.into(),
                    epsilon: budget.epsilon,
                    delta: budget.delta,
                });
            }
            // Under another name for the unit, or another unit, the same rows would be spent once more from a full budget.
            if let Some(Budget { unit, epsilon, delta, .. }) = ledger.budgets()?.into_iter().find(|b| b.dataset == dataset) {
                return Err(Error::BudgetFixed { dataset: dataset.into(), unit, epsilon, delta });
            }
            let filter = RenyiFilter::open(epsilon, delta, order)?;
            ledger.execute(
                Statement::new("INSERT INTO budgets VALUES (?, ?, ?, ?, ?, ?)")
                    .bind(dataset.to_owned())
                    .bind(unit.to_owned())
                    .bind(epsilon.get())
                    .bind(delta.get())
                    .bind(order.get())
                    .bind(filter.total()),
            )?;
            let opened = Event::BudgetOpened {
                dataset: dataset.into(),
                unit: unit.into(),
                epsilon: epsilon.get(),
                delta: delta.get(),
                order: order.get(),
            };
            ledger.append_within(actor, &opened)?;
            Ok(ledger.budget(dataset, unit)?.expect("just written"))
        })
    }

    /// The budget of a data set and unit, where one is open.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Damaged`].
    pub fn budget(&mut self, dataset: &str, unit: &str) -> Result<Option<Budget>, Error> {
        Ok(self.budgets()?.into_iter().find(|b| b.dataset == dataset && b.unit == unit))
    }

    /// All budgets.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Damaged`].
    pub fn budgets(&mut self) -> Result<Vec<Budget>, Error> {
        let reservations =
            self.rows(Statement::new("SELECT * FROM reservations ORDER BY id"))?.iter().map(reservation).collect::<Result<Vec<_>, _>>()?;
        let rows =
            self.rows(Statement::new("SELECT dataset, unit, epsilon, delta, filter_order, total FROM budgets ORDER BY dataset, unit"))?;
        rows.iter()
            .map(|row| {
                let (dataset, unit): (String, String) = (row.try_get(0)?, row.try_get(1)?);
                let own: Vec<Reservation> = reservations.iter().filter(|r| r.dataset == dataset && r.unit == unit).cloned().collect();
                Ok(Budget {
                    epsilon: row.try_get(2)?,
                    delta: row.try_get(3)?,
                    order: row.try_get(4)?,
                    total: row.try_get(5)?,
                    spent: own.iter().map(|r| r.cost + r.held).sum(),
                    reservations: own,
                    dataset,
                    unit,
                })
            })
            .collect()
    }

    /// Charges a run and its reserve, in one durable transaction with the filter's check inside. No noise key may exist before this returns.
    ///
    /// # Errors
    /// [`Error::NoBudget`], [`Error::BudgetSpent`], [`Error::Accounting`].
    pub fn reserve(&mut self, actor: &Actor, request: &RunRequest) -> Result<Reservation, Error> {
        self.write(|ledger| {
            let (dataset, unit) = (&request.dataset, &request.unit);
            let Some(budget) = ledger.budget(dataset, unit)? else {
                return Err(Error::NoBudget { dataset: dataset.clone(), unit: unit.clone() });
            };
            let filter = RenyiFilter::open(Epsilon::new(budget.epsilon)?, Delta::new(budget.delta)?, Order::new(budget.order)?)?;
            let together = request.event.clone().times(1 + request.held_runs);
            if let Err(refused) = filter.admit(budget.spent, &together) {
                let reticent_accounting::Error::BudgetSpent { .. } = refused else { return Err(refused.into()) };
                return Err(Error::BudgetSpent {
                    dataset: dataset.clone(),
                    unit: unit.clone(),
                    epsilon: budget.epsilon,
                    delta: budget.delta,
                    asked: filter.cost(&together)?,
                    left: budget.total - budget.spent,
                    total: budget.total,
                });
            }
            let cost = filter.cost(&request.event)?;
            let held = cost * request.held_runs as f64;
            let (run, plan_digest) = (request.run.clone(), request.plan_digest.clone());
            ledger.insert_reservation(request, cost, held, None)?;
            ledger.append_within(actor, &Event::BudgetReserved { run: run.clone(), dataset: dataset.clone(), plan_digest, cost, held })?;
            ledger.reservation(&run)
        })
    }

    /// Charges a retraining to what `from_run` set aside for it, in one durable transaction: one held run becomes a run of its own at equal
    /// cost, and what the budget has spent stays what it was. No noise key may exist before this returns.
    ///
    /// # Errors
    /// [`Error::NoRun`]; [`Error::WrongState`] where `from_run` is still under way; [`Error::NoReserve`]; [`Error::OtherPlan`] where the
    /// mechanism, the data set or the unit is another.
    pub fn reserve_retraining(&mut self, actor: &Actor, request: &RunRequest, from_run: &str) -> Result<Reservation, Error> {
        self.write(|ledger| {
            let holder = ledger.reservation(from_run)?;
            if matches!(holder.state, ReservationState::Reserved | ReservationState::Drawing) {
                return Err(Error::WrongState { run: from_run.into(), state: holder.state.name(), asked: "taking its reserve" });
            }
            if holder.held_runs == 0 {
                return Err(Error::NoReserve { run: from_run.into() });
            }
            if request.event != holder.event || (&request.dataset, &request.unit) != (&holder.dataset, &holder.unit) {
                return Err(Error::OtherPlan { run: from_run.into() });
            }
            let cost = holder.cost;
            ledger.hold(from_run, cost, holder.held_runs - 1)?;
            let request = RunRequest { held_runs: 0, ..request.clone() };
            ledger.insert_reservation(&request, cost, 0.0, Some(from_run))?;
            let event = Event::RetrainingReserved { run: request.run.clone(), from_run: from_run.into(), cost };
            ledger.append_within(actor, &event)?;
            ledger.reservation(&request.run)
        })
    }

    /// Sets aside `runs` runs of `cost` each for `run`.
    fn hold(&mut self, run: &str, cost: f64, runs: u64) -> Result<(), Error> {
        let update = Statement::new("UPDATE reservations SET held = ?, held_runs = ? WHERE run = ?");
        self.execute(update.bind(cost * runs as f64).bind(runs as i64).bind(run.to_owned())).map(drop)
    }

    fn insert_reservation(&mut self, request: &RunRequest, cost: f64, held: f64, from_run: Option<&str>) -> Result<(), Error> {
        let insert = Statement::new("INSERT INTO reservations (run, model, dataset, unit, binding, plan, event, cost, held, held_runs, state, from_run) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
            .bind(request.run.clone())
            .bind(request.model.clone())
            .bind(request.dataset.clone())
            .bind(request.unit.clone())
            .bind(request.binding.clone())
            .bind(request.plan.clone())
            .bind(serde_json::to_string(&request.event).expect("plain data has JSON"))
            .bind(cost)
            .bind(held)
            .bind(request.held_runs as i64)
            .bind(ReservationState::Reserved.name())
            .bind(from_run.map(str::to_owned));
        self.execute(insert).map(drop)
    }

    /// Notes that a noise key exists; only after this returns may noise be drawn.
    ///
    /// # Errors
    /// [`Error::NoRun`]; [`Error::WrongState`] where the run is no longer reserved: its charge may be gone, and no noise may be drawn.
    pub fn noise_key_created(&mut self, actor: &Actor, run: &str) -> Result<(), Error> {
        self.write(|ledger| {
            ledger.advance(run, &[ReservationState::Reserved], ReservationState::Drawing, "drawing noise")?;
            ledger.append_within(actor, &Event::NoiseKeyCreated { run: run.into() }).map(drop)
        })
    }

    /// Gives up an interrupted run that can no longer be replayed. Once its noise key existed the run stays charged in full; before that no
    /// noise can have been drawn, and its charge falls to zero. What was held for later runs of it is free again: their noise was never drawn.
    ///
    /// # Errors
    /// [`Error::NoRun`]; [`Error::WrongState`] where the run is over.
    pub fn abandon(&mut self, actor: &Actor, run: &str, reason: &str) -> Result<(), Error> {
        self.write(|ledger| {
            let found = ledger.reservation(run)?;
            let charged = if found.state == ReservationState::Reserved { 0.0 } else { found.cost };
            ledger.execute(
                Statement::new("UPDATE reservations SET cost = ?, held = 0, held_runs = 0 WHERE run = ?")
                    .bind(charged)
                    .bind(run.to_owned()),
            )?;
            if let (Some(from_run), ReservationState::Reserved) = (&found.from_run, found.state) {
                let runs = ledger.reservation(from_run)?.held_runs;
                ledger.hold(from_run, found.cost, runs + 1)?;
            }
            ledger.advance(run, &[ReservationState::Reserved, ReservationState::Drawing], ReservationState::Abandoned, "giving it up")?;
            ledger.append_within(actor, &Event::RunAbandoned { run: run.into(), reason: reason.into(), charged }).map(drop)
        })
    }

    /// The charge of a run.
    ///
    /// # Errors
    /// [`Error::NoRun`], [`Error::Database`].
    pub fn reservation(&mut self, run: &str) -> Result<Reservation, Error> {
        let rows = self.rows(Statement::new("SELECT * FROM reservations WHERE run = ?").bind(run.to_owned()))?;
        rows.first().map(reservation).unwrap_or_else(|| Err(Error::NoRun { run: run.into() }))
    }

    /// Moves a run on, if it is in one of the states `from`.
    pub(crate) fn advance(&mut self, run: &str, from: &[ReservationState], to: ReservationState, asked: &'static str) -> Result<(), Error> {
        let state = self.reservation(run)?.state;
        if !from.contains(&state) {
            return Err(Error::WrongState { run: run.into(), state: state.name(), asked });
        }
        self.execute(Statement::new("UPDATE reservations SET state = ? WHERE run = ?").bind(to.name()).bind(run.to_owned())).map(drop)
    }
}

fn reservation(row: &Row) -> Result<Reservation, Error> {
    let damaged = |why: &str| Error::Damaged { seq: 0, why: why.into() };
    let event: String = row.try_get("event")?;
    let state: String = row.try_get("state")?;
    let held_runs: i64 = row.try_get("held_runs")?;
    Ok(Reservation {
        run: row.try_get("run")?,
        model: row.try_get("model")?,
        dataset: row.try_get("dataset")?,
        unit: row.try_get("unit")?,
        binding: row.try_get("binding")?,
        plan: row.try_get("plan")?,
        event: serde_json::from_str(&event).map_err(|_| damaged("a reservation's event has no known form"))?,
        cost: row.try_get("cost")?,
        held: row.try_get("held")?,
        held_runs: held_runs as u64,
        from_run: row.try_get("from_run")?,
        state: ReservationState::ALL.iter().find(|(_, n)| *n == state).ok_or_else(|| damaged("a reservation has an unknown state"))?.0,
    })
}

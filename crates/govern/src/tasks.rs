//! What people have to decide: models that are out when a basis of somebody they were trained on ends.

use crate::basis::{ALL_PURPOSES, BasisEvent};
use crate::gate::ends_a_basis;
use crate::{Actor, Error, Event, Ledger, StoredEvent};
use std::collections::{BTreeMap, BTreeSet};

/// A task and where it stands.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Task {
    /// Its number.
    pub task: u64,
    /// Number of the event that opened it.
    pub event: i64,
    /// When, RFC 3339.
    pub at: String,
    /// Data set.
    pub dataset: String,
    /// The models.
    pub models: Vec<String>,
    /// How many units it is about.
    pub units: u64,
    /// The decision, and who made it, where it is made.
    pub closed: Option<(String, String)>,
}

impl Ledger {
    /// Opens a task where new events end the basis of units that models in use were trained on. The past stays permitted (Art 7(3)); whether
    /// the models go is for people to decide (Art 17(1)(b)).
    pub(crate) fn open_withdrawal_task(&mut self, actor: &Actor, dataset: &str, new: &[&BasisEvent]) -> Result<(), Error> {
        let ended: Vec<&&BasisEvent> = new.iter().filter(|e| ends_a_basis(e.state)).collect();
        if ended.is_empty() {
            return Ok(());
        }
        let recalled = self.recalled()?;
        let mut found: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for stored in self.events("model-released")? {
            let Event::ModelReleased(release) = stored.event else { continue };
            if recalled.contains(&release.model) || release.data_version.split('/').next() != Some(dataset) {
                continue;
            }
            let concerned = ended.iter().filter(|e| e.purpose == release.purpose || e.purpose == ALL_PURPOSES);
            let subjects: BTreeSet<&str> = concerned.map(|e| e.subject.as_str()).collect();
            let members = self.which_are_in(&release.model, &subjects)?;
            if !members.is_empty() {
                found.insert(release.model, members);
            }
        }
        if found.is_empty() {
            return Ok(());
        }
        let units: BTreeSet<&str> = found.values().flatten().copied().collect();
        let because: BTreeSet<_> = ended.iter().filter(|e| units.contains(e.subject.as_str())).map(|e| e.state).collect();
        let event = Event::TaskOpened {
            task: 1 + self.events("task-opened")?.len() as u64,
            dataset: dataset.into(),
            units: units.len() as u64,
            models: found.keys().cloned().collect(),
            because: because.into_iter().collect(),
        };
        self.append_within(actor, &event).map(drop)
    }

    /// All tasks, oldest first.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Damaged`].
    pub fn tasks(&mut self) -> Result<Vec<Task>, Error> {
        let mut decided: BTreeMap<u64, (String, String)> = BTreeMap::new();
        for stored in self.events("task-closed")? {
            if let Event::TaskClosed { task, by, decision } = stored.event {
                decided.insert(task, (by, decision));
            }
        }
        let opened = self.events("task-opened")?.into_iter();
        Ok(opened
            .filter_map(|StoredEvent { seq, at, event, .. }| match event {
                Event::TaskOpened { task, dataset, models, units, .. } => {
                    Some(Task { task, event: seq, at, dataset, models, units, closed: decided.get(&task).cloned() })
                }
                _ => None,
            })
            .collect())
    }

    /// Records what was decided about a task.
    ///
    /// # Errors
    /// [`Error::Unknown`] where no such task is open.
    pub fn close_task(&mut self, actor: &Actor, task: u64, by: &str, decision: &str) -> Result<i64, Error> {
        self.write(|ledger| {
            if !ledger.tasks()?.iter().any(|t| t.task == task && t.closed.is_none()) {
                return Err(Error::Unknown { what: "open task", name: task.to_string() });
            }
            ledger.append_within(actor, &Event::TaskClosed { task, by: by.into(), decision: decision.into() })
        })
    }
}

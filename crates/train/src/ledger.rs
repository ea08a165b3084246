//! What runs have cost, written down before it is spent.

use crate::{Error, PrivacyPlan};
use reticent_accounting::Event;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// What a run may have drawn so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Charge {
    /// Which run: of the noise key and all that it is bound to. The same steps of the same run are charged once, however often they are
    /// repeated after an interruption, since their noise and their sums are the same.
    pub run: String,
    /// What the unit of privacy is called.
    pub unit: String,
    /// Number of steps whose noise may have been drawn.
    pub steps: u64,
    /// What so many steps of the plan are to an accountant.
    pub event: Event,
}

impl Charge {
    /// So many steps of a plan.
    pub(crate) fn new(run: &str, plan: &PrivacyPlan, steps: u64) -> Self {
        Self { run: run.into(), unit: plan.unit.clone(), steps, event: cost(plan, steps) }
    }
}

/// The first steps of a run. Where they are not independent, one of them costs what all do.
fn cost(plan: &PrivacyPlan, steps: u64) -> Event {
    let step = |at| if plan.noise.is_correlated() { None } else { plan.step_mechanism(at) };
    let mechanism = match step(0) {
        _ if steps == 0 => return Event::None,
        Some(first) if steps < plan.steps && plan.noise_schedule.is_constant() => first.times(steps),
        Some(_) if steps < plan.steps => {
            let mut events: Vec<(Event, u64)> = vec![];
            for event in (0..steps).map_while(step) {
                match events.last_mut() {
                    Some((last, count)) if *last == event => *count += 1,
                    _ => events.push((event, 1)),
                }
            }
            Event::Composed { events: events.into_iter().map(|(event, count)| event.times(count)).collect() }
        }
        _ => return plan.event(),
    };
    plan.as_drawn(mechanism, steps)
}

/// Where a [`Trainer`](crate::Trainer) charges its steps before it draws their noise. One ledger is about one set of units: the people of one
/// data set.
pub trait Ledger {
    /// Charges all of the run up to `charge.steps`; when this returns, it must survive a crash. Less than is charged already changes nothing.
    ///
    /// # Errors
    /// Where it could not be written, or is more than the ledger allows: nothing is drawn then.
    fn charge(&mut self, charge: Charge) -> Result<(), Error>;

    /// Lowers what the run was charged to what it has drawn. Called only by a run that knows.
    ///
    /// # Errors
    /// Where it could not be written: the higher charge stays.
    fn settle(&mut self, charge: Charge) -> Result<(), Error>;

    /// Steps of a run that are charged.
    fn charged(&self, run: &str) -> u64;

    /// What each run is charged, in the order of their first charges.
    fn charges(&self) -> Vec<Charge>;

    /// How many steps a run charges at once, at least 1; the last part is cut to the end of the run.
    fn block(&self) -> u64 {
        u64::MAX
    }

    /// Everything charged, one run after another.
    fn event(&self) -> Event {
        Event::Composed { events: self.charges().into_iter().map(|charge| charge.event).collect() }
    }
}

/// Charges in memory, step by step: they end with the process, as do the models it trained unless something else keeps them.
#[derive(Default)]
pub struct MemoryLedger {
    charges: Vec<Charge>,
}

impl MemoryLedger {
    fn set(&mut self, charge: Charge) {
        match self.charges.iter_mut().find(|c| c.run == charge.run) {
            Some(of_run) => *of_run = charge,
            None => self.charges.push(charge),
        }
    }
}

impl Ledger for MemoryLedger {
    fn charge(&mut self, charge: Charge) -> Result<(), Error> {
        if charge.steps > self.charged(&charge.run) {
            self.set(charge);
        }
        Ok(())
    }

    fn settle(&mut self, charge: Charge) -> Result<(), Error> {
        if charge.steps < self.charged(&charge.run) {
            self.set(charge);
        }
        Ok(())
    }

    fn charged(&self, run: &str) -> u64 {
        self.charges.iter().find(|c| c.run == run).map_or(0, |c| c.steps)
    }

    fn charges(&self) -> Vec<Charge> {
        self.charges.clone()
    }

    fn block(&self) -> u64 {
        1
    }
}

/// The caller has charged whole runs elsewhere, durably and before the noise key existed: a budget kept by a program around the trainer.
pub struct ChargedElsewhere;

impl Ledger for ChargedElsewhere {
    fn charge(&mut self, _charge: Charge) -> Result<(), Error> {
        Ok(())
    }

    fn settle(&mut self, _charge: Charge) -> Result<(), Error> {
        Ok(())
    }

    fn charged(&self, _run: &str) -> u64 {
        0
    }

    fn charges(&self) -> Vec<Charge> {
        vec![]
    }
}

/// Charges as lines of JSON in a file that only grows; each line is on the disk before its noise is drawn.
///
/// One process holds the file at a time. A last line that a crash cut short is taken off when the file is opened: its write had not come
/// back, so that nothing was drawn on it.
pub struct FileLedger {
    path: PathBuf,
    file: File,
    lines: MemoryLedger,
    block: u64,
    /// Bytes that are known to be on the disk; none where a write failed and could not be taken back.
    len: Option<u64>,
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    Charged(Charge),
    Settled(Charge),
}

impl FileLedger {
    /// Opens the ledger, or begins one where there is none.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Ledger`] where another process holds it, or a line is no charge.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref().to_owned();
        let io = |source| Error::Io { what: format!("cannot open the ledger {}", path.display()), source };
        let begins = !path.exists();
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Ledger { why: "another process holds it".into() }),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let mut text = vec![];
        file.read_to_end(&mut text).map_err(io)?;
        let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        if whole < text.len() {
            file.set_len(whole as u64).and_then(|()| file.seek(SeekFrom::End(0))).and_then(|_| file.sync_all()).map_err(io)?;
        }
        if begins {
            crate::checkpoint::sync_folder_of(&path)?;
        }
        let mut lines = MemoryLedger::default();
        for (number, line) in text[..whole].split_inclusive(|&byte| byte == b'\n').enumerate() {
            match serde_json::from_slice(line) {
                Ok(Line::Charged(charge)) => lines.charge(charge)?,
                Ok(Line::Settled(charge)) => lines.settle(charge)?,
                Err(error) => return Err(Error::Ledger { why: format!("line {}: {error}", number + 1) }),
            }
        }
        Ok(Self { path, file, lines, block: u64::MAX, len: Some(whole as u64) })
    }

    /// Charges so many steps at once instead of the whole run. Each charge waits for the disk; what a run charged and never drew stays charged
    /// where it was interrupted for good.
    #[must_use]
    pub fn charging(mut self, block: std::num::NonZeroU64) -> Self {
        self.block = block.get();
        self
    }

    fn append(&mut self, line: &Line) -> Result<(), Error> {
        let mut text = serde_json::to_vec(line).expect("plain data has JSON");
        text.push(b'\n');
        let Some(len) = self.len else { return Err(Error::Ledger { why: "an earlier write failed: open it anew".into() }) };
        self.len = match self.file.write_all(&text).and_then(|()| self.file.sync_data()) {
            Ok(()) => Some(len + text.len() as u64),
            Err(source) => {
                // Half a line must not stand in the middle of the file.
                self.len = self.file.set_len(len).and_then(|()| self.file.sync_all()).is_ok().then_some(len);
                return Err(Error::Io { what: format!("cannot write the ledger {}", self.path.display()), source });
            }
        };
        Ok(())
    }
}

impl Drop for FileLedger {
    fn drop(&mut self) {
        // Closing the file is not enough: a process that was forked elsewhere in this moment holds it too.
        let _ = self.file.unlock();
    }
}

impl Ledger for FileLedger {
    fn charge(&mut self, charge: Charge) -> Result<(), Error> {
        if charge.steps > self.lines.charged(&charge.run) {
            self.append(&Line::Charged(charge.clone()))?;
            self.lines.charge(charge)?;
        }
        Ok(())
    }

    fn settle(&mut self, charge: Charge) -> Result<(), Error> {
        if charge.steps < self.lines.charged(&charge.run) {
            self.append(&Line::Settled(charge.clone()))?;
            self.lines.settle(charge)?;
        }
        Ok(())
    }

    fn charged(&self, run: &str) -> u64 {
        self.lines.charged(run)
    }

    fn charges(&self) -> Vec<Charge> {
        self.lines.charges()
    }

    fn block(&self) -> u64 {
        self.block
    }
}

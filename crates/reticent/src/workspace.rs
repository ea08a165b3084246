//! A user's workspace: `reticent.toml`, the ledger and the log behind one lock.

use crate::config::{self, Config, Mode};
use crate::disk;
use crate::erasure;
use crate::failure::Failure;
use crate::ledger_key;
use crate::output::say;
use crate::suppression::Suppression;
use crate::verbs::train::run;
use reticent_data::PseudonymKey;
use reticent_govern::{Actor, Event, Ledger, ReservationState};
use reticent_proof::log::{Log, SignedCheckpoint, SigningKey};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// An open workspace.
pub(crate) struct Workspace {
    pub(crate) dir: PathBuf,
    pub(crate) config: Config,
    pub(crate) ledger: Ledger,
    pub(crate) actor: Actor,
    /// Held as long as the workspace is open for writing.
    lock: Option<File>,
}

/// Reads and checks `reticent.toml` alone.
pub(crate) fn read_config(dir: &Path) -> Result<Config, Failure> {
    let path = dir.join(config::FILE);
    if !path.exists() {
        return Err(Failure::usage(format!("{} does not exist", path.display()))
            .hint("`reticent init FILE.csv` drafts one for your data; `--dir` names the workspace"));
    }
    Ok(Config::parse(&disk::read_text(&path)?, dir)?)
}

/// The URL of the ledger, where it lies on a server.
fn ledger_url(config: &Config) -> Option<String> {
    std::env::var("RETICENT_LEDGER_URL").ok().filter(|url| !url.is_empty()).or_else(|| config.ledger.url.clone())
}

fn open_ledger(dir: &Path, config: &Config, writes: bool) -> Result<Ledger, Failure> {
    let mut ledger = match ledger_url(config) {
        Some(url) => Ledger::connect(&url)?,
        None => Ledger::open(&dir.join(".reticent/ledger.db"))?,
    };
    ledger_key::unlock(&mut ledger, dir, writes)?;
    Ok(ledger)
}

/// Whether anything has happened here: a ledger is there, or, where it lies on a server, a writer was.
pub(crate) fn has_begun(dir: &Path, config: &Config) -> bool {
    dir.join(".reticent").join(if ledger_url(config).is_some() { "lock" } else { "ledger.db" }).exists()
}

impl Workspace {
    /// Opens for reading: several may, also beside one writer.
    pub(crate) fn read(dir: &Path) -> Result<Self, Failure> {
        let dir = absolute(dir)?;
        let config = read_config(&dir)?;
        if !has_begun(&dir, &config) {
            return Err(Failure::usage("nothing has happened in this workspace yet").hint("start with `reticent import`"));
        }
        let open = |config: Config| {
            Ok::<_, Failure>(Self { ledger: open_ledger(&dir, &config, false)?, dir: dir.clone(), config, actor: actor(), lock: None })
        };
        let mut workspace = open(config)?;
        if erasure::is_due(&mut workspace)? {
            // Whoever was taken out is taken out again before anything is read; a writer that is at it already is left to it.
            let Self { config, ledger, .. } = workspace;
            drop(ledger);
            drop(Self::write(&dir)?);
            workspace = open(config)?;
        }
        workspace.check_checkpoint()?;
        Ok(workspace)
    }

    /// Opens for writing: one process at a time. Makes what is missing and finishes what an interrupted process left.
    pub(crate) fn write(dir: &Path) -> Result<Self, Failure> {
        let mut workspace = Self::lock_and_open(dir)?;
        if workspace.is_behind()? {
            erasure::empty_what_is_refused(&mut workspace)?;
        }
        workspace.check_checkpoint()?;
        if workspace.ledger.event_count()? == 0 {
            let mut name = [0; 8];
            getrandom::fill(&mut name).map_err(|e| Failure::failed(format!("the system gives no randomness: {e}")))?;
            let event = Event::WorkspaceCreated { workspace: format!("reticent/{}", hex::encode(name)) };
            workspace.ledger.append(&workspace.actor, &event)?;
        }
        workspace.finish_releases()?;
        erasure::resume(&mut workspace)?;
        workspace.publish()?;
        Ok(workspace)
    }

    /// Opens as the one process that writes, and looks at nothing yet: for what brings the ledger back.
    pub(crate) fn lock_and_open(dir: &Path) -> Result<Self, Failure> {
        let dir = absolute(dir)?;
        let config = read_config(&dir)?;
        let hidden = dir.join(".reticent");
        disk::create_private_folder(&hidden)?;
        for folder in ["data", "models", "runs", "reports", "evidence", "erasures", "log", "keys"] {
            disk::create_folder(&hidden.join(folder))?;
        }
        let lock = lock(&hidden.join("lock"))?;
        Suppression::prepare(&dir)?;
        let ledger = open_ledger(&dir, &config, true)?;
        Ok(Self { dir, config, ledger, actor: actor(), lock: Some(lock) })
    }

    /// Whether this process may write.
    pub(crate) fn is_writer(&self) -> bool {
        self.lock.is_some()
    }

    /// Whether nobody writes at this moment.
    pub(crate) fn is_unlocked(&self) -> bool {
        File::open(self.hidden("lock")).is_ok_and(|file| file.try_lock().is_ok())
    }

    pub(crate) fn hidden(&self, path: impl AsRef<Path>) -> PathBuf {
        self.dir.join(".reticent").join(path)
    }

    pub(crate) fn is_release(&self) -> bool {
        self.config.mode == Mode::Release
    }

    pub(crate) fn append(&mut self, event: &Event) -> Result<i64, Failure> {
        Ok(self.ledger.append(&self.actor, event)?)
    }

    /// The key of the pseudonyms; made on the first import, and never again: with another key everybody would be somebody else.
    pub(crate) fn pseudonym_key(&mut self) -> Result<PseudonymKey, Failure> {
        let path = self.hidden("keys/pseudonym.key");
        match disk::read_secret(&path)? {
            Some(key) => Ok(PseudonymKey::from_bytes(*key)),
            None if self.ledger.events("data-imported")?.is_empty() => Ok(PseudonymKey::from_bytes(*disk::new_secret(&path)?)),
            None => Err(Failure::failed(format!("{} is gone: without it nobody in the data can be recognised again", path.display()))
                .hint("bring the key file back from your backup")),
        }
    }

    pub(crate) fn signing_key(&mut self) -> Result<SigningKey, Failure> {
        let created = self.ledger.events("workspace-created")?;
        let Some(Event::WorkspaceCreated { workspace }) = created.into_iter().next().map(|e| e.event) else {
            return Err(Failure::failed("the ledger has no first event"));
        };
        let path = self.hidden("keys/log.key");
        if !path.exists() && (self.held()?.is_some() || Log::open(self.hidden("log"))?.checkpoint()?.is_some()) {
            return Err(Failure::failed(format!(
                "{} is gone: a log signed by a new key would verify for nobody who holds the old checkpoint",
                path.display()
            ))
            .hint("bring the key file back from your backup"));
        }
        Ok(SigningKey::from_bytes(&workspace, &*disk::secret(&path)?)?)
    }

    /// Where the last signed checkpoint is kept apart from the log.
    pub(crate) fn held_path(&self) -> PathBuf {
        self.dir.join("reticent.checkpoint")
    }

    /// The last signed checkpoint kept apart, where there is one.
    pub(crate) fn held(&self) -> Result<Option<SignedCheckpoint>, Failure> {
        let path = self.held_path();
        if !path.exists() {
            return Ok(None);
        }
        let parsed = disk::read_text(&path)?.parse().map_err(|e: reticent_proof::log::Error| {
            Failure::failed(format!("{}: {e}", path.display()))
                .hint("bring the file back from where you keep a copy: .reticent/log/checkpoint holds the same, if nobody changed it")
        })?;
        Ok(Some(parsed))
    }

    /// Brings the log up to the ledger, signs a checkpoint and keeps a copy of it apart.
    pub(crate) fn publish(&mut self) -> Result<SignedCheckpoint, Failure> {
        let key = self.signing_key()?;
        let held = self.held()?;
        let entries = self.ledger.log_entries(0)?;
        let mut log = Log::open(self.hidden("log"))?;
        if let (Some(checkpoint), Some(held)) = (log.checkpoint()?, &held)
            && checkpoint == *held
            && checkpoint.unverified().size == entries.len() as u64
        {
            return Ok(checkpoint);
        }
        let checkpoint = log.publish(&entries, &key, held.as_ref())?;
        // The copy comes last: where it is that of the log, an interrupted publication has nothing left to do.
        disk::write(&self.hidden("log.vkey"), format!("{}\n", key.verifying_key()).as_bytes())?;
        disk::write(&self.held_path(), checkpoint.to_string().as_bytes())?;
        Ok(checkpoint)
    }

    /// Events of the ledger, and entries under the newest signed checkpoint, where there is one.
    fn sizes(&mut self) -> Result<(u64, Option<u64>), Failure> {
        let log = Log::open(self.hidden("log"))?;
        let signed = [log.checkpoint()?, self.held()?];
        Ok((self.ledger.event_count()?, signed.into_iter().flatten().map(|c| c.unverified().size).max()))
    }

    fn is_behind(&mut self) -> Result<bool, Failure> {
        let (events, signed) = self.sizes()?;
        Ok(signed.is_some_and(|signed| signed > events))
    }

    /// A ledger behind a signed checkpoint is yesterday's: its budget would be under-counted.
    fn check_checkpoint(&mut self) -> Result<(), Failure> {
        match self.sizes()? {
            (events, Some(size)) if size > events => {
                Err(Failure::refused(format!("the ledger is behind its checkpoint: it holds {events} events where {size} were signed"))
                    .hint("this looks like a restored backup, which would under-count the budget: bring back the newer .reticent/ledger.db")
                    .facts(serde_json::json!({ "events": events, "signed": size })))
            }
            _ => Ok(()),
        }
    }

    /// Moves models whose release is on record into place, and destroys their noise keys, where a process was stopped in between.
    fn finish_releases(&mut self) -> Result<(), Failure> {
        for stored in self.ledger.events("model-released")? {
            let Event::ModelReleased(release) = stored.event else { continue };
            self.settle_files(&release.run, &release.model)?;
        }
        for reservation in self.ledger.budgets()?.into_iter().flat_map(|b| b.reservations) {
            if reservation.state == ReservationState::Abandoned {
                self.discard_run(&reservation.run)?;
            }
        }
        Ok(())
    }

    /// Destroys the noise key and the state of a released run and moves its files from the run's own folder into place.
    pub(crate) fn settle_files(&self, run: &str, model: &str) -> Result<(), Failure> {
        let (from, to) = (self.hidden("runs").join(run), self.hidden("models").join(model));
        if to.exists() {
            // What is back, from a restored backup perhaps.
            return self.discard_run(run);
        }
        disk::shred(&from.join("noise.key"))?;
        run::shred(&from)?;
        if from.exists() {
            if let Some(parent) = to.parent() {
                disk::create_folder(parent)?;
            }
            std::fs::rename(&from, &to).and_then(|()| disk::sync_folder(&to)).map_err(|e| disk::io("move", &from, &e))?;
        }
        Ok(())
    }

    /// Destroys what is left of a run that will never be released.
    pub(crate) fn discard_run(&self, run: &str) -> Result<(), Failure> {
        let folder = self.hidden("runs").join(run);
        disk::shred(&folder.join("noise.key"))?;
        run::shred(&folder)?;
        disk::shred(&folder.join(run::OWN))?;
        if folder.exists() {
            std::fs::remove_dir_all(&folder).map_err(|e| disk::io("remove", &folder, &e))?;
        }
        Ok(())
    }
}

/// The name of whoever runs the program, for the record of who did what.
pub(crate) fn actor() -> Actor {
    Actor(
        ["RETICENT_ACTOR", "USER", "LOGNAME"]
            .iter()
            .find_map(|v| std::env::var(v).ok().filter(|v| !v.is_empty()))
            .unwrap_or_else(|| "unnamed".into()),
    )
}

pub(crate) fn absolute(dir: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(dir).map_err(|e| disk::io("find", dir, &e))
}

fn lock(path: &Path) -> Result<File, Failure> {
    const PATIENCE: Duration = Duration::from_secs(10);
    let file = File::options().create(true).truncate(false).write(true).open(path).map_err(|e| disk::io("open", path, &e))?;
    let started = Instant::now();
    let mut said = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if started.elapsed() < PATIENCE => {
                if !said {
                    say("another process works in this workspace; waiting for it");
                    said = true;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(Failure::refused("another process works in this workspace")
                    .hint("run the same command again when it is done; nothing was changed"));
            }
            Err(TryLockError::Error(e)) => return Err(disk::io("lock", path, &e)),
        }
    }
}

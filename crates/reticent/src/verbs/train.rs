//! `train`: gate → budget → private training → last look → release.

pub(crate) mod run;

use crate::certified;
use crate::cli::Common;
use crate::config::{Config, Model};
use crate::data_version::load_latest;
use crate::disk;
use crate::failure::Failure;
use crate::gate::{self, Admitted, RowFacts, admit, columns_read, policy};
use crate::output::{Answer, say, thousands};
use crate::privacy::{self, Statement, bound, statement, up};
use crate::verbs::choose_model;
use crate::workspace::{Workspace, read_config};
use clap::Args;
use reticent_accounting::Order;
use reticent_data::{Schema, split_by_unit};
use reticent_govern::{Event, Look, Outcome, Release, Reservation, ReservationState, RunRequest};
use reticent_proof::{Decision, Ground, Permit, Reason, Request, Use};
use reticent_train::{Binding, Plan, RunKey, save_weights};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroU64;

/// Share of the units held out for the test, and the public seed of the split.
pub(crate) const TEST_FRACTION: f64 = 0.25;
pub(crate) const SPLIT_SEED: u64 = 0;

#[derive(Args)]
#[command(
    after_help = "Order of events: the gate decides; the whole run and its reserve are charged; only then a noise key exists; the gate is asked once more in the\ntransaction that releases the model. A run that was interrupted goes on where it was, with its own noise, if nothing it depends on has changed."
)]
pub(crate) struct Train {
    /// The model [default: the only one]
    model: Option<String>,
    /// Leave units out for this reason, on record, instead of refusing (may be given several times)
    #[arg(long, value_name = "REASON", value_parser = reason)]
    exclude: Vec<Reason>,
    /// Train a further release even where one is out already; it is charged like any other
    #[arg(long)]
    again: bool,
}

/// A reason as it is given on the command line.
pub(crate) fn reason(text: &str) -> Result<Reason, String> {
    let names: Vec<&str> = Reason::ALL.iter().map(|r| r.name()).collect();
    Reason::from_name(text).ok_or_else(|| format!("no such reason; one of {}", names.join(", ")))
}

/// Beside the weights: how they came about and what may be said about them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ModelManifest {
    pub(crate) schema_version: u32,
    pub(crate) model: String,
    pub(crate) run: String,
    pub(crate) trained_at: String,
    /// Printed wherever the model is used; none where the gate decided and the model is released.
    pub(crate) stamp: Option<String>,
    pub(crate) statement: Option<String>,
    pub(crate) purpose: String,
    pub(crate) data_version: String,
    pub(crate) rows_digest: String,
    pub(crate) permit: Ground,
    pub(crate) permit_digest: String,
    pub(crate) schema: Schema,
    pub(crate) plan: Plan,
    /// ε of this release alone.
    pub(crate) epsilon: f64,
    pub(crate) delta: f64,
    pub(crate) neighbours: String,
    pub(crate) unit: String,
    pub(crate) not_covered: Vec<String>,
    pub(crate) weights_sha256: String,
    /// Share of the units that was held out for the test.
    #[serde(default = "former_test_fraction")]
    pub(crate) test_fraction: f64,
}

/// What manifests without the field were trained with.
fn former_test_fraction() -> f64 {
    0.2
}

impl Train {
    pub(crate) fn run(&self, common: &Common) -> Result<Answer, Failure> {
        let mut workspace = Workspace::write(&common.dir)?;
        let (name, model) = choose_model(&workspace.config, self.model.as_deref())?;
        let (name, model) = (name.to_owned(), model.clone());
        if model.is_removable() {
            return certified::train(&mut workspace, &name, &model, &self.exclude.iter().copied().collect(), self.again);
        }
        let recalled = workspace.ledger.recalled()?;
        let last = releases_of(&mut workspace, &name)?.pop();
        if let Some(last) = last.as_ref().filter(|last| !self.again && !recalled.contains(&last.model)) {
            return Err(Failure::refused(format!("{} is released already", last.model))
                .hint("`reticent train --again` trains a further release, charged to the same budget"));
        }
        // In place of a recalled release, what was set aside for its retraining comes first.
        let charge_to = if last.is_some_and(|last| recalled.contains(&last.model)) { Charge::ReserveOrBudget } else { Charge::Budget };
        let trained = train_model(&mut workspace, &name, &model, &self.exclude.iter().copied().collect(), charge_to)?;
        let Trained { manifest, decision, stated, records, units, .. } = &trained;
        let mut text = match &manifest.stamp {
            Some(stamp) => format!("{} is trained; {stamp}\n", manifest.model),
            None => format!("{} is released\n", manifest.model),
        };
        text += &format!(
            "  {} records of {} units trained on, {} held out by unit for the test\n",
            thousands(*records),
            thousands(*units),
            thousands(trained.held_out)
        );
        text += &format!("  this release: {}\n", bound(manifest.epsilon, manifest.delta));
        text += &format!(
            "  with what is reserved: {}, {}, {} (by RDP: {})\n",
            bound(stated.epsilon_upper, stated.delta),
            stated.neighbours,
            stated.unit,
            up(stated.epsilon_rdp)
        );
        text += &format!("  log: {} entries signed\n", thousands(trained.log_size));
        for gap in &stated.not_covered {
            text += &format!("  not covered: {gap}\n");
        }
        let json = json!({ "model": manifest.model, "folder": workspace.hidden("models").join(&manifest.model), "stamp": manifest.stamp, "privacy": stated,
            "manifest": manifest, "decision": decision, "left_out_by_group": trained.groups, "trained": { "records": records, "units": units } });
        Ok(Answer::new(text, json))
    }
}

/// What a run is charged to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charge {
    /// The budget, with a reserve for the retrainings that the model declares.
    Budget,
    /// What an earlier run of the same plan set aside; refused where there is none.
    Reserve,
    /// The same, and the budget where there is none.
    ReserveOrBudget,
}

/// A model that was released, and what may be said of it.
pub(crate) struct Trained {
    pub(crate) manifest: ModelManifest,
    pub(crate) decision: Decision,
    /// How many of each declared group were left out.
    pub(crate) groups: Vec<gate::GroupExclusion>,
    /// About all releases of its data set together.
    pub(crate) stated: Statement,
    pub(crate) records: u64,
    pub(crate) units: u64,
    /// Units held out for the test.
    pub(crate) held_out: u64,
    /// Entries of the log when it was released.
    pub(crate) log_size: u64,
}

/// Trains and releases a model: gate, charge, noise key, training, last look.
pub(crate) fn train_model(
    workspace: &mut Workspace,
    name: &str,
    model: &Model,
    chosen: &BTreeSet<Reason>,
    charge_to: Charge,
) -> Result<Trained, Failure> {
    let released = releases_of(workspace, name)?;
    let data = load_latest(workspace, &model.data)?;
    let admitted = admit(workspace, &data, model, Use::Training, chosen)?;
    say(gate::lines(&admitted).trim_end());
    let Admitted { table, decision, groups, .. } = admitted;

    let (epsilon, delta) = privacy::declared_budget(&workspace.config, &model.data)?;
    let unit = workspace.config.data[&model.data].unit.clone();
    let order = match workspace.ledger.budget(&model.data, &unit)? {
        Some(open) => Order::new(open.order)?,
        None => privacy::filter_order(model, epsilon, delta)?,
    };
    let plan = privacy::plan(&workspace.config, model, epsilon, order)?;
    plan.check()?;
    let actor = workspace.actor.clone();
    workspace.ledger.open_budget(&actor, &model.data, &unit, epsilon, delta, order)?;

    let release_name = format!("{name}/{}", released.len() + 1);
    let permit = table.permit().clone();
    let binding =
        Binding { plan: plan.digest(), permit: permit.digest().into(), data: data.manifest.rows_digest.clone(), machine: machine()? };
    let mut request = RunRequest {
        run: new_run()?,
        model: release_name.clone(),
        dataset: model.data.clone(),
        unit: unit.clone(),
        binding: format!("{}/{}/{}/{}", binding.plan, binding.permit, binding.data, binding.machine),
        plan: serde_json::to_string(&plan).expect("plain data has JSON"),
        plan_digest: plan.digest(),
        event: plan.event(),
        held_runs: if released.is_empty() { model.privacy.releases - 1 } else { 0 },
    };
    let split = split_by_unit(&table, TEST_FRACTION, SPLIT_SEED);
    let individual_every = model.privacy.individual_every.and_then(NonZeroU64::new);
    let (run, fitted) = loop {
        let (reservation, key) = charge(workspace, &request, charge_to)?;
        if let Some(trained) = run::fit(workspace, &reservation.run, &plan, &split.train, (&key, &binding), individual_every)? {
            break (reservation.run, trained);
        }
        give_up(workspace, &reservation.run, "its state on the disk is of another run")?;
        request.run = new_run()?;
    };

    let stamp = permit.stamp();
    let metadata = HashMap::from([("reticent".to_owned(), stamp.clone().unwrap_or_else(|| release_name.clone()))]);
    let weights = save_weights(&fitted.model, metadata)?;
    let manifest = ModelManifest {
        schema_version: 1,
        model: release_name.clone(),
        run: run.clone(),
        trained_at: jiff::Timestamp::now().to_string(),
        stamp,
        statement: workspace.config.statement.clone(),
        purpose: model.purpose.clone(),
        data_version: data.manifest.version.clone(),
        rows_digest: data.manifest.rows_digest.clone(),
        permit: permit.ground().clone(),
        permit_digest: permit.digest().into(),
        schema: data.manifest.schema.clone(),
        epsilon: reticent_accounting::pld::epsilon(&plan.event(), delta)?.upper.get(),
        delta: delta.get(),
        neighbours: "add or remove one unit".into(),
        unit: privacy::unit_in_words(&workspace.config, &model.data, &unit),
        not_covered: privacy::not_covered(&workspace.config, &model.data),
        weights_sha256: hex::encode(Sha256::digest(&weights)),
        test_fraction: TEST_FRACTION,
        plan,
    };
    let manifest_bytes = format!("{:#}\n", json!(manifest));
    let folder = workspace.hidden("runs").join(&run);
    disk::write(&folder.join("model.safetensors"), &weights)?;
    disk::write(&folder.join("manifest.json"), manifest_bytes.as_bytes())?;
    if let Some(own) = &fitted.own_losses {
        disk::write_private(&folder.join(run::OWN), own)?;
    }

    let release = Release {
        model: release_name.clone(),
        run: run.clone(),
        data_version: data.manifest.version.clone(),
        purpose: model.purpose.clone(),
        plan_digest: manifest.plan.digest(),
        permit_digest: permit.digest().into(),
        weights_sha256: manifest.weights_sha256.clone(),
        manifest_sha256: hex::encode(Sha256::digest(&manifest_bytes)),
    };
    // As declared now, and not when the training began.
    workspace.config = read_config(&workspace.dir)?;
    let at = workspace.ledger.now()?;
    let gate_policy = policy(workspace, &model.data, &model.purpose, chosen, Use::Release, at)?;
    let columns = columns_read(&workspace.config, &model.data);
    let gate_request =
        Request { purpose: model.purpose.clone(), use_: Use::Release, data_version: data.manifest.version.clone(), at, columns };
    let told = RowFacts::of(workspace, table.table(), &data, &model.purpose, at)?;
    let look = Look {
        policy: &gate_policy,
        request: &gate_request,
        ages: &told.ages,
        keep_until: told.keep_until,
        age: told.age.as_deref(),
        cap: Some(privacy::cap(model).get() as u64),
    };
    match workspace.ledger.release(&actor, &release, &model.data, is_decided(&permit).then_some(look), &told.rows)? {
        Outcome::Blocked(decision) => {
            workspace.discard_run(&run)?;
            workspace.publish()?;
            let why = gate::refusal(&decision);
            return Err(Failure::refused(format!("the release of {release_name} is blocked: a basis ended while it was trained; its weights are destroyed and the run stays charged\n{}", why.message))
                .hint("train again: the gate then leaves these units out")
                .facts(&*decision));
        }
        Outcome::Released(_) => workspace.settle_files(&run, &release_name)?,
    }
    let log_size = workspace.publish()?.unverified().size;
    let budget = workspace.ledger.budget(&model.data, &unit)?.expect("opened above");
    let stated = statement(&workspace.config, &budget)?.expect("charged above");
    let trained = split.train.table();
    Ok(Trained {
        manifest,
        decision,
        groups,
        stated,
        records: trained.rows() as u64,
        units: trained.unit_count() as u64,
        held_out: split.test.table().unit_count() as u64,
        log_size,
    })
}

/// Releases of a model, oldest first.
pub(crate) fn releases_of(workspace: &mut Workspace, name: &str) -> Result<Vec<Release>, Failure> {
    let all = workspace.ledger.events("model-released")?.into_iter();
    Ok(all
        .filter_map(|stored| match stored.event {
            Event::ModelReleased(release) if release.model.split('/').next() == Some(name) => Some(release),
            _ => None,
        })
        .collect())
}

fn is_decided(permit: &Permit) -> bool {
    matches!(permit.ground(), Ground::Decided { .. })
}

/// Charges the run before its noise key exists, or takes up an interrupted run of the same binding with the same key.
fn charge(workspace: &mut Workspace, request: &RunRequest, to: Charge) -> Result<(Reservation, RunKey), Failure> {
    let actor = workspace.actor.clone();
    let unfinished: Vec<Reservation> = workspace
        .ledger
        .budget(&request.dataset, &request.unit)?
        .into_iter()
        .flat_map(|b| b.reservations)
        .filter(|r| r.model == request.model && matches!(r.state, ReservationState::Reserved | ReservationState::Drawing))
        .collect();
    let mut taken_up = None;
    for reservation in unfinished {
        let key_path = workspace.hidden("runs").join(&reservation.run).join("noise.key");
        let same = reservation.binding == request.binding && taken_up.is_none();
        match reservation.state {
            // Charged, and no noise key was ever noted: nothing was drawn, a fresh key serves.
            ReservationState::Reserved if same => {
                disk::shred(&key_path)?;
                taken_up = Some((reservation, None));
            }
            ReservationState::Drawing if same => match disk::read_secret(&key_path)? {
                Some(key) => taken_up = Some((reservation, Some(key))),
                None => give_up(workspace, &reservation.run, "its noise key is gone")?,
            },
            _ => give_up(workspace, &reservation.run, "data, permit, plan or machine changed since it was interrupted")?,
        }
    }
    let (reservation, key) = match taken_up {
        Some((reservation, key)) => {
            say(format!("going on with the interrupted run {}: it is charged already", reservation.run));
            (reservation, key)
        }
        None => (reserve(workspace, request, to)?, None),
    };
    let key = match key {
        Some(key) => key,
        None => {
            let folder = workspace.hidden("runs").join(&reservation.run);
            disk::create_folder(&folder)?;
            disk::sync_folder(&folder).map_err(|e| disk::io("flush", &folder, &e))?;
            let key = disk::new_secret(&folder.join("noise.key"))?;
            workspace.ledger.noise_key_created(&actor, &reservation.run)?;
            key
        }
    };
    Ok((reservation, RunKey::from_bytes(*key)))
}

fn reserve(workspace: &mut Workspace, request: &RunRequest, to: Charge) -> Result<Reservation, Failure> {
    let actor = workspace.actor.clone();
    let name = request.model.split('/').next();
    let budget = workspace.ledger.budget(&request.dataset, &request.unit)?;
    let holder = budget
        .into_iter()
        .flat_map(|b| b.reservations)
        .filter(|r| r.held_runs > 0 && r.model.split('/').next() == name && r.event == request.event)
        .find(|r| !matches!(r.state, ReservationState::Reserved | ReservationState::Drawing));
    match holder {
        Some(holder) if to != Charge::Budget => Ok(workspace.ledger.reserve_retraining(&actor, request, &holder.run)?),
        None if to == Charge::Reserve => Err(Failure::refused("nothing is set aside for a retraining of this plan")
            .hint("`reticent train` trains a further release, charged to what is left of the budget")),
        _ => Ok(workspace.ledger.reserve(&actor, request)?),
    }
}

fn give_up(workspace: &mut Workspace, run: &str, reason: &str) -> Result<(), Failure> {
    let actor = workspace.actor.clone();
    workspace.ledger.abandon(&actor, run, reason)?;
    workspace.discard_run(run)
}

fn new_run() -> Result<String, Failure> {
    let mut name = [0; 8];
    getrandom::fill(&mut name).map_err(|e| Failure::failed(format!("the system gives no randomness: {e}")))?;
    Ok(hex::encode(name))
}

/// Which build on which machine: noise is replayed only where all of it is the same.
fn machine() -> Result<String, Failure> {
    let path = std::env::current_exe().map_err(|e| Failure::failed(format!("cannot find this program's own file: {e}")))?;
    let bytes = std::fs::read(&path).map_err(|e| disk::io("read", &path, &e))?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    #[cfg(target_arch = "x86_64")]
    let instructions = format!("avx512f={} fma={}", is_x86_feature_detected!("avx512f"), is_x86_feature_detected!("fma"));
    #[cfg(not(target_arch = "x86_64"))]
    let instructions = std::env::consts::ARCH.to_owned();
    Ok(hex::encode(Sha256::new().chain_update(bytes).chain_update(format!("{threads} {instructions}")).finalize()))
}

/// The manifest and weights of the newest release of a model.
pub(crate) fn newest(workspace: &mut Workspace, name: &str) -> Result<(ModelManifest, Vec<u8>, i64), Failure> {
    let config: &Config = &workspace.config;
    debug_assert!(config.models.contains_key(name));
    if config.models[name].is_removable() {
        return Err(Failure::refused(format!("`{name}` is never released: {}", certified::STAMP))
            .hint("train a model of another kind, with `privacy`, for use"));
    }
    let found = workspace.ledger.events("model-released")?.into_iter().rev().find_map(|stored| match stored.event {
        Event::ModelReleased(release) if release.model.split('/').next() == Some(name) => Some((release, stored.seq)),
        _ => None,
    });
    let Some((release, seq)) = found else {
        return Err(Failure::usage(format!("no release of `{name}` exists")).hint("run `reticent train`"));
    };
    if workspace.ledger.recalled()?.contains(&release.model) {
        return Err(Failure::refused(format!("{} was recalled: it is served no longer", release.model))
            .hint("`reticent train` trains a release in its place"));
    }
    let folder = workspace.hidden("models").join(&release.model);
    let text = disk::read_text(&folder.join("manifest.json"))?;
    let path = folder.join("model.safetensors");
    let weights = std::fs::read(&path).map_err(|e| disk::io("read", &path, &e))?;
    for (what, bytes, digest) in
        [("manifest.json", text.as_bytes(), &release.manifest_sha256), ("model.safetensors", &weights[..], &release.weights_sha256)]
    {
        if hex::encode(Sha256::digest(bytes)) != *digest {
            return Err(Failure::refused(format!("{what} of {} is not what was released", release.model))
                .hint("bring the released file back, or train again"));
        }
    }
    Ok((read_manifest(&release.model, &text)?, weights, seq))
}

/// The manifest of a release, whether it is the newest or not.
pub(crate) fn manifest_of(workspace: &Workspace, release: &str) -> Result<ModelManifest, Failure> {
    let text = disk::read_text(&workspace.hidden("models").join(release).join("manifest.json"))?;
    read_manifest(release, &text)
}

fn read_manifest(release: &str, text: &str) -> Result<ModelManifest, Failure> {
    serde_json::from_str(text).map_err(|e| Failure::failed(format!("the manifest of {release} is damaged: {e}")))
}

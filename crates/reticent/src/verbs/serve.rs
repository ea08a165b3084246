//! `serve`: the Open Inference Protocol, version 2, on the loopback interface, for one released model.

mod http;
mod protocol;

use crate::assessment::{State, gather};
use crate::cli::Common;
use crate::config::Serve as Policy;
use crate::failure::Failure;
use crate::output::{Answer, say};
use crate::verbs::choose_model;
use crate::verbs::train::{ModelManifest, newest, releases_of};
use crate::workspace::Workspace;
use clap::Args;
use reticent_govern::{Error, Ledger};
use reticent_proof::Ground;
use reticent_train::{Classifier, load_weights};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::future::IntoFuture;
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a request under way is waited for when the server is stopped.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Args)]
#[command(
    after_help = "Listens on 127.0.0.1 and on nothing else. Serves a release only: what an experiment trained is refused. What is given out and how often\nis set by `[models.NAME.serve]` in reticent.toml; by default the label alone. Rows that were scored are counted for each caller, across\nrestarts; nothing of a row is kept. A caller is whoever shows a bearer token: nobody checks who that is. Ctrl-C stops it."
)]
pub(crate) struct Serve {
    /// The model [default: the only one]
    #[arg(long)]
    model: Option<String>,
    /// The port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Serve for this purpose only: a model of another one is refused
    #[arg(long)]
    purpose: Option<String>,
}

impl Serve {
    pub(crate) fn run(&self, common: &Common) -> Result<Answer, Failure> {
        let served = Arc::new(Served::open(&common.dir, self.model.as_deref(), self.purpose.as_deref())?);
        self.listen(&served, common.json)?;
        Ok(Answer::said())
    }

    fn listen(&self, served: &Arc<Served>, as_json: bool) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| Failure::failed(format!("cannot start the server: {e}")))?;
        runtime.block_on(async {
            let cannot = |e: std::io::Error| {
                Failure::failed(format!("cannot listen on port {}: {e}", self.port)).hint("`--port 0` takes a free port")
            };
            // The loopback interface, in the code and not in a setting: there is no way to offer a model to a network by mistake.
            let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).await.map_err(cannot)?;
            let address = listener.local_addr().map_err(cannot)?;
            let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
            let mut server = tokio::spawn(
                axum::serve(listener, http::router(Arc::clone(served)))
                    .with_graceful_shutdown(async { drop(stopped.await) })
                    .into_future(),
            );
            // Heard from here on, and not only once the lines below are read.
            let interrupted = tokio::spawn(tokio::signal::ctrl_c());
            tokio::task::yield_now().await;
            say(format!("{} for `{}` at {address}; Ctrl-C stops it", served.manifest.model, served.manifest.purpose));
            if as_json {
                let line = json!({ "schema_version": 1, "address": address.to_string(), "model": served.manifest.model,
                    "purpose": served.manifest.purpose, "output": served.policy.output, "queries_per_caller": served.policy.queries_per_caller });
                let mut out = std::io::stdout().lock();
                let _ = writeln!(out, "{line}").and_then(|()| out.flush());
            }
            let heard = interrupted.await.map_err(std::io::Error::other).flatten();
            heard.map_err(|e| Failure::failed(format!("cannot wait for Ctrl-C: {e}")))?;
            drop(stop);
            if tokio::time::timeout(PATIENCE, &mut server).await.is_err() {
                server.abort();
            }
            say("stopped");
            Ok(())
        })
    }
}

/// Refuses what may not be served: an experiment, a stamped model, another purpose.
fn check(workspace: &mut Workspace, manifest: &ModelManifest, declared: &str, asked: Option<&str>) -> Result<(), Failure> {
    if !workspace.is_release() {
        return Err(Failure::refused("this workspace is an experiment: its models cannot be served")
            .hint("set mode = \"release\" in reticent.toml, and train under it"));
    }
    if let Some(stamp) = &manifest.stamp {
        return Err(
            Failure::refused(format!("{} cannot be served: {stamp}", manifest.model)).hint("train a release: `reticent train --again`")
        );
    }
    if !matches!(manifest.permit, Ground::Decided { .. }) {
        return Err(Failure::refused(format!("{} cannot be served: the gate did not decide about its rows", manifest.model)));
    }
    for purpose in asked.into_iter().chain([declared]) {
        if purpose != manifest.purpose {
            return Err(Failure::refused(format!(
                "{} was trained for the purpose `{}`, not `{purpose}`",
                manifest.model, manifest.purpose
            ))
            .hint("train a model for that purpose, with its own legal basis"));
        }
    }
    // Decided on these facts: a material change since reopens it.
    let dataset = manifest.data_version.split('/').next().unwrap_or_default().to_owned();
    let state = gather(workspace, &dataset, &manifest.purpose)?.state;
    if state != State::Approved {
        return Err(Failure::refused(format!("{} cannot be served: its impact assessment is {}", manifest.model, state.words()))
            .hint("the controller decides with `reticent assess decide`; what is missing stands in `reticent assess` (GDPR Art 35, 36)"));
    }
    Ok(())
}

/// The model that is served, and what is given out of it.
struct Served {
    name: String,
    manifest: ModelManifest,
    classifier: Classifier,
    policy: Policy,
    ledger: Mutex<Ledger>,
}

/// Why a request is not answered: a status of HTTP, and words that hold no value of a row.
struct Denied {
    status: u16,
    why: String,
}

impl Denied {
    fn new(status: u16, why: impl Into<String>) -> Self {
        Self { status, why: why.into() }
    }
}

/// Asks a served model as a caller on this machine would, without HTTP between: the same checks, the same charge, the same answer.
pub(crate) fn ask(dir: &Path, model: &str, question: &Value) -> Result<Value, Failure> {
    let served = Served::open(dir, Some(model), None)?;
    served.infer(question.to_string().as_bytes(), &caller(None)).map_err(|denied| Failure::refused(denied.why))
}

impl Served {
    /// Opens the newest release, or says why it may not be served.
    fn open(dir: &Path, model: Option<&str>, asked: Option<&str>) -> Result<Self, Failure> {
        let mut workspace = Workspace::read(dir)?;
        let (name, model) = choose_model(&workspace.config, model)?;
        let (name, policy, purpose) = (name.to_owned(), model.serve.clone(), model.purpose.clone());
        let released = releases_of(&mut workspace, &name)?;
        if released.is_empty() {
            return Err(Failure::refused(format!("no release of `{name}` exists: nothing is served that was not released"))
                .hint("run `reticent train`"));
        }
        if let Some(last) = released.last()
            && workspace.ledger.recalled()?.contains(&last.model)
        {
            return Err(Failure::refused(format!("{} was recalled", last.model)).hint("train a further release: `reticent train --again`"));
        }
        let (manifest, weights, _) = newest(&mut workspace, &name)?;
        check(&mut workspace, &manifest, &purpose, asked)?;
        let classifier = load_weights(&weights)?;
        let Workspace { ledger, .. } = workspace;
        Ok(Self { name, manifest, classifier, policy, ledger: Mutex::new(ledger) })
    }

    /// The number of the release, which is the version of the protocol.
    fn version(&self) -> &str {
        self.manifest.model.split_once('/').map_or("1", |(_, number)| number)
    }

    /// Answers one inference request: checked first, then charged to the caller, then scored.
    fn infer(&self, body: &[u8], caller: &str) -> Result<Value, Denied> {
        let request = protocol::Request::parse(body, self)?;
        let n = request.rows() as u64;
        let left = {
            let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
            if ledger.recalled().map_err(|e| broken(&e))?.contains(&self.manifest.model) {
                return Err(Denied::new(410, format!("{} was recalled", self.manifest.model)));
            }
            ledger.spend_queries(&self.manifest.model, caller, n, self.policy.queries_per_caller).map_err(|e| match e {
                Error::QueriesSpent { .. } => Denied::new(429, e.to_string()),
                other => broken(&other),
            })?
        };
        let width = self.manifest.schema.width();
        let probabilities = self.classifier.probabilities(&request.inputs, width);
        Ok(request.answer(self, &probabilities, left))
    }
}

/// What went wrong inside is for the person at the terminal; it holds no value of a row.
fn broken(error: &Error) -> Denied {
    say(format!("error: {error}"));
    Denied::new(500, "the ledger cannot be used; the terminal of the server says why")
}

/// A caller by the digest of its token: the token itself is kept nowhere.
fn caller(token: Option<&str>) -> String {
    match token {
        Some(token) => hex::encode(Sha256::new().chain_update("reticent caller 1\0").chain_update(token).finalize()),
        None => "unnamed caller on loopback".into(),
    }
}

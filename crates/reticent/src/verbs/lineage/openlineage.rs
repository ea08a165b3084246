//! The runs of a workspace as OpenLineage events, 2-0-2: a START, then exactly one of COMPLETE, ABORT and FAIL, and what the gate said.

use crate::data_version::read_manifest;
use crate::failure::Failure;
use crate::workspace::Workspace;
use reticent_data::{Domain, Schema};
use reticent_govern::{Event, StoredEvent};
use reticent_proof::{Decision, Reason, Use};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

const SPEC: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";
const FACETS: &str = "https://openlineage.io/spec/facets";
/// Where the shape of the gate's own facet is described.
const GATE: &str = "https://reticent.example/openlineage/1-0-0/PrivacyGateRunFacet.json";

/// Every event, in the order of the ledger.
pub(super) fn events(workspace: &mut Workspace) -> Result<Vec<Value>, Failure> {
    let mut all: Vec<StoredEvent> = vec![];
    for kind in [
        "workspace-created",
        "data-imported",
        "data-reduced",
        "gate-decided",
        "budget-reserved",
        "retraining-reserved",
        "run-abandoned",
        "release-blocked",
        "model-released",
    ] {
        all.extend(workspace.ledger.events(kind)?);
    }
    all.sort_by_key(|stored| stored.seq);
    let mut told = vec![];
    let mut lines = Lines { namespace: "reticent".into(), schemas: BTreeMap::new() };
    // What the gate said last about training on a data set, and which run was started under it.
    let mut asked: BTreeMap<String, (i64, Decision)> = BTreeMap::new();
    let mut started: BTreeMap<String, (i64, Decision)> = BTreeMap::new();
    for stored in all {
        let at = stored.at.clone();
        match stored.event {
            Event::WorkspaceCreated { workspace } => lines.namespace = workspace,
            Event::DataImported { version, .. } | Event::DataReduced { version, .. } => {
                if let Ok(manifest) = read_manifest(workspace, &version) {
                    lines.schemas.insert(version.clone(), manifest.schema);
                }
                let job = format!("import/{}", dataset(&version));
                let output = lines.data(&version);
                for kind in ["START", "COMPLETE"] {
                    told.push(lines.event(kind, &at, &version, &job, vec![], vec![output.clone()], json!({})));
                }
            }
            Event::GateDecided { decision, .. } if decision.request.use_ == Use::Training => {
                asked.insert(dataset(&decision.request.data_version).to_owned(), (stored.seq, decision));
            }
            Event::BudgetReserved { run, dataset, .. } => {
                if let Some((seq, decision)) = asked.get(&dataset) {
                    told.push(lines.run("START", &at, &run, *seq, decision, vec![], json!({})));
                    started.insert(run, (*seq, decision.clone()));
                }
            }
            // A retraining is asked about like any other run; its data set is that of the newest question.
            Event::RetrainingReserved { run, .. } => {
                if let Some((seq, decision)) = asked.values().max_by_key(|(seq, _)| *seq) {
                    told.push(lines.run("START", &at, &run, *seq, decision, vec![], json!({})));
                    started.insert(run, (*seq, decision.clone()));
                }
            }
            Event::ModelReleased(release) => {
                if let Some((seq, decision)) = started.remove(&release.run) {
                    let output = json!({ "namespace": lines.namespace, "name": format!("models/{}", release.model), "facets": {
                        "version": lines.facet("1-0-1/DatasetVersionDatasetFacet", json!({ "datasetVersion": release.weights_sha256 })) } });
                    told.push(lines.run("COMPLETE", &at, &release.run, seq, &decision, vec![output], json!({})));
                }
            }
            Event::RunAbandoned { run, .. } => {
                if let Some((seq, decision)) = started.remove(&run) {
                    told.push(lines.run("ABORT", &at, &run, seq, &decision, vec![], json!({})));
                }
            }
            Event::ReleaseBlocked { run, decision: last } => {
                if let Some((seq, _)) = started.remove(&run) {
                    let message = json!({ "message": "the gate blocked the release", "programmingLanguage": "RUST" });
                    let why = json!({ "errorMessage": lines.facet("1-0-1/ErrorMessageRunFacet", message) });
                    told.push(lines.run("FAIL", &at, &run, seq, &last, vec![], why));
                }
            }
            _ => {}
        }
    }
    Ok(told)
}

fn dataset(version: &str) -> &str {
    version.split('/').next().unwrap_or_default()
}

struct Lines {
    namespace: String,
    schemas: BTreeMap<String, Schema>,
}

impl Lines {
    #[expect(clippy::too_many_arguments, reason = "the parts of an event")]
    fn run(&self, kind: &str, at: &str, run: &str, seq: i64, decision: &Decision, outputs: Vec<Value>, mut facets: Value) -> Value {
        let count = |reasons: &[Reason]| reasons.iter().filter_map(|r| decision.excluded.get(r)).map(|c| c.units).sum::<u64>();
        let gate = json!({
            "_producer": producer(), "_schemaURL": GATE,
            "decision": if decision.allowed { "permit" } else { "refuse" },
            "decisionId": format!("{}#{seq}", self.namespace),
            "purpose": decision.request.purpose,
            "policyDigest": decision.policy_digest,
            "consentSnapshot": decision.facts_digest,
            "excluded": { "withdrawn": count(&[Reason::Withdrawn]), "expired": count(&[Reason::Expired, Reason::ExpiredNotice]),
                "objected": count(&[Reason::Objected]) },
        });
        facets["reticent_privacyGate"] = gate;
        let version = &decision.request.data_version;
        let job = format!("train/{}/{}", dataset(version), decision.request.purpose);
        self.event(kind, at, run, &job, vec![self.data(version)], outputs, facets)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of an event")]
    fn event(&self, kind: &str, at: &str, run: &str, job: &str, inputs: Vec<Value>, outputs: Vec<Value>, facets: Value) -> Value {
        json!({ "eventType": kind, "eventTime": at, "producer": producer(), "schemaURL": SPEC,
            "run": { "runId": self.run_id(run), "facets": facets }, "job": { "namespace": self.namespace, "name": job },
            "inputs": inputs, "outputs": outputs })
    }

    fn data(&self, version: &str) -> Value {
        let mut facets = json!({ "version": self.facet("1-0-1/DatasetVersionDatasetFacet", json!({ "datasetVersion": version })) });
        if let Some(schema) = self.schemas.get(version) {
            let kind = |domain: &Domain| if matches!(domain, Domain::Range { .. }) { "DOUBLE" } else { "VARCHAR" };
            let mut fields: Vec<Value> = schema.columns.iter().map(|c| json!({ "name": c.name, "type": kind(&c.domain) })).collect();
            fields.push(json!({ "name": schema.target.column, "type": "VARCHAR" }));
            let tags: Vec<Value> =
                fields.iter().map(|f| json!({ "key": "pii", "value": "true", "source": "USER", "field": f["name"] })).collect();
            facets["schema"] = self.facet("1-2-0/SchemaDatasetFacet", json!({ "fields": fields }));
            facets["tags"] = self.facet("1-0-0/TagsDatasetFacet", json!({ "tags": tags }));
        }
        json!({ "namespace": self.namespace, "name": dataset(version), "facets": facets })
    }

    fn facet(&self, schema: &str, mut facet: Value) -> Value {
        facet["_producer"] = json!(producer());
        let name = schema.split('/').nth(1).unwrap_or_default();
        facet["_schemaURL"] = json!(format!("{FACETS}/{schema}.json#/$defs/{name}"));
        facet
    }

    /// A UUID of version 8 from the run's own name: the same run has it in every export.
    fn run_id(&self, run: &str) -> String {
        let digest =
            Sha256::new().chain_update("reticent run 1\0").chain_update(&self.namespace).chain_update("\0").chain_update(run).finalize();
        let mut bytes: [u8; 16] = digest[..16].try_into().expect("a digest is longer");
        bytes[6] = (bytes[6] & 0x0f) | 0x80;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let hex = hex::encode(bytes);
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

fn producer() -> String {
    format!("https://reticent.example/reticent/{}", env!("CARGO_PKG_VERSION"))
}

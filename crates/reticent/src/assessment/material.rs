//! What a decision rests on, and whether that has changed since: purpose, columns, basis, kind of model, ε, unit.

use crate::config::Config;
use crate::evidence;
use crate::failure::Failure;
use crate::workspace::Workspace;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Topic under which the facts of a decision are kept.
const TOPIC: &str = "assessment-facts";

/// A fact that is not what it was when the controller decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Change {
    /// `ε of risk`.
    pub(crate) what: String,
    /// What was decided on; none where it was not there.
    pub(crate) was: Option<String>,
    /// What is declared now; none where it is gone.
    pub(crate) now: Option<String>,
}

/// The facts of one decision, as kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// Ledger number of the decision.
    decision: i64,
    facts: BTreeMap<String, String>,
}

/// What is declared now about a purpose on a data set, as far as a decision rests on it. Names and public bounds only.
fn facts(config: &Config, dataset: &str, purpose: &str) -> BTreeMap<String, String> {
    let (data, declared) = (&config.data[dataset], &config.purposes[purpose]);
    let letter = |article: &str, c: Option<char>| c.map_or_else(|| format!("{article}: none"), |c| format!("{article}({c})"));
    let schema = config.data_schema(dataset).map(|schema| json!(schema).to_string()).unwrap_or_default();
    let column = |c: &reticent_data::Column| c.special.as_ref().map_or_else(|| c.name.clone(), |s| format!("{} ({s})", c.name));
    let mut all = BTreeMap::from([
        ("purpose".to_owned(), [&declared.description, &declared.iri].into_iter().flatten().cloned().collect::<Vec<_>>().join(" · ")),
        ("legal basis".to_owned(), [letter("Art 6(1)", declared.art6), letter("Art 9(2)", declared.art9)].join(", ")),
        ("automated decisions".to_owned(), json!(declared.art22).as_str().unwrap_or_default().to_owned()),
        ("unit".to_owned(), format!("{}, by {}", data.unit, json!(data.subject).to_string().replace('"', ""))),
        ("columns".to_owned(), data.columns.declared.iter().map(column).collect::<Vec<_>>().join(", ")),
        ("bounds and levels".to_owned(), format!("SHA-256 {}", hex::encode(Sha256::digest(schema)))),
    ]);
    if let Some(ai_act) = &declared.ai_act {
        all.insert("role and class under the AI Act".to_owned(), ai_act.in_words());
    }
    for (name, model) in config.models.iter().filter(|(_, m)| m.data == dataset && m.purpose == purpose) {
        all.insert(format!("kind of model {name}"), json!(model.kind).as_str().unwrap_or_default().to_owned());
        let epsilon = model.certified.as_ref().map_or(model.privacy.epsilon, |c| c.epsilon);
        all.insert(format!("ε of model {name}"), epsilon.to_string());
        all.insert(format!("δ of model {name}"), format!("{:e}", model.privacy.delta));
        all.insert(format!("rows of one unit in model {name}"), model.privacy.max_rows_per_subject.to_string());
    }
    all
}

/// Keeps the facts of a decision that was just recorded.
pub(crate) fn record_facts(workspace: &mut Workspace, dataset: &str, purpose: &str, decision: i64) -> Result<i64, Failure> {
    let kept = Kept { decision, facts: facts(&workspace.config, dataset, purpose) };
    evidence::record(workspace, TOPIC, &about(dataset, purpose), &kept, BTreeMap::new())
}

/// What has changed since a decision. A decision whose facts are not on record counts as changed: nobody can tell what it rested on.
pub(super) fn changes(workspace: &mut Workspace, dataset: &str, purpose: &str, decision: i64) -> Result<Vec<Change>, Failure> {
    let now = facts(&workspace.config, dataset, purpose);
    let kept = evidence::newest(workspace, TOPIC, Some(&about(dataset, purpose)))?;
    let kept = kept.and_then(|e| serde_json::from_value::<Kept>(e.body).ok()).filter(|k| k.decision == decision);
    Ok(match kept {
        None => vec![Change { what: "what the decision rested on".into(), was: None, now: None }],
        Some(kept) => differences(&kept.facts, &now),
    })
}

fn differences(was: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Vec<Change> {
    let all: BTreeSet<&String> = was.keys().chain(now.keys()).collect();
    let changed = all.into_iter().filter(|what| was.get(*what) != now.get(*what));
    changed.map(|what| Change { what: what.clone(), was: was.get(what).cloned(), now: now.get(what).cloned() }).collect()
}

impl Change {
    /// `ε of model risk: was 2, is 4`.
    pub(crate) fn words(&self) -> String {
        match (&self.was, &self.now) {
            (Some(was), Some(now)) => format!("{}: was {was}, is {now}", self.what),
            (Some(was), None) => format!("{}: was {was}, is gone", self.what),
            (None, Some(now)) => format!("{}: new, {now}", self.what),
            (None, None) => format!("{} is not on record", self.what),
        }
    }
}

fn about(dataset: &str, purpose: &str) -> String {
    format!("{purpose} on {dataset}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_changed_came_and_went() {
        let map = |all: &[(&str, &str)]| all.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let (was, now) = (map(&[("ε", "2"), ("unit", "person"), ("old", "x")]), map(&[("ε", "4"), ("unit", "person"), ("new", "y")]));
        let words: Vec<String> = differences(&was, &now).iter().map(Change::words).collect();
        assert_eq!(words, ["new: new, y", "old: was x, is gone", "ε: was 2, is 4"]);
        assert!(differences(&was, &was).is_empty());
    }
}

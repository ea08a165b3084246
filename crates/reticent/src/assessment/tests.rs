//! Evidence of every kind in a workspace of its own: where it comes out, and as what.

use super::*;
use crate::evidence;
use crate::workspace::Workspace;
use reticent_govern::Event;
use std::collections::BTreeMap;

const CONFIG: &str = r#"version = 1
mode = "experiment"
[purposes.care]
description = "Will a visit be followed by another?"
[data.visits]
file = "visits.csv"
subject = "patient"
units = 6000
target = "again"
columns = { age = [0, 110], again = ["no", "yes"] }
[models.risk]
data = "visits"
purpose = "care"
kind = "logistic"
privacy = { epsilon = 2.0, delta = 1e-5 }
"#;

fn workspace() -> (tempfile::TempDir, Workspace) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("reticent.toml"), CONFIG).unwrap();
    let workspace = Workspace::write(folder.path()).unwrap();
    (folder, workspace)
}

fn record(workspace: &mut Workspace, topic: &str, about: &str, numbers: &[(&str, f64)]) -> i64 {
    let numbers: BTreeMap<String, f64> = numbers.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    evidence::record(workspace, topic, about, &serde_json::json!({}), numbers).unwrap()
}

#[test]
fn an_audit_comes_in_by_itself_and_the_newest_counts() {
    let (_folder, mut workspace) = workspace();
    let before = gather(&mut workspace, "visits", "care").unwrap();
    assert_eq!(before.gaps.len(), 2);
    record(&mut workspace, "audit", "risk/1", &[("epsilon_lower", 0.5), ("delta", 1e-5)]);
    let newer = record(&mut workspace, "audit", "risk/1", &[("epsilon_lower", 0.2137), ("delta", 1e-5), ("auc", 0.517)]);
    let other = record(&mut workspace, "text-audit", "sms/1", &[("exposure", 19.9)]);
    record(&mut workspace, "weather", "risk/1", &[("rain", 1.0)]);
    let after = gather(&mut workspace, "visits", "care").unwrap();
    assert_eq!(after.gaps.len(), 1, "the attack is no longer missing");
    assert_ne!(after.sha256, before.sha256);
    let found: Vec<(&str, bool)> = after.evidence.iter().map(|t| (t.title.as_str(), t.note.starts_with("About something else"))).collect();
    assert_eq!(found, [("What attacks measured", false), ("What a text model gives away", true)]);
    let lower = after.evidence[0].facts.iter().find(|f| f.name == "epsilon lower").unwrap();
    assert_eq!((lower.value.as_str(), lower.standing, &lower.events[..]), ("ε ≥ 0.213 at δ = 1e-5", Standing::MeasuredLower, &[newer][..]));
    let cited: Vec<i64> = after.events.iter().map(|e| e.event).collect();
    assert_eq!(cited, [newer, other]);
    let page = render(&after);
    assert!(page.contains("measured lower bound") && page.contains("measured, an estimate"));
}

#[test]
fn an_erasure_comes_in_by_itself_and_is_masked() {
    let (_folder, mut workspace) = workspace();
    let event = Event::SubjectErased { erasure: 1, dataset: "visits".into(), rows: 5, events: 2 };
    let seq = workspace.append(&event).unwrap();
    workspace.append(&Event::SubjectErased { erasure: 2, dataset: "others".into(), rows: 50, events: 2 }).unwrap();
    let found = gather(&mut workspace, "visits", "care").unwrap();
    let topic = found.evidence.iter().find(|t| t.title == "Who asked to be erased").unwrap();
    let lines: Vec<(&str, &[i64])> = topic.facts.iter().map(|f| (f.value.as_str(), &f.events[..])).collect();
    assert_eq!(lines, [("<10", &[seq][..]), ("<10", &[seq][..])]);
}

#[test]
fn the_screening_counts_what_is_declared_and_leaves_the_rest_to_people() {
    let (_folder, workspace) = workspace();
    let found = screening(&workspace.config, "visits", "care");
    assert_eq!(found.holding(), ["evaluation or scoring: a model scores people", "large scale: 5,000 units or more"]);
    assert_eq!(found.criteria.len(), 9);
    assert_eq!(found.outcome, "2 of 9 hold and 5 are for people to say; from two on, WP248 expects an assessment");
    let with = |change: &dyn Fn(&mut crate::config::Config)| {
        let mut config = workspace.config.clone();
        change(&mut config);
        screening(&config, "visits", "care").outcome
    };
    let special = |c: &mut crate::config::Config| c.data.get_mut("visits").unwrap().columns.declared[0].special = Some("health".into());
    assert!(with(&special).contains("Art 35(3)"), "a large scale of special categories");
    assert!(with(&|c| c.purposes.get_mut("care").unwrap().art22 = crate::config::Art22::A).contains("Art 35(3)"));
    assert_eq!(found.fria.answer, screening::Answer::ForPeople, "neither role nor class is declared");
    assert!(with(&|c| c.data.get_mut("visits").unwrap().units = 100).contains("one more, and WP248"));
}

#[test]
fn fundamental_rights_are_assessed_where_the_ai_act_asks_for_it() {
    use crate::config::{AiAct, AiRole, Deployer};
    let (_folder, mut workspace) = workspace();
    let missing = |workspace: &mut Workspace| {
        let a = gather(workspace, "visits", "care").unwrap();
        (a.to_be_completed.iter().filter(|part| part.starts_with("fundamental rights")).count(), render(&a))
    };
    let (none, page) = missing(&mut workspace);
    assert_eq!((none, page.contains("Fundamental rights: ")), (0, false));
    let deployer = AiAct { role: AiRole::Deployer, annex_iii: "5b".into(), deployer: Deployer::Other };
    workspace.config.purposes.get_mut("care").unwrap().ai_act = Some(deployer);
    let (six, page) = missing(&mut workspace);
    assert_eq!((six, page.matches("<h3>Fundamental rights: ").count()), (6, 6));
    assert!(page.contains("from 2027-12-02 on"));
}

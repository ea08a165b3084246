//! Who was in what: sets against a plain list, after erasures too; tasks about models that are out.

use super::*;
use reticent_govern::{Event, GroundThen, Release};
use std::collections::BTreeSet;

fn ground(notice: &str) -> GroundThen {
    GroundThen { art6: Some('a'), art9: None, notice: notice.into(), reused_from: None, asserted: String::new() }
}

/// Sets against the lists they were made of, over chunk borders and an erasure.
#[test]
fn sets_say_what_the_lists_say() {
    let (_folder, _path, mut ledger) = fresh();
    let unit = |n: usize| format!("unit {n}");
    let mut lists: BTreeMap<String, BTreeMap<GroundThen, BTreeSet<String>>> = BTreeMap::new();
    // A first set wider than a chunk, so that the others lie in different ones.
    let wide: BTreeSet<String> = (0..70_000).map(unit).collect();
    lists.entry("visits/v1".into()).or_default().insert(GroundThen::asserted("imported"), wide);
    for model in 1..=5 {
        let of = lists.entry(format!("risk/{model}")).or_default();
        of.insert(ground("v1"), (0..70_000).filter(|n| n % (7 * model) == 0 && n % 2 == 0).map(unit).collect());
        of.insert(ground("v2"), (0..70_000).filter(|n| n % (7 * model) == 0 && n % 2 == 1).map(unit).collect());
    }
    for (about, grounds) in &lists {
        let members = grounds.iter().map(|(g, units)| (g.clone(), units.iter().cloned().collect())).collect();
        ledger.record_members(about, &members).unwrap();
    }
    let check = |ledger: &mut Ledger, lists: &BTreeMap<String, BTreeMap<GroundThen, BTreeSet<String>>>| {
        for (about, grounds) in lists {
            let expected: BTreeMap<GroundThen, u64> =
                grounds.iter().filter(|(_, units)| !units.is_empty()).map(|(g, units)| (g.clone(), units.len() as u64)).collect();
            assert_eq!(ledger.made_of(about).unwrap(), expected);
        }
        for n in [0, 7, 14, 65_534, 65_535, 65_536, 69_993] {
            let mut expected = vec![];
            for (about, grounds) in lists {
                expected.extend(grounds.iter().filter(|(_, units)| units.contains(&unit(n))).map(|(g, _)| (about.clone(), g.clone())));
            }
            expected.sort();
            assert_eq!(ledger.contains_unit(&unit(n)).unwrap(), expected, "unit {n}");
        }
        let all = |about: &str| lists[about].values().flatten().collect::<BTreeSet<_>>();
        let shared = all("risk/2").intersection(&all("risk/3")).count() as u64;
        assert_eq!(ledger.shared_by("risk/2", "risk/3").unwrap(), shared);
    };
    check(&mut ledger, &lists);
    for n in [14, 65_534] {
        ledger.erase_subject(&actor(), "visits", &unit(n), n as u64, 1).unwrap();
        lists.values_mut().flat_map(BTreeMap::values_mut).for_each(|units| units.retain(|u| *u != unit(n)));
    }
    check(&mut ledger, &lists);
    assert_eq!(ledger.contains_unit("nobody").unwrap(), []);
}

#[test]
fn a_withdrawal_after_release_opens_a_task_that_lists_the_models() {
    let (_folder, _path, mut ledger) = fresh();
    let text = String::from;
    for (model, purpose, units) in [("risk/1", "risk", ["aa", "bb"]), ("risk/2", "risk", ["aa", "cc"]), ("ads/1", "ads", ["aa", "bb"])] {
        ledger.record_members(model, &[(ground("v1"), units.map(text).to_vec())].into()).unwrap();
        let release = Release {
            model: model.into(),
            run: model.into(),
            data_version: "visits/v1".into(),
            purpose: purpose.into(),
            plan_digest: text("1"),
            permit_digest: text("2"),
            weights_sha256: text("3"),
            manifest_sha256: text("4"),
        };
        ledger.append(&actor(), &Event::ModelReleased(release)).unwrap();
    }
    let say = |ledger: &mut Ledger, unit: &str, purpose: &str, kind, since| {
        let event = BasisEvent { purpose: purpose.into(), ..happened(unit, kind, since) };
        ledger.import_basis(&actor(), "visits", "late.csv", &[event]).unwrap();
        ledger.tasks().unwrap().last().map(|t| (t.task, t.models.clone(), t.units))
    };
    assert_eq!(say(&mut ledger, "dd", "risk", BasisKind::Withdrawn, 50), None, "who is in no model opens nothing");
    assert_eq!(say(&mut ledger, "bb", "risk", BasisKind::Given, 50), None);
    assert_eq!(say(&mut ledger, "bb", "risk", BasisKind::Withdrawn, 60), Some((1, vec![text("risk/1")], 1)));
    assert_eq!(say(&mut ledger, "aa", "*", BasisKind::Withdrawn, 60), Some((2, vec![text("ads/1"), text("risk/1"), text("risk/2")], 1)));
    ledger.recall(&actor(), "risk/2", "as decided", "head").unwrap();
    assert_eq!(
        say(&mut ledger, "aa", "risk", BasisKind::Objected, 70),
        Some((3, vec![text("risk/1")], 1)),
        "what was recalled is no question"
    );
    ledger.close_task(&actor(), 1, "head", "retrained without").unwrap();
    assert!(ledger.close_task(&actor(), 1, "head", "again").is_err());
    let tasks = ledger.tasks().unwrap();
    assert_eq!(tasks.iter().filter(|t| t.closed.is_none()).count(), 2);
    assert!(ledger.damaged().unwrap().is_empty());
}

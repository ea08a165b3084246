//! Units: pseudonyms, the cap, the split and the permit, none of which lets one unit feel another.

use super::*;
use reticent_proof::Permit;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

/// `count` people with 1 to 4 rows each, without those in `without`.
fn people(count: usize, without: &[usize]) -> Table {
    let mut rows = String::new();
    for person in (0..count).filter(|p| !without.contains(p)) {
        for visit in 0..=person % 4 {
            rows += &format!(
                "p{person},{person}-{visit},{},{},no,,{},\n",
                person % 100,
                if visit % 2 == 0 { "f" } else { "m" },
                if person % 3 == 0 { "yes" } else { "no" }
            );
        }
    }
    table(&rows)
}

/// Records of each unit under a cap.
fn capped(table: &Table, cap: usize) -> BTreeMap<SubjectId, Vec<String>> {
    let units = Units::new(table, NonZeroUsize::new(cap).unwrap());
    (0..units.len()).map(|u| (units.ids()[u], units.rows_of(u).iter().map(|&r| table.records()[r].clone()).collect())).collect()
}

#[test]
fn the_cap_keeps_the_first_rows_and_no_unit_changes_anothers() {
    let all = people(40, &[]);
    for cap in 1..=5 {
        let with = capped(&all, cap);
        assert!(with.values().all(|rows| (1..=cap).contains(&rows.len())));
        assert_eq!(with[&key().subject("visits", "p7")], (0..cap.min(4)).map(|v| format!("7-{v}")).collect::<Vec<_>>());
        let units = Units::new(&all, NonZeroUsize::new(cap).unwrap());
        assert_eq!(units.kept_rows() + units.beyond_cap(), all.rows());
        for removed in [0, 7, 39] {
            let mut expected = with.clone();
            expected.remove(&key().subject("visits", &format!("p{removed}")));
            assert_eq!(capped(&people(40, &[removed]), cap), expected);
        }
    }
}

#[test]
fn rows_of_one_unit_belong_together_wherever_they_stand() {
    let mixed = table("ann,1,50,f,no,,no,\nbob,2,60,m,no,,no,\n ann ,3,51,f,no,,yes,\nbob,4,61,m,no,,no,\nann,5,52,f,no,,no,");
    let units = capped(&mixed, 2);
    assert_eq!(units[&key().subject("visits", "ann")], ["1", "3"]);
    assert_eq!(units[&key().subject("visits", "bob")], ["2", "4"]);
    assert_eq!(mixed.unit_count(), 2);
}

fn sides(table: &Table, fraction: f64, seed: u64) -> (BTreeSet<SubjectId>, BTreeSet<SubjectId>) {
    let split = split_by_unit(&permitted(table.clone()), fraction, seed);
    assert_eq!(split.train.table().rows() + split.test.table().rows(), table.rows());
    let ids = |t: &PermittedTable| t.table().subjects().iter().copied().collect();
    (ids(&split.train), ids(&split.test))
}

#[test]
fn a_split_parts_units_and_adding_one_moves_nobody_else() {
    let all = people(400, &[]);
    let (train, test) = sides(&all, 0.25, 1);
    assert!(train.is_disjoint(&test));
    // Binomial(400, 0.25): 100 ± 6 · 8.7 with probability above 1 - 1e-8, and fixed by the key.
    assert!((48..=152).contains(&test.len()), "{}", test.len());
    for removed in [0, 17, 399] {
        let gone = key().subject("visits", &format!("p{removed}"));
        let less = |set: &BTreeSet<SubjectId>| set.iter().copied().filter(|&id| id != gone).collect();
        assert_eq!(sides(&people(400, &[removed]), 0.25, 1), (less(&train), less(&test)));
    }
    assert_ne!(sides(&all, 0.25, 2), (train, test), "the seed decides");
    assert_eq!(sides(&all, 0.0, 1).1.len(), 0);
    assert_eq!(sides(&all, 1.0, 1).0.len(), 0);
}

#[test]
fn another_key_or_data_set_gives_other_pseudonyms() {
    let file = format!("{HEADER}\nann,1,55,f,no,,no,\nann,2,56,f,no,,no,\nbob,3,60,m,no,,no,\n");
    let ids = |schema: &Schema, key: [u8; 32]| {
        let read =
            import_csv(file.as_bytes(), schema, &CsvOptions::default(), &PseudonymKey::from_bytes(key)).unwrap_or_else(|e| panic!("{e}"));
        read.table.subjects().to_vec()
    };
    let first = ids(&schema(), [7; 32]);
    assert_eq!(first[0], first[1]);
    assert_eq!(first, ids(&schema(), [7; 32]));
    let other_set = Schema { dataset: "claims".into(), ..schema() };
    let row = Schema { subject: SubjectRule::Row, ..schema() };
    for other in [ids(&schema(), [8; 32]), ids(&other_set, [7; 32]), ids(&Schema { dropped: Dropped::AllOthers, ..row }, [7; 32])] {
        assert!(other.iter().all(|id| !first.contains(id)));
    }
    // Nothing of the name is in the id.
    assert!(!format!("{:?}", first[0]).contains("ann") && first[0].to_string().len() == 32);
}

#[test]
fn the_digest_of_rows_depends_on_every_row_and_on_its_subjects_key() {
    let keys: BTreeMap<SubjectId, [u8; 32]> =
        ["ann", "bob"].iter().zip([[1; 32], [2; 32]]).map(|(n, k)| (key().subject("visits", n), k)).collect();
    let digest = |t: &Table, keys: &BTreeMap<SubjectId, [u8; 32]>| rows_digest(t, |id| &keys[id]);
    let rows = "ann,1,55,f,no,21.5,no,\nbob,2,60,m,?,30,yes,";
    let first = digest(&table(rows), &keys);
    assert_eq!(first, digest(&table(rows), &keys));
    for (from, to) in
        [("55", "56"), ("f,", "m,"), ("?", "yes"), ("21.5", "21.6"), ("30,yes", "30,no"), ("ann,1", "ann,9"), ("bob,2", "ann,2")]
    {
        assert_ne!(first, digest(&table(&rows.replacen(from, to, 1)), &keys), "{from} → {to}");
    }
    for changed in keys.keys() {
        let mut other = keys.clone();
        other.insert(*changed, [9; 32]);
        assert_ne!(first, digest(&table(rows), &other));
    }
}

#[test]
fn a_permit_covers_its_units_and_its_version_alone() {
    use reticent_proof::{BasisFacts, BasisState, Facts, Policy, Reason, Request, UnitFacts, Use, decide};
    let all = people(6, &[]);
    let policy = Policy {
        purpose: "risk".into(),
        art6: Some('a'),
        art9: None,
        notices: ["1".to_owned()].into(),
        special_columns: vec![],
        exclude: [Reason::Withdrawn].into(),
        ..Policy::default()
    };
    let unit = |person: usize| UnitFacts {
        unit: key().subject("visits", &format!("p{person}")).to_string(),
        records: 1,
        basis: Some(BasisFacts {
            state: if person == 3 { BasisState::Withdrawn } else { BasisState::Given },
            art6: 'a',
            art9: None,
            notice: "1".into(),
            since: 1,
            expires: None,
            purpose: None,
            after_withdrawal: false,
            guardian: false,
        }),
        ..UnitFacts::default()
    };
    let facts = Facts {
        data_version: "visits/v1".into(),
        assessment: Some(1),
        events_known: true,
        units: (0..5).map(unit).collect(),
        ..Facts::default()
    };
    let request = Request { purpose: "risk".into(), use_: Use::Training, data_version: "visits/v1".into(), at: 5, columns: vec![] };
    let permit = decide(&policy, &facts, &request).1.unwrap();
    let found = PermittedTable::new(all.clone(), "visits/v1", permit.clone()).unwrap();
    // Not 3, who withdrew, and not 5, about whom the gate was never asked.
    let expected: BTreeSet<SubjectId> = [0, 1, 2, 4].map(|p| key().subject("visits", &format!("p{p}"))).into();
    assert_eq!(found.table().subjects().iter().copied().collect::<BTreeSet<_>>(), expected);
    let error = PermittedTable::new(all.clone(), "visits/v2", permit).err().unwrap();
    assert_eq!(error.to_string(), "the permit covers data version visits/v1, not visits/v2");
    // A permit that says nobody decided covers all rows, and stamps.
    let asserted = PermittedTable::new(all.clone(), "visits/v2", Permit::asserted("mine")).unwrap();
    assert_eq!(asserted.table().rows(), all.rows());
    assert_eq!(asserted.permit().stamp().unwrap(), "UNRELEASED: basis asserted, not checked (mine)");
}

//! From rows to a finding.

use reticent_accounting::{Delta, Epsilon};
use reticent_audit::kept::Kept;
use reticent_audit::lira::{Knowledge, Variance, log_likelihood_ratios};
use reticent_audit::membership::{KnownRows, confidence, loss, phi};
use reticent_audit::shadow::{balanced_matrix, shadow_phi, shadow_phi_kept};
use reticent_audit::{Attack, Error, Finding, Measured, MemberScores, Scores, Stated, Target, Verdict, controls};
use reticent_data::*;
use reticent_proof::Permit;
use std::collections::BTreeSet;
use std::sync::Mutex;

/// `units` people of two rows each: an age of their own, a class that age says nothing about.
fn table(units: usize) -> PermittedTable {
    let schema = Schema {
        dataset: "visits".into(),
        subject: SubjectRule::Column("patient".into()),
        unit: "person".into(),
        record: None,
        target: reticent_data::Target { column: "ill".into(), classes: Classes::Levels(vec!["no".into(), "yes".into()]) },
        columns: vec![Column { name: "age".into(), domain: Domain::Range { min: 0.0, max: 1e6, missing: None }, special: None }],
        dropped: Dropped::AllOthers,
        missing: vec![],
    };
    let mut text = String::from("patient,age,ill\n");
    for unit in 0..units {
        for visit in 0..2 {
            text += &format!("p{unit},{},{}\n", (unit * 7919 + visit * 104_729) % 1_000_000, ["no", "yes"][(unit * 31 / 7 + visit) % 2]);
        }
    }
    let imported = import_csv(text.as_bytes(), &schema, &CsvOptions::default(), &PseudonymKey::from_bytes([7; 32])).unwrap();
    PermittedTable::new(imported.table, "v1", Permit::public("made up for a test")).unwrap()
}

/// Says .9 for the class of a row it has seen, .6 and .4 by the age for every other.
fn memorise(data: &PermittedTable) -> Box<dyn Target> {
    let encoded = encode(data.table());
    let seen: BTreeSet<(u32, u32)> = encoded.inputs.iter().zip(&encoded.labels).map(|(x, y)| (x.to_bits(), *y)).collect();
    Box::new(move |inputs: &[f32], width: usize| {
        assert_eq!(width, 1);
        let row = |x: &f32| {
            let knows = |class| seen.contains(&(x.to_bits(), class));
            let p = if knows(0) {
                0.1
            } else if knows(1) {
                0.9
            } else {
                0.4 + 0.2 * f64::from((x + 1.0) / 2.0)
            };
            [1.0 - p, p]
        };
        inputs.iter().flat_map(row).collect()
    })
}

const CAP: std::num::NonZeroUsize = std::num::NonZeroUsize::new(2).unwrap();

#[test]
fn a_model_that_memorises_is_found_out_and_a_constant_one_is_not() {
    let pool = table(400);
    let known = KnownRows::new(&pool, CAP);
    let members: BTreeSet<SubjectId> = known.ids().iter().copied().filter(|id| id.as_bytes()[0] < 128).collect();
    let target = memorise(&pool.filter(|id| members.contains(&id)));
    let matrix = balanced_matrix(known.ids().len(), 8, 1).unwrap();
    let progress = Mutex::new(0);
    let shadows = |threads| {
        let fit = |data: &PermittedTable, _: u64| Ok(memorise(data));
        shadow_phi(&pool, &known, &matrix, threads, &fit, &mut || *progress.lock().unwrap() += 1).unwrap()
    };
    let shadow = shadows(1);
    assert_eq!(*progress.lock().unwrap(), 8);
    assert_eq!(shadow, shadows(3), "threads change nothing");
    for (s, scores) in shadow.iter().enumerate() {
        for (u, &found) in scores.iter().enumerate() {
            assert_eq!(found > 2.0, matrix.is_in(s, u), "whoever is in is known: {s} {u} {found}");
        }
    }
    let sides = |scores: &Scores<SubjectId>| scores.sides(|id| Some(members.contains(id))).unwrap();
    let ratios = log_likelihood_ratios(&phi(&known, &*target).unwrap(), &shadow, &matrix, Variance::Global, Knowledge::Online).unwrap();
    let lira = sides(&Scores::new(known.ids().to_vec(), ratios).unwrap());
    assert_eq!(lira.auc(), 1.0);
    assert_eq!(sides(&confidence(&known, &*target).unwrap()).decision(0.7).balanced_accuracy, 1.0);
    assert_eq!(sides(&loss(&known, &*target).unwrap()).auc(), 1.0);

    let constant = |inputs: &[f32], width: usize| vec![0.5; inputs.len() / width * 2];
    let flat = sides(&confidence(&known, &constant).unwrap());
    assert!(controls::constant_model(&flat).passed);
    let member: Vec<bool> = known.ids().iter().map(|id| members.contains(id)).collect();
    let blind = controls::blind_baseline(&known.mean_inputs(), &member, 3).unwrap();
    assert!(blind.passed, "{blind:?}");

    let attack = Attack {
        name: "LiRA".into(),
        variant: Variance::Global.describe().into(),
        threat_model: "".into(),
        unit: "person".into(),
        seed: 1,
    };
    let stated = Stated { epsilon: Epsilon::new(1.0).unwrap(), delta: Delta::new(1e-5).unwrap(), event: None };
    let controls = vec![controls::constant_model(&flat), blind];
    let bound = reticent_audit::LowerBound::one_run(&lira, stated.delta, 0.05, &[lira.members() + lira.non_members()], 0).unwrap();
    let finding =
        Finding::new(attack, &lira, controls, None, Some(Measured { bound, ceiling: 5.0, power: None }), Some(&stated), vec![]).unwrap();
    assert!(matches!(finding.verdict, Verdict::Contradicted { lower, upper: 1.0 } if lower > 3.0), "{:?}", finding.verdict);
    let text = serde_json::to_string(&finding).unwrap();
    assert!(known.ids().iter().all(|id| !text.contains(&id.to_string())), "a finding names nobody");
}

#[test]
fn a_unit_s_score_is_the_mean_over_its_rows() {
    let pool = table(5);
    let known = KnownRows::new(&pool, CAP);
    let by_age = |inputs: &[f32], _: usize| inputs.iter().flat_map(|&x| [1.0 - f64::from(x.abs()), f64::from(x.abs())]).collect();
    let found = confidence(&known, &by_age).unwrap();
    let encoded = encode(pool.table());
    for (id, score) in found.ids().iter().zip(found.scores()) {
        let rows: Vec<usize> = (0..pool.table().rows()).filter(|&r| pool.table().subjects()[r] == *id).collect();
        let p = |r: usize| {
            let x = f64::from(encoded.inputs[r].abs());
            if encoded.labels[r] == 1 { x } else { 1.0 - x }
        };
        assert!((score - rows.iter().map(|&r| p(r)).sum::<f64>() / rows.len() as f64).abs() < 1e-12);
        assert_eq!(found.of(id), Some(*score));
    }
}

#[test]
fn what_a_target_or_a_trainer_gets_wrong_is_an_error() {
    let pool = table(20);
    let known = KnownRows::new(&pool, CAP);
    let short = |_: &[f32], _: usize| vec![0.5; 3];
    assert_eq!(confidence(&known, &short).err(), Some(Error::Target { found: 3, expected: 80 }));
    let nonsense = |inputs: &[f32], _: usize| vec![f64::NAN; inputs.len() * 2];
    assert!(matches!(confidence(&known, &nonsense).err(), Some(Error::NotANumber { .. })));
    let matrix = balanced_matrix(20, 4, 0).unwrap();
    let fails = |_: &PermittedTable, shadow: u64| if shadow == 2 { Err("too few rows".into()) } else { Ok(memorise(&pool)) };
    assert_eq!(shadow_phi(&pool, &known, &matrix, 2, &fails, &mut || {}), Err(Error::Fit { why: "too few rows".into() }));
    let other = balanced_matrix(19, 4, 0).unwrap();
    assert!(matches!(shadow_phi(&pool, &known, &other, 1, &fails, &mut || {}), Err(Error::Length { .. })));
    assert!(matches!(MemberScores::new(vec![], vec![1.0]), Err(Error::OneSided { members: 0, non_members: 1 })));
}

#[test]
fn a_second_audit_of_the_same_recipe_trains_nothing_and_an_interrupted_one_goes_on() {
    let pool = table(60);
    let known = KnownRows::new(&pool, CAP);
    let members = balanced_matrix(60, 8, 3).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let kept = Kept::new(folder.path(), [1; 32]);
    let fit = |data: &PermittedTable, _: u64| Ok(memorise(data));
    let run = |kept: &Kept, pool: &PermittedTable, recipe: &str| {
        shadow_phi_kept(
            pool,
            &KnownRows::new(pool, CAP),
            &balanced_matrix(KnownRows::new(pool, CAP).ids().len(), 8, 3).unwrap(),
            2,
            &fit,
            (kept, recipe),
            &mut || {},
        )
        .unwrap()
    };
    // Interrupted by the sixth model: what five (or, on two threads, six) of them answered stays.
    let failing = |data: &PermittedTable, shadow: u64| if shadow == 5 { Err("out of power".into()) } else { Ok(memorise(data)) };
    let stopped = shadow_phi_kept(&pool, &known, &members, 1, &failing, (&kept, "a"), &mut || {});
    assert_eq!(stopped.err(), Some(Error::Fit { why: "out of power".into() }));
    let plain = shadow_phi(&pool, &known, &members, 2, &fit, &mut || {}).unwrap();
    assert_eq!(run(&kept, &pool, "a"), (plain.clone(), 3));
    assert_eq!(run(&kept, &pool, "a"), (plain.clone(), 0));
    // Another recipe, other rows, another key: nothing of it is used.
    assert_eq!(run(&kept, &pool, "b").1, 8);
    let first = known.ids()[0];
    assert_eq!(run(&kept, &pool.filter(|id| id != first), "a").1, 8);
    assert_eq!(run(&Kept::new(folder.path(), [2; 32]), &pool, "a").1, 8);
    let files = || std::fs::read_dir(folder.path()).unwrap().map(|f| f.unwrap().path()).collect::<Vec<_>>();
    assert_eq!(files().len(), 32);
    // Damaged and cut off: trained again.
    for (at, path) in files().iter().enumerate() {
        let mut bytes = std::fs::read(path).unwrap();
        if at % 2 == 0 {
            bytes[3] ^= 1;
        } else {
            bytes.truncate(40);
        }
        std::fs::write(path, bytes).unwrap();
    }
    assert_eq!(run(&kept, &pool, "a"), (plain, 8));
    // What this audit did not use goes, but for what is not its own.
    std::fs::write(folder.path().join("key"), "k").unwrap();
    let fresh = Kept::new(folder.path(), [1; 32]);
    assert_eq!(run(&fresh, &pool, "a").1, 0);
    fresh.drop_unused().unwrap();
    assert_eq!(files().len(), 9);
    std::fs::remove_dir_all(folder.path()).unwrap();
    assert!(matches!(shadow_phi_kept(&pool, &known, &members, 1, &fit, (&kept, "a"), &mut || {}), Err(Error::Kept { .. })));
}

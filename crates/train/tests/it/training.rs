//! A whole run, as a library user calls it.

use reticent_accounting::{NoiseMultiplier, SamplingRate};
use reticent_data::{
    Classes, Column, CsvOptions, Domain, Dropped, PermittedTable, PseudonymKey, Schema, SubjectRule, Target, encode, import_csv,
};
use reticent_proof::Permit;
use reticent_train::features::Features;
use reticent_train::{
    Architecture, Binding, Classifier, Error, Plan, Preset, RunKey, Scores, UnitRows, fit_plain, fit_prepared, fit_private, load_weights,
    save_weights,
};
use std::fmt::Write as _;

/// Two rows for each of 600 people; class 1 where x + y > 0.
fn people(count: usize) -> PermittedTable {
    let range = Domain::Range { min: -1.0, max: 1.0, missing: None };
    let column = |name: &str| Column { name: name.into(), domain: range.clone(), special: None };
    let schema = Schema {
        dataset: "plane".into(),
        subject: SubjectRule::Column("who".into()),
        unit: "person".into(),
        record: None,
        target: Target { column: "side".into(), classes: Classes::Levels(vec!["below".into(), "above".into()]) },
        columns: vec![column("x"), column("y")],
        dropped: Dropped::Only(vec![]),
        missing: vec![],
    };
    let mut csv = String::from("who,x,y,side\n");
    for i in 0..2 * count {
        let (x, y) = ((i * 37 % 200) as f64 / 100.0 - 0.995, (i * 91 % 200) as f64 / 100.0 - 0.995);
        writeln!(csv, "{},{x},{y},{}", i / 2, if x + y > 0.0 { "above" } else { "below" }).unwrap();
    }
    let table = import_csv(csv.as_bytes(), &schema, &CsvOptions::default(), &PseudonymKey::from_bytes([1; 32])).unwrap().table;
    PermittedTable::new(table, "plane/v1", Permit::public("made for this test")).unwrap()
}

fn plan(architecture: Architecture) -> Plan {
    Plan {
        unit: "person".into(),
        max_rows_per_unit: 2.try_into().unwrap(),
        sample_rate: SamplingRate::new(0.25).unwrap(),
        noise_multiplier: NoiseMultiplier::new(1.0).unwrap(),
        max_grad_norm: 1.0,
        steps: 60,
        learning_rate: 2.0,
        public_units: 600,
        architecture,
        optimiser: reticent_train::Optimiser::default(),
    }
}

fn train(plan: &Plan, data: &PermittedTable) -> Result<Classifier, Error> {
    let binding = Binding { plan: plan.digest(), permit: data.permit().digest().into(), data: "rows".into(), machine: "here".into() };
    fit_private(plan, data, &RunKey::from_bytes([9; 32]), &binding, &mut |_| ())
}

fn auc(model: &Classifier, data: &PermittedTable) -> f64 {
    let encoded = encode(data.table());
    let p = model.probabilities(&encoded.inputs, encoded.width);
    let score: Vec<f64> = p.chunks(2).map(|p| p[1]).collect();
    assert!(p.chunks(2).all(|p| (p[0] + p[1] - 1.0).abs() < 1e-6));
    Scores { positive: encoded.labels.iter().map(|&l| l == 1).collect(), unit: (0..score.len()).collect(), score }.auc().unwrap()
}

#[test]
fn private_training_learns_what_plain_training_learns() {
    let data = people(600);
    for architecture in [Architecture::Logistic, Architecture::Mlp { hidden: vec![8] }] {
        let plan = plan(architecture);
        assert!(auc(&train(&plan, &data).unwrap(), &data) > 0.97);
        assert!(auc(&fit_plain(&plan, &data, 60, 2.0).unwrap(), &data) > 0.99);
    }
}

/// Less noise, the same answer: drowned in noise, the same code learns nothing. The noise really is in the weights.
#[test]
fn a_run_drowned_in_noise_learns_nothing() {
    let data = people(60);
    let drowned = Plan { noise_multiplier: NoiseMultiplier::new(1e6).unwrap(), ..plan(Architecture::Logistic) };
    let (one, other) = (train(&drowned, &data).unwrap(), train(&Plan { learning_rate: 2.5, ..drowned }, &data).unwrap());
    // Other plans are bound to other noise, and agree on nothing.
    let at = [1.0, 0.0, 0.0, 1.0];
    assert_ne!(one.probabilities(&at, 2), other.probabilities(&at, 2));
    assert!(auc(&one, &data) < 0.97 || auc(&other, &data) < 0.97);
}

#[track_caller]
fn check_plan(change: impl Fn(&mut Plan), expected: &str) {
    let mut plan = plan(Architecture::Logistic);
    change(&mut plan);
    assert_eq!(plan.check().unwrap_err().to_string(), expected);
    assert_eq!(train(&plan, &people(3)).err().unwrap().to_string(), expected);
}

#[test]
fn plans_that_cannot_be_carried_out_are_refused() {
    for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        check_plan(|p| p.max_grad_norm = wrong, "`max_grad_norm` must be positive and finite");
        check_plan(|p| p.learning_rate = wrong, "`learning_rate` must be positive and finite");
    }
    check_plan(|p| p.steps = 0, "`steps` must be at least 1");
    check_plan(|p| p.public_units = 0, "`units` must be at least 1");
}

#[test]
fn nobody_to_train_on_is_an_error() {
    let nobody = people(3).filter(|_| false);
    assert_eq!(train(&plan(Architecture::Logistic), &nobody).err().unwrap().to_string(), "no unit is left to train on");
    assert_eq!(fit_plain(&plan(Architecture::Logistic), &nobody, 5, 1.0).err().unwrap().to_string(), "no unit is left to train on");
}

/// Equal plans have equal digests, and every field counts.
#[test]
fn the_digest_covers_every_field() {
    let plan = plan(Architecture::Logistic);
    let reread: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
    assert_eq!(plan.digest(), reread.digest());
    let changed = [
        Plan { unit: "row".into(), ..plan.clone() },
        Plan { max_rows_per_unit: 3.try_into().unwrap(), ..plan.clone() },
        Plan { sample_rate: SamplingRate::new(0.26).unwrap(), ..plan.clone() },
        Plan { noise_multiplier: NoiseMultiplier::new(1.1).unwrap(), ..plan.clone() },
        Plan { max_grad_norm: 1.5, ..plan.clone() },
        Plan { steps: 61, ..plan.clone() },
        Plan { learning_rate: 2.5, ..plan.clone() },
        Plan { public_units: 601, ..plan.clone() },
        Plan { architecture: Architecture::Mlp { hidden: vec![] }, ..plan.clone() },
    ];
    let digests: std::collections::BTreeSet<String> = changed.iter().map(Plan::digest).chain([plan.digest()]).collect();
    assert_eq!(digests.len(), 10);
}

/// Class 1 in a band in the middle: no straight line on x tells it.
fn band(count: usize) -> PermittedTable {
    let schema = Schema { columns: vec![people(1).table().schema().columns[0].clone()], ..people(1).table().schema().clone() };
    let mut csv = String::from("who,x,side\n");
    for i in 0..2 * count {
        let x = (i * 37 % 200) as f64 / 100.0 - 0.995;
        writeln!(csv, "{},{x},{}", i / 2, if x.abs() < 0.4 { "above" } else { "below" }).unwrap();
    }
    let table = import_csv(csv.as_bytes(), &schema, &CsvOptions::default(), &PseudonymKey::from_bytes([1; 32])).unwrap().table;
    PermittedTable::new(table, "band/v1", Permit::public("made for this test")).unwrap()
}

#[test]
fn bins_find_what_a_line_cannot() {
    let data = band(600);
    let line = Plan { learning_rate: 40.0, ..plan(Architecture::Logistic) };
    let features = Features::bins(data.table().schema());
    let bins = Plan { architecture: Architecture::OnFeatures { features, hidden: vec![] }, ..line.clone() };
    let model = train(&bins, &data).unwrap();
    assert!(auc(&model, &data) > 0.95 && auc(&train(&line, &data).unwrap(), &data) < 0.7);
    assert!(auc(&fit_plain(&bins, &data, 100, 4.0).unwrap(), &data) > 0.95);
    // The file says what is computed of a row.
    let read = load_weights(&save_weights(&model, std::collections::HashMap::new()).unwrap()).unwrap();
    let encoded = encode(data.table());
    assert_eq!(read.probabilities(&encoded.inputs, 1), model.probabilities(&encoded.inputs, 1));
    // Rows prepared once give the same weights as rows prepared for the run, and serve no other plan.
    let rows = UnitRows::prepared(&data, bins.max_rows_per_unit, bins.architecture.features()).unwrap();
    let binding = Binding { plan: bins.digest(), permit: data.permit().digest().into(), data: "rows".into(), machine: "here".into() };
    let again = |plan: &Plan| fit_prepared(plan, &rows, data.table().schema(), &RunKey::from_bytes([9; 32]), &binding, &mut |_| ());
    assert_eq!(again(&bins).unwrap().probabilities(&encoded.inputs, 1), model.probabilities(&encoded.inputs, 1));
    for other in [line, Plan { max_rows_per_unit: 1.try_into().unwrap(), ..bins.clone() }] {
        assert_eq!(again(&other).err().unwrap().to_string(), "the examples do not fit together: the rows were prepared for another plan");
    }
    let wrong = Plan { architecture: Architecture::OnFeatures { features: Features::Bins { numbers: vec![1] }, hidden: vec![] }, ..bins };
    assert_eq!(train(&wrong, &data).err().unwrap().to_string(), "no features: a number is named that is no input");
}

#[test]
fn presets_cost_what_they_are_asked_to() {
    use reticent_accounting::{Delta, Epsilon, pld};
    let (epsilon, delta) = (Epsilon::new(1.0).unwrap(), Delta::new(1e-5).unwrap());
    let data = people(1);
    let pixels = Schema {
        columns: (0..16).map(|i| Column { name: format!("p{i}"), ..data.table().schema().columns[0].clone() }).collect(),
        ..data.table().schema().clone()
    };
    for (preset, schema) in [(Preset::Tabular, data.table().schema()), (Preset::MnistLike, &pixels)] {
        let plan = preset.plan(schema, 2.try_into().unwrap(), 600, epsilon, delta).unwrap();
        plan.check().unwrap();
        let upper = pld::epsilon(&plan.event(), delta).unwrap().upper.get();
        assert!(upper <= 1.0 && upper > 0.999, "{preset:?}: {upper}");
        assert_eq!((plan.unit.as_str(), plan.public_units, plan.steps), ("person", 600, preset.steps()));
        assert_eq!(Preset::named(preset.name()), Some(preset));
    }
    assert!(Preset::MnistLike.plan(data.table().schema(), 2.try_into().unwrap(), 600, epsilon, delta).is_err());
    assert_eq!(Preset::named("none"), None);
}

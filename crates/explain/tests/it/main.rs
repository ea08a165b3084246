//! Every method against an oracle that is slow, exact or somebody else's.

mod background;
mod counterfactual;
mod explanation;
mod lime;
mod shapley;
mod surrogate;

use reticent_data::*;
use reticent_explain::*;

/// A model given as a function of one encoded row.
struct Of<F>(F);

impl<F: Fn(&[f32]) -> f64> Model for Of<F> {
    fn scores(&self, inputs: &[f32], width: usize) -> Vec<f64> {
        inputs.chunks_exact(width).map(&self.0).collect()
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `age` in [0, 100] (whole), `sex` f/m, `bmi` in [10.5, 60], `smoker` yes/no/missing: widths 1, 2, 1, 3.
fn schema() -> Schema {
    let levels = |levels: &[&str], missing| Domain::Levels { levels: levels.iter().map(ToString::to_string).collect(), missing };
    let column = |name: &str, domain| Column { name: name.into(), domain, special: None };
    Schema {
        dataset: "visits".into(),
        subject: SubjectRule::Column("patient".into()),
        unit: "person".into(),
        record: None,
        target: Target { column: "ill".into(), classes: Classes::Levels(vec!["no".into(), "yes".into()]) },
        columns: vec![
            column("age", Domain::Range { min: 0.0, max: 100.0, missing: None }),
            column("sex", levels(&["f", "m"], false)),
            column("bmi", Domain::Range { min: 10.5, max: 60.0, missing: None }),
            column("smoker", levels(&["yes", "no"], true)),
        ],
        dropped: Dropped::AllOthers,
        missing: vec![],
    }
}

/// Rows of `units` people; person `n` has `1 + n % 3` rows whose values follow from `n`.
fn permitted(units: usize) -> PermittedTable {
    let mut csv = "patient,age,sex,bmi,smoker,ill\n".to_owned();
    for n in 0..units {
        for visit in 0..=n % 3 {
            let smoker = ["yes", "no", ""][n * 7 % 3];
            csv += &format!("p{n},{},{},{},{smoker},no\n", n * 37 % 97 + visit, ["f", "m"][n * 5 % 2], 11 + n * 13 % 48);
        }
    }
    let imported = import_csv(csv.as_bytes(), &schema(), &CsvOptions::default(), &PseudonymKey::from_bytes([7; 32]));
    PermittedTable::new(imported.unwrap_or_else(|e| panic!("{e}")).table, "visits/v1", reticent_proof::Permit::asserted("a test")).unwrap()
}

fn background() -> Background {
    Background::aggregate(&permitted(200), LEAST_UNITS, 8).unwrap()
}

/// Old smokers with a high bmi are ill.
fn ill() -> Of<impl Fn(&[f32]) -> f64> {
    Of(|r: &[f32]| {
        let v: Vec<f64> = r.iter().map(|&v| f64::from(v)).collect();
        sigmoid(3.0 * v[0] + 0.5 * v[2] + 2.0 * v[3] + 2.0 * v[4] - v[5] - 1.0)
    })
}

fn person(age: f64, sex: u32, bmi: f64, smoker: u32) -> Row {
    Row(vec![Value::Number(age), Value::Level(sex), Value::Number(bmi), Value::Level(smoker)])
}

#[test]
fn rows_are_encoded_exactly_as_the_model_was_trained_on_them() {
    let rows = permitted(60);
    let encoded = encode(rows.table());
    let space = Space::new(rows.table().schema());
    for (number, inputs) in encoded.inputs.chunks_exact(encoded.width).enumerate() {
        assert_eq!(space.encode(&Row::of(rows.table(), number)), inputs, "row {number}");
    }
}

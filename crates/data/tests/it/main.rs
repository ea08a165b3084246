//! From a CSV file to checked, pseudonymous, permitted rows and back, and every way in which a file can be wrong.

mod encoding;
mod import;
mod real_file;
mod storage;
mod units;

use reticent_data::*;

const HEADER: &str = "patient,visit,age,sex,smoker,bmi,ill,notes";

/// Every kind of column: bounded with and without a value for missing ones, levels with and without a missing level, a dropped one.
fn schema() -> Schema {
    let levels = |levels: &[&str], missing| Domain::Levels { levels: levels.iter().map(ToString::to_string).collect(), missing };
    let column = |name: &str, domain| Column { name: name.into(), domain, special: None };
    Schema {
        dataset: "visits".into(),
        subject: SubjectRule::Column("patient".into()),
        unit: "person".into(),
        record: Some("visit".into()),
        target: Target { column: "ill".into(), classes: Classes::Levels(vec!["no".into(), "yes".into()]) },
        columns: vec![
            column("age", Domain::Range { min: 0.0, max: 110.0, missing: None }),
            column("sex", levels(&["f", "m"], false)),
            column("smoker", levels(&["yes", "no"], true)),
            column("bmi", Domain::Range { min: 10.0, max: 60.0, missing: Some(25.0) }),
        ],
        dropped: Dropped::Only(vec!["notes".into()]),
        missing: vec!["?".into()],
    }
}

fn key() -> PseudonymKey {
    PseudonymKey::from_bytes([7; 32])
}

fn import(bytes: impl AsRef<[u8]>) -> Result<Imported, Error> {
    import_csv(bytes.as_ref(), &schema(), &CsvOptions::default(), &key())
}

fn table(rows: &str) -> Table {
    import(format!("{HEADER}\n{rows}")).unwrap_or_else(|e| panic!("{e}")).table
}

fn permitted(table: Table) -> PermittedTable {
    PermittedTable::new(table, "visits/v1", reticent_proof::Permit::asserted("a test")).unwrap()
}

/// The bits of everything a table holds.
fn bits(table: &Table) -> Vec<Vec<u64>> {
    let features = (0..table.schema().columns.len()).map(|i| match table.feature(i) {
        Feature::Number(values) => values.iter().map(|v| v.to_bits()).collect(),
        Feature::Level(values) => values.iter().map(|&v| u64::from(v)).collect(),
    });
    features.chain([table.target().iter().map(|&c| u64::from(c)).collect()]).collect()
}

#[track_caller]
fn assert_same(a: &Table, b: &Table) {
    assert_eq!(a.schema(), b.schema());
    assert_eq!(a.records(), b.records());
    assert_eq!(a.subjects(), b.subjects());
    assert_eq!(bits(a), bits(b));
}

//! The shipped file, RAND Health Insurance Experiment: the numbers that the demonstration prints. Counts from `data/rand-hie/SOURCE.txt` and,
//! for runs, from a count by awk over the same six columns.

use super::*;
use std::num::NonZeroUsize;
use std::path::Path;

fn real() -> (Vec<u8>, Schema) {
    let range = |name: &str, max| Column { name: name.into(), domain: Domain::Range { min: 0.0, max, missing: None }, special: None };
    let schema = Schema {
        dataset: "visits".into(),
        subject: SubjectRule::RunsOf(["lncoins", "idp", "lpi", "fmde", "physlm", "disea"].map(str::to_owned).into()),
        unit: "reconstructed unit".into(),
        record: None,
        target: Target { column: "mdvis".into(), classes: Classes::AtLeast(4.0) },
        columns: [
            ("lncoins", 4.7),
            ("idp", 1.0),
            ("lpi", 8.0),
            ("fmde", 9.0),
            ("physlm", 1.0),
            ("disea", 60.0),
            ("hlthg", 1.0),
            ("hlthf", 1.0),
            ("hlthp", 1.0),
        ]
        .map(|(name, max)| range(name, max))
        .into(),
        dropped: Dropped::Only(vec![]),
        missing: vec![],
    };
    (std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/rand-hie/randhie.csv")).unwrap(), schema)
}

#[test]
fn runs_of_equal_rows_are_units() {
    let (bytes, schema) = real();
    let imported = import_csv(&bytes[..], &schema, &CsvOptions::default(), &key()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(imported.clamped, 0);
    let table = imported.table;
    assert_eq!((table.rows(), table.unit_count()), (20_190, 5_094));
    let all = Units::new(&table, NonZeroUsize::new(1000).unwrap());
    assert_eq!((0..all.len()).filter(|&u| all.rows_of(u).len() > 5).count(), 549);
    let units = Units::new(&table, NonZeroUsize::new(5).unwrap());
    assert_eq!((units.beyond_cap(), units.kept_rows()), (2_073, 18_117));
    // Rows of a unit are consecutive: that is what a run is.
    for unit in 0..all.len() {
        assert!(all.rows_of(unit).windows(2).all(|w| w[1] == w[0] + 1));
    }
    let encoded = encode(&table);
    assert!(encoded.inputs.iter().all(|x| (-1.0..=1.0).contains(x)));
    let positive = encoded.labels.iter().filter(|&&l| l == 1).count();
    assert_eq!(
        positive,
        String::from_utf8_lossy(&bytes).lines().skip(1).filter(|l| l.split(',').next().unwrap().parse::<f64>().unwrap() >= 4.0).count()
    );
}

//! Parquet: what is written is read back to the bit; what is damaged is refused or read, without a panic.

use super::*;
use proptest::prelude::*;
use std::path::PathBuf;

fn written(rows: &str) -> (tempfile::TempDir, PathBuf, Table) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v1.parquet");
    let table = table(rows);
    write_parquet(&table, &path).unwrap();
    (folder, path, table)
}

const ROWS: &str = "ann,é1,0,f,yes,,no,\nann,2,110,m,?,10,yes,\nbob,\"3,\"\"x\"\"\",0.1,f,no,59.99999999999999,no,\ncat,4,-0.0,m,,60,yes,";

#[test]
fn a_round_trip_changes_nothing() {
    let (folder, path, table) = written(ROWS);
    assert_same(&read_parquet(&path, &schema()).unwrap(), &table);
    // No temporary file is left beside it, and writing again replaces it.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    write_parquet(&table.filter(|id| id == key().subject("visits", "ann")), &path).unwrap();
    assert_eq!(read_parquet(&path, &schema()).unwrap().rows(), 2);
    write_parquet(&table.filter(|_| false), &path).unwrap();
    assert_eq!(read_parquet(&path, &schema()).unwrap().rows(), 0);
}

/// No identity of the source is in the file: pseudonyms only, and no dropped column.
#[test]
fn the_file_holds_no_name_and_no_dropped_column() {
    let (_folder, path, _) = written("ann-marie-4711,1,55,f,no,21.5,no,secret-0815");
    let bytes = std::fs::read(path).unwrap();
    for text in ["ann-marie", "4711", "secret", "0815", "notes", "patient"] {
        assert!(!bytes.windows(text.len()).any(|w| w == text.as_bytes()), "{text}");
    }
}

#[track_caller]
fn check_other_schema(change: impl Fn(&mut Schema), expected: &str) {
    let (_folder, path, _) = written(ROWS);
    let mut other = schema();
    change(&mut other);
    let error = read_parquet(&path, &other).err().unwrap();
    assert_eq!(error.to_string(), format!("v1.parquet: {expected}"));
}

#[test]
fn a_file_that_does_not_fit_its_schema_is_refused() {
    check_other_schema(|s| s.columns[0].name = "years".into(), "lacks the column `years`");
    check_other_schema(
        |s| s.columns[0].domain = Domain::Range { min: 0.0, max: 100.0, missing: None },
        "column `age` does not fit its declared bounds",
    );
    check_other_schema(|s| s.columns[1].domain = Domain::Range { min: 0.0, max: 1.0, missing: None }, "column `sex` is not a number");
    check_other_schema(|s| s.columns[0].domain = Domain::Levels { levels: vec!["a".into()], missing: true }, "column `age` is not text");
    check_other_schema(
        |s| s.columns[2].domain = Domain::Levels { levels: vec!["yes".into(), "no".into()], missing: false },
        "column `smoker` does not fit its declared levels",
    );
    check_other_schema(
        |s| s.columns[1].domain = Domain::Levels { levels: vec!["f".into()], missing: false },
        "column `sex` does not fit its declared levels",
    );
    check_other_schema(|s| s.target.classes = Classes::Levels(vec!["no".into()]), "has a class that the schema does not declare");
}

#[test]
fn a_file_that_is_not_there_or_not_parquet_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v1.parquet");
    assert!(matches!(read_parquet(&path, &schema()).err().unwrap(), Error::Io { .. }));
    for bytes in [&b""[..], b"PAR1", b"PAR1PAR1", b"PAR1\xff\xff\xff\xffPAR1", HEADER.as_bytes()] {
        std::fs::write(&path, bytes).unwrap();
        assert!(matches!(read_parquet(&path, &schema()).err().unwrap(), Error::Stored { .. }));
    }
}

#[test]
fn a_cut_file_is_refused_at_every_length() {
    let (_folder, path, _) = written(ROWS);
    let whole = std::fs::read(&path).unwrap();
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(read_parquet(&path, &schema()).is_err(), "{length} of {}", whole.len());
    }
}

/// Every byte of the file, changed in two ways.
#[test]
fn every_single_changed_byte_is_survived() {
    let (_folder, path, _) = written("ann,1,55,f,?,21.5,no,\nbob,2,60,m,yes,,yes,");
    let whole = std::fs::read(&path).unwrap();
    for place in 0..whole.len() {
        for change in [0x01, 0x80] {
            let mut damaged = whole.clone();
            damaged[place] ^= change;
            std::fs::write(&path, &damaged).unwrap();
            let _ = read_parquet(&path, &schema());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_never_panic(changes in prop::collection::vec((0.0..1.0_f64, any::<u8>()), 1..8)) {
        // Written once: each writing waits for the disk.
        static WHOLE: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| std::fs::read(written(ROWS).1).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v1.parquet");
        let mut bytes = WHOLE.clone();
        for (place, byte) in changes {
            let at = (place * bytes.len() as f64) as usize;
            bytes[at] = byte;
        }
        std::fs::write(&path, &bytes).unwrap();
        if let Ok(table) = read_parquet(&path, &schema()) {
            // What was read still satisfies the schema.
            prop_assert!(encode(&table).inputs.iter().all(|x| (-1.0..=1.0).contains(x)));
        }
    }
}

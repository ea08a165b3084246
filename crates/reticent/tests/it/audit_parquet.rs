//! `audit scores` on Parquet files, written with the format's own crate.

use crate::audit::{answers, scores};
use crate::workspace::Workspace;
use arrow_array::{ArrayRef, BooleanArray, Date32Array, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use insta::assert_snapshot;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use std::fs::File;
use std::sync::Arc;

fn put(workspace: &Workspace, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap();
    let file = File::create(workspace.file("file.parquet")).unwrap();
    // As pandas and Spark write by default.
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// The columns of a CSV text: numbers as such, whole ones as integers, the rest as text.
fn columns(csv: &str) -> Vec<(&str, ArrayRef)> {
    let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    let of = |at: usize| -> ArrayRef {
        let cells: Vec<&str> = rows[1..].iter().map(|row| row[at]).collect();
        let numbers: Option<Vec<f64>> = cells.iter().map(|c| c.parse().ok()).collect();
        match (cells.iter().map(|c| c.parse().ok()).collect::<Option<Vec<i64>>>(), numbers) {
            (Some(whole), _) => Arc::new(Int64Array::from(whole)),
            (None, Some(numbers)) => Arc::new(Float64Array::from(numbers)),
            (None, None) => Arc::new(StringArray::from(cells)),
        }
    };
    rows[0].iter().enumerate().map(|(at, name)| (*name, of(at))).collect()
}

fn refusal(workspace: &Workspace) -> String {
    let run = workspace.run(&["audit", "scores", workspace.file("file.parquet").to_str().unwrap()]);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    run.refusal()
}

/// Scores and answers: the same numbers, to the last digit, as from the CSV file with the same cells.
#[test]
fn parquet_and_csv_say_the_same() {
    let workspace = Workspace::bare();
    for (csv, units) in [(scores(), 80), (answers(), 400)] {
        workspace.put("file.csv", &csv);
        put(&workspace, columns(&csv));
        let of = |name: &str| workspace.json(&["audit", "scores", workspace.file(name).to_str().unwrap(), "--epsilon", "1"]);
        assert_eq!(of("file.parquet"), of("file.csv"));
        assert_eq!(of("file.parquet")["lines"], units);
    }
}

#[test]
fn parquet_that_cannot_be_used_is_told_by_row_and_column() {
    let workspace = Workspace::bare();
    let number = |values: Vec<Option<f64>>| -> ArrayRef { Arc::new(Float64Array::from(values)) };
    let truth = |values: Vec<bool>| -> ArrayRef { Arc::new(BooleanArray::from(values)) };
    // Not a number, an empty cell, and a text where a number is needed.
    put(&workspace, vec![("score", number(vec![Some(1.0), Some(f64::NAN), None])), ("member", truth(vec![true, false, true]))]);
    assert_snapshot!(refusal(&workspace), @r"
    exit 2
    error: the file of scores cannot be used; nothing was measured
    row 2: `score` is not a finite number
    row 3: `score` is not a finite number

    hint: columns: `score` (a number, higher: more likely a member), `member` (0, 1, true, false), perhaps `unit` or `id`
    ");
    put(&workspace, vec![("score", number(vec![Some(1.0), Some(2.0)])), ("member", Arc::new(StringArray::from(vec!["1", "secret"])))]);
    let told = refusal(&workspace);
    assert!(told.contains("row 2: `member` is none of 0, 1, true, false") && !told.contains("secret"), "{told}");
    put(&workspace, vec![("score", number(vec![Some(1.0), Some(2.0)])), ("member", truth(vec![true, true]))]);
    assert!(refusal(&workspace).contains("2 members and 0 non-members"));
    put(&workspace, vec![("score", number(vec![])), ("member", truth(vec![]))]);
    assert!(refusal(&workspace).contains("there are no scores"));
    // A column of a type that is not read is a problem where it is needed, and none elsewhere.
    let days = || -> ArrayRef { Arc::new(Date32Array::from(vec![1, 2])) };
    put(&workspace, vec![("score", days()), ("member", truth(vec![true, false]))]);
    assert!(refusal(&workspace).contains("column `score` is of the type Date32: numbers, true/false and text are read"));
    put(&workspace, vec![("score", number(vec![Some(1.0), Some(2.0)])), ("when", days()), ("member", truth(vec![true, false]))]);
    workspace.done(&["audit", "scores", workspace.file("file.parquet").to_str().unwrap()]);
    // Probabilities in single precision, and some that are none.
    let single = |values: Vec<f32>| -> ArrayRef { Arc::new(Float32Array::from(values)) };
    let whole = |values: Vec<i64>| -> ArrayRef { Arc::new(Int64Array::from(values)) };
    let answers = |label: Vec<i64>, p: Vec<f32>| {
        vec![
            ("member", truth(vec![true, false])),
            ("label", whole(label)),
            ("p_1", single(p.iter().map(|p| 1.0 - p).collect())),
            ("p_0", single(p)),
        ]
    };
    put(&workspace, answers(vec![0, 1], vec![0.1, 0.7]));
    workspace.done(&["audit", "scores", workspace.file("file.parquet").to_str().unwrap()]);
    put(&workspace, answers(vec![0, 2], vec![1.5, 0.7]));
    let told = refusal(&workspace);
    assert!(told.contains("row 1: `p_…` are no probabilities") && told.contains("row 2: `label` is no class"), "{told}");
    // Cut short, and something else that begins alike.
    let bytes = std::fs::read(workspace.file("file.parquet")).unwrap();
    for bytes in [&bytes[..bytes.len() - 10], b"PAR1,member\n1,0\n"] {
        std::fs::write(workspace.file("file.parquet"), bytes).unwrap();
        let told = refusal(&workspace);
        assert!(told.contains("error: the Parquet file: it is damaged, or cut short\n\nhint: write it anew, or as CSV"), "{told}");
    }
}

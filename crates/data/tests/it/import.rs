//! Bad input: the exact message, and never a value of the file in it.

use super::*;
use proptest::prelude::*;

/// No message may repeat these: they stand where values stand.
const MARKERS: [&str; 4] = ["MARKER", "4711", "0815", "\u{fffd}"];

#[track_caller]
fn refused(bytes: &[u8], options: &CsvOptions) -> Error {
    match import_csv(bytes, &schema(), options, &key()) {
        Ok(_) => panic!("was read: {}", String::from_utf8_lossy(bytes)),
        Err(error) => error,
    }
}

#[track_caller]
fn check(file: impl AsRef<[u8]>, expected: &str) {
    let error = refused(file.as_ref(), &CsvOptions::default());
    assert_eq!(error.to_string(), expected);
    check_silent(&error);
}

/// Neither the message nor anything a developer could print of it holds a value.
#[track_caller]
fn check_silent(error: &Error) {
    for text in [error.to_string(), format!("{error:?}")] {
        for marker in MARKERS {
            assert!(!text.contains(marker), "{marker} in: {text}");
        }
    }
}

#[track_caller]
fn check_rows(rows: &str, expected: &str) {
    check(format!("{HEADER}\n{rows}\n"), expected);
}

const GOOD: &str = "ann,1,55,f,no,21.5,no,";

#[test]
fn headers() {
    check("patient,visit,age,smoker,bmi,ill\n", "column `sex`: is declared but the file lacks it");
    check(
        "patient,age,sex,smoker,bmi\n",
        "column `ill`: is declared but the file lacks it\ncolumn `visit`: is declared but the file lacks it",
    );
    check("visit,age,sex,smoker,bmi,ill\n", "column `patient`: is declared but the file lacks it");
    check(format!("{HEADER},religion\n{GOOD},x"), "column `religion`: is in the file but neither declared nor dropped");
    check(format!("{HEADER},age\n{GOOD},x"), "column `age`: occurs twice in the header");
    // Case matters: names are not guessed.
    check(
        HEADER.replace("age", "Age"),
        "column `age`: is declared but the file lacks it\ncolumn `Age`: is in the file but neither declared nor dropped",
    );
}

/// A file without a header line: its first row is data, so no "column" of it may be named.
#[test]
fn a_row_in_place_of_the_header_is_not_repeated() {
    let lacks = ["age", "sex", "smoker", "bmi", "ill", "patient", "visit"]
        .map(|c| format!("column `{c}`: is declared but the file lacks it"))
        .join("\n");
    check("MARKER,4711,55,f,no,21.5,no,MARKER\n", &lacks);
    check("MARKER;4711;55\nMARKER;0815;66\n", &lacks);
}

#[test]
fn empty_files() {
    check("", "the file has no rows");
    check("\n\n", "the file has no rows");
    check("\u{feff}", "the file has no rows");
    check(HEADER, "the file has no rows");
    check(format!("{HEADER}\r\n\r\n"), "the file has no rows");
}

#[test]
fn values() {
    check_rows("MARKER,1,111,f,no,21.5,no,", "column `age`: value outside the declared bounds in 1 row (line 2)");
    check_rows("MARKER,1,-4711,f,no,21.5,no,", "column `age`: value outside the declared bounds in 1 row (line 2)");
    check_rows("MARKER,1,NaN,f,no,21.5,no,", "column `age`: value is NaN or infinite in 1 row (line 2)");
    check_rows(
        "MARKER,1,-inf,f,no,1e999,no,",
        "column `age`: value is NaN or infinite in 1 row (line 2)\ncolumn `bmi`: value is NaN or infinite in 1 row (line 2)",
    );
    check_rows(
        "MARKER,1,MARKER,f,no,0815 kg,no,",
        "column `age`: value is not a number in 1 row (line 2)\ncolumn `bmi`: value is not a number in 1 row (line 2)",
    );
    check_rows("MARKER,1,55,MARKER,no,21.5,no,", "column `sex`: value not among the declared levels in 1 row (line 2)");
    check_rows("MARKER,1,55,f,MARKER,21.5,no,", "column `smoker`: value not among the declared levels in 1 row (line 2)");
    check_rows("MARKER,1,55,f,no,21.5,MARKER,", "column `ill`: value not among the declared levels in 1 row (line 2)");
    check_rows(
        "MARKER,1,?,,no,21.5,?,",
        "column `age`: no value in 1 row (line 2)\ncolumn `ill`: no value in 1 row (line 2)\ncolumn `sex`: no value in 1 row (line 2)",
    );
    check_rows(",1,55,f,no,21.5,no,", "column `patient`: no value in 1 row (line 2)");
    check_rows("?,1,55,f,no,21.5,no,", "column `patient`: no value in 1 row (line 2)");
    check_rows("MARKER,,55,f,no,21.5,no,", "column `visit`: no value in 1 row (line 2)");
    check_rows(&format!("{GOOD}\nMARKER,1,55,f,no,21.5,no,"), "column `visit`: record id occurred before in 1 row (line 3)");
    // A NUL byte or a comma for the decimal point make no number.
    check_rows("MARKER,1,5\u{0}5,f,no,21.5,no,", "column `age`: value is not a number in 1 row (line 2)");
    check_rows("MARKER,1,\"55,5\",f,no,21.5,no,", "column `age`: value is not a number in 1 row (line 2)");
    check_rows("MARKER,1,0x37,f,no,21.5,no,", "column `age`: value is not a number in 1 row (line 2)");
}

/// All problems at once, counted, with the first three lines.
#[test]
fn many_rows_are_counted() {
    let rows: String = (0..5).map(|i| format!("MARKER,{i},4711,f,no,21.5,no,\n")).collect();
    check_rows(
        &format!("{GOOD}\n{rows}"),
        "column `age`: value outside the declared bounds in 5 rows (line 3, 4, 5, …)\ncolumn `visit`: record id occurred before in 1 row (line 4)",
    );
}

/// Line numbers are those of the file, whatever the rows before hold.
#[test]
fn lines_are_counted_as_an_editor_counts() {
    check(
        format!("{HEADER}\n\n{GOOD}\n\n\nMARKER,2,4711,f,no,21.5,no,\n"),
        "column `age`: value outside the declared bounds in 1 row (line 6)",
    );
    check(
        format!("{HEADER}\nann,1,55,f,no,21.5,no,\"two\nlines\"\nMARKER,2,4711,f,no,21.5,no,\n"),
        "column `age`: value outside the declared bounds in 1 row (line 4)",
    );
    check(
        format!("{HEADER}\r\n{GOOD}\r\nMARKER,2,4711,f,no,21.5,no,\r\n"),
        "column `age`: value outside the declared bounds in 1 row (line 3)",
    );
}

#[test]
fn text_that_is_not_csv() {
    check_rows("MARKER,4711", "line 2: has 2 columns where the first line has 8");
    check_rows(&format!("{GOOD}\n{GOOD},MARKER"), "line 3: has 9 columns where the first line has 8");
    check([HEADER.as_bytes(), b"\nMARKER,1,55,f,no,21.5,no,\xff\xfe\n"].concat(), "line 2: is not UTF-8 text");
    check(b"pati\xffent,MARKER\n", "line 1: is not UTF-8 text");
    // An unclosed quote swallows the rest of the file.
    check_rows("\"MARKER,1,55,f,no,21.5,no,\n4711", "line 2: has 1 columns where the first line has 8");
}

#[test]
fn columns_named_by_the_schema_for_a_file_without_a_header() {
    let options = |names: &[&str]| CsvOptions { names: Some(names.iter().map(ToString::to_string).collect()), ..CsvOptions::default() };
    let all: Vec<&str> = HEADER.split(',').collect();
    let read = import_csv(GOOD.as_bytes(), &schema(), &options(&all), &key()).unwrap_or_else(|e| panic!("{e}"));
    assert_same(&read.table, &table(GOOD));
    // More or fewer names than the rows have columns.
    for (names, expected) in [
        (&all[..7], "line 1: has 8 columns where 7 names are given"),
        (&[&all[..], &["more"]].concat(), "line 1: has 8 columns where 9 names are given"),
    ] {
        let dropped = Schema { dropped: Dropped::AllOthers, ..schema() };
        let error = import_csv(GOOD.as_bytes(), &dropped, &options(names), &key()).err().unwrap();
        assert_eq!(error.to_string(), expected);
    }
}

/// The same rows in other clothes.
#[test]
fn harmless_differences_of_form_change_nothing() {
    let plain = table("ann,1,55,f,no,21.5,no,x\nbob,2,60,m,?,,yes,y");
    for file in [
        format!("\u{feff}{HEADER}\nann,1,55,f,no,21.5,no,x\nbob,2,60,m,?,,yes,y\n"),
        format!("{HEADER}\r\nann,1,55,f,no,21.5,no,x\r\nbob,2,60,m,?,,yes,y\r\n"),
        format!("{HEADER}\rann,1,55,f,no,21.5,no,x\rbob,2,60,m,?,,yes,y\r"),
        format!("{HEADER}\n\n ann , 1, 55 ,f,no ,21.5,no,x\nbob,2,60,m, ? ,,yes,\u{0}\n\n"),
        format!("{HEADER}\n\"ann\",\"1\",\"55\",\"f\",\"no\",\"21.5\",\"no\",\"x, \"\"y\"\"\nz\"\nbob,2,6e1,m,,25,yes,y\n"),
        "\u{feff}\"patient\",visit,age,sex,smoker,bmi,ill,notes\nann,1,55.0,f,no,+21.50,no,x\nbob,2,60,m,?,?,yes,y".to_owned(),
        "notes,ill,bmi,smoker,sex,age,visit,patient\nx,no,21.5,no,f,55,1,ann\n,yes,,,m,60,2,bob\n".to_owned(),
    ] {
        let read = import(&file).unwrap_or_else(|e| panic!("{e}: {file}"));
        assert_same(&read.table, &plain);
        assert_eq!(read.clamped, 0);
    }
}

#[test]
fn clamping_moves_to_the_nearest_bound_and_counts() {
    let options = CsvOptions { clamp: true, ..CsvOptions::default() };
    let file = format!("{HEADER}\nann,1,-3,f,no,9,no,\nbob,2,110,m,no,60.0001,yes,\n");
    let read = import_csv(file.as_bytes(), &schema(), &options, &key()).unwrap_or_else(|e| panic!("{e}"));
    assert_same(&read.table, &table("ann,1,0,f,no,10,no,\nbob,2,110,m,no,60,yes,"));
    assert_eq!(read.clamped, 3);
    // What is no number is not clamped.
    check_silent(&refused(format!("{HEADER}\nann,1,inf,f,no,MARKER,no,\n").as_bytes(), &options));
}

#[test]
fn rows_to_be_scored_need_no_target_subject_or_record() {
    let read = import_features("age,sex,smoker,bmi\n55,f,no,21.5\n".as_bytes(), &schema(), &CsvOptions::default())
        .unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(bits(&read.table)[..4], bits(&table(GOOD))[..4]);
    let error = import_features("age,sex\n55,f\n".as_bytes(), &schema(), &CsvOptions::default()).err().unwrap();
    assert_eq!(error.to_string(), "column `smoker`: is declared but the file lacks it\ncolumn `bmi`: is declared but the file lacks it");
}

#[track_caller]
fn check_schema(change: impl Fn(&mut Schema), expected: &str) {
    let mut wrong = schema();
    change(&mut wrong);
    let error = import_csv(&b""[..], &wrong, &CsvOptions::default(), &key()).err().unwrap();
    assert_eq!(error.to_string(), expected);
}

#[test]
fn schemas_that_no_table_satisfies() {
    let range = |min, max, missing| move |s: &mut Schema| s.columns[0].domain = Domain::Range { min, max, missing };
    check_schema(range(1.0, 1.0, None), "column `age`: needs finite bounds with min < max");
    check_schema(range(2.0, 1.0, None), "column `age`: needs finite bounds with min < max");
    check_schema(range(f64::NAN, 1.0, None), "column `age`: needs finite bounds with min < max");
    check_schema(range(0.0, f64::INFINITY, None), "column `age`: needs finite bounds with min < max");
    check_schema(range(0.0, 1.0, Some(1.5)), "column `age`: its value for a missing entry lies outside its bounds");
    check_schema(range(0.0, 1.0, Some(f64::NAN)), "column `age`: its value for a missing entry lies outside its bounds");
    check_schema(|s| s.columns.clear(), "column `visits`: no feature is declared");
    check_schema(|s| s.columns[1].name = "age".into(), "column `age`: declared twice");
    check_schema(|s| s.columns[1].name = "ill".into(), "column `ill`: is the target and cannot be a feature");
    check_schema(
        |s| s.columns[1].domain = Domain::Levels { levels: vec![], missing: true },
        "column `sex`: needs at least 1 levels, each once",
    );
    check_schema(
        |s| s.columns[1].domain = Domain::Levels { levels: vec!["f".into(), "f".into()], missing: false },
        "column `sex`: needs at least 1 levels, each once",
    );
    check_schema(|s| s.target.classes = Classes::Levels(vec!["no".into()]), "column `ill`: needs at least 2 levels, each once");
    check_schema(|s| s.target.classes = Classes::AtLeast(f64::NAN), "column `ill`: its threshold is not finite");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), names in any::<bool>()) {
        let names = names.then(|| HEADER.split(',').map(str::to_owned).collect());
        let _ = import_csv(&bytes[..], &schema(), &CsvOptions { names, ..CsvOptions::default() }, &key());
        let _ = import([HEADER.as_bytes(), b"\n", &bytes].concat());
    }

    /// Pieces that mean something to a CSV reader, in any order: no panic, and no value told.
    #[test]
    fn pieces_of_csv_never_panic_and_never_leak(pieces in prop::collection::vec(prop::sample::select(vec![
        "MARKER", "4711", "0815", ",", "\n", "\r\n", "\"", "\"\"", "55", "f", "no", "yes", "?", " ", "nan", "-", "1e5", "\u{0}", "ann,1,55,f,no,21.5,no,\n",
    ]), 0..60), header in any::<bool>()) {
        let text = format!("{}{}", if header { format!("{HEADER}\n") } else { String::new() }, pieces.concat());
        if let Err(error) = import(text) {
            check_silent(&error);
        }
    }
}

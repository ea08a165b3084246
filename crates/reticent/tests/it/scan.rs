//! `scan`: what is told, what is never told, and the redacted copy.

use crate::workspace::{Run, Stage, Workspace, command};
use insta::assert_snapshot;
use std::path::Path;
use tempfile::TempDir;

/// Values that stand in the files of these tests and must never be printed. None is so short that a digest may hold it.
const SECRETS: [&str; 5] = ["4111 1111", "4111111111111111", "ann@example.org", "536-32-3065", "555-0132"];

const TABLE: &str = "\u{feff}id,note,phone,mail\r\n\
    1,\"paid by card 4111 1111 1111 1111, thanks\",(415) 555-0132,ann@example.org\r\n\
    2,\"two\r\nlines, 536-32-3065\",,\r\n\
    3,=cmd|x,+49 30 1234567,none\r\n";

struct Files {
    folder: TempDir,
}

impl Files {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let folder = TempDir::with_prefix("reticent-scan-").unwrap();
        for (name, bytes) in files {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// Runs `scan` in the folder and sees to it that no value is said.
    fn scan(&self, args: &[&str]) -> Run {
        let args: Vec<String> = args
            .iter()
            .map(|a| if Path::new(&self.path(a)).exists() || a.starts_with("out") { self.path(a) } else { (*a).to_owned() })
            .collect();
        let dir = self.folder.path().to_str().unwrap();
        let all = ["scan"].into_iter().chain(args.iter().map(String::as_str)).chain(["--dir", dir]);
        let run = Run::of(&mut command(all), self.folder.path());
        for secret in SECRETS {
            assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret), "says {secret}: {}{}", run.stdout, run.stderr);
        }
        run
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }
}

#[test]
fn a_table_is_told_by_column_line_and_bytes() {
    let files = Files::new(&[("people.csv", TABLE.as_bytes())]);
    let run = files.scan(&["people.csv"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_snapshot!(run.stdout, @"
    people.csv: found in 5 lines
      card numbers                         1   in note 1
      e-mail addresses                     1   in mail 1
      US social security numbers           1   in note 1
      phone numbers                        2   in phone 2
      line 2, note, bytes 39 to 58: card (1.00)
      line 2, phone, bytes 68 to 82: phone (0.85)
      line 2, mail, bytes 83 to 98: email (0.85)
      line 4, note, bytes 115 to 126: ssn (0.50)
      line 5, phone, bytes 140 to 154: phone (0.85)
      1 cells begin like a formula: a spreadsheet would run them; copied as they are
    not shown:
      that what was not found is absent: four in ten names of English test texts are missed, and so are other kinds and values split over lines
      who somebody is: a date, a place or a rare job may tell without any of these kinds
      that a redacted copy may be given away: what was found is replaced, everything else stays
    ");
    let json = files.scan(&["people.csv", "--json"]).json();
    for place in json["places"].as_array().unwrap() {
        let value = &TABLE[place["start"].as_u64().unwrap() as usize..place["end"].as_u64().unwrap() as usize];
        let expected = match place["kind"].as_str().unwrap() {
            "card" => "4111 1111 1111 1111",
            "email" => "ann@example.org",
            "ssn" => "536-32-3065",
            _ if place["line"] == 2 => "(415) 555-0132",
            _ => "+49 30 1234567",
        };
        assert_eq!(value, expected);
    }
    assert_eq!(json["counts"]["phone"], 2);
    assert_eq!(json["columns"]["note"]["ssn"], 1);
    assert_eq!((json["lines"].as_u64(), json["formula_cells"].as_u64()), (Some(5), Some(1)));
    assert!(!files.folder.path().join(".reticent").exists(), "no workspace is made");
}

#[test]
fn the_copy_keeps_all_but_what_was_found() {
    let files = Files::new(&[("people.csv", TABLE.as_bytes())]);
    assert_eq!(files.scan(&["people.csv", "--redact", "out.csv", "--keep-last-four"]).code, Some(0));
    let expected = TABLE
        .replace("4111 1111 1111 1111", "<CARD 1111>")
        .replace("(415) 555-0132", "<PHONE>")
        .replace("ann@example.org", "<EMAIL>")
        .replace("536-32-3065", "<SSN>")
        .replace("+49 30 1234567", "<PHONE>");
    assert_eq!(String::from_utf8(files.read("out.csv")).unwrap(), expected);
    // The copy is clean, and a copy of it is the same.
    assert_eq!(files.scan(&["out.csv", "--fail-on-found"]).code, Some(0));
    assert_eq!(files.scan(&["out.csv", "--redact", "out2.csv"]).code, Some(0));
    assert_eq!(files.read("out.csv"), files.read("out2.csv"));
    let again = files.scan(&["people.csv", "--redact", "out.csv"]);
    assert_eq!(again.code, Some(2), "an existing file is not written over");
    assert_eq!(String::from_utf8(files.read("out.csv")).unwrap(), expected);
    assert_eq!(files.scan(&["people.csv", "--redact", "people.csv"]).code, Some(2));
    assert_eq!(files.read("people.csv"), TABLE.as_bytes());
}

#[test]
fn one_column_and_one_kind() {
    let files = Files::new(&[("people.csv", TABLE.as_bytes())]);
    let json = files.scan(&["people.csv", "--column", "note", "--json", "--redact", "out.csv"]).json();
    assert_eq!(json["counts"], serde_json::json!({ "card": 1, "ssn": 1 }));
    assert!(String::from_utf8(files.read("out.csv")).unwrap().contains("(415) 555-0132"), "the other columns stay");
    let json = files.scan(&["people.csv", "--kind", "email", "--kind", "phone", "--json"]).json();
    assert_eq!(json["counts"], serde_json::json!({ "email": 1, "phone": 2 }));
    assert_snapshot!(files.scan(&["people.csv", "--column", "nots"]).refusal(), @"
    exit 2
    error: no column is called `nots`

    hint: the columns are: id, note, phone, mail
    ");
    assert_eq!(files.scan(&["people.csv", "--kind", "shoe"]).code, Some(2));
}

#[test]
fn a_first_line_of_values_names_no_column() {
    let files = Files::new(&[("bare.csv", b"ann@example.org,12,x\nann@example.org,13,y\n")]);
    let json = files.scan(&["bare.csv", "--json"]).json();
    assert_eq!(json["columns"], serde_json::json!({ "column 1": { "email": 2 } }));
    let json = files.scan(&["bare.csv", "--no-header", "--column", "column 1", "--json"]).json();
    assert_eq!(json["counts"]["email"], 2);
}

#[test]
fn the_name_of_a_column_is_context() {
    let files = Files::new(&[("a.csv", b"ref,phone\n881 7531,881 7531\n")]);
    let json = files.scan(&["a.csv", "--json"]).json();
    assert_eq!(json["columns"], serde_json::json!({ "phone": { "phone": 1 } }));
    let copied = files.scan(&["a.csv", "--redact", "out.csv"]);
    assert_eq!((copied.code, files.read("out.csv")), (Some(0), b"ref,phone\n881 7531,<PHONE>\n".to_vec()));
}

#[test]
fn found_is_refused_where_asked() {
    let files = Files::new(&[("notes.txt", b"card 4111111111111111 of ann@example.org\n"), ("clean.txt", b"nothing here\n")]);
    assert_snapshot!(files.scan(&["notes.txt", "--fail-on-found"]).refusal(), @"
    exit 3
    error: notes.txt holds 1 card numbers, 1 e-mail addresses

    hint: the first: line 1, bytes 5 to 21: card (1.00)
          without --fail-on-found the places are listed; --redact OUT writes a copy without them
    ");
    let run = files.scan(&["notes.txt", "--fail-on-found", "--json"]);
    assert_eq!(run.code, Some(3));
    assert_eq!(run.json()["error"]["facts"]["counts"]["card"], 1);
    assert_eq!(files.scan(&["clean.txt", "--fail-on-found"]).code, Some(0));
    assert_eq!(files.scan(&["empty", "--fail-on-found"]).code, Some(1), "a file that is not there is no clean file");
}

#[test]
fn bytes_that_are_no_text_are_opaque_and_kept() {
    let bytes = b"ok \xff\xfe ann@example.org \xc3\x28\r\n{\"ssn\":\"536-32-3065\"}\nlast line \xf0\x9f";
    let files = Files::new(&[("odd.jsonl", bytes), ("utf16.txt", b"\xff\xfea\0"), ("nothing.txt", b"")]);
    let json = files.scan(&["odd.jsonl", "--json", "--redact", "out.bin"]).json();
    assert_eq!((json["opaque_lines"].as_u64(), json["lines"].as_u64()), (Some(2), Some(3)));
    assert_eq!(files.read("out.bin"), b"ok \xff\xfe <EMAIL> \xc3\x28\r\n{\"ssn\":\"<SSN>\"}\nlast line \xf0\x9f");
    assert_eq!(files.scan(&["utf16.txt"]).code, Some(2));
    assert_eq!(files.scan(&["nothing.txt", "--json"]).json()["lines"], 0);
}

#[test]
fn long_lines_come_in_pieces_and_quotes_may_stay_open() {
    let mut long = "x,".repeat(900_000);
    long += "card 4111111111111111\n";
    let open = format!("a,b\n1,\"{}\n", "y\n".repeat(600_000));
    let files = Files::new(&[("long.txt", long.as_bytes()), ("open.csv", open.as_bytes())]);
    let json = files.scan(&["long.txt", "--json", "--redact", "out.txt"]).json();
    assert_eq!((json["counts"]["card"].as_u64(), json["lines"].as_u64()), (Some(1), Some(1)));
    assert_eq!(json["places"][0]["start"], 1_800_005);
    assert_eq!(String::from_utf8(files.read("out.txt")).unwrap(), long.replace("4111111111111111", "<CARD>"));
    let run = files.scan(&["open.csv", "--redact", "out.csv"]);
    assert_eq!(run.code, Some(2));
    assert!(!Path::new(&files.path("out.csv")).exists(), "half a copy is no copy");
    assert_eq!(files.scan(&["open.csv", "--text"]).code, Some(0));
}

#[test]
fn counts_are_evidence_in_a_workspace() {
    let workspace = Workspace::at(Stage::Imported);
    workspace.put("letters.txt", "card 4111 1111 1111 1111 of ann@example.org\n");
    let file = workspace.file("letters.txt");
    let answer = workspace.json(&["scan", file.to_str().unwrap()]);
    assert!(answer["event"].as_u64().unwrap() > 0);
    let kept = workspace.read(".reticent/evidence/scan-1.json");
    assert!(kept.contains("\"card\": 1") && !kept.contains("places"), "{kept}");
    for secret in SECRETS {
        assert!(workspace.files_with(secret, &["letters.txt"]).is_empty(), "{secret} was kept");
    }
    workspace.done(&["log", "verify"]);
}

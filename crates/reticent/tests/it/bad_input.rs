//! Bad input: what, where, how to fix it; and nothing is lost.

use crate::workspace::{CONFIG, Run, Stage, TRAIN, Workspace, command, person, rows};
use insta::assert_snapshot;
use std::fs;

/// Runs `args` after `spoil` on a workspace at `stage`: it must fail, every file must stay as it was, and what was imported must still load.
#[track_caller]
fn spoiled(stage: Stage, spoil: impl Fn(&Workspace), args: &[&str]) -> String {
    let workspace = Workspace::at(stage);
    let whole = workspace.files();
    spoil(&workspace);
    let before = workspace.files();
    let run = workspace.run(args);
    assert_ne!(run.code, Some(0), "{}", run.stdout);
    unchanged(&before, &workspace);
    for name in ["reticent.toml", "visits.csv", "consent.csv"] {
        fs::write(workspace.file(name), &whole[name]).unwrap();
    }
    if stage >= Stage::Consented {
        assert!(workspace.done(&["consent", "import"]).stdout.contains("112 were on record already"));
        workspace.done(&["log", "verify"]);
    }
    run.refusal()
}

#[track_caller]
fn unchanged(before: &std::collections::BTreeMap<String, Vec<u8>>, workspace: &Workspace) {
    let after = workspace.files();
    let names = |files: &std::collections::BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(before), names(&after));
    let changed: Vec<&String> = before.iter().filter(|(name, bytes)| after[*name] != **bytes).map(|(name, _)| name).collect();
    assert!(changed.is_empty(), "changed: {changed:?}");
}

#[track_caller]
fn bad_rows(from: &str, to: &str) -> String {
    spoiled(Stage::Consented, |w| w.edit("visits.csv", from, to), &["import"])
}

#[track_caller]
fn bad_config(from: &str, to: &str, args: &[&str]) -> String {
    spoiled(Stage::Consented, |w| w.edit("reticent.toml", from, to), args)
}

#[test]
fn a_missing_column() {
    assert_snapshot!(bad_rows("age,sex,", "years,sex,"), @r#"
    exit 2
    error: the rows do not fit the declared columns; nothing was imported
    column `age`: is declared but the file lacks it
    column `years`: is in the file but neither declared nor dropped

    hint: declare it in `columns`, or drop it with `NAME = "drop"` (or `"*" = "drop"` for all others)
          remove the column from `columns`, or bring a file that has it
    "#);
}

#[test]
fn an_unknown_column() {
    assert_snapshot!(bad_rows("again,note", "again,memo"), @r#"
    exit 2
    error: the rows do not fit the declared columns; nothing was imported
    column `memo`: is in the file but neither declared nor dropped

    hint: declare it in `columns`, or drop it with `NAME = "drop"` (or `"*" = "drop"` for all others)
    "#);
}

#[test]
fn several_problems_of_the_rows_at_once() {
    let spoil = |w: &Workspace| {
        let mut lines: Vec<String> = w.read("visits.csv").lines().map(str::to_owned).collect();
        lines[3] = "1002,somebody,NaN,f,120,yes,".into();
        lines[5] = "1004,somebody,300,f,12,yes,".into();
        lines[6] = "1004,somebody,-1,x,twelve,perhaps,".into();
        lines[7] = "1006,,inf,,,,".into();
        w.put("visits.csv", &lines.join("\n"));
    };
    assert_snapshot!(spoiled(Stage::Consented, spoil, &["import"]), @"
    exit 2
    error: the rows do not fit the declared columns; nothing was imported
    column `again`: value not among the declared levels in 1 row (line 7)
    column `again`: no value in 1 row (line 8)
    column `age`: value outside the declared bounds in 2 rows (line 6, 7)
    column `age`: value is NaN or infinite in 2 rows (line 4, 8)
    column `patient`: no value in 1 row (line 8)
    column `pressure`: value outside the declared bounds in 1 row (line 6)
    column `pressure`: value is not a number in 1 row (line 7)
    column `pressure`: no value in 1 row (line 8)
    column `sex`: value not among the declared levels in 1 row (line 7)
    column `sex`: no value in 1 row (line 8)
    column `visit`: record id occurred before in 1 row (line 7)

    hint: add the level to the column's list, or mend the rows
          make the `record` column unique, or leave `record` out to number the rows
          mend the rows, or list the text under `missing`
          say what stands for a missing value: `{ range = [0, 1], missing = 0 }` or `{ levels = [...], missing = true }`
          widen the public bounds, or import with `--clamp` to move such values to the nearest bound
    ");
}

#[test]
fn a_value_out_of_bounds_is_told_by_line_and_never_repeated() {
    const NUMBER: &str = "98765432.125";
    const LEVEL: &str = "planted-level";
    const SUBJECT: &str = "planted-subject";
    let workspace = Workspace::at(Stage::Trained);
    let before = workspace.files();
    let line = format!("5000,{SUBJECT},{NUMBER},{LEVEL},{NUMBER},{LEVEL},\n");
    workspace.put("visits.csv", &(rows() + &line));
    for args in [&["import"][..], &["import", "--json"], &["predict", workspace.file("visits.csv").to_str().unwrap()]] {
        let run = workspace.run(args);
        assert_eq!(run.code, Some(2), "{args:?}");
        for planted in [NUMBER, LEVEL, SUBJECT] {
            assert!(!run.stdout.contains(planted) && !run.stderr.contains(planted), "{args:?}: {}{}", run.stdout, run.stderr);
            assert_eq!(workspace.files_with(planted, &["visits.csv"]), [""; 0], "{args:?}");
        }
    }
    workspace.put("visits.csv", &rows());
    unchanged(&before, &workspace);
}

#[test]
fn not_a_number() {
    assert_snapshot!(bad_rows("1000,patient-0001-of-nowhere,", "1000,patient-0001-of-nowhere,NaN,f,100,no,\n1999,patient-0001-of-nowhere,"), @"
    exit 2
    error: the rows do not fit the declared columns; nothing was imported
    column `age`: value is NaN or infinite in 1 row (line 2)

    hint: mend the rows, or list the text under `missing`
    ");
}

#[test]
fn an_empty_file() {
    assert_snapshot!(spoiled(Stage::Consented, |w| w.put("visits.csv", ""), &["import"]), @"
    exit 2
    error: the file has no rows

    hint: bring a file with a header line and at least one row
    ");
}

#[test]
fn a_header_without_rows() {
    let spoil = |w: &Workspace| w.put("visits.csv", "visit,patient,age,sex,pressure,again,note\n");
    assert_snapshot!(spoiled(Stage::Consented, spoil, &["import"]), @"
    exit 2
    error: the file has no rows

    hint: bring a file with a header line and at least one row
    ");
}

#[test]
fn an_uneven_row() {
    assert_snapshot!(bad_rows("\n1001,", "\nx,y\n1001,"), @"
    exit 2
    error: the file cannot be read as CSV: line 3: has 2 columns where the first line has 7

    hint: look at that line; `delimiter` in reticent.toml sets the separator
    ");
}

#[test]
fn a_record_id_twice() {
    assert_snapshot!(bad_rows("\n1001,", "\n1000,"), @"
    exit 2
    error: the rows do not fit the declared columns; nothing was imported
    column `visit`: record id occurred before in 1 row (line 3)

    hint: make the `record` column unique, or leave `record` out to number the rows
    ");
}

#[test]
fn a_missing_file() {
    assert_snapshot!(bad_config("visits.csv", "elsewhere.csv", &["import"]), @"
    exit 1
    error: cannot read DIR/elsewhere.csv: it does not exist

    hint: `file` in reticent.toml is relative to it
    ");
}

#[test]
fn an_unknown_purpose_of_a_model() {
    assert_snapshot!(bad_config("purpose = \"care\"", "purpose = \"cure\"", &["train"]), @"
    exit 2
    error: reticent.toml has 1 problem
    reticent.toml:38:11: models.risk.purpose: no purpose is called `cure`
      hint: did you mean `care`?
    ");
}

#[test]
fn an_unknown_purpose_and_other_errors_in_consents() {
    let spoil = |w: &Workspace| {
        w.put(
            "consent.csv",
            "subject,purpose,state,at,notice,art6,art9\nsecret-1,cure,given,2024-03-01,2024-1,a,a\nsecret-2,care,gone,yesterday,2024-1,z,zz\n,care,given,2024-03-01,,,\nsecret-3,care\n",
        );
    };
    let told = spoiled(Stage::Consented, spoil, &["consent", "import"]);
    assert!(!told.contains("secret"));
    assert_snapshot!(told, @"
    exit 2
    error: the file of events has wrong lines; nothing was imported
    line 2: `purpose` is none of the purposes in reticent.toml
    line 3: `state` is none of given, refused, withdrawn, restricted, unrestricted, objected, renewed, expired, invalidated, revoked, requested, request-deferred, unknown, informed, uninformed, overridden, opted-out, opted-in, limited, unlimited
    line 3: `at` is no date and no RFC 3339 time
    line 3: `art6` is no letter from a to f
    line 3: `art9` is no letter from a to j
    line 4: a `given` basis needs `notice` and `art6`
    line 4: `subject` is empty
    line 5: has 2 columns where the header has 7

    hint: columns: subject,purpose,state,at,notice,art6,art9,expires; `reticent consent import --help` shows an example
    ");
}

#[test]
fn consents_with_other_columns() {
    let told = |header: &'static str| spoiled(Stage::Consented, |w| w.put("consent.csv", header), &["consent", "import"]);
    assert_snapshot!(told("subject,purpose,state,at,when\n"), @"
    exit 2
    error: the file of events has wrong lines; nothing was imported
    line 1: the column `when` is not known

    hint: columns: subject,purpose,state,at,notice,art6,art9,expires; `reticent consent import --help` shows an example
    ");
    // What lacks a column may be no header: nothing of it is repeated.
    assert_snapshot!(told("secret-1,care,given,2024-03-01\n"), @"
    exit 2
    error: the file of events has wrong lines; nothing was imported
    line 1: the column `subject` is missing
    line 1: the column `purpose` is missing
    line 1: the column `state` is missing
    line 1: the column `at` is missing

    hint: columns: subject,purpose,state,at,notice,art6,art9,expires; `reticent consent import --help` shows an example
    ");
}

/// The first line is somebody's row then.
#[test]
fn a_file_without_a_header_is_not_repeated() {
    let spoil = |w: &Workspace| w.put("visits.csv", rows().split_once('\n').unwrap().1);
    let told = spoiled(Stage::Consented, spoil, &["import"]);
    assert!(!told.contains("patient-0001") && !told.contains("free text"), "{told}");
    assert_snapshot!(told, @"
    exit 2
    error: the rows do not fit the declared columns; nothing was imported
    column `age`: is declared but the file lacks it
    column `sex`: is declared but the file lacks it
    column `pressure`: is declared but the file lacks it
    column `again`: is declared but the file lacks it
    column `patient`: is declared but the file lacks it
    column `visit`: is declared but the file lacks it

    hint: remove the column from `columns`, or bring a file that has it
    ");
}

/// A refusal of the gate is on record, and changes nothing else.
#[track_caller]
fn refused_by_the_gate(workspace: &Workspace, args: &[&str]) -> String {
    let before = workspace.files();
    let counted = || {
        let mut ledger = workspace.ledger();
        let mut count = |kind| ledger.events(kind).unwrap().len() as u64;
        (count("gate-decided"), count("policy-recorded"))
    };
    let (events, (decisions, policies)) = (workspace.events(), counted());
    let run = workspace.run(args);
    assert_eq!(run.code, Some(3), "{}{}", run.stdout, run.stderr);
    let after = counted();
    assert_eq!(after.0, decisions + 1, "the decision is on record");
    assert_eq!(workspace.events(), events + 1 + (after.1 - policies), "and nothing else but its policy, where that is new");
    let kept = |name: &&String| !name.starts_with(".reticent/log/") && *name != ".reticent/ledger.db" && *name != "reticent.checkpoint";
    let after = workspace.files();
    for name in before.keys().filter(kept) {
        assert!(before[name] == after[name], "{name} changed");
    }
    assert!(after.keys().filter(kept).all(|name| before.contains_key(name)), "nothing is left behind");
    assert!(workspace.budget().is_none(), "nothing is charged");
    run.refusal()
}

#[test]
fn a_basis_for_nobody() {
    let workspace = Workspace::at(Stage::Imported);
    let everybody: String = (0..100).map(|n| format!("{},care,withdrawn,2024-03-01\n", person(n))).collect();
    workspace.put("consent.csv", &format!("subject,purpose,state,at\n{everybody}"));
    workspace.done(&["consent", "import"]);
    workspace.done(&["assess", "--plan"]);
    assert_snapshot!(refused_by_the_gate(&workspace, &["train"]), @"
    exit 3
    error: the gate refuses: nobody is left whose data may be used

    hint: import the events that give a basis with `reticent consent import`
    ");
}

#[test]
fn a_data_set_in_quarantine() {
    assert_snapshot!(refused_by_the_gate(&Workspace::at(Stage::Imported), &["train"]), @"
    exit 3
    error: the gate refuses for 3 reasons
      no impact assessment is open for this purpose and data set
      the data set is quarantined: no basis event is known for it
      nobody is left whose data may be used

    hint: open one with `reticent assess --plan`
          record what people said with `reticent consent import`
          import the events that give a basis with `reticent consent import`
    ");
}

#[test]
fn a_budget_too_small_for_another_release() {
    let workspace = Workspace::at(Stage::Trained);
    let budget = workspace.budget().unwrap();
    let run = workspace.run(&["train", "--again", "--exclude", "no-art9-condition"]);
    let refusal = run.refusal();
    let refusal = refusal.split_once("error:").unwrap().1;
    assert_snapshot!(refusal, @"
     the budget of `visits` (ε = 2 at δ = 0.00001 for each person) does not admit this run: it needs 0.5277 of Rényi loss, 0.0000 of 1.0554 is left

    hint: `reticent budget` shows every charge and reserve; to spend what is left, keep the terms in `[data.NAME.budget]` and lower the `epsilon` of the model
    ");
    assert_eq!(run.code, Some(3));
    let now = workspace.budget().unwrap();
    assert_eq!((now.spent, now.charges.len()), (budget.spent, 1));
    assert_eq!(workspace.models(), ["risk/1"]);
    assert!(fs::read_dir(workspace.file(".reticent/runs")).unwrap().next().is_none(), "no noise key is left");
}

#[test]
fn other_terms_of_a_budget() {
    let workspace = Workspace::at(Stage::Trained);
    workspace.edit("reticent.toml", "epsilon = 2.0", "epsilon = 3.0");
    let run = workspace.run(&["train", "--again", "--exclude", "no-art9-condition"]);
    assert_eq!(run.code, Some(3));
    assert_snapshot!(run.stderr.split_once("error:").unwrap().1, @"
     the budget of `visits` is ε = 2 at δ = 0.00001 for each person and cannot be changed

    hint: put the recorded terms back into reticent.toml: a budget that could be raised would bound nothing
    ");
    let budget = workspace.budget().unwrap();
    assert!(budget.spent <= budget.total && budget.charges.len() == 1);
}

#[test]
fn another_name_for_the_unit_opens_no_second_budget() {
    let workspace = Workspace::at(Stage::Trained);
    workspace.edit("reticent.toml", "subject = \"patient\"", "subject = \"patient\"\nunit = \"patient\"");
    workspace.run(&["import"]);
    let run = workspace.run(&["train", "--again", "--exclude", "no-art9-condition"]);
    assert_eq!(run.code, Some(3), "{}{}", run.stdout, run.stderr);
}

#[test]
fn a_malformed_config_is_told_all_at_once() {
    let spoil = |w: &Workspace| {
        w.edit("reticent.toml", "mode = \"release\"", "mode = \"realease\"\ncolour = 3");
        w.edit("reticent.toml", "age = [0, 110]", "age = [110, 0]");
        w.edit("reticent.toml", "epsilon = 2.0", "epsilon = -1");
        w.edit("reticent.toml", "retention = \"P3Y\"", "retention = \"3 years\"");
        w.edit("reticent.toml", "data = \"visits\"", "data = \"visit\"");
    };
    assert_snapshot!(spoiled(Stage::Consented, spoil, &["check"]), @r#"
    exit 2
    error: reticent.toml has 6 problems
    reticent.toml:2:8: mode: cannot be "realease"
      hint: did you mean "release"?
    reticent.toml:3:1: colour: is not a known key
      hint: known here are `controller`, `data`, `ledger`, `mode`, `models`, `purposes`, `registers`, `statement` and `version`
    reticent.toml:15:13: purposes.care.retention: is not a period
      hint: write "P3Y" for three years, "P90D" for ninety days
    reticent.toml:31:7: data.visits.columns.age: needs finite bounds with min < max
      hint: write age = [min, max]
    reticent.toml:38:8: models.risk.data: no data set is called `visit`
      hint: did you mean `visits`?
    reticent.toml:41:23: models.risk.privacy.epsilon: must be above 0, not -1
    "#);
}

#[test]
fn what_is_not_toml() {
    assert_snapshot!(bad_config("[controller]", "[controller\n= 3", &["check"]), @"
    exit 2
    error: reticent.toml has 2 problems
    reticent.toml:5:12: unclosed table, expected `]`
    reticent.toml:6:1: unquoted keys cannot be empty, expected letters, numbers, `-`, `_`
    ");
}

#[test]
fn what_a_release_needs() {
    let spoil = |w: &Workspace| {
        w.edit("reticent.toml", "jurisdiction = \"EU\"\n", "");
        w.edit("reticent.toml", "art9 = \"a\"\n", "");
        w.edit("reticent.toml", "notices = [\"2024-1\"]\n", "");
    };
    assert_snapshot!(spoiled(Stage::Consented, spoil, &["train"]), @r#"
    exit 2
    error: reticent.toml has 3 problems
    reticent.toml:5:2: controller.jurisdiction: is missing, and a release needs it
      hint: for instance "FR"
    reticent.toml:9:11: purposes.care.art9: is missing: `pressure` of `visits` reveals a special category (health)
      hint: write the letter of GDPR Art 9(2) that applies, for instance art9 = "a" for explicit consent
    reticent.toml:9:11: purposes.care.notices: is missing, and a release needs it
      hint: the versions of the notice under which consent counts
    "#);
}

#[test]
fn a_newer_config() {
    assert_snapshot!(bad_config("version = 1", "version = 2\nflux = true", &["import"]), @"
    exit 2
    error: reticent.toml has 1 problem
    reticent.toml:1:11: version: was made by a newer reticent: it is version 2, this program reads version 1
      hint: update reticent
    ");
}

#[test]
fn an_unknown_model() {
    assert_snapshot!(spoiled(Stage::Consented, |_| {}, &["train", "rysk"]), @"
    exit 2
    error: no model is called `rysk`

    hint: reticent.toml declares: risk
    ");
}

#[test]
fn an_unknown_reason() {
    let run = Workspace::at(Stage::Consented).run(&["train", "--exclude", "because"]);
    assert_eq!(run.code, Some(2));
    assert_snapshot!(run.stderr, @"
    error: invalid value 'because' for '--exclude <REASON>': no such reason; one of no-record, withdrawn, refused, future-dated, expired, expired-notice, other-basis, restricted, objected, no-art9-condition, invalidated, revoked, not-answered, unknown-state, uninformed, basis-swapped, purpose-added-later, not-compatible, child-without-guardian, age-unknown, opted-out, limited

    For more information, try '--help'.
    ");
}

#[test]
fn no_release_yet() {
    assert_snapshot!(spoiled(Stage::Assessed, |_| {}, &["report"]), @"
    exit 2
    error: no release of `risk` exists

    hint: run `reticent train`
    ");
    assert_snapshot!(spoiled(Stage::Assessed, |_| {}, &["predict", "visits.csv"]), @"
    exit 2
    error: no release of `risk` exists

    hint: run `reticent train`
    ");
}

#[test]
fn a_step_too_early() {
    for verb in [&["consent", "import"][..], &["train"]] {
        let workspace = Workspace::bare();
        let run = workspace.run(verb);
        insta::allow_duplicates! { assert_snapshot!(run.refusal(), @"
        exit 2
        error: the data set `visits` has not been imported

        hint: run `reticent import`
        "); }
        workspace.done(&["import"]);
    }
    assert_snapshot!(spoiled(Stage::Bare, |_| {}, &["budget"]), @"
    exit 2
    error: nothing has happened in this workspace yet

    hint: start with `reticent import`
    ");
}

#[test]
fn no_workspace() {
    let workspace = Workspace::bare();
    fs::remove_file(workspace.file("reticent.toml")).unwrap();
    assert_snapshot!(workspace.run(&["status"]).refusal(), @"
    exit 2
    error: DIR/reticent.toml does not exist

    hint: `reticent init FILE.csv` drafts one for your data; `--dir` names the workspace
    ");
}

/// Below a regular file nobody may write, not even root.
#[test]
fn a_folder_that_cannot_be_written() {
    let workspace = Workspace::bare();
    let below = workspace.file("visits.csv").join("below");
    let below = below.to_str().unwrap();
    let run = |args: &[&str]| Run::of(&mut command(args.iter().copied().chain(["--dir", below])), workspace.path()).refusal();
    assert_snapshot!(run(&["demo"]), @"
    exit 1
    error: cannot create DIR/visits.csv/below: Not a directory (os error 20)
    ");
    let file = workspace.file("visits.csv");
    assert_snapshot!(run(&["init", file.to_str().unwrap(), "--subject", "patient", "--target", "again"]), @"
    exit 1
    error: cannot create DIR/visits.csv/below: Not a directory (os error 20)
    ");
    assert_snapshot!(run(&["import"]), @"
    exit 2
    error: DIR/visits.csv/below/reticent.toml does not exist

    hint: `reticent init FILE.csv` drafts one for your data; `--dir` names the workspace
    ");
    let workspace = Workspace::bare();
    workspace.put(".reticent", "a file where a folder belongs");
    let run = workspace.run(&["import"]);
    assert_eq!(run.code, Some(1));
    assert_snapshot!(run.refusal(), @"
    exit 1
    error: cannot create DIR/.reticent: File exists (os error 17)
    ");
}

#[test]
fn json_errors_are_one_object_on_stdout() {
    for (args, code, kind) in [
        (&["import", "nothing"][..], 2, "usage"),
        (&["train"], 3, "refused"),
        (&["predict", "/nowhere.csv"], 2, "usage"),
        (&["consent", "import", "/nowhere.csv"], 1, "failed"),
    ] {
        let workspace = Workspace::at(Stage::Assessed);
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        let run = workspace.run(&args);
        assert_eq!(run.code, Some(code), "{args:?} {}", run.stderr);
        let error = &run.json()["error"];
        assert_eq!(error["kind"], kind);
        assert!(run.stderr.contains(&format!("error: {}", error["message"].as_str().unwrap())));
        assert!(error["hint"].is_string(), "{error}");
    }
    let workspace = Workspace::with(&CONFIG.replace("mode = \"release\"", "mode = 3"), &rows(), "");
    let run = workspace.run(&["check", "--json"]);
    let problem = &run.json()["error"]["facts"][0];
    assert_eq!((run.code, problem["line"].as_u64(), problem["column"].as_u64()), (Some(2), Some(2), Some(8)), "{problem}");
}

#[test]
fn json_usage_errors_are_json_too() {
    let run = Workspace::bare().run(&["train", "--colour", "blue", "--json"]);
    assert_eq!(run.code, Some(2));
    assert_eq!(run.json()["error"]["kind"], "usage");
}

#[test]
fn a_closed_pipe_is_no_error() {
    let workspace = Workspace::at(Stage::Trained);
    for args in [&["status"][..], &["budget", "--json"], &["check", "--schema"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = workspace.command(args).stdout(writer).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_train_refused_for_several_reasons() {
    let workspace = Workspace::at(Stage::Consented);
    assert_snapshot!(refused_by_the_gate(&workspace, &["train"]), @"
    exit 3
    error: the gate refuses for 2 reasons
      no impact assessment is open for this purpose and data set
      no Art 9 condition for special-category columns: 11 units, 22 records

    hint: open one with `reticent assess --plan`
          obtain the basis and import it, or leave these units out, on record: `reticent train --exclude no-art9-condition`
    ");
    workspace.done(&["assess", "--plan"]);
    assert_snapshot!(refused_by_the_gate(&workspace, &["train"]), @"
    exit 3
    error: the gate refuses: no Art 9 condition for special-category columns: 11 units, 22 records

    hint: obtain the basis and import it, or leave these units out, on record: `reticent train --exclude no-art9-condition`
    ");
    assert!(TRAIN.contains(&"no-art9-condition"));
}

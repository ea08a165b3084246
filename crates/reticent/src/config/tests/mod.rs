//! Tests of the reader of reticent.toml: bad files by table, drafts that parse, the schema beside the reader.

mod cases;
mod drafts;

use super::dataset::Budget;
use super::model::{Privacy, Serve};
use super::reader::Reader;
use super::*;
use cases::{CASES, RIGHT};
use reticent_data::{Classes, Domain, Dropped, SubjectRule};
use reticent_train::Preset;
use serde_json::Value;
use std::collections::BTreeSet;

fn parse(text: &str) -> Result<Config, Problems> {
    Config::parse(text, Path::new("/nowhere"))
}

#[track_caller]
fn edited(edits: &[(&str, &str)]) -> String {
    edits.iter().fold(RIGHT.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from:?} is not there to be changed");
        text.replacen(from, to, 1)
    })
}

#[track_caller]
fn check(what: &str, edits: &[(&str, &str)], expected: &str) -> Problems {
    let found = match parse(&edited(edits)) {
        Ok(config) => Problems { file: FILE.into(), problems: config.warnings },
        Err(problems) => problems,
    };
    assert_eq!(found.to_string(), expected, "\n--- {what} ---\nfound:\n{found}\n");
    found
}

#[test]
fn says_all_that_is_wrong_where_and_what_to_do() {
    let mut kinds = BTreeSet::new();
    for (what, edits, expected) in CASES {
        kinds.extend(check(what, edits, expected).problems.iter().map(|p| p.kind));
    }
    assert_eq!(kinds, Kind::ALL.into(), "each kind has a case");
}

#[test]
fn a_right_file_has_no_problem_in_either_mode() {
    for edits in [&[][..], &[("\"experiment\"", "\"release\"")]] {
        check("right", edits, "");
    }
}

#[test]
fn an_almost_empty_file_is_a_workspace() {
    let config = parse("version = 1").unwrap();
    assert_eq!((config.mode, config.data.len(), config.warnings.len()), (Mode::Experiment, 0, 0));
}

#[test]
fn problems_are_data_too() {
    let problems = parse(&edited(&[("kind =", "knd =")])).unwrap_err();
    assert_eq!(problems.problems.len(), 2);
    insta::assert_snapshot!(serde_json::to_string_pretty(&problems.problems[1]).unwrap(), @r#"
{
  "severity": "error",
  "kind": "unknown-key",
  "line": 36,
  "column": 1,
  "path": "models.risk.knd",
  "message": "is not a known key",
  "hint": "did you mean `kind`?"
}
"#);
}

/// Columns are counted in characters.
#[test]
fn columns_are_counted_in_characters() {
    let problems = parse("version = 1\ncontroller = { name = \"Hôpital été\", nmae = 1 }").unwrap_err();
    assert_eq!((problems.problems[0].line, problems.problems[0].column), (2, 38));
}

#[test]
fn defaults_are_the_documented_ones() {
    let config = parse(RIGHT).unwrap();
    let data = &config.data["visits"];
    assert_eq!((data.header, data.delimiter, data.unit.as_str(), data.bounds), (true, ',', "person", Bounds::Public));
    assert_eq!(data.budget, Some(Budget { epsilon: 2.0, delta: 1e-5 }));
    let expected = Privacy { epsilon: 2.0, ..Privacy::default() };
    assert_eq!(config.models["risk"].privacy, expected);
    let Privacy { delta, releases, max_rows_per_subject, max_grad_norm, sample_rate, steps, learning_rate, .. } = expected;
    assert_eq!((delta, releases, max_rows_per_subject, max_grad_norm), (1e-5, 2, 5, 1.0));
    assert_eq!((sample_rate, steps, learning_rate), (0.1, 300, None));
}

#[test]
fn defaults_follow_the_subject() {
    for (subject, unit, rows) in
        [("\"row\"", "row", 1), ("{ runs_of = [\"age\", \"sex\"] }", "reconstructed unit", 5), ("{ column = \"row\" }", "person", 5)]
    {
        let config = parse(&edited(&[("\"patient_id\"", subject)])).unwrap();
        assert_eq!(config.data["visits"].unit, unit);
        assert_eq!(config.models["risk"].privacy.max_rows_per_subject, rows, "{subject}");
    }
}

#[test]
fn a_budget_covers_the_largest_model() {
    let other = "[models.other]\ndata = \"visits\"\npurpose = \"care\"\nkind = \"mlp\"\nprivacy = { epsilon = 3.0 }\n\n[models.risk]";
    let config = parse(&edited(&[("[models.risk]", other)])).unwrap();
    assert_eq!(config.data["visits"].budget, Some(Budget { epsilon: 3.0, delta: 1e-5 }));
    assert_eq!(config.models["other"].hidden, [32]);
}

#[test]
fn a_model_for_removals_says_so_and_has_no_privacy() {
    let own = [(
        "kind = \"logistic\"\nprivacy = { epsilon = 2.0, delta = 1e-5 }",
        "kind = \"certified-logistic\"\ncertified = { epsilon = 1.0 }",
    )];
    let config = parse(&edited(&own)).unwrap();
    let expected = Certified { epsilon: 1.0, delta: 1e-5, sigma: 10.0, lambda: 1e-3, max_rows_per_subject: 5 };
    assert_eq!(config.models["risk"].certified, Some(expected));
    assert_eq!((config.data["visits"].budget, config.models["risk"].privacy.max_rows_per_subject), (None, 5), "it charges no budget");
    check(
        "no settings, a bound it does not have",
        &[("kind = \"logistic\"", "kind = \"certified-logistic\"")],
        r#"reticent.toml:33:9: models.risk.certified: is missing
  hint: write certified = { epsilon = 1.0 }
reticent.toml:37:1: models.risk.privacy: a model for removals has no differential privacy bound
  hint: remove it, or write kind = "logistic""#,
    );
    check(
        "settings of another kind, out of range",
        &[(
            "kind = \"logistic\"",
            "kind = \"logistic\"\ncertified = { epsilon = 3, delta = 0.6, sigma = 0, lambda = -1, max_rows_per_subject = 0 }",
        )],
        r#"reticent.toml:37:1: models.risk.certified: is for models of its own kind
  hint: remove it, or write kind = "certified-logistic"
reticent.toml:37:25: models.risk.certified.epsilon: must be above 0 and at most 2, not 3
reticent.toml:37:36: models.risk.certified.delta: must be above 0 and at most 0.5, not 0.6
reticent.toml:37:49: models.risk.certified.sigma: must be above 0, not 0
reticent.toml:37:61: models.risk.certified.lambda: must be above 0, not -1
reticent.toml:37:88: models.risk.certified.max_rows_per_subject: must be a whole number of at least 1"#,
    );
}

#[test]
fn the_schema_has_features_in_the_order_of_the_file() {
    let schema = parse(RIGHT).unwrap().data_schema("visits").unwrap();
    schema.check().unwrap();
    assert_eq!(schema.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["age", "sex", "diag"]);
    assert_eq!(schema.subject, SubjectRule::Column("patient_id".into()));
    assert_eq!(schema.target.classes, Classes::Levels(vec!["no".into(), "yes".into()]));
    assert_eq!(schema.dropped, Dropped::Only(vec!["id".into()]));
    assert_eq!(schema.special_columns(), ["diag"]);
    assert_eq!(schema.missing, ["?"]);
}

#[test]
fn an_unknown_data_set_is_refused_with_the_nearest_name() {
    let error = parse(RIGHT).unwrap().data_schema("visit").unwrap_err();
    assert_eq!((error.to_string().as_str(), error.hint.as_str()), ("no data set is called `visit`", "did you mean `visits`?"));
}

#[test]
fn levels_come_from_a_file_beside_the_settings() {
    let folder = tempfile::tempdir().unwrap();
    let text = edited(&[("[\"flu\", \"cold\"]", "\"diag.txt\"")]);
    for (lines, expected) in [
        ("\u{feff}flu\r\n\r\n  cold \n", Ok(vec!["flu", "cold"])),
        ("flu\nflu\n", Err("holds `flu` twice")),
        ("\n", Err("has no levels")),
        ("flu\n?\n", Err("\"?\" is a level and also means a missing value")),
    ] {
        std::fs::write(folder.path().join("diag.txt"), lines).unwrap();
        let found = Config::parse(&text, folder.path()).map(|c| c.data["visits"].columns.find("diag").unwrap().domain.clone());
        match (found, expected) {
            (Ok(Domain::Levels { levels, .. }), Ok(expected)) => assert_eq!(levels, expected),
            (Err(problems), Err(expected)) => assert_eq!(problems.problems[0].message, expected),
            other => panic!("{other:?}"),
        }
    }
    std::fs::write(folder.path().join("diag.txt"), [0xff]).unwrap();
    let problems = Config::parse(&text, folder.path()).unwrap_err();
    assert_eq!(problems.problems[0].message, "the file diag.txt is not UTF-8 text");
}

/// Every way of writing a value, and every table.
const FULL: &str = r#"
version = 1
mode = "experiment"
statement = "Real, public data; controller simulated."
controller = { name = "Clinic", contact = "a@b.example", jurisdiction = "FR" }
ledger = { url = "postgres://reticent@localhost/visits" }

[purposes.care]
iri = "https://w3id.org/dpv#ServiceProvision"
description = "Plan visits."
owner = "Head of care"
retention = "P1Y6M"
art6 = "a"
art9 = "j"
art22 = "c"
notices = ["2026-1"]
exclude = ["withdrawn", "no-art9-condition"]
ai_act = { role = "deployer", annex_iii = "5b", deployer = "public-body" }

[data.visits]
file = "visits.csv"
header = false
names = ["a b", "n", "m", "t", "l", "k", "z", "r", "f"]
delimiter = "\t"
subject = { runs_of = ["a b", "n"] }
unit = "reconstructed unit"
record = "r"
units = 5_000
target = { column = "t", at_least = 4 }
missing = ["NA"]
bounds = "data"
events = "consent.csv"
groups = ["l", "f"]
budget = { epsilon = 3, delta = 1e-6 }

[data.visits.columns]
"a b" = [-1.5, 0x10]
n = { range = [0, 1], missing = 0.5, special = "genetic" }
m = { range = [0, 1] }
l = ["x", "?"]
k = { levels = ["u"], missing = true, special = "health" }
f = [0, 1]
z = "drop"
"*" = "drop"

[data.rows]
file = "rows.csv"
subject = { column = "row" }
units = 10
target = "c"
columns = { x = [0, 1], c = ["0", "1"] }

[models.net]
data = "visits"
purpose = "care"
kind = "mlp"
hidden = [16, 8]
privacy = { epsilon = 2, delta = 1e-6, releases = 3, max_rows_per_subject = 2, max_grad_norm = 0.5, sample_rate = 1, steps = 10, learning_rate = 0.1 }
serve = { output = "scores", decimals = 3, queries_per_caller = 50 }

[models.removable]
data = "visits"
purpose = "care"
kind = "certified-logistic"
certified = { epsilon = 1.5, delta = 1e-4, sigma = 5, lambda = 0.01, max_rows_per_subject = 3 }
"#;

#[test]
fn settings_written_back_read_the_same() {
    let config = parse(FULL).unwrap();
    let mut again = parse(&toml::to_string(&config).unwrap()).unwrap();
    // TOML puts values before tables, so the long forms come last.
    let order: Vec<_> = config.data["visits"].columns.declared.iter().map(|c| c.name.clone()).collect();
    let columns = &mut again.data.get_mut("visits").unwrap().columns.declared;
    columns.sort_by_key(|c| order.iter().position(|name| *name == c.name));
    let (text, again) = (serde_json::to_string_pretty(&config).unwrap(), serde_json::to_string_pretty(&again).unwrap());
    assert_eq!(text, again);
}

#[test]
fn the_reader_and_the_json_schema_know_the_same_keys() {
    let table = DeTable::parse(FULL).unwrap();
    let mut reader = Reader::new(FULL, Path::new("."));
    Config::read(reader.root(table.get_ref()));
    let read = reader.asked.iter().flat_map(|(table, keys)| keys.iter().map(move |key| format!("{table}.{key}"))).collect();
    let schema = json_schema();
    let mut described = BTreeSet::new();
    keys(&schema, &schema, "", &mut described);
    assert_eq!(described, read);
}

/// Adds `table.key` for each property below this schema.
fn keys(root: &Value, schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        keys(root, root.pointer(&name[1..]).unwrap(), path, found);
    }
    for alternative in ["anyOf", "oneOf"].iter().filter_map(|k| schema[*k].as_array()).flatten() {
        keys(root, alternative, path, found);
    }
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        found.insert(format!("{path}.{key}"));
        keys(root, property, &below(key), found);
    }
    if schema["additionalProperties"].is_object() {
        keys(root, &schema["additionalProperties"], &below("*"), found);
    } else if schema["properties"].is_object() {
        assert_eq!(schema["additionalProperties"], false, "{path} refuses other keys");
    }
}

#[test]
fn the_json_schema_gives_the_defaults_that_the_reader_takes() {
    let schema = json_schema();
    let privacy = &schema["$defs"]["Privacy"]["properties"];
    let defaults = serde_json::to_value(Privacy::default()).unwrap();
    for (key, default) in defaults.as_object().unwrap().iter().filter(|(key, _)| *key != "epsilon") {
        assert_eq!(privacy[key]["default"], *default, "{key}");
    }
    let serve = &schema["$defs"]["Serve"]["properties"];
    for (key, default) in serde_json::to_value(Serve::default()).unwrap().as_object().unwrap() {
        assert_eq!(serve[key]["default"], *default, "{key}");
    }
    assert_eq!(schema["properties"]["version"]["maximum"], 1);
    assert!(!schema.to_string().contains("\"null\""), "TOML has no null");
    assert_eq!(schema["required"], serde_json::json!(["version"]));
}

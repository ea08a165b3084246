//! A file that is right, and what is said about it once something is changed.

/// A workspace ready for release, but for its mode.
pub(super) const RIGHT: &str = r#"version = 1
mode = "experiment"

[controller]
name = "Clinic"
contact = "privacy@clinic.example"
jurisdiction = "FR"

[purposes.care]
iri = "https://w3id.org/dpv#ServiceProvision"
description = "Plan visits."
owner = "Head of care"
retention = "P3Y"
art6 = "a"
art9 = "a"
notices = ["2026-1"]

[data.visits]
file = "visits.csv"
subject = "patient_id"
units = 5000
target = "readmitted"
missing = ["?"]
groups = ["sex"]

[data.visits.columns]
age = [0, 110]
sex = ["f", "m"]
diag = { levels = ["flu", "cold"], missing = true, special = "health" }
readmitted = ["no", "yes"]
id = "drop"

[models.risk]
data = "visits"
purpose = "care"
kind = "logistic"
privacy = { epsilon = 2.0, delta = 1e-5 }
"#;

/// What was changed, how, and what is said then.
pub(super) type Case = (&'static str, &'static [(&'static str, &'static str)], &'static str);

pub(super) const CASES: &[Case] = &[
    (
        "an open text, and a table twice",
        &[("\"flu\"", "\"flu"), ("[models.risk]", "[controller]")],
        r#"reticent.toml:29:27: missing comma between array elements, expected `,`
reticent.toml:33:2: duplicate key"#,
    ),
    (
        "a newer version, alone",
        &[("version = 1", "version = 2\nunknown = true"), ("units = 5000", "units = -1")],
        r#"reticent.toml:1:11: version: was made by a newer reticent: it is version 2, this program reads version 1
  hint: update reticent"#,
    ),
    (
        "no version",
        &[("version = 1\n", "")],
        r#"reticent.toml:1:1: version: is missing
  hint: write version = 1 on the first line"#,
    ),
    ("version 0", &[("version = 1\n", "version = 0\n")], r#"reticent.toml:1:11: version: must be a whole number of at least 1"#),
    (
        "a misspelt key in each table",
        &[
            ("mode", "mod"),
            ("contact", "contcat"),
            ("owner", "onwer"),
            ("units", "unit_count"),
            ("missing = true", "mising = true"),
            ("kind =", "knd ="),
            ("delta", "dleta"),
        ],
        r#"reticent.toml:2:1: mod: is not a known key
  hint: did you mean `mode`?
reticent.toml:6:1: controller.contcat: is not a known key
  hint: did you mean `contact`?
reticent.toml:12:1: purposes.care.onwer: is not a known key
  hint: did you mean `owner`?
reticent.toml:18:7: data.visits.units: is missing
  hint: write how many units there are, rounded, for instance units = 5000: this number is public
reticent.toml:21:1: data.visits.unit_count: is not a known key
  hint: known here are `age`, `bounds`, `budget`, `columns`, `delimiter`, `derived_from`, `events`, `file`, `groups`, `header`, `missing`, `names`, `private_messages`, `purposes`, `record`, `subject`, `target`, `unit` and `units`
reticent.toml:29:36: data.visits.columns.diag.mising: is not a known key
  hint: did you mean `missing`?
reticent.toml:33:9: models.risk.kind: is missing
  hint: write kind = "logistic" or kind = "mlp"
reticent.toml:36:1: models.risk.knd: is not a known key
  hint: did you mean `kind`?
reticent.toml:37:28: models.risk.privacy.dleta: is not a known key
  hint: did you mean `delta`?"#,
    ),
    (
        "a key under the wrong heading",
        &[("kind = \"logistic\"", "kind = \"logistic\"\nepsilon = 2.0")],
        r#"reticent.toml:37:1: models.risk.epsilon: is not a known key
  hint: known here are `base`, `certified`, `data`, `features`, `hidden`, `kind`, `privacy`, `purpose` and `serve`"#,
    ),
    (
        "empty tables",
        &[("[models.risk]", "[models.empty]\n[data.empty]\n[models.risk]")],
        r#"reticent.toml:33:9: models.empty.data: is missing
  hint: name a data set: data = "visits" for [data.visits]
reticent.toml:33:9: models.empty.purpose: is missing
  hint: name a purpose: purpose = "care" for [purposes.care]
reticent.toml:33:9: models.empty.kind: is missing
  hint: write kind = "logistic" or kind = "mlp"
reticent.toml:33:9: models.empty.privacy: is missing
  hint: write privacy = { epsilon = 2.0 }
reticent.toml:34:7: data.empty.file: is missing
  hint: write file = "visits.csv"
reticent.toml:34:7: data.empty.subject: is missing
  hint: name the column that says whose row it is, or write subject = "row"
reticent.toml:34:7: data.empty.units: is missing
  hint: write how many units there are, rounded, for instance units = 5000: this number is public
reticent.toml:34:7: data.empty.target: is missing
  hint: name the column to predict
reticent.toml:34:7: data.empty.columns: is missing
  hint: write columns = { age = [0, 110], sex = ["f", "m"], "*" = "drop" }"#,
    ),
    (
        "wrong types",
        &[
            ("\"Clinic\"", "3"),
            ("notices = [\"2026-1\"]", "notices = \"2026-1\""),
            ("units = 5000", "units = 5e3"),
            ("[0, 110]", "[0, 50, 110]"),
            ("[\"f\", \"m\"]", "[\"f\", 1]"),
            ("missing = true", "missing = 0"),
            ("epsilon = 2.0", "epsilon = \"2\""),
            ("[\"no\", \"yes\"]", "true"),
            ("\"drop\"", "2020-01-01"),
        ],
        r#"reticent.toml:5:8: controller.name: needs a text in quotes, not a number
reticent.toml:16:11: purposes.care.notices: needs a list of texts in quotes, not a text
reticent.toml:21:9: data.visits.units: needs a whole number, not a decimal number
reticent.toml:27:7: data.visits.columns.age: needs two numbers, not 3
  hint: age = [min, max] for numbers, age = ["a", "b"] for texts
reticent.toml:28:7: data.visits.columns.sex: mixes texts and other values
  hint: put every level in quotes: ["0", "1", "more"]
reticent.toml:29:46: data.visits.columns.diag.missing: needs true or false, not a number
reticent.toml:30:14: data.visits.columns.readmitted: needs bounds [min, max] or levels
  hint: texts: readmitted = ["a", "b"]; left out: readmitted = "drop"
reticent.toml:31:6: data.visits.columns.id: needs bounds [min, max] or levels
  hint: texts: id = ["a", "b"]; left out: id = "drop"
reticent.toml:37:23: models.risk.privacy.epsilon: needs a number, not a text"#,
    ),
    (
        "a table where a value belongs, and the reverse",
        &[
            ("[controller]\nname = \"Clinic\"\ncontact = \"privacy@clinic.example\"\njurisdiction = \"FR\"\n", "controller = \"Clinic\"\n"),
            ("privacy = { epsilon = 2.0, delta = 1e-5 }", "privacy = 2.0"),
            ("file = \"visits.csv\"", "file = { csv = \"visits.csv\" }"),
        ],
        r#"reticent.toml:4:14: controller: needs a table, not a text
reticent.toml:16:1: data.visits.file: needs a text in quotes, not a table
reticent.toml:34:11: models.risk.privacy: needs a table, not a decimal number"#,
    ),
    (
        "words that are not allowed",
        &[
            ("\"experiment\"", "\"relase\""),
            ("art6 = \"a\"", "art6 = \"consent\""),
            ("art9 = \"a\"", "art9 = \"k\"\nart22 = \"d\""),
            ("\"P3Y\"", "\"3 years\""),
            ("\"https://w3id.org/dpv#ServiceProvision\"", "\"service provision\""),
            ("\"logistic\"", "\"logistics\""),
            ("subject = \"patient_id\"", "subject = \"patient_id\"\ndelimiter = \", \"\nunit = \"\"\nbounds = \"private\""),
        ],
        r#"reticent.toml:2:8: mode: cannot be "relase"
  hint: did you mean "release"?
reticent.toml:10:7: purposes.care.iri: is not a web address
  hint: for instance "https://w3id.org/dpv#ServiceProvision"
reticent.toml:13:13: purposes.care.retention: is not a period
  hint: write "P3Y" for three years, "P90D" for ninety days
reticent.toml:14:8: purposes.care.art6: cannot be "consent"
  hint: allowed are `a`, `b`, `c`, `d`, `e` and `f`
reticent.toml:15:8: purposes.care.art9: cannot be "k"
  hint: allowed are `a`, `b`, `c`, `d`, `e`, `f`, `g`, `h`, `i` and `j`
reticent.toml:16:9: purposes.care.art22: cannot be "d"
  hint: allowed are `none`, `a`, `b` and `c`
reticent.toml:22:13: data.visits.delimiter: needs one ASCII character between the columns
  hint: write "," or ";" or "\t"
reticent.toml:23:8: data.visits.unit: is empty
reticent.toml:24:10: data.visits.bounds: cannot be "private"
  hint: allowed are `public` and `data`
reticent.toml:40:8: models.risk.kind: cannot be "logistics"
  hint: did you mean "logistic"?"#,
    ),
    (
        "a name that cannot be a file's",
        &[("[purposes.care]", "[purposes.\"our care\"]"), ("purpose = \"care\"", "purpose = \"our care\"")],
        r#"reticent.toml:9:11: purposes."our care": is not a name that can stand in file names and messages
  hint: use up to 64 letters, digits, `-` and `_`"#,
    ),
    (
        "reasons and categories",
        &[
            ("notices = [\"2026-1\"]", "notices = [\"2026-1\"]\nexclude = [\"withdrawn\", \"restrited\"]"),
            ("special = \"health\"", "special = \"helth\""),
        ],
        r#"reticent.toml:17:11: purposes.care.exclude: no reason is called `restrited`
  hint: did you mean `restricted`?
reticent.toml:30:62: data.visits.columns.diag.special: no special category is called `helth`
  hint: did you mean `health`?"#,
    ),
    (
        "what is served",
        &[("[models.risk]", "[models.risk.serve]\noutput = \"score\"\ndecimals = 9\nqueries_per_caller = 0\nport = 80\n[models.risk]")],
        r#"reticent.toml:34:10: models.risk.serve.output: cannot be "score"
  hint: did you mean "scores"?
reticent.toml:35:12: models.risk.serve.decimals: must be at most 6
  hint: two decimals are enough for a person to read
reticent.toml:36:22: models.risk.serve.queries_per_caller: must be a whole number of at least 1
reticent.toml:37:1: models.risk.serve.port: is not a known key
  hint: known here are `decimals`, `output` and `queries_per_caller`"#,
    ),
    (
        "numbers out of range",
        &[
            ("units = 5000", "units = 0"),
            ("[0, 110]", "[110, 0]"),
            (
                "epsilon = 2.0, delta = 1e-5",
                "epsilon = 0, delta = 1, releases = 0, max_rows_per_subject = 0, max_grad_norm = -1, sample_rate = 1.5, steps = 0, learning_rate = inf",
            ),
        ],
        r#"reticent.toml:21:9: data.visits.units: must be a whole number of at least 1
reticent.toml:27:7: data.visits.columns.age: needs finite bounds with min < max
  hint: write age = [min, max]
reticent.toml:37:23: models.risk.privacy.epsilon: must be above 0, not 0
reticent.toml:37:34: models.risk.privacy.delta: must be above 0 and below 1, not 1
reticent.toml:37:48: models.risk.privacy.releases: must be a whole number of at least 1
reticent.toml:37:74: models.risk.privacy.max_rows_per_subject: must be a whole number of at least 1
reticent.toml:37:93: models.risk.privacy.max_grad_norm: must be above 0, not -1
reticent.toml:37:111: models.risk.privacy.sample_rate: must be above 0 and at most 1, not 1.5
reticent.toml:37:124: models.risk.privacy.steps: must be a whole number of at least 1
reticent.toml:37:143: models.risk.privacy.learning_rate: must be above 0, not inf"#,
    ),
    (
        "a stand-in outside its bounds",
        &[("[0, 110]", "{ range = [18, 110], missing = 0 }")],
        r#"reticent.toml:27:38: data.visits.columns.age.missing: 0 lies outside the bounds of `age`
  hint: choose a number within [18, 110]"#,
    ),
    (
        "the same thing twice",
        &[
            ("[\"f\", \"m\"]", "[\"f\", \"f\"]"),
            ("groups = [\"sex\"]", "groups = [\"sex\", \"sex\"]"),
            ("[\"2026-1\"]", "[\"2026-1\", \"2026-1\"]"),
        ],
        r#"reticent.toml:16:11: purposes.care.notices: holds `2026-1` twice
  hint: keep one of them
reticent.toml:24:10: data.visits.groups: holds `sex` twice
  hint: keep one of them
reticent.toml:28:7: data.visits.columns.sex: holds `f` twice
  hint: keep one of them"#,
    ),
    (
        "undecided",
        &[
            ("[0, 110]", "\"?\""),
            ("levels = [\"flu\", \"cold\"]", "levels = \"?\""),
            ("\"Clinic\"", "\"?\""),
            ("[\"no\", \"yes\"]", "\"?\""),
        ],
        r#"reticent.toml:5:8: controller.name: is not decided yet
  hint: replace "?"
reticent.toml:27:7: data.visits.columns.age: age needs public bounds: write age = [min, max] (what could be, not what is in the file)
  hint: texts: age = ["a", "b"]; left out: age = "drop"
reticent.toml:29:19: data.visits.columns.diag.levels: diag needs public levels: write levels = ["a", "b"] (what could be, not what is in the file)
  hint: left out: diag = "drop"
reticent.toml:30:14: data.visits.columns.readmitted: readmitted needs public bounds: write readmitted = [min, max] (what could be, not what is in the file)
  hint: texts: readmitted = ["a", "b"]; left out: readmitted = "drop""#,
    ),
    (
        "bounds that are not available",
        &[("[0, 110]", "\"dp\"")],
        r#"reticent.toml:27:7: data.visits.columns.age: bounds estimated from the data under a charge to the budget ("dp") are not available yet
  hint: write age = [min, max]"#,
    ),
    (
        "words in place of bounds",
        &[
            ("[0, 110]", "\"dorp\""),
            ("[\"f\", \"m\"]", "\"sexes.txt\""),
            ("id = \"drop\"", "id = \"drop\"\n\"*\" = [0, 1]\njob = {}\nheight = { range = [0, 3], levels = [\"a\"] }"),
        ],
        r#"reticent.toml:27:7: data.visits.columns.age: cannot be "dorp"
  hint: did you mean "drop"?
reticent.toml:28:7: data.visits.columns.sex: cannot be "sexes.txt"
  hint: write sex = { levels = "sexes.txt" }
reticent.toml:32:7: data.visits.columns."*": every other column can only be dropped
  hint: write "*" = "drop"
reticent.toml:33:1: data.visits.columns.job: needs `range` or `levels`
  hint: write { range = [min, max] } or { levels = ["a", "b"] }
reticent.toml:34:1: data.visits.columns.height: `height` has both a range and levels
  hint: keep one of them"#,
    ),
    (
        "levels no value can have",
        &[("[\"f\", \"m\"]", "[\"f \", \"m\"]"), ("\"flu\", \"cold\"", "\"flu\", \"\""), ("[\"no\", \"yes\"]", "[\"no\", \"yes\", \"?\"]")],
        r#"reticent.toml:28:7: data.visits.columns.sex: the level "f " would never be met: blanks around values are ignored
  hint: remove them
reticent.toml:29:19: data.visits.columns.diag.levels: the empty text always means a missing value
  hint: write { levels = [..], missing = true } instead
reticent.toml:30:14: data.visits.columns.readmitted: "?" is a level and also means a missing value
  hint: write { levels = [..], missing = true } instead, or take it out of `missing`"#,
    ),
    (
        "a file of levels that is not there",
        &[("[\"flu\", \"cold\"]", "\"diagnoses.txt\"")],
        r#"reticent.toml:29:19: data.visits.columns.diag.levels: the file diagnoses.txt does not exist
  hint: a file of levels holds one level in each line; its place is relative to reticent.toml"#,
    ),
    (
        "names that nothing declares",
        &[
            ("data = \"visits\"", "data = \"visit\""),
            ("purpose = \"care\"", "purpose = \"cure\""),
            ("target = \"readmitted\"", "target = \"readmited\""),
            ("groups = [\"sex\"]", "groups = [\"gender\"]"),
        ],
        r#"reticent.toml:22:10: data.visits.target: no column is called `readmited`
  hint: did you mean `readmitted`?
reticent.toml:24:10: data.visits.groups: no column with bounds or levels is called `gender`
  hint: declared are `age`, `sex`, `diag` and `readmitted`
reticent.toml:34:8: models.risk.data: no data set is called `visit`
  hint: did you mean `visits`?
reticent.toml:35:11: models.risk.purpose: no purpose is called `cure`
  hint: did you mean `care`?"#,
    ),
    (
        "nothing declared at all",
        &[(
            "[purposes.care]\niri = \"https://w3id.org/dpv#ServiceProvision\"\ndescription = \"Plan visits.\"\nowner = \"Head of care\"\nretention = \"P3Y\"\nart6 = \"a\"\nart9 = \"a\"\nnotices = [\"2026-1\"]\n",
            "",
        )],
        r#"reticent.toml:27:11: models.risk.purpose: no purpose is called `care`
  hint: no purpose is declared yet"#,
    ),
    (
        "a target without classes",
        &[("[\"no\", \"yes\"]", "[0, 1]")],
        r#"reticent.toml:22:10: data.visits.target: `readmitted` is a number: its classes are not declared
  hint: write readmitted = ["0", "1"] in columns, or target = { column = "readmitted", at_least = 1 }"#,
    ),
    (
        "a target of one class",
        &[("[\"no\", \"yes\"]", "[\"no\"]")],
        r#"reticent.toml:22:10: data.visits.target: `readmitted` has one level, a target needs two"#,
    ),
    (
        "a target with a level for missing",
        &[("[\"no\", \"yes\"]", "{ levels = [\"no\", \"yes\"], missing = true }")],
        r#"reticent.toml:22:10: data.visits.target: `readmitted` has a level for missing values, and a target has none
  hint: write readmitted = ["no", "yes"]"#,
    ),
    (
        "a target that is a feature too",
        &[("target = \"readmitted\"", "target = { column = \"age\", at_least = 65 }")],
        r#"reticent.toml:27:7: data.visits.columns.age: `age` is the target and cannot be a feature
  hint: remove it, or write age = "drop""#,
    ),
    (
        "roles that exclude each other",
        &[("subject = \"patient_id\"", "subject = \"readmitted\"\nrecord = \"age\"")],
        r#"reticent.toml:23:10: data.visits.target: `readmitted` says whose row it is and cannot be predicted
  hint: choose another target, or another subject
reticent.toml:28:7: data.visits.columns.age: `age` is the id of the record and cannot be a feature
  hint: remove it, or write age = "drop""#,
    ),
    (
        "a subject that is a feature",
        &[("subject = \"patient_id\"", "subject = \"age\"\nrecord = \"age\"")],
        r#"reticent.toml:21:10: data.visits.record: is the target or the subject already
  hint: remove it: without a record column the number of the row serves
reticent.toml:28:7: data.visits.columns.age: `age` says whose row it is and cannot be a feature
  hint: remove it, or write age = "drop""#,
    ),
    (
        "a subject that says nothing",
        &[("subject = \"patient_id\"", "subject = { runs_of = [\"age\"], column = \"id\" }")],
        r#"reticent.toml:20:1: data.visits.subject: does not say whose row it is
  hint: write subject = "patient_id", subject = "row" or subject = { runs_of = ["a", "b"] }"#,
    ),
    (
        "no feature left",
        &[
            ("age = [0, 110]\n", ""),
            ("sex = [\"f\", \"m\"]\n", ""),
            ("groups = [\"sex\"]\n", ""),
            ("diag = { levels = [\"flu\", \"cold\"], missing = true, special = \"health\" }\n", ""),
        ],
        r#"reticent.toml:25:14: data.visits.columns: no feature is declared
  hint: give at least one column bounds [min, max] or levels ["a", "b"]"#,
    ),
    (
        "a group of many numbers",
        &[("groups = [\"sex\"]", "groups = [\"age\"]")],
        r#"reticent.toml:24:10: data.visits.groups: `age` is a number, and groups are columns of levels or numbers within [0, 1]
  hint: choose another column"#,
    ),
    (
        "no header and no names",
        &[("file = \"visits.csv\"", "file = \"visits.csv\"\nheader = false")],
        r#"reticent.toml:18:7: data.visits.names: is missing
  hint: without a header the columns need names, in order: names = ["age", "sex"]"#,
    ),
    (
        "names beside a header",
        &[("file = \"visits.csv\"", "file = \"visits.csv\"\nnames = [\"a\"]")],
        r#"reticent.toml:20:9: data.visits.names: the names of the columns come from the first line of the file
  hint: remove `names`, or write header = false where the first line of the file is a row"#,
    ),
    (
        "columns that are not among the names",
        &[
            (
                "file = \"visits.csv\"",
                "file = \"visits.csv\"\nheader = false\nnames = [\"patient_id\", \"age\", \"sex\", \"diag\", \"readmitted\", \"id\"]",
            ),
            ("\"diag\"", "\"diagnosis\""),
            ("\"patient_id\", \"age\"", "\"patient\", \"age\""),
        ],
        r#"reticent.toml:22:11: data.visits.subject: no column in `names` is called `patient_id`
  hint: did you mean `patient`?
reticent.toml:28:14: data.visits.columns.patient: is in `names` and not declared
  hint: write patient = "drop", or "*" = "drop" for all that are not named
reticent.toml:28:14: data.visits.columns.diagnosis: is in `names` and not declared
  hint: write diagnosis = "drop", or "*" = "drop" for all that are not named
reticent.toml:31:1: data.visits.columns.diag: no column in `names` is called `diag`
  hint: declared are `patient`, `age`, `sex`, `diagnosis`, `readmitted` and `id`"#,
    ),
    (
        "a person that is a run of rows",
        &[("subject = \"patient_id\"", "subject = { runs_of = [\"age\", \"sex\"] }\nunit = \"person\"")],
        r#"reticent.toml:21:8: data.visits.unit: units found by runs of equal rows are reconstructed and may not be people
  hint: write unit = "reconstructed unit", or leave it out"#,
    ),
    (
        "more rows than a row has",
        &[("subject = \"patient_id\"", "subject = \"row\""), ("delta = 1e-5", "max_rows_per_subject = 5")],
        r#"reticent.toml:37:51: models.risk.privacy.max_rows_per_subject: each row is a unit of its own: it has one row
  hint: remove it, or name the column that says whose row it is"#,
    ),
    (
        "hidden layers of a logistic model",
        &[("\"logistic\"", "\"logistic\"\nhidden = [32]")],
        r#"reticent.toml:37:10: models.risk.hidden: a logistic model has no hidden layers
  hint: remove it, or write kind = "mlp""#,
    ),
    (
        "hidden layers without width",
        &[("\"logistic\"", "\"mlp\"\nhidden = [32, 0]")],
        r#"reticent.toml:37:10: models.risk.hidden: needs a list of whole numbers above 0
  hint: write hidden = [32]"#,
    ),
    (
        "a model above its budget, at another delta",
        &[("[models.risk]", "[data.visits.budget]\nepsilon = 1.0\ndelta = 1e-6\n\n[models.risk]")],
        r#"reticent.toml:41:23: models.risk.privacy.epsilon: 2 is above the budget of `visits`, 1
  hint: lower it, or raise epsilon in [data.visits.budget]
reticent.toml:41:36: models.risk.privacy.delta: is 1e-5 and the budget of `visits` has 1e-6
  hint: write delta = 1e-6 in both: spending is added up at one δ"#,
    ),
    (
        "two models at two deltas",
        &[(
            "[models.risk]",
            "[models.other]\ndata = \"visits\"\npurpose = \"care\"\nkind = \"mlp\"\nprivacy = { epsilon = 1.0, delta = 1e-6 }\n\n[models.risk]",
        )],
        r#"reticent.toml:43:36: models.risk.privacy.delta: is 1e-5 and another model of `visits` has 1e-6
  hint: write delta = 1e-6 in both: spending is added up at one δ"#,
    ),
    (
        "a release without its papers",
        &[
            ("\"experiment\"", "\"release\""),
            ("name = \"Clinic\"\n", ""),
            ("contact = \"privacy@clinic.example\"\n", ""),
            ("jurisdiction = \"FR\"\n", ""),
            (
                "iri = \"https://w3id.org/dpv#ServiceProvision\"\ndescription = \"Plan visits.\"\nowner = \"Head of care\"\nretention = \"P3Y\"\nart6 = \"a\"\nart9 = \"a\"\nnotices = [\"2026-1\"]\n",
                "",
            ),
        ],
        r#"reticent.toml:4:2: controller.name: is missing, and a release needs it
  hint: who decides on purposes and means
reticent.toml:4:2: controller.contact: is missing, and a release needs it
  hint: where a person can reach the controller
reticent.toml:4:2: controller.jurisdiction: is missing, and a release needs it
  hint: for instance "FR"
reticent.toml:6:11: purposes.care.art9: is missing: `diag` of `visits` reveals a special category (health)
  hint: write the letter of GDPR Art 9(2) that applies, for instance art9 = "a" for explicit consent
reticent.toml:6:11: purposes.care.iri: is missing, and a release needs it
  hint: for instance "https://w3id.org/dpv#ServiceProvision"
reticent.toml:6:11: purposes.care.description: is missing, and a release needs it
  hint: one sentence for the people whose data it is
reticent.toml:6:11: purposes.care.owner: is missing, and a release needs it
  hint: who answers for this purpose
reticent.toml:6:11: purposes.care.retention: is missing, and a release needs it
  hint: how long data and models are kept, for instance "P3Y"
reticent.toml:6:11: purposes.care.art6: is missing, and a release needs it
  hint: the letter of GDPR Art 6(1), for instance "a" for consent"#,
    ),
    (
        "a release by consent to no notice",
        &[("\"experiment\"", "\"release\""), ("notices = [\"2026-1\"]\n", "")],
        r#"reticent.toml:9:11: purposes.care.notices: is missing, and a release needs it
  hint: the versions of the notice under which consent counts"#,
    ),
    (
        "a release with bounds from the data",
        &[("\"experiment\"", "\"release\""), ("missing = [\"?\"]", "bounds = \"data\"")],
        r#"reticent.toml:23:10: data.visits.bounds: a release needs bounds and levels that were not read from the private rows
  hint: write what could be, then bounds = "public""#,
    ),
    (
        "what an experiment is warned of",
        &[
            ("missing = [\"?\"]", "bounds = \"data\""),
            ("art9 = \"a\"\n", ""),
            ("subject = \"patient_id\"", "subject = \"row\"\nunit = \"patient\""),
            ("units = 5000", "units = 5"),
            ("delta = 1e-5", "delta = 0.3"),
        ],
        r#"reticent.toml:9:11: warning: purposes.care.art9: is missing: `diag` of `visits` reveals a special category (health)
  hint: write the letter of GDPR Art 9(2) that applies, for instance art9 = "a" for explicit consent
reticent.toml:20:8: warning: data.visits.unit: the bound is for one row; it is for one patient only where nobody has two rows
  hint: name the column that says whose row it is: subject = "patient_id"
reticent.toml:23:10: warning: data.visits.bounds: bounds and levels were read from the private rows: ε does not cover what they reveal
  hint: before a release, write what could be and set bounds = "public"
reticent.toml:37:1: warning: models.risk.privacy.sample_rate: a step would meet 0.5 units on average
  hint: most steps would be noise alone: raise it
reticent.toml:37:36: warning: models.risk.privacy.delta: 0.3 is not below 1 / units: a bound this loose permits publishing one unit's rows as they are
  hint: choose one far below 2e-1"#,
    ),
];

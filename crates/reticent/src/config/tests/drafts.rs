//! Drafts for files that nobody described.

use super::*;

/// Ten rows of the UCI Adult data set (CC BY 4.0), one of them with missing values.
const ADULT: &str = "\
39, State-gov, 77516, Bachelors, 13, Never-married, Adm-clerical, Not-in-family, White, Male, 2174, 0, 40, United-States, <=50K
50, Self-emp-not-inc, 83311, Bachelors, 13, Married-civ-spouse, Exec-managerial, Husband, White, Male, 0, 0, 13, United-States, <=50K
38, Private, 215646, HS-grad, 9, Divorced, Handlers-cleaners, Not-in-family, White, Male, 0, 0, 40, United-States, <=50K
53, Private, 234721, 11th, 7, Married-civ-spouse, Handlers-cleaners, Husband, Black, Male, 0, 0, 40, United-States, <=50K
28, Private, 338409, Bachelors, 13, Married-civ-spouse, Prof-specialty, Wife, Black, Female, 0, 0, 40, Cuba, <=50K
37, Private, 284582, Masters, 14, Married-civ-spouse, Exec-managerial, Wife, White, Female, 0, 0, 40, United-States, <=50K
49, Private, 160187, 9th, 5, Married-spouse-absent, Other-service, Not-in-family, Black, Female, 0, 0, 16, Jamaica, <=50K
52, Self-emp-not-inc, 209642, HS-grad, 9, Married-civ-spouse, Exec-managerial, Husband, White, Male, 0, 0, 45, United-States, >50K
31, Private, 45781, Masters, 14, Never-married, Prof-specialty, Not-in-family, White, Female, 14084, 0, 50, United-States, >50K
54, ?, 180211, Some-college, 10, Married-civ-spouse, ?, Husband, Asian-Pac-Islander, Male, 0, 0, 60, South, >50K
";
const ADULT_NAMES: &str = "age,workclass,fnlwgt,education,education_num,marital_status,occupation,relationship,race,sex,\
                           capital_gain,capital_loss,hours_per_week,native_country,income";

/// Made up: several rows a person, an id of the row, free text, a column without values.
const VISITS: &str = "\
visit_id;patient_id;Age;weight;diag;note;empty;sex;visits
v01;p1;31;70.5;flu;came on Monday;;f;1
v02;p1;31;NA;flu;came back;;f;2
v03;p1;32;71.25;;came again;;f;5
v04;p2;64;80;cold;no fever;;m;0
v05;p2;64;81;cold;slight fever;;m;7
v06;p3;5;19.5;flu;with mother;;f;3
v07;p3;6;20;cold;with father;;f;1
v08;p4;47;NA;cold;tired;;m;4
v09;p4;47;66;flu;very tired;;m;9
v10;p5;88;59;cold;rested;;f;12
";

fn input(file: &str, text: &str, delimiter: char) -> DraftInput {
    let rows = text.lines().map(|line| line.split(delimiter).map(str::to_owned).collect()).collect();
    DraftInput { file: file.into(), rows, delimiter: Some(delimiter), ..DraftInput::default() }
}

fn visits() -> DraftInput {
    input("visits.csv", VISITS, ';')
}

fn answers(subject: &str, target: &str) -> Answers {
    let subject = if subject == "row" { SubjectRule::Row } else { SubjectRule::Column(subject.into()) };
    Answers { subject: Some(subject), target: Some(target.into()), ..Answers::default() }
}

/// Problems that a draft leaves to a person.
fn left(text: &str) -> Vec<Problem> {
    match parse(text) {
        Ok(config) => config.warnings,
        Err(problems) => problems.problems,
    }
}

#[test]
fn adult_with_bounds_from_the_data() {
    let names = Some(ADULT_NAMES.split(',').map(str::to_owned).collect());
    let input = DraftInput { names, ..input("adult-train.csv", ADULT, ',') };
    let special = vec![("race".into(), "ethnic-origin".into())];
    let text = draft(&input, &Answers { bounds: Bounds::Data, special, ..answers("row", "income") }).unwrap();
    insta::assert_snapshot!(text, @r#"
# Drafted by `reticent init adult-train.csv`: every line is yours to change. `reticent check` says what is left to do.
# Read from the file: names, kinds and roles of columns, marks of missing values, the rounded number of units.
# Also read from the file, as asked: bounds and levels. The guarantee does not cover what they reveal.

version = 1
mode = "experiment"  # accounting is on, outputs are stamped UNRELEASED; "release" makes every gate a condition
# statement = "..."  # printed on every artefact, for instance where the data come from

# Who decides on purposes and means. Needed for a release.
[controller]
# name = "Example Clinic"  # the organisation or person
# contact = "privacy@example.org"  # where people can reach it
# jurisdiction = "EU"  # the law it answers to

# What the data may be used for, and on which basis. Needed for a release.
[purposes.predict-income]
# iri = "https://w3id.org/dpv#ServiceProvision"  # the purpose in a vocabulary
# description = "Plan visits"  # one sentence for the people whose data it is
# owner = "Head of care"  # who answers for it
# retention = "P3Y"  # how long data and models are kept
# art6 = "a"  # legal basis: a letter of GDPR Art 6(1)
# art9 = "a"  # condition of GDPR Art 9(2), where a column has `special`
# notices = ["2026-1"]  # versions of the notice under which consent counts
# exclude = ["withdrawn"]  # reasons for which a unit is left out; any other missing basis refuses the whole request

# Where the rows are, whose they are, what is predicted.
[data.adult-train]
file = "adult-train.csv"
header = false  # the first line is a row; the columns get these names
names = ["age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation", "relationship", "race", "sex", "capital_gain", "capital_loss", "hours_per_week", "native_country", "income"]
subject = "row"  # each row is a unit of its own: nothing is said about people with several rows
units = 10  # units in the file, rounded: this number is treated as public
target = "income"  # its levels are the classes
missing = ["?"]  # these mean "no value", as the empty text does
bounds = "data"  # read from the private rows: ε does not cover what they reveal; not for a release
# events = "consent.csv"  # consent, refusal, withdrawal, objection
groups = ["sex"]  # results are shown by these

# What each column may hold: [min, max], levels, or "drop".
[data.adult-train.columns]
age = [28, 54]
workclass = { levels = ["Private", "Self-emp-not-inc", "State-gov"], missing = true }
fnlwgt = [45000, 340000]
education = ["11th", "9th", "Bachelors", "HS-grad", "Masters", "Some-college"]
education_num = [5, 14]
marital_status = ["Divorced", "Married-civ-spouse", "Married-spouse-absent", "Never-married"]
occupation = { levels = ["Adm-clerical", "Exec-managerial", "Handlers-cleaners", "Other-service", "Prof-specialty"], missing = true }
relationship = ["Husband", "Not-in-family", "Wife"]
race = { levels = ["Asian-Pac-Islander", "Black", "White"], special = "ethnic-origin" }
sex = ["Female", "Male"]
capital_gain = [0, 15000]
capital_loss = "drop"  # one value in all rows
hours_per_week = [13, 60]
native_country = ["Cuba", "Jamaica", "South", "United-States"]
income = ["<=50K", ">50K"]  # the classes

# What to train, and the most it may reveal about any one unit: epsilon covers this release and one retraining.
[models.income]
data = "adult-train"
purpose = "predict-income"
kind = "logistic"  # or "mlp" with hidden = [32]
privacy = { epsilon = 2.0, delta = 1e-5 }
"#);
    let config = parse(&text).unwrap();
    assert_eq!(config.warnings.iter().map(|w| w.kind).collect::<Vec<_>>(), [Kind::NeededForRelease, Kind::NotCovered]);
    assert_eq!(config.data_schema("adult-train").unwrap().columns.len(), 13);
}

#[test]
fn visits_with_bounds_to_be_decided() {
    let answers = Answers { at_least: Some(4.0), units: Some(500), ..answers("patient_id", "visits") };
    let text = draft(&visits(), &answers).unwrap();
    insta::assert_snapshot!(text, @r#"
# Drafted by `reticent init visits.csv`: every line is yours to change. `reticent check` says what is left to do.
# Read from the file: names, kinds and roles of columns, marks of missing values, the rounded number of units.
# Not read from the file: bounds and levels. Replace each "?" by what could be, not by what is in the file.

version = 1
mode = "experiment"  # accounting is on, outputs are stamped UNRELEASED; "release" makes every gate a condition
# statement = "..."  # printed on every artefact, for instance where the data come from

# Who decides on purposes and means. Needed for a release.
[controller]
# name = "Example Clinic"  # the organisation or person
# contact = "privacy@example.org"  # where people can reach it
# jurisdiction = "EU"  # the law it answers to

# What the data may be used for, and on which basis. Needed for a release.
[purposes.predict-visits]
# iri = "https://w3id.org/dpv#ServiceProvision"  # the purpose in a vocabulary
# description = "Plan visits"  # one sentence for the people whose data it is
# owner = "Head of care"  # who answers for it
# retention = "P3Y"  # how long data and models are kept
# art6 = "a"  # legal basis: a letter of GDPR Art 6(1)
# art9 = "a"  # condition of GDPR Art 9(2), where a column has `special`
# notices = ["2026-1"]  # versions of the notice under which consent counts
# exclude = ["withdrawn"]  # reasons for which a unit is left out; any other missing basis refuses the whole request

# Where the rows are, whose they are, what is predicted.
[data.visits]
file = "visits.csv"
delimiter = ";"
subject = "patient_id"  # whose row it is: the unit of privacy
record = "visit_id"  # a different value in each row
units = 500  # how many units there are: this number is treated as public
target = { column = "visits", at_least = 4 }  # two classes
missing = ["NA"]  # these mean "no value", as the empty text does
bounds = "public"  # decided by people, without looking at the rows
# events = "consent.csv"  # consent, refusal, withdrawal, objection
groups = ["sex"]  # results are shown by these

# What each column may hold: [min, max], levels, or "drop".
[data.visits.columns]
Age = "?"  # numbers: [min, max]
weight = { range = "?", missing = 0 }  # numbers: [min, max]; a missing value becomes 0
diag = { levels = "?", missing = true }  # texts: ["a", "b"] or the name of a file; may reveal a special category: special = "health"?
note = "drop"  # a different text in too many rows: it would point at people
empty = "drop"  # no row has a value
sex = "?"  # texts: ["a", "b"] or { levels = "file.txt" }

# What to train, and the most it may reveal about any one unit: epsilon covers this release and one retraining.
[models.visits]
data = "visits"
purpose = "predict-visits"
kind = "logistic"  # or "mlp" with hidden = [32]
privacy = { epsilon = 2.0, delta = 1e-5 }
"#);
    let left = left(&text);
    assert_eq!(left.len(), 4, "{left:?}");
    assert!(left.iter().all(|p| p.kind == Kind::Undecided));
    let decided = text
        .replace("Age = \"?\"", "Age = [0, 120]")
        .replace("range = \"?\"", "range = [0, 300]")
        .replace("levels = \"?\"", "levels = [\"flu\", \"cold\"]")
        .replace("sex = \"?\"", "sex = [\"f\", \"m\"]");
    assert_eq!(parse(&decided).unwrap().warnings, []);
}

#[test]
fn a_release_is_left_with_decisions_only() {
    let special = vec![("diag".into(), "health".into())];
    let text = draft(&visits(), &Answers { mode: Mode::Release, special, units: Some(500), ..answers("patient_id", "sex") }).unwrap();
    let left = left(&text);
    assert_eq!(left.len(), 3 + 5 + 1 + 5, "{left:?}");
    assert!(left.iter().all(|p| p.kind == Kind::Undecided));
    let wrong = Answers { mode: Mode::Release, bounds: Bounds::Data, ..answers("patient_id", "sex") };
    assert_eq!(draft(&visits(), &wrong), Err(DraftError::ReleaseBounds));
}

#[test]
fn bounds_are_not_read_unless_asked() {
    let values = |text: &str| ["88", "81", "\"flu\"", "\"f\""].iter().any(|v| text.contains(v));
    assert!(!values(&draft(&visits(), &answers("patient_id", "sex")).unwrap()));
    assert!(values(&draft(&visits(), &Answers { bounds: Bounds::Data, ..answers("patient_id", "sex") }).unwrap()));
}

#[test]
fn asks_for_what_only_a_person_knows() {
    let row = |a: &Answers| match draft(&visits(), a) {
        Err(DraftError::Questions(questions)) => questions
            .iter()
            .map(|q| format!("{:?}: {} [{}]", q.asks, q.text, q.suggestion.as_deref().unwrap_or("-")))
            .collect::<Vec<_>>()
            .join("\n"),
        other => panic!("{other:?}"),
    };
    let cases = [
        Answers::default(),
        answers("patient", "sexe"),
        answers("patient_id", "patient_id"),
        answers("patient_id", "weight"),
        answers("patient_id", "note"),
        Answers { at_least: Some(1.0), ..answers("patient_id", "sex") },
    ];
    insta::assert_snapshot!(cases.iter().map(row).collect::<Vec<_>>().join("\n"), @r#"
Subject: whose is a row: which column names the person, or is each row a unit of its own (`row`)? [patient_id]
Target: which column is to be predicted? [visits]
Subject: no column is called `patient`: whose is a row: which column names the person, or is each row a unit of its own (`row`)? [patient_id]
Target: no column is called `sexe`: which column is to be predicted? [sex]
Target: `patient_id` says whose row it is: which column is to be predicted? [visits]
AtLeast: `weight` holds numbers: from which number on does the second class start? [-]
Target: `note` cannot be predicted: it needs 2 to 10 different values. Which other column? [-]
Target: `sex` does not hold numbers: which column is to be compared? [-]
"#);
}

#[test]
fn refuses_what_is_no_table() {
    let text = |rows: &str| input("x.csv", rows, ',');
    let special = |column: &str, category: &str| Answers { special: vec![(column.into(), category.into())], ..answers("row", "sex") };
    for (input, answers, expected) in [
        (text(""), Answers::default(), "the file has no rows"),
        (text("a,b\n"), Answers::default(), "the file has no rows"),
        (text("a,b\n1,2\n3\n"), Answers::default(), "row 3 has 1 columns where the first has 2"),
        (
            DraftInput { header: Some(true), ..text("a,a\n1,2\n") },
            Answers::default(),
            "`a` cannot be the name of one column: names are not empty and differ",
        ),
        (DraftInput { names: Some(vec!["a".into()]), ..text("1,2\n") }, Answers::default(), "1 names were given for 2 columns"),
        (visits(), special("dig", "health"), "no column is called `dig`; did you mean `diag`?"),
        (visits(), special("diag", "illness"), "no special category is called `illness`"),
    ] {
        assert_eq!(draft(&input, &answers).unwrap_err().to_string(), expected);
    }
}

#[test]
fn units_are_counted_by_subject_and_rounded() {
    let runs = SubjectRule::RunsOf(vec!["sex".into(), "diag".into()]);
    for (subject, expected) in
        [(SubjectRule::Row, "units = 10 "), (SubjectRule::Column("patient_id".into()), "units = 5 "), (runs, "units = 8 ")]
    {
        let text = draft(&visits(), &Answers { subject: Some(subject), ..answers("row", "visits") }).map(|t| t.contains(expected));
        assert_eq!(text, Ok(true), "{expected}");
    }
    let text = draft(&visits(), &Answers { units: Some(700), ..answers("patient_id", "sex") }).unwrap();
    assert!(text.contains("units = 700  # how many units there are: this number is treated as public"));
}

#[test]
fn odd_names_survive() {
    let rows = [vec!["hours per week", "a\"b", "x\ny", "*t"], vec!["1", "u", "2", "no"], vec!["2", "v", "3", "yes"]];
    let rows = rows.into_iter().map(|r| r.into_iter().map(str::to_owned).collect()).collect();
    let input = DraftInput { file: "Été 2026.csv".into(), rows, ..DraftInput::default() };
    let text = draft(&input, &Answers { bounds: Bounds::Data, ..answers("row", "*t") }).unwrap();
    let config = parse(&text).unwrap();
    let (name, data) = config.data.first_key_value().unwrap();
    assert_eq!(name, "t-2026");
    assert_eq!(data.columns.declared.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["hours per week", "a\"b", "x\ny", "*t"]);
}

#[test]
fn a_preset_is_written_out_as_settings() {
    let preset = Preset::Tabular;
    let text = draft(&visits(), &Answers { preset: Some(preset), bounds: Bounds::Data, ..answers("patient_id", "sex") }).unwrap();
    let model = parse(&text).unwrap().models["sex"].clone();
    assert_eq!((model.kind, model.features), (ModelKind::Logistic, Some(FeatureMap::Bins)));
    let privacy = &model.privacy;
    assert_eq!((privacy.sample_rate, privacy.steps), (preset.sample_rate(), preset.steps()));
    assert_eq!((privacy.max_grad_norm, privacy.learning_rate), (preset.max_grad_norm(), Some(preset.learning_rate(1.0))));

    // Sixteen pixels and a digit: the preset says what a pixel may hold, not the rows.
    let names: Vec<String> = (0..16).map(|p| format!("p{p}")).collect();
    let mut rows = format!("{},digit\n", names.join(","));
    for row in 0..20 {
        let pixels: Vec<String> = (0..16).map(|p| if p == 3 { 0 } else { (row * 37 + p * 11) % 200 }.to_string()).collect();
        rows += &format!("{},{}\n", pixels.join(","), ["one", "two"][row % 2]);
    }
    let input = input("digits.csv", &rows, ',');
    let mnist = |target: &str| Answers { preset: Some(Preset::MnistLike), bounds: Bounds::Data, ..answers("row", target) };
    let text = draft(&input, &mnist("digit")).unwrap();
    assert_eq!(text.matches("= [0, 255]").count(), 16, "{text}");
    assert_eq!(parse(&text).unwrap().models["digit"].features, Some(FeatureMap::Scattering));
    // Fifteen are no square, and that is said where it is written.
    let found = left(&text.replacen("p0 = [0, 255]", "p0 = \"drop\"", 1));
    assert_eq!(
        found.iter().filter(|p| p.severity == Severity::Error).map(|p| p.path.as_str()).collect::<Vec<_>>(),
        ["models.digit.features"]
    );
}

//! A first `reticent.toml` for a CSV file.
//!
//! Kinds and roles of columns are guessed from the rows, and said to be guesses. Bounds and levels are not: they are
//! asked for (`"?"`), or read from the rows where the answers say so, and then the file says so too.
//! What the draft does take from the rows: names, numbers or texts, marks of missing values, the rounded number of units.

use super::dataset::Bounds;
use super::guess::{Guess, Guessed, Holds, outwards, rounded};
use super::recipe::{self, float};
use super::similar::nearest;
use super::{Mode, SPECIAL, key, quoted};
use reticent_data::SubjectRule;
use reticent_train::Preset;

/// The file to draft for.
#[derive(Clone, Debug, Default)]
pub(crate) struct DraftInput {
    /// Its name, as it will stand in `reticent.toml`.
    pub(crate) file: String,
    /// Character between columns.
    pub(crate) delimiter: Option<char>,
    /// All its rows, the first line included.
    pub(crate) rows: Vec<Vec<String>>,
    /// Whether the first line holds names; guessed if not known.
    pub(crate) header: Option<bool>,
    /// Names of the columns of a file without header.
    pub(crate) names: Option<Vec<String>>,
}

/// What a person has decided.
#[derive(Clone, Debug)]
pub(crate) struct Answers {
    /// Whose a row is.
    pub(crate) subject: Option<SubjectRule>,
    /// The column to predict.
    pub(crate) target: Option<String>,
    /// Two classes, below and from this number on, instead of the levels of the target.
    pub(crate) at_least: Option<f64>,
    /// Experiment, or release: what a release needs is then written as `"?"`.
    pub(crate) mode: Mode,
    /// [`Bounds::Public`]: bounds and levels are left as `"?"`. [`Bounds::Data`]: read from the rows, and said so.
    pub(crate) bounds: Bounds,
    /// The bound of the model.
    pub(crate) epsilon: f64,
    /// Number of units, where the rounded count of the file is not to be public.
    pub(crate) units: Option<u64>,
    /// Columns that reveal a special category, with the category.
    pub(crate) special: Vec<(String, String)>,
    /// A recipe to train by, instead of the defaults.
    pub(crate) preset: Option<Preset>,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            subject: None,
            target: None,
            at_least: None,
            mode: Mode::Experiment,
            bounds: Bounds::Public,
            epsilon: 2.0,
            units: None,
            special: vec![],
            preset: None,
        }
    }
}

/// Something only a person can decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    /// Which answer is missing.
    pub(crate) asks: Asks,
    /// The question.
    pub(crate) text: String,
    /// What the file suggests.
    pub(crate) suggestion: Option<String>,
    /// What could be answered; empty for a number.
    pub(crate) choices: Vec<String>,
}

/// Which of the [`Answers`] a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asks {
    /// [`Answers::subject`].
    Subject,
    /// [`Answers::target`].
    Target,
    /// [`Answers::at_least`].
    AtLeast,
}

/// Why there is no draft.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DraftError {
    /// Something is left to decide.
    #[error("{}", .0.iter().map(|q| q.text.as_str()).collect::<Vec<_>>().join("\n"))]
    Questions(Vec<Question>),
    /// The file holds no rows.
    #[error("the file has no rows")]
    NoRows,
    /// Not a table. Typical cause: another delimiter.
    #[error("row {row} has {columns} columns where the first has {expected}")]
    Uneven {
        /// Row in the file, from 1.
        row: usize,
        /// Its columns.
        columns: usize,
        /// Columns of the first row.
        expected: usize,
    },
    /// Another number of names than of columns.
    #[error("{names} names were given for {columns} columns")]
    Names {
        /// Names given.
        names: usize,
        /// Columns in the file.
        columns: usize,
    },
    /// A name that is empty or stands for two columns. Typical cause: a file without header.
    #[error("`{name}` cannot be the name of one column: names are not empty and differ")]
    Name {
        /// The name.
        name: String,
    },
    /// An answer about a column or category that does not exist.
    #[error("no {what} is called `{name}`{}", .near.as_ref().map_or_else(String::new, |n| format!("; did you mean `{n}`?")))]
    Unknown {
        /// `column` or `special category`.
        what: &'static str,
        /// The name given.
        name: String,
        /// The nearest that exists.
        near: Option<String>,
    },
    /// Bounds read from the rows, for a release.
    #[error("a release needs bounds and levels that were not read from the private rows")]
    ReleaseBounds,
}

/// Drafts a `reticent.toml` for a CSV file.
///
/// # Errors
/// [`DraftError::Questions`] where subject or target are not answered; other errors where no draft can be made.
pub(crate) fn draft(input: &DraftInput, answers: &Answers) -> Result<String, DraftError> {
    if answers.mode == Mode::Release && answers.bounds == Bounds::Data {
        return Err(DraftError::ReleaseBounds);
    }
    let table = Guessed::of(input)?;
    for (column, category) in &answers.special {
        known("column", column, table.columns.iter().map(|c| c.name.as_str()))?;
        known("special category", category, SPECIAL)?;
    }
    let (subject, target) = decided(&table, answers)?;
    let stem = input.file.rsplit(['/', '\\']).next().unwrap_or_default().split('.').next().unwrap_or_default();
    let draft = Draft {
        name: bare(stem, "data"),
        record: record(&table, subject, &target.name),
        units: answers.units.unwrap_or_else(|| count_units(input, &table, subject)),
        input,
        answers,
        table: &table,
        subject,
        target,
    };
    let model = bare(&target.name, "model");
    let purpose = format!("predict-{model}");
    Ok([
        head(&input.file, answers),
        responsible(&purpose, answers),
        dataset(&draft),
        columns(&draft),
        recipe::table(&draft.name, draft.units, answers, (&model, &purpose)),
    ]
    .join("\n"))
}

/// Everything that is known when the text is written.
struct Draft<'a> {
    /// Name of the data set.
    name: String,
    input: &'a DraftInput,
    answers: &'a Answers,
    table: &'a Guessed,
    subject: &'a SubjectRule,
    target: &'a Guess,
    record: Option<&'a str>,
    units: u64,
}

fn known<'n>(what: &'static str, name: &str, names: impl IntoIterator<Item = &'n str> + Clone) -> Result<(), DraftError> {
    if names.clone().into_iter().any(|n| n == name) {
        return Ok(());
    }
    Err(DraftError::Unknown { what, name: name.to_owned(), near: nearest(name, names).map(str::to_owned) })
}

/// Subject and target, or what to ask.
fn decided<'t>(table: &'t Guessed, answers: &'t Answers) -> Result<(&'t SubjectRule, &'t Guess), DraftError> {
    let target = answers.target.as_deref().and_then(|name| table.find(name)).filter(|c| !may_be_subject(c, table, answers));
    let questions: Vec<Question> = subject_question(table, answers).into_iter().chain(target_question(table, answers, target)).collect();
    match (&answers.subject, target) {
        (Some(subject), Some(target)) if questions.is_empty() => Ok((subject, target)),
        _ => Err(DraftError::Questions(questions)),
    }
}

fn subject_question(table: &Guessed, answers: &Answers) -> Option<Question> {
    let columns = match &answers.subject {
        None => return Some(ask_subject(table, String::new())),
        Some(SubjectRule::Row) => &[][..],
        Some(SubjectRule::Column(column)) => std::slice::from_ref(column),
        Some(SubjectRule::RunsOf(columns)) => columns,
    };
    columns.iter().find(|c| table.find(c).is_none()).map(|c| ask_subject(table, format!("no column is called `{c}`: ")))
}

fn ask_subject(table: &Guessed, why: String) -> Question {
    Question {
        asks: Asks::Subject,
        text: format!("{why}whose is a row: which column names the person, or is each row a unit of its own (`row`)?"),
        suggestion: Some(likely_subject(table).map_or("row", |c| &c.name).to_owned()),
        choices: ["row"].into_iter().chain(table.columns.iter().map(|c| c.name.as_str())).map(str::to_owned).collect(),
    }
}

/// Asks for another target where the one given cannot serve.
fn target_question(table: &Guessed, answers: &Answers, target: Option<&Guess>) -> Option<Question> {
    let ask = |text: String, suggestion: Option<&str>, serves: fn(&Guess) -> bool| {
        let choices = table.columns.iter().filter(|c| serves(c) && !may_be_subject(c, table, answers)).map(|c| c.name.clone());
        Question { asks: Asks::Target, text, suggestion: suggestion.map(str::to_owned), choices: choices.collect() }
    };
    let holds_numbers = |c: &Guess| matches!(c.holds, Holds::Numbers { .. });
    let Some(target) = target else {
        let why = match &answers.target {
            Some(name) if table.find(name).is_some() => format!("`{name}` says whose row it is: "),
            Some(name) => format!("no column is called `{name}`: "),
            None => String::new(),
        };
        let others = || table.columns.iter().filter(|c| !may_be_subject(c, table, answers));
        let near = answers.target.as_deref().and_then(|t| nearest(t, others().map(|c| c.name.as_str())));
        let likely = others().rfind(|c| c.is_classes()).map(|c| c.name.as_str());
        return Some(ask(format!("{why}which column is to be predicted?"), near.or(likely), |_| true));
    };
    let name = &target.name;
    match (answers.at_least, target.holds) {
        (None, _) if target.is_classes() => None,
        (None, Holds::Numbers { .. }) => Some(Question {
            asks: Asks::AtLeast,
            text: format!("`{name}` holds numbers: from which number on does the second class start?"),
            suggestion: None,
            choices: vec![],
        }),
        (None, Holds::Texts | Holds::Nothing) => Some(ask(
            format!("`{name}` cannot be predicted: it needs 2 to 10 different values. Which other column?"),
            None,
            Guess::is_classes,
        )),
        (Some(_), Holds::Numbers { .. }) => None,
        (Some(_), Holds::Texts | Holds::Nothing) => {
            Some(ask(format!("`{name}` does not hold numbers: which column is to be compared?"), None, holds_numbers))
        }
    }
}

/// True for what was answered to be the subject; without an answer, for what looks like it.
fn may_be_subject(column: &Guess, table: &Guessed, answers: &Answers) -> bool {
    match &answers.subject {
        Some(SubjectRule::Column(name)) => *name == column.name,
        Some(SubjectRule::RunsOf(names)) => names.contains(&column.name),
        Some(SubjectRule::Row) => false,
        None => likely_subject(table).is_some_and(|s| s.name == column.name),
    }
}

/// A column named like someone; or like a key, if it comes back in several rows.
fn likely_subject(table: &Guessed) -> Option<&Guess> {
    let named = |c: &&Guess| c.is_named_person();
    table.columns.iter().find(named).or_else(|| table.columns.iter().find(|c| c.is_named_id() && c.distinct.len() < table.rows))
}

/// A column named like a key, with a different value in each row.
fn record<'t>(table: &'t Guessed, subject: &SubjectRule, target: &str) -> Option<&'t str> {
    let is_subject = |name: &str| matches!(subject, SubjectRule::Column(column) if column == name);
    let keys = table.columns.iter().filter(|c| c.is_named_id() && c.distinct.len() == table.rows);
    keys.map(|c| c.name.as_str()).find(|name| !is_subject(name) && *name != target)
}

/// Units of privacy in the file, rounded.
fn count_units(input: &DraftInput, table: &Guessed, subject: &SubjectRule) -> u64 {
    rounded(match subject {
        SubjectRule::Row => table.rows,
        SubjectRule::Column(column) => table.find(column).map_or(0, |c| c.distinct.len()),
        SubjectRule::RunsOf(columns) => {
            let at: Vec<usize> = columns.iter().filter_map(|c| table.columns.iter().position(|g| g.name == *c)).collect();
            let rows = input.rows[usize::from(table.header)..].iter();
            let mut keys: Vec<Vec<&str>> = rows.map(|r| at.iter().map(|&i| r[i].trim()).collect()).collect();
            keys.dedup();
            keys.len()
        }
    })
}

fn head(file: &str, answers: &Answers) -> String {
    let file: String = file.chars().filter(|c| !c.is_control()).collect();
    let (mode, means) = match answers.mode {
        Mode::Experiment => ("experiment", "accounting is on, outputs are stamped UNRELEASED; \"release\" makes every gate a condition"),
        Mode::Release => ("release", "every gate is a condition; \"experiment\" warns and stamps outputs UNRELEASED"),
    };
    let from_data = match answers.bounds {
        Bounds::Public => "# Not read from the file: bounds and levels. Replace each \"?\" by what could be, not by what is in the file.",
        Bounds::Data => "# Also read from the file, as asked: bounds and levels. The guarantee does not cover what they reveal.",
    };
    format!(
        "# Drafted by `reticent init {file}`: every line is yours to change. `reticent check` says what is left to do.
# Read from the file: names, kinds and roles of columns, marks of missing values, the rounded number of units.
{from_data}

version = 1
mode = \"{mode}\"  # {means}
# statement = \"...\"  # printed on every artefact, for instance where the data come from
"
    )
}

fn responsible(purpose: &str, answers: &Answers) -> String {
    let line = |(key, example, why): &(&str, &str, &str)| match answers.mode {
        Mode::Experiment => format!("# {key} = {}  # {why}\n", quoted(example)),
        Mode::Release => format!("{key} = \"?\"  # {why}; for instance {}\n", quoted(example)),
    };
    let controller: String = [
        ("name", "Example Clinic", "the organisation or person"),
        ("contact", "privacy@example.org", "where people can reach it"),
        ("jurisdiction", "EU", "the law it answers to"),
    ]
    .iter()
    .map(line)
    .collect();
    let decisions: String = [
        ("iri", "https://w3id.org/dpv#ServiceProvision", "the purpose in a vocabulary"),
        ("description", "Plan visits", "one sentence for the people whose data it is"),
        ("owner", "Head of care", "who answers for it"),
        ("retention", "P3Y", "how long data and models are kept"),
        ("art6", "a", "legal basis: a letter of GDPR Art 6(1)"),
    ]
    .iter()
    .map(line)
    .collect();
    let art9 = match answers.mode {
        Mode::Release if !answers.special.is_empty() => "art9 = \"?\"",
        Mode::Experiment | Mode::Release => "# art9 = \"a\"",
    };
    format!(
        "# Who decides on purposes and means. Needed for a release.
[controller]
{controller}
# What the data may be used for, and on which basis. Needed for a release.
[purposes.{purpose}]
{decisions}{art9}  # condition of GDPR Art 9(2), where a column has `special`
# notices = [\"2026-1\"]  # versions of the notice under which consent counts
# exclude = [\"withdrawn\"]  # reasons for which a unit is left out; any other missing basis refuses the whole request
"
    )
}

fn dataset(draft: &Draft<'_>) -> String {
    let Draft { name, input, answers, table, subject, target, record, units } = draft;
    let mut out = format!("# Where the rows are, whose they are, what is predicted.\n[data.{name}]\nfile = {}\n", quoted(&input.file));
    if !table.header {
        let names: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
        out += &format!("header = false  # the first line is a row; the columns get these names\nnames = {}\n", list(&names));
    }
    if let Some(delimiter) = input.delimiter.filter(|d| *d != ',') {
        out += &format!("delimiter = {}\n", quoted(&delimiter.to_string()));
    }
    out += &match subject {
        SubjectRule::Row => {
            "subject = \"row\"  # each row is a unit of its own: nothing is said about people with several rows\n".to_owned()
        }
        SubjectRule::Column(column) if column == "row" => {
            "subject = { column = \"row\" }  # whose row it is: the unit of privacy\n".to_owned()
        }
        SubjectRule::Column(column) => format!("subject = {}  # whose row it is: the unit of privacy\n", quoted(column)),
        SubjectRule::RunsOf(columns) => {
            let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
            format!("subject = {{ runs_of = {} }}  # neighbouring rows equal in these: a reconstructed unit\n", list(&columns))
        }
    };
    if let Some(record) = record {
        out += &format!("record = {}  # a different value in each row\n", quoted(record));
    }
    let whence = if answers.units.is_some() { "how many units there are" } else { "units in the file, rounded" };
    out += &format!("units = {units}  # {whence}: this number is treated as public\n");
    out += &match answers.at_least {
        Some(at_least) => format!("target = {{ column = {}, at_least = {} }}  # two classes\n", quoted(&target.name), number(at_least)),
        None => format!("target = {}  # its levels are the classes\n", quoted(&target.name)),
    };
    if !table.missing.is_empty() {
        let marks: Vec<&str> = table.missing.iter().map(String::as_str).collect();
        out += &format!("missing = {}  # these mean \"no value\", as the empty text does\n", list(&marks));
    }
    out += match answers.bounds {
        Bounds::Public => "bounds = \"public\"  # decided by people, without looking at the rows\n",
        Bounds::Data => "bounds = \"data\"  # read from the private rows: ε does not cover what they reveal; not for a release\n",
    };
    out += "# events = \"consent.csv\"  # consent, refusal, withdrawal, objection\n";
    let groups: Vec<&str> = table.columns.iter().filter(|c| is_group(c) && c.name != target.name).map(|c| c.name.as_str()).collect();
    out += &match groups.as_slice() {
        [] => "# groups = [\"sex\"]  # columns of levels by which results are shown\n".to_owned(),
        groups => format!("groups = {}  # results are shown by these\n", list(groups)),
    };
    out
}

fn is_group(column: &Guess) -> bool {
    matches!(column.name.to_lowercase().as_str(), "sex" | "gender") && column.holds == Holds::Texts && column.is_classes()
}

/// One line for each column that has no other role.
fn columns(draft: &Draft<'_>) -> String {
    let Draft { name, answers, table, subject, target, record, .. } = draft;
    let mut out = "# What each column may hold: [min, max], levels, or \"drop\".\n".to_owned();
    if answers.preset == Some(Preset::MnistLike) {
        out += "# Numbers are taken for pixels of 8 bits, row by row of a square image: \"drop\" those that are none.\n";
    }
    out += &format!("[data.{name}.columns]\n");
    for column in &table.columns {
        let is_subject = matches!(subject, SubjectRule::Column(c) if *c == column.name);
        let is_target = column.name == target.name;
        if is_subject || *record == Some(column.name.as_str()) || is_target && answers.at_least.is_some() {
            continue;
        }
        let special = answers.special.iter().find(|(c, _)| *c == column.name).map(|(_, category)| category.as_str());
        let (value, mut comment) = if is_target {
            classes(column, answers.bounds)
        } else if answers.preset == Some(Preset::MnistLike) && matches!(column.holds, Holds::Numbers { .. }) {
            ("[0, 255]".to_owned(), String::new())
        } else {
            feature(column, answers.bounds, special)
        };
        if let Some(hint) = special_hint(&column.name).filter(|_| special.is_none() && !value.starts_with("\"drop")) {
            let hint = format!("may reveal a special category: special = \"{hint}\"?");
            comment = if comment.is_empty() { hint } else { format!("{comment}; {hint}") };
        }
        let comment = if comment.is_empty() { comment } else { format!("  # {comment}") };
        out += &format!("{} = {value}{comment}\n", key(&column.name));
    }
    out
}

/// The target's line: its levels.
fn classes(column: &Guess, bounds: Bounds) -> (String, String) {
    let (value, mut comment) = match bounds {
        Bounds::Public => ("\"?\"".to_owned(), "the classes: [\"no\", \"yes\"]".to_owned()),
        Bounds::Data => (list(&column.levels()), "the classes".to_owned()),
    };
    if column.missing {
        comment += "; some rows have none: remove them from the file";
    }
    (value, comment)
}

/// A feature's line: value and comment.
fn feature(column: &Guess, bounds: Bounds, special: Option<&str>) -> (String, String) {
    let dropped = |why: &str| ("\"drop\"".to_owned(), why.to_owned());
    if column.is_wordy() {
        return dropped("a different text in too many rows: it would point at people");
    }
    if column.is_named_id() && column.is_unique() {
        return dropped("looks like an identifier");
    }
    let (is, short, long_missing, mut comment) = match (column.holds, bounds) {
        (Holds::Nothing, _) => return dropped("no row has a value"),
        (_, Bounds::Data) if column.is_constant() => return dropped("one value in all rows"),
        (Holds::Numbers { .. }, Bounds::Public) => ("range", "\"?\"".to_owned(), "0".to_owned(), "numbers: [min, max]"),
        (Holds::Texts, Bounds::Public) => ("levels", "\"?\"".to_owned(), "true".to_owned(), "texts: [\"a\", \"b\"] or the name of a file"),
        (Holds::Texts, Bounds::Data) => ("levels", list(&column.levels()), "true".to_owned(), ""),
        (Holds::Numbers { min, max }, Bounds::Data) => {
            let (min, max) = (outwards(min, false), outwards(max, true));
            let stand_in = if (min..=max).contains(&0.0) { 0.0 } else { min + (max - min) / 2.0 };
            ("range", format!("[{}, {}]", number(min), number(max)), number(stand_in), "")
        }
    };
    if !column.missing && special.is_none() {
        if is == "levels" && bounds == Bounds::Public {
            comment = "texts: [\"a\", \"b\"] or { levels = \"file.txt\" }";
        }
        return (short, comment.to_owned());
    }
    let mut value = format!("{{ {is} = {short}");
    if column.missing {
        value += &format!(", missing = {long_missing}");
    }
    if let Some(special) = special {
        value += &format!(", special = {}", quoted(special));
    }
    value += " }";
    let mut comment = comment.to_owned();
    if column.missing && is == "range" {
        comment += if comment.is_empty() { "" } else { "; " };
        comment += &format!("a missing value becomes {long_missing}");
    }
    (value, comment)
}

/// The special category that a column of this name may reveal.
fn special_hint(name: &str) -> Option<&'static str> {
    let lower = name.to_lowercase();
    let hints = [
        ("race", "ethnic-origin"),
        ("ethnic", "ethnic-origin"),
        ("relig", "religion"),
        ("diag", "health"),
        ("disea", "health"),
        ("health", "health"),
        ("icd", "health"),
        ("disab", "health"),
        ("genotype", "genetic"),
        ("orientation", "sexual-orientation"),
        ("party", "political-opinions"),
    ];
    hints
        .iter()
        .find(|(word, _)| lower.split(|c: char| !c.is_alphanumeric()).any(|part| part.starts_with(word)))
        .map(|(_, category)| *category)
}

fn list(texts: &[&str]) -> String {
    format!("[{}]", texts.iter().map(|t| quoted(t)).collect::<Vec<_>>().join(", "))
}

/// A number as short as TOML allows.
fn number(x: f64) -> String {
    if x.abs() < 1e15 { format!("{x}") } else { float(x) }
}

/// A name for a table and for files: letters, digits, `-` and `_`.
fn bare(text: &str, otherwise: &str) -> String {
    let mapped: String = text.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect();
    let parts: Vec<&str> = mapped.split('-').filter(|p| !p.is_empty()).collect();
    let name: String = parts.join("-").chars().take(48).collect();
    if name.is_empty() { otherwise.to_owned() } else { name }
}

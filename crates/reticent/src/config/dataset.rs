//! Where the rows are, whose they are, and what may be predicted from them.

use super::column::Columns;
use super::problem::Kind;
use super::reader::{FINITE, Fields, INSIDE_UNIT, POSITIVE};
use super::shape;
use reticent_data::{Classes, Domain, Dropped, Schema, SubjectRule, Target};
use schemars::JsonSchema;
use serde::Serialize;
use toml::de::DeValue;

/// `[data.NAME]`: one data set.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DataSet {
    /// The CSV file, relative to `reticent.toml`.
    pub(crate) file: String,
    /// Whether the first line holds the names of the columns.
    #[serde(default = "yes")]
    pub(crate) header: bool,
    /// Names of the columns, where `header = false`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) names: Vec<String>,
    /// Character between columns: one ASCII character.
    #[serde(default = "comma")]
    pub(crate) delimiter: char,
    /// Whose a row is: the unit of privacy. A column, or `row`, or `{ runs_of = ["a", "b"] }`.
    #[serde(serialize_with = "shape::subject")]
    #[schemars(with = "shape::Subject")]
    pub(crate) subject: SubjectRule,
    /// What a unit is called in every statement; `person`, `row` or `reconstructed unit` if left out, by `subject`.
    #[serde(default = "person")]
    pub(crate) unit: String,
    /// Column that holds a unique id of the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) record: Option<String>,
    /// Number of units, public and rounded; scales the step. Never read from the data in silence.
    #[schemars(range(min = 1))]
    pub(crate) units: u64,
    /// What to predict: a column whose levels are the classes, or `{ column = "visits", at_least = 4 }`.
    #[serde(serialize_with = "shape::target")]
    #[schemars(with = "shape::TargetShape")]
    pub(crate) target: Target,
    /// Texts that mean "no value", for instance `?`; the empty text always does.
    #[serde(default)]
    pub(crate) missing: Vec<String>,
    /// Where bounds and levels come from.
    #[serde(default)]
    pub(crate) bounds: Bounds,
    /// File of consent, refusal, withdrawal and objection, relative to `reticent.toml`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) events: Option<String>,
    /// Whether the rows hold private messages: legitimate interest is then refused, and training needs `train_on_messages` of the purpose.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) private_messages: bool,
    /// Column that holds ages in years: a child's consent needs a guardian (GDPR Art 8).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) age: Option<String>,
    /// Purposes that the columns were collected for, where a column names none of its own. With any declared, a column without one is refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) purposes: Vec<String>,
    /// Data sets that this one was made from, as synthetic rows are: it has the purposes that all of their columns share.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) derived_from: Vec<String>,
    /// Columns by which results are shown: columns of levels, or numbers within `[0, 1]`.
    #[serde(default)]
    pub(crate) groups: Vec<String>,
    /// What each column may hold.
    pub(crate) columns: Columns,
    /// The most that all releases from this data set may reveal together. If left out: the largest ε among its models, and their δ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) budget: Option<Budget>,
}

/// `[data.NAME.budget]`: the most that all releases from a data set may reveal together about one unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Budget {
    /// Upper bound in nats.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub(crate) epsilon: f64,
    /// The δ that goes with it.
    #[serde(default = "super::model::delta")]
    #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))]
    pub(crate) delta: f64,
}

/// Where bounds and levels come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Bounds {
    /// Decided without looking at the rows.
    #[default]
    Public,
    /// Read from the private rows: ε does not cover what they reveal. In experiments only.
    Data,
}

impl DataSet {
    pub(super) fn read(mut fields: Fields<'_, '_, '_>) -> Self {
        fields.need("file", "write file = \"visits.csv\"");
        fields.need("subject", "name the column that says whose row it is, or write subject = \"row\"");
        fields.need("units", "write how many units there are, rounded, for instance units = 5000: this number is public");
        fields.need("target", "name the column to predict");
        fields.need("columns", "write columns = { age = [0, 110], sex = [\"f\", \"m\"], \"*\" = \"drop\" }");
        let missing = missing(&mut fields);
        let columns = Columns::read(&mut fields, &missing);
        let subject = subject(&mut fields);
        let unit = match subject {
            SubjectRule::Row => "row",
            SubjectRule::Column(_) => "person",
            SubjectRule::RunsOf(_) => "reconstructed unit",
        };
        let header = fields.flag("header").unwrap_or(true);
        let data = Self {
            file: fields.text("file").unwrap_or_default(),
            header,
            names: names(&mut fields, header),
            delimiter: delimiter(&mut fields),
            unit: fields.text("unit").unwrap_or_else(|| unit.into()),
            record: fields.text("record"),
            units: fields.whole("units", 1).unwrap_or(1),
            target: target(&mut fields, &columns),
            bounds: fields.choice("bounds", &[("public", Bounds::Public), ("data", Bounds::Data)]).unwrap_or_default(),
            events: fields.text("events"),
            private_messages: fields.flag("private_messages").unwrap_or_default(),
            age: fields.text("age"),
            purposes: fields.texts("purposes").unwrap_or_default(),
            derived_from: fields.texts("derived_from").unwrap_or_default(),
            groups: fields.texts("groups").unwrap_or_default(),
            budget: fields.table("budget").map(Budget::read),
            subject,
            missing,
            columns,
        };
        fields.close();
        data
    }

    /// The shape of the data set as the import needs it; the target is no feature.
    pub(crate) fn schema(&self, name: &str) -> Schema {
        Schema {
            dataset: name.to_owned(),
            subject: self.subject.clone(),
            unit: self.unit.clone(),
            record: self.record.clone(),
            target: self.target.clone(),
            columns: self.columns.declared.iter().filter(|c| c.name != self.target.column).cloned().collect(),
            dropped: self.columns.dropped.clone(),
            missing: self.missing.clone(),
        }
    }

    /// True for a column that the file drops by name.
    pub(super) fn drops(&self, column: &str) -> bool {
        matches!(&self.columns.dropped, Dropped::Only(names) if names.iter().any(|n| n == column))
    }
}

impl Budget {
    fn read(mut fields: Fields<'_, '_, '_>) -> Self {
        fields.need("epsilon", "write epsilon = 2.0, or whatever bound you can answer for");
        let budget = Self {
            epsilon: fields.number("epsilon", POSITIVE).unwrap_or(f64::MAX),
            delta: fields.number("delta", INSIDE_UNIT).unwrap_or_else(super::model::delta),
        };
        fields.close();
        budget
    }
}

fn missing(fields: &mut Fields<'_, '_, '_>) -> Vec<String> {
    // "The empty text always does": saying so does no harm, and is not kept.
    let texts = fields.texts("missing").unwrap_or_default();
    texts.iter().map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()).collect()
}

fn names(fields: &mut Fields<'_, '_, '_>, header: bool) -> Vec<String> {
    let written = fields.has("names");
    let names = fields.texts("names");
    let path = fields.at("names");
    if header && written {
        let hint = "remove `names`, or write header = false where the first line of the file is a row";
        fields.reader.error(Kind::Contradiction, &path, "the names of the columns come from the first line of the file", hint);
    } else if !header && !written {
        fields.need("names", "without a header the columns need names, in order: names = [\"age\", \"sex\"]");
    } else if names.as_ref().is_some_and(|n| n.is_empty() || n.iter().any(|n| n.trim() != n || n.is_empty())) {
        fields.reader.error(Kind::NotAllowed, &path, "needs one name for each column, without blanks around it", "");
    }
    names.unwrap_or_default()
}

fn delimiter(fields: &mut Fields<'_, '_, '_>) -> char {
    let Some(at) = fields.get("delimiter") else { return ',' };
    match at.value {
        DeValue::String(text) if text.len() == 1 && !matches!(text.as_ref(), "\"" | "\n" | "\r") => char::from(text.as_bytes()[0]),
        _ => {
            let message = "needs one ASCII character between the columns";
            fields.reader.error(Kind::NotAllowed, &at.path, message, "write \",\" or \";\" or \"\\t\"");
            ','
        }
    }
}

fn subject(fields: &mut Fields<'_, '_, '_>) -> SubjectRule {
    let Some(at) = fields.get("subject") else { return SubjectRule::Row };
    if !at.value.is_table() {
        return match fields.reader.text(&at).as_deref() {
            Some("row") | None => SubjectRule::Row,
            Some(column) => SubjectRule::Column(column.to_owned()),
        };
    }
    let Some(mut table) = fields.table("subject") else { return SubjectRule::Row };
    let (column, runs) = (table.text("column"), table.texts("runs_of"));
    let written = (table.has("column"), table.has("runs_of"));
    let reader = table.close();
    match (column, runs) {
        (Some(column), None) if !written.1 => SubjectRule::Column(column),
        (None, Some(columns)) if !written.0 && !columns.is_empty() => SubjectRule::RunsOf(columns),
        _ => {
            if !reader.broken(&at.path) {
                let hint = "write subject = \"patient_id\", subject = \"row\" or subject = { runs_of = [\"a\", \"b\"] }";
                reader.error(Kind::NotAllowed, &at.path, "does not say whose row it is", hint);
            }
            SubjectRule::Row
        }
    }
}

fn target(fields: &mut Fields<'_, '_, '_>, columns: &Columns) -> Target {
    let stand_in = |column: String| Target { column, classes: Classes::AtLeast(0.0) };
    let Some(at) = fields.get("target") else { return stand_in(String::new()) };
    if at.value.is_table() {
        let Some(mut table) = fields.table("target") else { return stand_in(String::new()) };
        table.need("column", "write target = { column = \"visits\", at_least = 4 }");
        table.need("at_least", "write target = { column = \"visits\", at_least = 4 }");
        let column = table.text("column").unwrap_or_default();
        let at_least = table.number("at_least", FINITE).unwrap_or(0.0);
        table.close();
        return Target { column, classes: Classes::AtLeast(at_least) };
    }
    let Some(column) = fields.reader.text(&at) else { return stand_in(String::new()) };
    let key = super::key(&column);
    match columns.find(&column).map(|c| &c.domain) {
        Some(Domain::Levels { levels, missing: false }) if levels.len() > 1 => {
            return Target { column, classes: Classes::Levels(levels.clone()) };
        }
        Some(Domain::Levels { missing: true, .. }) => {
            let message = format!("`{column}` has a level for missing values, and a target has none");
            fields.reader.error(Kind::Contradiction, &at.path, message, format!("write {key} = [\"no\", \"yes\"]"));
        }
        Some(Domain::Levels { .. }) => {
            fields.reader.error(Kind::OutOfRange, &at.path, format!("`{column}` has one level, a target needs two"), "");
        }
        Some(Domain::Range { .. }) => {
            let hint =
                format!("write {key} = [\"0\", \"1\"] in columns, or target = {{ column = {}, at_least = 1 }}", super::quoted(&column));
            fields.reader.error(Kind::Contradiction, &at.path, format!("`{column}` is a number: its classes are not declared"), hint);
        }
        None if columns.broken.contains(&column) => {}
        None => {
            let hint = format!("its levels are the classes: write {key} = [\"no\", \"yes\"] in columns");
            match super::similar::nearest(&column, columns.names()) {
                Some(_) => fields.reader.unknown(&at.path, "column", &column, columns.names()),
                None => fields.reader.error(Kind::UnknownName, &at.path, format!("`{column}` is not declared in columns"), hint),
            }
        }
    }
    stand_in(column)
}

fn yes() -> bool {
    true
}
fn comma() -> char {
    ','
}
fn person() -> String {
    "person".into()
}

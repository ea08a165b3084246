//! What each column may be used for: its own purposes, its data set's, or what its parents share.

use super::{Config, DataSet};
use reticent_proof::inherited;
use std::collections::{BTreeMap, BTreeSet};

/// How many steps a derivation may have: one that leads back to itself ends here, with no purpose.
const DEEPEST: usize = 16;

impl Config {
    /// Purposes that this one is part of, the nearest first.
    pub(crate) fn broader(&self, purpose: &str) -> Vec<String> {
        let mut chain: Vec<String> = vec![];
        let mut at = purpose;
        while let Some(broader) = self.purposes.get(at).and_then(|p| p.broader.as_deref()) {
            if chain.iter().any(|seen| seen == broader) || broader == purpose {
                break;
            }
            chain.push(broader.to_owned());
            at = broader;
        }
        chain
    }

    /// The purposes of each column of a data set, the target among them; empty where none are declared for any, nor inherited.
    pub(crate) fn column_purposes(&self, dataset: &str) -> BTreeMap<String, BTreeSet<String>> {
        self.data.get(dataset).map(|data| self.columns_of(data, DEEPEST)).unwrap_or_default()
    }

    fn columns_of(&self, data: &DataSet, depth: usize) -> BTreeMap<String, BTreeSet<String>> {
        let rights = &data.columns.rights;
        let says_nothing = data.purposes.is_empty() && rights.values().all(|r| r.purposes.is_empty() && r.from.is_empty());
        if says_nothing && data.derived_from.is_empty() {
            return BTreeMap::new();
        }
        // What every parent is for as a whole: rows that were made from it hold something of each of its columns.
        let parents = (!data.derived_from.is_empty()).then(|| {
            let whole: Vec<BTreeSet<String>> = data.derived_from.iter().map(|parent| self.whole(parent, depth)).collect();
            inherited(&whole)
        });
        let names = data.columns.declared.iter().map(|c| c.name.as_str()).chain([data.target.column.as_str()]);
        names.map(|name| (name.to_owned(), self.column(data, name, says_nothing, parents.as_ref(), depth))).collect()
    }

    fn column(&self, data: &DataSet, name: &str, says_nothing: bool, parents: Option<&BTreeSet<String>>, depth: usize) -> BTreeSet<String> {
        let rights = data.columns.rights.get(name);
        let own: BTreeSet<String> = match rights {
            Some(rights) if !rights.purposes.is_empty() => rights.purposes.iter().cloned().collect(),
            _ => data.purposes.iter().cloned().collect(),
        };
        let from: Vec<BTreeSet<String>> = match rights {
            Some(rights) if depth > 0 => {
                rights.from.iter().map(|parent| self.column(data, parent, says_nothing, parents, depth - 1)).collect()
            }
            Some(rights) if !rights.from.is_empty() => return BTreeSet::new(),
            _ => vec![],
        };
        let declared = rights.is_some_and(|r| !r.purposes.is_empty()) || (from.is_empty() && !says_nothing);
        let sets = declared.then_some(&own).into_iter().chain(&from).chain(parents);
        inherited(sets)
    }

    /// What a data set as a whole may be used for: what all of its columns share; where none are declared, what its models are for.
    fn whole(&self, dataset: &str, depth: usize) -> BTreeSet<String> {
        let Some(data) = self.data.get(dataset).filter(|_| depth > 0) else { return BTreeSet::new() };
        let columns = self.columns_of(data, depth - 1);
        if columns.is_empty() {
            return self.models.values().filter(|m| m.data == dataset).map(|m| m.purpose.clone()).collect();
        }
        inherited(columns.values())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"version = 1
[purposes.care]
[purposes.falls]
broader = "care"
[purposes.ads]
[data.visits]
file = "v.csv"
subject = "row"
units = 10
target = "again"
purposes = ["care", "ads"]
[data.visits.columns]
age = [0, 110]
weight = { range = [0, 300], purposes = ["care"] }
income = { range = [0, 9], purposes = ["ads"] }
bmi = { range = [0, 90], from = ["weight", "age"] }
score = { range = [0, 1], from = ["bmi", "income"] }
narrow = { range = [0, 1], from = ["age"], purposes = ["ads"] }
again = ["no", "yes"]
[data.synthetic]
file = "s.csv"
subject = "row"
units = 10
target = "again"
derived_from = ["visits"]
columns = { age = [0, 110], again = ["no", "yes"] }
[data.plain]
file = "p.csv"
subject = "row"
units = 10
target = "again"
columns = { age = [0, 110], again = ["no", "yes"] }
[data.copy]
file = "c.csv"
subject = "row"
units = 10
target = "again"
derived_from = ["plain"]
columns = { age = [0, 110], again = ["no", "yes"] }
[models.risk]
data = "plain"
purpose = "care"
kind = "logistic"
privacy = { epsilon = 1.0 }
"#;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, std::path::Path::new(".")).map_err(|p| p.to_string())
    }

    #[test]
    fn a_derived_column_has_the_purposes_that_its_parents_share() {
        let config = parse(FILE).unwrap();
        let columns = config.column_purposes("visits");
        let of = |column: &str| columns[column].iter().map(String::as_str).collect::<Vec<_>>();
        assert_eq!((of("age"), of("weight"), of("bmi")), (vec!["ads", "care"], vec!["care"], vec!["care"]));
        assert_eq!((of("score"), of("narrow"), of("again")), (vec![], vec!["ads"], vec!["ads", "care"]));
        assert!(config.column_purposes("plain").is_empty(), "nothing is declared");
        assert_eq!(config.broader("falls"), ["care"]);
    }

    #[test]
    fn synthetic_rows_inherit() {
        // Its parent's columns share nothing: it may be used for nothing.
        assert!(parse(FILE).unwrap().column_purposes("synthetic").values().all(BTreeSet::is_empty));
        let agreeing = FILE.replace("purposes = [\"ads\"]", "purposes = [\"care\"]");
        let columns = parse(&agreeing).unwrap().column_purposes("synthetic");
        assert!(columns.values().all(|p| p.iter().eq(["care"])) && columns.len() == 2, "{columns:?}");
        // What its parent's models are for, where that declares nothing itself.
        assert!(parse(FILE).unwrap().column_purposes("copy").values().all(|p| p.iter().eq(["care"])));
    }

    #[test]
    fn a_fine_tuned_model_serves_its_base_s_purpose_or_a_part_of_it() {
        let tuned = |purpose: &str| {
            parse(&format!(
                "{FILE}[models.tuned]\ndata = \"plain\"\npurpose = \"{purpose}\"\nbase = \"risk\"\nkind = \"logistic\"\nprivacy = {{ epsilon = 1.0 }}\n"
            ))
        };
        assert!(tuned("care").is_ok() && tuned("falls").is_ok());
        let refused = tuned("ads").unwrap_err();
        assert!(refused.contains("models.tuned.purpose: its base was trained for `care`"), "{refused}");
        let circle = parse(&FILE.replace("[purposes.care]", "[purposes.care]\nbroader = \"falls\"")).unwrap_err();
        assert!(circle.contains("leads back to this purpose"), "{circle}");
    }
}

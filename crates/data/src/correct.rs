//! A value of a unit's own row put right, within the declared bounds.

use crate::{Classes, Domain, Error, Feature, SubjectId, Table};
use serde::{Deserialize, Serialize};

/// Which value of which record becomes what. No `Debug`: it holds a value of a row.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correction {
    /// Record id, as in the source.
    pub record: String,
    /// Column, or the target.
    pub column: String,
    /// The right value, as in the source; empty where there is none.
    pub value: String,
}

impl Table {
    /// The same rows with these values of one unit put right, and how many values that changed. Other units' rows are not touched, whatever
    /// their record ids.
    ///
    /// # Errors
    /// [`Error::Correction`], with a name and never a value: no such record of this unit, no such column, a value outside what is declared.
    pub fn corrected(&self, unit: SubjectId, corrections: &[Correction]) -> Result<(Self, u64), Error> {
        let mut table = self.clone();
        let mut changed = 0;
        for correction in corrections {
            let wrong = |why: &str| Error::Correction { column: correction.column.clone(), why: why.into() };
            let row = (0..self.rows()).find(|&row| self.subjects[row] == unit && self.records[row] == correction.record);
            let row = row.ok_or_else(|| wrong("the person has no such record"))?;
            changed += u64::from(table.put(row, correction).map_err(wrong)?);
        }
        Ok((table, changed))
    }

    fn put(&mut self, row: usize, correction: &Correction) -> Result<bool, &'static str> {
        let text = correction.value.trim();
        let missing = text.is_empty() || self.schema.missing.iter().any(|m| m == text);
        if correction.column == self.schema.target.column {
            let class = match &self.schema.target.classes {
                Classes::Levels(levels) => levels.iter().position(|l| l == text).ok_or("the value is none of its levels")?,
                Classes::AtLeast(least) => usize::from(number(text)? >= *least),
            };
            return Ok(std::mem::replace(&mut self.target[row], class as u32) != class as u32);
        }
        let index = self.schema.columns.iter().position(|c| c.name == correction.column).ok_or("no such column is kept")?;
        match (&self.schema.columns[index].domain, &mut self.features[index]) {
            (Domain::Range { min, max, missing: stands }, Feature::Number(values)) => {
                let value = if missing { stands.ok_or("a value is needed")? } else { number(text)? };
                if !missing && !(*min..=*max).contains(&value) {
                    return Err("the value is outside its declared bounds");
                }
                Ok(std::mem::replace(&mut values[row], value).to_bits() != value.to_bits())
            }
            (Domain::Levels { levels, missing: may }, Feature::Level(values)) => {
                let level = match levels.iter().position(|l| l == text) {
                    Some(level) => level,
                    None if missing && *may => levels.len(),
                    None => return Err("the value is none of its levels"),
                };
                Ok(std::mem::replace(&mut values[row], level as u32) != level as u32)
            }
            _ => Err("the column is stored in another form"),
        }
    }

    /// The values of a row as they would stand in the source, by column; the target last. A missing value is empty.
    #[must_use]
    pub fn row_texts(&self, row: usize) -> Vec<(String, String)> {
        let mut all = Vec::with_capacity(self.features.len() + 1);
        for (column, feature) in self.schema.columns.iter().zip(&self.features) {
            let text = match (feature, &column.domain) {
                (Feature::Number(values), _) => values[row].to_string(),
                (Feature::Level(values), Domain::Levels { levels, .. }) => levels.get(values[row] as usize).cloned().unwrap_or_default(),
                (Feature::Level(values), Domain::Range { .. }) => values[row].to_string(),
            };
            all.push((column.name.clone(), text));
        }
        let class = match &self.schema.target.classes {
            Classes::Levels(levels) => levels.get(self.target[row] as usize).cloned().unwrap_or_default(),
            Classes::AtLeast(least) => {
                if self.target[row] == 1 {
                    format!("at least {least}")
                } else {
                    format!("below {least}")
                }
            }
        };
        all.push((self.schema.target.column.clone(), class));
        all
    }
}

fn number(text: &str) -> Result<f64, &'static str> {
    text.parse().ok().filter(|v: &f64| v.is_finite()).ok_or("the value is no number")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Column, CsvOptions, Dropped, PseudonymKey, Schema, SubjectRule, Target, import_csv};

    fn table() -> (Table, PseudonymKey) {
        let levels = Domain::Levels { levels: vec!["f".into(), "m".into()], missing: true };
        let range = Domain::Range { min: 0.0, max: 110.0, missing: None };
        let column = |name: &str, domain| Column { name: name.into(), domain, special: None };
        let schema = Schema {
            dataset: "visits".into(),
            subject: SubjectRule::Column("patient".into()),
            unit: "person".into(),
            record: Some("visit".into()),
            target: Target { column: "ill".into(), classes: Classes::Levels(vec!["no".into(), "yes".into()]) },
            columns: vec![column("age", range), column("sex", levels)],
            dropped: Dropped::AllOthers,
            missing: vec![],
        };
        let key = PseudonymKey::from_bytes([7; 32]);
        let csv = "visit,patient,age,sex,ill\n1,ann,55,f,no\n2,ann,56,,yes\n3,bob,30,m,no\n";
        (import_csv(csv.as_bytes(), &schema, &CsvOptions::default(), &key).unwrap().table, key)
    }

    fn correction(record: &str, column: &str, value: &str) -> Correction {
        Correction { record: record.into(), column: column.into(), value: value.into() }
    }

    #[test]
    fn only_the_units_own_values_change_and_within_their_bounds() {
        let (table, key) = table();
        let ann = key.subject("visits", "ann");
        let all = [correction("1", "age", "54"), correction("2", "sex", "f"), correction("1", "ill", "yes"), correction("2", "age", "56")];
        let (right, changed) = table.corrected(ann, &all).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(changed, 3, "one was right already");
        let texts = |table: &Table, row| table.row_texts(row).into_iter().map(|(_, v)| v).collect::<Vec<_>>();
        assert_eq!(texts(&right, 0), ["54", "f", "yes"]);
        assert_eq!(texts(&right, 1), ["56", "f", "yes"]);
        assert_eq!(texts(&right, 2), texts(&table, 2));
        for wrong in [
            correction("3", "age", "31"),
            correction("9", "age", "31"),
            correction("1", "age", "111"),
            correction("1", "age", ""),
            correction("1", "age", "NaN"),
            correction("1", "sex", "x"),
            correction("1", "weight", "70"),
            correction("1", "ill", "maybe"),
        ] {
            let why = table.corrected(ann, std::slice::from_ref(&wrong)).err().expect("refused").to_string();
            assert!(!why.contains(&wrong.value) || wrong.value.len() < 2, "{why}");
        }
        assert!(table.corrected(ann, &[correction("1", "sex", "")]).is_ok_and(|(t, n)| n == 1 && texts(&t, 0)[1].is_empty()));
    }
}

//! Whom an exclusion hits: the share of each declared group that was left out.

use crate::config::Config;
use reticent_data::{Domain, Feature, Table};
use reticent_proof::Permit;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// How many units of a group were left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct GroupExclusion {
    pub(crate) column: String,
    pub(crate) level: String,
    /// Units of the group.
    pub(crate) units: u64,
    /// Of those, left out.
    pub(crate) left_out: u64,
}

/// For each group that the data set declares: its units, and those that the permit leaves out. Groups by a special category are told only
/// where the purpose has a condition for that (Art 9). Empty where nobody is left out.
pub(crate) fn by_group(config: &Config, table: &Table, permit: &Permit, special_too: bool) -> Vec<GroupExclusion> {
    let schema = table.schema();
    let (Some(allowed), Some(data)) = (permit.allowed_units(), config.data.get(&schema.dataset)) else { return vec![] };
    let allowed: BTreeSet<&str> = allowed.iter().map(String::as_str).collect();
    let mut groups = vec![];
    for column in &data.groups {
        let Some(index) = schema.columns.iter().position(|c| c.name == *column) else { continue };
        if schema.columns[index].special.is_some() && !special_too {
            continue;
        }
        // The first row of a unit says its group.
        let mut seen = BTreeSet::new();
        let mut counts: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for (row, subject) in table.subjects().iter().enumerate().filter(|(_, s)| seen.insert(**s)) {
            let level = match (table.feature(index), &schema.columns[index].domain) {
                (Feature::Level(levels), Domain::Levels { levels: names, .. }) => {
                    names.get(levels[row] as usize).cloned().unwrap_or_else(|| "missing".into())
                }
                (Feature::Number(numbers), _) => if numbers[row] >= 0.5 { "1" } else { "0" }.to_owned(),
                (Feature::Level(_), Domain::Range { .. }) => continue,
            };
            let count = counts.entry(level).or_default();
            count.0 += 1;
            count.1 += u64::from(!allowed.contains(subject.to_string().as_str()));
        }
        groups.extend(counts.into_iter().map(|(level, (units, left_out))| GroupExclusion {
            column: column.clone(),
            level,
            units,
            left_out,
        }));
    }
    if groups.iter().all(|g| g.left_out == 0) { vec![] } else { groups }
}

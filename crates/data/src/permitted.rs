//! The only table that training, attacks and explanations accept.

use crate::{Error, SubjectId, Table};
use reticent_proof::Permit;
use std::collections::BTreeSet;

/// Rows covered by a [`Permit`]. There is no way to build one without a permit.
#[derive(Clone)]
pub struct PermittedTable {
    table: Table,
    permit: Permit,
}

impl PermittedTable {
    /// Keeps the rows of `table` whose unit the permit allows; `version` names the data version the rows come from.
    ///
    /// # Errors
    /// [`Error::OtherVersion`] where the permit was issued for another version.
    pub fn new(table: Table, version: &str, permit: Permit) -> Result<Self, Error> {
        if let Some(permitted) = permit.data_version()
            && permitted != version
        {
            return Err(Error::OtherVersion { permitted: permitted.into(), found: version.into() });
        }
        let table = match permit.allowed_units() {
            None => table,
            Some(units) => {
                let allowed: BTreeSet<&str> = units.iter().map(String::as_str).collect();
                table.filter(|id| allowed.contains(id.to_string().as_str()))
            }
        };
        Ok(Self { table, permit })
    }

    /// The rows.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// What permits their use.
    #[must_use]
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// The rows of some of the units, under the same permit.
    #[must_use]
    pub fn filter(&self, keep: impl Fn(SubjectId) -> bool) -> Self {
        Self { table: self.table.filter(keep), permit: self.permit.clone() }
    }

    /// The same rows with the features at these positions of the schema alone, in this order, under the same permit.
    ///
    /// # Panics
    /// Where a position is none of the schema.
    #[must_use]
    pub fn with_columns(&self, kept: &[usize]) -> Self {
        Self { table: self.table.with_columns(kept), permit: self.permit.clone() }
    }

    /// The same rows with the class of some units changed, under the same permit ([`Table::mislabelled`]).
    #[must_use]
    pub fn mislabelled(&self, units: &BTreeSet<SubjectId>) -> Self {
        Self { table: self.table.mislabelled(units), permit: self.permit.clone() }
    }
}

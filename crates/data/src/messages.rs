//! Texts and whose they are.

use crate::{Error, SubjectId};
use reticent_proof::Permit;
use std::collections::{BTreeMap, BTreeSet};

/// Texts by unit, in the order given. No `Debug`, no `Display`: a text never reaches a log by accident.
#[derive(Clone, Default)]
pub struct Messages {
    by_unit: BTreeMap<SubjectId, Vec<String>>,
}

impl FromIterator<(SubjectId, String)> for Messages {
    fn from_iter<I: IntoIterator<Item = (SubjectId, String)>>(rows: I) -> Self {
        let mut by_unit: BTreeMap<SubjectId, Vec<String>> = BTreeMap::new();
        for (subject, text) in rows {
            by_unit.entry(subject).or_default().push(text);
        }
        Self { by_unit }
    }
}

impl Messages {
    /// The units in the order of their ids, each with its texts.
    pub fn units(&self) -> impl Iterator<Item = (SubjectId, &[String])> {
        self.by_unit.iter().map(|(id, texts)| (*id, texts.as_slice()))
    }

    /// Number of units.
    #[must_use]
    pub fn unit_count(&self) -> usize {
        self.by_unit.len()
    }

    /// Number of texts.
    #[must_use]
    pub fn count(&self) -> usize {
        self.by_unit.values().map(Vec::len).sum()
    }

    /// Every text replaced by what `change` makes of it.
    #[must_use]
    pub fn map(&self, change: impl Fn(&str) -> String) -> Self {
        Self { by_unit: self.by_unit.iter().map(|(id, texts)| (*id, texts.iter().map(|t| change(t)).collect())).collect() }
    }
}

/// Texts covered by a [`Permit`]. There is no way to build one without a permit.
#[derive(Clone)]
pub struct PermittedMessages {
    messages: Messages,
    permit: Permit,
}

impl PermittedMessages {
    /// Keeps the texts whose unit the permit allows; `version` names the data version they come from.
    ///
    /// # Errors
    /// [`Error::OtherVersion`] where the permit was issued for another version.
    pub fn new(mut messages: Messages, version: &str, permit: Permit) -> Result<Self, Error> {
        if let Some(permitted) = permit.data_version()
            && permitted != version
        {
            return Err(Error::OtherVersion { permitted: permitted.into(), found: version.into() });
        }
        if let Some(units) = permit.allowed_units() {
            let allowed: BTreeSet<&str> = units.iter().map(String::as_str).collect();
            messages.by_unit.retain(|id, _| allowed.contains(id.to_string().as_str()));
        }
        Ok(Self { messages, permit })
    }

    /// The texts.
    #[must_use]
    pub fn messages(&self) -> &Messages {
        &self.messages
    }

    /// What permits their use.
    #[must_use]
    pub fn permit(&self) -> &Permit {
        &self.permit
    }
}

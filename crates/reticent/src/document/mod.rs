//! Documents as views of evidence: one set of facts, three forms (page, JSON, Markdown), one content hash.
//!
//! A line says what it rests on and which ledger events it was read from; what people wrote carries their name. What is missing is said, and
//! never filled in.

mod cnil;
mod gather;
mod kinds;
mod markdown;
mod page;

pub(crate) use cnil::{export as export_cnil, import as import_cnil};
pub(crate) use gather::{art6_in_words, day, period};
pub(crate) use kinds::{About, Kind, document};

use crate::assessment::{Cited, Fact};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// A document.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Document {
    /// `ropa`, `access` and the like.
    pub(crate) kind: String,
    pub(crate) title: String,
    /// Who answers for it.
    pub(crate) controller: String,
    /// What is real in the workspace and what is not, as declared.
    pub(crate) statement: Option<String>,
    /// Printed large where the workspace is an experiment.
    pub(crate) stamp: Option<String>,
    /// What a reader should know first.
    pub(crate) lead: String,
    pub(crate) sections: Vec<Section>,
    /// The events it cites, by number.
    pub(crate) events: Vec<Cited>,
    /// SHA-256 of all the above as JSON: the same in each form.
    pub(crate) sha256: String,
}

/// A part of a document under a heading.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Section {
    pub(crate) id: String,
    pub(crate) heading: String,
    pub(crate) blocks: Vec<Block>,
}

/// What a part is made of.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Block {
    Text(String),
    /// A smaller heading.
    Heading(String),
    /// Name and value, with what it rests on.
    Facts(Vec<Fact>),
    List(Vec<String>),
    Table {
        head: Vec<String>,
        rows: Vec<Vec<String>>,
    },
    /// What people still have to write or decide.
    Missing(String),
}

impl Section {
    pub(crate) fn new(id: &str, heading: &str, blocks: Vec<Block>) -> Self {
        Self { id: id.into(), heading: heading.into(), blocks }
    }
}

impl Document {
    /// With its content hash.
    pub(crate) fn sealed(self) -> Self {
        let open = Self { sha256: String::new(), ..self };
        let sha256 = hex::encode(Sha256::digest(serde_json::to_vec(&open).expect("plain data has JSON")));
        Self { sha256, ..open }
    }

    pub(crate) fn html(&self) -> String {
        page::render(self)
    }

    pub(crate) fn markdown(&self) -> String {
        markdown::render(self)
    }

    pub(crate) fn json(&self) -> String {
        format!("{:#}\n", serde_json::json!(self))
    }

    /// What is missing in it.
    pub(crate) fn missing(&self) -> Vec<&str> {
        let blocks = self.sections.iter().flat_map(|s| &s.blocks);
        blocks.filter_map(|b| if let Block::Missing(text) = b { Some(text.as_str()) } else { None }).collect()
    }
}

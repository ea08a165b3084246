//! Tables with a schema: columns, public bounds, record and subject ids; CSV in, versioned Parquet out. No models.
//!
//! A row enters through [`import_csv`], which checks every value against the declared [`Schema`] and replaces whoever it
//! belongs to by a keyed pseudonym ([`SubjectId`]). What a model may see is a [`PermittedTable`]: the rows a
//! [`reticent_proof::Permit`] covers, and no constructor without one. [`Units`] groups those rows by unit of privacy and applies the public cap once;
//! [`encode`] turns values into model inputs by the declared bounds alone.
//!
//! ```
//! use reticent_data::*;
//! let schema = Schema {
//!     dataset: "visits".into(),
//!     subject: SubjectRule::Column("patient".into()),
//!     unit: "person".into(),
//!     record: None,
//!     target: Target { column: "ill".into(), classes: Classes::Levels(vec!["no".into(), "yes".into()]) },
//!     columns: vec![Column { name: "age".into(), domain: Domain::Range { min: 0.0, max: 110.0, missing: None }, special: None }],
//!     dropped: Dropped::AllOthers,
//!     missing: vec![],
//! };
//! let csv = "patient,age,ill\nann,55,no\nann,56,yes\nbob,30,no\n";
//! let imported = import_csv(csv.as_bytes(), &schema, &CsvOptions::default(), &PseudonymKey::from_bytes([7; 32]))?;
//! assert_eq!((imported.table.rows(), imported.table.unit_count()), (3, 2));
//! # Ok::<(), reticent_data::Error>(())
//! ```

mod correct;
mod encode;
mod error;
mod import;
mod manifest;
mod messages;
mod parquet_file;
mod parquet_text;
mod permitted;
mod pseudonym;
mod schema;
mod split;
mod table;

pub use correct::Correction;
pub use encode::{Encoded, encode};
pub use error::{Error, Problem, ProblemKind};
pub use import::{CsvOptions, Imported, import_csv, import_features};
pub use manifest::{Counts, Manifest, Source, rows_digest};
pub use messages::{Messages, PermittedMessages};
pub use parquet_file::{read_parquet, write_parquet};
pub use parquet_text::{PARQUET_MAGIC, ParquetRows};
pub use permitted::PermittedTable;
pub use pseudonym::{PseudonymKey, SubjectId};
pub use schema::*;
pub use split::{Split, is_in_test, split_by_unit};
pub use table::{Feature, Table, Units};

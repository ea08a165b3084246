//! Versions of a data set on disk: `.reticent/data/NAME/vN/{table.parquet, manifest.json}`.

use crate::disk;
use crate::failure::Failure;
use crate::workspace::Workspace;
use reticent_data::{Manifest, Table, rows_digest};
use reticent_govern::Event;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A version that is on record.
pub(crate) struct DataVersion {
    pub(crate) manifest: Manifest,
    pub(crate) table: Table,
}

/// The folder of a version such as `visits/v1`.
pub(crate) fn folder(workspace: &Workspace, version: &str) -> PathBuf {
    workspace.hidden("data").join(version)
}

/// The newest version on record of a data set, if any.
pub(crate) fn latest_manifest(workspace: &mut Workspace, dataset: &str) -> Result<Option<Manifest>, Failure> {
    let Some((version, _)) = newest(workspace, dataset)? else { return Ok(None) };
    read_manifest(workspace, &version).map(Some)
}

/// The newest version on record and the digest of its rows.
fn newest(workspace: &mut Workspace, dataset: &str) -> Result<Option<(String, String)>, Failure> {
    Ok(workspace.ledger.events("data-imported")?.into_iter().rev().find_map(|stored| match stored.event {
        Event::DataImported { version, rows_digest, .. } if version.split('/').next() == Some(dataset) => Some((version, rows_digest)),
        _ => None,
    }))
}

pub(crate) fn read_manifest(workspace: &Workspace, version: &str) -> Result<Manifest, Failure> {
    let path = folder(workspace, version).join("manifest.json");
    serde_json::from_str(&disk::read_text(&path)?).map_err(|e| Failure::failed(format!("{} is damaged: {e}", path.display())))
}

/// Loads the newest version, refusing one that was imported under another schema than reticent.toml declares now.
pub(crate) fn load_latest(workspace: &mut Workspace, dataset: &str) -> Result<DataVersion, Failure> {
    let Some((version, recorded)) = newest(workspace, dataset)? else {
        return Err(Failure::usage(format!("the data set `{dataset}` has not been imported")).hint("run `reticent import`"));
    };
    let manifest = read_manifest(workspace, &version)?;
    let declared = workspace.config.data_schema(dataset).map_err(|e| Failure::usage(e.to_string()).hint(e.hint))?;
    if declared != manifest.schema {
        return Err(Failure::refused(format!("reticent.toml declares other columns than {} was imported with", manifest.version))
            .hint("run `reticent import` to make a new version under the present declaration"));
    }
    let table = reticent_data::read_parquet(&folder(workspace, &manifest.version).join("table.parquet"), &declared)?;
    // An interrupted run goes on with its noise only on the very same rows: another sum under it would cancel the noise.
    let keys = workspace.ledger.subject_keys(&units(&table).into_keys().collect::<Vec<_>>())?;
    let found = hex::encode(rows_digest(&table, |id| &keys[&id.to_string()]));
    if found != manifest.rows_digest || found != recorded {
        return Err(Failure::refused(format!("the rows of {} are not those that were imported", manifest.version))
            .hint("bring back .reticent/data from where you keep a copy, or change the source file and import it as a new version"));
    }
    Ok(DataVersion { manifest, table })
}

/// Units of a table by pseudonym, with their number of rows.
pub(crate) fn units(table: &Table) -> BTreeMap<String, u64> {
    let mut units = BTreeMap::new();
    for subject in table.subjects() {
        *units.entry(subject.to_string()).or_default() += 1;
    }
    units
}

//! Versions of a data set on disk: `.reticent/data/NAME/vN/{table.parquet, manifest.json}`.

use crate::disk;
use crate::failure::Failure;
use crate::workspace::Workspace;
use reticent_data::{Manifest, Table};
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
    let newest = workspace.ledger.events("data-imported")?.into_iter().rev().find_map(|stored| match stored.event {
        Event::DataImported { version, .. } if version.split('/').next() == Some(dataset) => Some(version),
        _ => None,
    });
    let Some(version) = newest else { return Ok(None) };
    read_manifest(workspace, &version).map(Some)
}

pub(crate) fn read_manifest(workspace: &Workspace, version: &str) -> Result<Manifest, Failure> {
    let path = folder(workspace, version).join("manifest.json");
    serde_json::from_str(&disk::read_text(&path)?).map_err(|e| Failure::failed(format!("{} is damaged: {e}", path.display())))
}

/// Loads the newest version, refusing one that was imported under another schema than reticent.toml declares now.
pub(crate) fn load_latest(workspace: &mut Workspace, dataset: &str) -> Result<DataVersion, Failure> {
    let Some(manifest) = latest_manifest(workspace, dataset)? else {
        return Err(Failure::usage(format!("the data set `{dataset}` has not been imported")).hint("run `reticent import`"));
    };
    let declared = workspace.config.data_schema(dataset).map_err(|e| Failure::usage(e.to_string()).hint(e.hint))?;
    if declared != manifest.schema {
        return Err(Failure::refused(format!("reticent.toml declares other columns than {} was imported with", manifest.version))
            .hint("run `reticent import` to make a new version under the present declaration"));
    }
    let table = reticent_data::read_parquet(&folder(workspace, &manifest.version).join("table.parquet"), &declared)?;
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

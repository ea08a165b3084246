//! Versions of a data set on disk: `.reticent/data/NAME/vN/{table.parquet, manifest.json}`.

use crate::disk;
use crate::erasure;
use crate::failure::Failure;
use crate::workspace::Workspace;
use reticent_data::{Correction, Manifest, SubjectId, Table, rows_digest};
use reticent_govern::{Event, GroundThen};
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
    Ok(versions(workspace, dataset)?.pop())
}

/// Every version on record and the digest of its rows, oldest first.
fn versions(workspace: &mut Workspace, dataset: &str) -> Result<Vec<(String, String)>, Failure> {
    let mut all = vec![];
    for kind in ["data-imported", "data-reduced", "data-corrected"] {
        for stored in workspace.ledger.events(kind)? {
            let (Event::DataImported { version, rows_digest, .. }
            | Event::DataReduced { version, rows_digest, .. }
            | Event::DataCorrected { version, rows_digest, .. }) = stored.event
            else {
                continue;
            };
            if version.split('/').next() == Some(dataset) {
                all.push((stored.seq, version, rows_digest));
            }
        }
    }
    all.sort_unstable();
    Ok(all.into_iter().map(|(_, version, rows_digest)| (version, rows_digest)).collect())
}

/// Since when the rows of a version are held, seconds since 1970: by the ledger, and for a version without somebody, since they came in.
pub(crate) fn held_since(workspace: &mut Workspace, version: &str) -> Result<Option<i64>, Failure> {
    let mut came_from = BTreeMap::new();
    for kind in ["data-reduced", "data-corrected"] {
        for stored in workspace.ledger.events(kind)? {
            if let Event::DataReduced { version, from, .. } | Event::DataCorrected { version, from, .. } = stored.event {
                came_from.insert(version, from);
            }
        }
    }
    // A chain is never longer than its links.
    let mut first = version;
    for _ in 0..came_from.len() {
        first = came_from.get(first).map_or(first, String::as_str);
    }
    Ok(workspace.ledger.events("data-imported")?.into_iter().find_map(|stored| match &stored.event {
        Event::DataImported { version, .. } if version == first => {
            stored.at.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second)
        }
        _ => None,
    }))
}

/// The name of the next version.
pub(crate) fn next_version(workspace: &mut Workspace, dataset: &str) -> Result<String, Failure> {
    Ok(format!("{dataset}/v{}", versions(workspace, dataset)?.len() + 1))
}

/// Tables of a data set that lie on the disk: the version's name and the file; the newest on record is last.
pub(crate) fn tables_on_disk(workspace: &mut Workspace, dataset: &str) -> Result<Vec<(String, PathBuf)>, Failure> {
    let newest = newest(workspace, dataset)?.map(|(version, _)| version);
    let home = workspace.hidden("data").join(dataset);
    let mut found = vec![];
    for entry in std::fs::read_dir(&home).into_iter().flatten() {
        let folder = entry.map_err(|e| disk::io("list", &home, &e))?.path();
        let version = format!("{dataset}/{}", folder.file_name().unwrap_or_default().to_string_lossy());
        for name in ["table.parquet", "table.parquet.tmp"] {
            if folder.join(name).exists() {
                found.push((version.clone(), folder.join(name)));
            }
        }
    }
    found.sort_by_key(|(version, file)| (Some(version) == newest.as_ref(), file.clone()));
    Ok(found)
}

/// Rows of the units for which `gone` holds, in a table on the disk. One that cannot be read any more counts none.
pub(crate) fn rows_of(workspace: &Workspace, version: &str, gone: impl Fn(SubjectId) -> bool) -> Result<u64, Failure> {
    let Ok(manifest) = read_manifest(workspace, version) else { return Ok(0) };
    let path = folder(workspace, version).join("table.parquet");
    if !path.exists() {
        return Ok(0);
    }
    let table = reticent_data::read_parquet(&path, &manifest.schema)?;
    Ok(table.subjects().iter().filter(|id| gone(**id)).count() as u64)
}

/// Writes the newest version again without the units for which `gone` holds, as a version of its own, where it holds any; then deletes the
/// tables before it. The manifests stay: they hold counts and salted digests.
pub(crate) fn reduce(workspace: &mut Workspace, dataset: &str, gone: impl Fn(SubjectId) -> bool) -> Result<Option<Manifest>, Failure> {
    let Some((from, _)) = newest(workspace, dataset)? else { return Ok(None) };
    let before = read_manifest(workspace, &from)?;
    let table = reticent_data::read_parquet(&folder(workspace, &from).join("table.parquet"), &before.schema)?;
    let table = {
        let kept = table.filter(|id| !gone(id));
        if kept.rows() == table.rows() { None } else { Some(kept) }
    };
    let newest = match table {
        None => before,
        Some(kept) => {
            let counted = units(&kept);
            let keys = workspace.ledger.subject_keys(&counted.keys().cloned().collect::<Vec<_>>())?;
            let manifest = Manifest {
                version: next_version(workspace, dataset)?,
                imported_at: jiff::Timestamp::now().to_string(),
                counts: reticent_data::Counts { records: kept.rows() as u64, units: counted.len() as u64, ..before.counts },
                rows_digest: hex::encode(rows_digest(&kept, |id| &keys[&id.to_string()])),
                ..before
            };
            store(workspace, &manifest, &kept)?;
            record_members(workspace, &manifest.version, counted.into_keys().collect())?;
            workspace.append(&Event::DataReduced {
                version: manifest.version.clone(),
                from,
                records: manifest.counts.records,
                units: manifest.counts.units,
                rows_digest: manifest.rows_digest.clone(),
            })?;
            manifest
        }
    };
    delete_tables_before(workspace, dataset)?;
    Ok(Some(newest))
}

/// Writes the newest version again with values of one unit put right, as a version of its own, where that changes any; then deletes the tables
/// before it. Gives the version that holds the right values and how many were changed; nothing where the unit has no row.
pub(crate) fn correct(
    workspace: &mut Workspace,
    dataset: &str,
    unit: SubjectId,
    corrections: &[Correction],
    request: u64,
) -> Result<Option<(String, u64)>, Failure> {
    let DataVersion { manifest: before, table } = load_latest(workspace, dataset)?;
    if !table.subjects().contains(&unit) || corrections.is_empty() {
        return Ok(None);
    }
    let (right, values) = table.corrected(unit, corrections)?;
    let version = if values == 0 {
        before.version
    } else {
        let counted = units(&right);
        let keys = workspace.ledger.subject_keys(&counted.keys().cloned().collect::<Vec<_>>())?;
        let from = before.version.clone();
        let manifest = Manifest {
            version: next_version(workspace, dataset)?,
            imported_at: jiff::Timestamp::now().to_string(),
            rows_digest: hex::encode(rows_digest(&right, |id| &keys[&id.to_string()])),
            ..before
        };
        store(workspace, &manifest, &right)?;
        record_members(workspace, &manifest.version, counted.into_keys().collect())?;
        let (version, rows_digest) = (manifest.version, manifest.rows_digest);
        workspace.append(&Event::DataCorrected { version: version.clone(), from, request, values, rows_digest })?;
        version
    };
    delete_tables_before(workspace, dataset)?;
    Ok(Some((version, values)))
}

/// Deletes every table of a data set but the newest on record.
pub(crate) fn delete_tables_before(workspace: &mut Workspace, dataset: &str) -> Result<(), Failure> {
    let Some((newest, _)) = newest(workspace, dataset)? else { return Ok(()) };
    for (version, file) in tables_on_disk(workspace, dataset)? {
        if version != newest || file.extension().is_some_and(|e| e == "tmp") {
            disk::shred(&file)?;
        }
    }
    Ok(())
}

/// Deletes the tables that an interrupted import left and no event tells of: nobody would look for anybody there.
pub(crate) fn delete_unrecorded_tables(workspace: &mut Workspace, dataset: &str) -> Result<(), Failure> {
    let on_disk = tables_on_disk(workspace, dataset)?;
    let recorded: Vec<String> = versions(workspace, dataset)?.into_iter().map(|(version, _)| version).collect();
    on_disk.iter().filter(|(version, _)| !recorded.contains(version)).try_for_each(|(_, file)| disk::shred(file))
}

/// Who is in a version, for whoever asks later what somebody was part of.
pub(crate) fn record_members(workspace: &mut Workspace, version: &str, units: Vec<String>) -> Result<(), Failure> {
    let members = [(GroundThen::asserted("imported"), units)].into();
    Ok(workspace.ledger.record_members(version, &members)?)
}

/// Puts a version's files in place. Files first, event last: a version that is on record is whole, and one that is not is written over.
pub(crate) fn store(workspace: &Workspace, manifest: &Manifest, table: &Table) -> Result<(), Failure> {
    let place = folder(workspace, &manifest.version);
    disk::create_folder(&place)?;
    reticent_data::write_parquet(table, &place.join("table.parquet"))?;
    disk::write(&place.join("manifest.json"), format!("{:#}\n", serde_json::json!(manifest)).as_bytes())
}

pub(crate) fn read_manifest(workspace: &Workspace, version: &str) -> Result<Manifest, Failure> {
    let path = folder(workspace, version).join("manifest.json");
    serde_json::from_str(&disk::read_text(&path)?).map_err(|e| Failure::failed(format!("{} is damaged: {e}", path.display())))
}

/// Loads the newest version, first taking out of it whoever is on the list of suppressed units, and refusing one that was imported under another schema than reticent.toml declares now.
pub(crate) fn load_latest(workspace: &mut Workspace, dataset: &str) -> Result<DataVersion, Failure> {
    erasure::reapply_to_data(workspace, dataset)?;
    load_newest(workspace, dataset)
}

/// Loads the newest version as it lies there, whoever is in it.
pub(crate) fn load_newest(workspace: &mut Workspace, dataset: &str) -> Result<DataVersion, Failure> {
    let Some((version, recorded)) = newest(workspace, dataset)? else {
        return Err(Failure::usage(format!("the data set `{dataset}` has not been imported")).hint("run `reticent import`"));
    };
    let manifest = read_manifest(workspace, &version)?;
    let declared = workspace.config.data_schema(dataset).map_err(|e| Failure::usage(e.to_string()).hint(e.hint))?;
    if declared != manifest.schema {
        return Err(Failure::refused(format!("reticent.toml declares other columns than {} was imported with", manifest.version))
            .hint("run `reticent import` to make a new version under the present declaration"));
    }
    let path = folder(workspace, &manifest.version).join("table.parquet");
    if !path.exists() && !workspace.ledger.events("retention-enforced")?.is_empty() {
        return Err(Failure::refused(format!("the rows of {} were removed: their retention is over", manifest.version))
            .hint("import newer rows as a new version"));
    }
    let table = reticent_data::read_parquet(&path, &declared)?;
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

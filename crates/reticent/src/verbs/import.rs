//! `import`: CSV to a checked, versioned table, quarantined until basis events are known.

use crate::cli::Common;
use crate::data_version::{folder, latest_manifest, next_version, record_members, store, units};
use crate::disk;
use crate::failure::Failure;
use crate::output::{Answer, thousands};
use crate::request::reapply_corrections;
use crate::workspace::Workspace;
use clap::Args;
use reticent_data::{Counts, CsvOptions, Manifest, Source, import_csv, rows_digest};
use reticent_govern::Event;
use reticent_proof::Count;
use serde_json::json;

#[derive(Args)]
#[command(
    after_help = "A changed file becomes a new version; an unchanged one is left alone.\nBounds and levels come from reticent.toml: what lies outside is an error, told by column, count and line, never by value."
)]
pub(crate) struct Import {
    /// Only this data set [default: all]
    dataset: Option<String>,
    /// Move numbers outside their bounds to the nearest bound, and say how many
    #[arg(long)]
    clamp: bool,
}

impl Import {
    pub(crate) fn run(&self, common: &Common) -> Result<Answer, Failure> {
        let mut workspace = Workspace::write(&common.dir)?;
        let names: Vec<String> = workspace.config.data.keys().cloned().collect();
        if let Some(wanted) = &self.dataset
            && !names.contains(wanted)
        {
            return Err(
                Failure::usage(format!("no data set is called `{wanted}`")).hint(format!("reticent.toml declares: {}", names.join(", ")))
            );
        }
        let mut text = String::new();
        let mut imported = vec![];
        for name in names.iter().filter(|n| self.dataset.as_ref().is_none_or(|w| w == *n)) {
            let (line, manifest, suppressed) = self.import(&mut workspace, name)?;
            text += &line;
            imported.push(json!({ "version": manifest.version, "records": manifest.counts.records, "units": manifest.counts.units,
                "folder": folder(&workspace, &manifest.version), "rows_digest": manifest.rows_digest, "suppressed": suppressed }));
        }
        workspace.publish()?;
        Ok(Answer::new(text, json!({ "imported": imported })))
    }

    fn import(&self, workspace: &mut Workspace, name: &str) -> Result<(String, Manifest, Count), Failure> {
        let schema = workspace.config.data_schema(name).map_err(|e| Failure::usage(e.to_string()).hint(e.hint))?;
        let data = workspace.config.data[name].clone();
        let path = workspace.dir.join(&data.file);
        let bytes = std::fs::read(&path).map_err(|e| disk::io("read", &path, &e).hint("`file` in reticent.toml is relative to it"))?;
        let key = workspace.pseudonym_key()?;
        let source = Source {
            file: path.file_name().unwrap_or_default().to_string_lossy().into(),
            bytes: bytes.len() as u64,
            keyed_digest: hex::encode(key.keyed_digest(&[b"file", &bytes])),
        };
        let suppression = workspace.suppression()?;
        let same = latest_manifest(workspace, name)?.filter(|last| last.source == source && last.schema == schema);
        // With somebody on the list the file is read again: it may hold them still, and that is worth telling.
        if let Some(last) = same.clone().filter(|_| suppression.is_empty()) {
            return Ok((unchanged(&last), last, Count::default()));
        }
        let options = CsvOptions { delimiter: data.delimiter as u8, names: (!data.header).then(|| data.names.clone()), clamp: self.clamp };
        let statement = workspace.config.statement.clone();
        let imported = import_csv(&bytes[..], &schema, &options, &key)?;
        let table = imported.table.filter(|id| !suppression.holds_id(name, id));
        let (table, put_right) = reapply_corrections(workspace, name, table)?;
        let suppressed = Count {
            units: (imported.table.unit_count() - table.unit_count()) as u64,
            records: (imported.table.rows() - table.rows()) as u64,
        };
        let left_out = match suppressed.units {
            0 => String::new(),
            1 => format!("  left out: 1 unit that was taken out before, {} records\n", thousands(suppressed.records)),
            units => {
                format!("  left out: {} units that were taken out before, {} records\n", thousands(units), thousands(suppressed.records))
            }
        };
        let left_out = match put_right {
            0 => left_out,
            values => format!("{left_out}  put right again, as requests had it: {} values\n", thousands(values)),
        };
        if table.rows() == 0 {
            return Err(Failure::refused(format!("nobody is left in {}: all of its units were taken out before", source.file)));
        }
        let counted = units(&table);
        let keys = workspace.ledger.subject_keys(&counted.keys().cloned().collect::<Vec<_>>())?;
        let digest = hex::encode(rows_digest(&table, |id| &keys[&id.to_string()]));
        if let Some(last) = same.filter(|last| last.rows_digest == digest) {
            return Ok((unchanged(&last) + &left_out, last, suppressed));
        }
        let version = next_version(workspace, name)?;
        let manifest = Manifest {
            schema_version: 1,
            version: version.clone(),
            imported_at: jiff::Timestamp::now().to_string(),
            statement,
            source,
            schema,
            counts: Counts { records: table.rows() as u64, units: counted.len() as u64, clamped: imported.clamped },
            rows_digest: digest,
        };
        store(workspace, &manifest, &table)?;
        record_members(workspace, &version, counted.into_keys().collect())?;
        workspace.append(&Event::DataImported {
            version: version.clone(),
            records: manifest.counts.records,
            units: manifest.counts.units,
            rows_digest: manifest.rows_digest.clone(),
        })?;
        let clamped = if imported.clamped > 0 {
            format!(", {} numbers moved to their nearest bound", thousands(imported.clamped))
        } else {
            String::new()
        };
        let noun = if manifest.schema.unit == "row" {
            "unit of privacy: the row".to_owned()
        } else {
            format!("{} × {}", thousands(manifest.counts.units), manifest.schema.unit)
        };
        let line = format!(
            "{version}: {} records, {noun}{clamped}; quarantined until basis events are known\n",
            thousands(manifest.counts.records)
        );
        Ok((line + &left_out, manifest, suppressed))
    }
}

fn unchanged(last: &Manifest) -> String {
    format!("{} is unchanged: {} records\n", last.version, thousands(last.counts.records))
}

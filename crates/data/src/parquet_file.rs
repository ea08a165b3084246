//! A version on disk: one Parquet file that other tools read too, durable before it is visible.

use crate::error::io;
use crate::{Classes, Domain, Error, Feature, Schema, SubjectId, Table};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, UInt32Type};
use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{DataType, Field, Schema as ArrowSchema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

const RECORD: &str = "reticent.record";
const SUBJECT: &str = "reticent.subject";
const CLASS: &str = "reticent.class";

/// Writes the table to `path`: to a temporary name first, flushed to the disk, then renamed.
///
/// # Errors
/// [`Error::Io`], [`Error::Stored`].
pub fn write_parquet(table: &Table, path: &Path) -> Result<(), Error> {
    let batch = to_batch(table).map_err(|e| stored(path, e))?;
    let temporary = path.with_extension("parquet.tmp");
    let file = File::create(&temporary).map_err(io(format!("cannot create {}", temporary.display())))?;
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).map_err(|e| stored(path, e))?;
    writer.write(&batch).map_err(|e| stored(path, e))?;
    let file = writer.into_inner().map_err(|e| stored(path, e))?;
    file.sync_all().map_err(io(format!("cannot flush {}", temporary.display())))?;
    std::fs::rename(&temporary, path).map_err(io(format!("cannot rename {}", temporary.display())))?;
    if let Some(folder) = path.parent() {
        File::open(folder).and_then(|f| f.sync_all()).map_err(io(format!("cannot flush {}", folder.display())))?;
    }
    Ok(())
}

/// Reads a table written by [`write_parquet`] back under its schema.
///
/// # Errors
/// [`Error::Io`]; [`Error::Stored`] where the file is damaged or does not fit the schema.
pub fn read_parquet(path: &Path, schema: &Schema) -> Result<Table, Error> {
    // The Parquet reader asserts what a damaged file need not keep: its panics are the file's fault.
    std::panic::catch_unwind(|| read(path, schema)).unwrap_or_else(|_| Err(stored(path, "is damaged")))
}

fn read(path: &Path, schema: &Schema) -> Result<Table, Error> {
    let file = File::open(path).map_err(io(format!("cannot open {}", path.display())))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).and_then(|b| b.build()).map_err(|e| stored(path, e))?;
    let mut table = Table {
        schema: schema.clone(),
        records: vec![],
        subjects: vec![],
        features: schema
            .columns
            .iter()
            .map(|c| if let Domain::Range { .. } = c.domain { Feature::Number(vec![]) } else { Feature::Level(vec![]) })
            .collect(),
        target: vec![],
    };
    for batch in reader {
        append(&mut table, &batch.map_err(|e| stored(path, e))?).map_err(|why| stored(path, why))?;
    }
    Ok(table)
}

fn stored(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::Stored { file: path.file_name().unwrap_or_default().to_string_lossy().into(), why: why.to_string() }
}

fn to_batch(table: &Table) -> Result<RecordBatch, arrow_schema::ArrowError> {
    let mut fields = vec![Field::new(RECORD, DataType::Utf8, false), Field::new(SUBJECT, DataType::Utf8, false)];
    let mut arrays: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(&table.records)),
        Arc::new(StringArray::from_iter_values(table.subjects.iter().map(ToString::to_string))),
    ];
    for (column, feature) in table.schema.columns.iter().zip(&table.features) {
        match (&column.domain, feature) {
            (Domain::Levels { levels, .. }, Feature::Level(values)) => {
                fields.push(Field::new(&column.name, DataType::Utf8, true));
                // The position after the last level means "missing": null in the file.
                arrays.push(Arc::new(StringArray::from_iter(values.iter().map(|&v| levels.get(v as usize)))));
            }
            (_, Feature::Number(values)) => {
                fields.push(Field::new(&column.name, DataType::Float64, false));
                arrays.push(Arc::new(Float64Array::from_iter_values(values.iter().copied())));
            }
            _ => unreachable!("a table's features follow its schema"),
        }
    }
    fields.push(Field::new(CLASS, DataType::UInt32, false));
    arrays.push(Arc::new(UInt32Array::from_iter_values(table.target.iter().copied())));
    RecordBatch::try_new(Arc::new(ArrowSchema::new(fields)), arrays)
}

fn append(table: &mut Table, batch: &RecordBatch) -> Result<(), String> {
    let column = |name: &str| batch.column_by_name(name).ok_or_else(|| format!("lacks the column `{name}`"));
    let strings = |name: &str| column(name)?.as_string_opt::<i32>().ok_or_else(|| format!("column `{name}` is not text"));
    for (record, subject) in strings(RECORD)?.iter().zip(strings(SUBJECT)?) {
        table.records.push(record.ok_or("has an empty record id")?.to_owned());
        table.subjects.push(subject.ok_or("has an empty subject id")?.parse::<SubjectId>().map_err(|e| e.to_string())?);
    }
    for (declared, feature) in table.schema.columns.iter().zip(&mut table.features) {
        let name = &declared.name;
        match (&declared.domain, feature) {
            (Domain::Range { min, max, .. }, Feature::Number(values)) => {
                let array = column(name)?.as_primitive_opt::<Float64Type>().ok_or_else(|| format!("column `{name}` is not a number"))?;
                if array.null_count() > 0 || array.values().iter().any(|v| !(*min..=*max).contains(v)) {
                    return Err(format!("column `{name}` does not fit its declared bounds"));
                }
                values.extend(array.values());
            }
            (Domain::Levels { levels, missing }, Feature::Level(values)) => {
                for text in strings(name)? {
                    let level = match text {
                        Some(text) => levels.iter().position(|l| l == text),
                        None => missing.then_some(levels.len()),
                    };
                    values.push(level.ok_or_else(|| format!("column `{name}` does not fit its declared levels"))? as u32);
                }
            }
            _ => unreachable!("made to follow the schema"),
        }
    }
    let classes = match &table.schema.target.classes {
        Classes::Levels(levels) => levels.len() as u32,
        Classes::AtLeast(_) => 2,
    };
    let target = column(CLASS)?.as_primitive_opt::<UInt32Type>().ok_or("has no class column")?;
    if target.null_count() > 0 || target.values().iter().any(|&c| c >= classes) {
        return Err("has a class that the schema does not declare".into());
    }
    table.target.extend(target.values());
    Ok(())
}

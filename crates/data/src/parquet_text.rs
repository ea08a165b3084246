//! Rows of a Parquet file of any make, each cell as the text that a CSV file would hold.

use crate::Error;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use csv::ByteRecord;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::basic::Compression;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a Parquet file begins with.
pub const PARQUET_MAGIC: &[u8; 4] = b"PAR1";

/// A Parquet file of any make, read row by row. No `Debug`: rows are about somebody.
///
/// Whole and floating-point numbers, true/false, text and bytes are read; an empty cell is an empty text, and a number is written so that it
/// reads back as the same one (a single-precision number as the double-precision number that it equals).
pub struct ParquetRows {
    reader: ParquetRecordBatchReader,
    header: Vec<String>,
    unread: Vec<(String, String)>,
    batch: Option<RecordBatch>,
    next: usize,
}

impl ParquetRows {
    /// Opens a file that [begins](PARQUET_MAGIC) like one of Parquet.
    ///
    /// # Errors
    /// [`Error::Stored`] where it is damaged, or compressed by something else than snappy, gzip or zstd.
    pub fn open(file: File) -> Result<Self, Error> {
        let opened = guarded(|| {
            // Without the writer's own hints a column has the type of the file: categories come as text.
            let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
            let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).ok()?;
            let columns = builder.metadata().row_groups().iter().flat_map(|group| group.columns());
            if let Some(other) = columns.map(|column| column.compression()).find(|compression| !is_opened(*compression)) {
                return Some(Err(stored(&format!("it is compressed by {other}: snappy, gzip and zstd are read"))));
            }
            let fields = builder.schema().fields().clone();
            let (read, not): (Vec<usize>, Vec<usize>) = (0..fields.len()).partition(|&at| is_read(fields[at].data_type()));
            let mask = ProjectionMask::roots(builder.parquet_schema(), read.iter().copied());
            let reader = builder.with_projection(mask).build().ok()?;
            let header = read.iter().map(|&at| fields[at].name().clone()).collect();
            let unread = not.iter().map(|&at| (fields[at].name().clone(), fields[at].data_type().to_string())).collect();
            Some(Ok(Self { reader, header, unread, batch: None, next: 0 }))
        });
        opened?
    }

    /// Names of the columns that are read.
    #[must_use]
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// Names and types of the others: dates, lists and whatever else is none of the types above.
    #[must_use]
    pub fn unread(&self) -> &[(String, String)] {
        &self.unread
    }

    /// Puts the next row into `cells`; `false` after the last.
    ///
    /// # Errors
    /// [`Error::Stored`] where the file is damaged; nothing can be read after that.
    pub fn read(&mut self, cells: &mut ByteRecord) -> Result<bool, Error> {
        while self.batch.as_ref().is_none_or(|batch| self.next >= batch.num_rows()) {
            let reader = &mut self.reader;
            let batch = guarded(|| match reader.next() {
                None => Some(None),
                Some(batch) => batch.ok().map(Some),
            })?;
            let Some(batch) = batch else { return Ok(false) };
            (self.batch, self.next) = (Some(batch), 0);
        }
        cells.clear();
        if let Some(batch) = &self.batch {
            batch.columns().iter().for_each(|column| push(cells, column, self.next));
        }
        self.next += 1;
        Ok(true)
    }
}

/// The Parquet reader asserts what a damaged file need not keep: its panics are the file's fault.
fn guarded<T>(read: impl FnOnce() -> Option<T>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(read)).ok().flatten().ok_or_else(|| stored("it is damaged, or cut short"))
}

fn stored(why: &str) -> Error {
    Error::Stored { file: "the Parquet file".into(), why: why.into() }
}

fn is_opened(compression: Compression) -> bool {
    matches!(compression, Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::GZIP(_) | Compression::ZSTD(_))
}

fn is_read(kind: &DataType) -> bool {
    use DataType::{Binary, Boolean, Float32, Float64, Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64, Utf8};
    matches!(kind, Boolean | Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64 | Float32 | Float64 | Utf8 | Binary)
}

/// Adds one cell.
fn push(cells: &mut ByteRecord, column: &dyn Array, row: usize) {
    macro_rules! text_of {
        ($kind:ty, $as:ty) => {
            cells.push_field(<$as>::from(column.as_primitive::<$kind>().value(row)).to_string().as_bytes())
        };
    }
    if column.is_null(row) {
        return cells.push_field(b"");
    }
    match column.data_type() {
        DataType::Boolean => cells.push_field(if column.as_boolean().value(row) { b"true" } else { b"false" }),
        DataType::Int8 => text_of!(Int8Type, i64),
        DataType::Int16 => text_of!(Int16Type, i64),
        DataType::Int32 => text_of!(Int32Type, i64),
        DataType::Int64 => text_of!(Int64Type, i64),
        DataType::UInt8 => text_of!(UInt8Type, u64),
        DataType::UInt16 => text_of!(UInt16Type, u64),
        DataType::UInt32 => text_of!(UInt32Type, u64),
        DataType::UInt64 => text_of!(UInt64Type, u64),
        DataType::Float32 => text_of!(Float32Type, f64),
        DataType::Float64 => text_of!(Float64Type, f64),
        DataType::Utf8 => cells.push_field(column.as_string::<i32>().value(row).as_bytes()),
        DataType::Binary => cells.push_field(column.as_binary::<i32>().value(row)),
        other => unreachable!("a column of {other} was left out of the projection"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{
        ArrayRef, BinaryArray, BooleanArray, DictionaryArray, Float32Array, Float64Array, Int32Array, Int64Array, StringArray,
        TimestampMicrosecondArray, UInt8Array, UInt64Array,
    };
    use parquet::arrow::ArrowWriter;
    use parquet::basic::{GzipLevel, ZstdLevel};
    use parquet::file::properties::WriterProperties;
    use std::io::{Seek, Write};
    use std::sync::Arc;

    fn file_of(columns: Vec<(&str, ArrayRef)>, compression: Compression) -> Vec<u8> {
        let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap();
        // Two rows a group: a file has several.
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(2)).set_compression(compression).build();
        let mut writer = ArrowWriter::try_new(vec![], batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.into_inner().unwrap()
    }

    fn opened(bytes: &[u8]) -> Result<ParquetRows, Error> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        ParquetRows::open(file)
    }

    fn rows(mut from: ParquetRows) -> Result<Vec<Vec<Vec<u8>>>, Error> {
        let (mut all, mut cells) = (vec![], ByteRecord::new());
        while from.read(&mut cells)? {
            all.push(cells.iter().map(<[u8]>::to_vec).collect());
        }
        Ok(all)
    }

    fn sample(compression: Compression) -> Vec<u8> {
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("b", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]))),
            ("i", Arc::new(Int64Array::from(vec![i64::MIN, 0, 7]))),
            ("when", Arc::new(TimestampMicrosecondArray::from(vec![1, 2, 3]))),
            ("n", Arc::new(Int32Array::from(vec![-1, 0, 1]))),
            ("u", Arc::new(UInt64Array::from(vec![u64::MAX, 0, 1]))),
            ("y", Arc::new(UInt8Array::from(vec![255, 0, 1]))),
            ("f", Arc::new(Float32Array::from(vec![0.1, 1.0, f32::NAN]))),
            ("d", Arc::new(Float64Array::from(vec![0.1, 1e300, f64::INFINITY]))),
            ("s", Arc::new(StringArray::from(vec![Some("é"), Some(""), None]))),
            ("c", Arc::new(DictionaryArray::from_iter(["x", "y", "x"]) as DictionaryArray<Int32Type>)),
            ("z", Arc::new(BinaryArray::from(vec![&b"\xff"[..], b"", b"a"]))),
        ];
        file_of(columns, compression)
    }

    #[test]
    fn every_type_as_the_text_of_a_csv_file() {
        let read = opened(&sample(Compression::UNCOMPRESSED)).unwrap();
        assert_eq!(read.header(), ["b", "i", "n", "u", "y", "f", "d", "s", "c", "z"]);
        assert_eq!(read.unread(), [("when".to_owned(), "Timestamp(µs)".to_owned())]);
        let expected: [[&[u8]; 10]; 3] = [
            [
                b"true",
                b"-9223372036854775808",
                b"-1",
                b"18446744073709551615",
                b"255",
                b"0.10000000149011612",
                b"0.1",
                "é".as_bytes(),
                b"x",
                b"\xff",
            ],
            [b"false", b"0", b"0", b"0", b"0", b"1", format!("1{}", "0".repeat(300)).leak().as_bytes(), b"", b"y", b""],
            [b"", b"7", b"1", b"1", b"1", b"NaN", b"inf", b"", b"x", b"a"],
        ];
        assert_eq!(rows(read).unwrap(), expected);
        // What the writers of pandas, Spark and this program use, and one that is not read, from pyarrow.
        for compression in [Compression::SNAPPY, Compression::GZIP(GzipLevel::default()), Compression::ZSTD(ZstdLevel::default())] {
            assert_eq!(rows(opened(&sample(compression)).unwrap()).unwrap(), expected, "{compression}");
        }
        let other = opened(include_bytes!("../tests/data/lz4.parquet")).err().unwrap().to_string();
        assert_eq!(other, "the Parquet file: it is compressed by LZ4_RAW: snappy, gzip and zstd are read");
    }

    /// Cut at every length, and with every byte changed: an error or rows, never a panic that gets out.
    #[test]
    fn damaged_files_are_refused_or_read_otherwise() {
        let bytes = sample(Compression::UNCOMPRESSED);
        let whole = rows(opened(&bytes).unwrap()).unwrap();
        let told = |bytes: &[u8]| opened(bytes).and_then(rows).map_err(|e| e.to_string());
        for length in 0..bytes.len() {
            assert_eq!(told(&bytes[..length]), Err("the Parquet file: it is damaged, or cut short".into()), "{length}");
        }
        let mut noticed = 0;
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x55;
            noticed += usize::from(told(&changed).is_err_and(|why| why == "the Parquet file: it is damaged, or cut short"));
        }
        assert!(noticed > bytes.len() / 4, "{noticed} of {}", bytes.len());
        assert_eq!(told(&bytes), Ok(whole));
    }
}

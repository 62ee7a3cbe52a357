//! Events as a Parquet file: a column for each member of the JSON, all of them optional, zstd.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;
use tagbid_eventlog::Logged;

use super::columns::{COLUMNS, Column, Kind, Value};

/// Rows of a row group: what is held in memory, some 30 MB.
const GROUP: usize = 50_000;

/// A file that gets its name when it is whole.
pub(super) struct File {
    path: PathBuf,
    unfinished: Option<tempfile::TempPath>,
    writer: SerializedFileWriter<fs::File>,
    waiting: Vec<Logged>,
    rows: u64,
}

impl File {
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        let directory =
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let (file, unfinished) =
            tempfile::Builder::new().prefix(".tagbid-events-").tempfile_in(directory)?.into_parts();
        let compression = Compression::ZSTD(ZstdLevel::default());
        let properties = WriterProperties::builder().set_compression(compression).build();
        let schema = Arc::new(parse_message_type(&schema())?);
        let writer = SerializedFileWriter::new(file, schema, Arc::new(properties))?;
        Ok(Self { path: path.to_owned(), unfinished: Some(unfinished), writer, waiting: Vec::new(), rows: 0 })
    }

    pub(super) fn add(&mut self, event: &Logged) -> anyhow::Result<()> {
        self.waiting.push(event.clone());
        if self.waiting.len() >= GROUP { self.write_group() } else { Ok(()) }
    }

    /// How many rows the file has, now that it has its name.
    pub(super) fn finish(mut self) -> anyhow::Result<u64> {
        self.write_group()?;
        let file = self.writer.into_inner()?;
        file.sync_all()?;
        if let Some(unfinished) = self.unfinished.take() {
            unfinished.persist_noclobber(&self.path)?;
        }
        Ok(self.rows)
    }

    fn write_group(&mut self) -> anyhow::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.waiting);
        let mut group = self.writer.next_row_group()?;
        for column in &COLUMNS {
            if let Some(mut writer) = group.next_column()? {
                write_column(&mut writer, column, &rows)?;
                writer.close()?;
            }
        }
        group.close()?;
        self.rows += rows.len() as u64;
        Ok(())
    }
}

fn schema() -> String {
    let column = |column: &Column| {
        let (physical, logical) = match column.kind {
            Kind::Id => ("int64", "(INTEGER(64,false))"),
            Kind::Number => ("int64", ""),
            Kind::Text => ("binary", "(STRING)"),
            Kind::Time => ("int64", "(TIMESTAMP(MICROS,true))"),
            Kind::Day => ("int32", "(DATE)"),
            Kind::Flag => ("boolean", ""),
        };
        format!("optional {physical} {} {logical};", column.name)
    };
    format!("message events {{ {} }}", COLUMNS.iter().map(column).collect::<Vec<_>>().join(" "))
}

fn write_column(
    to: &mut SerializedColumnWriter<'_>,
    column: &Column,
    rows: &[Logged],
) -> Result<(), ParquetError> {
    match column.kind {
        Kind::Id | Kind::Number | Kind::Time => {
            write_values::<Int64Type>(to, column, rows, |value| match value {
                // Parquet keeps unsigned numbers as signed ones of the same bits.
                Value::Id(id) => Some(id.cast_signed()),
                Value::Number(number) => Some(number),
                Value::Time(at) => Some(at.0),
                _ => None,
            })
        }
        Kind::Text => write_values::<ByteArrayType>(to, column, rows, |value| match value {
            Value::Text(text) => Some(ByteArray::from(text.into_owned().into_bytes())),
            _ => None,
        }),
        Kind::Day => write_values::<Int32Type>(to, column, rows, |value| match value {
            Value::Day(day) => Some(day.0),
            _ => None,
        }),
        Kind::Flag => write_values::<BoolType>(to, column, rows, |value| match value {
            Value::Flag(flag) => Some(flag),
            _ => None,
        }),
    }
}

fn write_values<T: DataType>(
    to: &mut SerializedColumnWriter<'_>,
    column: &Column,
    rows: &[Logged],
    convert: impl Fn(Value<'_>) -> Option<T::T>,
) -> Result<(), ParquetError> {
    let found: Vec<Option<T::T>> = rows.iter().map(|row| (column.get)(row).and_then(&convert)).collect();
    // One where there is a value, zero where there is none.
    let defined: Vec<i16> = found.iter().map(|value| i16::from(value.is_some())).collect();
    let values: Vec<T::T> = found.into_iter().flatten().collect();
    to.typed::<T>().write_batch(&values, Some(&defined), None)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    use super::super::columns::tests::rows;
    use super::*;

    fn cells(path: &Path) -> Vec<Vec<(String, Field)>> {
        let reader = SerializedFileReader::new(fs::File::open(path).unwrap()).unwrap();
        let rows = reader.get_row_iter(None).unwrap();
        rows.map(|row| {
            row.unwrap().get_column_iter().map(|(name, field)| (name.clone(), field.clone())).collect()
        })
        .collect()
    }

    #[test]
    fn events_read_back_with_their_types() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.parquet");
        let mut file = File::create(&path).unwrap();
        for event in rows() {
            file.add(&event).unwrap();
        }
        assert!(!path.exists(), "half a file has no name");
        assert_eq!(file.finish().unwrap(), 4);
        let rows = cells(&path);
        let cell = |row: usize, name: &str| {
            let found = rows[row].iter().find(|(column, _)| column == name);
            found.unwrap_or_else(|| panic!("no column {name}")).1.clone()
        };
        assert_eq!(rows[0].len(), COLUMNS.len());
        assert_eq!(cell(0, "at"), Field::TimestampMicros(1_795_338_000_250_000));
        assert_eq!(cell(0, "advertiser"), Field::ULong(u64::MAX));
        assert_eq!((cell(0, "kind"), cell(0, "test")), (Field::Str("bid".into()), Field::Bool(true)));
        assert_eq!((cell(0, "verdict"), cell(0, "deal")), (Field::Null, Field::Null));
        assert_eq!((cell(1, "budget_day"), cell(1, "excess_nanos")), (Field::Date(20_779), Field::Long(-7)));
        assert_eq!(cell(2, "value_nanos"), Field::Long(19_990_000_000));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_given_up_leaves_nothing_and_a_log_without_events_has_columns() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.parquet");
        drop(File::create(&path).unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert_eq!(File::create(&path).unwrap().finish().unwrap(), 0);
        assert!(cells(&path).is_empty());
    }

    #[test]
    fn many_events_are_several_row_groups() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.parquet");
        let mut file = File::create(&path).unwrap();
        for _ in 0..GROUP / 4 + 2 {
            rows().iter().for_each(|event| file.add(event).unwrap());
        }
        let expected = (GROUP / 4 + 2) * 4;
        assert_eq!(file.finish().unwrap(), expected as u64);
        let reader = SerializedFileReader::new(fs::File::open(&path).unwrap()).unwrap();
        assert_eq!(reader.metadata().num_row_groups(), 2);
        assert_eq!(reader.metadata().file_metadata().num_rows(), expected as i64);
    }
}

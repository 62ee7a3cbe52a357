//! Parquet, as Spark, DuckDB and pandas write it. A column `id` (text, or UUID) and, if wanted, `kind` and `source`; others
//! that are not known are left alone. `tags` is one of
//!
//! | type | means |
//! | --- | --- |
//! | `LIST<STRUCT<tag, weight, expires>>` | a tag by name (text) or id (whole number); weight and expiry may be left out or null |
//! | `MAP<name, weight>` | a weight may be null |
//! | `MAP<name, STRUCT<weight, expires>>` | |
//! | `LIST<name>`, `LIST<id>` | at full weight |
//! | text | as CSV has it, `Runners=80;Coffee` |
//!
//! `expires` is a timestamp, a date, or whole seconds since 1970; without a time zone it is meant in UTC. Columns are read by
//! their values, not by the crate's rows: those allocate the name of each field of each tag, and an error in a text quotes it.

mod column;
mod shape;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use tagbid_clients::{TagRef, TagToLoad, UserToLoad};
use tagbid_types::Timestamp;

use self::column::{Column, Value};
use self::shape::{Meaning, Shape};
use super::text::csv_tags;
use super::{Defaults, FULL, kind};

/// Users that are read at a time.
const BATCH: usize = 512;

/// A file of rows.
pub(super) struct Parquet {
    file: SerializedFileReader<File>,
    shape: Shape,
    /// The next row group.
    group: usize,
    columns: Option<Columns>,
    /// Rows that were read, of so many.
    number: u64,
    rows: u64,
    /// The file's bytes, and those of the files before it.
    size: u64,
    before: u64,
    bytes: Arc<AtomicU64>,
}

/// The columns of a row group.
struct Columns {
    id: Column,
    kind: Option<Column>,
    source: Option<Column>,
    tag: Column,
    weight: Option<Column>,
    expires: Option<Column>,
    /// Rows that were filled in and not taken, and those after them.
    filled: usize,
    left: usize,
    /// Reused for each user.
    lists: [Vec<Option<Value>>; 3],
}

impl Parquet {
    pub(super) fn new(file: File, bytes: &Arc<AtomicU64>) -> io::Result<Self> {
        let size = file.metadata()?.len();
        let whole = "it is no Parquet file, or was cut off; write it again";
        let file = guarded(|| SerializedFileReader::new(file))
            .map_err(|error| io::Error::other(format!("{whole} ({error})")))?;
        let metadata = file.metadata().file_metadata();
        let shape = Shape::of(metadata.schema_descr()).map_err(io::Error::other)?;
        let rows = u64::try_from(metadata.num_rows()).unwrap_or(0);
        let (bytes, before) = (Arc::clone(bytes), bytes.load(Ordering::Relaxed));
        Ok(Self { file, shape, group: 0, columns: None, number: 0, rows, size, before, bytes })
    }

    /// The next user, or what is wrong with the row, with its number.
    pub(super) fn next(
        &mut self,
        defaults: &Defaults,
    ) -> io::Result<Option<(u64, Result<UserToLoad, String>)>> {
        let row = self.number + 1;
        let damaged =
            |error: ParquetError| io::Error::other(format!("row {row}: the file is damaged: {error}"));
        loop {
            if self.columns.is_none() && !guarded(|| self.open_group()).map_err(damaged)? {
                return Ok(None);
            }
            let Some(columns) = &mut self.columns else { continue };
            let Some(user) = guarded(|| columns.next(&self.shape, defaults)).map_err(damaged)? else {
                self.columns = None;
                continue;
            };
            self.number = row;
            let share = self.number as f64 / self.rows.max(1) as f64;
            self.bytes.store(self.before + (self.size as f64 * share.min(1.0)) as u64, Ordering::Relaxed);
            return Ok(Some((row, user)));
        }
    }

    /// Opens the next row group; false after the last.
    fn open_group(&mut self) -> Result<bool, ParquetError> {
        if self.group >= self.file.num_row_groups() {
            return Ok(false);
        }
        let group = self.file.get_row_group(self.group)?;
        self.group += 1;
        let left = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
        let open = |leaf| Column::new(leaf, group.get_column_reader(leaf.column)?);
        let Shape { id, kind, source, tag, weight, expires } = &self.shape;
        self.columns = Some(Columns {
            id: open(id)?,
            kind: kind.as_ref().map(open).transpose()?,
            source: source.as_ref().map(open).transpose()?,
            tag: open(tag)?,
            weight: weight.as_ref().map(open).transpose()?,
            expires: expires.as_ref().map(open).transpose()?,
            filled: 0,
            left,
            lists: Default::default(),
        });
        Ok(true)
    }
}

impl Columns {
    /// The next row; none after the last. An error is one of the file, not of the row.
    fn next(
        &mut self,
        shape: &Shape,
        defaults: &Defaults,
    ) -> Result<Option<Result<UserToLoad, String>>, ParquetError> {
        if self.filled == 0 {
            self.filled = self.left.min(BATCH);
            self.left -= self.filled;
            if self.filled == 0 {
                return Ok(None);
            }
            let optional = [&mut self.kind, &mut self.source, &mut self.weight, &mut self.expires];
            let all = optional.into_iter().flatten().chain([&mut self.id, &mut self.tag]);
            all.into_iter().try_for_each(|column| column.fill(self.filled))?;
        }
        self.filled -= 1;
        // All columns move on, whatever is wrong with one of them.
        let id = self.id.one()?;
        let kind_of = self.kind.as_mut().map_or(Ok(None), Column::one)?;
        let source = self.source.as_mut().map_or(Ok(None), Column::one)?;
        let tags = self.tags(shape)?;
        let user = || {
            let id = id.as_ref().ok_or("id: null")?;
            let source = source.as_ref().map(|value| text(value, "source")).transpose()?;
            let kind_of = kind_of.as_ref().map(|value| text(value, "kind")).transpose()?;
            Ok(UserToLoad {
                id: if shape.id.meaning == Meaning::Uuid { uuid(id)? } else { text(id, "id")? },
                kind: kind_of
                    .filter(|name| !name.is_empty())
                    .map_or(Ok(defaults.kind), |name| kind(&name))?,
                source: source.filter(|name| !name.is_empty()).unwrap_or_else(|| defaults.source.clone()),
                tags: tags?,
            })
        };
        Ok(Some(user()))
    }

    fn tags(&mut self, shape: &Shape) -> Result<Result<Vec<TagToLoad>, String>, ParquetError> {
        if !shape.tag.repeated {
            let all = self.tag.one()?;
            return Ok(all.map_or_else(|| Ok(Vec::new()), |all| csv_tags(&text(&all, "tags")?)));
        }
        let [tags, weights, expiries] = &mut self.lists;
        self.tag.each(tags)?;
        for (column, list) in [(&mut self.weight, &mut *weights), (&mut self.expires, &mut *expiries)] {
            match column {
                Some(column) => column.each(list)?,
                None => list.resize(tags.len(), None),
            }
            if list.len() != tags.len() {
                return Err(ParquetError::General("columns of one list have other lengths".into()));
            }
        }
        let all = (0..).zip(tags.iter()).zip(weights.iter().zip(expiries.iter()));
        Ok(all.map(|((n, tag), (weight, expires))| one_tag(n, tag, weight, expires)).collect())
    }
}

/// The crate panics on some damaged files; what it read of one is not used any more.
fn guarded<T>(read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    let panicked = |_| Err(ParquetError::General("its bytes make no sense".into()));
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(panicked)
}

fn one_tag(
    n: usize,
    tag: &Option<Value>,
    weight: &Option<Value>,
    expires: &Option<Value>,
) -> Result<TagToLoad, String> {
    let tag = match tag {
        None => return Err(format!("tags[{n}]: the tag is null")),
        Some(Value::Whole(id)) => {
            TagRef::Id(u32::try_from(*id).map_err(|_| format!("tags[{n}]: {id} is no id of a tag"))?)
        }
        Some(name) => TagRef::Name(text(name, "tags")?),
    };
    let weight = match weight {
        Some(Value::Whole(weight)) => {
            u32::try_from(*weight).map_err(|_| format!("tags[{n}].weight: {weight}: use 0 to 255"))?
        }
        _ => FULL,
    };
    let expires = match expires {
        Some(Value::At(at)) => Some(*at),
        Some(Value::Whole(seconds)) => Some(Timestamp(seconds.saturating_mul(1_000_000))),
        _ => None,
    };
    Ok(TagToLoad { tag, weight, expires })
}

/// The words of an error quote nothing: it may be an id.
fn text(value: &Value, field: &str) -> Result<String, String> {
    match value {
        Value::Bytes(bytes) => {
            String::from_utf8(bytes.data().to_vec()).map_err(|_| format!("{field}: not UTF-8"))
        }
        Value::Whole(_) | Value::At(_) => Err(format!("{field}: no text")),
    }
}

/// As RFC 9562 writes it.
fn uuid(value: &Value) -> Result<String, String> {
    let Value::Bytes(bytes) = value else { return Err("id: no UUID".into()) };
    let bytes: [u8; 16] = bytes.data().try_into().map_err(|_| "id: no UUID")?;
    let hex = format!("{:032x}", u128::from_be_bytes(bytes));
    let part = |from, to| hex.get(from..to).unwrap_or_default();
    Ok([part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-"))
}

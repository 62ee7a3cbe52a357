//! One column of values, some hundred users at a time.

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{
    ByteArray, ByteArrayType, DataType, FixedLenByteArray, FixedLenByteArrayType, Int32Type, Int64Type,
    Int96, Int96Type,
};
use parquet::errors::{ParquetError, Result};
use tagbid_types::Timestamp;

use super::shape::{Leaf, Meaning};

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Bytes(ByteArray),
    Whole(i64),
    At(Timestamp),
}

/// A column of one row group.
pub(super) struct Column {
    leaf: Leaf,
    values: Values,
    /// Levels of what was read and not taken.
    defined: Vec<i16>,
    repeats: Vec<i16>,
    records: usize,
    /// The next level, and the next value.
    level: usize,
    value: usize,
}

struct Read<T: DataType>(ColumnReaderImpl<T>, Vec<T::T>);

enum Values {
    Bytes(Read<ByteArrayType>),
    Fixed(Read<FixedLenByteArrayType>),
    Int32(Read<Int32Type>),
    Int64(Read<Int64Type>),
    Int96(Read<Int96Type>),
}

impl Column {
    pub(super) fn new(leaf: &Leaf, reader: ColumnReader) -> Result<Self> {
        let values = match reader {
            ColumnReader::ByteArrayColumnReader(reader) => Values::Bytes(Read(reader, Vec::new())),
            ColumnReader::FixedLenByteArrayColumnReader(reader) => Values::Fixed(Read(reader, Vec::new())),
            ColumnReader::Int32ColumnReader(reader) => Values::Int32(Read(reader, Vec::new())),
            ColumnReader::Int64ColumnReader(reader) => Values::Int64(Read(reader, Vec::new())),
            ColumnReader::Int96ColumnReader(reader) => Values::Int96(Read(reader, Vec::new())),
            _ => return Err(ParquetError::General("a column has another type than the file says".into())),
        };
        let (defined, repeats) = (Vec::new(), Vec::new());
        Ok(Self { leaf: leaf.clone(), values, defined, repeats, records: 0, level: 0, value: 0 })
    }

    /// Reads the values of so many users, in place of those before.
    pub(super) fn fill(&mut self, users: usize) -> Result<()> {
        self.defined.clear();
        self.repeats.clear();
        (self.level, self.value) = (0, 0);
        let levels = (&mut self.defined, &mut self.repeats);
        self.records = match &mut self.values {
            Values::Bytes(read) => read.fill(users, levels)?,
            Values::Fixed(read) => read.fill(users, levels)?,
            Values::Int32(read) => read.fill(users, levels)?,
            Values::Int64(read) => read.fill(users, levels)?,
            Values::Int96(read) => read.fill(users, levels)?,
        };
        match self.records == users {
            true => Ok(()),
            false => Err(short()),
        }
    }

    /// The next user's value; none: null.
    pub(super) fn one(&mut self) -> Result<Option<Value>> {
        let defined = self.defined.get(self.level).copied().unwrap_or(self.leaf.present);
        self.level += 1;
        if defined < self.leaf.present { Ok(None) } else { self.take().map(Some) }
    }

    /// The next user's elements, nulls among them.
    pub(super) fn each(&mut self, into: &mut Vec<Option<Value>>) -> Result<()> {
        into.clear();
        let first = self.level;
        while let Some(repeat) = self.repeats.get(self.level) {
            if self.level > first && *repeat == 0 {
                break;
            }
            let defined = self.defined.get(self.level).copied().unwrap_or(self.leaf.present);
            if defined >= self.leaf.present {
                into.push(Some(self.take()?));
            } else if defined >= self.leaf.element {
                into.push(None);
            }
            self.level += 1;
        }
        Ok(())
    }

    fn take(&mut self) -> Result<Value> {
        let at = self.value;
        self.value += 1;
        let value = match &self.values {
            Values::Bytes(Read(_, values)) => values.get(at).cloned().map(Value::Bytes),
            Values::Fixed(Read(_, values)) => {
                values.get(at).map(|value: &FixedLenByteArray| Value::Bytes((**value).clone()))
            }
            Values::Int32(Read(_, values)) => {
                values.get(at).map(|value| self.leaf.meaning.of((*value).into()))
            }
            Values::Int64(Read(_, values)) => values.get(at).map(|value| self.leaf.meaning.of(*value)),
            Values::Int96(Read(_, values)) => values
                .get(at)
                .map(|value: &Int96| Value::At(Timestamp(value.to_millis().saturating_mul(1_000)))),
        };
        value.ok_or_else(short)
    }
}

fn short() -> ParquetError {
    ParquetError::General("a column has fewer values than there are rows".into())
}

impl<T: DataType> Read<T> {
    fn fill(&mut self, users: usize, (defined, repeats): (&mut Vec<i16>, &mut Vec<i16>)) -> Result<usize> {
        self.1.clear();
        let mut all = 0;
        // A call ends at the end of a page.
        while all < users {
            let (records, ..) =
                self.0.read_records(users - all, Some(defined), Some(repeats), &mut self.1)?;
            if records == 0 {
                break;
            }
            all += records;
        }
        Ok(all)
    }
}

impl Meaning {
    fn of(self, value: i64) -> Value {
        let micros = match self {
            Self::Parts(parts) if parts > 1_000_000 => value / (parts / 1_000_000),
            Self::Parts(parts) => value.saturating_mul(1_000_000 / parts),
            Self::Day => value.saturating_mul(86_400_000_000),
            Self::Text | Self::Uuid | Self::Whole | Self::Int96 => return Value::Whole(value),
        };
        Value::At(Timestamp(micros))
    }
}

//! The fields of one message, one at a time.

use crate::error::{DecodeError, Fail};
use crate::reading::Reading;

/// Reads one message from its start.
pub(crate) struct Reader<'a, 'r> {
    bytes: &'a [u8],
    at: usize,
    /// The field being read; 0 before the first.
    field: u32,
    pub(crate) reading: &'r mut Reading<'a>,
}

/// A field's value as the wire has it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

const START_GROUP: u32 = 3;
const END_GROUP: u32 = 4;
/// The largest field number that protobuf allows.
const MAX_FIELD: u64 = (1 << 29) - 1;

impl<'a, 'r> Reader<'a, 'r> {
    pub(crate) fn new(bytes: &'a [u8], reading: &'r mut Reading<'a>) -> Self {
        Self { bytes, at: 0, field: 0, reading }
    }

    /// The next field with its number, groups passed over; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(u32, Wire<'a>)>, Fail> {
        while self.at < self.bytes.len() {
            // The member before this field has been read and is not to blame.
            self.reading.at(b"");
            let (number, kind) = self.tag()?;
            match kind {
                START_GROUP => self.skip_group(number)?,
                END_GROUP => return Err(self.error("a group ends that never started")),
                _ => return self.value(kind).map(|wire| Some((number, wire))),
            }
        }
        Ok(None)
    }

    /// The next field if it has this number: the run of a repeated field.
    pub(crate) fn next_if(&mut self, number: u32) -> Result<Option<Wire<'a>>, Fail> {
        let here = self.at;
        // A tag that cannot be read is no part of the run: the next field will say so.
        if let Ok((next, kind)) = self.tag()
            && next == number
            && kind != START_GROUP
            && kind != END_GROUP
        {
            return self.value(kind).map(Some);
        }
        self.at = here;
        Ok(None)
    }

    fn tag(&mut self) -> Result<(u32, u32), Fail> {
        self.field = 0;
        let key = self.varint()?;
        let number = key >> 3;
        if number == 0 || number > MAX_FIELD {
            return Err(self.error("field number out of range"));
        }
        // The mask and the check above keep both inside u32.
        self.field = number as u32;
        Ok((self.field, (key & 7) as u32))
    }

    fn value(&mut self, kind: u32) -> Result<Wire<'a>, Fail> {
        match kind {
            0 => self.varint().map(Wire::Varint),
            1 => self.fixed().map(|bytes| Wire::Fixed64(u64::from_le_bytes(bytes))),
            2 => {
                let len = self.varint()?;
                let len = usize::try_from(len).map_err(|_| self.error("length out of range"))?;
                self.take(len).map(Wire::Bytes)
            }
            5 => self.fixed().map(|bytes| Wire::Fixed32(u32::from_le_bytes(bytes))),
            _ => Err(self.error("unknown wire type")),
        }
    }

    /// Takes a varint of at most ten bytes that fits 64 bits.
    pub(crate) fn varint(&mut self) -> Result<u64, Fail> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes.get(self.at).ok_or_else(|| self.error("ends inside a varint"))?;
            self.at += 1;
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.error("varint is longer than 64 bits"))
    }

    pub(crate) fn at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Fail> {
        let bytes = self.take(N)?;
        bytes.try_into().map_err(|_| self.error("ends inside a number"))
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Fail> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..len).ok_or_else(|| self.error("a length runs past the end"))?;
        self.at += len;
        Ok(taken)
    }

    /// Passes over a group and the groups inside it, each ended by its own number.
    fn skip_group(&mut self, number: u32) -> Result<(), Fail> {
        let mut open = vec![number];
        while let Some(&innermost) = open.last() {
            let (number, kind) = self.tag()?;
            match kind {
                START_GROUP if open.len() >= self.reading.limits.depth => {
                    return Err(Box::new(DecodeError::TooDeep {
                        limit: self.reading.limits.depth,
                        path: self.place(),
                    }));
                }
                START_GROUP => open.push(number),
                END_GROUP if number == innermost => {
                    open.pop();
                }
                END_GROUP => return Err(self.error("a group ends with another number")),
                _ => {
                    self.value(kind)?;
                }
            }
        }
        Ok(())
    }

    /// The message being read, and the number of the field: it may be one that has no name here.
    #[cold]
    fn place(&self) -> String {
        let path = self.reading.path();
        match self.field {
            0 => path,
            number if path.is_empty() => format!("field {number}"),
            number => format!("{path}, field {number}"),
        }
    }

    #[cold]
    pub(crate) fn error(&self, problem: &'static str) -> Fail {
        Box::new(DecodeError::Protobuf { offset: self.at, path: self.place(), problem })
    }
}

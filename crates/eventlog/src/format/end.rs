//! The summary at the end of a segment that is written no more.

use tagbid_types::Timestamp;

use super::{FRAME, take};

/// Bytes of the payload of an end.
const END: usize = 25;

/// Bytes of the frame of an end: it can be read from the end of the file.
pub(crate) const END_FRAME: usize = FRAME + END;

/// What is known of the records of a segment without reading them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    /// How many there are.
    pub(crate) records: u64,
    /// The earliest event; the end of time when there is none.
    pub(crate) earliest: Timestamp,
    /// The latest event; the beginning of time when there is none.
    pub(crate) latest: Timestamp,
    /// Whether any has a user key.
    pub(crate) has_keys: bool,
}

impl Default for Summary {
    fn default() -> Self {
        Self { records: 0, earliest: Timestamp(i64::MAX), latest: Timestamp(i64::MIN), has_keys: false }
    }
}

impl Summary {
    /// One more record.
    pub(crate) fn add(&mut self, at: Timestamp, has_key: bool) {
        self.records += 1;
        self.earliest = self.earliest.min(at);
        self.latest = self.latest.max(at);
        self.has_keys |= has_key;
    }

    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(END);
        bytes.extend(self.records.to_le_bytes());
        bytes.extend(self.earliest.0.to_le_bytes());
        bytes.extend(self.latest.0.to_le_bytes());
        bytes.push(u8::from(self.has_keys));
        bytes
    }

    pub(crate) fn from_bytes(mut from: &[u8]) -> Option<Self> {
        let summary = Self {
            records: u64::from_le_bytes(*take(&mut from)?),
            earliest: Timestamp(i64::from_le_bytes(*take(&mut from)?)),
            latest: Timestamp(i64::from_le_bytes(*take(&mut from)?)),
            has_keys: *take(&mut from)? != [0],
        };
        from.is_empty().then_some(summary)
    }
}

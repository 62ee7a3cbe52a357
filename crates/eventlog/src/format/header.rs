//! The head of a segment.

use tagbid_types::Timestamp;

use super::take;

const MAGIC: &[u8; 14] = b"tagbid events\n";

/// The version of the format that is written, and the only one that is read.
const VERSION: u16 = 1;

/// Bytes of one header.
pub(crate) const HEADER: usize = 64;

/// Bytes of both.
pub(crate) const HEADERS: usize = 2 * HEADER;

/// What a segment says of itself first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Random; in the checksum of every frame.
    pub(crate) salt: u64,
    /// Position of the first record.
    pub(crate) first: u64,
    /// When it was begun.
    pub(crate) created: Timestamp,
}

/// Why a segment cannot be read at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderError {
    /// Both headers are damaged, or it is no segment.
    Damaged,
    /// Another version of the format.
    Version(u16),
}

impl Header {
    /// Both headers.
    pub(crate) fn to_bytes(self) -> [u8; HEADERS] {
        let mut one = Vec::with_capacity(HEADER);
        one.extend_from_slice(MAGIC);
        one.extend(VERSION.to_le_bytes());
        one.extend(self.salt.to_le_bytes());
        one.extend(self.first.to_le_bytes());
        one.extend(self.created.0.to_le_bytes());
        one.resize(HEADER - 4, 0);
        one.extend(crc32c::crc32c(&one).to_le_bytes());
        let mut both = [0; HEADERS];
        both.iter_mut().zip(one.iter().chain(&one)).for_each(|(to, from)| *to = *from);
        both
    }

    /// Reads the first bytes of a segment. Beside the header: which of the two is damaged, by its offset.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<(Self, Option<u64>), HeaderError> {
        let (front, back) = bytes.split_at_checked(HEADER).unwrap_or((bytes, &[]));
        match (Self::one(front), Self::one(back.get(..HEADER).unwrap_or_default())) {
            (Ok(header), Ok(_)) => Ok((header, None)),
            (Ok(header), Err(_)) => Ok((header, Some(HEADER as u64))),
            (Err(_), Ok(header)) => Ok((header, Some(0))),
            (Err(error), Err(_)) => Err(error),
        }
    }

    fn one(bytes: &[u8]) -> Result<Self, HeaderError> {
        Self::checked(bytes).ok_or(HeaderError::Damaged).and_then(|(version, header)| match version {
            VERSION => Ok(header),
            other => Err(HeaderError::Version(other)),
        })
    }

    fn checked(mut from: &[u8]) -> Option<(u16, Self)> {
        let sum = crc32c::crc32c(from.get(..HEADER - 4)?);
        if take::<14>(&mut from)? != MAGIC {
            return None;
        }
        let version = u16::from_le_bytes(*take(&mut from)?);
        let header = Self {
            salt: u64::from_le_bytes(*take(&mut from)?),
            first: u64::from_le_bytes(*take(&mut from)?),
            created: Timestamp(i64::from_le_bytes(*take(&mut from)?)),
        };
        take::<20>(&mut from)?;
        (u32::from_le_bytes(*take(&mut from)?) == sum).then_some((version, header))
    }
}

//! Frames: what stands behind the header.

use super::take;

/// Bytes before a payload.
pub(crate) const FRAME: usize = 21;

/// Longest payload: a record has some hundred bytes, and the list of sources 6 KiB at most.
pub(crate) const MAX_PAYLOAD: usize = 64 * 1024;

/// Longest frame.
pub(crate) const MAX_FRAME: usize = FRAME + MAX_PAYLOAD;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameKind {
    /// One record, at its position.
    Record,
    /// Where each source stands before this position.
    Sources,
    /// The summary; the next segment begins with this position.
    End,
}

impl FrameKind {
    const fn code(self) -> u8 {
        match self {
            Self::Record => 1,
            Self::Sources => 2,
            Self::End => 3,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Record),
            2 => Some(Self::Sources),
            3 => Some(Self::End),
            _ => None,
        }
    }
}

/// What stands at the front of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    /// A whole frame.
    Whole {
        /// What it holds.
        kind: FrameKind,
        /// Its position.
        position: u64,
        /// Its payload.
        payload: &'a [u8],
    },
    /// Not a whole one: what is here is damaged, or there is more to come.
    None,
}

/// Appends a frame. A payload that is too long is refused: false.
#[must_use]
pub(crate) fn push(to: &mut Vec<u8>, salt: u64, kind: FrameKind, position: u64, payload: &[u8]) -> bool {
    let Some(length) = u32::try_from(payload.len()).ok().filter(|_| payload.len() <= MAX_PAYLOAD) else {
        return false;
    };
    let start = to.len();
    to.extend(length.to_le_bytes());
    to.push(kind.code());
    to.extend(position.to_le_bytes());
    to.extend(crc32c::crc32c(payload).to_le_bytes());
    let sum = head_sum(salt, to.get(start..).unwrap_or_default());
    to.extend(sum.to_le_bytes());
    to.extend_from_slice(payload);
    true
}

/// Looks at the front of some bytes.
pub(crate) fn step(salt: u64, bytes: &[u8]) -> Step<'_> {
    let whole = || {
        let (head, rest) = bytes.split_first_chunk::<FRAME>()?;
        let (length, kind, position, sum) = read_head(salt, head)?;
        let payload = rest.get(..length).filter(|payload| crc32c::crc32c(payload) == sum)?;
        Some(Step::Whole { kind, position, payload })
    };
    whole().unwrap_or(Step::None)
}

/// Length, kind, position and the payload's checksum; none where the head is none.
fn read_head(salt: u64, head: &[u8; FRAME]) -> Option<(usize, FrameKind, u64, u32)> {
    let mut from = head.as_slice();
    let length = u32::from_le_bytes(*take(&mut from)?) as usize;
    let [kind] = *take(&mut from)?;
    let position = u64::from_le_bytes(*take(&mut from)?);
    let payload_sum = u32::from_le_bytes(*take(&mut from)?);
    let sum = u32::from_le_bytes(*take(&mut from)?);
    // Nearly all that is no head fails at the first look, which costs nothing.
    if length > MAX_PAYLOAD || head_sum(salt, head.get(..FRAME - 4)?) != sum {
        return None;
    }
    Some((length, FrameKind::from_code(kind)?, position, payload_sum))
}

fn head_sum(salt: u64, head: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&salt.to_le_bytes()), head)
}

//! What the three blobs share: the first five bytes, the caps, and the ways to be refused.
//!
//! ```text
//! byte 0      type and version: 0x11 offline, 0x21 real-time, 0x31 frequency (low digit: version 1)
//! bytes 1-4   CRC-32 (IEEE 802.3) of everything from byte 5 on, begun at byte 0's value, little-endian
//! bytes 5-    the body, see each module
//! ```

use tagbid_types::{TagId, Timestamp};
use thiserror::Error;

/// Most tags in one blob of a user; writers refuse or drop beyond it, readers refuse.
pub const MAX_TAGS: usize = 512;

/// Most bytes of one blob of a user; writers refuse or drop beyond it, readers refuse.
pub const MAX_BYTES: usize = 8 * 1024;

/// Type byte and checksum.
const HEADER: usize = 5;

/// Which blob it is; the value is the type byte of the current version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Offline = 0x11,
    Realtime = 0x21,
    Frequency = 0x31,
}

/// Why bytes are not a blob, or a blob cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BlobError {
    /// The bytes end too soon.
    #[error("the blob is cut off")]
    Truncated,
    /// The first byte is not the type and version that was asked for.
    #[error("the blob's type byte is {found:#04x}, not {wanted:#04x}")]
    Type {
        /// What stands there.
        found: u8,
        /// What the reader can read.
        wanted: u8,
    },
    /// The checksum does not match.
    #[error("the blob's checksum does not match its bytes")]
    Checksum,
    /// The checksum matches and the body is still not one that our writers make.
    #[error("the blob is malformed: {0}")]
    Malformed(&'static str),
    /// Over [`MAX_BYTES`].
    #[error("{bytes} bytes for one user; at most {MAX_BYTES} are kept: send fewer tags")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Over [`MAX_TAGS`].
    #[error("{tags} tags for one user; at most {MAX_TAGS} are kept: send the strongest")]
    TooMany {
        /// How many.
        tags: usize,
    },
    /// The same tag twice.
    #[error("tag {0} stands twice: send each tag once for a user")]
    Duplicate(TagId),
    /// A moment outside what a blob can hold.
    #[error("time {0} (microseconds since 1970) is outside the years 1970 to 2106")]
    Time(Timestamp),
}

/// A tag as it counts at one moment: not expired, decayed to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveTag {
    /// The tag.
    pub id: TagId,
    /// Weight now, never 0 for a real-time tag.
    pub weight: u8,
    /// Seconds since the event (real-time) or the dataset's as-of time (offline).
    pub age_s: u32,
}

/// Starts a blob: leaves room for the checksum.
pub(crate) fn begin(kind: Kind, capacity: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER + capacity);
    out.extend_from_slice(&[kind as u8, 0, 0, 0, 0]);
    out
}

/// Ends a blob: writes the checksum, refuses what is too large.
pub(crate) fn seal(mut out: Vec<u8>) -> Result<Vec<u8>, BlobError> {
    if out.len() > MAX_BYTES {
        return Err(BlobError::TooLarge { bytes: out.len() });
    }
    let sum = checksum(&out).to_le_bytes();
    out.get_mut(1..HEADER).ok_or(BlobError::Truncated)?.copy_from_slice(&sum);
    Ok(out)
}

/// Checks size, type and checksum; returns the body.
pub(crate) fn open(kind: Kind, bytes: &[u8]) -> Result<&[u8], BlobError> {
    if bytes.len() > MAX_BYTES {
        return Err(BlobError::TooLarge { bytes: bytes.len() });
    }
    let (first, rest) = bytes.split_first().ok_or(BlobError::Truncated)?;
    if *first != kind as u8 {
        return Err(BlobError::Type { found: *first, wanted: kind as u8 });
    }
    let (sum, body) = rest.split_first_chunk().ok_or(BlobError::Truncated)?;
    if u32::from_le_bytes(*sum) != checksum(bytes) {
        return Err(BlobError::Checksum);
    }
    Ok(body)
}

fn checksum(bytes: &[u8]) -> u32 {
    let kind = bytes.first().copied().unwrap_or_default();
    let mut hasher = crc32fast::Hasher::new_with_initial(kind.into());
    hasher.update(bytes.get(HEADER..).unwrap_or_default());
    hasher.finalize()
}

/// Whole seconds since 1970, where a blob has 32 bits for them.
pub(crate) fn seconds(at: Timestamp) -> Result<u32, BlobError> {
    u32::try_from(at.secs()).map_err(|_| BlobError::Time(at))
}

/// Age in whole seconds, zero for the future.
pub(crate) fn age_s(now: Timestamp, then: Timestamp) -> u32 {
    let micros = now.0.saturating_sub(then.0).max(0);
    u32::try_from(micros / 1_000_000).unwrap_or(u32::MAX)
}

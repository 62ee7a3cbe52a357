//! What a write makes of what was there: the same in both stores.

use std::time::Duration;

use bytes::Bytes;
use tagbid_tagset::frequency::Frequency;
use tagbid_tagset::offline::Offline;
use tagbid_tagset::{UserKey, realtime};
use tagbid_types::Timestamp;

use super::{FREQUENCY_TTL_S, Impression, StoreError};

/// Bytes that may be forgotten from a moment on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expiring {
    pub(super) blob: Bytes,
    pub(super) expires: Timestamp,
}

/// The latest as-of time of these offline blobs.
pub(super) fn latest_as_of<'a>(blobs: impl IntoIterator<Item = &'a Bytes>) -> Option<Timestamp> {
    blobs.into_iter().filter_map(|blob| Some(Offline::parse(blob).ok()?.as_of())).max()
}

/// The real-time blob after a merge.
///
/// An old blob that cannot be read is replaced: nobody can use it, and refusing would lose every later event too.
pub(super) fn merged(
    user: UserKey,
    old: Option<&[u8]>,
    new: &[u8],
    now: Timestamp,
) -> Result<Expiring, StoreError> {
    let result = realtime::merge(old.unwrap_or(new), new, now).or_else(|error| {
        tracing::warn!(%user, %error, "real-time tags unreadable; replaced");
        realtime::merge(new, new, now)
    });
    let merged = result.map_err(|error| StoreError::Blob(user, error))?;
    Ok(Expiring { blob: merged.blob.into(), expires: merged.expires })
}

/// The frequency blob after an impression; none when it was counted before.
pub(super) fn counted(
    old: Option<&[u8]>,
    impression: &Impression,
    now: Timestamp,
) -> Result<Option<Expiring>, StoreError> {
    let user = impression.user;
    let refused = |error| StoreError::Blob(user, error);
    let mut counts = match old.map(Frequency::decode) {
        None => Frequency::default(),
        Some(Ok(counts)) => counts,
        Some(Err(error)) => {
            tracing::warn!(%user, %error, "counts unreadable; started anew");
            Frequency::default()
        }
    };
    let fresh = counts.record(impression.event, impression.at, &impression.counted);
    if !fresh.map_err(refused)? {
        return Ok(None);
    }
    Ok(Some(Expiring {
        blob: counts.encode(now).map_err(refused)?.into(),
        expires: now.after(Duration::from_secs(FREQUENCY_TTL_S)),
    }))
}

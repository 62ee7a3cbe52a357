//! What a write makes of what was there: the same in both stores.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use tagbid_ports::Impression;
use tagbid_tagset::frequency::{Counted, Frequency, Horizon};
use tagbid_tagset::offline::Offline;
use tagbid_tagset::{BlobError, UserKey, realtime};
use tagbid_types::Timestamp;

use super::{FREQUENCY_TTL_S, StoreError, Written};

/// Bytes that may be forgotten from a moment on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expiring {
    pub(super) blob: Bytes,
    pub(super) expires: Timestamp,
}

/// The moment that an offline blob describes; the start of time when it is none.
pub(super) fn as_of(blob: &[u8]) -> Timestamp {
    Offline::parse(blob).map_or(Timestamp(0), |blob| blob.as_of())
}

/// How long an offline blob is worth keeping after its as-of time. One that is none is not, but that is for others to say.
pub(super) fn lifetime_s(blob: &[u8]) -> u32 {
    Offline::parse(blob).and_then(|blob| blob.longest_ttl_s()).unwrap_or(u32::MAX)
}

/// The latest as-of time of these offline blobs.
pub(super) fn latest_as_of<'a>(blobs: impl IntoIterator<Item = &'a Bytes>) -> Option<Timestamp> {
    blobs.into_iter().filter_map(|blob| Some(Offline::parse(blob).ok()?.as_of())).max()
}

/// What several changes of one user make of a blob.
#[derive(Debug)]
pub(super) struct Changed {
    /// The blob to store; none: it stays as it is.
    pub(super) new: Option<Expiring>,
    /// What becomes of each change once that is stored.
    pub(super) items: Vec<Result<Written, StoreError>>,
}

/// The items of each user, by their places, users in the order of their first.
pub(super) fn by_user(users: impl Iterator<Item = UserKey>) -> Vec<(UserKey, Vec<usize>)> {
    let mut groups: Vec<(UserKey, Vec<usize>)> = Vec::new();
    let mut places = HashMap::new();
    for (item, user) in users.enumerate() {
        let place = *places.entry(user).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, items)) => items.push(item),
            None => groups.push((user, vec![item])),
        }
    }
    groups
}

/// The real-time blob after merges. One that cannot be merged is refused, and the others are merged. Of each only what
/// happened after `erased` is.
///
/// An old blob that cannot be read is replaced: nobody can use it, and refusing would lose every later event too.
pub(super) fn merged<'a>(
    (user, erased): (UserKey, Timestamp),
    old: Option<&[u8]>,
    new: impl Iterator<Item = &'a Bytes>,
    now: Timestamp,
) -> Changed {
    let mut changed = Changed { new: None, items: Vec::new() };
    for new in new {
        let kept = match erased {
            Timestamp(0) => Ok(Some(Cow::Borrowed(&**new))),
            erased => realtime::after(new, erased).map(|kept| kept.map(Cow::Owned)),
        };
        let new = match kept {
            Ok(Some(new)) => new,
            Ok(None) => {
                changed.items.push(Ok(Written::Suppressed));
                continue;
            }
            Err(error) => {
                changed.items.push(Err(StoreError::Blob(user, error)));
                continue;
            }
        };
        let before = changed.new.as_ref().map(|one| &*one.blob).or(old);
        let result = realtime::merge(before.unwrap_or(&new), &new, now).or_else(|error| {
            let alone = realtime::merge(&new, &new, now);
            if alone.is_ok() {
                tracing::warn!(%user, %error, "real-time tags unreadable; replaced");
            }
            alone
        });
        changed.items.push(match result {
            Ok(merged) => {
                changed.new = Some(Expiring { blob: merged.blob.into(), expires: merged.expires });
                Ok(Written::Stored)
            }
            Err(error) => Err(StoreError::Blob(user, error)),
        });
    }
    changed
}

/// The frequency blob after impressions, of which those up to `erased` are left out.
pub(super) fn counted<'a>(
    (user, erased): (UserKey, Timestamp),
    old: Option<&[u8]>,
    impressions: impl Iterator<Item = &'a Impression>,
    now: Timestamp,
) -> Changed {
    let mut counts = match old.map(Frequency::decode) {
        None => Frequency::default(),
        Some(Ok(counts)) => counts,
        Some(Err(error)) => {
            tracing::warn!(%user, %error, "counts unreadable; started anew");
            Frequency::default()
        }
    };
    let mut take = |one: &Impression| {
        if erased > Timestamp(0) && one.at <= erased {
            return Ok(Written::Suppressed);
        }
        record(&mut counts, one).map_err(|error| StoreError::Blob(user, error))
    };
    let mut items: Vec<_> = impressions.map(&mut take).collect();
    if !items.contains(&Ok(Written::Stored)) {
        return Changed { new: None, items };
    }
    match counts.encode_within(now) {
        Ok((blob, forgotten)) => {
            if forgotten > 0
                && let Some(one) = items.iter_mut().find(|one| **one == Ok(Written::Stored))
            {
                *one = Ok(Written::Crowded);
            }
            let expires = now.after(Duration::from_secs(FREQUENCY_TTL_S));
            Changed { new: Some(Expiring { blob: blob.into(), expires }), items }
        }
        Err(error) => {
            let refused = Err(StoreError::Blob(user, error));
            Changed { new: None, items: vec![refused; items.len()] }
        }
    }
}

/// Counts an impression, and keeps how far back caps look at what it counts for.
fn record(counts: &mut Frequency, one: &Impression) -> Result<Written, BlobError> {
    if !counts.record(one.event, one.at, &one.counted)? {
        return Ok(Written::Repeated);
    }
    let horizon = |entity: &Counted| {
        let capped = one.capped.iter().find(|(capped, _)| capped == entity);
        (*entity, capped.map_or(Horizon::None, |(_, horizon)| *horizon))
    };
    counts.look_back(one.counted.iter().map(horizon));
    Ok(Written::Stored)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tagbid_tagset::frequency::Counts;
    use tagbid_tagset::realtime::{Realtime, RealtimeTag};
    use tagbid_types::{LineItemId, TagId};

    const NOW: Timestamp = Timestamp::from_secs(1_735_689_600);
    const USER: UserKey = UserKey([7; 16]);

    proptest! {
        /// Whatever lies in the store, a write neither panics nor fails, and what it stores can be read and has the change.
        #[test]
        fn writes_get_over_what_is_no_blob(old in prop::collection::vec(any::<u8>(), 0..100)) {
            let tag = RealtimeTag { id: TagId(1), weight: 9, event: NOW, half_life_s: 0, ttl_s: 60 };
            let new = Bytes::from(realtime::encode(&[tag]).unwrap());
            let written = merged((USER, Timestamp(0)), Some(&old), [&new].into_iter(), NOW);
            prop_assert_eq!(written.items, [Ok(Written::Stored)]);
            let blob = written.new.unwrap().blob;
            prop_assert_eq!(Realtime::parse(&blob).unwrap().tags().next(), Some(Ok(tag)));

            let entity = Counted::LineItem(LineItemId(5));
            let one = Impression { user: USER, event: 1, at: NOW, counted: vec![entity], capped: vec![] };
            let written = counted((USER, Timestamp(0)), Some(&old), [&one].into_iter(), NOW);
            prop_assert_eq!(written.items, [Ok(Written::Stored)]);
            let blob = written.new.unwrap().blob;
            prop_assert_eq!(Counts::parse(&blob).unwrap().count(entity, None, NOW), Ok(1));
        }
    }
}

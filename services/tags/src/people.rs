//! A user as a person: under all keys that a lookup names, and under those that the list of people links to them.
//!
//! What is kept lies under the id that it came with, and nothing is moved when ids turn out to be one person: the first
//! question says of an id who else it is, the second reads all of them. A user who is linked to nobody costs one.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use tagbid_ports::{OfflineBlob, UserKeys};
use tagbid_tagset::frequency::Frequency;
use tagbid_tagset::offline::Offline;
use tagbid_tagset::{BlobError, UserKey, offline, realtime};
use tagbid_types::Timestamp;
use tokio::time::Instant;

use crate::store::{Standing, Store, StoreError, Stored, Version};

type Read = Result<Stored, StoreError>;

/// What is asked of all users of a call.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    /// All of it is read of these.
    pub(crate) versions: &'a [Version],
    pub(crate) frequency: bool,
    pub(crate) now: Timestamp,
}

/// What is known of these users, in their order, or why nobody can say.
pub(crate) async fn read(
    store: &dyn Store,
    users: &[UserKeys],
    question: Question<'_>,
    within: Duration,
) -> Vec<Read> {
    let began = Instant::now();
    let (mut found, others) =
        tokio::join!(both_keys(store, users, question, within), suppressed_elsewhere(store, users, within),);
    for (one, elsewhere) in found.iter_mut().zip(others) {
        match elsewhere {
            Ok(false) => {}
            Ok(true) => *one = Ok(suppressed()),
            // Nobody knows whether they may be known.
            Err(error) => *one = Err(error),
        }
    }
    let persons: Vec<_> = found.iter().zip(users).map(|(one, user)| person(one, user)).collect();
    if persons.iter().any(|person| !person.is_empty()) {
        let left = within.saturating_sub(began.elapsed());
        read_persons(store, (&mut found, &persons), question, left).await;
    }
    found
}

fn suppressed() -> Stored {
    Stored { suppressed: true, ..Stored::default() }
}

/// Each user under the current key and, while keys rotate, the previous one.
async fn both_keys(
    store: &dyn Store,
    users: &[UserKeys],
    question: Question<'_>,
    within: Duration,
) -> Vec<Read> {
    let current = users.iter().map(|keys| keys.user);
    let previous = users.iter().filter_map(|keys| keys.previous);
    let keys: Vec<_> = current.chain(previous).collect();
    let mut stored = store.read_of(question.versions, &keys, question.frequency, within).await;
    let mut older = stored.split_off(users.len().min(stored.len())).into_iter();
    for (one, keys) in stored.iter_mut().zip(users) {
        if keys.previous.is_some() {
            let older = older.next().unwrap_or(Err(StoreError::Down));
            match (one.as_mut(), older) {
                (Ok(one), Ok(older)) => combine(one, older, newer, question.now),
                // Half of a user is not known, least of all whether they are suppressed.
                (Ok(_), Err(error)) => *one = Err(error),
                (Err(_), _) => {}
            }
        }
    }
    stored
}

/// Whether each user is suppressed under another id that came with them.
async fn suppressed_elsewhere(
    store: &dyn Store,
    users: &[UserKeys],
    within: Duration,
) -> Vec<Result<bool, StoreError>> {
    let keys: Vec<_> = users.iter().flat_map(|keys| keys.others.as_slice()).copied().collect();
    if keys.is_empty() {
        return vec![Ok(false); users.len()];
    }
    let mut standings = store.standings(&keys, within).await.into_iter();
    let mut of_user = |keys: &UserKeys| {
        let count = keys.others.as_slice().len();
        let standings: Vec<_> = standings.by_ref().take(count).collect();
        let is_suppressed = |one: &Result<Standing, StoreError>| one.as_ref().is_ok_and(|one| one.suppressed);
        match standings.iter().any(is_suppressed) {
            true => Ok(true),
            false if standings.len() < count => Err(StoreError::Down),
            false => standings.into_iter().try_for_each(|one| one.map(drop)).map(|()| false),
        }
    };
    users.iter().map(&mut of_user).collect()
}

/// All keys of a user who is linked to others; none for one who is not.
fn person(found: &Read, keys: &UserKeys) -> Vec<UserKey> {
    match found {
        Ok(stored) if !stored.others.is_empty() => {
            let own = [Some(keys.user), keys.previous].into_iter().flatten();
            let all: BTreeSet<_> = stored.others.iter().copied().chain(own).collect();
            all.into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// Reads persons, all ids of each in one question.
async fn read_persons(
    store: &dyn Store,
    (found, persons): (&mut [Read], &[Vec<UserKey>]),
    question: Question<'_>,
    within: Duration,
) {
    let keys: Vec<_> = persons.iter().flatten().copied().collect();
    let mut stored = store.read_of(question.versions, &keys, question.frequency, within).await.into_iter();
    for (one, person) in found.iter_mut().zip(persons).filter(|(_, person)| !person.is_empty()) {
        let mut all = Ok(Stored::default());
        for _ in person {
            let member = stored.next().unwrap_or(Err(StoreError::Down));
            match (&mut all, member) {
                (Ok(all), Ok(member)) => combine(all, member, union, question.now),
                (all @ Ok(_), Err(error)) => *all = Err(error),
                (Err(_), _) => {}
            }
        }
        *one = all;
    }
}

/// Adds what is kept under another key: offline tags of one dataset as `same` says, real-time tags and counts together.
/// Suppressed under either is suppressed.
fn combine(stored: &mut Stored, other: Stored, same: fn(&mut OfflineBlob, OfflineBlob), now: Timestamp) {
    if stored.suppressed || other.suppressed {
        *stored = suppressed();
        return;
    }
    for blob in other.offline {
        match stored.offline.iter_mut().find(|one| one.dataset == blob.dataset) {
            Some(ours) => same(ours, blob),
            None => stored.offline.push(blob),
        }
    }
    stored.offline.sort_by_key(|one| one.dataset);
    stored.lost.extend(other.lost);
    stored.lost.sort_unstable();
    stored.lost.dedup();
    stored.others.extend(other.others);
    stored.realtime = both(stored.realtime.take(), other.realtime, |one, other| {
        realtime::merge(one, other, now).map(|merged| merged.blob)
    });
    stored.frequency = both(stored.frequency.take(), other.frequency, |one, other| {
        let mut counts = Frequency::decode(one)?;
        counts.absorb(&Frequency::decode(other)?);
        counts.encode(now)
    });
}

/// Of one id under two MAC keys: what describes the later moment.
fn newer(ours: &mut OfflineBlob, other: OfflineBlob) {
    if as_of(&other) > as_of(ours) {
        *ours = other;
    }
}

/// Of two ids of one person: the tags of both. One that cannot be read leaves the other.
fn union(ours: &mut OfflineBlob, other: OfflineBlob) {
    match offline::union(&ours.blob, &other.blob) {
        Ok(blob) => ours.blob = blob.into(),
        Err(_) if as_of(ours).is_none() => {}
        Err(_) => ours.blob = other.blob,
    }
}

fn as_of(blob: &OfflineBlob) -> Option<Timestamp> {
    Offline::parse(&blob.blob).ok().map(|read| read.as_of())
}

/// Whichever there is; merged when both are. A blob that cannot be merged is passed on as it is: the reader finds
/// it unreadable, as it would without rotation.
fn both(
    current: Option<Bytes>,
    other: Option<Bytes>,
    merge: impl FnOnce(&[u8], &[u8]) -> Result<Vec<u8>, BlobError>,
) -> Option<Bytes> {
    match (current, other) {
        (Some(current), Some(other)) => Some(merge(&current, &other).map_or(current, Bytes::from)),
        (current, other) => current.or(other),
    }
}

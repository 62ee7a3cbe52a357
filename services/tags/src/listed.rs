//! Whom the list of people knows under another MAC key than the one that is written.
//!
//! The list was told of people under the keys of its day. A store keeps nothing of who is marked under the key that a write
//! has; a write under a newer key finds no mark there. So whoever turns raw ids into keys looks the others up before anything
//! is written. There is nothing to look up before keys are rotated for the first time.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use tagbid_tagset::offline::Offline;
use tagbid_tagset::{BlobError, MacKeys, StandardId, UserKey, realtime};
use tagbid_types::Timestamp;

use crate::store::{Store, StoreError};

/// How long the store may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A user under the key that is written, and under another.
pub(crate) type Other = (UserKey, UserKey);

/// An id under every key but the one that is written.
pub(crate) fn others<'a>(keys: &'a MacKeys, id: &'a StandardId<'_>) -> impl Iterator<Item = Other> + 'a {
    let mut others = keys.all().skip(1).peekable();
    let user = others.peek().map(|_| keys.current.user_key(id));
    others.filter_map(move |key| Some((user?, key.user_key(id))))
}

/// What the list says of users under other keys.
#[derive(Debug, Default)]
pub(crate) struct Listed(HashMap<UserKey, Timestamp>);

impl Listed {
    /// Looks them up.
    pub(crate) async fn of(store: &dyn Store, others: &[Other]) -> Result<Self, StoreError> {
        let mut listed = HashMap::new();
        if others.is_empty() {
            return Ok(Self(listed));
        }
        let keys: Vec<_> = others.iter().map(|(_, other)| *other).collect();
        for ((user, _), standing) in others.iter().zip(store.standings(&keys, PATIENCE).await) {
            let standing = standing?;
            // Of somebody who is suppressed nothing is kept, of whatever moment.
            let until = if standing.suppressed { Timestamp(i64::MAX) } else { standing.erased };
            if until > Timestamp(0) {
                let known = listed.entry(*user).or_insert(until);
                *known = until.max(*known);
            }
        }
        Ok(Self(listed))
    }

    /// Whether what describes the user at that moment may be kept.
    pub(crate) fn keeps(&self, user: UserKey, at: Timestamp) -> bool {
        self.0.get(&user).is_none_or(|until| at > *until)
    }

    /// The same of a blob of offline tags; of one that is none others say what is wrong.
    pub(crate) fn keeps_offline(&self, user: UserKey, blob: &[u8]) -> bool {
        self.0.is_empty() || Offline::parse(blob).map_or(true, |blob| self.keeps(user, blob.as_of()))
    }

    /// What may be kept of a blob of real-time tags.
    pub(crate) fn left_of(&self, user: UserKey, blob: Bytes) -> Result<Option<Bytes>, BlobError> {
        match self.0.get(&user) {
            None => Ok(Some(blob)),
            Some(until) => Ok(realtime::after(&blob, *until)?.map(Bytes::from)),
        }
    }
}

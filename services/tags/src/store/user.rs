//! One user of a [`super::MemoryStore`].

use std::collections::BTreeMap;

use tagbid_ports::OfflineBlob;
use tagbid_tagset::UserKey;
use tagbid_types::{DatasetId, Timestamp};

use super::change::Expiring;

/// Active version of each dataset.
pub(super) type Versions = BTreeMap<DatasetId, u32>;

/// Everything of one user in one place: a lookup is one access.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct User {
    pub(super) suppressed: bool,
    pub(super) offline: Vec<OfflineBlob>,
    pub(super) realtime: Option<Expiring>,
    pub(super) frequency: Option<Expiring>,
}

impl User {
    /// Forgets what has expired and what belongs to another version than the active one. A dataset that is not in
    /// `versions` is newer than they are, and stays. False when nothing is left.
    pub(super) fn sweep(&mut self, versions: &Versions, now: Timestamp) -> bool {
        self.offline.retain(|one| versions.get(&one.dataset).is_none_or(|active| *active == one.version));
        for slot in [&mut self.realtime, &mut self.frequency] {
            slot.take_if(|one| one.expires <= now);
        }
        !self.is_empty()
    }

    /// Bytes that it takes, key included, the table's own aside.
    pub(super) fn bytes(&self) -> usize {
        let offline = self.offline.iter().map(|one| size_of::<OfflineBlob>() + one.blob.len());
        let expiring = self.realtime.iter().chain(&self.frequency).map(|one| one.blob.len());
        size_of::<(UserKey, Self)>() + offline.sum::<usize>() + expiring.sum::<usize>()
    }

    pub(super) fn has_tags(&self) -> bool {
        !self.offline.is_empty() || self.realtime.is_some()
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.suppressed && self.offline.is_empty() && self.realtime.is_none() && self.frequency.is_none()
    }
}

//! One user of a [`super::MemoryStore`].

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use tagbid_ports::OfflineBlob;
use tagbid_tagset::UserKey;
use tagbid_types::Timestamp;

use super::change::{self, Expiring};
use super::{ERASED_FOR, Standing, Version};

/// The versions that a store has, and whether each is whole.
pub(super) type Held = BTreeMap<Version, bool>;

/// Everything of one user in one place: a lookup is one access.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct User {
    /// What the list of people says, if anything.
    pub(super) standing: Option<Box<Standing>>,
    pub(super) offline: Vec<OfflineBlob>,
    pub(super) realtime: Option<Expiring>,
    pub(super) frequency: Option<Expiring>,
}

impl User {
    /// Forgets what has expired and what belongs to a version that the store does not have. Blobs of snapshots stay while
    /// these do, because their users are counted; of versions that are `open`, they go. False when nothing is left.
    pub(super) fn sweep(&mut self, held: &Held, open: &[Version], now: Timestamp) -> bool {
        self.standing.take_if(|standing| standing.ends() && standing.erased.after(ERASED_FOR) <= now);
        let expired = |one: &OfflineBlob| {
            let lifetime = Duration::from_secs(change::lifetime_s(&one.blob).into());
            change::as_of(&one.blob).after(lifetime) <= now
        };
        self.offline.retain(|one| {
            let version = version_of(one);
            held.contains_key(&version) && !(open.contains(&version) && expired(one))
        });
        for slot in [&mut self.realtime, &mut self.frequency] {
            slot.take_if(|one| one.expires <= now);
        }
        !self.is_empty()
    }

    /// Bytes that it takes, key included, the table's own aside.
    pub(super) fn bytes(&self) -> usize {
        let offline = self.offline.iter().map(|one| size_of::<OfflineBlob>() + one.blob.len());
        let expiring = self.realtime.iter().chain(&self.frequency).map(|one| one.blob.len());
        let standing = self.standing.as_ref();
        let standing =
            standing.map_or(0, |one| size_of::<Standing>() + one.others.len() * size_of::<UserKey>());
        size_of::<(UserKey, Self)>() + standing + offline.sum::<usize>() + expiring.sum::<usize>()
    }

    /// Puts a blob of a version in its place; whether there was none.
    pub(super) fn put(&mut self, version: Version, blob: Bytes) -> bool {
        let new = OfflineBlob { dataset: version.dataset, version: version.number, blob };
        let place = self.offline.partition_point(|one| version_of(one) < version);
        match self.offline.get_mut(place) {
            Some(one) if version_of(one) == version => {
                *one = new;
                false
            }
            _ => {
                self.offline.insert(place, new);
                true
            }
        }
    }

    /// Nothing is kept of the user.
    pub(super) fn is_suppressed(&self) -> bool {
        self.standing.as_ref().is_some_and(|standing| standing.suppressed)
    }

    /// What describes the user up to this moment is not kept.
    pub(super) fn erased(&self) -> Timestamp {
        self.standing.as_ref().map_or(Timestamp(0), |standing| standing.erased)
    }

    /// The names of what is kept, as Redis has them.
    pub(super) fn names(&self, key: UserKey) -> Vec<String> {
        let one = |name: &str, there: bool| there.then(|| format!("{name}:{{{key}}}"));
        let offline = self.offline.iter().map(|one| format!("o:{}:{{{key}}}", version_of(one)));
        let fixed = [
            one("x", self.standing.is_some()),
            one("r", self.realtime.is_some()),
            one("f", self.frequency.is_some()),
        ];
        fixed.into_iter().flatten().chain(offline).collect()
    }

    pub(super) fn has_tags(&self, active: &[Version]) -> bool {
        self.realtime.is_some() || self.offline.iter().any(|one| active.contains(&version_of(one)))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.standing.is_none()
            && self.offline.is_empty()
            && self.realtime.is_none()
            && self.frequency.is_none()
    }
}

/// The version that a blob is of.
pub(super) fn version_of(blob: &OfflineBlob) -> Version {
    Version { dataset: blob.dataset, number: blob.version }
}

//! Users in this process's memory, saved to a file and reloaded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use ahash::RandomState;
use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use dashmap::DashMap;
use tagbid_ports::OfflineBlob;
use tagbid_tagset::UserKey;
use tagbid_types::{DatasetId, Timestamp};

use super::change::{self, Expiring};
use super::snapshot::{self, SnapshotError};
use super::{Impression, MAX_ACTIVE_DATASETS, Store, StoreError, Stored};

/// So many locks that saving one part's users holds up few writers.
const SHARDS: usize = 256;

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
    fn sweep(&mut self, versions: &Versions, now: Timestamp) -> bool {
        self.offline.retain(|one| versions.get(&one.dataset).is_none_or(|active| *active == one.version));
        for slot in [&mut self.realtime, &mut self.frequency] {
            slot.take_if(|one| one.expires <= now);
        }
        self.suppressed || !self.offline.is_empty() || self.realtime.is_some() || self.frequency.is_some()
    }
}

type Users = DashMap<UserKey, User, RandomState>;

/// A store in memory. With a file it survives restarts: what was written since the last save is lost when the
/// process is killed, and nothing when it drains.
#[derive(Debug)]
pub struct MemoryStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    users: Users,
    versions: ArcSwap<Versions>,
    /// Taken by whoever changes `versions`.
    versions_writer: Mutex<()>,
    file: Option<PathBuf>,
    changed: AtomicBool,
    /// One save at a time: they share a temporary file.
    saving: Mutex<()>,
}

impl MemoryStore {
    /// Opens the store; loads the file if there is one. Reads the whole file: call it off the async threads.
    pub fn open(file: Option<PathBuf>) -> Result<Self, SnapshotError> {
        let users = Users::with_capacity_and_hasher_and_shard_amount(0, RandomState::default(), SHARDS);
        let versions = match &file {
            Some(path) => snapshot::load(path, |key, user| {
                users.insert(key, user);
            })?,
            None => Versions::new(),
        };
        let inner = Inner {
            users,
            versions: ArcSwap::from_pointee(versions),
            versions_writer: Mutex::default(),
            file,
            changed: AtomicBool::new(false),
            saving: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// How many users it holds.
    pub fn len(&self) -> usize {
        self.inner.users.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.inner.users.is_empty()
    }
}

impl Inner {
    fn read_one(&self, key: &UserKey, versions: &Versions, frequency: bool) -> Stored {
        let Some(user) = self.users.get(key) else {
            return Stored::default();
        };
        if user.suppressed {
            return Stored { suppressed: true, ..Stored::default() };
        }
        let active = |one: &&OfflineBlob| versions.get(&one.dataset) == Some(&one.version);
        Stored {
            suppressed: false,
            offline: user.offline.iter().filter(active).cloned().collect(),
            realtime: user.realtime.as_ref().map(|one| one.blob.clone()),
            frequency: user.frequency.as_ref().filter(|_| frequency).map(|one| one.blob.clone()),
        }
    }

    /// The active version of a dataset, made if there is none.
    fn active_version(&self, dataset: DatasetId) -> Result<u32, StoreError> {
        let _one_at_a_time = self.versions_writer.lock().unwrap_or_else(|lock| lock.into_inner());
        let versions = self.versions.load();
        if let Some(version) = versions.get(&dataset) {
            return Ok(*version);
        }
        if versions.len() >= MAX_ACTIVE_DATASETS {
            return Err(StoreError::TooManyDatasets(dataset));
        }
        let mut more = Versions::clone(&versions);
        more.insert(dataset, 1);
        self.versions.store(Arc::new(more));
        Ok(1)
    }

    /// Changes a user under its lock, unless suppressed.
    fn change(
        &self,
        key: UserKey,
        change: impl FnOnce(&mut User) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut user = self.users.entry(key).or_default();
        if user.suppressed {
            return Ok(());
        }
        self.changed.store(true, Ordering::Release);
        change(&mut user)
    }

    fn save_to(&self, path: &Path, now: Timestamp) -> Result<(), SnapshotError> {
        let _one_at_a_time = self.saving.lock().unwrap_or_else(|lock| lock.into_inner());
        if !self.changed.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let versions = self.versions.load();
        self.users.retain(|_, user| user.sweep(&versions, now));
        let saved = snapshot::save(
            path,
            |write| self.users.iter().try_for_each(|user| write(user.key(), user.value())),
            || self.versions.load_full(),
        );
        if saved.is_err() {
            self.changed.store(true, Ordering::Release);
        }
        saved
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn read(&self, users: &[UserKey], frequency: bool) -> Result<Vec<Stored>, StoreError> {
        let versions = self.inner.versions.load();
        let read = |key| self.inner.read_one(key, &versions, frequency);
        Ok(users.iter().map(read).collect())
    }

    async fn put_offline(&self, dataset: DatasetId, users: Vec<(UserKey, Bytes)>) -> Result<u32, StoreError> {
        let version = self.inner.active_version(dataset)?;
        for (key, blob) in users {
            self.inner.change(key, |user| {
                user.offline.retain(|one| one.dataset != dataset);
                let place = user.offline.partition_point(|one| one.dataset < dataset);
                let blob = OfflineBlob { dataset, version, blob };
                user.offline.insert(place, blob);
                Ok(())
            })?;
        }
        Ok(version)
    }

    async fn merge_realtime(&self, users: Vec<(UserKey, Bytes)>, now: Timestamp) -> Result<(), StoreError> {
        users.into_iter().try_for_each(|(key, blob)| {
            self.inner.change(key, |user| {
                let old = user.realtime.as_ref().map(|old| &*old.blob);
                user.realtime = Some(change::merged(key, old, &blob, now)?);
                Ok(())
            })
        })
    }

    async fn count(&self, impressions: Vec<Impression>, now: Timestamp) -> Result<(), StoreError> {
        impressions.into_iter().try_for_each(|impression| {
            self.inner.change(impression.user, |user| {
                let old = user.frequency.as_ref().map(|old| &*old.blob);
                if let Some(changed) = change::counted(old, &impression, now)? {
                    user.frequency = Some(changed);
                }
                Ok(())
            })
        })
    }

    async fn set_suppressed(&self, users: &[UserKey], suppressed: bool) -> Result<(), StoreError> {
        for key in users {
            if suppressed {
                let only_that = User { suppressed, ..User::default() };
                self.inner.users.insert(*key, only_that);
            } else {
                // A suppressed user has nothing but the mark; of others nothing is touched.
                self.inner.users.remove_if(key, |_, user| user.suppressed);
            }
        }
        self.inner.changed.store(true, Ordering::Release);
        Ok(())
    }

    async fn save(&self, now: Timestamp) -> Result<(), StoreError> {
        let inner = Arc::clone(&self.inner);
        let Some(path) = inner.file.clone() else {
            return Ok(());
        };
        let saved = tokio::task::spawn_blocking(move || inner.save_to(&path, now)).await;
        saved
            .map_err(|panicked| StoreError::Failed(panicked.to_string()))?
            .map_err(|error| StoreError::Failed(error.to_string()))
    }
}

//! Users in this process's memory, saved to a file and reloaded.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ahash::RandomState;
use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use dashmap::{DashMap, Entry};
use tagbid_ports::{Impression, OfflineBlob, SuppressionChange};
use tagbid_tagset::UserKey;
use tagbid_types::{DatasetId, Revision, Timestamp};

use super::change::{self, Changed, Expiring};
use super::journal::{Durability, Journal, Record};
use super::snapshot::{self, SnapshotError};
use crate::metrics::{DatasetStats, Stats, Sum};
use crate::sample::KeySample;

use super::user::{User, Versions};
use super::{MAX_ACTIVE_DATASETS, Sentinel, Store, StoreError, Stored, Written};

/// So many locks that saving one part's users holds up few writers.
const SHARDS: usize = 256;

type Users = DashMap<UserKey, User, RandomState>;

/// A store in memory. With a file it survives restarts, however the process ended: see [`Durability`].
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
    file: Option<Kept>,
    changed: AtomicBool,
    /// How much of the suppression list is applied; held while more is.
    sentinel: Mutex<Sentinel>,
    /// Bytes of all users.
    bytes: Sum,
    /// The latest as-of time of what was written to each dataset.
    as_of: Mutex<BTreeMap<DatasetId, Timestamp>>,
    /// One save at a time: they share a temporary file.
    saving: Mutex<()>,
}

/// Where the store is kept.
#[derive(Debug)]
struct Kept {
    path: PathBuf,
    journal: Journal,
}

impl MemoryStore {
    /// Opens the store; loads the file and its journals if there are any. Reads them whole: call it off the async
    /// threads.
    pub fn open(file: Option<PathBuf>, durability: Durability) -> Result<Self, SnapshotError> {
        let users = Users::with_capacity_and_hasher_and_shard_amount(0, RandomState::default(), SHARDS);
        let (mut versions, mut sentinel, mut kept, mut replayed) = (Versions::new(), None, None, false);
        if let Some(path) = file {
            let rest = snapshot::load(&path, |key, user| drop(users.insert(key, user)))?;
            (versions, sentinel) = (rest.versions, rest.sentinel);
            let journal = Journal::open(&path, rest.journal, durability, |record| {
                replayed = true;
                match record {
                    Record::User(key, user) if user.is_empty() => drop(users.remove(&key)),
                    Record::User(key, user) => drop(users.insert(key, user)),
                    Record::Version(dataset, version) => drop(versions.insert(dataset, version)),
                    Record::Sentinel(later) => sentinel = Some(later),
                }
            })?;
            kept = Some(Kept { path, journal });
        }
        let (bytes, mut as_of) = (Sum::default(), BTreeMap::new());
        for user in &users {
            bytes.replace(0, user.bytes());
            user.offline.iter().for_each(|one| note_as_of(&mut as_of, one.dataset, [&one.blob]));
        }
        let inner = Inner {
            bytes,
            as_of: Mutex::new(as_of),
            users,
            versions: ArcSwap::from_pointee(versions),
            versions_writer: Mutex::default(),
            file: kept,
            changed: AtomicBool::new(replayed),
            sentinel: Mutex::new(sentinel.unwrap_or_else(Sentinel::newborn)),
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
        let _one_at_a_time = lock(&self.versions_writer);
        let versions = self.versions.load();
        if let Some(version) = versions.get(&dataset) {
            return Ok(*version);
        }
        if versions.len() >= MAX_ACTIVE_DATASETS {
            return Err(StoreError::TooManyDatasets(dataset));
        }
        let mut more = Versions::clone(&versions);
        more.insert(dataset, 1);
        if let Some(kept) = &self.file {
            kept.journal.version(dataset, 1);
        }
        self.versions.store(Arc::new(more));
        Ok(1)
    }

    /// Changes a user under its lock; none when suppressed.
    fn change<T>(&self, key: UserKey, change: impl FnOnce(&mut User) -> T) -> Option<T> {
        let entry = self.users.entry(key);
        let before = bytes_in(&entry);
        let mut user = entry.or_default();
        if user.suppressed {
            return None;
        }
        let changed = change(&mut user);
        self.bytes.replace(before, user.bytes());
        self.note(&key, &user);
        Some(changed)
    }

    /// Changes one blob of each user; what became of each item.
    fn change_each(
        &self,
        users: Vec<(UserKey, Vec<usize>)>,
        blob: fn(&mut User) -> &mut Option<Expiring>,
        change: impl Fn(UserKey, &[usize], Option<&[u8]>) -> Changed,
    ) -> Vec<Result<Written, StoreError>> {
        let mut written: Vec<(usize, Result<Written, StoreError>)> = Vec::new();
        for (key, items) in users {
            let changed = self.change(key, |user| {
                let blob = blob(user);
                let changed = change(key, &items, blob.as_ref().map(|old| &*old.blob));
                if changed.new.is_some() {
                    *blob = changed.new;
                }
                changed.items
            });
            let changed = changed.unwrap_or_else(|| vec![Ok(Written::Suppressed); items.len()]);
            written.extend(items.into_iter().zip(changed));
        }
        written.sort_unstable_by_key(|(item, _)| *item);
        written.into_iter().map(|(_, written)| written).collect()
    }

    /// Everything of a user goes, the mark aside.
    fn erase(&self, key: UserKey, suppressed: bool) {
        let only_that = User { suppressed, ..User::default() };
        let entry = self.users.entry(key);
        let before = bytes_in(&entry);
        if suppressed {
            let mut user = entry.or_default();
            *user = only_that;
            self.bytes.replace(before, user.bytes());
            self.note(&key, &user);
        } else if let Entry::Occupied(user) = entry {
            self.note(&key, &only_that);
            self.bytes.replace(before, 0);
            user.remove();
        }
    }

    /// Notes what a user, who is locked, has now.
    fn note(&self, key: &UserKey, user: &User) {
        self.changed.store(true, Ordering::Release);
        if let Some(kept) = &self.file {
            kept.journal.user(key, user);
        }
    }

    fn sentinel(&self) -> MutexGuard<'_, Sentinel> {
        lock(&self.sentinel)
    }

    fn save_to(&self, kept: &Kept, now: Timestamp) -> Result<(), SnapshotError> {
        let _one_at_a_time = lock(&self.saving);
        if !self.changed.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let saved = self.save_all(kept, now);
        if saved.is_err() {
            self.changed.store(true, Ordering::Release);
        }
        saved
    }

    fn save_all(&self, kept: &Kept, now: Timestamp) -> Result<(), SnapshotError> {
        let journal = kept.journal.rotate()?;
        let sentinel = *self.sentinel();
        let versions = self.versions.load();
        self.users.retain(|_, user| {
            let before = user.bytes();
            let stays = user.sweep(&versions, now);
            self.bytes.replace(before, if stays { user.bytes() } else { 0 });
            stays
        });
        snapshot::save(
            &kept.path,
            (sentinel, journal),
            |write| self.users.iter().try_for_each(|user| write(user.key(), user.value())),
            || self.versions.load_full(),
        )?;
        kept.journal.forget_before(journal)
    }
}

impl MemoryStore {
    /// Runs what blocks for the disk off the async threads; nothing where nothing is kept.
    async fn on_disk(
        &self,
        work: impl FnOnce(&Inner, &Kept) -> Result<(), SnapshotError> + Send + 'static,
    ) -> Result<(), StoreError> {
        if self.inner.file.is_none() {
            return Ok(());
        }
        let inner = Arc::clone(&self.inner);
        let work = move || inner.file.as_ref().map_or(Ok(()), |kept| work(&inner, kept));
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|panicked| StoreError::Failed(panicked.to_string()))?
            .map_err(|error| StoreError::Failed(error.to_string()))
    }

    /// Makes the changes, then everything that was noted durable, also when a change in the middle was refused.
    async fn durably<T>(
        &self,
        change: impl FnOnce() -> Result<T, StoreError> + Send,
    ) -> Result<T, StoreError> {
        if self.inner.file.as_ref().is_some_and(|kept| kept.journal.is_full()) {
            self.on_disk(|_, kept| kept.journal.commit()).await?;
        }
        let changed = change();
        self.on_disk(|_, kept| kept.journal.commit()).await?;
        changed
    }
}

fn bytes_in(entry: &Entry<'_, UserKey, User>) -> usize {
    match entry {
        Entry::Occupied(user) => user.get().bytes(),
        Entry::Vacant(_) => 0,
    }
}

fn note_as_of<'a>(
    as_of: &mut BTreeMap<DatasetId, Timestamp>,
    dataset: DatasetId,
    blobs: impl IntoIterator<Item = &'a Bytes>,
) {
    if let Some(latest) = change::latest_as_of(blobs) {
        let known = as_of.entry(dataset).or_insert(latest);
        *known = latest.max(*known);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while one was held leaves nothing half-done that its holder would not find.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Store for MemoryStore {
    async fn read(
        &self,
        users: &[UserKey],
        frequency: bool,
        _at_once: Duration,
    ) -> Vec<Result<Stored, StoreError>> {
        let versions = self.inner.versions.load();
        users.iter().map(|key| Ok(self.inner.read_one(key, &versions, frequency))).collect()
    }

    async fn walk(&self, _all: u64, mut sample: KeySample) -> Result<(KeySample, Option<u64>), StoreError> {
        let inner = Arc::clone(&self.inner);
        // Ten million users take half a second.
        let walked = tokio::task::spawn_blocking(move || {
            for user in inner.users.iter().filter(|user| user.has_tags()) {
                let key = u128::from_be_bytes(user.key().0);
                if sample.wants(key) {
                    sample.offer(key, 0, ());
                }
            }
            (sample, None)
        });
        walked.await.map_err(|panicked| StoreError::Failed(panicked.to_string()))
    }

    async fn put_offline(&self, dataset: DatasetId, users: Vec<(UserKey, Bytes)>) -> Result<u32, StoreError> {
        self.durably(|| {
            let version = self.inner.active_version(dataset)?;
            note_as_of(&mut lock(&self.inner.as_of), dataset, users.iter().map(|(_, blob)| blob));
            for (key, blob) in users {
                self.inner.change(key, |user| {
                    user.offline.retain(|one| one.dataset != dataset);
                    let place = user.offline.partition_point(|one| one.dataset < dataset);
                    user.offline.insert(place, OfflineBlob { dataset, version, blob });
                });
            }
            Ok(version)
        })
        .await
    }

    async fn merge_realtime(
        &self,
        users: Vec<(UserKey, Bytes)>,
        now: Timestamp,
    ) -> Vec<Result<Written, StoreError>> {
        let groups = change::by_user(users.iter().map(|(user, _)| *user));
        let merge = |user: UserKey, items: &[usize], old: Option<&[u8]>| {
            let blobs = items.iter().filter_map(|item| users.get(*item).map(|(_, blob)| blob));
            change::merged(user, old, blobs, now)
        };
        let written =
            self.durably(|| Ok(self.inner.change_each(groups, |user| &mut user.realtime, merge))).await;
        written.unwrap_or_else(|error| vec![Err(error); users.len()])
    }

    async fn count(&self, impressions: Vec<Impression>, now: Timestamp) -> Vec<Result<Written, StoreError>> {
        let groups = change::by_user(impressions.iter().map(|one| one.user));
        let count = |user: UserKey, items: &[usize], old: Option<&[u8]>| {
            let impressions = items.iter().filter_map(|item| impressions.get(*item));
            change::counted(user, old, impressions, now)
        };
        let written =
            self.durably(|| Ok(self.inner.change_each(groups, |user| &mut user.frequency, count))).await;
        written.unwrap_or_else(|error| vec![Err(error); impressions.len()])
    }

    async fn open_list(&self) -> Result<Revision, StoreError> {
        Ok(self.inner.sentinel().revision)
    }

    async fn suppress(&self, changes: &[SuppressionChange]) -> Result<(), StoreError> {
        self.durably(|| {
            let mut sentinel = self.inner.sentinel();
            let (at, to) = (sentinel.revision, changes.last().map(|last| last.revision));
            for change in changes.iter().filter(|change| change.revision > at) {
                self.inner.erase(change.user, change.suppressed);
            }
            sentinel.revision = to.unwrap_or(at).max(at);
            if let Some(kept) = &self.inner.file {
                kept.journal.sentinel(*sentinel);
            }
            Ok(())
        })
        .await
    }

    fn trust_list(&self) {
        // This memory forgets nothing while it lives.
    }

    async fn check_list(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn stats(&self) -> Stats {
        let as_of = lock(&self.inner.as_of);
        let versions = self.inner.versions.load();
        let stats = |(dataset, version): (&DatasetId, &u32)| DatasetStats {
            dataset: *dataset,
            version: *version,
            as_of: as_of.get(dataset).copied(),
        };
        Stats {
            held: Some((self.inner.users.len() as u64, self.inner.bytes.get())),
            reconnects: None,
            datasets: versions.iter().map(stats).collect(),
        }
    }

    async fn save(&self, now: Timestamp) -> Result<(), StoreError> {
        self.on_disk(move |inner, kept| inner.save_to(kept, now)).await
    }

    async fn close(&self, now: Timestamp) -> Result<(), StoreError> {
        let saved = self.save(now).await;
        if let Some(kept) = &self.inner.file {
            kept.journal.close();
        }
        saved
    }
}

//! Users in this process's memory, saved to a file and reloaded.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ahash::RandomState;
use arc_swap::{ArcSwap, ArcSwapOption};
use async_trait::async_trait;
use bytes::Bytes;
use dashmap::{DashMap, Entry};
use tagbid_ports::{Impression, SuppressionChange};
use tagbid_runtime::background;
use tagbid_runtime::metrics::Counter;
use tagbid_tagset::UserKey;
use tagbid_types::{DatasetId, Revision, Timestamp};

use super::change::{self, Changed, Expiring};
use super::journal::{Durability, Journal, Record};
use super::snapshot::{self, SnapshotError};
use crate::metrics::{DatasetStats, Stats, Sum};
use crate::sample::KeySample;

use super::user::{Held, User, version_of};
use super::{MAX_VERSIONS, Mark, Pointer, Sentinel, Standing, Store, StoreError, Stored, Version, Written};

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
    held: ArcSwap<Held>,
    /// Taken by whoever changes `held`.
    held_writer: Mutex<()>,
    /// None before it was told.
    pointers: ArcSwapOption<Vec<Pointer>>,
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
    /// Versions that writes of single users made again.
    anew: Counter,
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
        let (mut held, mut sentinel, mut kept, mut replayed) = (Held::new(), None, None, false);
        if let Some(path) = file {
            let rest = snapshot::load(&path, |key, user| drop(users.insert(key, user)))?;
            (held, sentinel) = (rest.versions, rest.sentinel);
            let journal = Journal::open(&path, rest.journal, durability, |record| {
                replayed = true;
                match record {
                    Record::User(key, user) if user.is_empty() => drop(users.remove(&key)),
                    Record::User(key, user) => drop(users.insert(key, user)),
                    Record::Version(version, Some(whole)) => drop(held.insert(version, whole)),
                    Record::Version(version, None) => drop(held.remove(&version)),
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
            held: ArcSwap::from_pointee(held),
            held_writer: Mutex::default(),
            pointers: ArcSwapOption::empty(),
            file: kept,
            changed: AtomicBool::new(replayed),
            sentinel: Mutex::new(sentinel.unwrap_or_else(Sentinel::newborn)),
            saving: Mutex::default(),
            anew: Counter::default(),
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
    fn read_all(
        &self,
        users: &[UserKey],
        versions: &[Version],
        frequency: bool,
    ) -> Vec<Result<Stored, StoreError>> {
        let mut stored: Vec<_> = users.iter().map(|key| self.read_one(key, versions, frequency)).collect();
        // After the users: what is whole now was whole when they were read, because marks go before blobs do.
        let held = self.held.load();
        let lost = versions.iter().filter(|version| held.get(version) != Some(&true));
        let lost: Vec<_> = lost.map(|version| version.dataset).collect();
        if !lost.is_empty() {
            stored.iter_mut().filter(|one| !one.suppressed).for_each(|one| one.lost.clone_from(&lost));
        }
        stored.into_iter().map(Ok).collect()
    }

    fn read_one(&self, key: &UserKey, versions: &[Version], frequency: bool) -> Stored {
        let Some(user) = self.users.get(key) else {
            return Stored::default();
        };
        if user.is_suppressed() {
            return Stored { suppressed: true, ..Stored::default() };
        }
        let standing = user.standing.as_ref();
        Stored {
            offline: user.offline.iter().filter(|one| versions.contains(&version_of(one))).cloned().collect(),
            realtime: user.realtime.as_ref().map(|one| one.blob.clone()),
            frequency: user.frequency.as_ref().filter(|_| frequency).map(|one| one.blob.clone()),
            others: standing.map(|one| one.others.clone()).unwrap_or_default(),
            ..Stored::default()
        }
    }

    fn active(&self) -> Option<Vec<Version>> {
        let pointers = self.pointers.load();
        pointers.as_ref().map(|all| all.iter().map(|pointer| pointer.version).collect())
    }

    /// Changes what is noted of a version; none: it goes.
    fn hold(&self, version: Version, whole: Option<bool>) -> Result<(), StoreError> {
        let _one_at_a_time = lock(&self.held_writer);
        let mut held = Held::clone(&self.held.load());
        match whole {
            Some(_) if !held.contains_key(&version) && held.len() >= MAX_VERSIONS => {
                return Err(StoreError::TooManyVersions);
            }
            Some(whole) => drop(held.insert(version, whole)),
            None => drop(held.remove(&version)),
        }
        self.changed.store(true, Ordering::Release);
        if let Some(kept) = &self.file {
            kept.journal.version(version, whole);
        }
        self.held.store(Arc::new(held));
        Ok(())
    }

    /// Changes a mark; none of it is left when it was removed.
    fn mark(&self, version: Version, mark: Mark) -> Result<(), StoreError> {
        let whole = self.held.load().get(&version).copied();
        match (mark, whole) {
            (Mark::Open, Some(_)) => Ok(()),
            (Mark::Open, None) => self.hold(version, Some(false)),
            (Mark::Check | Mark::Seal, None) => Err(StoreError::Lost(version)),
            (Mark::Check, Some(_)) => Ok(()),
            (Mark::Seal, Some(_)) => self.hold(version, Some(true)),
            (Mark::Remove, _) => self.hold(version, None),
        }
    }

    /// How many users have blobs of a version.
    fn users_of(&self, version: Version) -> u64 {
        let has = |user: &User| user.offline.iter().any(|one| version_of(one) == version);
        self.users.iter().filter(|user| has(user)).count() as u64
    }

    fn load(&self, version: Version, open: bool, users: Vec<(UserKey, Bytes)>) -> Result<u64, StoreError> {
        if !self.held.load().contains_key(&version) {
            match open {
                true => {
                    self.anew.inc();
                    tracing::error!(%version, "the memory store had lost the version: it is begun anew, and who is not written again has no tags");
                    self.hold(version, Some(true))?;
                }
                false => return Err(StoreError::Lost(version)),
            }
        }
        let put = |user: &mut User, blob: Bytes| {
            let erased = user.erased();
            let kept = erased == Timestamp(0) || change::as_of(&blob) > erased;
            kept && user.put(version, blob)
        };
        let fresh = |(key, blob)| self.change(key, |user| put(user, blob)) == Some(true);
        Ok(users.into_iter().map(fresh).filter(|fresh| *fresh).count() as u64)
    }

    /// Changes a user under its lock; none when suppressed.
    fn change<T>(&self, key: UserKey, change: impl FnOnce(&mut User) -> T) -> Option<T> {
        let entry = self.users.entry(key);
        let before = bytes_in(&entry);
        let mut user = entry.or_default();
        if user.is_suppressed() {
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
        change: impl Fn((UserKey, Timestamp), &[usize], Option<&[u8]>) -> Changed,
    ) -> Vec<Result<Written, StoreError>> {
        let mut written: Vec<(usize, Result<Written, StoreError>)> = Vec::new();
        for (key, items) in users {
            let changed = self.change(key, |user| {
                let erased = user.erased();
                let blob = blob(user);
                let changed = change((key, erased), &items, blob.as_ref().map(|old| &*old.blob));
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

    /// Takes over what the list says of an id; everything that is kept of it goes when it was erased after `at`.
    fn list(&self, change: &SuppressionChange, at: Revision) {
        let standing = Standing::of(change);
        let entry = self.users.entry(change.user);
        let before = bytes_in(&entry);
        let mut user = entry.or_default();
        if change.erased > at {
            *user = User::default();
        }
        user.standing = (!standing.is_nothing()).then(|| Box::new(standing));
        let is_empty = user.is_empty();
        self.bytes.replace(before, if is_empty { 0 } else { user.bytes() });
        self.note(&change.user, &user);
        drop(user);
        if is_empty {
            self.users.remove_if(&change.user, |_, user| user.is_empty());
        }
    }

    /// Notes what a user, who is locked, has now.
    fn note(&self, key: &UserKey, user: &User) {
        self.changed.store(true, Ordering::Release);
        if let Some(kept) = &self.file {
            kept.journal.user(key, user);
        }
    }

    /// Forgets the blobs of a version. Not journalled: a store that is loaded again forgets them at its next save.
    fn forget(&self, version: Version) {
        self.changed.store(true, Ordering::Release);
        self.users.retain(|_, user| {
            let before = user.bytes();
            user.offline.retain(|one| version_of(one) != version);
            let stays = !user.is_empty();
            self.bytes.replace(before, if stays { user.bytes() } else { 0 });
            stays
        });
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

    /// Forgets what has expired.
    fn sweep(&self, now: Timestamp) {
        let (held, pointers) = (self.held.load(), self.pointers.load());
        let open = pointers.iter().flat_map(|all| all.iter()).filter(|pointer| pointer.open);
        let open: Vec<Version> = open.map(|pointer| pointer.version).collect();
        self.users.retain(|_, user| {
            let before = user.bytes();
            let stays = user.sweep(&held, &open, now);
            self.bytes.replace(before, if stays { user.bytes() } else { 0 });
            stays
        });
    }

    fn save_all(&self, kept: &Kept, now: Timestamp) -> Result<(), SnapshotError> {
        let journal = kept.journal.rotate()?;
        let sentinel = *self.sentinel();
        self.sweep(now);
        snapshot::save(
            &kept.path,
            (sentinel, journal),
            |write| self.users.iter().try_for_each(|user| write(user.key(), user.value())),
            || self.held.load_full(),
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
    async fn read_of(
        &self,
        versions: &[Version],
        users: &[UserKey],
        frequency: bool,
        _at_once: Duration,
    ) -> Vec<Result<Stored, StoreError>> {
        self.inner.read_all(users, versions, frequency)
    }

    fn point(&self, mut pointers: Vec<Pointer>) {
        pointers.sort_unstable_by_key(|pointer| pointer.version);
        self.inner.pointers.store(Some(Arc::new(pointers)));
    }

    fn active(&self) -> Option<Arc<Vec<Pointer>>> {
        self.inner.pointers.load_full()
    }

    async fn mark(&self, version: Version, mark: Mark) -> Result<u64, StoreError> {
        self.durably(|| self.inner.mark(version, mark)).await?;
        let inner = Arc::clone(&self.inner);
        let counted = tokio::task::spawn_blocking(move || inner.users_of(version)).await;
        counted.map_err(|panicked| StoreError::Failed(panicked.to_string()))
    }

    async fn load(&self, version: Version, users: Vec<(UserKey, Bytes)>) -> Result<u64, StoreError> {
        self.durably(|| self.inner.load(version, false, users)).await
    }

    async fn read_version(&self, version: Version, users: &[UserKey]) -> Vec<Result<Stored, StoreError>> {
        self.inner.read_all(users, &[version], false)
    }

    async fn standings(&self, users: &[UserKey], _at_once: Duration) -> Vec<Result<Standing, StoreError>> {
        let standing = |key: &UserKey| {
            let user = self.inner.users.get(key);
            Ok(user.and_then(|user| user.standing.as_deref().cloned()).unwrap_or_default())
        };
        users.iter().map(standing).collect()
    }

    async fn find(
        &self,
        _all: u64,
        users: &HashSet<UserKey>,
    ) -> Result<(Vec<String>, Option<u64>), StoreError> {
        // Everything of a user is in one place: there is nowhere else to look.
        let found = users.iter().filter_map(|key| Some(self.inner.users.get(key)?.names(*key)));
        Ok((found.flatten().collect(), None))
    }

    async fn sweep(&self, version: Version, _all: u64) -> Result<Option<u64>, StoreError> {
        let inner = Arc::clone(&self.inner);
        let swept = tokio::task::spawn_blocking(move || inner.forget(version)).await;
        swept.map(|()| None).map_err(|panicked| StoreError::Failed(panicked.to_string()))
    }

    async fn walk(&self, _all: u64, mut sample: KeySample) -> Result<(KeySample, Option<u64>), StoreError> {
        let inner = Arc::clone(&self.inner);
        let active = inner.active().ok_or(StoreError::Down)?;
        // Ten million users take half a second.
        let walked = tokio::task::spawn_blocking(move || {
            for user in inner.users.iter().filter(|user| user.has_tags(&active)) {
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
        let pointers = self.inner.pointers.load_full().ok_or(StoreError::Down)?;
        let found = pointers.iter().find(|pointer| pointer.version.dataset == dataset);
        let active = found.copied().ok_or(StoreError::NoVersion(dataset))?;
        if active.open {
            note_as_of(&mut lock(&self.inner.as_of), dataset, users.iter().map(|(_, blob)| blob));
        }
        self.durably(|| self.inner.load(active.version, active.open, users)).await?;
        Ok(active.version.number)
    }

    async fn merge_realtime(
        &self,
        users: Vec<(UserKey, Bytes)>,
        now: Timestamp,
    ) -> Vec<Result<Written, StoreError>> {
        let groups = change::by_user(users.iter().map(|(user, _)| *user));
        let merge = |user: (UserKey, Timestamp), items: &[usize], old: Option<&[u8]>| {
            let blobs = items.iter().filter_map(|item| users.get(*item).map(|(_, blob)| blob));
            change::merged(user, old, blobs, now)
        };
        let written =
            self.durably(|| Ok(self.inner.change_each(groups, |user| &mut user.realtime, merge))).await;
        written.unwrap_or_else(|error| vec![Err(error); users.len()])
    }

    async fn count(&self, impressions: Vec<Impression>, now: Timestamp) -> Vec<Result<Written, StoreError>> {
        let groups = change::by_user(impressions.iter().map(|one| one.user));
        let count = |user: (UserKey, Timestamp), items: &[usize], old: Option<&[u8]>| {
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
                self.inner.list(change, at);
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
        let stats = |pointer: &Pointer| {
            let latest = as_of.get(&pointer.version.dataset).filter(|_| pointer.open);
            DatasetStats {
                dataset: pointer.version.dataset,
                version: pointer.version.number,
                as_of: latest.copied().max(Some(pointer.as_of)),
            }
        };
        let pointers = self.inner.pointers.load();
        Stats {
            begun_anew: self.inner.anew.get(),
            held: Some((self.inner.users.len() as u64, self.inner.bytes.get())),
            reconnects: None,
            datasets: pointers.iter().flat_map(|all| all.iter()).map(stats).collect(),
        }
    }

    async fn save(&self, now: Timestamp) -> Result<(), StoreError> {
        if self.inner.file.is_none() && self.inner.changed.swap(false, Ordering::AcqRel) {
            // Where nothing is saved, something has to be forgotten all the same.
            let inner = Arc::clone(&self.inner);
            let swept = background("tags sweep", move || inner.sweep(now)).await;
            swept.map_err(|lost| StoreError::Failed(lost.to_string()))?;
        }
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

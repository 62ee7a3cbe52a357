//! Users in Redis 7, shared by all nodes of the tags role.
//!
//! | key | holds |
//! | --- | --- |
//! | `o:<dataset>:<version>:{key}` | offline blob of one snapshot version |
//! | `r:{key}` | real-time blob; Redis forgets it when its last tag expires |
//! | `f:{key}` | frequency blob; forgotten 90 days after the last impression |
//! | `x:{key}` | there is one: suppressed |
//! | `suppression` | which life of the store this is, and the revision of the suppression list that is applied |
//! | `ds:<dataset>`, `datasets` | active version of a dataset; the datasets that have one |
//! | `as_of:<dataset>` | latest as-of time that was written to a dataset; for metrics |

mod keys;
mod link;
mod scripts;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use redis::{Cmd, Pipeline, RedisError, Script, Value};
use tagbid_ports::OfflineBlob;
use tagbid_runtime::Tasks;
use tagbid_tagset::UserKey;
use tagbid_types::{DatasetId, Revision, Timestamp};

use self::link::{Link, Versions};
use self::scripts::{COMPARE_AND_SET, SET_UNLESS_SUPPRESSED, SUPPRESS};
use super::change::{self, Expiring};
use crate::metrics::{DatasetStats, Stats};
use crate::sample::KeySample;

use super::{Impression, MAX_ACTIVE_DATASETS, Sentinel, Store, StoreError, Stored};

/// Users of one pipelined write: bounds what one answer holds in memory and how long others wait behind it.
const BATCH: usize = 256;

/// Keys that one step of a walk looks at. Measured with a million keys, Redis spends 0.6 µs on each whatever the pattern
/// lets through: lookups wait 80 µs for a step at the most, and a pass over 100 million users with three keys each takes
/// half an hour at a tenth of the time.
const STEP: usize = 128;

/// Attempts at one user whom others change at the same time. Each attempt that fails is another's that succeeded.
const ATTEMPTS: u32 = 16;

/// Where Redis is and how it is used.
#[derive(Clone, Debug)]
pub struct RedisConfig {
    /// `redis://[USER:PASSWORD@]HOST:PORT/DB`.
    pub url: String,
    /// Commands that may wait for their answers on the connection.
    pub concurrency: usize,
    /// How long connecting may take, and a write.
    pub timeout: Duration,
}

/// The store in Redis.
pub struct RedisStore {
    link: Arc<Link>,
    compare_and_set: Script,
    set_unless_suppressed: Script,
}

impl RedisStore {
    /// Starts to connect and returns at once: until there is a connection, every call answers
    /// [`StoreError::Down`]. An error: the URL is none.
    pub fn start(config: RedisConfig, tasks: &Tasks) -> Result<Self, StoreError> {
        let link = Link::new(&config)?;
        tasks.spawn("tags redis", Arc::clone(&link).keep_up(tasks.drain().clone()));
        Ok(Self {
            link,
            compare_and_set: Script::new(COMPARE_AND_SET),
            set_unless_suppressed: Script::new(SET_UNLESS_SUPPRESSED),
        })
    }

    /// The dataset's active version, made if there is none.
    async fn active_version(&self, dataset: DatasetId) -> Result<u32, StoreError> {
        let mut look = Pipeline::new();
        look.cmd("GET").arg(keys::version(dataset));
        look.cmd("SCARD").arg(keys::DATASETS);
        let (version, datasets): (Option<u32>, usize) = parse(self.link.write(&look).await?)?;
        if let Some(version) = version {
            return Ok(version);
        }
        if datasets >= MAX_ACTIVE_DATASETS {
            return Err(StoreError::TooManyDatasets(dataset));
        }
        let mut make = Pipeline::new();
        make.cmd("SET").arg(keys::version(dataset)).arg(1).arg("NX").ignore();
        make.cmd("SADD").arg(keys::DATASETS).arg(dataset.0).ignore();
        make.cmd("GET").arg(keys::version(dataset));
        let (version,): (u32,) = parse(self.link.write(&make).await?)?;
        Ok(version)
    }

    /// Notes the latest as-of time. Two nodes that write at the same moment may leave the earlier of theirs, until the
    /// next write.
    async fn note_as_of(&self, dataset: DatasetId, latest: Option<Timestamp>) -> Result<(), StoreError> {
        let Some(latest) = latest else {
            return Ok(());
        };
        let known = self.link.as_of();
        if known.iter().any(|(of, at)| *of == dataset && *at >= latest) {
            return Ok(());
        }
        let mut note = Pipeline::with_capacity(1);
        note.cmd("SET").arg(keys::as_of(dataset)).arg(latest.0);
        self.link.write(&note).await.map(drop)
    }

    /// One round of compare and set over a batch. Returns those that somebody else changed meanwhile.
    async fn change_once<T>(
        &self,
        batch: Vec<T>,
        key: impl Fn(&T) -> (UserKey, String),
        change: impl Fn(&T, Option<&[u8]>) -> Result<Option<Expiring>, StoreError>,
        now: Timestamp,
    ) -> Result<Vec<T>, StoreError> {
        let mut look = Pipeline::with_capacity(batch.len());
        for one in &batch {
            look.cmd("GET").arg(key(one).1);
        }
        let old = self.link.write(&look).await?;
        let mut set = with_script(COMPARE_AND_SET, batch.len());
        let mut trying = Vec::with_capacity(batch.len());
        for (one, old) in batch.into_iter().zip(old) {
            let old = bytes(old)?;
            if let Some(new) = change(&one, old.as_deref())? {
                let (user, name) = key(&one);
                set.add_command(self.compare_and_set(user, &name, old.as_deref(), &new, now));
                trying.push(one);
            }
        }
        if trying.is_empty() {
            return Ok(trying);
        }
        let done: Vec<u8> = parse(self.link.write_kept(set).await?)?;
        let lost = trying.into_iter().zip(done).filter(|(_, done)| *done == 0);
        Ok(lost.map(|(one, _)| one).collect())
    }

    fn compare_and_set(
        &self,
        user: UserKey,
        name: &str,
        old: Option<&[u8]>,
        new: &Expiring,
        now: Timestamp,
    ) -> Cmd {
        // Redis takes no lifetime of zero; what has expired already is left out when read.
        let lifetime = new.expires.since(now).as_millis().max(1_000);
        let mut command = redis::cmd("EVALSHA");
        command.arg(self.compare_and_set.get_hash()).arg(2).arg(name).arg(keys::suppressed(user));
        command.arg(old.unwrap_or_default()).arg(&*new.blob);
        command.arg(u64::try_from(lifetime).unwrap_or(u64::MAX));
        command
    }

    /// Changes users one batch at a time, each user atomically, trying again for those that others changed.
    async fn change_all<T>(
        &self,
        changes: Vec<T>,
        key: impl Fn(&T) -> (UserKey, String),
        change: impl Fn(&T, Option<&[u8]>) -> Result<Option<Expiring>, StoreError>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut changes = changes.into_iter();
        loop {
            let mut batch: Vec<T> = changes.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                return Ok(());
            }
            let mut attempts = 0;
            while let Some(first) = batch.first() {
                if attempts == ATTEMPTS {
                    return Err(StoreError::Contended(key(first).0, ATTEMPTS));
                }
                attempts += 1;
                batch = self.change_once(batch, &key, &change, now).await?;
            }
        }
    }
}

/// A pipeline for this many calls of a script. Loads it each time, because a Redis that restarted or failed over has
/// forgotten it.
fn with_script(script: &str, calls: usize) -> Pipeline {
    let mut commands = Pipeline::with_capacity(calls + 1);
    commands.cmd("SCRIPT").arg("LOAD").arg(script).ignore();
    commands
}

/// Everything that may be kept of a user, the mark first.
fn all_of(user: UserKey, versions: &Versions) -> Vec<String> {
    let fixed = [keys::suppressed(user), keys::realtime(user), keys::frequency(user)];
    let offline = versions.iter().map(|(dataset, version)| keys::offline(*dataset, *version, user));
    fixed.into_iter().chain(offline).collect()
}

/// [`SUPPRESS`] for these users.
fn suppress(from: Sentinel, to: Sentinel, users: &[(UserKey, bool)], versions: &Versions) -> Cmd {
    let keys: Vec<_> = users.iter().flat_map(|(user, _)| all_of(*user, versions)).collect();
    let width = keys.len() / users.len().max(1);
    let mut command = redis::cmd("EVAL");
    command.arg(SUPPRESS).arg(keys.len() + 1).arg(keys::SENTINEL).arg(keys);
    command.arg(from.to_string()).arg(to.to_string()).arg(width);
    for (_, suppressed) in users {
        command.arg(u8::from(*suppressed));
    }
    command
}

/// The keys of one user in the order that [`taken_apart`] expects their values.
fn mget(user: UserKey, versions: &Versions, frequency: bool) -> Cmd {
    let mut command = redis::cmd("MGET");
    command.arg(keys::suppressed(user)).arg(keys::realtime(user));
    if frequency {
        command.arg(keys::frequency(user));
    }
    for (dataset, version) in versions {
        command.arg(keys::offline(*dataset, *version, user));
    }
    command
}

fn taken_apart(answer: Value, versions: &Versions, frequency: bool) -> Result<Stored, StoreError> {
    let Value::Array(values) = answer else {
        return Err(StoreError::Failed("MGET did not answer with an array".into()));
    };
    let mut values = values.into_iter().map(bytes);
    let mut next =
        || values.next().unwrap_or_else(|| Err(StoreError::Failed("MGET answered too little".into())));
    if next()?.is_some() {
        return Ok(Stored { suppressed: true, ..Stored::default() });
    }
    let mut stored =
        Stored { realtime: next()?, frequency: if frequency { next()? } else { None }, ..Stored::default() };
    for &(dataset, version) in versions {
        if let Some(blob) = next()? {
            stored.offline.push(OfflineBlob { dataset, version, blob });
        }
    }
    Ok(stored)
}

fn bytes(value: Value) -> Result<Option<Bytes>, StoreError> {
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) => Ok(Some(bytes.into())),
        other => Err(StoreError::Failed(format!("unexpected answer {other:?}"))),
    }
}

fn parse<T: redis::FromRedisValue>(answers: Vec<Value>) -> Result<T, StoreError> {
    T::from_redis_value(Value::Array(answers)).map_err(|error| StoreError::Failed(error.to_string()))
}

impl From<RedisError> for StoreError {
    fn from(error: RedisError) -> Self {
        Self::Failed(error.to_string())
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn read(&self, users: &[UserKey], frequency: bool) -> Result<Vec<Stored>, StoreError> {
        let (versions, required) = (self.link.versions(), self.link.required());
        let mut commands = Pipeline::with_capacity(users.len());
        for (position, user) in users.iter().enumerate() {
            let mut one = mget(*user, &versions, frequency);
            // The sentinel rides in the last one: what it says then, held for all that was read before.
            if position + 1 == users.len() {
                one.arg(keys::SENTINEL);
            }
            commands.add_command(one);
        }
        let mut answers = self.link.ask(&commands).await?;
        if let Some(Value::Array(last)) = answers.last_mut() {
            link::check(required.as_deref(), last.pop())?;
        }
        let parts = answers.into_iter().map(|one| taken_apart(one, &versions, frequency));
        let stored: Vec<_> = parts.collect::<Result<_, _>>()?;
        if stored.len() == users.len() {
            Ok(stored)
        } else {
            Err(StoreError::Failed("fewer answers than questions".into()))
        }
    }

    async fn walk(
        &self,
        position: u64,
        mut sample: KeySample,
    ) -> Result<(KeySample, Option<u64>), StoreError> {
        let versions = self.link.versions();
        let mut commands = Pipeline::with_capacity(1);
        let scan = commands.cmd("SCAN").arg(position).arg("MATCH").arg(keys::with_tags(sample.level()));
        scan.arg("COUNT").arg(STEP);
        type Step = (u64, Vec<Vec<u8>>);
        let ((next, names),): (Step,) = parse(self.link.write(&commands).await?)?;
        for user in names.iter().filter_map(|name| keys::user_with_tags(name, &versions)) {
            sample.offer(u128::from_be_bytes(user.0), 0, ());
        }
        Ok((sample, (next != 0).then_some(next)))
    }

    async fn put_offline(&self, dataset: DatasetId, users: Vec<(UserKey, Bytes)>) -> Result<u32, StoreError> {
        let version = self.active_version(dataset).await?;
        for batch in users.chunks(BATCH) {
            let mut commands = with_script(SET_UNLESS_SUPPRESSED, batch.len());
            for (user, blob) in batch {
                let set = commands.cmd("EVALSHA").arg(self.set_unless_suppressed.get_hash()).arg(2);
                set.arg(keys::offline(dataset, version, *user)).arg(keys::suppressed(*user)).arg(&**blob);
            }
            self.link.write_kept(commands).await?;
        }
        self.note_as_of(dataset, change::latest_as_of(users.iter().map(|(_, blob)| blob))).await?;
        // So that the writer reads its own write here; other nodes see a new dataset within a refresh.
        self.link.refresh().await?;
        Ok(version)
    }

    async fn merge_realtime(&self, users: Vec<(UserKey, Bytes)>, now: Timestamp) -> Result<(), StoreError> {
        let key = |(user, _): &(UserKey, Bytes)| (*user, keys::realtime(*user));
        let change = |(user, new): &(UserKey, Bytes), old: Option<&[u8]>| {
            change::merged(*user, old, new, now).map(Some)
        };
        self.change_all(users, key, change, now).await
    }

    async fn count(&self, impressions: Vec<Impression>, now: Timestamp) -> Result<(), StoreError> {
        let key = |one: &Impression| (one.user, keys::frequency(one.user));
        let change = |one: &Impression, old: Option<&[u8]>| change::counted(old, one, now);
        self.change_all(impressions, key, change, now).await
    }

    async fn sentinel(&self) -> Result<Sentinel, StoreError> {
        let mut look = Pipeline::new();
        look.cmd("GET").arg(keys::SENTINEL);
        let (mut found,): (Option<Vec<u8>>,) = parse(self.link.write(&look).await?)?;
        if found.is_none() {
            // Looked for first: a full Redis takes no SET, not even one that would change nothing.
            let mut make = Pipeline::new();
            make.cmd("SET").arg(keys::SENTINEL).arg(Sentinel::newborn().to_string()).arg("NX").ignore();
            make.cmd("GET").arg(keys::SENTINEL);
            (found,) = parse(self.link.write(&make).await?)?;
        }
        found.as_deref().and_then(Sentinel::parse).ok_or_else(|| {
            let name = keys::SENTINEL;
            StoreError::Failed(format!(
                "the key {name:?} holds something else: give tagbid a database of its own, or delete that key"
            ))
        })
    }

    async fn suppress(
        &self,
        from: Sentinel,
        to: Revision,
        users: &[(UserKey, bool)],
    ) -> Result<Sentinel, StoreError> {
        // Another node may have made a dataset that this one has not seen yet. One that is made from here on does not
        // get the suppressed; and what was written there before is seen at the latest when they are lifted.
        self.link.refresh().await?;
        let next = Sentinel { revision: to, ..from };
        let mut commands = Pipeline::with_capacity(1);
        commands.add_command(suppress(from, next, users, &self.link.versions()));
        let (is,): (Option<Vec<u8>>,) = parse(self.link.write(&commands).await?)?;
        let is = is.as_deref().and_then(Sentinel::parse);
        is.filter(|is| from.is_kept_by(*is)).ok_or(StoreError::Forgot)
    }

    fn require(&self, sentinel: Sentinel) {
        self.link.require(sentinel);
    }

    fn stats(&self) -> Stats {
        let as_of = self.link.as_of();
        let stats = |(dataset, version): &(DatasetId, u32)| DatasetStats {
            dataset: *dataset,
            version: *version,
            as_of: as_of.iter().find(|(of, _)| of == dataset).map(|(_, at)| *at),
        };
        Stats {
            held: None,
            reconnects: Some(self.link.reconnects()),
            datasets: self.link.versions().iter().map(stats).collect(),
        }
    }

    async fn save(&self, _now: Timestamp) -> Result<(), StoreError> {
        // What Redis keeps is Redis' to save.
        Ok(())
    }
}

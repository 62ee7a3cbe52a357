//! Users in Redis 7, shared by all nodes of the tags role.
//!
//! | key | holds |
//! | --- | --- |
//! | `o:<dataset>:<version>:{key}` | offline blob of one snapshot version |
//! | `r:{key}` | real-time blob; Redis forgets it when its last tag expires |
//! | `f:{key}` | frequency blob; forgotten 90 days after the last impression |
//! | `x:{key}` | there is one: suppressed |
//! | `ds:<dataset>`, `datasets` | active version of a dataset; the datasets that have one |

mod keys;
mod link;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use redis::{Cmd, Pipeline, RedisError, Script, Value};
use tagbid_ports::OfflineBlob;
use tagbid_runtime::Tasks;
use tagbid_tagset::UserKey;
use tagbid_types::{DatasetId, Timestamp};

use self::link::{Link, Versions};
use super::change::{self, Expiring};
use super::{Impression, MAX_ACTIVE_DATASETS, Store, StoreError, Stored};

/// Users of one pipelined write: bounds what one answer holds in memory and how long others wait behind it.
const BATCH: usize = 256;

/// Attempts at one user whom others change at the same time. Each attempt that fails is another's that succeeded.
const ATTEMPTS: u32 = 16;

/// Sets a blob only if it is still what the change was computed from and the user is not suppressed. Answers 0 when
/// somebody was faster.
const COMPARE_AND_SET: &str = "\
if redis.call('EXISTS', KEYS[2]) == 1 then return 2 end
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1";

/// Sets a blob whatever was there, unless the user is suppressed: lifting must not bring back what came meanwhile.
const SET_UNLESS_SUPPRESSED: &str = "\
if redis.call('EXISTS', KEYS[2]) == 1 then return 2 end
redis.call('SET', KEYS[1], ARGV[1])
return 1";

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
        let done: Vec<u8> = parse(self.link.write(&set).await?)?;
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

    /// Sends one command for each user, one batch at a time.
    async fn each(&self, users: &[UserKey], command: impl Fn(UserKey) -> Cmd) -> Result<(), StoreError> {
        for batch in users.chunks(BATCH) {
            let mut commands = Pipeline::with_capacity(batch.len());
            for user in batch {
                commands.add_command(command(*user));
            }
            self.link.write(&commands).await?;
        }
        Ok(())
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

/// Erases what is kept of a user, the mark aside.
fn forget(user: UserKey, versions: &Versions) -> Cmd {
    let mut command = redis::cmd("UNLINK");
    command.arg(keys::realtime(user)).arg(keys::frequency(user));
    for (dataset, version) in versions {
        command.arg(keys::offline(*dataset, *version, user));
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
        let versions = self.link.versions();
        let mut commands = Pipeline::with_capacity(users.len());
        for user in users {
            commands.add_command(mget(*user, &versions, frequency));
        }
        let answers = self.link.ask(&commands).await?;
        let parts = answers.into_iter().map(|one| taken_apart(one, &versions, frequency));
        let stored: Vec<_> = parts.collect::<Result<_, _>>()?;
        if stored.len() == users.len() {
            Ok(stored)
        } else {
            Err(StoreError::Failed("fewer answers than questions".into()))
        }
    }

    async fn put_offline(&self, dataset: DatasetId, users: Vec<(UserKey, Bytes)>) -> Result<u32, StoreError> {
        let version = self.active_version(dataset).await?;
        for batch in users.chunks(BATCH) {
            let mut commands = with_script(SET_UNLESS_SUPPRESSED, batch.len());
            for (user, blob) in batch {
                let set = commands.cmd("EVALSHA").arg(self.set_unless_suppressed.get_hash()).arg(2);
                set.arg(keys::offline(dataset, version, *user)).arg(keys::suppressed(*user)).arg(&**blob);
            }
            self.link.write(&commands).await?;
        }
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

    async fn set_suppressed(&self, users: &[UserKey], suppressed: bool) -> Result<(), StoreError> {
        if !suppressed {
            return self.each(users, |user| Cmd::del(keys::suppressed(user))).await;
        }
        // First the mark, then the rest goes: from the mark on nothing more is written.
        self.each(users, |user| Cmd::set(keys::suppressed(user), 1)).await?;
        // Another node may have made a dataset that this one has not seen yet.
        self.link.refresh().await?;
        let versions = self.link.versions();
        self.each(users, |user| forget(user, &versions)).await
    }

    async fn save(&self, _now: Timestamp) -> Result<(), StoreError> {
        // What Redis keeps is Redis' to save.
        Ok(())
    }
}

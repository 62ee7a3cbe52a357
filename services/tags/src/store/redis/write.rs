//! Writes of users' data: each user atomically, and refused where the shard has lost what it knew.

use bytes::Bytes;
use redis::{Cmd, Script, Value};
use tagbid_tagset::UserKey;
use tagbid_types::{DatasetId, Timestamp};

use super::ask::Question;
use super::scripts::LOST;
use super::{RedisStore, keys, list, read};
use crate::store::change::{self, Expiring};
use crate::store::{Impression, StoreError};

/// Users of one pipelined write: bounds what one answer holds in memory and how long others wait behind it.
const BATCH: usize = 256;

/// Attempts at one user whom others change at the same time. Each attempt that fails is another's that succeeded.
const ATTEMPTS: u32 = 16;

impl RedisStore {
    /// See [`Store::put_offline`](crate::store::Store::put_offline).
    pub(super) async fn put_blobs(
        &self,
        dataset: DatasetId,
        users: Vec<(UserKey, Bytes)>,
    ) -> Result<u32, StoreError> {
        let version = self.board.active_version(dataset).await?;
        for batch in users.chunks(BATCH) {
            let set = |(user, blob): &(UserKey, Bytes)| {
                let name = keys::offline(dataset, version, *user);
                let mut question = self.script(&self.set_unless_suppressed, &name, *user);
                question.command.arg(&**blob);
                question
            };
            let questions: Vec<_> = batch.iter().map(set).collect();
            self.run(&self.set_unless_suppressed, &questions).await?;
        }
        self.board.note_as_of(dataset, change::latest_as_of(users.iter().map(|(_, blob)| blob))).await?;
        // So that the writer reads its own write here; other nodes see a new dataset within a refresh.
        self.board.refresh().await?;
        Ok(version)
    }

    /// See [`Store::merge_realtime`](crate::store::Store::merge_realtime).
    pub(super) async fn merge_blobs(
        &self,
        users: Vec<(UserKey, Bytes)>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let key = |(user, _): &(UserKey, Bytes)| (*user, keys::realtime(*user));
        let change = |(user, new): &(UserKey, Bytes), old: Option<&[u8]>| {
            change::merged(*user, old, new, now).map(Some)
        };
        self.change_all(users, key, change, now).await
    }

    /// See [`Store::count`](crate::store::Store::count).
    pub(super) async fn count_all(
        &self,
        impressions: Vec<Impression>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let key = |one: &Impression| (one.user, keys::frequency(one.user));
        let change = |one: &Impression, old: Option<&[u8]>| change::counted(old, one, now);
        self.change_all(impressions, key, change, now).await
    }

    /// A call of a script for one key of a user, up to the arguments that only that script has.
    fn script(&self, script: &Script, name: &str, user: UserKey) -> Question {
        let (slot, shard) = self.shards.of_user(user);
        let mut command = redis::cmd("EVALSHA");
        command
            .arg(script.get_hash())
            .arg(3)
            .arg(name)
            .arg(keys::suppressed(user))
            .arg(self.shards.name(shard));
        list::demand(self.shards.required(shard), &mut command);
        Question { slot, command }
    }

    /// Runs calls of a script; what each answered. Loads it each time, because a Redis that restarted or failed over
    /// has forgotten it.
    async fn run(&self, script: &Script, calls: &[Question]) -> Result<Vec<u8>, StoreError> {
        let mut load = redis::cmd("SCRIPT");
        load.arg("LOAD").arg(self.text_of(script));
        let done = |answer| match answer {
            Ok(Value::Int(done)) => match u8::try_from(done) {
                Ok(LOST) => Err(StoreError::Forgot),
                Ok(done) => Ok(done),
                Err(_) => Err(StoreError::Failed(format!("a script answered {done}"))),
            },
            Ok(other) => Err(StoreError::Failed(format!("a script answered {other:?}"))),
            Err(error) => Err(error),
        };
        self.cluster.tell(calls, Some(&load)).await.into_iter().map(done).collect()
    }

    /// One round of compare and set over a batch. Returns those that somebody else changed meanwhile.
    async fn change_once<T>(
        &self,
        batch: Vec<T>,
        key: impl Fn(&T) -> (UserKey, String),
        change: impl Fn(&T, Option<&[u8]>) -> Result<Option<Expiring>, StoreError>,
        now: Timestamp,
    ) -> Result<Vec<T>, StoreError> {
        let get = |one: &T| {
            let (user, name) = key(one);
            let mut command = redis::cmd("GET");
            command.arg(name);
            Question { slot: self.shards.of_user(user).0, command }
        };
        let questions: Vec<_> = batch.iter().map(get).collect();
        let old = self.cluster.tell(&questions, None).await;
        let (mut calls, mut trying) = (Vec::with_capacity(batch.len()), Vec::with_capacity(batch.len()));
        for (one, old) in batch.into_iter().zip(old) {
            let old = read::bytes(old?)?;
            if let Some(new) = change(&one, old.as_deref())? {
                let (user, name) = key(&one);
                calls.push(self.compare_and_set(user, &name, old.as_deref(), &new, now));
                trying.push(one);
            }
        }
        if trying.is_empty() {
            return Ok(trying);
        }
        let done = self.run(&self.compare_and_set, &calls).await?;
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
    ) -> Question {
        // Redis takes no lifetime of zero; what has expired already is left out when read.
        let lifetime = new.expires.since(now).as_millis().max(1_000);
        let mut question = self.script(&self.compare_and_set, name, user);
        let command: &mut Cmd = &mut question.command;
        command.arg(old.unwrap_or_default()).arg(&*new.blob);
        command.arg(u64::try_from(lifetime).unwrap_or(u64::MAX));
        question
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

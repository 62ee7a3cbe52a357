//! Writes of users' data: each user atomically, and refused where the shard has lost what it knew.

use bytes::Bytes;
use redis::{Cmd, Value};
use tagbid_ports::Impression;
use tagbid_tagset::UserKey;
use tagbid_types::{DatasetId, Timestamp};

use super::ask::Question;
use super::scripts::{CHANGED_MEANWHILE, COMPARE_AND_SET, LOST, SUPPRESSED};
use super::{RedisStore, keys, list, read};
use crate::store::change::{self, Changed, Expiring};
use crate::store::{Standing, StoreError, Written};

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
        let active = self.board.active(dataset)?;
        self.load_blobs(active.version, active.open, &users).await?;
        if active.open {
            let latest = change::latest_as_of(users.iter().map(|(_, blob)| blob));
            self.board.note_as_of(dataset, latest).await?;
        }
        Ok(active.version.number)
    }

    /// See [`Store::merge_realtime`](crate::store::Store::merge_realtime).
    pub(super) async fn merge_blobs(&self, users: Vec<(UserKey, Bytes)>, now: Timestamp) -> Vec<Outcome> {
        let groups = change::by_user(users.iter().map(|(user, _)| *user));
        let merge = |user: (UserKey, Timestamp), items: &[usize], old: Option<&[u8]>| {
            let blobs = items.iter().filter_map(|item| users.get(*item).map(|(_, blob)| blob));
            change::merged(user, old, blobs, now)
        };
        self.change_each(&groups, users.len(), keys::realtime, merge, now).await
    }

    /// See [`Store::count`](crate::store::Store::count).
    pub(super) async fn count_all(&self, impressions: Vec<Impression>, now: Timestamp) -> Vec<Outcome> {
        let groups = change::by_user(impressions.iter().map(|one| one.user));
        let count = |user: (UserKey, Timestamp), items: &[usize], old: Option<&[u8]>| {
            let impressions = items.iter().filter_map(|item| impressions.get(*item));
            change::counted(user, old, impressions, now)
        };
        self.change_each(&groups, impressions.len(), keys::frequency, count, now).await
    }

    /// A call of [`COMPARE_AND_SET`] for one key of a user, up to the values.
    fn script(&self, name: &str, user: UserKey) -> Question {
        let (slot, shard) = self.shards.of_user(user);
        let mut command = redis::cmd("EVALSHA");
        command
            .arg(self.compare_and_set.get_hash())
            .arg(3)
            .arg(name)
            .arg(keys::suppressed(user))
            .arg(self.shards.name(shard));
        list::demand(self.shards.required(shard), &mut command);
        Question { slot, command }
    }

    /// Runs calls of that script; what each answered. Loads it each time, because a Redis that restarted or failed over
    /// has forgotten it.
    async fn run(&self, calls: &[Question]) -> Vec<Result<u8, StoreError>> {
        let mut load = redis::cmd("SCRIPT");
        load.arg("LOAD").arg(COMPARE_AND_SET);
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

    /// The blobs of users, and what the list says of them.
    async fn before(&self, users: &[&User], name: fn(UserKey) -> String) -> Vec<Result<Before, StoreError>> {
        let get = |(user, _): &&User| {
            let mut command = redis::cmd("MGET");
            command.arg(name(*user)).arg(keys::suppressed(*user));
            Question { slot: self.shards.of_user(*user).0, command }
        };
        let questions: Vec<_> = users.iter().map(get).collect();
        self.cluster.tell(&questions, None).await.into_iter().map(|answer| pair(answer?)).collect()
    }

    /// One round of compare and set over some users. Returns those whom somebody else changed meanwhile.
    async fn change_once<'a>(
        &self,
        users: Vec<&'a User>,
        name: fn(UserKey) -> String,
        change: impl Fn((UserKey, Timestamp), &[usize], Option<&[u8]>) -> Changed,
        now: Timestamp,
        outcomes: &mut Outcomes,
    ) -> Vec<&'a User> {
        let old = self.before(&users, name).await;
        let (mut calls, mut trying) = (Vec::with_capacity(users.len()), Vec::with_capacity(users.len()));
        for (one @ (user, items), old) in users.into_iter().zip(old) {
            let (old, said) = match old {
                Ok(found) => found,
                Err(error) => {
                    outcomes.all(items, &Err(error));
                    continue;
                }
            };
            let standing = Standing::parse(said.as_deref());
            if standing.suppressed {
                outcomes.all(items, &Ok(Written::Suppressed));
                continue;
            }
            let changed = change((*user, standing.erased), items, old.as_deref());
            if let Some(new) = &changed.new {
                let mut call = self.compare_and_set(*user, &name(*user), old.as_deref(), new, now);
                call.command.arg(said.as_deref().unwrap_or_default());
                calls.push(call);
                trying.push((one, changed.items));
            } else {
                outcomes.each(items, changed.items);
            }
        }
        if trying.is_empty() {
            return Vec::new();
        }
        let done = self.run(&calls).await;
        let mut lost = Vec::new();
        for ((one @ (_, items), changed), done) in trying.into_iter().zip(done) {
            match done {
                Ok(CHANGED_MEANWHILE) => lost.push(one),
                Ok(SUPPRESSED) => outcomes.all(items, &Ok(Written::Suppressed)),
                Ok(_) => outcomes.each(items, changed),
                Err(error) => outcomes.all(items, &Err(error)),
            }
        }
        lost
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
        let mut question = self.script(name, user);
        let command: &mut Cmd = &mut question.command;
        command.arg(old.unwrap_or_default()).arg(&*new.blob);
        command.arg(u64::try_from(lifetime).unwrap_or(u64::MAX));
        question
    }

    /// Changes users one batch at a time, each user atomically, trying again for those that others changed. What became of
    /// each item: one user's failure is nobody else's.
    async fn change_each(
        &self,
        users: &[User],
        items: usize,
        name: fn(UserKey) -> String,
        change: impl Fn((UserKey, Timestamp), &[usize], Option<&[u8]>) -> Changed,
        now: Timestamp,
    ) -> Vec<Outcome> {
        let mut outcomes = Outcomes(vec![Err(StoreError::Down); items]);
        for batch in users.chunks(BATCH) {
            let mut left: Vec<_> = batch.iter().collect();
            for _ in 0..ATTEMPTS {
                if left.is_empty() {
                    break;
                }
                left = self.change_once(left, name, &change, now, &mut outcomes).await;
            }
            for (user, items) in left {
                outcomes.all(items, &Err(StoreError::Contended(*user, ATTEMPTS)));
            }
        }
        outcomes.0
    }
}

/// A blob, and what the list says of its user.
type Before = (Option<Bytes>, Option<Bytes>);

fn pair(answer: Value) -> Result<Before, StoreError> {
    match answer {
        Value::Array(values) => {
            let mut values = values.into_iter();
            let mut next = || read::bytes(values.next().unwrap_or(Value::Nil));
            Ok((next()?, next()?))
        }
        other => Err(StoreError::Failed(format!("MGET answered {other:?}"))),
    }
}

/// A user and the places of what is to be changed of them.
type User = (UserKey, Vec<usize>);

type Outcome = Result<Written, StoreError>;

/// What became of each item of a write.
struct Outcomes(Vec<Outcome>);

impl Outcomes {
    fn each(&mut self, items: &[usize], outcomes: Vec<Outcome>) {
        for (item, outcome) in items.iter().zip(outcomes) {
            if let Some(place) = self.0.get_mut(*item) {
                *place = outcome;
            }
        }
    }

    fn all(&mut self, items: &[usize], outcome: &Outcome) {
        self.each(items, vec![outcome.clone(); items.len()]);
    }
}

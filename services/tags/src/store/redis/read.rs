//! Lookups: one MGET a user, the mark and the sentinel of the user's shard with it.

use std::collections::VecDeque;

use bytes::Bytes;
use redis::Value;
use tagbid_ports::OfflineBlob;
use tagbid_tagset::{MAX_BYTES, UserKey};
use tokio::time::Instant;

use super::ask::{Answer, Question};
use super::marks::{self, Marks};
use super::{RedisStore, keys, list};
use crate::store::{Sentinel, Standing, StoreError, Stored, Version};

/// A user as they are being read.
struct Asked {
    slot: usize,
    /// In the order that [`taken_apart`] expects their values.
    keys: Vec<String>,
    /// The shard's mark and its sentinel.
    of_shard: [String; 2],
    /// What is demanded of the shard. Not what is when the answer comes: other changes of the list may be applied
    /// meanwhile, and the answer is no worse for that.
    required: Option<Sentinel>,
}

impl RedisStore {
    /// See [`Store::read_of`](crate::store::Store::read_of).
    pub(super) async fn read_users(
        &self,
        versions: &[Version],
        users: &[UserKey],
        frequency: bool,
        until: Instant,
    ) -> Vec<Result<Stored, StoreError>> {
        let asked = users.iter().map(|user| self.asked(*user, versions, frequency)).collect();
        let read = |(values, marks): (_, Marks)| taken_apart(values, versions, &marks, frequency);
        self.values(asked, until).await.into_iter().map(|answer| answer.and_then(read)).collect()
    }

    /// See [`Store::standings`](crate::store::Store::standings).
    pub(super) async fn read_standings(
        &self,
        users: &[UserKey],
        until: Instant,
    ) -> Vec<Result<Standing, StoreError>> {
        let asked = |user: &UserKey| {
            let asked = self.asked(*user, &[], false);
            Asked { keys: vec![keys::suppressed(*user)], ..asked }
        };
        let read = |(mut values, _): (VecDeque<Value>, Marks)| {
            Ok(Standing::parse(blob(values.pop_front().unwrap_or(Value::Nil))?.as_deref()))
        };
        let answers = self.values(users.iter().map(asked).collect(), until).await;
        answers.into_iter().map(|answer| answer.and_then(read)).collect()
    }

    /// The values of each user's keys, with the versions that the user's shard has; an error where the shard has lost
    /// something of the list.
    async fn values(
        &self,
        asked: Vec<Asked>,
        until: Instant,
    ) -> Vec<Result<(VecDeque<Value>, Marks), StoreError>> {
        let questions: Vec<_> = asked.iter().map(Asked::at_once).collect();
        let mut answers = self.cluster.ask(&questions, None, until).await;
        self.read_apart(&asked, &mut answers, until).await;
        let read = |(asked, answer): (&Asked, Answer)| {
            let mut values = into_values(answer?)?;
            list::check(asked.required, Ok(values.pop_back().unwrap_or(Value::Nil)))?;
            let marks = marks::parse(values.pop_back().unwrap_or(Value::Nil))?;
            Ok((values, marks))
        };
        asked.iter().zip(answers).map(read).collect()
    }

    fn asked(&self, user: UserKey, versions: &[Version], frequency: bool) -> Asked {
        let (slot, shard) = self.shards.of_user(user);
        let mut names = Vec::with_capacity(3 + versions.len());
        names.extend([keys::suppressed(user), keys::realtime(user)]);
        if frequency {
            names.push(keys::frequency(user));
        }
        names.extend(versions.iter().map(|version| keys::offline(*version, user)));
        Asked {
            slot,
            keys: names,
            of_shard: [self.shards.mark(shard).to_owned(), self.shards.name(shard).to_owned()],
            required: self.shards.required(shard),
        }
    }

    /// Reads key by key who is in a slot on its way: a node answers no MGET for keys that it has not all got, and where
    /// each is, it says of each. The mark and the sentinel come after the others: what they say then, held for all that
    /// was read before.
    async fn read_apart(&self, asked: &[Asked], answers: &mut [Answer], until: Instant) {
        let apart = asked.iter().zip(answers).filter(|(_, answer)| matches!(answer, Err(StoreError::Moving)));
        let apart: Vec<_> = apart.collect();
        if apart.is_empty() {
            return;
        }
        let keys: Vec<_> =
            apart.iter().flat_map(|(asked, _)| asked.keys.iter().map(|key| asked.get(key))).collect();
        let mut values = self.cluster.ask(&keys, None, until).await.into_iter();
        let of_shard: Vec<_> =
            apart.iter().flat_map(|(asked, _)| asked.of_shard.iter().map(|key| asked.get(key))).collect();
        let mut of_shard = self.cluster.ask(&of_shard, None, until).await.into_iter();
        for (asked, answer) in apart {
            let of_user = values.by_ref().take(asked.keys.len()).chain(of_shard.by_ref().take(2));
            *answer = of_user.collect::<Result<Vec<_>, _>>().map(Value::Array);
        }
    }
}

impl Asked {
    fn at_once(&self) -> Question {
        let mut command = redis::cmd("MGET");
        command.arg(&self.keys).arg(&self.of_shard);
        Question { slot: self.slot, command }
    }

    fn get(&self, key: &str) -> Question {
        let mut command = redis::cmd("GET");
        command.arg(key);
        Question { slot: self.slot, command }
    }
}

fn into_values(answer: Value) -> Result<VecDeque<Value>, StoreError> {
    match answer {
        Value::Array(values) => Ok(values.into()),
        _ => Err(StoreError::Failed("MGET did not answer with an array".into())),
    }
}

fn taken_apart(
    values: VecDeque<Value>,
    versions: &[Version],
    marks: &Marks,
    frequency: bool,
) -> Result<Stored, StoreError> {
    let mut values = values.into_iter().map(blob);
    let mut next =
        || values.next().unwrap_or_else(|| Err(StoreError::Failed("MGET answered too little".into())));
    let standing = Standing::parse(next()?.as_deref());
    if standing.suppressed {
        return Ok(Stored { suppressed: true, ..Stored::default() });
    }
    let (realtime, frequency) = (next()?, if frequency { next()? } else { None });
    let mut stored = Stored { realtime, frequency, others: standing.others, ..Stored::default() };
    for version in versions {
        let (dataset, blob) = (version.dataset, next());
        // What is none of ours hides what the dataset has of this user, and no more.
        if blob.is_err() || !marks.get(version).is_some_and(|(whole, _)| *whole) {
            stored.lost.push(dataset);
        }
        stored.offline.extend(blob.unwrap_or_default().map(|blob| OfflineBlob {
            dataset,
            version: version.number,
            blob,
        }));
    }
    Ok(stored)
}

/// A value that tagbid may have written: whatever else is in its place goes no further.
fn blob(value: Value) -> Result<Option<Bytes>, StoreError> {
    match bytes(value)? {
        Some(bytes) if bytes.len() > MAX_BYTES => Err(StoreError::Failed(format!(
            "a value of {} bytes is none of ours: delete its key",
            bytes.len()
        ))),
        other => Ok(other),
    }
}

pub(super) fn bytes(value: Value) -> Result<Option<Bytes>, StoreError> {
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) => Ok(Some(bytes.into())),
        other => Err(StoreError::Failed(format!("unexpected answer {other:?}"))),
    }
}

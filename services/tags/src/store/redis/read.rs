//! Lookups: one MGET a user, the sentinel of the user's shard with it.

use std::collections::VecDeque;

use bytes::Bytes;
use redis::Value;
use tagbid_ports::OfflineBlob;
use tagbid_tagset::{MAX_BYTES, UserKey};
use tokio::time::Instant;

use super::ask::{Answer, Question};
use super::pointers::Versions;
use super::{RedisStore, keys, list};
use crate::store::{Sentinel, StoreError, Stored};

/// A user as they are being read.
struct Asked {
    slot: usize,
    /// In the order that [`taken_apart`] expects their values.
    keys: Vec<String>,
    sentinel: String,
    /// What is demanded of the shard. Not what is when the answer comes: other changes of the list may be applied
    /// meanwhile, and the answer is no worse for that.
    required: Option<Sentinel>,
}

impl RedisStore {
    /// See [`Store::read`](crate::store::Store::read).
    pub(super) async fn read_users(
        &self,
        users: &[UserKey],
        frequency: bool,
        until: Instant,
    ) -> Vec<Result<Stored, StoreError>> {
        let Some(versions) = self.board.versions() else {
            return vec![Err(StoreError::Down); users.len()];
        };
        let asked: Vec<_> = users.iter().map(|user| self.asked(*user, &versions, frequency)).collect();
        let questions: Vec<_> = asked.iter().map(Asked::at_once).collect();
        let mut answers = self.cluster.ask(&questions, None, until).await;
        self.read_apart(&asked, &mut answers, until).await;
        let read = |(asked, answer): (&Asked, Answer)| {
            let mut values = into_values(answer?)?;
            list::check(asked.required, Ok(values.pop_back().unwrap_or(Value::Nil)))?;
            taken_apart(values, &versions, frequency)
        };
        asked.iter().zip(answers).map(read).collect()
    }

    fn asked(&self, user: UserKey, versions: &Versions, frequency: bool) -> Asked {
        let (slot, shard) = self.shards.of_user(user);
        let mut names = Vec::with_capacity(3 + versions.len());
        names.extend([keys::suppressed(user), keys::realtime(user)]);
        if frequency {
            names.push(keys::frequency(user));
        }
        names.extend(versions.iter().map(|(dataset, version)| keys::offline(*dataset, *version, user)));
        Asked {
            slot,
            keys: names,
            sentinel: self.shards.name(shard).to_owned(),
            required: self.shards.required(shard),
        }
    }

    /// Reads key by key who is in a slot on its way: a node answers no MGET for keys that it has not all got, and where
    /// each is, it says of each. The sentinel comes after the others: what it says then, held for all that was read
    /// before.
    async fn read_apart(&self, asked: &[Asked], answers: &mut [Answer], until: Instant) {
        let apart = asked.iter().zip(answers).filter(|(_, answer)| matches!(answer, Err(StoreError::Moving)));
        let apart: Vec<_> = apart.collect();
        if apart.is_empty() {
            return;
        }
        let keys: Vec<_> =
            apart.iter().flat_map(|(asked, _)| asked.keys.iter().map(|key| asked.get(key))).collect();
        let mut values = self.cluster.ask(&keys, None, until).await.into_iter();
        let sentinels: Vec<_> = apart.iter().map(|(asked, _)| asked.get(&asked.sentinel)).collect();
        let sentinels = self.cluster.ask(&sentinels, None, until).await;
        for ((asked, answer), sentinel) in apart.into_iter().zip(sentinels) {
            let of_user = values.by_ref().take(asked.keys.len()).chain([sentinel]);
            *answer = of_user.collect::<Result<Vec<_>, _>>().map(Value::Array);
        }
    }
}

impl Asked {
    fn at_once(&self) -> Question {
        let mut command = redis::cmd("MGET");
        command.arg(&self.keys).arg(&self.sentinel);
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

fn taken_apart(values: VecDeque<Value>, versions: &Versions, frequency: bool) -> Result<Stored, StoreError> {
    let mut values = values.into_iter().map(blob);
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

//! The marks of versions in Redis: one key a shard, beside its sentinel, that names each version with its state and the
//! number of users that the shard has of it, as `;DATASET:VERSION:STATE:USERS` one after another.

use std::collections::BTreeMap;

use redis::{Cmd, Value};
use tagbid_types::DatasetId;

use super::ask::{Answer, Question};
use super::scripts::{MARK, NO_MARK, NO_ROOM};
use super::{RedisStore, read};
use crate::store::{Mark, StoreError, Version};

/// Marks of one step through all of them.
const STEP: usize = 1_024;

/// Bytes of versions that one key holds: [`MAX_VERSIONS`](crate::store::MAX_VERSIONS) of them, with short numbers.
const ROOM: usize = 1_536;

/// The versions that a shard has, and whether each is whole, with its users.
pub(super) type Marks = BTreeMap<Version, (bool, u64)>;

impl RedisStore {
    /// See [`Store::mark`](crate::store::Store::mark).
    pub(super) async fn mark_all(&self, version: Version, mark: Mark) -> Result<u64, StoreError> {
        let all: Vec<usize> = (0..self.shards.len()).collect();
        let mut users = 0;
        for step in all.chunks(STEP) {
            users += match mark {
                Mark::Check => self.count_marked(version, step).await?,
                _ => self.mark_some(version, mark, step).await?,
            };
        }
        Ok(users)
    }

    async fn count_marked(&self, version: Version, shards: &[usize]) -> Result<u64, StoreError> {
        let mut users = 0;
        for marks in self.marks(shards).await {
            users += marks?.get(&version).ok_or(StoreError::Lost(version))?.1;
        }
        Ok(users)
    }

    async fn mark_some(&self, version: Version, mark: Mark, shards: &[usize]) -> Result<u64, StoreError> {
        let what = match mark {
            Mark::Open => "open",
            Mark::Seal => "seal",
            Mark::Remove => "remove",
            Mark::Check => "check",
        };
        let question = |&shard: &usize| {
            let mut command = redis::cmd("EVAL");
            command
                .arg(MARK)
                .arg(1)
                .arg(self.shards.mark(shard))
                .arg(version.to_string())
                .arg(what)
                .arg(ROOM);
            Question { slot: self.shards.slot(shard), command }
        };
        let questions: Vec<_> = shards.iter().map(question).collect();
        let counts = self.cluster.tell(&questions, None).await.into_iter();
        counts.map(|answer| count(answer, version)).sum()
    }

    /// The marks of these shards.
    pub(super) async fn marks(&self, shards: &[usize]) -> Vec<Result<Marks, StoreError>> {
        let get = |&shard: &usize| {
            let mut command = redis::cmd("GET");
            command.arg(self.shards.mark(shard));
            Question { slot: self.shards.slot(shard), command }
        };
        let questions: Vec<_> = shards.iter().map(get).collect();
        self.cluster.tell(&questions, None).await.into_iter().map(|answer| parse(answer?)).collect()
    }
}

/// What a script counted.
pub(super) fn count(answer: Answer, version: Version) -> Result<u64, StoreError> {
    match answer? {
        Value::Int(NO_MARK) => Err(StoreError::Lost(version)),
        Value::Int(NO_ROOM) => Err(StoreError::TooManyVersions),
        Value::Int(users) if users >= 0 => Ok(users.unsigned_abs()),
        other => Err(StoreError::Failed(format!("a script answered {other:?}"))),
    }
}

/// The marks that a key holds.
pub(super) fn parse(value: Value) -> Result<Marks, StoreError> {
    let Some(text) = read::bytes(value)? else { return Ok(Marks::new()) };
    let text = String::from_utf8_lossy(&text);
    let marks = text.split(';').skip(1).map(|one| {
        let mut parts = one.split(':');
        let dataset = DatasetId(parts.next()?.parse().ok()?);
        let version = Version { dataset, number: parts.next()?.parse().ok()? };
        Some((version, (parts.next()? == "w", parts.next()?.parse().ok()?)))
    });
    let unreadable = || {
        StoreError::Failed(
            "a key \"versions\" holds something else: give tagbid a database of its own".into(),
        )
    };
    marks.collect::<Option<_>>().ok_or_else(unreadable)
}

/// The arguments of a script that writes into a version: its name in the mark, and whether a mark that is missing is
/// made.
pub(super) fn name(version: Version, open: bool, command: &mut Cmd) {
    command.arg(version.to_string()).arg(if open { "open" } else { "" });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_versions_and_anything_else_is_refused() {
        let read = |text: &str| parse(Value::BulkString(text.into()));
        let version = |dataset, number| Version { dataset: DatasetId(dataset), number };
        let both = Marks::from([(version(7, 1), (true, 12)), (version(7, 10), (false, 0))]);
        assert_eq!(read(";7:1:w:12;7:10:l:0"), Ok(both));
        assert_eq!((read(""), parse(Value::Nil)), (Ok(Marks::new()), Ok(Marks::new())));
        for other in [";7:1", ";x:1:w:1", ";7:1:w:-1", ";"] {
            assert!(read(other).is_err(), "{other}");
        }
    }
}

//! Lookups: one MGET for users of one shard, with the mark and the sentinel of the shard. In a cluster a shard is a slot, and
//! users rarely share one; a single Redis is one shard, and a frame of users a few commands.

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

/// Users of one MGET: Redis does nothing else meanwhile, some 20 µs.
const TOGETHER: usize = 16;

/// A user as they are being read.
struct Asked {
    slot: usize,
    shard: usize,
    /// In the order that [`taken_apart`] expects their values.
    keys: Vec<String>,
}

/// Users of one shard, who are read in one moment with its mark and its sentinel.
struct Group {
    slot: usize,
    /// By their places among all that are read.
    users: Vec<usize>,
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
        let take = |values: VecDeque<Value>, marks: &Marks| taken_apart(values, versions, marks, frequency);
        self.read_each(asked, until, take).await
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
        let take = |mut values: VecDeque<Value>, _: &Marks| {
            Ok(Standing::parse(blob(values.pop_front().unwrap_or(Value::Nil))?.as_deref()))
        };
        self.read_each(users.iter().map(asked).collect(), until, take).await
    }

    /// What is taken from the values of each user's keys and the versions that the user's shard has; an error where the
    /// shard has lost something of the list.
    async fn read_each<T>(
        &self,
        asked: Vec<Asked>,
        until: Instant,
        take: impl Fn(VecDeque<Value>, &Marks) -> Result<T, StoreError>,
    ) -> Vec<Result<T, StoreError>> {
        let groups = self.groups(&asked);
        let questions: Vec<_> = groups.iter().map(|group| group.at_once(&asked)).collect();
        let mut answers = self.cluster.ask(&questions, None, until).await;
        self.read_apart(&asked, &groups, &mut answers, until).await;
        let mut read: Vec<_> = asked.iter().map(|_| Err(StoreError::Down)).collect();
        for (group, answer) in groups.iter().zip(answers) {
            let mut values = group.checked(answer);
            for user in &group.users {
                let own = |(values, marks): &mut (VecDeque<Value>, Marks)| {
                    let keys = asked.get(*user).map_or(0, |asked| asked.keys.len());
                    take(values.drain(..keys.min(values.len())).collect(), marks)
                };
                if let Some(place) = read.get_mut(*user) {
                    *place = values.as_mut().map_err(|error| error.clone()).and_then(own);
                }
            }
        }
        read
    }

    fn asked(&self, user: UserKey, versions: &[Version], frequency: bool) -> Asked {
        let (slot, shard) = self.shards.of_user(user);
        let mut names = Vec::with_capacity(3 + versions.len());
        names.extend([keys::suppressed(user), keys::realtime(user)]);
        if frequency {
            names.push(keys::frequency(user));
        }
        names.extend(versions.iter().map(|version| keys::offline(*version, user)));
        Asked { slot, shard, keys: names }
    }

    fn groups(&self, asked: &[Asked]) -> Vec<Group> {
        let mut order: Vec<usize> = (0..asked.len()).collect();
        let shard = |user: &usize| asked.get(*user).map(|asked| asked.shard);
        // In a single Redis they are in order as they are.
        order.sort_by_key(shard);
        let groups = order.chunk_by(|one, other| shard(one) == shard(other));
        let groups = groups.flat_map(|users| users.chunks(TOGETHER)).filter_map(|users| {
            let Asked { slot, shard, .. } = asked.get(*users.first()?)?;
            Some(Group {
                slot: *slot,
                users: users.to_vec(),
                of_shard: [self.shards.mark(*shard).to_owned(), self.shards.name(*shard).to_owned()],
                required: self.shards.required(*shard),
            })
        });
        groups.collect()
    }

    /// Reads key by key who is in a slot on its way: a node answers no MGET for keys that it has not all got, and where
    /// each is, it says of each. The mark and the sentinel come after the others: what they say then, held for all that
    /// was read before.
    async fn read_apart(&self, asked: &[Asked], groups: &[Group], answers: &mut [Answer], until: Instant) {
        let apart =
            groups.iter().zip(answers).filter(|(_, answer)| matches!(answer, Err(StoreError::Moving)));
        let apart: Vec<_> = apart.collect();
        if apart.is_empty() {
            return;
        }
        let keys: Vec<_> =
            apart.iter().flat_map(|(group, _)| group.keys(asked).map(|key| get(group.slot, key))).collect();
        let mut values = self.cluster.ask(&keys, None, until).await.into_iter();
        let of_shard: Vec<_> = apart
            .iter()
            .flat_map(|(group, _)| group.of_shard.iter().map(|key| get(group.slot, key)))
            .collect();
        let mut of_shard = self.cluster.ask(&of_shard, None, until).await.into_iter();
        for (group, answer) in apart {
            let count = group.keys(asked).count();
            let of_users = values.by_ref().take(count).chain(of_shard.by_ref().take(2));
            *answer = of_users.collect::<Result<Vec<_>, _>>().map(Value::Array);
        }
    }
}

impl Group {
    fn keys<'a>(&'a self, asked: &'a [Asked]) -> impl Iterator<Item = &'a String> {
        self.users.iter().filter_map(|user| asked.get(*user)).flat_map(|asked| &asked.keys)
    }

    fn at_once(&self, asked: &[Asked]) -> Question {
        let mut command = redis::cmd("MGET");
        for key in self.keys(asked).chain(&self.of_shard) {
            command.arg(key);
        }
        Question { slot: self.slot, command }
    }

    /// The users' values, with the versions that the shard has.
    fn checked(&self, answer: Answer) -> Result<(VecDeque<Value>, Marks), StoreError> {
        let mut values = into_values(answer?)?;
        list::check(self.required, Ok(values.pop_back().unwrap_or(Value::Nil)))?;
        let marks = marks::parse(values.pop_back().unwrap_or(Value::Nil))?;
        Ok((values, marks))
    }
}

fn get(slot: usize, key: &str) -> Question {
    let mut command = redis::cmd("GET");
    command.arg(key);
    Question { slot, command }
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

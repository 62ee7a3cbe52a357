//! Lookups: one MGET for users of one shard, with the mark and the sentinel of the shard. In a cluster a shard is a slot, and
//! users rarely share one; a single Redis is one shard, and a frame of users a few commands.

use bytes::Bytes;
use redis::{Cmd, Value};
use tagbid_ports::OfflineBlob;
use tagbid_tagset::{MAX_BYTES, UserKey};
use tokio::time::Instant;

use super::ask::{Answer, Question};
use super::keys::Names;
use super::marks::{self, Marks};
use super::{RedisStore, keys, list};
use crate::store::{Sentinel, Standing, StoreError, Stored, Version};

/// Users of one MGET: Redis does nothing else meanwhile, some 20 µs.
const TOGETHER: usize = 16;

/// A user as they are being read.
struct Asked {
    user: UserKey,
    slot: usize,
    shard: usize,
}

/// The values of one user's keys.
type Values<'a> = std::iter::Take<&'a mut std::vec::IntoIter<Value>>;

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
        let take = |values: &mut Values<'_>, marks: &Marks| taken_apart(values, versions, marks, frequency);
        self.read_each(users, &Names::of_all(versions, frequency), until, take).await
    }

    /// See [`Store::standings`](crate::store::Store::standings).
    pub(super) async fn read_standings(
        &self,
        users: &[UserKey],
        until: Instant,
    ) -> Vec<Result<Standing, StoreError>> {
        let take = |values: &mut Values<'_>, _: &Marks| {
            Ok(Standing::parse(blob(values.next().unwrap_or(Value::Nil))?.as_deref()))
        };
        self.read_each(users, &Names::of_standing(), until, take).await
    }

    /// What is taken from the values of each user's keys and the versions that the user's shard has; an error where the
    /// shard has lost something of the list.
    async fn read_each<T>(
        &self,
        users: &[UserKey],
        names: &Names,
        until: Instant,
        take: impl Fn(&mut Values<'_>, &Marks) -> Result<T, StoreError>,
    ) -> Vec<Result<T, StoreError>> {
        let asked: Vec<_> = users.iter().map(|user| self.asked(*user)).collect();
        let groups = self.groups(&asked);
        let questions: Vec<_> = groups.iter().map(|group| group.at_once(&asked, names)).collect();
        let mut answers = self.cluster.ask(&questions, None, until).await;
        self.read_apart((&asked, names), &groups, &mut answers, until).await;
        let mut read: Vec<_> = asked.iter().map(|_| Err(StoreError::Down)).collect();
        for (group, answer) in groups.iter().zip(answers) {
            let mut answer = group.checked(answer).map(|(values, marks)| (values.into_iter(), marks));
            for user in &group.users {
                let own = |(values, marks): &mut (std::vec::IntoIter<Value>, Marks)| {
                    let mut own = values.take(names.count());
                    let taken = take(&mut own, marks);
                    // What was not looked at is none of the next user's.
                    own.for_each(drop);
                    taken
                };
                if let Some(place) = read.get_mut(*user) {
                    *place = answer.as_mut().map_err(|error| error.clone()).and_then(own);
                }
            }
        }
        read
    }

    fn asked(&self, user: UserKey) -> Asked {
        let (slot, shard) = self.shards.of_user(user);
        Asked { user, slot, shard }
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
    async fn read_apart(
        &self,
        (asked, names): (&[Asked], &Names),
        groups: &[Group],
        answers: &mut [Answer],
        until: Instant,
    ) {
        let apart =
            groups.iter().zip(answers).filter(|(_, answer)| matches!(answer, Err(StoreError::Moving)));
        let apart: Vec<_> = apart.collect();
        if apart.is_empty() {
            return;
        }
        let mut keys = Vec::new();
        for (group, _) in &apart {
            group.keys(asked, names, |key| keys.push(get(group.slot, key)));
        }
        let mut values = self.cluster.ask(&keys, None, until).await.into_iter();
        let of_shard: Vec<_> = apart
            .iter()
            .flat_map(|(group, _)| group.of_shard.iter().map(|key| get(group.slot, key)))
            .collect();
        let mut of_shard = self.cluster.ask(&of_shard, None, until).await.into_iter();
        for (group, answer) in apart {
            let count = group.users.len() * names.count();
            let of_users = values.by_ref().take(count).chain(of_shard.by_ref().take(2));
            *answer = of_users.collect::<Result<Vec<_>, _>>().map(Value::Array);
        }
    }
}

impl Group {
    fn keys(&self, asked: &[Asked], names: &Names, mut take: impl FnMut(&str)) {
        for asked in self.users.iter().filter_map(|user| asked.get(*user)) {
            names.of(asked.user, &mut take);
        }
    }

    fn at_once(&self, asked: &[Asked], names: &Names) -> Question {
        let keys = self.users.len() * names.count() + self.of_shard.len();
        let mut command = Cmd::with_capacity(1 + keys, keys * keys::LONGEST);
        command.arg("MGET");
        self.keys(asked, names, |key| {
            command.arg(key);
        });
        for key in &self.of_shard {
            command.arg(key);
        }
        Question { slot: self.slot, command }
    }

    /// The users' values, with the versions that the shard has.
    fn checked(&self, answer: Answer) -> Result<(Vec<Value>, Marks), StoreError> {
        let mut values = into_values(answer?)?;
        list::check(self.required, Ok(values.pop().unwrap_or(Value::Nil)))?;
        let marks = marks::parse(values.pop().unwrap_or(Value::Nil))?;
        Ok((values, marks))
    }
}

fn get(slot: usize, key: &str) -> Question {
    let mut command = redis::cmd("GET");
    command.arg(key);
    Question { slot, command }
}

fn into_values(answer: Value) -> Result<Vec<Value>, StoreError> {
    match answer {
        Value::Array(values) => Ok(values),
        _ => Err(StoreError::Failed("MGET did not answer with an array".into())),
    }
}

fn taken_apart(
    values: &mut Values<'_>,
    versions: &[Version],
    marks: &Marks,
    frequency: bool,
) -> Result<Stored, StoreError> {
    let mut values = values.map(blob);
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

//! Blobs of versions: written by the thousand, deleted a few at a time.

use std::collections::BTreeMap;

use ahash::{HashSet, HashSetExt};
use bytes::Bytes;
use redis::{Cmd, Pipeline, Value};
use tagbid_tagset::{KeyText, UserKey};
use tokio::time::Instant;

use super::ask::Question;
use super::scripts::{ANEW, LOAD, LOST, NO_MARK};
use super::{RedisStore, keys, list, marks};
use crate::store::{StoreError, Version, change};

/// Users of one call of the script: a lookup behind it waits a tenth of a millisecond.
const CALL: usize = 64;

/// Users of one pipelined write: bounds what one answer holds in memory and how long others wait behind it.
const BATCH: usize = 1_024;

/// Bytes of a call beside its users.
const HEAD: usize = 256;

/// A user to store.
struct Item<'a> {
    /// The key as it stands in names.
    text: KeyText,
    slot: usize,
    blob: &'a Bytes,
}

impl RedisStore {
    /// See [`Store::load`](crate::store::Store::load). `open`: where there is no mark, it is made.
    pub(super) async fn load_blobs(
        &self,
        version: Version,
        open: bool,
        users: &[(UserKey, Bytes)],
    ) -> Result<u64, StoreError> {
        let mut script = redis::cmd("SCRIPT");
        script.arg("LOAD").arg(LOAD);
        let (mut fresh, mut anew) = (0, 0);
        for batch in users.chunks(BATCH) {
            let mut shards: BTreeMap<usize, Vec<Item<'_>>> = BTreeMap::new();
            // Of one who stands there twice what comes last.
            let mut seen = HashSet::with_capacity(batch.len());
            for (user, blob) in batch.iter().rev().filter(|(user, _)| seen.insert(*user)) {
                let (slot, shard) = self.shards.of_user(*user);
                shards.entry(shard).or_default().push(Item { text: user.text(), slot, blob });
            }
            let calls = shards.iter().flat_map(|(shard, users)| {
                users.chunks(CALL).map(|users| self.loading(version, open, *shard, users))
            });
            let calls: Vec<_> = calls.collect();
            for answer in self.cluster.tell(&calls, Some(&script)).await {
                fresh += match answer? {
                    Value::Int(NO_MARK) => return Err(StoreError::Lost(version)),
                    Value::Int(LOST_HERE) => return Err(StoreError::Forgot),
                    Value::Int(fresh) if fresh >= 0 => fresh.unsigned_abs(),
                    Value::Int(fresh) if fresh <= ANEW => {
                        anew += 1;
                        (ANEW - fresh).unsigned_abs()
                    }
                    other => return Err(StoreError::Failed(format!("a script answered {other:?}"))),
                };
            }
        }
        if anew > 0 {
            self.anew.add(anew);
            tracing::error!(%version, parts = anew, "redis had lost the version: begun anew; who is not written again has no tags");
        }
        Ok(fresh)
    }

    /// One call of the script, for users of one shard.
    fn loading(&self, version: Version, open: bool, shard: usize, users: &[Item<'_>]) -> Question {
        let bytes = users.iter().map(|user| user.blob.len() + 2 * keys::LONGEST).sum::<usize>() + HEAD;
        let mut command = Cmd::with_capacity(8 + 3 * users.len(), bytes);
        command.arg("EVALSHA").arg(self.load.get_hash()).arg(2 + 2 * users.len());
        command.arg(self.shards.name(shard)).arg(self.shards.mark(shard));
        for user in users {
            command.arg(keys::offline_of(version, user.text.as_str()));
        }
        for user in users {
            command.arg(keys::suppressed_of(user.text.as_str()));
        }
        list::demand(self.shards.required(shard), &mut command);
        marks::name(version, open, &mut command);
        // Of the earliest of them: those of one call are of one moment, as a rule.
        let as_of = users.iter().map(|user| change::as_of(user.blob)).min().unwrap_or_default();
        command.arg(as_of.0);
        for user in users {
            command.arg(&**user.blob);
        }
        if open {
            // What is loaded as a whole goes as a whole; this stays until somebody forgets it.
            for user in users {
                command.arg(change::lifetime_s(user.blob).max(1));
            }
        }
        Question { slot: users.first().map_or(0, |user| user.slot), command }
    }

    /// See [`Store::sweep`](crate::store::Store::sweep).
    pub(super) async fn sweep_some(
        &self,
        version: Version,
        position: u64,
    ) -> Result<Option<u64>, StoreError> {
        let (names, node, next) = self.scan(position, &keys::of_version(version)).await?;
        if !names.is_empty() {
            let mut commands = Pipeline::with_capacity(names.len());
            for name in &names {
                commands.cmd("UNLINK").arg(name);
            }
            let gone = node.ask(&commands, Instant::now() + self.cluster.timeout()).await?;
            if gone.iter().any(|answer| !matches!(answer, Value::Int(_))) {
                return Err(StoreError::Failed(
                    "a blob could not be deleted: its slot may have moved".into(),
                ));
            }
        }
        Ok(next)
    }
}

/// What the script answers when the shard has lost something.
const LOST_HERE: i64 = -(LOST as i64);

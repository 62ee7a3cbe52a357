//! The suppression list in Redis: [`super::shards`] says why it is kept as it is.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use redis::{Cmd, Value};
use tagbid_ports::SuppressionChange;
use tagbid_tagset::UserKey;
use tagbid_types::Revision;

use super::ask::{Answer, Question};
use super::scripts::{BEGIN, SUPPRESS};
use super::shards::Shard;
use super::{RedisStore, keys, read};
use crate::store::{Sentinel, Standing, StoreError, Version};

/// Sentinels of one step through all of them.
const STEP: usize = 1_024;

/// Sentinels that are looked at when nobody asks, spread over all nodes.
const SPOT: usize = 64;

impl RedisStore {
    /// See [`Store::open_list`](crate::store::Store::open_list).
    pub(super) async fn begin_list(&self) -> Result<Revision, StoreError> {
        let all: Vec<usize> = (0..self.shards.len()).collect();
        let (mut from, mut unread) = (None, None);
        for step in all.chunks(STEP) {
            let answers = self.sentinels(step).await;
            let answers = self.begin_anew(step, answers).await;
            for (&shard, is) in step.iter().zip(answers) {
                match is {
                    Ok(is) => {
                        self.shards.change(shard, |shard| (shard.at, shard.behind) = (Some(is), false));
                        let least = from.map_or(is.revision, |least: Revision| least.min(is.revision));
                        from = Some(least);
                    }
                    // A node that is away has others going on without it, but for the start.
                    Err(error) if self.shards.get(shard).at.is_none() => return Err(error),
                    Err(error) => {
                        self.shards.change(shard, |shard| shard.behind = true);
                        unread = Some(error);
                    }
                }
            }
        }
        let from = from.ok_or_else(|| unread.unwrap_or(StoreError::Down))?;
        self.head.store(from.0, Ordering::Relaxed);
        Ok(from)
    }

    /// What the sentinels are; none where there is none.
    async fn sentinels(&self, shards: &[usize]) -> Vec<Result<Option<Sentinel>, StoreError>> {
        let get = |&shard: &usize| {
            let mut command = redis::cmd("GET");
            command.arg(self.shards.name(shard));
            Question { slot: self.shards.slot(shard), command }
        };
        let questions: Vec<_> = shards.iter().map(get).collect();
        self.cluster.tell(&questions, None).await.into_iter().map(|answer| parse(answer?)).collect()
    }

    /// Gives a new life to those that have none, or have less than was required of them.
    async fn begin_anew(
        &self,
        shards: &[usize],
        found: Vec<Result<Option<Sentinel>, StoreError>>,
    ) -> Vec<Result<Sentinel, StoreError>> {
        let (mut questions, mut lost) = (Vec::new(), 0);
        let mut found: Vec<_> = found.into_iter().map(Some).collect();
        for (&shard, is) in shards.iter().zip(&mut found) {
            let Some(Ok(now)) = *is else { continue };
            let at = self.shards.get(shard).at;
            let set_back = |at: Sentinel, now: Sentinel| at.life == now.life && now.revision < at.revision;
            if now.is_none_or(|now| at.is_some_and(|at| set_back(at, now))) {
                lost += usize::from(at.is_some());
                questions.push(self.begin(shard, at));
                *is = None;
            }
        }
        if lost > 0 {
            tracing::error!(shards = lost, "redis lost data: the suppression list is replayed into it");
        }
        let mut begun = self.cluster.tell(&questions, None).await.into_iter();
        let mut next = || parse(begun.next().unwrap_or(Err(StoreError::Down))?);
        let all = found.into_iter().map(|is| match is {
            Some(is) => is,
            None => next(),
        });
        all.map(|is| is?.ok_or_else(|| StoreError::Failed("no sentinel after it was made".into()))).collect()
    }

    fn begin(&self, shard: usize, at: Option<Sentinel>) -> Question {
        let mut command = redis::cmd("EVAL");
        command.arg(BEGIN).arg(1).arg(self.shards.name(shard));
        demand(at, &mut command);
        command.arg(Sentinel::newborn().life());
        Question { slot: self.shards.slot(shard), command }
    }

    /// See [`Store::check_list`](crate::store::Store::check_list). Of a cluster a part at a time, unless slots have
    /// other owners: then everything.
    pub(super) async fn check_shards(&self) -> Result<(), StoreError> {
        let all = self.shards.len();
        let behind = self.shards.iter().filter(|(_, shard)| shard.behind).map(|(number, _)| number);
        let behind: Vec<usize> = behind.collect();
        if !behind.is_empty() && self.sentinels(&behind).await.iter().any(Result::is_ok) {
            // What passed it by can be told now.
            return Err(StoreError::Partly(behind.len()));
        }
        let whole = self.recheck.swap(false, Ordering::Relaxed);
        let look: Vec<usize> = if whole || all <= SPOT {
            (0..all).collect()
        } else {
            let first = self.spot.fetch_add(1, Ordering::Relaxed);
            (0..SPOT).map(|n| (first + n * (all / SPOT)) % all).collect()
        };
        let (mut lost, mut failed) = (0, None);
        for step in look.chunks(STEP) {
            // What it was before it is asked: it may be moved along meanwhile.
            let known: Vec<_> = step.iter().map(|shard| self.shards.get(*shard)).collect();
            for (shard, is) in known.into_iter().zip(self.sentinels(step).await) {
                match (shard.at, is) {
                    (Some(at), Ok(is)) => {
                        lost += usize::from(!shard.behind && !is.is_some_and(|is| at.is_kept_by(is)));
                    }
                    (_, Err(error)) => failed = Some(error),
                    (None, Ok(_)) => {}
                }
            }
        }
        match (lost, failed) {
            (0, None) => Ok(()),
            (0, Some(error)) => {
                if whole {
                    self.recheck.store(true, Ordering::Relaxed);
                }
                if all == 1 { Err(error) } else { Ok(()) }
            }
            (lost, _) if lost == all => Err(StoreError::Forgot),
            (lost, _) => Err(StoreError::Partly(lost)),
        }
    }

    /// See [`Store::suppress`](crate::store::Store::suppress).
    pub(super) async fn suppress_all(&self, changes: &[SuppressionChange]) -> Result<(), StoreError> {
        let mut by_shard: BTreeMap<usize, Vec<SuppressionChange>> = BTreeMap::new();
        for change in changes {
            by_shard.entry(self.shards.of_user(change.user).1).or_default().push(change.clone());
        }
        // The marks and not the pointers: a version may be on its way in that this node has not heard of. Into one that is
        // begun from here on the suppressed do not come; and what was written before is seen at the latest when they are
        // lifted.
        let shards: Vec<usize> = by_shard.keys().copied().collect();
        let marks = self.marks(&shards).await;
        let (mut told, mut questions, mut missed, mut failed) = (Vec::new(), Vec::new(), 0, None);
        for ((&shard, changes), marks) in by_shard.iter().zip(marks) {
            let Some(last) = changes.last() else { continue };
            match (self.shards.get(shard), marks) {
                (Shard { at: Some(at), behind: false, .. }, Ok(marks)) => {
                    let versions: Vec<_> = marks.into_keys().collect();
                    questions.push(self.suppression(shard, at, last.revision, changes, &versions));
                    told.push((shard, last.revision));
                }
                (_, marks) => {
                    missed += self.miss(shard, last.revision);
                    failed = marks.err().or(failed);
                }
            }
        }
        for ((shard, to), answer) in told.into_iter().zip(self.cluster.tell(&questions, None).await) {
            if let Err(error) = self.told(shard, answer) {
                missed += self.miss(shard, to);
                failed = Some(error);
            }
        }
        if let Some(last) = changes.last() {
            self.head.fetch_max(last.revision.0, Ordering::Relaxed);
        }
        match (missed, failed) {
            (0, _) => Ok(()),
            // The only shard there is: nobody can be looked up without it.
            (_, Some(error)) if self.shards.len() == 1 => Err(error),
            (missed, _) => Err(StoreError::Partly(missed)),
        }
    }

    /// What a shard's sentinel was after changes were told.
    fn told(&self, shard: usize, answer: Answer) -> Result<(), StoreError> {
        let (at, is) = (self.shards.get(shard).at, parse(answer?)?);
        let is = is.filter(|is| at.is_some_and(|at| at.is_kept_by(*is))).ok_or(StoreError::Forgot)?;
        self.shards.change(shard, |shard| shard.reached(is));
        Ok(())
    }

    /// A change has passed a shard by.
    fn miss(&self, shard: usize, to: Revision) -> usize {
        self.shards.change(shard, |shard| {
            let change = shard.at.map_or(Sentinel::UNREACHABLE, |at| Sentinel { revision: to, ..at });
            shard.missed(change);
        });
        1
    }

    /// [`SUPPRESS`] for these users, all of one shard.
    fn suppression(
        &self,
        shard: usize,
        at: Sentinel,
        to: Revision,
        changes: &[SuppressionChange],
        versions: &[Version],
    ) -> Question {
        let keys: Vec<_> = changes.iter().flat_map(|change| all_of(change.user, versions)).collect();
        let width = keys.len() / changes.len().max(1);
        let mut command = redis::cmd("EVAL");
        command.arg(SUPPRESS).arg(keys.len() + 1).arg(self.shards.name(shard)).arg(keys);
        command.arg(at.life()).arg(at.revision.0).arg(to.0).arg(width);
        for change in changes {
            command.arg(change.revision.0).arg(change.erased.0).arg(Standing::of(change).text());
        }
        Question { slot: self.shards.slot(shard), command }
    }

    /// See [`Store::trust_list`](crate::store::Store::trust_list).
    pub(super) fn trust_shards(&self) {
        self.shards.change_all(Shard::certain);
    }

    /// Moves the sentinels of shards that no change has touched to where the list is: a restart goes on from the least
    /// of all.
    pub(super) async fn move_along(&self) -> Result<(), StoreError> {
        let head = Revision(self.head.load(Ordering::Relaxed));
        let lags = |shard: &Shard| !shard.behind && shard.at.is_some_and(|at| at.revision < head);
        let lagging: Vec<(usize, Sentinel)> = self
            .shards
            .iter()
            .filter(|(_, shard)| lags(shard))
            .filter_map(|(n, shard)| Some((n, shard.at?)))
            .collect();
        for step in lagging.chunks(STEP) {
            let questions: Vec<_> =
                step.iter().map(|(shard, at)| self.suppression(*shard, *at, head, &[], &[])).collect();
            for ((shard, at), answer) in step.iter().zip(self.cluster.tell(&questions, None).await) {
                if let Some(is) = parse(answer?)?
                    && at.is_kept_by(is)
                {
                    self.shards.change(*shard, |shard| {
                        if shard.at == Some(*at) {
                            shard.reached(is);
                        }
                    });
                }
            }
        }
        Ok(())
    }
}

/// Everything that may be kept of a user, the mark first.
fn all_of(user: UserKey, versions: &[Version]) -> Vec<String> {
    let fixed = [keys::suppressed(user), keys::realtime(user), keys::frequency(user)];
    let offline = versions.iter().map(|version| keys::offline(*version, user));
    fixed.into_iter().chain(offline).collect()
}

/// The sentinel that was read or left; none: there was none.
fn parse(value: Value) -> Result<Option<Sentinel>, StoreError> {
    match read::bytes(value)?.as_deref() {
        None | Some([]) => Ok(None),
        Some(text) => match Sentinel::parse(text) {
            Some(sentinel) => Ok(Some(sentinel)),
            None => Err(StoreError::Failed(format!(
                "the key {:?} holds something else: give tagbid a database of its own, or delete that key",
                keys::SENTINEL
            ))),
        },
    }
}

/// The same of what a shard's sentinel was when a user was read: whether it has all that was required.
pub(super) fn check(required: Option<Sentinel>, read: Answer) -> Result<(), StoreError> {
    let Some(required) = required else { return Ok(()) };
    match parse(read?) {
        Ok(Some(is)) if required.is_kept_by(is) => Ok(()),
        _ => Err(StoreError::Forgot),
    }
}

/// The two arguments that a script checks its shard's sentinel against.
pub(super) fn demand(required: Option<Sentinel>, command: &mut Cmd) {
    match required {
        Some(required) => command.arg(required.life()).arg(required.revision.0),
        None => command.arg("").arg(0),
    };
}

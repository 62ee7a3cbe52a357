//! One load over gRPC: raw ids and names of tags come in, keys and blobs go to the store, answers go back in order.
//!
//! Messages overlap: while some are being written, others are encoded, and more of them are read. So many that the store
//! and a processor always have something to do, and no more: beyond that the sender waits.

mod encode;

use std::collections::VecDeque;

use ahash::HashSet;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, FuturesOrdered};
use tagbid_catalog::{Registry, RegistryEpoch};
use tagbid_tagset::UserKey;
use tagbid_types::AdvertiserId;
use tagbid_wire::pb::tags as pb;
use tagbid_wire::pb::tags::load_snapshot_request::Step;
use tagbid_wire::pb::tags::load_snapshot_response::Answer;
use tonic::Status;

use self::encode::{Encoded, Encoder};
use super::refusal::{Violation, not_done, not_written};
use super::snapshots::{load_name, snapshots_to};
use super::write::{MAX_USERS, Write};
use crate::Service;
use crate::pace::Held;
use crate::versions::{Begin, Load, Progress, Users};

/// Messages of one load that are encoded or written at once.
const AT_ONCE: usize = 8;

type Steps = BoxStream<'static, Result<pb::LoadSnapshotRequest, Status>>;

/// One load for one caller.
pub(super) struct Loading {
    service: Service,
    tenant: Option<AdvertiserId>,
    by: String,
    steps: Steps,
    begun: Option<(Load, Encoder)>,
    encoding: FuturesOrdered<BoxFuture<'static, Result<Encoded, Status>>>,
    writing: FuturesOrdered<BoxFuture<'static, Result<Written, Status>>>,
    /// Of each of those.
    keys: VecDeque<HashSet<UserKey>>,
    /// It has to wait: it writes somebody who is being written.
    waiting: Option<Encoded>,
    /// No more steps are read: the last one was this.
    last: Option<Last>,
}

enum Last {
    Finish(pb::FinishLoad),
    /// The stream has ended.
    None,
}

/// A message that was written.
struct Written {
    users: u64,
    fresh: u64,
    rejects: Vec<pb::LoadReject>,
}

impl Loading {
    pub(super) fn new(service: Service, tenant: Option<AdvertiserId>, by: String, steps: Steps) -> Self {
        Self {
            service,
            tenant,
            by,
            steps,
            begun: None,
            encoding: FuturesOrdered::new(),
            writing: FuturesOrdered::new(),
            keys: VecDeque::new(),
            waiting: None,
            last: None,
        }
    }

    /// The next answer; none after the last. Nothing comes after an error: it would be at the wrong place.
    pub(super) async fn answer(&mut self) -> Option<Result<pb::LoadSnapshotResponse, Status>> {
        let answer = self.next().await.transpose()?;
        Some(answer.map(|answer| pb::LoadSnapshotResponse { answer: Some(answer) }))
    }

    async fn next(&mut self) -> Result<Option<Answer>, Status> {
        loop {
            let under_way = self.encoding.len() + self.writing.len() + usize::from(self.waiting.is_some());
            if let Some(encoded) = self.waiting.take_if(|_| self.writing.is_empty()) {
                self.write(encoded);
            }
            tokio::select! {
                biased;
                Some(written) = self.writing.next() => return self.written(written?).map(Some),
                Some(encoded) = self.encoding.next(), if self.waiting.is_none() => self.write(encoded?),
                step = self.steps.next(), if self.last.is_none() && under_way < AT_ONCE => {
                    if let Some(answer) = self.take(step.transpose()?).await? {
                        return Ok(Some(answer));
                    }
                }
                else => return match self.last.take() {
                    Some(Last::Finish(finish)) => self.finish(finish).await.map(Some),
                    _ => Ok(None),
                },
            }
        }
    }

    /// Takes a step; the answer, if there is one at once.
    async fn take(&mut self, step: Option<pb::LoadSnapshotRequest>) -> Result<Option<Answer>, Status> {
        match step.map(|step| step.step) {
            Some(Some(Step::Begin(begin))) if self.begun.is_none() => {
                return self.begin(begin).await.map(Some);
            }
            Some(Some(Step::Users(users))) => self.encode(users)?,
            Some(Some(Step::Finish(finish))) => self.last = Some(Last::Finish(finish)),
            Some(Some(Step::Begin(_))) => {
                return Err(Violation::new("begin", "came before: begin a load once").into());
            }
            Some(None) => return Err(Violation::new("step", "missing: send begin, users or finish").into()),
            None => self.last = Some(Last::None),
        }
        Ok(None)
    }

    async fn begin(&mut self, begin: pb::BeginLoad) -> Result<Answer, Status> {
        let write = Write::new(&self.service, self.tenant);
        let dataset = write.own_dataset(begin.dataset).map_err(|one| one.within("begin"))?;
        load_name(&begin.load)?;
        let as_of = write.past(begin.as_of.as_ref(), "begin.as_of")?;
        let as_of = as_of
            .ok_or_else(|| Violation::new("begin.as_of", "missing: the moment that the tags describe"))?;
        let epoch = epoch(&begin.registry_epoch, &write.registry)?;
        let from = begin.from.unwrap_or_default();
        let from = Progress { position: from.position, stored: from.stored };
        let by = self.by.clone();
        let paced = !begin.unthrottled;
        let begin = Begin { dataset, load: begin.load, as_of, epoch, by, from, paced };
        let _open = self.service.inner.writer.enter().await.map_err(not_written)?;
        let load = Load::begin(&self.service.inner.versions, begin).await.map_err(not_done)?;
        let encoder = Encoder::new(self.service.clone(), self.tenant, dataset, as_of);
        let answer = progress(&load, Vec::new());
        self.begun = Some((load, encoder));
        Ok(answer)
    }

    fn encode(&mut self, users: pb::LoadUsers) -> Result<(), Violation> {
        let Some((_, encoder)) = &self.begun else { return Err(not_begun()) };
        let count = users.users.len();
        if !(1..=MAX_USERS).contains(&count) {
            let problem = format!("{count} users: send 1 to {MAX_USERS} in one message");
            return Err(Violation::new("users", problem));
        }
        self.encoding.push_back(Box::pin(encoder.clone().encode(users)));
        Ok(())
    }

    fn write(&mut self, encoded: Encoded) {
        let Some((load, _)) = &mut self.begun else { return };
        // Writes overlap, and of one user the later line counts.
        let again = |(user, _): &(UserKey, _)| self.keys.iter().any(|keys| keys.contains(user));
        if encoded.good.iter().any(again) {
            self.waiting = Some(encoded);
            return;
        }
        self.keys.push_back(encoded.good.iter().map(|(user, _)| *user).collect());
        let Encoded { good, rejects, left_out } = encoded;
        let stats = load.stats();
        stats.rejected(rejects.iter().map(|one| one.field.as_str()));
        let (users, written) =
            ((good.len() + rejects.len() + left_out) as u64, store(self.service.clone(), load.write(good)));
        self.writing.push_back(Box::pin(async move {
            let fresh = written.await?;
            Ok(Written { users, fresh, rejects })
        }));
    }

    fn written(&mut self, written: Written) -> Result<Answer, Status> {
        let Some((load, _)) = &mut self.begun else { return Err(not_begun().into()) };
        self.keys.pop_front();
        load.took(written.users, written.fresh);
        Ok(progress(load, written.rejects))
    }

    async fn finish(&mut self, finish: pb::FinishLoad) -> Result<Answer, Status> {
        let Some((load, _)) = self.begun.take() else { return Err(not_begun().into()) };
        let version = load.version;
        let _open = self.service.inner.writer.enter().await.map_err(not_written)?;
        let (users, mut dataset) = load.finish(finish.users).await.map_err(not_done)?;
        if finish.activate {
            dataset = self.service.inner.versions.activate(version, &self.by).await.map_err(not_done)?;
        }
        Ok(Answer::Finished(pb::LoadFinished { users, snapshots: Some(snapshots_to(&dataset)) }))
    }
}

/// Writes users, as fast as the load may; how many the version did not have.
async fn store(service: Service, mut users: Users) -> Result<u64, Status> {
    let mut fresh = 0;
    while let Some(part) = users.next().await {
        let _open = service.inner.writer.enter().await.map_err(not_written)?;
        fresh += users.store(part).await.map_err(not_done)?;
    }
    Ok(fresh)
}

fn progress(load: &Load, rejects: Vec<pb::LoadReject>) -> Answer {
    let Progress { position, stored } = load.progress;
    let micros = |time: std::time::Duration| u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
    let throttle = load.held().filter(|held| held.binding);
    let throttle = throttle.map(|Held { rate, idle, busy, .. }| pb::LoadThrottle {
        users_per_second: rate as u32,
        idle_p99_us: micros(idle),
        p99_us: micros(busy),
    });
    Answer::Progress(pb::LoadProgress { version: load.version.number, position, stored, rejects, throttle })
}

fn not_begun() -> Violation {
    Violation::new("step", "nothing was begun: send begin first")
}

/// What ids of tags mean in this load.
fn epoch(text: &str, registry: &Registry) -> Result<RegistryEpoch, Violation> {
    if text.is_empty() {
        return Ok(registry.epoch());
    }
    let epoch: RegistryEpoch =
        text.parse().map_err(|problem| Violation::new("begin.registry_epoch", problem))?;
    let refused = |problem| Violation::new("begin.registry_epoch", problem);
    registry.check_epoch(&epoch).map_err(refused)?;
    Ok(epoch)
}

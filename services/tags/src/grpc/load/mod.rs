//! One load over gRPC: raw ids and names of tags come in, keys and blobs go to the store, answers go back in order.
//!
//! While some messages are being written, others are encoded, and more of them are read. Each of the three takes what has
//! come to it meanwhile, all at once: a message alone would cost a thread and a round trip to the store. Beyond
//! [`AT_ONCE`] messages the sender waits.

mod encode;
mod meanings;
mod packing;

use std::collections::VecDeque;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, FuturesUnordered};
use futures_util::{StreamExt, TryStreamExt};
use tagbid_catalog::{Registry, RegistryEpoch};
use tagbid_ports::MAX_NAMES;
use tagbid_types::AdvertiserId;
use tagbid_wire::pb::tags as pb;
use tagbid_wire::pb::tags::load_snapshot_request::Step;
use tagbid_wire::pb::tags::load_snapshot_response::Answer;
use tonic::Status;

use self::encode::{Encoded, Encoder};
use self::meanings::Meanings;
use super::refusal::{Violation, not_done, not_written};
use super::snapshots::{load_name, snapshots_to};
use super::write::{MAX_USERS, Write};
use crate::Service;
use crate::pace::Held;
use crate::versions::{Begin, Load, Progress, Users};

/// Messages of one load that were read and not answered.
const AT_ONCE: usize = 8;

/// Parts of a paced write that are under way at once: a store that is far away is not slower for that.
const PARTS: usize = 8;

type Steps = BoxStream<'static, Result<pb::LoadSnapshotRequest, Status>>;

/// One load for one caller.
pub(super) struct Loading {
    service: Service,
    tenant: Option<AdvertiserId>,
    by: String,
    steps: Steps,
    begun: Option<Load>,
    /// Messages that were read.
    came: Vec<pb::LoadUsers>,
    /// It is away while it encodes.
    encoder: Option<Encoder>,
    encoding: OneAtATime<(Encoder, Vec<Encoded>)>,
    encoded: Vec<Encoded>,
    /// Of one user what came last counts: writes must not overtake each other.
    writing: OneAtATime<Written>,
    answers: VecDeque<Answer>,
    /// Messages that were read and not written.
    under_way: usize,
    /// No more steps are read: the last one was this.
    last: Option<Last>,
}

/// A step under way, if there is one.
type OneAtATime<T> = FuturesUnordered<BoxFuture<'static, Result<T, Status>>>;

enum Last {
    Finish(pb::FinishLoad),
    /// The stream has ended.
    None,
}

/// Messages that were written.
struct Written {
    fresh: u64,
    /// Of each, how many users there were, and who of them was refused.
    messages: Vec<(u64, Vec<pb::LoadReject>)>,
}

impl Loading {
    pub(super) fn new(service: Service, tenant: Option<AdvertiserId>, by: String, steps: Steps) -> Self {
        Self {
            service,
            tenant,
            by,
            steps,
            begun: None,
            came: Vec::new(),
            encoder: None,
            encoding: FuturesUnordered::new(),
            encoded: Vec::new(),
            writing: FuturesUnordered::new(),
            answers: VecDeque::new(),
            under_way: 0,
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
            if let Some(answer) = self.answers.pop_front() {
                return Ok(Some(answer));
            }
            self.encode();
            self.write();
            tokio::select! {
                biased;
                Some(written) = self.writing.next() => self.written(written?),
                Some(encoded) = self.encoding.next() => {
                    let (encoder, encoded) = encoded?;
                    self.encoder = Some(encoder);
                    self.encoded.extend(encoded);
                }
                step = self.steps.next(), if self.last.is_none() && self.under_way < AT_ONCE => {
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
            Some(Some(Step::Users(users))) => self.queue(users)?,
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
        let from = begin.from.filter(|from| from.position > 0).map(resumed).transpose()?;
        let by = self.by.clone();
        let paced = !begin.unthrottled;
        let begin = Begin { dataset, load: begin.load, as_of, epoch, by, from, paced };
        let _open = self.service.inner.writer.enter().await.map_err(not_written)?;
        let load = Load::begin(&self.service.inner.versions, begin).await.map_err(not_done)?;
        let (service, tenant, meanings) = (self.service.clone(), self.tenant, Meanings::default());
        self.encoder = Some(Encoder { service, tenant, dataset, as_of, meanings });
        let answer = progress(&load, Vec::new());
        self.begun = Some(load);
        Ok(answer)
    }

    fn queue(&mut self, users: pb::LoadUsers) -> Result<(), Violation> {
        if self.begun.is_none() {
            return Err(not_begun());
        }
        let count = users.users.len();
        if !(1..=MAX_USERS).contains(&count) {
            let problem = format!("{count} users: send 1 to {MAX_USERS} in one message");
            return Err(Violation::new("users", problem));
        }
        if users.names.len() > MAX_NAMES {
            let problem = format!("{} names: send at most {MAX_NAMES} in one message", users.names.len());
            return Err(Violation::new("names", problem));
        }
        self.came.push(users);
        self.under_way += 1;
        Ok(())
    }

    /// Begins to encode what has come, unless that is being done.
    fn encode(&mut self) {
        if self.came.is_empty() {
            return;
        }
        let Some(encoder) = self.encoder.take() else { return };
        let messages = std::mem::take(&mut self.came);
        self.encoding.push(Box::pin(encoder.encode(messages)));
    }

    /// Begins to write what is encoded, unless something is being written.
    fn write(&mut self) {
        if self.encoded.is_empty() || !self.writing.is_empty() {
            return;
        }
        let Some(load) = &mut self.begun else { return };
        let encoded = std::mem::take(&mut self.encoded);
        let (mut users, mut messages) = (Vec::new(), Vec::with_capacity(encoded.len()));
        for Encoded { good, rejects, left_out } in encoded {
            load.stats().rejected(rejects.iter().map(|one| one.field.as_str()));
            messages.push(((good.len() + rejects.len() + left_out) as u64, rejects));
            users.extend(good);
        }
        let writing = store(self.service.clone(), load.write(users));
        self.writing.push(Box::pin(async move { Ok(Written { fresh: writing.await?, messages }) }));
    }

    fn written(&mut self, written: Written) {
        let Some(load) = &mut self.begun else { return };
        let mut fresh = written.fresh;
        for (users, rejects) in written.messages {
            // All of them are stored by now, whichever message they came with.
            load.took(users, std::mem::take(&mut fresh));
            self.answers.push_back(progress(load, rejects));
            self.under_way -= 1;
        }
    }

    async fn finish(&mut self, finish: pb::FinishLoad) -> Result<Answer, Status> {
        let Some(load) = self.begun.take() else { return Err(not_begun().into()) };
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
async fn store(service: Service, users: Users) -> Result<u64, Status> {
    let target = users.target();
    let parts = stream::unfold(users, async |mut users: Users| Some((users.next().await?, users)));
    let written = parts.map(|part| {
        let (service, target) = (&service, &target);
        async move {
            let _open = service.inner.writer.enter().await.map_err(not_written)?;
            target.store(part).await.map_err(not_done)
        }
    });
    written.buffer_unordered(PARTS).try_fold(0, async |sum, fresh| Ok(sum + fresh)).await
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

/// Where a load broke off, and in which version.
fn resumed(from: pb::LoadProgress) -> Result<(u32, Progress), Violation> {
    let problem = "missing: send the last progress as it came, or no `from` to begin anew";
    match from.version {
        0 => Err(Violation::new("begin.from.version", problem)),
        version => Ok((version, Progress { position: from.position, stored: from.stored })),
    }
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

//! Snapshots of offline tags as data teams load and switch them: `tagbid tags` and tests.

use std::time::Duration;

use futures_util::stream;
use tagbid_catalog::DatasetKind;
use tagbid_tagset::IdKind;
use tagbid_types::{AdvertiserId, DatasetId, Timestamp};
use tagbid_wire::pb::tags as pb;
use tagbid_wire::pb::tags::load_snapshot_request::Step;
use tagbid_wire::pb::tags::load_snapshot_response::Answer;
use tagbid_wire::pb::tags::snapshot_service_client::SnapshotServiceClient;
use tagbid_wire::tags as wire;
use thiserror::Error;
use tokio::sync::mpsc;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};
use tonic_types::StatusExt;

use crate::catalog::Bearer;
use crate::{Endpoint, pack};

/// Longest wait for activating and the like: it looks at every part of the store.
const WITHIN: Duration = Duration::from_secs(60);

/// Longest silence of a load: beginning it anew deletes what an earlier attempt left.
const SILENCE: Duration = Duration::from_secs(600);

/// Why something about snapshots was not done.
#[derive(Debug, Error)]
pub enum SnapshotsError {
    /// Nobody answers there.
    #[error("cannot connect to the tags role: {0}")]
    Connect(#[from] tonic::transport::Error),
    /// It was refused, or broke off.
    #[error("{}", .0.message())]
    Refused(Box<Status>),
    /// It does not answer.
    #[error("the tags role has not answered for {} seconds", SILENCE.as_secs())]
    Silent,
    /// An answer that this version cannot read.
    #[error("the tags role answers in words unknown to this version")]
    Unreadable,
}

impl SnapshotsError {
    /// Whether the same may succeed when it is tried again: a load, from where it was.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Refused(status) => {
                matches!(
                    status.code(),
                    Code::Unavailable | Code::Cancelled | Code::Unknown | Code::DeadlineExceeded
                )
            }
            Self::Connect(_) | Self::Silent => true,
            Self::Unreadable => false,
        }
    }

    /// Whether the store has lost what was loaded before: only a load from the beginning helps.
    pub fn is_lost(&self) -> bool {
        let Self::Refused(status) = self else { return false };
        let details = status.get_details_precondition_failure();
        details.is_some_and(|details| details.violations.iter().any(|one| one.r#type == "VERSION_LOST"))
    }
}

impl From<Status> for SnapshotsError {
    fn from(status: Status) -> Self {
        Self::Refused(Box::new(status))
    }
}

/// A user to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserToLoad {
    /// The kind of id.
    pub kind: IdKind,
    /// Where the id is from, for kinds that need it; else empty.
    pub source: String,
    /// The raw id.
    pub id: String,
    /// The tags.
    pub tags: Vec<TagToLoad>,
}

/// A tag of a user to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagToLoad {
    /// Which.
    pub tag: TagRef,
    /// 0 to 255.
    pub weight: u32,
    /// When it is gone; none: the tag's default lifetime after the as-of time.
    pub expires: Option<Timestamp>,
}

/// A tag by id or by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagRef {
    /// By its id.
    Id(u32),
    /// By a raw name.
    Name(String),
}

/// What a load is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadOf {
    /// The dataset.
    pub dataset: DatasetId,
    /// What the load is called.
    pub load: String,
    /// The moment that its tags describe.
    pub as_of: Timestamp,
    /// Where an earlier attempt broke off: its last progress.
    pub from: LoadPosition,
    /// As fast as the store takes it, whatever that does to lookups.
    pub unthrottled: bool,
}

/// How far a load has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadPosition {
    /// The version that they are loaded into; 0: none yet.
    pub version: u32,
    /// Users that were taken or refused.
    pub position: u64,
    /// Different users that are stored.
    pub stored: u64,
}

/// The answer to a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The version.
    pub version: u32,
    /// How far it is.
    pub at: LoadPosition,
    /// Users that were refused.
    pub rejects: Vec<Rejected>,
    /// What slows it down; none: nothing does.
    pub throttle: Option<Throttle>,
}

/// Lookups slow loads down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// Users that all loads of the node may write in a second.
    pub users_per_second: u32,
    /// The p99 of lookups while nobody writes.
    pub idle_p99: Duration,
    /// Now.
    pub p99: Duration,
}

/// A dataset by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundDataset {
    /// Its id.
    pub id: DatasetId,
    /// Its name.
    pub name: String,
    /// Whose it is; none: the operator's.
    pub advertiser: Option<AdvertiserId>,
}

/// A user that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Position in the message.
    pub user: usize,
    /// Why, with the field.
    pub reason: String,
    /// The keyed hash of the id; empty where it is none.
    pub key: String,
}

/// The versions of a dataset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapshotList {
    /// The version that lookups read; 0: none.
    pub active: u32,
    /// The one before it; 0: none.
    pub previous: u32,
    /// Ascending by version.
    pub snapshots: Vec<SnapshotLine>,
}

/// One version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotLine {
    /// Its number.
    pub version: u32,
    /// "loading", "loaded" or "dropping".
    pub stage: &'static str,
    /// What its load was called.
    pub load: String,
    /// The moment that its tags describe; none: it is written user by user.
    pub as_of: Option<Timestamp>,
    /// Different users, once it is loaded.
    pub users: u64,
}

type Client = SnapshotServiceClient<InterceptedService<Channel, Bearer>>;

/// A connection to a tags role.
#[derive(Clone)]
pub struct SnapshotsClient(Client);

impl SnapshotsClient {
    /// Connects.
    pub async fn connect(tags: &Endpoint) -> Result<Self, SnapshotsError> {
        Ok(Self(SnapshotServiceClient::new(tags.connect().await?)))
    }

    /// The datasets of that kind and name that the caller may write; all of them for an empty name.
    pub async fn find(&mut self, kind: DatasetKind, name: &str) -> Result<Vec<FoundDataset>, SnapshotsError> {
        let realtime = kind == DatasetKind::Realtime;
        let request = within(pb::FindDatasetsRequest { name: name.into(), realtime });
        let found = self.0.find_datasets(request).await?.into_inner().datasets.into_iter();
        let dataset = |one: pb::FoundDataset| FoundDataset {
            id: DatasetId(one.id),
            name: one.name,
            advertiser: (one.advertiser > 0).then_some(AdvertiserId(one.advertiser)),
        };
        Ok(found.map(dataset).collect())
    }

    /// The versions of a dataset.
    pub async fn list(&mut self, dataset: DatasetId) -> Result<SnapshotList, SnapshotsError> {
        let request = within(pb::ListSnapshotsRequest { dataset: dataset.0 });
        Ok(list_from(self.0.list_snapshots(request).await?.into_inner()))
    }

    /// Lets lookups read a version.
    pub async fn activate(
        &mut self,
        dataset: DatasetId,
        version: u32,
    ) -> Result<SnapshotList, SnapshotsError> {
        let request = within(pb::ActivateSnapshotRequest { dataset: dataset.0, version });
        Ok(list_from(self.0.activate_snapshot(request).await?.into_inner()))
    }

    /// Lets lookups read the version before this active one again.
    pub async fn roll_back(
        &mut self,
        dataset: DatasetId,
        version: u32,
    ) -> Result<SnapshotList, SnapshotsError> {
        let request = within(pb::RollBackSnapshotRequest { dataset: dataset.0, version });
        Ok(list_from(self.0.roll_back_snapshot(request).await?.into_inner()))
    }

    /// Gives a version up.
    pub async fn drop_version(
        &mut self,
        dataset: DatasetId,
        version: u32,
    ) -> Result<SnapshotList, SnapshotsError> {
        let request = within(pb::DropSnapshotRequest { dataset: dataset.0, version });
        Ok(list_from(self.0.drop_snapshot(request).await?.into_inner()))
    }

    /// Begins a load, or goes on with it.
    pub async fn load(&mut self, of: LoadOf) -> Result<(LoadStream, Loaded), SnapshotsError> {
        let (steps, received) = mpsc::channel(1);
        let received =
            stream::unfold(received, async |mut steps: mpsc::Receiver<_>| Some((steps.recv().await?, steps)));
        let begin = pb::BeginLoad {
            dataset: of.dataset.0,
            load: of.load,
            as_of: Some(wire::to_timestamp(of.as_of)),
            registry_epoch: String::new(),
            unthrottled: of.unthrottled,
            from: (of.from.position > 0).then(|| pb::LoadProgress {
                version: of.from.version,
                position: of.from.position,
                stored: of.from.stored,
                ..pb::LoadProgress::default()
            }),
        };
        // Sent first: the server may answer the call only when it has something to answer.
        let first = steps.send(pb::LoadSnapshotRequest { step: Some(Step::Begin(begin)) });
        first.await.map_err(|_| SnapshotsError::Unreadable)?;
        let answers = self.0.load_snapshot(received).await?.into_inner();
        let mut load = LoadStream { steps, answers, as_of: of.as_of };
        let begun = load.progress().await?;
        Ok((load, begun))
    }
}

/// A load under way: users are sent ahead of their answers, as many messages as the caller likes.
pub struct LoadStream {
    steps: mpsc::Sender<pb::LoadSnapshotRequest>,
    answers: Streaming<pb::LoadSnapshotResponse>,
    as_of: Timestamp,
}

impl LoadStream {
    /// Sends up to 1,000 users. False: the stream has ended, and the next answer says why.
    pub async fn send(&self, users: &[UserToLoad]) -> bool {
        let step = Some(Step::Users(pack::message(users, self.as_of)));
        self.steps.send(pb::LoadSnapshotRequest { step }).await.is_ok()
    }

    /// The next answer to users.
    pub async fn progress(&mut self) -> Result<Loaded, SnapshotsError> {
        match self.answer().await? {
            Answer::Progress(progress) => Ok(Loaded {
                version: progress.version,
                at: LoadPosition {
                    version: progress.version,
                    position: progress.position,
                    stored: progress.stored,
                },
                rejects: progress.rejects.into_iter().map(reject_from).collect(),
                throttle: progress.throttle.map(throttle_from),
            }),
            Answer::Finished(_) => Err(SnapshotsError::Unreadable),
        }
    }

    /// Verifies the version after so many users, and activates it if that is wanted; how many different users it has.
    pub async fn finish(mut self, users: u64, activate: bool) -> Result<(u64, SnapshotList), SnapshotsError> {
        let step = Some(Step::Finish(pb::FinishLoad { users, activate }));
        // When that fails, the answer says why.
        let _sent = self.steps.send(pb::LoadSnapshotRequest { step }).await;
        match self.answer().await? {
            Answer::Finished(finished) => {
                Ok((finished.users, list_from(finished.snapshots.unwrap_or_default())))
            }
            Answer::Progress(_) => Err(SnapshotsError::Unreadable),
        }
    }

    async fn answer(&mut self) -> Result<Answer, SnapshotsError> {
        let answer = tokio::time::timeout(SILENCE, self.answers.message()).await;
        let answer = answer.map_err(|_| SnapshotsError::Silent)??;
        let ended = || Status::unavailable("the tags role ended the load; it may be draining");
        answer.ok_or_else(ended)?.answer.ok_or(SnapshotsError::Unreadable)
    }
}

fn within<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(WITHIN);
    request
}

fn reject_from(reject: pb::LoadReject) -> Rejected {
    Rejected {
        user: reject.user as usize,
        reason: format!("{}: {}", reject.field, reject.description),
        key: reject.key,
    }
}

fn throttle_from(throttle: pb::LoadThrottle) -> Throttle {
    Throttle {
        users_per_second: throttle.users_per_second,
        idle_p99: Duration::from_micros(throttle.idle_p99_us.into()),
        p99: Duration::from_micros(throttle.p99_us.into()),
    }
}

fn list_from(list: pb::DatasetSnapshots) -> SnapshotList {
    let line = |one: pb::SnapshotInfo| SnapshotLine {
        stage: match one.stage() {
            pb::SnapshotStage::Loaded => "loaded",
            pb::SnapshotStage::Dropping => "dropping",
            pb::SnapshotStage::Loading | pb::SnapshotStage::Unspecified => "loading",
        },
        version: one.version,
        as_of: one.as_of.as_ref().and_then(wire::timestamp),
        load: one.load,
        users: one.users,
    };
    SnapshotList {
        active: list.active,
        previous: list.previous,
        snapshots: list.snapshots.into_iter().map(line).collect(),
    }
}

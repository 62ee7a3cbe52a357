//! The list of people, kept by the campaigns role elsewhere: links for the tags role, changes in bulk for operators.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tagbid_catalog::people::{Id, PeopleChange};
use tagbid_ports::{LinksError, MAX_PERSONS, PeopleLinks};
use tagbid_tagset::IdKind;
use tagbid_wire::campaigns::{links_to, people_change_to, raw_user};
use tagbid_wire::pb::campaigns as pb;
use tagbid_wire::pb::campaigns::suppression_service_client::SuppressionServiceClient;
use thiserror::Error;
use tokio::sync::{OnceCell, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};

use crate::Endpoint;
use crate::catalog::Bearer;

/// A batch of links is one transaction; it may have to wait for others.
const WITHIN: Duration = Duration::from_secs(20);

/// Requests on their way at the same time: the role always has the next one.
const AHEAD: usize = 2;

type Client = SuppressionServiceClient<InterceptedService<Channel, Bearer>>;

/// Tells the campaigns role of links over gRPC. Connects when it is first told, and again when the connection is lost.
/// Cheap to clone; clones share the connection.
#[derive(Clone, Debug)]
pub struct GrpcPeopleLinks {
    campaigns: Endpoint,
    client: Arc<OnceCell<Client>>,
}

impl GrpcPeopleLinks {
    /// Tells this campaigns role.
    pub fn new(campaigns: Endpoint) -> Self {
        Self { campaigns, client: Arc::default() }
    }

    async fn client(&self) -> Result<Client, LinksError> {
        let connect = async || Ok(Client::new(self.campaigns.connect().await?));
        let connected: Result<&Client, tonic::transport::Error> = self.client.get_or_try_init(connect).await;
        connected.cloned().map_err(|error| LinksError::Unavailable(error.to_string()))
    }
}

#[async_trait]
impl PeopleLinks for GrpcPeopleLinks {
    async fn link(&self, persons: Vec<Vec<Id>>) -> Result<Vec<Option<String>>, LinksError> {
        let mut problems = Vec::with_capacity(persons.len());
        for persons in persons.chunks(MAX_PERSONS) {
            let mut request = Request::new(links_to(persons));
            request.set_timeout(WITHIN);
            let answer = self.client().await?.link_keys(request).await.map_err(|status| refused(&status))?;
            let told = answer.into_inner().problems.into_iter();
            problems.extend(told.map(|problem| (!problem.is_empty()).then_some(problem)));
        }
        Ok(problems)
    }
}

fn refused(status: &Status) -> LinksError {
    let text = status.message().to_owned();
    match status.code() {
        Code::InvalidArgument | Code::PermissionDenied | Code::Unauthenticated => LinksError::Refused(text),
        code => LinksError::Unavailable(format!("{code:?}: {text}")),
    }
}

/// A raw id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawId {
    /// Its kind.
    pub kind: IdKind,
    /// Where it is from, for kinds that need it; else empty.
    pub source: String,
    /// The id.
    pub id: String,
}

/// Why a change of the list was not made.
#[derive(Debug, Error)]
pub enum PeopleError {
    /// Nobody answers there.
    #[error("cannot connect to the campaigns role: {0}")]
    Connect(#[from] tonic::transport::Error),
    /// It was refused, or broke off.
    #[error("{}", .0.message())]
    Refused(Box<Status>),
    /// It ended before everything was answered.
    #[error("the campaigns role ended the stream")]
    Ended,
}

impl PeopleError {
    /// Whether the same may succeed when it is tried again.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Refused(status) => {
                matches!(
                    status.code(),
                    Code::Unavailable | Code::Cancelled | Code::Unknown | Code::DeadlineExceeded
                )
            }
            Self::Connect(_) | Self::Ended => true,
        }
    }
}

impl From<Status> for PeopleError {
    fn from(status: Status) -> Self {
        Self::Refused(Box::new(status))
    }
}

/// A batch that is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// How many ids changed, under all MAC keys.
    pub changed: u32,
    /// Persons of whom nothing changed: place in the batch, why, and the keyed hash of the id, empty where it is none.
    pub rejects: Vec<(usize, String, String)>,
}

/// Batches of one change, on one stream.
#[derive(Debug)]
pub struct PeopleStream {
    change: PeopleChange,
    sequence: u64,
    requests: mpsc::Sender<pb::ChangeRequest>,
    answers: Streaming<pb::ChangeResponse>,
}

impl PeopleStream {
    /// A stream to the campaigns role.
    pub async fn open(campaigns: &Endpoint, change: PeopleChange) -> Result<Self, PeopleError> {
        let mut client = Client::new(campaigns.connect().await?);
        let (requests, outgoing) = mpsc::channel(AHEAD);
        let answers = client.change_all(ReceiverStream::new(outgoing)).await?.into_inner();
        Ok(Self { change, sequence: 0, requests, answers })
    }

    /// Sends persons, each by one id or several. When the stream has ended, the next answer says why.
    pub async fn send(&mut self, persons: &[Vec<RawId>]) {
        self.sequence += 1;
        let person = |ids: &Vec<RawId>| pb::Person {
            ids: ids.iter().map(|id| raw_user(id.kind, &id.source, &id.id)).collect(),
        };
        let request = pb::ChangeRequest {
            sequence: self.sequence,
            action: people_change_to(self.change).into(),
            persons: persons.iter().map(person).collect(),
        };
        let _ended = self.requests.send(request).await;
    }

    /// The answer to the earliest batch that has none yet.
    pub async fn answer(&mut self) -> Result<Changed, PeopleError> {
        let answer = self.answers.message().await?.ok_or(PeopleError::Ended)?;
        let reject = |one: pb::RejectedPerson| (one.person as usize, one.reason, one.user_key);
        Ok(Changed { changed: answer.changed, rejects: answer.rejects.into_iter().map(reject).collect() })
    }
}

//! Leases from ledgers elsewhere.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tagbid_budget::{Ask, Beat, Epoch, Grant, Refusal, SessionOver, Update};
use tagbid_ports::{Beaten, LeaseError, LeaseSource, Opened};
use tagbid_wire::leases::{asks_to, beat_to, beaten_from, grant_from, opened_from, update_from};
use tagbid_wire::pb::ledger as pb;
use tagbid_wire::pb::ledger::lease_service_client::LeaseServiceClient;
use tokio::sync::OnceCell;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::Endpoint;
use crate::catalog::Bearer;

/// More than the ledger takes to give up on its database.
const WITHIN: Duration = Duration::from_secs(3);

type Client = LeaseServiceClient<InterceptedService<Channel, Bearer>>;

/// Asks ledgers over gRPC: the same one as long as it answers, then the next, since all share one database. Connects when it
/// is first asked.
#[derive(Debug)]
pub struct GrpcLeases {
    ledgers: std::sync::Arc<Ledgers>,
}

#[derive(Debug)]
struct Ledgers {
    nodes: Vec<(Endpoint, OnceCell<Client>)>,
    /// The one that answered last.
    current: AtomicUsize,
}

impl GrpcLeases {
    /// Asks these ledgers.
    pub fn new(nodes: Vec<Endpoint>) -> Self {
        let nodes = nodes.into_iter().map(|node| (node, OnceCell::new())).collect();
        Self { ledgers: std::sync::Arc::new(Ledgers { nodes, current: AtomicUsize::new(0) }) }
    }
}

impl Ledgers {
    /// Asks the current one; when it is not there, the next is current for the next question.
    async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&mut Client) -> Result<T, Status>,
    ) -> Result<T, LeaseError> {
        let current = self.current.load(Ordering::Relaxed);
        let (endpoint, client) = self
            .nodes
            .get(current)
            .ok_or_else(|| LeaseError::Unavailable("no ledger is named: set peers.ledger".into()))?;
        let connect = async || endpoint.connect().await.map(LeaseServiceClient::new);
        let connected: Result<&Client, tonic::transport::Error> = client.get_or_try_init(connect).await;
        let answer = match connected {
            Ok(client) => question(&mut client.clone()).await.map_err(|status| error(&status)),
            Err(problem) => Err(LeaseError::Unavailable(problem.to_string())),
        };
        if matches!(answer, Err(LeaseError::Unavailable(_))) {
            let next = (current + 1) % self.nodes.len();
            // Somebody else may have moved on already.
            let _moved = self.current.compare_exchange(current, next, Ordering::Relaxed, Ordering::Relaxed);
        }
        answer
    }
}

fn within<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(WITHIN);
    request
}

fn error(status: &Status) -> LeaseError {
    let text = status.message().to_owned();
    match status.code() {
        Code::FailedPrecondition => SessionOver.into(),
        Code::InvalidArgument | Code::PermissionDenied | Code::Unauthenticated => LeaseError::Refused(text),
        code => LeaseError::Unavailable(format!("{code:?}: {text}")),
    }
}

fn unreadable(field: &'static str) -> LeaseError {
    LeaseError::Unavailable(format!("it answered what cannot be read: {field}"))
}

#[async_trait]
impl LeaseSource for GrpcLeases {
    async fn open(&self) -> Result<Opened, LeaseError> {
        let open = async |client: &mut Client| client.open(within(pb::OpenSessionRequest {})).await;
        let opened = self.ledgers.ask(open).await?;
        opened_from(opened.get_ref()).map_err(unreadable)
    }

    async fn beat(&self, beat: Beat) -> Result<Beaten, LeaseError> {
        let beat = async |client: &mut Client| client.beat(within(beat_to(&beat))).await;
        let beaten = self.ledgers.ask(beat).await?;
        beaten_from(beaten.get_ref()).map_err(unreadable)
    }

    async fn acquire(&self, asks: Vec<Ask>) -> Result<Vec<Result<Grant, Refusal>>, LeaseError> {
        let Some(epoch) = asks.first().map(|ask| ask.epoch) else { return Ok(Vec::new()) };
        let acquire = async |client: &mut Client| client.acquire(within(asks_to(epoch, &asks))).await;
        let answer = self.ledgers.ask(acquire).await?.into_inner();
        if answer.grants.len() != asks.len() {
            let problem = format!("it answered {} of {} asks", answer.grants.len(), asks.len());
            return Err(LeaseError::Unavailable(problem));
        }
        Ok(answer.grants.iter().map(grant_from).collect())
    }

    fn follow(&self, epoch: Epoch) -> BoxStream<'static, Result<Update, LeaseError>> {
        let ledgers = std::sync::Arc::clone(&self.ledgers);
        let stream = async move {
            let follow = async |client: &mut Client| {
                client.follow(Request::new(pb::FollowRequest { epoch: epoch.0 })).await
            };
            match ledgers.ask(follow).await {
                Ok(updates) => {
                    let updates = updates.into_inner();
                    updates
                        .map(|one| one.map(|one| update_from(&one)).map_err(|status| error(&status)))
                        .boxed()
                }
                Err(problem) => futures_util::stream::once(async { Err(problem) }).boxed(),
            }
        };
        futures_util::stream::once(stream).flatten().boxed()
    }
}

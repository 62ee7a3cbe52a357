//! Impressions, told to the tags role elsewhere.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tagbid_ports::{CountError, CountOutcome, Impression, ImpressionCounter, MAX_IMPRESSIONS};
use tagbid_wire::frequency::{impression_to, outcome_from};
use tagbid_wire::pb::tags as pb;
use tagbid_wire::pb::tags::ingest_service_client::IngestServiceClient;
use tokio::sync::OnceCell;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::Endpoint;
use crate::catalog::Bearer;

/// More than the tags role itself takes to give up on its store.
const WITHIN: Duration = Duration::from_secs(10);

type Client = IngestServiceClient<InterceptedService<Channel, Bearer>>;

/// Tells tags nodes over gRPC: the same one as long as it answers, then the next, since all share one store. Connects when it
/// is first asked.
#[derive(Debug)]
pub struct GrpcImpressionCounter {
    nodes: Vec<(Endpoint, OnceCell<Client>)>,
    /// The node that answered last.
    current: AtomicUsize,
}

impl GrpcImpressionCounter {
    /// Tells these nodes.
    pub fn new(nodes: Vec<Endpoint>) -> Self {
        let nodes = nodes.into_iter().map(|node| (node, OnceCell::new())).collect();
        Self { nodes, current: AtomicUsize::new(0) }
    }

    async fn tell(&self, node: usize, request: pb::CountImpressionsRequest) -> Result<Answer, CountError> {
        let (endpoint, client) =
            self.nodes.get(node).ok_or_else(|| CountError::Unavailable("no tags node is named".into()))?;
        let connect = async || endpoint.connect().await.map(IngestServiceClient::new);
        let connected: Result<&Client, tonic::transport::Error> = client.get_or_try_init(connect).await;
        let mut client = connected.cloned().map_err(|error| CountError::Unavailable(error.to_string()))?;
        let mut request = Request::new(request);
        request.set_timeout(WITHIN);
        let answer = client.count_impressions(request).await.map_err(|status| refused(&status))?;
        Ok(answer.into_inner().results)
    }
}

type Answer = Vec<pb::CountResult>;

#[async_trait]
impl ImpressionCounter for GrpcImpressionCounter {
    async fn count(&self, impressions: Vec<Impression>) -> Result<Vec<CountOutcome>, CountError> {
        if impressions.is_empty() {
            return Ok(Vec::new());
        }
        if impressions.len() > MAX_IMPRESSIONS {
            let problem = format!("{} impressions: send at most {MAX_IMPRESSIONS}", impressions.len());
            return Err(CountError::Refused(problem));
        }
        let request =
            pb::CountImpressionsRequest { impressions: impressions.iter().map(impression_to).collect() };
        let (first, mut answer) = (self.current.load(Ordering::Relaxed), None);
        for node in (0..self.nodes.len()).map(|next| (first + next) % self.nodes.len()) {
            let told = self.tell(node, request.clone()).await;
            if !matches!(told, Err(CountError::Unavailable(_))) {
                self.current.store(node, Ordering::Relaxed);
                answer = Some(told);
                break;
            }
            answer = Some(told);
        }
        let none = || Err(CountError::Unavailable("no tags node is named".into()));
        let results = answer.unwrap_or_else(none)?;
        if results.len() != impressions.len() {
            let problem = format!("it answered {} of {} impressions", results.len(), impressions.len());
            return Err(CountError::Unavailable(problem));
        }
        Ok(results.into_iter().map(outcome_from).collect())
    }
}

fn refused(status: &Status) -> CountError {
    let text = status.message().to_owned();
    match status.code() {
        Code::InvalidArgument | Code::PermissionDenied | Code::Unauthenticated => CountError::Refused(text),
        code => CountError::Unavailable(format!("{code:?}: {text}")),
    }
}

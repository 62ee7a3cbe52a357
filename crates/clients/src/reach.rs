//! Samples of users and of requests, kept by tags nodes and by bidders elsewhere.

use std::time::Duration;

use async_trait::async_trait;
use tagbid_ports::{ReachUnavailable, RequestReach, RequestSample, UserReach, UserSample};
use tagbid_targeting::Expr;
use tagbid_wire::campaigns::{request_reach_from, requests_question, user_reach_from, users_question};
use tagbid_wire::pb::campaigns::request_sample_service_client::RequestSampleServiceClient;
use tagbid_wire::pb::campaigns::user_sample_service_client::UserSampleServiceClient;
use tonic::{Code, Request, Status};

use crate::Endpoint;

/// A person waits: longer than a sample takes to be made anew and evaluated, shorter than patience.
const WITHIN: Duration = Duration::from_secs(5);

/// Asks the nodes of the tags role in turn until one answers: all share one store. Connects when it is asked.
#[derive(Clone, Debug)]
pub struct GrpcUserSample {
    nodes: Vec<Endpoint>,
}

impl GrpcUserSample {
    /// Asks these nodes.
    pub fn new(nodes: Vec<Endpoint>) -> Self {
        Self { nodes }
    }
}

#[async_trait]
impl UserSample for GrpcUserSample {
    async fn estimate_users(&self, targeting: &Expr) -> Result<UserReach, ReachUnavailable> {
        let mut refused = unavailable("this deployment has no tags role");
        for node in &self.nodes {
            match ask_users(node, targeting).await {
                Ok(reach) => return Ok(reach),
                Err(why) => refused = why,
            }
        }
        Err(refused)
    }
}

async fn ask_users(node: &Endpoint, targeting: &Expr) -> Result<UserReach, ReachUnavailable> {
    let connected = node.connect().await.map_err(|_| unavailable("the tags role cannot be reached"))?;
    let mut client = UserSampleServiceClient::new(connected);
    let mut request = Request::new(users_question(targeting));
    request.set_timeout(WITHIN);
    let answer = client.estimate_users(request).await.map_err(|status| refused(&status, "the tags role"))?;
    user_reach_from(answer.get_ref()).ok_or_else(|| unavailable("the tags role's answer cannot be read"))
}

/// Asks a bidder, about its own traffic. Connects when it is asked.
#[derive(Clone, Debug)]
pub struct GrpcRequestSample {
    bidder: Endpoint,
}

impl GrpcRequestSample {
    /// Asks this bidder.
    pub fn new(bidder: Endpoint) -> Self {
        Self { bidder }
    }
}

#[async_trait]
impl RequestSample for GrpcRequestSample {
    async fn estimate_requests(&self, targeting: &Expr) -> Result<RequestReach, ReachUnavailable> {
        let connected = self.bidder.connect().await;
        let connected = connected.map_err(|_| unavailable("the bidder cannot be reached"))?;
        let mut client = RequestSampleServiceClient::new(connected);
        let mut request = Request::new(requests_question(targeting));
        request.set_timeout(WITHIN);
        let answer = client.estimate_requests(request).await;
        let answer = answer.map_err(|status| refused(&status, "the bidder"))?;
        request_reach_from(answer.get_ref()).ok_or_else(|| unavailable("the bidder's answer cannot be read"))
    }
}

/// What a role said for people, passed on; anything else is about the connection, and advertisers need not know it.
fn refused(status: &Status, who: &str) -> ReachUnavailable {
    match status.code() {
        Code::Unavailable if !status.message().is_empty() => unavailable(status.message()),
        Code::DeadlineExceeded | Code::Cancelled => unavailable(&format!("{who} did not answer in time")),
        code => {
            tracing::warn!(?code, message = status.message(), "{who} gave no estimate");
            unavailable(&format!("{who} gave no estimate; the log of the campaigns role says more"))
        }
    }
}

fn unavailable(why: &str) -> ReachUnavailable {
    ReachUnavailable(why.to_owned())
}

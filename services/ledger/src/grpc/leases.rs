//! `tagbid.ledger.v1.LeaseService`: leases for bidders elsewhere.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tagbid_budget::Epoch;
use tagbid_ports::{LeaseError, LeaseSource};
use tagbid_runtime::auth::{Tokens, principal};
use tagbid_types::Scope;
use tagbid_wire::leases::{asks_from, beat_from, beaten_to, grant_to, opened_to, update_to};
use tagbid_wire::pb::ledger as pb;
use tagbid_wire::pb::ledger::lease_service_server::{LeaseService, LeaseServiceServer};
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Response, Status};

use super::fault::Fault;

/// The service.
pub(crate) struct LeaseGrpc(pub(crate) Arc<dyn LeaseSource>);

impl LeaseGrpc {
    /// Behind these tokens.
    pub(crate) fn service(self, tokens: Tokens) -> InterceptedService<LeaseServiceServer<Self>, Tokens> {
        LeaseServiceServer::with_interceptor(self, tokens)
    }
}

/// Bidders only: whoever has a lease keeps the others from that money.
fn admit<T>(request: &Request<T>) -> Result<(), Status> {
    match principal(request)?.scope {
        Scope::Role => Ok(()),
        Scope::Operator | Scope::Advertiser(_) | Scope::Exchange(_) => Err(Fault::ForBidders.into()),
    }
}

fn status(error: LeaseError) -> Status {
    match error {
        LeaseError::Over(over) => Status::failed_precondition(over.to_string()),
        LeaseError::Unavailable(problem) => Status::unavailable(problem),
        LeaseError::Refused(problem) => Status::invalid_argument(problem),
    }
}

#[tonic::async_trait]
impl LeaseService for LeaseGrpc {
    type FollowStream = BoxStream<'static, Result<pb::HoldUpdate, Status>>;

    async fn open(
        &self,
        request: Request<pb::OpenSessionRequest>,
    ) -> Result<Response<pb::OpenSessionResponse>, Status> {
        admit(&request)?;
        let opened = self.0.open().await.map_err(status)?;
        Ok(Response::new(opened_to(&opened)))
    }

    async fn beat(&self, request: Request<pb::BeatRequest>) -> Result<Response<pb::BeatResponse>, Status> {
        admit(&request)?;
        let beaten = self.0.beat(beat_from(request.get_ref())).await.map_err(status)?;
        Ok(Response::new(beaten_to(&beaten)))
    }

    async fn acquire(
        &self,
        request: Request<pb::AcquireRequest>,
    ) -> Result<Response<pb::AcquireResponse>, Status> {
        admit(&request)?;
        let asks = asks_from(request.get_ref()).map_err(Status::invalid_argument)?;
        let grants = self.0.acquire(asks).await.map_err(status)?;
        Ok(Response::new(pb::AcquireResponse { grants: grants.iter().map(grant_to).collect() }))
    }

    async fn follow(
        &self,
        request: Request<pb::FollowRequest>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        admit(&request)?;
        let updates = self.0.follow(Epoch(request.get_ref().epoch));
        let updates = updates.map(|update| update.map(|update| update_to(&update)).map_err(status));
        Ok(Response::new(updates.boxed()))
    }
}

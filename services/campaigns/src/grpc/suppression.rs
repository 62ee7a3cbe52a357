//! `SuppressionService`.

use std::sync::Arc;

use tagbid_catalog::Report;
use tagbid_runtime::auth::principal;
use tagbid_tagset::UserKey;
use tagbid_types::{Principal, Revision};
use tagbid_wire::campaigns::users_from;
use tagbid_wire::pb::campaigns as pb;
use tagbid_wire::pb::campaigns::suppression_service_server::SuppressionService;
use tonic::{Request, Response, Status};

use crate::error::CampaignsError;
use crate::service::Inner;

/// Most users in one request.
const MAX_USERS: usize = 1_000;

/// Suppression for the operator and other roles.
#[derive(Clone)]
pub(crate) struct SuppressionGrpc(pub(crate) Arc<Inner>);

impl SuppressionGrpc {
    /// The keys of all users; every problem at once, none of them with an id in it.
    fn keys(&self, users: &[pb::SuppressionUser]) -> Result<Vec<UserKey>, CampaignsError> {
        let mut report = Report::default();
        if users.is_empty() || users.len() > MAX_USERS {
            let problem = format!("has {} users", users.len());
            report.problem("users", problem, format!("send 1 to {MAX_USERS}"));
        }
        let mut keys = Vec::with_capacity(users.len());
        for (position, user) in users.iter().enumerate().take(MAX_USERS) {
            match users_from(user, &self.0.mac_keys) {
                Ok(found) => keys.extend(found),
                Err(problem) => report.problem(
                    format_args!("users[{position}]"),
                    problem,
                    "send kind, source and id as exchanges do, or a key of 16 bytes",
                ),
            }
        }
        if report.is_empty() { Ok(keys) } else { Err(CampaignsError::Invalid(report.into_problems())) }
    }

    async fn set(
        &self,
        who: Principal,
        users: &[pb::SuppressionUser],
        suppressed: bool,
    ) -> Result<Revision, CampaignsError> {
        let keys = self.keys(users)?;
        self.0.core.set_suppressed(&who, &keys, suppressed).await
    }
}

#[tonic::async_trait]
impl SuppressionService for SuppressionGrpc {
    async fn suppress(
        &self,
        request: Request<pb::SuppressRequest>,
    ) -> Result<Response<pb::SuppressResponse>, Status> {
        let who = principal(&request)?;
        let revision = self.set(who, &request.get_ref().users, true).await?;
        Ok(Response::new(pb::SuppressResponse { revision: revision.0 }))
    }

    async fn lift(&self, request: Request<pb::LiftRequest>) -> Result<Response<pb::LiftResponse>, Status> {
        let who = principal(&request)?;
        let revision = self.set(who, &request.get_ref().users, false).await?;
        Ok(Response::new(pb::LiftResponse { revision: revision.0 }))
    }

    async fn check(&self, request: Request<pb::CheckRequest>) -> Result<Response<pb::CheckResponse>, Status> {
        let who = principal(&request)?;
        let keys = self.keys(request.into_inner().user.as_slice())?;
        let suppressed = self.0.core.is_suppressed(&who, &keys).await?;
        Ok(Response::new(pb::CheckResponse { suppressed }))
    }
}

//! The sample of users, as the campaigns role asks it.

use tagbid_ports::UserSample;
use tagbid_runtime::auth::Tokens;
use tagbid_wire::campaigns::{sample_targeting, user_reach_to};
use tagbid_wire::pb::campaigns as pb;
use tagbid_wire::pb::campaigns::user_sample_service_server::{UserSampleService, UserSampleServiceServer};
use tonic::service::RoutesBuilder;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Response, Status};

use super::need_role;
use super::refusal::Violation;
use crate::Service;

/// Largest question: what the campaigns role takes.
const MAX_QUESTION: usize = 4 << 20;

pub(super) fn add_service(service: &Service, routes: &mut RoutesBuilder, tokens: Tokens) {
    let server = UserSampleServiceServer::new(service.clone()).max_decoding_message_size(MAX_QUESTION);
    routes.add_service(InterceptedService::new(server, tokens));
}

#[tonic::async_trait]
impl UserSampleService for Service {
    async fn estimate_users(
        &self,
        request: Request<pb::EstimateUsersRequest>,
    ) -> Result<Response<pb::EstimateUsersResponse>, Status> {
        need_role(&request, "CampaignsService.EstimateReach")?;
        let targeting = sample_targeting(request.get_ref().targeting.as_ref())
            .map_err(|problem| Violation::new("targeting", problem))?;
        let reach = self.inner.sampler.estimate_users(&targeting).await;
        let reach = reach.map_err(|why| Status::unavailable(why.to_string()))?;
        Ok(Response::new(user_reach_to(&reach)))
    }
}

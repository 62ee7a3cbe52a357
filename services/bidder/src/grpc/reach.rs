//! The sample of impressions, as the campaigns role asks it.

use std::sync::Arc;

use tagbid_ports::RequestSample;
use tagbid_runtime::auth::{Tokens, principal};
use tagbid_types::Scope;
use tagbid_wire::campaigns::{request_reach_to, sample_targeting};
use tagbid_wire::pb::campaigns as pb;
use tagbid_wire::pb::campaigns::request_sample_service_server::{
    RequestSampleService, RequestSampleServiceServer,
};
use tonic::service::RoutesBuilder;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Response, Status};

/// Largest question: what the campaigns role takes.
const MAX_QUESTION: usize = 4 << 20;

struct Reach(Arc<dyn RequestSample>);

pub(crate) fn add_service(sample: Arc<dyn RequestSample>, routes: &mut RoutesBuilder, tokens: Tokens) {
    let server = RequestSampleServiceServer::new(Reach(sample)).max_decoding_message_size(MAX_QUESTION);
    routes.add_service(InterceptedService::new(server, tokens));
}

#[tonic::async_trait]
impl RequestSampleService for Reach {
    async fn estimate_requests(
        &self,
        request: Request<pb::EstimateRequestsRequest>,
    ) -> Result<Response<pb::EstimateRequestsResponse>, Status> {
        if let Scope::Advertiser(_) = principal(&request)?.scope {
            return Err(Status::permission_denied("use CampaignsService.EstimateReach"));
        }
        let targeting = sample_targeting(request.get_ref().targeting.as_ref());
        let reach = self.0.estimate_requests(&targeting.map_err(Status::invalid_argument)?).await;
        let reach = reach.map_err(|why| Status::unavailable(why.to_string()))?;
        Ok(Response::new(request_reach_to(&reach)))
    }
}

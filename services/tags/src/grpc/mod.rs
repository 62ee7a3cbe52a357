//! The gRPC edge: who may call what, and the conversions. Raw ids become keys here and go no further.

mod find;
mod ingest;
mod load;
mod reach;
mod read;
mod refusal;
mod snapshots;
mod stream;
mod write;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tagbid_runtime::auth::{self, Tokens};
use tagbid_types::{AdvertiserId, Principal, Scope};
use tagbid_wire::check_user_keys;
use tagbid_wire::pb::tags as pb;
use tagbid_wire::pb::tags::tag_service_server::{TagService, TagServiceServer};
use tonic::service::RoutesBuilder;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Response, Status, Streaming};

use crate::Service;

pub(crate) use ingest::MAX_STREAMS;
pub(crate) use snapshots::MAX_LOADS;

/// Largest request.
const MAX_REQUEST: usize = 1 << 20;

/// Largest answer: 64 users at their caps.
const MAX_ANSWER: usize = 8 << 20;

impl Service {
    /// Adds `TagService` to a server's routes, behind these credentials.
    pub fn add_grpc(&self, routes: &mut RoutesBuilder, tokens: Tokens) {
        let server = TagServiceServer::new(self.clone())
            .max_decoding_message_size(MAX_REQUEST)
            .max_encoding_message_size(MAX_ANSWER);
        routes.add_service(InterceptedService::new(server, tokens.clone()));
        ingest::add_service(self, routes, tokens.clone());
        snapshots::add_service(self, routes, tokens.clone());
        reach::add_service(self, routes, tokens);
    }
}

/// Whose tags a caller of the readable methods may see and write; none: everyone's.
fn tenant(caller: &Principal) -> Result<Option<AdvertiserId>, Status> {
    match caller.scope {
        Scope::Operator => Ok(None),
        Scope::Advertiser(own) => Ok(Some(own)),
        Scope::Role | Scope::Exchange(_) => Err(Status::permission_denied(
            "this needs an operator's or an advertiser's credential; roles use LookupStream",
        )),
    }
}

/// `instead`: what advertisers use.
fn need_role<T>(request: &Request<T>, instead: &str) -> Result<(), Status> {
    match auth::principal(request)?.scope {
        Scope::Role | Scope::Operator => Ok(()),
        Scope::Advertiser(_) | Scope::Exchange(_) => {
            Err(Status::permission_denied(format!("this needs a role's credential; use {instead}")))
        }
    }
}

#[tonic::async_trait]
impl TagService for Service {
    type FindKeysStream = BoxStream<'static, Result<pb::FindKeysResponse, Status>>;
    type LookupStreamStream = BoxStream<'static, Result<pb::AnswerFrame, Status>>;

    async fn lookup(
        &self,
        request: Request<pb::LookupRequest>,
    ) -> Result<Response<pb::LookupResponse>, Status> {
        let tenant = tenant(&auth::principal(&request)?)?;
        read::lookup(self, tenant, request.into_inner()).await.map(Response::new)
    }

    async fn batch_lookup(
        &self,
        request: Request<pb::LookupFrame>,
    ) -> Result<Response<pb::AnswerFrame>, Status> {
        need_role(&request, "Lookup with a raw id")?;
        stream::batch(&self.inner.lookup, request.get_ref()).await.map(Response::new)
    }

    async fn lookup_stream(
        &self,
        request: Request<Streaming<pb::LookupFrame>>,
    ) -> Result<Response<Self::LookupStreamStream>, Status> {
        need_role(&request, "Lookup with a raw id")?;
        check_user_keys(request.metadata(), self.inner.keys.ring())
            .inspect_err(|refused| tracing::error!(problem = refused.message(), "a bidder was refused"))?;
        let answers = stream::answers(&self.inner, request.into_inner());
        Ok(Response::new(answers.boxed()))
    }

    async fn find_keys(
        &self,
        request: Request<pb::FindKeysRequest>,
    ) -> Result<Response<Self::FindKeysStream>, Status> {
        if auth::principal(&request)?.scope != Scope::Operator {
            return Err(Status::permission_denied("this needs an operator's credential"));
        }
        find::keys(self, request.get_ref()).map(Response::new)
    }

    async fn put_offline_tags(
        &self,
        request: Request<pb::PutOfflineTagsRequest>,
    ) -> Result<Response<pb::PutOfflineTagsResponse>, Status> {
        let tenant = tenant(&auth::principal(&request)?)?;
        write::offline(self, tenant, request.into_inner()).await.map(Response::new)
    }

    async fn merge_realtime_tags(
        &self,
        request: Request<pb::MergeRealtimeTagsRequest>,
    ) -> Result<Response<pb::MergeRealtimeTagsResponse>, Status> {
        let tenant = tenant(&auth::principal(&request)?)?;
        write::realtime(self, tenant, request.into_inner()).await.map(Response::new)
    }
}

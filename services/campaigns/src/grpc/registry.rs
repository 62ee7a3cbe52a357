//! `TagRegistryService`.

use std::sync::Arc;

use tagbid_catalog::Report;
use tagbid_runtime::auth::principal;
use tagbid_types::DatasetId;
use tagbid_wire::campaigns::{names_answer_to, names_question_from, upsert_from, upserted_to};
use tagbid_wire::pb::campaigns as pb;
use tagbid_wire::pb::campaigns::tag_registry_service_server::TagRegistryService;
use tonic::{Request, Response, Status};

use super::request::once;
use crate::registry::Given;
use crate::service::Inner;

/// The tag registry for data teams and the tags role.
#[derive(Clone)]
pub(crate) struct RegistryGrpc(pub(crate) Arc<Inner>);

#[tonic::async_trait]
impl TagRegistryService for RegistryGrpc {
    async fn resolve_names(
        &self,
        request: Request<pb::ResolveNamesRequest>,
    ) -> Result<Response<pb::ResolveNamesResponse>, Status> {
        let who = principal(&request)?;
        let question = names_question_from(request.into_inner());
        let answer = self.0.core.resolve_names(&who, &question).await?;
        Ok(Response::new(names_answer_to(&answer)))
    }

    async fn upsert_tags(
        &self,
        request: Request<pb::UpsertTagsRequest>,
    ) -> Result<Response<pb::UpsertTagsResponse>, Status> {
        let who = principal(&request)?;
        let mut request = request.into_inner();
        let id = std::mem::take(&mut request.request_id);
        let once = once("upsert_tags", id, &request)?;
        let mut report = Report::default();
        let tags = upsert_from(&request, &mut report);
        let given = Given { dataset: DatasetId(request.dataset_id), tags, report };
        let upserted = self.0.core.upsert_tags(&who, given, once.as_ref()).await?;
        Ok(Response::new(upserted_to(&upserted)))
    }
}

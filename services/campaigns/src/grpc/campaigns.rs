//! `CampaignsService`.

use std::sync::Arc;

use bytes::Bytes;
use tagbid_catalog::EntityKey;
use tagbid_runtime::auth::principal;
use tagbid_types::{ExchangeName, LineItemId};
use tagbid_wire::campaigns::{explanation_to, problem_to};
use tagbid_wire::pb::campaigns as pb;
use tagbid_wire::pb::campaigns::campaigns_service_server::CampaignsService;
use tonic::{Request, Response, Status};

use super::funnel::get_funnel;
use super::reach;
use super::request::{draft, expected, key, new_draft, once, page_token, required, revise, wanted, write};
use crate::error::CampaignsError;
use crate::reach::estimate;
use crate::service::Inner;

/// The advertisers' API.
#[derive(Clone)]
pub(crate) struct CampaignsGrpc(pub(crate) Arc<Inner>);

/// The five methods of each resource, and after them what `$rest` adds: a trait is implemented in one piece.
macro_rules! serve {
    ({ $($resource:ident, $field:ident, $fields:ident, $filter:expr,
       $create:ident($create_in:ident), $get:ident($get_in:ident), $list:ident($list_in:ident -> $list_out:ident),
       $update:ident($update_in:ident), $archive:ident($archive_in:ident);)+ }
     { $($rest:tt)* }) => {
        #[tonic::async_trait]
        impl CampaignsService for CampaignsGrpc {
            $(
            async fn $create(&self, request: Request<pb::$create_in>) -> Result<Response<pb::$resource>, Status> {
                let who = principal(&request)?;
                let mut request = request.into_inner();
                let id = std::mem::take(&mut request.request_id);
                let once = once(stringify!($create), id, &request)?;
                let message = required(request.$field)?;
                let made = self.0.core.create(&who, new_draft(&message), once.as_ref()).await?;
                Ok(Response::new(write(&made)?))
            }

            async fn $get(&self, request: Request<pb::$get_in>) -> Result<Response<pb::$resource>, Status> {
                let who = principal(&request)?;
                let key = key::<pb::$resource>(request.into_inner().id.into());
                Ok(Response::new(write(&self.0.core.get(&who, key).await?)?))
            }

            async fn $list(&self, request: Request<pb::$list_in>) -> Result<Response<pb::$list_out>, Status> {
                let who = principal(&request)?;
                let request = request.into_inner();
                let filter: fn(&pb::$list_in) -> (u64, u64) = $filter;
                let wanted = wanted::<pb::$resource>(
                    request.page_size,
                    &request.page_token,
                    request.include_archived,
                    filter(&request),
                )?;
                let page = self.0.core.list(&who, wanted).await?;
                let entities = page.entities.iter().map(write).collect::<Result<_, CampaignsError>>()?;
                Ok(Response::new(pb::$list_out {
                    $fields: entities,
                    next_page_token: page_token::<pb::$resource>(page.next),
                }))
            }

            async fn $update(&self, request: Request<pb::$update_in>) -> Result<Response<pb::$resource>, Status> {
                let who = principal(&request)?;
                let mut request = request.into_inner();
                let id = std::mem::take(&mut request.request_id);
                let once = once(stringify!($update), id, &request)?;
                let expected = expected(&request.etag)?;
                let message = required(request.$field)?;
                let key = key::<pb::$resource>(message.id.into());
                let mask = request.update_mask;
                let revise = |current: &_| revise(current, &message, mask.as_ref());
                let made = self.0.core.update(&who, key, expected, once.as_ref(), &revise).await?;
                Ok(Response::new(write(&made)?))
            }

            async fn $archive(&self, request: Request<pb::$archive_in>) -> Result<Response<pb::$resource>, Status> {
                let who = principal(&request)?;
                let mut request = request.into_inner();
                let id = std::mem::take(&mut request.request_id);
                let once = once(stringify!($archive), id, &request)?;
                let expected = expected(&request.etag)?;
                let key = key::<pb::$resource>(request.id.into());
                let made = self.0.core.archive(&who, key, expected, once.as_ref()).await?;
                Ok(Response::new(write(&made)?))
            }
            )+

            $($rest)*
        }
    };
}

serve! {{
    Advertiser, advertiser, advertisers, |_| (0, 0),
    create_advertiser(CreateAdvertiserRequest), get_advertiser(GetAdvertiserRequest),
    list_advertisers(ListAdvertisersRequest -> ListAdvertisersResponse),
    update_advertiser(UpdateAdvertiserRequest), archive_advertiser(ArchiveAdvertiserRequest);

    Campaign, campaign, campaigns, |r| (r.advertiser_id, 0),
    create_campaign(CreateCampaignRequest), get_campaign(GetCampaignRequest),
    list_campaigns(ListCampaignsRequest -> ListCampaignsResponse),
    update_campaign(UpdateCampaignRequest), archive_campaign(ArchiveCampaignRequest);

    LineItem, line_item, line_items, |r| (r.advertiser_id, r.campaign_id),
    create_line_item(CreateLineItemRequest), get_line_item(GetLineItemRequest),
    list_line_items(ListLineItemsRequest -> ListLineItemsResponse),
    update_line_item(UpdateLineItemRequest), archive_line_item(ArchiveLineItemRequest);

    Creative, creative, creatives, |r| (r.advertiser_id, 0),
    create_creative(CreateCreativeRequest), get_creative(GetCreativeRequest),
    list_creatives(ListCreativesRequest -> ListCreativesResponse),
    update_creative(UpdateCreativeRequest), archive_creative(ArchiveCreativeRequest);

    Deal, deal, deals, |r| (r.advertiser_id, 0),
    create_deal(CreateDealRequest), get_deal(GetDealRequest),
    list_deals(ListDealsRequest -> ListDealsResponse),
    update_deal(UpdateDealRequest), archive_deal(ArchiveDealRequest);

    List, list, lists, |r| (r.advertiser_id, 0),
    create_list(CreateListRequest), get_list(GetListRequest),
    list_lists(ListListsRequest -> ListListsResponse),
    update_list(UpdateListRequest), archive_list(ArchiveListRequest);

    Dataset, dataset, datasets, |r| (r.advertiser_id, 0),
    create_dataset(CreateDatasetRequest), get_dataset(GetDatasetRequest),
    list_datasets(ListDatasetsRequest -> ListDatasetsResponse),
    update_dataset(UpdateDatasetRequest), archive_dataset(ArchiveDatasetRequest);

    TagDefinition, tag_definition, tag_definitions, |r| (r.advertiser_id, r.dataset_id.into()),
    create_tag_definition(CreateTagDefinitionRequest), get_tag_definition(GetTagDefinitionRequest),
    list_tag_definitions(ListTagDefinitionsRequest -> ListTagDefinitionsResponse),
    update_tag_definition(UpdateTagDefinitionRequest), archive_tag_definition(ArchiveTagDefinitionRequest);
} {
        async fn validate_line_item(
            &self,
            request: Request<pb::ValidateLineItemRequest>,
        ) -> Result<Response<pb::ValidateLineItemResponse>, Status> {
            let who = principal(&request)?;
            let message = required(request.into_inner().line_item)?;
            let core = &self.0.core;
            let problems = if message.id == 0 {
                core.validate_new(&who, draft(&message)).await?
            } else {
                let all = prost_types::FieldMask { paths: vec!["*".into()] };
                let revise = |current: &_| revise(current, &message, Some(&all));
                core.validate_update(&who, key::<pb::LineItem>(message.id), &revise).await?
            };
            Ok(Response::new(pb::ValidateLineItemResponse {
                problems: problems.iter().map(problem_to).collect(),
            }))
        }

        async fn explain(
            &self,
            request: Request<pb::ExplainRequest>,
        ) -> Result<Response<pb::ExplainResponse>, Status> {
            let who = principal(&request)?;
            let request = request.into_inner();
            let exchange = exchange(&request.exchange)?;
            let line_item = LineItemId(request.line_item_id);
            // Somebody else's line item is not explained, whatever the bidder knows.
            self.0.core.get(&who, EntityKey::from(line_item)).await?;
            let openrtb = Bytes::from(request.openrtb_json);
            let explanation = self.0.explainer()?.explain(line_item, &exchange, openrtb).await;
            let explanation = explanation.map_err(CampaignsError::from)?;
            Ok(Response::new(explanation_to(&explanation)))
        }

        async fn get_funnel(
            &self,
            request: Request<pb::GetFunnelRequest>,
        ) -> Result<Response<pb::GetFunnelResponse>, Status> {
            let who = principal(&request)?;
            Ok(Response::new(get_funnel(&self.0, &who, request.get_ref()).await?))
        }

        async fn estimate_reach(
            &self,
            request: Request<pb::EstimateReachRequest>,
        ) -> Result<Response<pb::EstimateReachResponse>, Status> {
            let who = principal(&request)?;
            let wanted = reach::wanted(request.get_ref());
            let reach = estimate(&self.0.core, &self.0.samples, &who, wanted).await?;
            Ok(Response::new(reach::write(reach)))
        }
}}

fn exchange(name: &str) -> Result<ExchangeName, CampaignsError> {
    name.parse().map_err(|problem: String| {
        CampaignsError::field("exchange", problem, "use the name that the operator gave it")
    })
}

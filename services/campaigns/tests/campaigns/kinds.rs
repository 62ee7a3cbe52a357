//! All kinds of resources behind one trait, so that a test says a thing once for all of them.

use tagbid_wire::campaigns::Resource;
use tagbid_wire::pb::campaigns as pb;
use tonic::Status;

use crate::harness::Api;

/// A page of a list: the entities and the token of the next page.
pub(crate) type Listed<K> = (Vec<K>, String);

/// What all resources have, and their five methods.
#[tonic::async_trait]
pub(crate) trait Kind: Resource + std::fmt::Debug {
    /// Owner; 0: the operator.
    fn owner(&self) -> u64;
    fn set_owner(&mut self, owner: u64);
    fn set_id(&mut self, id: u64);
    fn metadata(&self) -> pb::Metadata;

    async fn create(self, api: &mut Api, request_id: &str) -> Result<Self, Status>;
    async fn get(api: &mut Api, id: u64) -> Result<Self, Status>;
    async fn list(
        api: &mut Api,
        owner: u64,
        size: u32,
        token: &str,
        archived: bool,
    ) -> Result<Listed<Self>, Status>;
    async fn update(self, api: &mut Api, paths: &[&str], etag: &str) -> Result<Self, Status>;
    async fn archive(api: &mut Api, id: u64, etag: &str) -> Result<Self, Status>;
}

macro_rules! kind {
    ($name:ident, $field:ident, $fields:ident, $create:ident, $create_in:ident, $get:ident, $get_in:ident,
     $list:ident, $list_in:ident, $update:ident, $update_in:ident, $archive:ident, $archive_in:ident,
     $own:ident, $($owner:ident)?) => {
        #[allow(clippy::needless_update, reason = "line items alone have more filters")]
        #[tonic::async_trait]
        impl Kind for pb::$name {
            fn owner(&self) -> u64 {
                self.$own
            }

            fn set_owner(&mut self, owner: u64) {
                let _ = owner;
                $(self.$owner = owner;)?
            }

            fn set_id(&mut self, id: u64) {
                self.id = id.try_into().unwrap();
            }

            fn metadata(&self) -> pb::Metadata {
                self.metadata.clone().unwrap()
            }

            async fn create(self, api: &mut Api, request_id: &str) -> Result<Self, Status> {
                let request = pb::$create_in { $field: Some(self), request_id: request_id.into() };
                Ok(api.$create(request).await?.into_inner())
            }

            async fn get(api: &mut Api, id: u64) -> Result<Self, Status> {
                let request = pb::$get_in { id: id.try_into().unwrap() };
                Ok(api.$get(request).await?.into_inner())
            }

            async fn list(
                api: &mut Api,
                owner: u64,
                size: u32,
                token: &str,
                archived: bool,
            ) -> Result<Listed<Self>, Status> {
                let _ = owner;
                let request = pb::$list_in {
                    page_size: size,
                    page_token: token.into(),
                    include_archived: archived,
                    $($owner: owner,)?
                    ..Default::default()
                };
                let page = api.$list(request).await?.into_inner();
                Ok((page.$fields, page.next_page_token))
            }

            async fn update(self, api: &mut Api, paths: &[&str], etag: &str) -> Result<Self, Status> {
                let paths = paths.iter().map(|path| (*path).to_owned()).collect();
                let request = pb::$update_in {
                    $field: Some(self),
                    update_mask: Some(prost_types::FieldMask { paths }),
                    etag: etag.into(),
                    request_id: String::new(),
                };
                Ok(api.$update(request).await?.into_inner())
            }

            async fn archive(api: &mut Api, id: u64, etag: &str) -> Result<Self, Status> {
                let request = pb::$archive_in {
                    id: id.try_into().unwrap(),
                    etag: etag.into(),
                    request_id: String::new(),
                };
                Ok(api.$archive(request).await?.into_inner())
            }
        }
    };
}

kind!(
    Advertiser,
    advertiser,
    advertisers,
    create_advertiser,
    CreateAdvertiserRequest,
    get_advertiser,
    GetAdvertiserRequest,
    list_advertisers,
    ListAdvertisersRequest,
    update_advertiser,
    UpdateAdvertiserRequest,
    archive_advertiser,
    ArchiveAdvertiserRequest,
    id,
);
kind!(
    Campaign,
    campaign,
    campaigns,
    create_campaign,
    CreateCampaignRequest,
    get_campaign,
    GetCampaignRequest,
    list_campaigns,
    ListCampaignsRequest,
    update_campaign,
    UpdateCampaignRequest,
    archive_campaign,
    ArchiveCampaignRequest,
    advertiser_id,
    advertiser_id
);
kind!(
    LineItem,
    line_item,
    line_items,
    create_line_item,
    CreateLineItemRequest,
    get_line_item,
    GetLineItemRequest,
    list_line_items,
    ListLineItemsRequest,
    update_line_item,
    UpdateLineItemRequest,
    archive_line_item,
    ArchiveLineItemRequest,
    advertiser_id,
    advertiser_id
);
kind!(
    Creative,
    creative,
    creatives,
    create_creative,
    CreateCreativeRequest,
    get_creative,
    GetCreativeRequest,
    list_creatives,
    ListCreativesRequest,
    update_creative,
    UpdateCreativeRequest,
    archive_creative,
    ArchiveCreativeRequest,
    advertiser_id,
    advertiser_id
);
kind!(
    Deal,
    deal,
    deals,
    create_deal,
    CreateDealRequest,
    get_deal,
    GetDealRequest,
    list_deals,
    ListDealsRequest,
    update_deal,
    UpdateDealRequest,
    archive_deal,
    ArchiveDealRequest,
    advertiser_id,
    advertiser_id
);
kind!(
    List,
    list,
    lists,
    create_list,
    CreateListRequest,
    get_list,
    GetListRequest,
    list_lists,
    ListListsRequest,
    update_list,
    UpdateListRequest,
    archive_list,
    ArchiveListRequest,
    advertiser_id,
    advertiser_id
);
kind!(
    Dataset,
    dataset,
    datasets,
    create_dataset,
    CreateDatasetRequest,
    get_dataset,
    GetDatasetRequest,
    list_datasets,
    ListDatasetsRequest,
    update_dataset,
    UpdateDatasetRequest,
    archive_dataset,
    ArchiveDatasetRequest,
    advertiser_id,
    advertiser_id
);
kind!(
    TagDefinition,
    tag_definition,
    tag_definitions,
    create_tag_definition,
    CreateTagDefinitionRequest,
    get_tag_definition,
    GetTagDefinitionRequest,
    list_tag_definitions,
    ListTagDefinitionsRequest,
    update_tag_definition,
    UpdateTagDefinitionRequest,
    archive_tag_definition,
    ArchiveTagDefinitionRequest,
    advertiser_id,
    advertiser_id
);

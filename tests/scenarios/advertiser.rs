//! Advertisers, data teams and operators, over gRPC with the generated clients.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;

use tagbid_catalog::{
    Advertiser, BannerMarkup, Budget, Campaign, CapUnknown, Creative, Dataset, Deal, DealAuction, Entity,
    Header, LineItem, Markup, Pacing, Schedule, Status, TagDefinition,
};
use tagbid_clients::AdvertiserClient;
use tagbid_pricing::BidRules;
use tagbid_targeting::{Dimension, Expr, Leaf, TagKind, TagTest};
use tagbid_types::{
    AdvertiserId, CampaignId, Cpm, CreativeId, Currency, DatasetId, DealId, LineItemId, TagId,
};
use tagbid_wire::pb::campaigns as campaigns_pb;
use tagbid_wire::pb::campaigns::suppression_service_client::SuppressionServiceClient;
use tagbid_wire::pb::tags as tags_pb;
use tagbid_wire::pb::tags::tag_service_client::TagServiceClient;
use tonic::Request;

use crate::stack::{OPERATOR, Stack};

/// Runs one gRPC conversation.
pub(crate) fn block_on<T>(conversation: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(conversation)
}

/// A request with a token.
pub(crate) fn with_token<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

/// Creates entities as the operator, in order; each as it was stored.
pub(crate) fn create_as(token: &str, at: SocketAddr, entity: Entity) -> Entity {
    block_on(async {
        let client = AdvertiserClient::connect(&format!("http://{at}"), token).await.unwrap();
        client.create(&entity, "").await.unwrap_or_else(|error| panic!("{error}: {entity:?}"))
    })
}

/// An advertiser with one campaign and one banner, ready for line items.
pub(crate) struct Shop {
    pub(crate) advertiser: AdvertiserId,
    pub(crate) campaign: CampaignId,
    pub(crate) creative: CreativeId,
    at: SocketAddr,
}

impl Shop {
    /// Opens one; `domain` is what exchanges may block.
    pub(crate) fn open(stack: &Stack, domain: &str) -> Self {
        let at = stack.campaigns;
        let Entity::Advertiser(advertiser) =
            create_as(OPERATOR, at, Entity::Advertiser(advertiser(domain).into()))
        else {
            panic!("kind")
        };
        let Entity::Campaign(campaign) =
            create_as(OPERATOR, at, Entity::Campaign(campaign(advertiser.id).into()))
        else {
            panic!("kind")
        };
        let Entity::Creative(creative) =
            create_as(OPERATOR, at, Entity::Creative(creative(advertiser.id, domain).into()))
        else {
            panic!("kind")
        };
        Self { advertiser: advertiser.id, campaign: campaign.id, creative: creative.id, at }
    }

    /// The same of another advertiser's campaign, with a creative of its own.
    pub(crate) fn of(&self, advertiser: AdvertiserId, campaign: CampaignId, domain: &str) -> Self {
        let creative = Entity::Creative(creative(advertiser, domain).into());
        let Entity::Creative(creative) = create_as(OPERATOR, self.at, creative) else { panic!("kind") };
        Self { advertiser, campaign, creative: creative.id, at: self.at }
    }

    /// Adds a line item at a CPM of `cpm` US dollars.
    pub(crate) fn line_item(&self, targeting: Expr, cpm: f64) -> LineItemId {
        self.line_item_as(OPERATOR, targeting, cpm)
    }

    /// The same by somebody else's token.
    pub(crate) fn line_item_as(&self, token: &str, targeting: Expr, cpm: f64) -> LineItemId {
        match create_as(token, self.at, Entity::LineItem(self.draft(targeting, cpm).into())) {
            Entity::LineItem(item) => item.id,
            other => panic!("{other:?}"),
        }
    }

    /// Agrees with an exchange on a fixed price of `cpm` US dollars.
    pub(crate) fn deal(&self, exchange: &str, code: &str, cpm: f64) {
        let deal = Deal {
            id: DealId(0),
            header: Header::default(),
            advertiser: self.advertiser,
            name: format!("Deal {code}"),
            exchange: exchange.parse().unwrap(),
            code: code.into(),
            auction: DealAuction::Fixed,
            price: Cpm::from_f64(cpm).unwrap(),
            currency: Currency::USD,
            seat: String::new(),
        };
        create_as(OPERATOR, self.at, Entity::Deal(deal.into()));
    }

    /// A line item that was not sent yet.
    pub(crate) fn draft(&self, targeting: Expr, cpm: f64) -> LineItem {
        let price = Cpm::from_f64(cpm).unwrap();
        LineItem {
            id: LineItemId(0),
            header: Header::default(),
            advertiser: self.advertiser,
            campaign: self.campaign,
            name: "Test line item".into(),
            status: Status::Active,
            targeting,
            bid: BidRules {
                base: price,
                currency: Currency::USD,
                min: Cpm(1),
                max: Some(price),
                multipliers: vec![],
            },
            schedule: Schedule::default(),
            budget: Budget::default(),
            capacity: tagbid_catalog::Capacity::default(),
            // What is not about pace bids at once.
            pacing: Pacing::Asap,
            caps: vec![],
            cap_unknown: CapUnknown::NoBid,
            creatives: vec![self.creative],
        }
    }
}

pub(crate) fn advertiser(domain: &str) -> Advertiser {
    Advertiser {
        id: AdvertiserId(0),
        header: Header::default(),
        name: format!("Shop {domain}"),
        domain: domain.into(),
        currency: Currency::USD,
        time_zone: "Europe/Berlin".into(),
        budget: Budget::default(),
        capacity: tagbid_catalog::Capacity::default(),
        caps: vec![],
        never_contact: vec![],
    }
}

pub(crate) fn campaign(advertiser: AdvertiserId) -> Campaign {
    Campaign {
        id: CampaignId(0),
        header: Header::default(),
        advertiser,
        name: "Autumn".into(),
        status: Status::Active,
        schedule: Schedule::default(),
        budget: Budget::default(),
        capacity: tagbid_catalog::Capacity::default(),
        caps: vec![],
        tier: 0,
    }
}

fn creative(advertiser: AdvertiserId, domain: &str) -> Creative {
    Creative {
        id: CreativeId(0),
        header: Header::default(),
        advertiser,
        name: "Medium rectangle".into(),
        seat: String::new(),
        domains: vec![domain.into()],
        categories: vec!["IAB22-1".into()],
        attributes: vec![],
        language: "en".into(),
        bundle: String::new(),
        click_url: format!("https://{domain}/landing"),
        preview_url: String::new(),
        apis: vec![],
        secure: true,
        markup: Markup::Banner(BannerMarkup {
            width: 300,
            height: 250,
            html: "<a href=\"{CLICK_URL}\">Buy & save</a>{IMPRESSION_PIXEL}".into(),
            banner_type: 2,
        }),
        approvals: BTreeMap::new(),
    }
}

/// Where the test request comes from.
pub(crate) fn in_the_usa() -> Expr {
    Expr::Leaf(Leaf::In { dimension: Dimension::Country, values: vec!["usa".into()] })
}

/// Users who carry the tag.
pub(crate) fn tagged(tag: TagId, kind: TagKind) -> Expr {
    Expr::Leaf(Leaf::Tag(TagTest { any_of: vec![tag], kind, min_weight: 1, max_age_s: None }))
}

/// A dataset and a tag that everyone may use.
pub(crate) fn define_tag(stack: &Stack, name: &str) -> (DatasetId, TagId) {
    let dataset = Dataset { name: format!("{name} model"), ..Dataset::default() };
    let tag = TagDefinition { name: name.into(), ..TagDefinition::default() };
    let dataset = create_as(OPERATOR, stack.campaigns, Entity::Dataset(dataset.into()));
    let tag = create_as(OPERATOR, stack.campaigns, Entity::Tag(tag.into()));
    match (dataset, tag) {
        (Entity::Dataset(dataset), Entity::Tag(tag)) => (dataset.id, tag.id),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn buyer(user: &str) -> tags_pb::UserId {
    tags_pb::UserId { kind: tags_pb::IdKind::Buyeruid.into(), source: String::new(), id: user.into() }
}

/// Gives a user an offline tag, as soon as the tag service has heard of the tag.
pub(crate) fn put_offline(stack: &Stack, dataset: DatasetId, user: &str, tag: TagId) {
    put_offline_to(stack, dataset, &[user.to_owned()], tag);
}

/// The same for up to 1,000 users.
pub(crate) fn put_offline_to(stack: &Stack, dataset: DatasetId, users: &[String], tag: TagId) {
    let now = tagbid_types::Clock::now(&tagbid_runtime::SystemClock);
    let as_of = Some(prost_types::Timestamp { seconds: now.secs(), nanos: 0 });
    let users = users.iter().map(|user| tags_pb::OfflineUser {
        user: Some(buyer(user)),
        tags: vec![tags_pb::OfflineTag { tag: tag.0, weight: 200, expires: None }],
    });
    let request = tags_pb::PutOfflineTagsRequest { dataset: dataset.0, as_of, users: users.collect() };
    until_accepted(stack, |mut client| {
        let request = with_token(OPERATOR, request.clone());
        async move { client.put_offline_tags(request).await.map(|_| ()) }
    });
}

/// Gives a user a real-time tag.
pub(crate) fn merge_realtime(stack: &Stack, user: &str, tag: TagId) {
    let user = tags_pb::RealtimeUser {
        user: Some(buyer(user)),
        tags: vec![tags_pb::RealtimeTag { tag: tag.0, weight: 200, event_time: None, expires: None }],
    };
    let request = tags_pb::MergeRealtimeTagsRequest { users: vec![user] };
    until_accepted(stack, |mut client| {
        let request = with_token(OPERATOR, request.clone());
        async move { client.merge_realtime_tags(request).await.map(|_| ()) }
    });
}

type Tags = TagServiceClient<tonic::transport::Channel>;

/// Tags reach the tag service by a stream: a write right after the definition may come too early.
fn until_accepted<F: Future<Output = Result<(), tonic::Status>>>(stack: &Stack, write: impl Fn(Tags) -> F) {
    block_on(async {
        let client = TagServiceClient::connect(format!("http://{}", stack.tags)).await.unwrap();
        let attempt = async || write(client.clone()).await.ok();
        tagbid_testkit::wait_for_async("the tags to be accepted", crate::stack::SOON, attempt).await;
    });
}

/// Suppresses a user, or lifts that.
pub(crate) fn suppress(stack: &Stack, user: &str, suppressed: bool) {
    let raw = campaigns_pb::RawUserId {
        kind: campaigns_pb::UserIdKind::BuyerUid.into(),
        source: String::new(),
        id: user.into(),
    };
    let user = campaigns_pb::SuppressionUser { user: Some(campaigns_pb::suppression_user::User::Id(raw)) };
    block_on(async {
        let url = format!("http://{}", stack.campaigns);
        let mut client = SuppressionServiceClient::connect(url).await.unwrap();
        if suppressed {
            let request = campaigns_pb::SuppressRequest { users: vec![user] };
            client.suppress(with_token(OPERATOR, request)).await.unwrap();
        } else {
            let request = campaigns_pb::LiftRequest { users: vec![user] };
            client.lift(with_token(OPERATOR, request)).await.unwrap();
        }
    });
}

//! The APIs that advertisers call, as a typed client: create what is to be advertised, ask what came of it. The
//! demo fills a deployment through it, so that its data take the same way as everybody's.

use std::time::Duration;

use tagbid_catalog::{Entity, EntityKind, Report, TagDefinition};
use tagbid_ports::{Funnel, TagsUpserted};
use tagbid_types::{CampaignId, Cpm, CreativeId, Currency, DatasetId, LineItemId, Nanos, Ratio};
use tagbid_wire::campaigns::{Resource, funnel_from, upsert_to, upserted_from};
use tagbid_wire::pb::campaigns as pb;
use tagbid_wire::pb::campaigns::campaigns_service_client::CampaignsServiceClient;
use tagbid_wire::pb::campaigns::tag_registry_service_client::TagRegistryServiceClient;
use tagbid_wire::pb::ledger;
use tagbid_wire::pb::ledger::ledger_service_client::LedgerServiceClient;
use thiserror::Error;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// How long connecting may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Why a call did not do what it should.
#[derive(Debug, Error)]
pub enum AdvertiserError {
    /// The address or the token cannot be used.
    #[error("{0}")]
    Setting(String),
    /// Nobody answers there.
    #[error("cannot connect to {url}: {source}")]
    Connect {
        /// The address.
        url: String,
        /// What the transport said.
        source: tonic::transport::Error,
    },
    /// The server refused; its message names the fields.
    #[error("{what}: {code}: {message}", code = status.code(), message = status.message())]
    Refused {
        /// What was asked.
        what: String,
        /// The answer.
        status: Box<Status>,
    },
    /// The server answered with something that this version cannot read.
    #[error("{0}: the answer cannot be read")]
    Unreadable(String),
}

impl AdvertiserError {
    /// Whether the server could not do it at this moment: the same call may succeed later.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if status.code() == tonic::Code::Unavailable)
    }
}

/// A bid as its exchange bills it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Billed {
    /// The bid's.
    pub currency: Currency,
    /// What it was sold for, at most what was bid.
    pub price: Cpm,
    /// Impressions that it stood for.
    pub quantity: Ratio,
}

/// One budget and where its money is: `limit = free + leased + held + spent`, in nanos of the advertiser's currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// None: no limit, and `free` says nothing.
    pub limit: Option<Nanos>,
    /// Nobody has it.
    pub free: Nanos,
    /// Bidders may bid with it.
    pub leased: Nanos,
    /// Bids that may still win hold it.
    pub held: Nanos,
    /// Billed.
    pub spent: Nanos,
}

/// Shows the token with every call.
#[derive(Clone)]
struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

type Authenticated = InterceptedService<Channel, Bearer>;

/// A caller of the campaigns and ledger APIs. Cheap to clone; all clones share one connection.
#[derive(Clone)]
pub struct AdvertiserClient {
    campaigns: CampaignsServiceClient<Authenticated>,
    registry: TagRegistryServiceClient<Authenticated>,
    ledger: LedgerServiceClient<Authenticated>,
}

/// What was spent in one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// The advertisers' currency.
    pub currency: Currency,
    /// What was charged.
    pub amount: Nanos,
    /// Impressions billed.
    pub billed: u64,
    /// Notices that said again what was said before.
    pub duplicates: u64,
    /// Notices that were recorded but not billed: late, test traffic, without price.
    pub unbilled: u64,
    /// Notices kept for a person to look at.
    pub quarantined: u64,
}

/// An auction that was won, as the exchange told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Won {
    /// The exchange's id of the auction.
    pub auction: String,
    /// The impression.
    pub imp: String,
    /// Who bid.
    pub line_item: LineItemId,
    /// The line item's campaign.
    pub campaign: CampaignId,
    /// What is shown.
    pub creative: CreativeId,
    /// The clearing price, when the notice named one.
    pub price: Option<Cpm>,
    /// What was bid.
    pub bid: Cpm,
    /// Currency of both prices.
    pub currency: Currency,
}

/// An auction that was lost, as the exchange told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The exchange's id of the auction.
    pub auction: String,
    /// The impression.
    pub imp: String,
    /// Who bid.
    pub line_item: LineItemId,
    /// What was bid.
    pub bid: Cpm,
    /// Currency of both prices.
    pub currency: Currency,
    /// AdCOM's loss reason code, when the exchange gave one.
    pub reason: Option<u32>,
    /// What would have won, when the exchange said it.
    pub min_to_win: Option<Cpm>,
}

impl AdvertiserClient {
    /// Connects to "http://HOST:PORT" where both APIs are served.
    pub async fn connect(url: &str, token: &str) -> Result<Self, AdvertiserError> {
        let mut bearer = MetadataValue::try_from(format!("Bearer {token}"))
            .map_err(|_| AdvertiserError::Setting("the token is not printable text".into()))?;
        bearer.set_sensitive(true);
        let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|_| {
            AdvertiserError::Setting(format!("{url:?}: use an address such as http://127.0.0.1:8081"))
        })?;
        let connected = endpoint.tcp_nodelay(true).connect_timeout(CONNECT_WITHIN).connect().await;
        let channel = connected.map_err(|source| AdvertiserError::Connect { url: url.into(), source })?;
        let bearer = Bearer(bearer);
        Ok(Self {
            campaigns: CampaignsServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            registry: TagRegistryServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            ledger: LedgerServiceClient::with_interceptor(channel, bearer),
        })
    }

    /// Creates an entity and returns it as stored, with its id. Calling again with the same `request_id` returns the
    /// first answer and creates nothing; empty: always creates.
    pub async fn create(&self, entity: &Entity, request_id: &str) -> Result<Entity, AdvertiserError> {
        let mut client = self.campaigns.clone();
        let what = || format!("creating {} {:?}", entity.kind(), entity.name());
        // One method a kind, all of the same shape.
        macro_rules! create {
            ($method:ident, $request:ident, $field:ident) => {{
                let request = pb::$request { $field: Resource::write(entity), request_id: request_id.into() };
                let made = client.$method(request).await.map_err(|status| refused(what(), status))?;
                read(&made.into_inner())
            }};
        }
        let made = match entity.kind() {
            EntityKind::Advertiser => create!(create_advertiser, CreateAdvertiserRequest, advertiser),
            EntityKind::Campaign => create!(create_campaign, CreateCampaignRequest, campaign),
            EntityKind::LineItem => create!(create_line_item, CreateLineItemRequest, line_item),
            EntityKind::Creative => create!(create_creative, CreateCreativeRequest, creative),
            EntityKind::Deal => create!(create_deal, CreateDealRequest, deal),
            EntityKind::List => create!(create_list, CreateListRequest, list),
            EntityKind::Dataset => create!(create_dataset, CreateDatasetRequest, dataset),
            EntityKind::Tag => create!(create_tag_definition, CreateTagDefinitionRequest, tag_definition),
        };
        made.ok_or_else(|| AdvertiserError::Unreadable(what()))
    }

    /// Gives tags to a dataset, at most 5,000 at once: those whose names it has already become what is given here, the
    /// others are created. All or none. `request_id` as for [`AdvertiserClient::create`].
    pub async fn upsert_tags(
        &self,
        dataset: DatasetId,
        tags: &[TagDefinition],
        request_id: &str,
    ) -> Result<TagsUpserted, AdvertiserError> {
        let what = || format!("giving {} tags to dataset {dataset}", tags.len());
        let answer = self.registry.clone().upsert_tags(upsert_to(dataset, tags, request_id)).await;
        let answer = answer.map_err(|status| refused(what(), status))?;
        upserted_from(answer.get_ref()).ok_or_else(|| AdvertiserError::Unreadable(what()))
    }

    /// What was spent over all that the caller may see, by currency.
    pub async fn spent(&self) -> Result<Vec<Spent>, AdvertiserError> {
        let what = || "asking for the spend".to_owned();
        let request = ledger::GetSpendRequest { page_size: 1, ..Default::default() };
        let answer =
            self.ledger.clone().get_spend(request).await.map_err(|status| refused(what(), status))?;
        let totals = answer.into_inner().totals.into_iter().map(spent);
        totals.collect::<Option<_>>().ok_or_else(|| AdvertiserError::Unreadable(what()))
    }

    /// The latest day's budget of a line item; none: no money of it was ever moved.
    pub async fn balance_today(&self, line_item: LineItemId) -> Result<Option<Balance>, AdvertiserError> {
        let what = || format!("asking for the balance of line item {line_item}");
        let owner = Some(ledger::get_balances_request::Owner::LineItemId(line_item.0));
        let request = ledger::GetBalancesRequest { owner, ..Default::default() };
        let answer = self.ledger.clone().get_balances(request).await;
        let answer = answer.map_err(|status| refused(what(), status))?.into_inner();
        let own = answer.balances.into_iter().next();
        let today = own.and_then(|own| own.days.into_iter().next()).and_then(|day| day.balance);
        Ok(today.map(|balance| Balance {
            limit: balance.limit_nanos.map(Nanos),
            free: Nanos(balance.free_nanos.unwrap_or_default()),
            leased: Nanos(balance.leased_nanos),
            held: Nanos(balance.held_nanos),
            spent: Nanos(balance.spent_nanos),
        }))
    }

    /// All notices that billed a bid, in no order; none where there are more notices than so many pages of a thousand.
    pub async fn billed(&self, most_pages: usize) -> Result<Option<Vec<Billed>>, AdvertiserError> {
        let what = || "asking for billed notices".to_owned();
        let (mut found, mut page_token) = (Vec::new(), String::new());
        for _ in 0..most_pages {
            let request = ledger::ListNoticesRequest { page_size: 1_000, page_token, ..Default::default() };
            let answer = self.ledger.clone().list_notices(request).await;
            let answer = answer.map_err(|status| refused(what(), status))?.into_inner();
            let bills = |notice: &ledger::Notice| notice.outcome() == ledger::Outcome::Billed;
            let billed = answer.notices.iter().filter(|notice| bills(notice)).map(billed);
            let billed: Option<Vec<Billed>> = billed.collect();
            found.extend(billed.ok_or_else(|| AdvertiserError::Unreadable(what()))?);
            if answer.next_page_token.is_empty() {
                return Ok(Some(found));
            }
            page_token = answer.next_page_token;
        }
        Ok(None)
    }

    /// How far a line item came, and its wins where the ledger could be asked.
    pub async fn funnel(&self, line_item: LineItemId) -> Result<(Funnel, Option<u64>), AdvertiserError> {
        let what = || format!("asking for the funnel of line item {line_item}");
        let request = pb::GetFunnelRequest { line_item_ids: vec![line_item.0] };
        let answer = self.campaigns.clone().get_funnel(request).await;
        let answer = answer.map_err(|status| refused(what(), status))?.into_inner();
        let funnel = funnel_from(&answer).ok_or_else(|| AdvertiserError::Unreadable(what()))?;
        Ok((funnel, answer.line_items.first().and_then(|one| one.won)))
    }

    /// The latest auctions won, at most `limit` (1 to 1000), newest first.
    pub async fn won(&self, limit: u16) -> Result<Vec<Won>, AdvertiserError> {
        self.latest(ledger::NoticeKind::Win, limit, won).await
    }

    /// The latest auctions lost, at most `limit` (1 to 1000), newest first.
    pub async fn lost(&self, limit: u16) -> Result<Vec<Lost>, AdvertiserError> {
        self.latest(ledger::NoticeKind::Loss, limit, lost).await
    }

    async fn latest<T>(
        &self,
        kind: ledger::NoticeKind,
        limit: u16,
        read: fn(ledger::Notice) -> Option<T>,
    ) -> Result<Vec<T>, AdvertiserError> {
        let what = || format!("asking for notices of {}", kind.as_str_name());
        let request =
            ledger::ListNoticesRequest { kind: kind.into(), page_size: limit.into(), ..Default::default() };
        let answer =
            self.ledger.clone().list_notices(request).await.map_err(|status| refused(what(), status))?;
        let notices = answer.into_inner().notices.into_iter().map(read);
        notices.collect::<Option<_>>().ok_or_else(|| AdvertiserError::Unreadable(what()))
    }
}

fn refused(what: String, status: Status) -> AdvertiserError {
    AdvertiserError::Refused { what, status: Box::new(status) }
}

fn read<R: Resource>(message: &R) -> Option<Entity> {
    let mut report = Report::on(R::KIND.as_str());
    message.read(&mut report).filter(|_| report.is_empty())
}

fn spent(total: ledger::SpendTotal) -> Option<Spent> {
    let tally = total.tally.unwrap_or_default();
    Some(Spent {
        currency: total.currency.parse().ok()?,
        amount: Nanos(tally.spent_nanos),
        billed: tally.billed,
        duplicates: tally.duplicates,
        unbilled: tally.unbilled + tally.late,
        quarantined: tally.quarantined,
    })
}

fn billed(notice: &ledger::Notice) -> Option<Billed> {
    let price = Cpm(notice.price_micros?.min(notice.max_price_micros));
    let quantity = Ratio(notice.quantity_millionths);
    Some(Billed { currency: notice.currency.parse().ok()?, price, quantity })
}

fn won(notice: ledger::Notice) -> Option<Won> {
    Some(Won {
        auction: notice.auction_id,
        imp: notice.imp_id,
        line_item: LineItemId(notice.line_item_id),
        campaign: CampaignId(notice.campaign_id),
        creative: CreativeId(notice.creative_id),
        price: notice.price_micros.map(Cpm),
        bid: Cpm(notice.max_price_micros),
        currency: notice.currency.parse().ok()?,
    })
}

fn lost(notice: ledger::Notice) -> Option<Lost> {
    Some(Lost {
        auction: notice.auction_id,
        imp: notice.imp_id,
        line_item: LineItemId(notice.line_item_id),
        bid: Cpm(notice.max_price_micros),
        currency: notice.currency.parse().ok()?,
        reason: notice.loss_reason,
        min_to_win: notice.min_to_win_micros.map(Cpm),
    })
}

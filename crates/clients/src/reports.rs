//! Reports of a ledger.

use tagbid_types::{
    AdvertiserId, BudgetDay, CampaignId, CreativeId, Currency, ExchangeName, LineItemId, Nanos, Timestamp,
};
use tagbid_wire::ledger::{day_from, day_text};
use tagbid_wire::pb::ledger as pb;
use tagbid_wire::pb::ledger::report_service_client::ReportServiceClient;
use thiserror::Error;
use tonic::Status;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

use crate::Endpoint;
use crate::catalog::Bearer;

/// Rows of one answer.
const PAGE: i32 = 1_000;

/// Why there is no report.
#[derive(Debug, Error)]
pub enum ReportError {
    /// It was refused; the message names the fields.
    #[error("{}", .0.message())]
    Refused(Box<Status>),
    /// An answer that this version does not understand.
    #[error("the ledger's answer has an unreadable {0}")]
    Unreadable(&'static str),
}

impl From<Status> for ReportError {
    fn from(status: Status) -> Self {
        Self::Refused(Box::new(status))
    }
}

/// What the rows of a report are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportBy {
    /// The tenant.
    Advertiser,
    /// The campaign.
    Campaign,
    /// The line item.
    LineItem,
    /// The creative.
    Creative,
    /// The exchange.
    Exchange,
    /// The bid's day in the advertiser's time zone.
    Day,
    /// The bid's hour in UTC.
    Hour,
}

impl ReportBy {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Advertiser,
        Self::Campaign,
        Self::LineItem,
        Self::Creative,
        Self::Exchange,
        Self::Day,
        Self::Hour,
    ];

    /// The word for it in options and headings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Advertiser => "advertiser",
            Self::Campaign => "campaign",
            Self::LineItem => "line_item",
            Self::Creative => "creative",
            Self::Exchange => "exchange",
            Self::Day => "day",
            Self::Hour => "hour",
        }
    }

    fn dimension(self) -> pb::Dimension {
        match self {
            Self::Advertiser => pb::Dimension::Advertiser,
            Self::Campaign => pb::Dimension::Campaign,
            Self::LineItem => pb::Dimension::LineItem,
            Self::Creative => pb::Dimension::Creative,
            Self::Exchange => pb::Dimension::Exchange,
            Self::Day => pb::Dimension::Day,
            Self::Hour => pb::Dimension::Hour,
        }
    }
}

/// Which bids a report is about; none and empty: all.
#[derive(Clone, Debug, Default)]
pub struct ReportFilter {
    /// Of this advertiser.
    pub advertiser: Option<AdvertiserId>,
    /// Of this campaign.
    pub campaign: Option<CampaignId>,
    /// Of these line items.
    pub line_items: Vec<LineItemId>,
    /// Of this creative.
    pub creative: Option<CreativeId>,
    /// To this exchange.
    pub exchange: Option<ExchangeName>,
    /// From this day of the advertiser's on.
    pub first_day: Option<BudgetDay>,
    /// Up to this day and with it.
    pub last_day: Option<BudgetDay>,
    /// Made at this whole hour or later.
    pub from: Option<Timestamp>,
    /// Made before this whole hour.
    pub until: Option<Timestamp>,
}

/// What a row is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportKey {
    /// An id.
    Id(u64),
    /// A name.
    Name(String),
    /// A day.
    Day(BudgetDay),
    /// The beginning of an hour.
    Hour(Timestamp),
}

/// A row of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportLine {
    /// What it is of, in the order that was asked for; empty: everything in one currency.
    pub keys: Vec<ReportKey>,
    /// The advertiser's currency.
    pub currency: Currency,
    /// What was charged.
    pub spent: Nanos,
    /// Impressions that were billed.
    pub billed: u64,
    /// Impressions that were seen to load.
    pub impressions: u64,
    /// Clicks.
    pub clicks: u64,
    /// Attributed conversions.
    pub conversions: u64,
    /// Those of them that are attributed to a view.
    pub view_conversions: u64,
    /// Auctions won.
    pub wins: u64,
    /// Auctions lost, as far as the exchange tells.
    pub losses: u64,
    /// Clicks by impressions, in millionths; none: there were none. Likewise below.
    pub ctr: Option<i64>,
    /// Conversions by clicks, in millionths.
    pub cvr: Option<i64>,
    /// Wins by wins and losses, in millionths.
    pub win_rate: Option<i64>,
    /// Spend by clicks.
    pub cpc: Option<Nanos>,
    /// Spend by conversions.
    pub cpa: Option<Nanos>,
}

/// A report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportAnswer {
    /// Its rows, in the order of what they are of, then currency.
    pub lines: Vec<ReportLine>,
    /// All of them together, one for each currency.
    pub totals: Vec<ReportLine>,
    /// Conversions that no ad gets the credit for, by why.
    pub unattributed: Vec<(String, u64)>,
}

/// Lost bids of a line item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LossLine {
    /// Which bid.
    pub line_item: LineItemId,
    /// OpenRTB's code; none: none was told.
    pub reason: Option<u32>,
    /// At most so many percent of what was bid would have won; 1,000,000: more than three times as much; none: nobody said.
    pub needed_percent: Option<u32>,
    /// How many.
    pub losses: u64,
}

/// Asks a ledger.
#[derive(Debug)]
pub struct ReportClient(ReportServiceClient<InterceptedService<Channel, Bearer>>);

impl ReportClient {
    /// Connects to the ledger role.
    pub async fn connect(ledger: &Endpoint) -> Result<Self, tonic::transport::Error> {
        Ok(Self(ReportServiceClient::new(ledger.connect().await?)))
    }

    /// The whole report.
    pub async fn report(
        &mut self,
        filter: &ReportFilter,
        by: &[ReportBy],
    ) -> Result<ReportAnswer, ReportError> {
        let mut asked = pb::GetReportRequest {
            filter: Some(filter_to(filter)),
            by: by.iter().map(|by| by.dimension().into()).collect(),
            page_size: PAGE,
            page_token: String::new(),
        };
        let mut whole = ReportAnswer::default();
        loop {
            let answer = self.0.get_report(asked.clone()).await?.into_inner();
            for row in answer.rows {
                whole.lines.push(line(row, by)?);
            }
            for row in answer.totals {
                whole.totals.push(line(row, &[])?);
            }
            whole
                .unattributed
                .extend(answer.unattributed.into_iter().map(|one| (one.reason, one.conversions)));
            asked.page_token = answer.next_page_token;
            if asked.page_token.is_empty() {
                return Ok(whole);
            }
        }
    }

    /// All losses.
    pub async fn losses(&mut self, filter: &ReportFilter) -> Result<Vec<LossLine>, ReportError> {
        let mut asked = pb::GetLossesRequest {
            filter: Some(filter_to(filter)),
            page_size: PAGE,
            page_token: String::new(),
        };
        let mut whole = Vec::new();
        loop {
            let answer = self.0.get_losses(asked.clone()).await?.into_inner();
            whole.extend(answer.rows.into_iter().map(|row| LossLine {
                line_item: LineItemId(row.line_item_id),
                reason: row.reason,
                needed_percent: row.needed_percent,
                losses: row.losses,
            }));
            asked.page_token = answer.next_page_token;
            if asked.page_token.is_empty() {
                return Ok(whole);
            }
        }
    }
}

fn filter_to(filter: &ReportFilter) -> pb::ReportFilter {
    let hour = |at: Timestamp| prost_types::Timestamp { seconds: at.secs(), nanos: 0 };
    pb::ReportFilter {
        advertiser_id: filter.advertiser.map_or(0, |id| id.0),
        campaign_id: filter.campaign.map_or(0, |id| id.0),
        line_item_ids: filter.line_items.iter().map(|id| id.0).collect(),
        creative_id: filter.creative.map_or(0, |id| id.0),
        exchange: filter.exchange.as_ref().map(|name| name.as_str().to_owned()).unwrap_or_default(),
        first_day: filter.first_day.map(day_text).unwrap_or_default(),
        last_day: filter.last_day.map(day_text).unwrap_or_default(),
        from: filter.from.map(hour),
        until: filter.until.map(hour),
    }
}

fn line(row: pb::ReportRow, by: &[ReportBy]) -> Result<ReportLine, ReportError> {
    let keys = by.iter().map(|by| key(&row, *by).ok_or(ReportError::Unreadable(by.as_str())));
    Ok(ReportLine {
        keys: keys.collect::<Result<_, _>>()?,
        currency: row.currency.parse().map_err(|_| ReportError::Unreadable("currency"))?,
        spent: Nanos(row.spent_nanos),
        billed: row.billed,
        impressions: row.impressions,
        clicks: row.clicks,
        conversions: row.conversions,
        view_conversions: row.view_conversions,
        wins: row.wins,
        losses: row.losses,
        ctr: row.ctr_millionths,
        cvr: row.cvr_millionths,
        win_rate: row.win_rate_millionths,
        cpc: row.cpc_nanos.map(Nanos),
        cpa: row.cpa_nanos.map(Nanos),
    })
}

fn key(row: &pb::ReportRow, by: ReportBy) -> Option<ReportKey> {
    match by {
        ReportBy::Advertiser => row.advertiser_id.map(ReportKey::Id),
        ReportBy::Campaign => row.campaign_id.map(ReportKey::Id),
        ReportBy::LineItem => row.line_item_id.map(ReportKey::Id),
        ReportBy::Creative => row.creative_id.map(ReportKey::Id),
        ReportBy::Exchange => row.exchange.clone().map(ReportKey::Name),
        ReportBy::Day => row.day.as_deref().and_then(day_from).map(ReportKey::Day),
        ReportBy::Hour => row.hour.map(|hour| ReportKey::Hour(Timestamp::from_secs(hour.seconds))),
    }
}

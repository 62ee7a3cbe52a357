//! Reports out of the sums.

use async_trait::async_trait;
use sqlx::Row;
use sqlx::any::AnyRow;
use tagbid_types::{AdvertiserId, BudgetDay, CampaignId, CreativeId, ExchangeName, LineItemId};

use super::Sold;
use crate::store::query::{Conditions, Value, halves, sum};
use crate::store::{SqlStore, StoreError};

/// What the rows of a report are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Advertiser,
    Campaign,
    LineItem,
    Creative,
    Exchange,
    /// The bid's day in the advertiser's time zone.
    Day,
    /// The bid's hour in UTC.
    Hour,
}

impl By {
    fn column(self) -> &'static str {
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

    fn is_text(self) -> bool {
        self == Self::Exchange
    }
}

/// Which bids a report is about; empty and none mean all.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReportQuery {
    pub(crate) advertiser: Option<AdvertiserId>,
    pub(crate) campaign: Option<CampaignId>,
    pub(crate) line_items: Vec<LineItemId>,
    pub(crate) creative: Option<CreativeId>,
    pub(crate) exchange: Option<ExchangeName>,
    pub(crate) first_day: Option<BudgetDay>,
    pub(crate) last_day: Option<BudgetDay>,
    /// Hours since 1970, from the first until before the second.
    pub(crate) from_hour: Option<i64>,
    pub(crate) until_hour: Option<i64>,
    pub(crate) by: Vec<By>,
    /// Rows after this one in the order of the answer.
    pub(crate) after: Option<Place>,
    pub(crate) limit: u32,
}

/// A row's place: the values of what the rows are of, in that order, and the currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) keys: Vec<String>,
    pub(crate) currency: String,
}

/// A row of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReportRow {
    pub(crate) place: Place,
    pub(crate) sold: Sold,
}

/// Which losses are asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct LossQuery {
    /// `by`, `after` and `creative` mean nothing here.
    pub(crate) of: ReportQuery,
    /// Rows after this line item, reason and step.
    pub(crate) after: Option<(i64, i64, i64)>,
}

/// Losses of one line item by why, and by what would have won.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LossRow {
    pub(crate) line_item: LineItemId,
    /// OpenRTB's code; 0: none was said.
    pub(crate) reason: i64,
    /// At most so many percent of what was bid would have won; 0: nobody said.
    pub(crate) needed: i64,
    pub(crate) losses: i64,
}

/// Conversions that no ad gets the credit for, by why.
pub(crate) type Unattributed = Vec<(String, i64)>;

/// Reports.
#[async_trait]
pub(crate) trait Reports: Send + Sync + 'static {
    /// Rows in the order of what they are of, then currency.
    async fn report(&self, query: &ReportQuery) -> Result<Vec<ReportRow>, StoreError>;

    /// Sums over all that match, whatever `after` and `limit` say, by currency.
    async fn sums(&self, query: &ReportQuery) -> Result<Vec<(String, Sold)>, StoreError>;

    /// Losses by line item, reason, and what would have won.
    async fn losses(&self, query: &LossQuery) -> Result<Vec<LossRow>, StoreError>;

    /// What no ad gets the credit for, by when it happened (days in UTC). None where only some campaigns, line items, creatives or
    /// exchanges are asked for: it belongs to none of them.
    async fn unattributed(&self, query: &ReportQuery) -> Result<Unattributed, StoreError>;
}

#[async_trait]
impl Reports for SqlStore {
    async fn report(&self, query: &ReportQuery) -> Result<Vec<ReportRow>, StoreError> {
        let mut conditions = matching(query);
        after(&mut conditions, query);
        let columns: Vec<&str> = query.by.iter().map(|by| by.column()).chain(["currency"]).collect();
        let columns = columns.join(", ");
        let sql = format!(
            "SELECT {columns}, {} FROM report_tallies{} GROUP BY {columns} ORDER BY {columns} LIMIT {}",
            sums(),
            conditions.sql(),
            query.limit
        );
        self.read(sql, &conditions, |row| report_row(row, &query.by)).await
    }

    async fn sums(&self, query: &ReportQuery) -> Result<Vec<(String, Sold)>, StoreError> {
        let conditions = matching(query);
        let sql = format!(
            "SELECT currency, {} FROM report_tallies{} GROUP BY currency ORDER BY currency",
            sums(),
            conditions.sql()
        );
        self.read(sql, &conditions, |row| Ok((row.try_get(0)?, sold(row, 1)?))).await
    }

    async fn losses(&self, query: &LossQuery) -> Result<Vec<LossRow>, StoreError> {
        let mut conditions = matching(&query.of);
        if let Some((line_item, reason, needed)) = query.after {
            let [line_item, reason, needed] =
                [line_item, reason, needed].map(|number| conditions.bind(Value::Number(number)));
            conditions.also(format!("(line_item, reason, needed) > ({line_item}, {reason}, {needed})"));
        }
        let sql = format!(
            "SELECT line_item, reason, needed, CAST(SUM(losses) AS BIGINT) AS losses FROM report_losses{} \
             GROUP BY line_item, reason, needed ORDER BY line_item, reason, needed LIMIT {}",
            conditions.sql(),
            query.of.limit
        );
        self.read(sql, &conditions, loss_row).await
    }

    async fn unattributed(&self, query: &ReportQuery) -> Result<Unattributed, StoreError> {
        let of_some = query.campaign.is_some() || query.creative.is_some() || query.exchange.is_some();
        if of_some || !query.line_items.is_empty() {
            return Ok(Vec::new());
        }
        let conditions = happened(query);
        let sql = format!(
            "SELECT outcome, COUNT(*) AS conversions FROM conversions{} GROUP BY outcome ORDER BY outcome",
            conditions.sql()
        );
        self.read(sql, &conditions, |row| Ok((row.try_get(0)?, row.try_get(1)?))).await
    }
}

/// Conditions on both tables of sums.
fn matching(query: &ReportQuery) -> Conditions {
    let mut all = Conditions::default();
    all.owner(query.advertiser, query.campaign);
    all.line_items(&query.line_items);
    all.and("creative =", query.creative.map(|id| id.0.cast_signed()));
    if let Some(exchange) = &query.exchange {
        let place = all.bind(Value::Text(exchange.as_str().to_owned()));
        all.also(format!("exchange = {place}"));
    }
    all.and("day >=", query.first_day.map(|day| day.0.into()));
    all.and("day <=", query.last_day.map(|day| day.0.into()));
    all.and("hour >=", query.from_hour);
    all.and("hour <", query.until_hour);
    all
}

const HOUR: i64 = 3_600_000_000;

/// Conditions on conversions without an ad.
fn happened(query: &ReportQuery) -> Conditions {
    let mut all = Conditions::default();
    let day = |day: BudgetDay, next: i64| (i64::from(day.0) + next).saturating_mul(24 * HOUR);
    // One that is told with a credential stands for those that it supersedes.
    all.also("attribution = 'none' AND outcome <> 'superseded'".into());
    all.owner(query.advertiser, None);
    all.and("happened >=", query.first_day.map(|first| day(first, 0)));
    all.and("happened <", query.last_day.map(|last| day(last, 1)));
    all.and("happened >=", query.from_hour.map(|hour| hour.saturating_mul(HOUR)));
    all.and("happened <", query.until_hour.map(|hour| hour.saturating_mul(HOUR)));
    all
}

/// Only rows after the place that the last page ended with.
fn after(conditions: &mut Conditions, query: &ReportQuery) {
    let Some(place) = &query.after else { return };
    let mut columns: Vec<&str> = Vec::new();
    let mut values = Vec::new();
    for (by, key) in query.by.iter().zip(&place.keys) {
        columns.push(by.column());
        // A page token that is no number where one belongs names the beginning.
        let value = if by.is_text() {
            Value::Text(key.clone())
        } else {
            Value::Number(key.parse().unwrap_or(i64::MIN))
        };
        values.push(conditions.bind(value));
    }
    columns.push("currency");
    values.push(conditions.bind(Value::Text(place.currency.clone())));
    conditions.also(format!("({}) > ({})", columns.join(", "), values.join(", ")));
}

fn sums() -> String {
    halves(Sold::default().columns().map(|(name, _)| name))
}

/// The sums as they are selected, from column `first` on; the inverse of `Sold::columns`.
fn sold(row: &AnyRow, first: usize) -> Result<Sold, sqlx::Error> {
    let columns = Sold::default().columns();
    let get = |number| sum(row, first, number, &columns);
    Ok(Sold {
        spent: get(0)?,
        wins: get(1)?,
        billed: get(2)?,
        losses: get(3)?,
        imps: get(4)?,
        clicks: get(5)?,
        conversions: get(6)?,
        by_view: get(7)?,
    })
}

fn report_row(row: &AnyRow, by: &[By]) -> Result<ReportRow, sqlx::Error> {
    let key = |(place, by): (usize, &By)| match by.is_text() {
        true => row.try_get::<String, _>(place),
        false => row.try_get::<i64, _>(place).map(|number| number.to_string()),
    };
    let keys = by.iter().enumerate().map(key).collect::<Result<_, _>>()?;
    let place = Place { keys, currency: row.try_get(by.len())? };
    Ok(ReportRow { place, sold: sold(row, by.len() + 1)? })
}

fn loss_row(row: &AnyRow) -> Result<LossRow, sqlx::Error> {
    Ok(LossRow {
        line_item: LineItemId(row.try_get::<i64, _>("line_item")?.cast_unsigned()),
        reason: row.try_get("reason")?,
        needed: row.try_get("needed")?,
        losses: row.try_get("losses")?,
    })
}

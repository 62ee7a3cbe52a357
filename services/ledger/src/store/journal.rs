//! The ledger's tables as a journal: what was kept, in the order of its numbers, as events.

use async_trait::async_trait;
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};
use tagbid_ports::{Attribution, ConversionFact, Event, EventBid, EventUser, Fact, NoticeFact, Verdict};
use tagbid_tagset::UserKey;
use tagbid_types::{
    AdvertiserId, BidId, BudgetDay, CampaignId, Cpm, CreativeId, LineItemId, Nanos, Ratio, Timestamp,
};

use super::conversions::{conversion_columns, user_from, user_text};
use super::statements::{notice_columns, quarantine_columns};
use super::{SqlStore, StoreError};
use crate::judge::LOST;

/// A table whose rows become events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    Notices,
    /// Of notices that are kept aside, the first of each bid and kind.
    Quarantine,
    /// Those that are attributed to a bid.
    Conversions,
}

impl Table {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Notices, Self::Quarantine, Self::Conversions];

    /// Its name in the database and in that of its source.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Notices => "notices",
            Self::Quarantine => "quarantine",
            Self::Conversions => "conversions",
        }
    }

    fn columns(self) -> String {
        match self {
            Self::Notices => notice_columns(),
            Self::Quarantine => quarantine_columns(),
            Self::Conversions => conversion_columns(),
        }
    }

    /// Rows that are no events: suspects that were kept by a ledger that did not keep their bid.
    fn filter(self) -> &'static str {
        match self {
            Self::Notices | Self::Conversions => "",
            Self::Quarantine => " AND issued IS NOT NULL",
        }
    }

    fn event(self, row: &AnyRow) -> Result<Event, sqlx::Error> {
        match self {
            Self::Notices => notice(row),
            Self::Quarantine => quarantined(row),
            Self::Conversions => conversion(row),
        }
    }
}

/// A user who is not to be known in what came up to a moment. Field names are column names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Erased {
    #[serde(skip)]
    user: UserKey,
    user_key: String,
    until: i64,
}

impl Erased {
    pub(crate) fn new(user: UserKey, until: Timestamp) -> Self {
        Self { user, user_key: user_text(user.0), until: until.0 }
    }
}

/// One of the names of this database, for the rows after these numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) name: String,
    after: [i64; 3],
}

impl Life {
    /// The number of the last row before this life.
    pub(crate) fn after(&self, table: Table) -> i64 {
        let [notices, quarantine, conversions] = self.after;
        match table {
            Table::Notices => notices,
            Table::Quarantine => quarantine,
            Table::Conversions => conversions,
        }
    }
}

/// What was kept, for whoever copies it.
#[async_trait]
pub(crate) trait Journal: Send + Sync + 'static {
    /// The names of this database, oldest first; at least one.
    async fn lives(&self) -> Result<Vec<Life>, StoreError>;

    /// Begins another life, after all rows that there are.
    async fn begin_life(&self, name: &str) -> Result<(), StoreError>;

    /// The number of the last row; 0: there is none.
    async fn last(&self, table: Table) -> Result<i64, StoreError>;

    /// Up to `limit` events after number `after` and up to `until`, with their numbers.
    async fn events(
        &self,
        table: Table,
        after: i64,
        until: i64,
        limit: usize,
    ) -> Result<Vec<(u64, Event)>, StoreError>;

    /// Forgets these users in notices that came up to these moments: they were erased or suppressed.
    async fn erase_users(&self, users: &[Erased]) -> Result<(), StoreError>;

    /// Forgets the users of clicks and of other notices that came before these moments, up to `limit` of them; how many it were.
    async fn forget_users(&self, clicks: Timestamp, others: Timestamp, limit: u32)
    -> Result<u64, StoreError>;
}

#[async_trait]
impl Journal for SqlStore {
    async fn lives(&self) -> Result<Vec<Life>, StoreError> {
        let sql = "SELECT life, notices, quarantine, conversions FROM lives ORDER BY number";
        let rows = sqlx::query(sql).fetch_all(self.pool()).await.map_err(|error| self.failed(error))?;
        let life = |row: &AnyRow| {
            Ok(Life { name: row.try_get(0)?, after: [row.try_get(1)?, row.try_get(2)?, row.try_get(3)?] })
        };
        rows.iter().map(|row| life(row).map_err(|error| self.failed(error))).collect()
    }

    async fn begin_life(&self, name: &str) -> Result<(), StoreError> {
        let last = |table: Table| format!("(SELECT COALESCE(MAX(seq), 0) FROM {})", table.as_str());
        let sql = format!(
            "INSERT INTO lives (number, life, notices, quarantine, conversions) \
             SELECT MAX(number) + 1, $1, {} FROM lives",
            Table::ALL.map(last).join(", ")
        );
        let begun = sqlx::query(AssertSqlSafe(sql)).bind(name).execute(self.pool()).await;
        begun.map(drop).map_err(|error| self.failed(error))
    }

    async fn last(&self, table: Table) -> Result<i64, StoreError> {
        let sql = format!("SELECT COALESCE(MAX(seq), 0) FROM {}", table.as_str());
        let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(self.pool()).await;
        row.and_then(|row| row.try_get(0)).map_err(|error| self.failed(error))
    }

    async fn events(
        &self,
        table: Table,
        after: i64,
        until: i64,
        limit: usize,
    ) -> Result<Vec<(u64, Event)>, StoreError> {
        let sql = format!(
            "SELECT seq, {} FROM {} WHERE seq > $1 AND seq <= $2{} ORDER BY seq LIMIT {limit}",
            table.columns(),
            table.as_str(),
            table.filter()
        );
        let rows = sqlx::query(AssertSqlSafe(sql)).bind(after).bind(until).fetch_all(self.pool()).await;
        let rows = rows.map_err(|error| self.failed(error))?;
        let read = |row: &AnyRow| Ok((row.try_get::<i64, _>("seq")?.cast_unsigned(), table.event(row)?));
        rows.iter().map(|row| read(row).map_err(|error| self.failed(error))).collect()
    }

    async fn erase_users(&self, users: &[Erased]) -> Result<(), StoreError> {
        // First, so that no notice that is being written slips through.
        for user in users {
            self.forgotten.insert(user.user, user.until);
        }
        let users = serde_json::to_string(users).map_err(|error| StoreError::Refused(error.to_string()))?;
        let done =
            sqlx::query(AssertSqlSafe(self.erase_users.as_str())).bind(users).execute(self.pool()).await;
        done.map(drop).map_err(|error| self.failed(error))
    }

    async fn forget_users(
        &self,
        clicks: Timestamp,
        others: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        // Those of clicks are kept for longer: `received <` the later of both keeps the statement on its index.
        let sql = format!(
            "UPDATE notices SET user_key = NULL WHERE seq IN (SELECT seq FROM notices \
             WHERE user_key IS NOT NULL AND received < $1 AND (kind <> 'click' OR received < $2) \
             ORDER BY received LIMIT {limit})"
        );
        let done = sqlx::query(AssertSqlSafe(sql)).bind(others.0).bind(clicks.0).execute(self.pool()).await;
        done.map(|done| done.rows_affected()).map_err(|error| self.failed(error))
    }
}

/// A member of a row that makes no sense.
fn odd(what: &'static str) -> sqlx::Error {
    sqlx::Error::Decode(format!("unreadable {what}").into())
}

fn id(row: &AnyRow, name: &str) -> Result<u64, sqlx::Error> {
    row.try_get::<i64, _>(name).map(i64::cast_unsigned)
}

fn text(row: &AnyRow, name: &str) -> Result<String, sqlx::Error> {
    row.try_get(name)
}

fn bid(row: &AnyRow) -> Result<EventBid, sqlx::Error> {
    Ok(EventBid {
        exchange: text(row, "exchange")?.parse().map_err(|_| odd("exchange"))?,
        auction: text(row, "auction")?,
        id: BidId(u128::from_str_radix(&text(row, "bid")?, 16).map_err(|_| odd("bid"))?),
        imp: text(row, "imp")?,
        at: Timestamp(row.try_get("issued")?),
        advertiser: AdvertiserId(id(row, "advertiser")?),
        campaign: CampaignId(id(row, "campaign")?),
        line_item: LineItemId(id(row, "line_item")?),
        creative: CreativeId(id(row, "creative")?),
        price: Cpm(row.try_get("max_price")?),
        currency: text(row, "currency")?.parse().map_err(|_| odd("currency"))?,
        quantity: Ratio(row.try_get("quantity")?),
    })
}

fn fact(row: &AnyRow, fact: NoticeFact) -> Result<Fact, sqlx::Error> {
    match text(row, "kind")?.as_str() {
        "win" => Ok(Fact::Win(fact)),
        "bill" => Ok(Fact::Billing(fact)),
        "loss" => Ok(Fact::Loss(fact)),
        "imp" => Ok(Fact::Impression(fact)),
        "click" => Ok(Fact::Click(fact)),
        _ => Err(odd("kind")),
    }
}

fn day(row: &AnyRow) -> Result<BudgetDay, sqlx::Error> {
    i32::try_from(row.try_get::<i64, _>("day")?).map(BudgetDay).map_err(|_| odd("day"))
}

fn price(row: &AnyRow, name: &str) -> Result<Option<Cpm>, sqlx::Error> {
    Ok(row.try_get::<Option<i64>, _>(name)?.map(Cpm))
}

fn notice(row: &AnyRow) -> Result<Event, sqlx::Error> {
    let verdict = match text(row, "outcome")?.as_str() {
        "billed" => Verdict::Billed,
        "not_billing" => Verdict::NotBilling,
        "late" => Verdict::Late,
        "test" => Verdict::Test,
        "audit" => Verdict::Audit,
        "unpriced" => Verdict::Unpriced,
        LOST => Verdict::Lost,
        _ => return Err(odd("outcome")),
    };
    let reason: Option<i64> = row.try_get("loss_reason")?;
    let said = NoticeFact {
        verdict,
        price: price(row, "price")?,
        charged: Nanos(row.try_get("charged")?),
        excess: Nanos(row.try_get("excess")?),
        uncovered: Nanos(row.try_get("uncovered")?),
        over_capacity: row.try_get("over_capacity")?,
        budget_currency: text(row, "budget_currency")?.parse().map_err(|_| odd("budget_currency"))?,
        budget_day: day(row)?,
        loss_reason: reason.and_then(|code| u16::try_from(code).ok()),
        min_to_win: price(row, "min_to_win")?,
    };
    let user: Option<String> = row.try_get("user_key")?;
    let key = user.as_deref().and_then(user_from);
    Ok(Event {
        at: Timestamp(row.try_get("received")?),
        bid: Some(bid(row)?),
        // Which key made it, its token does not say.
        user: key.map(|key| EventUser { key: UserKey(key), mac: None }),
        fact: fact(row, said)?,
    })
}

fn quarantined(row: &AnyRow) -> Result<Event, sqlx::Error> {
    let said = NoticeFact {
        verdict: Verdict::Quarantined(text(row, "reason")?),
        price: price(row, "price")?,
        charged: Nanos::ZERO,
        excess: Nanos::ZERO,
        uncovered: Nanos::ZERO,
        over_capacity: 0,
        budget_currency: text(row, "budget_currency")?.parse().map_err(|_| odd("budget_currency"))?,
        budget_day: day(row)?,
        loss_reason: None,
        min_to_win: None,
    };
    let at = Timestamp(row.try_get("first_at")?);
    Ok(Event { at, bid: Some(bid(row)?), user: None, fact: fact(row, said)? })
}

fn conversion(row: &AnyRow) -> Result<Event, sqlx::Error> {
    let value: Option<i64> = row.try_get("value")?;
    let currency: Option<String> = row.try_get("value_currency")?;
    let currency = currency.map(|code| code.parse().map_err(|_| odd("value_currency"))).transpose()?;
    let attribution = match text(row, "attribution")?.as_str() {
        "click" => Attribution::Click,
        "view" => Attribution::View,
        "none" => Attribution::None(text(row, "outcome")?),
        _ => return Err(odd("attribution")),
    };
    let bid = match &attribution {
        Attribution::None(_) => None,
        Attribution::Click | Attribution::View => Some(bid(row)?),
    };
    let converted = ConversionFact {
        advertiser: AdvertiserId(id(row, "advertiser")?),
        name: text(row, "name")?,
        reference: text(row, "reference")?,
        value: value.map(Nanos).zip(currency),
        attribution,
    };
    let at = Timestamp(row.try_get("happened")?);
    Ok(Event { at, bid, user: None, fact: Fact::Conversion(converted) })
}

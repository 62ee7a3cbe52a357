//! Conditions and rows of the reading statements.

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, Row};
use tagbid_types::{
    AdvertiserId, BudgetDay, CampaignId, Cpm, CreativeId, LineItemId, Nanos, Ratio, Timestamp,
};

use super::rows::{FOR_EVER, owner_columns};
use super::{
    BalanceQuery, Beyond, NoticeQuery, NoticeRow, QuarantineQuery, QuarantineRow, SpendPlace, SpendQuery,
    SpendRow, Tally,
};

/// A value of a condition.
pub(super) enum Value {
    Number(i64),
    Text(String),
}

/// The `WHERE` of a statement: only our own text goes into the SQL, every value is bound.
#[derive(Default)]
pub(super) struct Conditions {
    clauses: Vec<String>,
    values: Vec<Value>,
}

impl Conditions {
    /// Binds a value and returns its placeholder.
    pub(super) fn bind(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("${}", self.values.len())
    }

    /// `left` and a value, when there is one: `and("day >=", ...)`.
    pub(super) fn and(&mut self, left: &str, value: Option<i64>) {
        if let Some(value) = value {
            let place = self.bind(Value::Number(value));
            self.clauses.push(format!("{left} {place}"));
        }
    }

    /// A whole condition, whose values are bound.
    pub(super) fn also(&mut self, clause: String) {
        self.clauses.push(clause);
    }

    /// One of these line items, if any are named.
    pub(super) fn line_items(&mut self, ids: &[LineItemId]) {
        if !ids.is_empty() {
            let places = ids.iter().map(|id| self.bind(Value::Number(id.0.cast_signed())));
            let places: Vec<String> = places.collect();
            self.clauses.push(format!("line_item IN ({})", places.join(", ")));
        }
    }

    pub(super) fn owner(&mut self, advertiser: Option<AdvertiserId>, campaign: Option<CampaignId>) {
        self.and("advertiser =", advertiser.map(|id| id.0.cast_signed()));
        self.and("campaign =", campaign.map(|id| id.0.cast_signed()));
    }

    pub(super) fn spend(query: &SpendQuery, paged: bool) -> Self {
        let mut all = Self::default();
        all.owner(query.advertiser, query.campaign);
        all.and("day >=", query.first_day.map(|day| day.0.into()));
        all.and("day <=", query.last_day.map(|day| day.0.into()));
        all.line_items(&query.line_items);
        if let Some(after) = query.after.as_ref().filter(|_| paged) {
            let day = all.bind(Value::Number(after.day.0.into()));
            let line_item = all.bind(Value::Number(after.line_item.0.cast_signed()));
            let currency = all.bind(Value::Text(after.currency.clone()));
            all.clauses.push(format!("(day, line_item, currency) > ({day}, {line_item}, {currency})"));
        }
        all
    }

    pub(super) fn balances(query: &BalanceQuery) -> Self {
        let mut all = Self::default();
        let (kind, owner) = owner_columns(query.owner);
        all.and("owner_kind =", Some(kind));
        all.and("owner =", Some(owner));
        let first = all.bind(Value::Number(query.first_day.0.into()));
        let last = all.bind(Value::Number(query.last_day.0.into()));
        all.clauses.push(format!("(day = {FOR_EVER} OR (day >= {first} AND day <= {last}))"));
        all
    }

    pub(super) fn notices(query: &NoticeQuery) -> Self {
        let mut all = Self::default();
        all.owner(query.advertiser, query.campaign);
        all.and("line_item =", query.line_item.map(|id| id.0.cast_signed()));
        if let Some(kind) = query.kind {
            let place = all.bind(Value::Text(kind.as_str().into()));
            all.clauses.push(format!("kind = {place}"));
        }
        all.and("received >=", query.from.map(|at| at.0));
        all.and("received <", query.until.map(|at| at.0));
        all.and("seq <", query.before);
        all
    }

    pub(super) fn quarantine(query: &QuarantineQuery) -> Self {
        let mut all = Self::default();
        all.owner(query.advertiser, None);
        all.and("seq <", query.before);
        all
    }

    /// ` WHERE ...`, or nothing.
    pub(super) fn sql(&self) -> String {
        match self.clauses.as_slice() {
            [] => String::new(),
            clauses => format!(" WHERE {}", clauses.join(" AND ")),
        }
    }

    /// Binds the values to the statement that [`Conditions::sql`] went into.
    pub(super) fn apply<'q>(
        &'q self,
        statement: Query<'q, Any, AnyArguments>,
    ) -> Query<'q, Any, AnyArguments> {
        self.values.iter().fold(statement, |statement, value| match value {
            Value::Number(number) => statement.bind(*number),
            Value::Text(text) => statement.bind(text.as_str()),
        })
    }
}

/// Sums of these columns, each in two halves: those of all rows may be more than 64 bits hold, which one database refuses and
/// the other makes a decimal of. [`sum`] puts them together.
pub(super) fn halves<'a>(columns: impl IntoIterator<Item = &'a str>) -> String {
    let half =
        |name: &str| format!("CAST(SUM({name} / {HALF}) AS BIGINT), CAST(SUM({name} % {HALF}) AS BIGINT)");
    columns.into_iter().map(half).collect::<Vec<_>>().join(", ")
}

/// What [`halves`] divides by.
const HALF: i64 = 1 << 32;

/// The sum of column `number` of `columns`, where those of [`halves`] begin with `first`.
pub(super) fn sum(
    row: &AnyRow,
    first: usize,
    number: usize,
    columns: &[(&'static str, i64)],
) -> Result<i64, sqlx::Error> {
    let half = |one: usize| row.try_get::<i64, _>(first + 2 * number + one).map(i128::from);
    let name = columns.get(number).map_or("", |(name, _)| *name);
    let whole = half(0)? * i128::from(HALF) + half(1)?;
    i64::try_from(whole).map_err(|_| sqlx::Error::Decode(Box::new(Beyond(name))))
}

/// The columns as `get` has them by number; the inverse of [`Tally::columns`].
pub(super) fn tally(get: impl Fn(usize) -> Result<i64, sqlx::Error>) -> Result<Tally, sqlx::Error> {
    Ok(Tally {
        spent: get(0)?,
        excess: get(1)?,
        wins: get(2)?,
        billed: get(3)?,
        losses: get(4)?,
        imps: get(5)?,
        clicks: get(6)?,
        unbilled: get(7)?,
        late: get(8)?,
        duplicates: get(9)?,
        quarantined: get(10)?,
        uncovered: get(11)?,
        over_capacity: get(12)?,
    })
}

fn unsigned(row: &AnyRow, name: &str) -> Result<u64, sqlx::Error> {
    row.try_get::<i64, _>(name).map(i64::cast_unsigned)
}

fn day(row: &AnyRow) -> Result<BudgetDay, sqlx::Error> {
    let day: i64 = row.try_get("day")?;
    i32::try_from(day).map(BudgetDay).map_err(|error| sqlx::Error::Decode(error.into()))
}

fn price(row: &AnyRow, name: &str) -> Result<Option<Cpm>, sqlx::Error> {
    Ok(row.try_get::<Option<i64>, _>(name)?.map(Cpm))
}

pub(super) fn wins_row(row: &AnyRow) -> Result<(LineItemId, u64), sqlx::Error> {
    Ok((LineItemId(unsigned(row, "line_item")?), unsigned(row, "wins")?))
}

pub(super) fn spend_row(row: &AnyRow) -> Result<SpendRow, sqlx::Error> {
    Ok(SpendRow {
        advertiser: AdvertiserId(unsigned(row, "advertiser")?),
        campaign: CampaignId(unsigned(row, "campaign")?),
        place: SpendPlace {
            day: day(row)?,
            line_item: LineItemId(unsigned(row, "line_item")?),
            currency: row.try_get("currency")?,
        },
        tally: tally(|number| row.try_get(5 + number))?,
    })
}

pub(super) fn notice_row(row: &AnyRow) -> Result<NoticeRow, sqlx::Error> {
    Ok(NoticeRow {
        seq: row.try_get("seq")?,
        exchange: row.try_get("exchange")?,
        bid: row.try_get("bid")?,
        kind: row.try_get("kind")?,
        outcome: row.try_get("outcome")?,
        advertiser: AdvertiserId(unsigned(row, "advertiser")?),
        campaign: CampaignId(unsigned(row, "campaign")?),
        line_item: LineItemId(unsigned(row, "line_item")?),
        creative: CreativeId(unsigned(row, "creative")?),
        auction: row.try_get("auction")?,
        imp: row.try_get("imp")?,
        issued: Timestamp(row.try_get("issued")?),
        received: Timestamp(row.try_get("received")?),
        price: price(row, "price")?,
        max_price: Cpm(row.try_get("max_price")?),
        quantity: Ratio(row.try_get("quantity")?),
        currency: row.try_get("currency")?,
        charged: Nanos(row.try_get("charged")?),
        excess: Nanos(row.try_get("excess")?),
        uncovered: Nanos(row.try_get("uncovered")?),
        over_capacity: row.try_get("over_capacity")?,
        budget_currency: row.try_get("budget_currency")?,
        day: day(row)?,
        loss_reason: row.try_get("loss_reason")?,
        min_to_win: price(row, "min_to_win")?,
    })
}

pub(super) fn quarantine_row(row: &AnyRow) -> Result<QuarantineRow, sqlx::Error> {
    Ok(QuarantineRow {
        seq: row.try_get("seq")?,
        exchange: row.try_get("exchange")?,
        bid: row.try_get("bid")?,
        kind: row.try_get("kind")?,
        advertiser: AdvertiserId(unsigned(row, "advertiser")?),
        campaign: CampaignId(unsigned(row, "campaign")?),
        line_item: LineItemId(unsigned(row, "line_item")?),
        reason: row.try_get("reason")?,
        price: price(row, "price")?,
        said: row.try_get("said")?,
        times: row.try_get("times")?,
        first: Timestamp(row.try_get("first_at")?),
        last: Timestamp(row.try_get("last_at")?),
    })
}

//! Billed impressions on their way to the tag store: rows that are written with their notice and deleted when they are
//! counted, both by the ledger's one writer.

use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{Any, AssertSqlSafe, Row, Transaction};
use tagbid_tagset::UserKey;
use tagbid_types::{AdvertiserId, BidId, CampaignId, LineItemId, Timestamp};

use super::sql::{self, SqlStore, failed, named};
use super::statements::{Column, Dialect};
use super::{StoreError, sql::write as write_rows};
use crate::judge::{Outcome, Record};
use crate::work::Work;

const ROW: [Column; 6] = [
    ("bid", true),
    ("user_key", true),
    ("advertiser", false),
    ("campaign", false),
    ("line_item", false),
    ("seen", false),
];

/// An impression that waits to be counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) seq: i64,
    /// Our id of its bid, random and therefore one of its own whichever exchange it was made to.
    pub(crate) bid: BidId,
    pub(crate) user: UserKey,
    pub(crate) advertiser: AdvertiserId,
    pub(crate) campaign: CampaignId,
    pub(crate) line_item: LineItemId,
    /// When its notice came.
    pub(crate) seen: Timestamp,
}

/// Number of a turn of delivering; a ledger without one has [`Turn::NONE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn(i64);

impl Turn {
    /// No turn.
    pub(crate) const NONE: Self = Self(-1);
}

/// What a transaction does to the outbox.
#[derive(Debug, Default)]
pub(super) struct Impressions {
    /// Whether there is anybody to count impressions.
    pub(super) counting: bool,
    new: Vec<NewRow>,
    counted: Vec<CountedRow>,
    erased: Vec<ErasedRow>,
}

/// Field names are column names, here and below.
#[derive(Debug, Serialize)]
struct NewRow {
    bid: String,
    user_key: String,
    advertiser: i64,
    campaign: i64,
    line_item: i64,
    seen: i64,
    /// Of the bid.
    #[serde(skip)]
    issued: i64,
    #[serde(skip)]
    user: UserKey,
}

#[derive(Debug, Serialize)]
struct CountedRow {
    seq: i64,
}

#[derive(Debug, Serialize)]
struct ErasedRow {
    user_key: String,
    until: i64,
}

impl Impressions {
    /// Leaves out what this says of the user's key and the bid's moment.
    pub(super) fn forget(&mut self, is_forgotten: impl Fn(UserKey, i64) -> bool) {
        self.new.retain(|row| !is_forgotten(row.user, row.issued));
    }

    /// A new notice: what was billed was shown.
    pub(super) fn recorded(&mut self, record: &Record) {
        let token = &record.token;
        let user = token.counted_user().filter(|_| self.counting && record.outcome == Outcome::Billed);
        self.new.extend(user.map(|user| NewRow {
            bid: token.bid.to_string(),
            user_key: UserKey(user).to_string(),
            advertiser: token.advertiser.0.cast_signed(),
            campaign: token.campaign.0.cast_signed(),
            line_item: token.line_item.0.cast_signed(),
            seen: record.received.0,
            issued: token.issued.0,
            user: UserKey(user),
        }));
    }

    /// What need not be delivered any more, and what erased users saw.
    pub(super) fn remove(&mut self, work: &Work) {
        let row =
            |(user, until): &(UserKey, Timestamp)| ErasedRow { user_key: user.to_string(), until: until.0 };
        match work {
            Work::Counted(rows) => self.counted.extend(rows.iter().map(|seq| CountedRow { seq: *seq })),
            Work::Erased(users) => self.erased.extend(users.iter().map(row)),
            _ => {}
        }
    }
}

/// The statements; those that write take one JSON array as `$1`.
#[derive(Debug)]
pub(super) struct Statements {
    insert: String,
    counted: String,
    erased: String,
    waiting: String,
    turn: &'static str,
}

impl Statements {
    pub(super) fn new(dialect: Dialect) -> Self {
        let columns = ROW.map(|(name, _)| name).join(", ");
        let (seqs, users) =
            (dialect.rows(&[("seq", false)]), dialect.rows(&[("user_key", true), ("until", false)]));
        Self {
            insert: format!("INSERT INTO outbox ({columns}) SELECT {columns} FROM {}", dialect.rows(&ROW)),
            counted: format!("DELETE FROM outbox WHERE seq IN (SELECT r.seq FROM {seqs})"),
            erased: format!(
                "DELETE FROM outbox WHERE seq IN (SELECT o.seq FROM {users} JOIN outbox o ON o.user_key = r.user_key \
                 AND o.seen <= r.until)"
            ),
            waiting: format!("SELECT seq, {columns} FROM outbox WHERE seq > $1 ORDER BY seq LIMIT $2"),
            turn: "UPDATE outbox_turn SET term = CASE WHEN term = $1 THEN term ELSE term + 1 END, until = $2 \
                   WHERE id = 1 AND (term = $1 OR until <= $3) RETURNING term",
        }
    }
}

/// Inserts before it deletes: who was erased leaves nothing of this transaction either.
pub(super) async fn write(
    to: &mut Transaction<'_, Any>,
    of: &Statements,
    impressions: &Impressions,
) -> Result<(), StoreError> {
    write_rows(to, &of.insert, &impressions.new).await?;
    write_rows(to, &of.counted, &impressions.counted).await?;
    write_rows(to, &of.erased, &impressions.erased).await
}

impl SqlStore {
    /// [`super::Store::impressions`].
    pub(super) async fn waiting(&self, after: i64, most: u32) -> Result<Vec<Waiting>, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(self.statements.counting.waiting.as_str()));
        let rows = rows.bind(after).bind(i64::from(most)).fetch_all(&self.pool).await;
        let rows = rows.map_err(|error| named(&self.place, failed(error)))?;
        rows.iter().map(waiting_row).collect()
    }

    /// [`super::Store::take_turn`]: one statement, so that of two ledgers who ask at once one gets it.
    pub(super) async fn turn(&self, mine: Turn, until: Timestamp) -> Result<Option<Turn>, StoreError> {
        let update = sqlx::query(self.statements.counting.turn);
        let update =
            update.bind(mine.0).bind(until.0).bind(self.clock.now().0).fetch_optional(&self.pool).await;
        let row = update.map_err(|error| named(&self.place, failed(error)))?;
        row.map(|row| row.try_get("term").map(Turn).map_err(failed)).transpose()
    }
}

fn waiting_row(row: &AnyRow) -> Result<Waiting, StoreError> {
    let number = |name: &str| row.try_get::<i64, _>(name).map_err(failed);
    let id = |name: &str| number(name).map(i64::cast_unsigned);
    let text = |name: &str| row.try_get::<String, _>(name).map_err(failed);
    let unreadable =
        |what: &str| StoreError::Refused(format!("the ledger's outbox has an unreadable {what}"));
    Ok(Waiting {
        seq: number("seq")?,
        bid: sql::bid(&text("bid")?).ok_or_else(|| unreadable("bid"))?,
        user: UserKey::from_text(&text("user_key")?).ok_or_else(|| unreadable("user_key"))?,
        advertiser: AdvertiserId(id("advertiser")?),
        campaign: CampaignId(id("campaign")?),
        line_item: LineItemId(id("line_item")?),
        seen: Timestamp(number("seen")?),
    })
}

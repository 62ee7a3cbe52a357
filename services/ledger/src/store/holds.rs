//! What is stored to learn how long holds have to last: delays of billings, by exchange, kind of place and day.
//!
//! Rows are added to every few seconds and not with each notice: what a crash loses is a few samples of thousands, and a transaction of
//! notices has one statement less. All ledgers of a database add to the same rows, and each reads what the others did by its number.

use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{Any, AssertSqlSafe, Row, Transaction};
use tagbid_budget::life::{Cell, DelayRow, Law, Learner};
use tagbid_types::{PlaceKind, Timestamp};

use super::StoreError;
use super::sql::{failed, since_rows, write};
use super::statements::{Column, Dialect, names};

const ROW: [Column; 7] = [
    ("exchange", true),
    ("place", true),
    ("day", false),
    ("within_s", false),
    ("times", false),
    ("since", false),
    ("seq", false),
];

/// Field names are column names.
#[derive(Serialize)]
struct Delays<'a> {
    exchange: &'a str,
    place: &'static str,
    day: i64,
    within_s: i64,
    times: i64,
    since: i64,
    seq: i64,
}

/// The statements.
#[derive(Debug)]
pub(super) struct Statements {
    /// Adds rows to what is there; `$1` is a JSON array.
    add: String,
    /// Rows that transactions after `$1` added to.
    since: String,
    /// Deletes those of days before `$1`.
    purge: &'static str,
}

impl Statements {
    pub(super) fn new(dialect: Dialect) -> Self {
        let (all, rows) = (names(&ROW), dialect.rows(&ROW));
        Self {
            // `WHERE true` tells SQLite's parser that ON CONFLICT is not a join's ON.
            add: format!(
                "INSERT INTO hold_delays ({all}) SELECT {all} FROM {rows} WHERE true \
                 ON CONFLICT (exchange, place, day, within_s) DO UPDATE SET \
                 times = hold_delays.times + excluded.times, seq = excluded.seq, \
                 since = CASE WHEN excluded.since < hold_delays.since THEN excluded.since ELSE hold_delays.since END"
            ),
            since: format!("SELECT {all} FROM hold_delays WHERE seq > $1"),
            purge: "DELETE FROM hold_delays WHERE day < $1",
        }
    }
}

/// Takes in what ledgers have added in transactions after this one.
pub(super) async fn read(
    from: &mut Transaction<'_, Any>,
    of: &Statements,
    since: i64,
    learner: &mut Learner,
) -> Result<(), StoreError> {
    for row in since_rows(from, &of.since, since).await? {
        // One of a later version's exchange or kind of place is that version's to learn from.
        if let Some(delays) = delays(&row)? {
            learner.put(&delays);
        }
    }
    Ok(())
}

fn delays(row: &AnyRow) -> Result<Option<DelayRow>, StoreError> {
    let number = |name: &str| row.try_get::<i64, _>(name).map_err(failed);
    let text = |name: &str| row.try_get::<String, _>(name).map_err(failed);
    let (exchange, place) = (text("exchange")?, PlaceKind::from_name(&text("place")?));
    let cell = exchange.parse().ok().zip(place).map(|(exchange, place)| Cell { exchange, place });
    let (period, since) = (number("day")?, Timestamp(number("since")?));
    let within_s = u32::try_from(number("within_s")?).unwrap_or(u32::MAX);
    let count = u64::try_from(number("times")?).unwrap_or(0);
    Ok(cell.map(|cell| DelayRow { cell, period, within_s, count, since }))
}

/// Adds what is to be added.
pub(super) async fn add(
    to: &mut Transaction<'_, Any>,
    of: &Statements,
    rows: &[DelayRow],
    seq: i64,
) -> Result<(), StoreError> {
    let rows = rows.iter().map(|row| Delays {
        exchange: row.cell.exchange.as_str(),
        place: row.cell.place.as_str(),
        day: row.period,
        within_s: row.within_s.into(),
        times: i64::try_from(row.count).unwrap_or(i64::MAX),
        since: row.since.0,
        seq,
    });
    write(to, &of.add, &rows.collect::<Vec<_>>()).await
}

/// Deletes what counts no more.
pub(super) async fn purge(
    to: &mut Transaction<'_, Any>,
    of: &Statements,
    law: &Law,
    now: Timestamp,
) -> Result<(), StoreError> {
    let purge = sqlx::query(AssertSqlSafe(of.purge)).bind(law.first_period(now));
    purge.execute(&mut **to).await.map(drop).map_err(failed)
}

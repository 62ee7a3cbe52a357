//! What is stored for pacing: what was learnt of line items' bids, and their traffic by quarter hour.

use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{Any, AssertSqlSafe, Row, Transaction};
use tagbid_budget::pace::Learnt;
use tagbid_types::{BudgetDay, LineItemId, Timestamp};

use super::StoreError;
use super::sql::{failed, fetch, since_rows, write};
use super::statements::Statements;
use crate::pace::{DAYS_KEPT, Flights, Pacer, ToWrite, Traffic};

/// Field names are column names, here and below.
#[derive(Serialize)]
struct PaceRow {
    line_item: i64,
    as_of: i64,
    spent: i64,
    fresh: i64,
    slow_matured: i64,
    slow_charged: i64,
    quick_matured: i64,
    quick_charged: i64,
    gone: i64,
    seq: i64,
}

#[derive(Serialize)]
struct TrafficRow {
    line_item: i64,
    day: i64,
    quarter: i64,
    wanted: i64,
}

#[derive(Serialize)]
struct WatchedRow {
    quarter: i64,
    micros: i64,
}

/// Traffic of one line item from one day on, and before another.
#[derive(Serialize)]
struct TrafficOf {
    line_item: i64,
    first: i64,
    day: i64,
}

/// Takes in what ledgers have learnt in transactions after this one.
pub(super) async fn read_learnt(
    from: &mut Transaction<'_, Any>,
    of: &Statements,
    since: i64,
    pacer: &mut Pacer,
) -> Result<(), StoreError> {
    for row in since_rows(from, &of.paces.since, since).await? {
        let number = |name: &str| row.try_get::<i64, _>(name).map_err(failed);
        let learnt = Learnt::from_row([
            number("as_of")?,
            number("spent")?,
            number("fresh")?,
            number("slow_matured")?,
            number("slow_charged")?,
            number("quick_matured")?,
            number("quick_charged")?,
        ]);
        pacer.put_learnt(LineItemId(number("line_item")?.cast_unsigned()), learnt);
    }
    Ok(())
}

/// Takes in the traffic of line items whose day has just begun, or that have just been heard of.
pub(super) async fn read_traffic(
    from: &mut Transaction<'_, Any>,
    of: &Statements,
    pacer: &mut Pacer,
    flights: &Flights,
    now: Timestamp,
) -> Result<(), StoreError> {
    let unread = pacer.take_unread();
    if unread.is_empty() {
        return Ok(());
    }
    if pacer.watch.is_unread(now) {
        let rows = since_rows(from, of.traffic.watched, oldest_quarter(now)).await?;
        let row = |row: &AnyRow| Ok((row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?));
        let rows: Vec<(i64, i64)> = rows.iter().map(row).collect::<Result<_, StoreError>>()?;
        pacer.watch.put(rows, now);
    }
    let asked = unread.iter().map(|(line_item, BudgetDay(day))| TrafficOf {
        line_item: line_item.0.cast_signed(),
        first: i64::from(*day) - i64::from(DAYS_KEPT),
        day: i64::from(*day),
    });
    let asked: Vec<TrafficOf> = asked.collect();
    let rows = fetch(from, &of.traffic.of, &asked).await?;
    let traffic: Vec<Traffic> = rows.iter().map(traffic_row).collect::<Result<_, _>>()?;
    for (line_item, day) in unread {
        pacer.put_traffic(line_item, day, &traffic, flights);
    }
    Ok(())
}

fn traffic_row(row: &AnyRow) -> Result<Traffic, StoreError> {
    let number = |name: &str| row.try_get::<i64, _>(name).map_err(failed);
    let unreadable = |_| StoreError::Refused("the ledger's traffic has an unreadable day".into());
    Ok(Traffic {
        line_item: LineItemId(number("line_item")?.cast_unsigned()),
        day: BudgetDay(i32::try_from(number("day")?).map_err(unreadable)?),
        quarter: number("quarter")?,
        wanted: number("wanted")?,
    })
}

/// Writes what is to be written.
pub(super) async fn write_paces(
    to: &mut Transaction<'_, Any>,
    of: &Statements,
    what: &ToWrite,
    seq: i64,
) -> Result<(), StoreError> {
    let learnt = what.learnt.iter().map(|(line_item, learnt)| {
        let [as_of, spent, fresh, slow_matured, slow_charged, quick_matured, quick_charged] = learnt.to_row();
        PaceRow {
            line_item: line_item.0.cast_signed(),
            as_of,
            spent,
            fresh,
            slow_matured,
            slow_charged,
            quick_matured,
            quick_charged,
            gone: 0,
            seq,
        }
    });
    let traffic = what.traffic.iter().map(|one| TrafficRow {
        line_item: one.line_item.0.cast_signed(),
        day: one.day.0.into(),
        quarter: one.quarter,
        wanted: one.wanted,
    });
    write(to, &of.paces.write, &learnt.collect::<Vec<_>>()).await?;
    write(to, &of.traffic.add, &traffic.collect::<Vec<_>>()).await?;
    let watched =
        what.watched.iter().map(|(quarter, micros)| WatchedRow { quarter: *quarter, micros: *micros });
    write(to, &of.traffic.watch, &watched.collect::<Vec<_>>()).await
}

/// Deletes traffic that is older than what profiles are learnt from, anywhere.
pub(super) async fn purge_traffic(
    to: &mut Transaction<'_, Any>,
    of: &Statements,
    now: Timestamp,
) -> Result<(), StoreError> {
    let today = now.secs().div_euclid(24 * 3_600);
    let purge = sqlx::query(AssertSqlSafe(of.traffic.purge)).bind(today - i64::from(DAYS_KEPT) - 1);
    purge.execute(&mut **to).await.map_err(failed)?;
    let purge = sqlx::query(AssertSqlSafe(of.traffic.purge_watched)).bind(oldest_quarter(now));
    purge.execute(&mut **to).await.map(drop).map_err(failed)
}

/// The first quarter hour since 1970 of which traffic is kept anywhere.
fn oldest_quarter(now: Timestamp) -> i64 {
    now.secs().div_euclid(900) - (i64::from(DAYS_KEPT) + 2) * 96
}

//! What comes back.

use tagbid_notice::NoticeKind;
use tagbid_types::{AdvertiserId, BudgetDay, CampaignId, Cpm, LineItemId, Nanos, Timestamp};

use super::Database;
use crate::judge::Record;
use crate::store::fixture::{billed, seen};
use crate::store::report::{By, ReportQuery, Reports};
use crate::store::{Beyond, NoticeQuery, SpendQuery, SqlStore, Store, StoreError};

/// Bid `bid` of a line item, day and currency.
fn placed(bid: u128, line_item: u64, day: i32, currency: &str) -> Record {
    let mut record = billed(bid, 100);
    record.token.line_item = LineItemId(line_item);
    record.token.budget_day = BudgetDay(day);
    record.token.budget_currency = currency.parse().unwrap();
    record
}

pub(super) async fn spend_is_by_line_item_day_and_currency(database: Database) {
    let store = database.open().await;
    let batch = [
        placed(1, 8, 10, "USD"),
        placed(2, 7, 11, "USD"),
        placed(3, 7, 10, "USD"),
        placed(4, 7, 10, "EUR"),
        placed(5, 7, 10, "USD"),
    ];
    store.record(&batch).await.unwrap();
    let query = SpendQuery { limit: 10, ..Default::default() };
    let rows = store.spend(&query).await.unwrap();
    let got: Vec<_> = rows
        .iter()
        .map(|row| (row.place.day.0, row.place.line_item.0, row.place.currency.as_str(), row.tally.spent))
        .collect();
    assert_eq!(got, [(10, 7, "EUR", 100), (10, 7, "USD", 200), (10, 8, "USD", 100), (11, 7, "USD", 100)]);
    let totals = store.totals(&query).await.unwrap();
    let got: Vec<_> = totals.iter().map(|(currency, tally)| (currency.as_str(), tally.spent)).collect();
    assert_eq!(got, [("EUR", 100), ("USD", 400)]);
}

pub(super) async fn spend_pages_meet_without_gap_or_overlap(database: Database) {
    let store = database.open().await;
    let batch: Vec<Record> =
        (0..7_u8).map(|n| placed(n.into(), u64::from(n % 3), i32::from(n / 3), "USD")).collect();
    store.record(&batch).await.unwrap();
    let mut query = SpendQuery { limit: 2, ..Default::default() };
    let mut places = Vec::new();
    loop {
        let rows = store.spend(&query).await.unwrap();
        places.extend(rows.iter().map(|row| (row.place.day.0, row.place.line_item.0)));
        let Some(last) = rows.last() else { break };
        query.after = Some(last.place.clone());
    }
    assert_eq!(places, [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0)]);
}

pub(super) async fn wins_are_added_up_by_line_item(database: Database) {
    let store = database.open().await;
    let won = |bid, line_item, day, currency| Record {
        kind: NoticeKind::Win,
        ..placed(bid, line_item, day, currency)
    };
    let batch = [
        won(1, 7, 10, "USD"),
        won(2, 7, 11, "USD"),
        won(3, 7, 11, "EUR"),
        won(4, 8, 11, "USD"),
        won(5, 6, 11, "USD"),
        placed(6, 9, 11, "USD"),
    ];
    store.record(&batch).await.unwrap();
    let asked = |day| SpendQuery {
        line_items: [7, 8, 9].map(LineItemId).into(),
        first_day: Some(BudgetDay(day)),
        ..SpendQuery::default()
    };
    let wins = async |day| store.wins(&asked(day)).await.unwrap().into_iter().collect::<Vec<_>>();
    assert_eq!(wins(10).await, [(LineItemId(7), 3), (LineItemId(8), 1)]);
    assert_eq!(wins(11).await, [(LineItemId(7), 2), (LineItemId(8), 1)]);
    assert_eq!(wins(12).await, []);
}

/// Four notices of two tenants: advertiser 1 on line items 3 and 7, advertiser 99 on line item 9.
async fn two_tenants(database: &Database) -> SqlStore {
    let store = database.open().await;
    let mut other = placed(2, 9, 10, "USD");
    (other.token.advertiser, other.token.campaign) = (AdvertiserId(99), CampaignId(98));
    let click = seen(4, NoticeKind::Click);
    let batch = [placed(1, 7, 10, "USD"), other, placed(3, 7, 12, "USD"), click];
    store.record(&batch).await.unwrap();
    store
}

pub(super) async fn spend_is_filtered_and_tenants_are_apart(database: Database) {
    let store = two_tenants(&database).await;
    let all = || SpendQuery { limit: 10, ..SpendQuery::default() };
    let (acme, other) = (Some(AdvertiserId(1)), Some(AdvertiserId(99)));
    let (seven, nine) = (LineItemId(7), LineItemId(9));
    let (from, to) = (Some(BudgetDay(11)), Some(BudgetDay(12)));
    let cases = [
        (4, all()),
        (1, SpendQuery { advertiser: other, ..all() }),
        (1, SpendQuery { campaign: Some(CampaignId(98)), ..all() }),
        (3, SpendQuery { line_items: vec![seven, nine], ..all() }),
        (0, SpendQuery { line_items: vec![nine], advertiser: acme, ..all() }),
        (1, SpendQuery { first_day: from, last_day: to, ..all() }),
    ];
    for (want, query) in cases {
        assert_eq!(store.spend(&query).await.unwrap().len(), want, "{query:?}");
    }
}

pub(super) async fn notices_are_filtered_and_tenants_are_apart(database: Database) {
    let store = two_tenants(&database).await;
    let all = || NoticeQuery { limit: 10, ..NoticeQuery::default() };
    let (acme, other) = (Some(AdvertiserId(1)), Some(AdvertiserId(99)));
    let at = Some(billed(1, 1).received);
    let cases = [
        (4, all()),
        (1, NoticeQuery { kind: Some(NoticeKind::Click), ..all() }),
        (2, NoticeQuery { line_item: Some(LineItemId(7)), ..all() }),
        (1, NoticeQuery { advertiser: other, ..all() }),
        (0, NoticeQuery { advertiser: acme, line_item: Some(LineItemId(9)), ..all() }),
        (4, NoticeQuery { from: at, ..all() }),
        (0, NoticeQuery { until: at, ..all() }),
    ];
    for (want, query) in cases {
        assert_eq!(store.notices(&query).await.unwrap().len(), want, "{query:?}");
    }
}

pub(super) async fn notices_come_back_as_they_were(database: Database) {
    let store = database.open().await;
    let mut loss = seen(1, NoticeKind::Loss);
    (loss.loss_reason, loss.min_to_win) = (Some(102), Some(Cpm(2_500_000)));
    store.record(&[billed(2, 500), loss.clone()]).await.unwrap();
    let mut query = NoticeQuery { limit: 1, ..Default::default() };
    let newest = store.notices(&query).await.unwrap().remove(0);
    query.before = Some(newest.seq);
    let older = store.notices(&query).await.unwrap().remove(0);
    let (lost, bought) = if newest.kind == "loss" { (newest, older) } else { (older, newest) };

    assert_eq!((lost.loss_reason, lost.min_to_win), (Some(102), Some(Cpm(2_500_000))));
    assert_eq!((lost.price, lost.outcome.as_str()), (None, "not_billing"));
    assert_eq!((bought.bid.as_str(), bought.exchange.as_str()), ("00000000000000000000000000000002", "demo"));
    assert_eq!(
        (bought.price, bought.charged, bought.max_price),
        (Some(Cpm(500)), Nanos(500), Cpm(2_000_000))
    );
    assert_eq!((bought.auction.as_str(), bought.imp.as_str()), ("auction", "1"));
    assert_eq!(bought.issued, Timestamp::from_secs(1_790_000_000));
    assert_eq!(bought.day, BudgetDay(20_717));
}

pub(super) async fn sums_beyond_64_bits_say_what_to_do(database: Database) {
    let store = database.open().await;
    let batch = [placed(1, 7, 10, "USD"), placed(2, 7, 11, "USD"), placed(3, 8, 11, "USD")];
    store.record(&batch).await.unwrap();
    // Line item 8 leaves 99 below the most that there is.
    for table in ["tallies", "report_tallies"] {
        let sql = format!("UPDATE {table} SET spent = {} WHERE line_item = 8", i64::MAX - 199);
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(store.pool()).await.unwrap();
    }
    let whole = SpendQuery { limit: 10, ..Default::default() };
    let exact = ReportQuery { limit: 10, ..Default::default() };
    let spent = store.totals(&whole).await.map(|totals| totals[0].1.spent);
    assert_eq!(spent, Err(StoreError::Beyond(Beyond("spent"))));
    assert_eq!(store.sums(&exact).await, Err(StoreError::Beyond(Beyond("spent"))));
    let by_day = ReportQuery { by: vec![By::Day], ..exact.clone() };
    let rows = store.report(&by_day).await.unwrap();
    let spent: Vec<i64> = rows.iter().map(|row| row.sold.spent).collect();
    assert_eq!(spent, [100, i64::MAX - 99]);
    let last = SpendQuery { first_day: Some(BudgetDay(11)), ..whole };
    assert_eq!(store.totals(&last).await.unwrap()[0].1.spent, i64::MAX - 99);
}

//! Reports say what the notices say.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tagbid_notice::NoticeKind;
use tagbid_types::{AdvertiserId, BudgetDay, CampaignId, Cpm, CreativeId, LineItemId, Nanos, Timestamp};

use super::converting::sold;
use super::{Database, spent};
use crate::judge::{LOST, Outcome, Record};
use crate::store::fixture::{billed, seen, token};
use crate::store::report::{By, LossQuery, LossRow, ReportQuery, Reports, Sold};
use crate::store::{NoticeQuery, SqlStore, Store};

const HOUR: i64 = 3_600_000_000;

/// A notice of bid `bid` of one of a few line items, creatives, exchanges, currencies and hours.
fn some_notice(bid: u128, place: [u8; 5], kind: u8, price: i64) -> Record {
    let kind = NoticeKind::ALL[usize::from(kind) % 5];
    let mut record = if kind == NoticeKind::Bill { billed(bid, price) } else { seen(bid, kind) };
    let [line_item, creative, exchange, currency, hour] = place;
    record.token.line_item = LineItemId(3 + u64::from(line_item % 3));
    record.token.campaign = CampaignId(2 + u64::from(line_item % 2));
    record.token.creative = CreativeId(4 + u64::from(creative % 2));
    record.token.exchange = ["demo", "other"][usize::from(exchange % 2)].parse().unwrap();
    record.token.budget_currency = ["USD", "EUR"][usize::from(currency % 2)].parse().unwrap();
    record.token.issued = Timestamp(token(0).issued.0 + i64::from(hour % 30) * HOUR);
    record.token.budget_day = BudgetDay(20_717 + i32::from(hour % 30) / 24);
    if kind == NoticeKind::Loss {
        (record.loss_reason, record.min_to_win) = (Some(u16::from(creative % 3) * 50), Some(Cpm(price)));
    }
    record
}

async fn rows(store: &SqlStore, by: &[By]) -> Vec<(Vec<String>, String, Sold)> {
    let query = ReportQuery { by: by.to_vec(), limit: 1_000, ..ReportQuery::default() };
    let rows = store.report(&query).await.unwrap();
    rows.into_iter().map(|row| (row.place.keys, row.place.currency, row.sold)).collect()
}

/// What the notices that are kept come to, by whatever `key` makes of one.
async fn from_notices(store: &SqlStore, by: &[By]) -> Vec<(Vec<String>, String, Sold)> {
    let all = NoticeQuery { limit: 10_000, ..NoticeQuery::default() };
    let mut sums = std::collections::BTreeMap::<_, Sold>::new();
    for notice in store.notices(&all).await.unwrap() {
        let number = |by: &By| match by {
            By::Campaign => notice.campaign.0.cast_signed(),
            By::LineItem => notice.line_item.0.cast_signed(),
            By::Creative => notice.creative.0.cast_signed(),
            By::Day => notice.day.0.into(),
            By::Hour => notice.issued.0 / HOUR,
            By::Advertiser | By::Exchange => 0,
        };
        // In the order of the database: numbers as numbers.
        let key: Vec<(i64, String)> = by
            .iter()
            .map(|by| match by {
                By::Exchange => (0, notice.exchange.clone()),
                by => (number(by), number(by).to_string()),
            })
            .collect();
        if notice.outcome == LOST {
            continue;
        }
        let sold = sums.entry((key, notice.budget_currency.clone())).or_default();
        sold.spent += notice.charged.0;
        sold.billed += i64::from(notice.outcome == "billed");
        match notice.kind.as_str() {
            "win" => sold.wins += 1,
            "loss" => sold.losses += 1,
            "imp" => sold.imps += 1,
            "click" => sold.clicks += 1,
            _ => {}
        }
    }
    let text = |key: Vec<(i64, String)>| key.into_iter().map(|(_, text)| text).collect();
    sums.into_iter().map(|((key, currency), sold)| (text(key), currency, sold)).collect()
}

/// Whatever was sent, in whichever batches and however often, every report is the sum of the notices that are kept, to the nano, and its
/// spend that of the ledger.
pub(super) async fn reports_are_the_sums_of_the_notices(database: Database) {
    let store = database.open().await;
    let notice = (0..40_u128, any::<[u8; 5]>(), any::<u8>(), 1..3_000_000_i64)
        .prop_map(|(bid, place, kind, price)| some_notice(bid, place, kind, price));
    let batches = prop::collection::vec(prop::collection::vec(notice, 1..60), 8);
    for batch in batches.new_tree(&mut TestRunner::deterministic()).unwrap().current() {
        store.record(&batch).await.unwrap();
    }
    for by in [
        &[][..],
        &[By::LineItem],
        &[By::Exchange, By::Creative],
        &[By::Day],
        &[By::Hour, By::Campaign],
        &[By::Campaign, By::LineItem, By::Exchange, By::Day],
    ] {
        let want = from_notices(&store, by).await;
        assert!(want.len() > 1 && want.iter().any(|(_, _, sold)| sold.spent > 0));
        assert_eq!(rows(&store, by).await, want, "{by:?}");
    }
    let (report, ledger) = (rows(&store, &[]).await, store.totals(&Default::default()).await.unwrap());
    let report: Vec<_> = report.iter().map(|(_, currency, sold)| (currency.as_str(), sold.spent)).collect();
    let ledger: Vec<_> = ledger.iter().map(|(currency, tally)| (currency.as_str(), tally.spent)).collect();
    assert_eq!(report, ledger);
}

pub(super) async fn what_did_not_sell_is_not_in_reports(database: Database) {
    let store = database.open().await;
    let late = Record { outcome: Outcome::Late, charged: Nanos::ZERO, ..billed(1, 500) };
    let test = Record { outcome: Outcome::Test, ..seen(2, NoticeKind::Click) };
    store.record(&[late, test, billed(3, 500), billed(3, 600)]).await.unwrap();
    assert_eq!(sold(&store).await, Sold { spent: 500, billed: 1, ..Sold::default() });
    assert_eq!(spent(&store).await.spent, 500);
}

pub(super) async fn report_pages_meet_and_tenants_are_apart(database: Database) {
    let store = database.open().await;
    let batch: Vec<Record> =
        (0..60_u8).map(|n| some_notice(n.into(), [n, n / 3, n / 7, n / 11, n / 2], 1, 1_000)).collect();
    store.record(&batch).await.unwrap();
    let by = vec![By::Exchange, By::LineItem, By::Hour];
    let all = rows(&store, &by).await;
    let mut query = ReportQuery { by, limit: 7, ..ReportQuery::default() };
    let mut paged = Vec::new();
    loop {
        let page = store.report(&query).await.unwrap();
        let Some(last) = page.last() else { break };
        query.after = Some(last.place.clone());
        paged.extend(page.into_iter().map(|row| (row.place.keys, row.place.currency, row.sold)));
    }
    assert_eq!(paged, all);
    let billed = async |query: ReportQuery| -> i64 {
        store.sums(&query).await.unwrap().iter().map(|(_, sold)| sold.billed).sum()
    };
    let none = ReportQuery { advertiser: Some(AdvertiserId(9)), ..ReportQuery::default() };
    assert_eq!(billed(none).await, 0);
    let first = token(0).issued.0 / HOUR;
    let hours = ReportQuery { from_hour: Some(first), until_hour: Some(first + 3), ..ReportQuery::default() };
    assert_eq!(billed(hours).await, 6);
    let some = ReportQuery {
        line_items: vec![LineItemId(4)],
        exchange: Some("other".parse().unwrap()),
        first_day: Some(BudgetDay(20_718)),
        ..ReportQuery::default()
    };
    let want = batch.iter().map(|record| &record.token).filter(|token| {
        token.line_item.0 == 4 && token.exchange.as_str() == "other" && token.budget_day.0 == 20_718
    });
    assert_eq!(billed(some).await, i64::try_from(want.count()).unwrap());
}

pub(super) async fn losses_tell_why_and_what_would_have_won(database: Database) {
    let store = database.open().await;
    // The bid was 2 USD.
    let lost = |bid, reason, to_win: Option<i64>| Record {
        loss_reason: reason,
        min_to_win: to_win.map(Cpm),
        ..seen(bid, NoticeKind::Loss)
    };
    let batch = [
        lost(1, Some(102), Some(2_200_000)),
        lost(2, Some(102), Some(2_100_000)),
        lost(3, Some(102), Some(9_000_000)),
        lost(4, None, None),
        lost(4, None, None),
    ];
    store.record(&batch).await.unwrap();
    let query = LossQuery { of: ReportQuery { limit: 10, ..ReportQuery::default() }, after: None };
    let row = |reason, needed, losses| LossRow { line_item: LineItemId(3), reason, needed, losses };
    let want = [row(0, 0, 1), row(102, 110, 2), row(102, 1_000_000, 1)];
    assert_eq!(store.losses(&query).await.unwrap(), want);
    let rest = LossQuery { after: Some((3, 102, 110)), ..query };
    assert_eq!(store.losses(&rest).await.unwrap(), want[2..]);
}

//! What the event log is told.

use std::time::Duration;

use tagbid_notice::{Click, NoticeKind};
use tagbid_ports::{Attribution, ConversionFact, Event, EventKind, Fact, NoticeFact, Verdict};
use tagbid_tagset::UserKey;
use tagbid_types::{BidId, BudgetDay, Cpm, Currency, Nanos, Permission, Ratio, Timestamp};

use super::Database;
use crate::conversion::Conversion;
use crate::judge::Record;
use crate::store::fixture::{billed, converted, seen, token};
use crate::store::{Erased, Journal, SqlStore, Table};

/// What the billing notice of bid 1 says.
fn billing() -> NoticeFact {
    NoticeFact {
        verdict: Verdict::Billed,
        price: Some(Cpm(500)),
        charged: Nanos(500),
        excess: Nanos(0),
        uncovered: Nanos(0),
        over_capacity: 0,
        budget_currency: Currency::USD,
        budget_day: BudgetDay(20_717),
        loss_reason: None,
        min_to_win: None,
    }
}

/// What the event log is told of billings.
pub(super) async fn billings(store: &SqlStore) -> Vec<NoticeFact> {
    let events = store.events(Table::Notices, 0, i64::MAX, 100).await.unwrap();
    let billing = |event: Event| match event.fact {
        Fact::Billing(notice) => Some(notice),
        _ => None,
    };
    events.into_iter().filter_map(|(_, event)| billing(event)).collect()
}

pub(super) async fn events_say_what_was_kept(database: Database) {
    let store = database.open().await;
    let mut click = seen(1, NoticeKind::Click);
    (click.token.user, click.token.permission) = (Some([7; 16]), Permission::ALL);
    click.token.quantity = Ratio(2_500_000);
    let loss =
        Record { loss_reason: Some(102), min_to_win: Some(Cpm(2_500_000)), ..seen(2, NoticeKind::Loss) };
    store.record(&[billed(1, 500), click, loss, billed(1, 600)]).await.unwrap();

    let events = store.events(Table::Notices, 0, i64::MAX, 10).await.unwrap();
    let kinds: Vec<EventKind> = events.iter().map(|(_, event)| event.kind()).collect();
    assert_eq!(kinds, [EventKind::Billing, EventKind::Click, EventKind::Loss]);
    let [(first, bill), (second, click), (_, loss)] = &events[..] else { panic!("{events:?}") };
    assert!(0 < *first && first < second);
    assert_eq!((bill.at, &bill.fact), (billed(1, 1).received, &Fact::Billing(billing())));
    let bid = |event: &Event| event.bid.clone().unwrap();
    assert_eq!((bid(bill).id, bid(bill).price, bid(bill).at), (BidId(1), Cpm(2_000_000), token(1).issued));
    assert_eq!((bid(bill).imp.as_str(), bill.user), ("1", None));
    assert_eq!((click.user.unwrap().key.0, bid(click).quantity), ([7; 16], Ratio(2_500_000)));
    let Fact::Loss(lost) = &loss.fact else { panic!("{loss:?}") };
    assert_eq!((lost.loss_reason, lost.min_to_win), (Some(102), Some(Cpm(2_500_000))));
}

pub(super) async fn suspects_and_conversions_are_events(database: Database) {
    let store = database.open().await;
    store.record(&[billed(1, 500), billed(1, 600), billed(1, 700)]).await.unwrap();
    let bills = store.events(Table::Notices, 0, i64::MAX, 10).await.unwrap();
    let [(_, bill)] = &bills[..] else { panic!("{bills:?}") };
    let click = Some(Click::new(&token(1), token(1).issued));
    let bought = Conversion { click, ..converted("o", token(1).issued) };
    store.convert(&[converted("nobody's", token(1).issued), bought]).await.unwrap();

    let suspects = store.events(Table::Quarantine, 0, i64::MAX, 10).await.unwrap();
    let [(_, suspect)] = &suspects[..] else { panic!("once a bid and kind: {suspects:?}") };
    let said = NoticeFact {
        verdict: Verdict::Quarantined("price".into()),
        price: Some(Cpm(700)),
        charged: Nanos::ZERO,
        ..billing()
    };
    assert_eq!((suspect.bid.clone(), &suspect.fact), (bill.bid.clone(), &Fact::Billing(said)));

    let conversions = store.events(Table::Conversions, 0, i64::MAX, 10).await.unwrap();
    let [(_, nobodys), (_, conversion)] = &conversions[..] else { panic!("each of them: {conversions:?}") };
    let said = ConversionFact {
        advertiser: token(1).advertiser,
        name: "purchase".into(),
        reference: "o".into(),
        value: Some((Nanos(19_990_000_000), Currency::USD)),
        attribution: Attribution::Click,
    };
    let why = Attribution::None("no_click_or_view".into());
    let uncredited = ConversionFact { reference: "nobody's".into(), attribution: why, ..said.clone() };
    assert_eq!((conversion.bid.clone(), &conversion.fact), (bill.bid.clone(), &Fact::Conversion(said)));
    assert_eq!((nobodys.bid.clone(), &nobodys.fact), (None, &Fact::Conversion(uncredited)));
}

pub(super) async fn events_are_read_in_order_from_any_number(database: Database) {
    let store = database.open().await;
    for batch in 0..3_u128 {
        let records: Vec<Record> = (0..5).map(|bid| billed(batch * 5 + bid, 100)).collect();
        store.record(&records).await.unwrap();
    }
    let mut bids = Vec::new();
    let mut after = 0;
    loop {
        let events = store.events(Table::Notices, after, i64::MAX, 4).await.unwrap();
        let Some((last, _)) = events.last() else { break };
        after = last.cast_signed();
        bids.extend(events.iter().map(|(_, event)| event.bid.as_ref().unwrap().id.0));
    }
    assert_eq!(bids, (0..15).collect::<Vec<_>>());
    assert_eq!(store.last(Table::Notices).await.unwrap(), after);
    let some = store.events(Table::Notices, after - 3, after - 1, 10).await.unwrap();
    assert_eq!(some.len(), 2);
}

pub(super) async fn a_database_has_a_name_for_each_of_its_lives(database: Database) {
    let store = database.open().await;
    let lives = store.lives().await.unwrap();
    let [first] = &lives[..] else { panic!("{lives:?}") };
    assert_eq!((first.name.len(), first.after(Table::Notices)), (16, 0));
    store.record(&[billed(1, 100)]).await.unwrap();
    store.begin_life("second").await.unwrap();
    let lives = database.open().await.lives().await.unwrap();
    let [again, second] = &lives[..] else { panic!("{lives:?}") };
    assert_eq!((again, second.name.as_str()), (first, "second"));
    let last = store.last(Table::Notices).await.unwrap();
    assert_eq!((second.after(Table::Notices), second.after(Table::Conversions)), (last, 0));
}

pub(super) async fn users_are_forgotten_when_no_conversion_can_be_theirs(database: Database) {
    let store = database.open().await;
    let hour = |hours: u64| token(0).issued.after(Duration::from_secs(hours * 3_600));
    let seen_at = |bid, kind, at: Timestamp| {
        let mut record = seen(bid, kind);
        (record.token.user, record.token.permission) = (Some([7; 16]), Permission::ALL);
        record.token.issued = at;
        Record { received: at.after(Duration::from_secs(10)), ..record }
    };
    let old = [
        seen_at(1, NoticeKind::Imp, hour(1)),
        seen_at(1, NoticeKind::Click, hour(1)),
        seen_at(2, NoticeKind::Imp, hour(3)),
        seen_at(2, NoticeKind::Click, hour(3)),
    ];
    store.record(&old).await.unwrap();
    assert_eq!(store.forget_users(hour(1), hour(2), 10).await.unwrap(), 1);
    assert_eq!(store.forget_users(hour(2), hour(9), 1).await.unwrap(), 1);
    assert_eq!(store.forget_users(hour(2), hour(9), 10).await.unwrap(), 1);
    assert_eq!(store.forget_users(hour(2), hour(9), 10).await.unwrap(), 0);
    let events = store.events(Table::Notices, 0, i64::MAX, 10).await.unwrap();
    let known: Vec<bool> = events.iter().map(|(_, event)| event.user.is_some()).collect();
    assert_eq!(known, [false, false, false, true]);
}

pub(super) async fn erased_users_are_forgotten_up_to_then(database: Database) {
    let store = database.open().await;
    let hour = |hours: u64| token(0).issued.after(Duration::from_secs(hours * 3_600));
    let seen_at = |bid, user: u8, at: Timestamp| {
        let mut record = seen(bid, NoticeKind::Imp);
        (record.token.user, record.token.permission) = (Some([user; 16]), Permission::ALL);
        record.token.issued = at;
        Record { received: at.after(Duration::from_secs(10)), ..record }
    };
    let views = [seen_at(1, 7, hour(1)), seen_at(2, 7, hour(3)), seen_at(3, 8, hour(1))];
    store.record(&views).await.unwrap();
    let erased = [Erased::new(UserKey([7; 16]), hour(2)), Erased::new(UserKey([9; 16]), hour(9))];
    store.erase_users(&erased).await.unwrap();
    let events = store.events(Table::Notices, 0, i64::MAX, 10).await.unwrap();
    let known: Vec<Option<u8>> = events.iter().map(|(_, event)| Some(event.user?.key.0[0])).collect();
    assert_eq!(known, [None, Some(7), Some(8)]);
    // A notice of a bid of before comes after that; one of a bid since then is the user's again.
    let late = [seen_at(4, 7, hour(2)), seen_at(5, 7, hour(4))];
    store.record(&late).await.unwrap();
    let events = store.events(Table::Notices, 0, i64::MAX, 10).await.unwrap();
    let known: Vec<Option<u8>> = events.iter().skip(3).map(|(_, event)| Some(event.user?.key.0[0])).collect();
    assert_eq!(known, [None, Some(7)]);
}

//! Leases: granted once whoever asks, paid from once however often a notice comes, and the same after a restart.

use tagbid_budget::{
    AccountId, Ask, Beat, Epoch, Grant, LeaseId, Owner, Period, Refusal, Second, Stand, Unit, Update,
};
use tagbid_catalog::Budget;
use tagbid_notice::NoticeKind;
use tagbid_ports::Opened;
use tagbid_types::{AdvertiserId, BudgetDay, CampaignId, Clock, Cpm, LineItemId, Nanos, Revision, Timestamp};

use super::*;
use crate::judge::Outcome;
use crate::limits::Read;
use crate::store::Told;
use crate::store::fixture::{billed, seen, token};

pub(super) const LINE: tagbid_budget::Line =
    tagbid_budget::Line { advertiser: AdvertiserId(1), campaign: CampaignId(2), line_item: LineItemId(3) };
pub(super) const DAY: BudgetDay = BudgetDay(20_717);

pub(super) async fn one(store: &SqlStore, work: Work) -> Done {
    store.commit(&[work]).await.unwrap().pop().unwrap()
}

pub(super) async fn open(store: &SqlStore) -> Opened {
    match one(store, Work::Open).await {
        Done::Opened(opened) => opened,
        other => panic!("{other:?}"),
    }
}

async fn acquire(store: &SqlStore, epoch: Epoch, known: i64, want: i64) -> Result<Grant, Refusal> {
    acquire_of(store, Unit::Money, epoch, known, want).await
}

pub(super) async fn acquire_of(
    store: &SqlStore,
    unit: Unit,
    epoch: Epoch,
    known: i64,
    want: i64,
) -> Result<Grant, Refusal> {
    let ask = Ask {
        epoch,
        line: LINE,
        unit,
        day: DAY,
        day_ends: Timestamp(i64::MAX),
        known: Nanos(known),
        want: Nanos(want),
        least: Nanos(1),
        longest_hold_s: 60,
    };
    match one(store, Work::Acquire(vec![ask])).await {
        Done::Acquired(grants) => grants[0],
        other => panic!("{other:?}"),
    }
}

/// Lets the line item spend so much a day.
pub(super) fn budget(database: &Database, daily: i64) {
    let budget = Budget { daily: Some(Nanos(daily)), lifetime: None };
    database.limits.set(Owner::LineItem(LINE.line_item), budget);
}

/// A notice for bid `bid`, held under a lease until a second from now.
pub(super) fn under(
    lease: LeaseId,
    epoch: Epoch,
    bid: u128,
    price: i64,
    database: &Database,
    hold_s: i64,
) -> Record {
    let mut record = billed(bid, price);
    record.token.lease = lease.0;
    record.token.epoch = epoch.0;
    record.token.hold_until_s = database.clock.now().secs() + hold_s;
    record.token.max_price = Cpm(1_000);
    record
}

/// The same bid, lost.
pub(super) fn lost(sale: &Record) -> Record {
    Record {
        kind: NoticeKind::Loss,
        price: None,
        outcome: Outcome::NotBilling,
        charged: Nanos::ZERO,
        ..sale.clone()
    }
}

pub(super) async fn beat(store: &SqlStore, epoch: Epoch, leases: Vec<Stand>) -> bool {
    let beat = Beat { epoch, applied: Second(i64::MIN), leases, wants: vec![], lives: 0 };
    match one(store, Work::Beat(beat)).await {
        Done::Beaten(beaten) => beaten.is_ok(),
        other => panic!("{other:?}"),
    }
}

pub(super) fn stand(lease: LeaseId, held: i64, returned: i64) -> Stand {
    Stand { lease, held: Nanos(held), returned: Nanos(returned), last_end: None }
}

/// All that a bidder has to hear.
pub(super) async fn update(store: &SqlStore, epoch: Epoch) -> Update {
    store.update(epoch, Told::default(), usize::MAX).await.0
}

pub(super) async fn advance(store: &SqlStore, database: &Database, seconds: u64) {
    database.clock.advance(Duration::from_secs(seconds));
    assert_eq!(one(store, Work::Advance).await, Done::Changed);
}

pub(super) fn sums(update: &Update, lease: LeaseId) -> (i64, i64, i64) {
    let mine = update.buckets.iter().filter(|(id, _, _)| *id == lease);
    mine.fold((0, 0, 0), |(settled, charged, released), (_, _, sums)| {
        (settled + sums.settled.0, charged + sums.charged.0, released + sums.released.0)
    })
}

pub(super) async fn a_lease_pays_for_its_bids_and_survives_a_restart(database: Database) {
    budget(&database, 10_000);
    let store = database.open().await;
    let epoch = open(&store).await.epoch;
    let grant = acquire(&store, epoch, 0, 4_000).await.unwrap();
    assert_eq!(grant.granted, Nanos(4_000));
    let notice = under(grant.lease, epoch, 1, 600, &database, 30);
    assert_eq!(
        store.record(&[notice.clone(), notice.clone()]).await.unwrap(),
        [Verdict::Recorded, Verdict::Duplicate]
    );
    let before = update(&store, epoch).await;
    assert_eq!(sums(&before, grant.lease), (1_000, 600, 0));
    let books = store.books().await;
    drop(store);

    let store = database.open().await;
    assert_eq!(store.record(&[notice]).await.unwrap(), [Verdict::Duplicate]);
    assert_eq!(update(&store, epoch).await, before);
    assert_eq!(store.books().await, books);
    let again = acquire(&store, epoch, 0, 4_000).await.unwrap();
    assert_eq!(Grant { spare: grant.spare, ..again }, grant, "told again, not granted again");
    assert_eq!(acquire(&store, epoch, 4_000, 9_000).await.unwrap().granted, Nanos(10_000));
    assert!(matches!(acquire(&store, epoch, 10_000, 1).await, Err(Refusal::Empty(_))));
    assert_eq!(spent(&store).await.spent, 600);
}

pub(super) async fn two_ledgers_never_grant_the_same_money(database: Database) {
    budget(&database, 10_000);
    let (first, second) = (database.open().await, database.open().await);
    let epochs = (open(&first).await.epoch, open(&second).await.epoch);
    assert_ne!(epochs.0, epochs.1);
    let drain = async |store: &SqlStore, epoch| {
        let mut known = 0;
        while let Ok(grant) = acquire(store, epoch, known, 700).await {
            known = grant.granted.0;
        }
        known
    };
    let granted = tokio::join!(drain(&first, epochs.0), drain(&second, epochs.1));
    // Who gets how much is a matter of who was quicker.
    assert_eq!(granted.0 + granted.1, 10_000, "{granted:?}");
}

pub(super) async fn ledgers_that_take_turns_read_what_the_other_wrote(database: Database) {
    budget(&database, 100_000);
    let ledgers = [database.open().await, database.open().await];
    let epoch = open(&ledgers[0]).await.epoch;
    let grant = acquire(&ledgers[1], epoch, 0, 50_000).await.unwrap();
    for turn in 0..20_u128 {
        let ledger = &ledgers[usize::from(turn % 3 == 0)];
        let notice = under(grant.lease, epoch, turn, 500, &database, 30 + turn as i64);
        assert_eq!(ledger.record(&[notice]).await.unwrap(), [Verdict::Recorded]);
    }
    advance(&ledgers[0], &database, 1).await;
    advance(&ledgers[1], &database, 1).await;
    advance(&ledgers[0], &database, 0).await;
    assert_eq!(ledgers[0].books().await, ledgers[1].books().await);
    assert_eq!(sums(&update(&ledgers[0], epoch).await, grant.lease), (20_000, 10_000, 0));
}

pub(super) async fn a_loss_gives_the_hold_back_and_a_sale_after_it_costs_no_more_than_is_free(
    database: Database,
) {
    budget(&database, 2_000);
    let store = database.open().await;
    let epoch = open(&store).await.epoch;
    let grant = acquire(&store, epoch, 0, 1_900).await.unwrap();
    let sale = under(grant.lease, epoch, 1, 800, &database, 30);
    let loss = lost(&sale);
    assert_eq!(
        store.record(&[loss.clone(), loss, sale]).await.unwrap(),
        [Verdict::Recorded, Verdict::Duplicate, Verdict::Recorded]
    );
    assert_eq!(sums(&update(&store, epoch).await, grant.lease), (0, 0, 1_000));
    let tally = spent(&store).await;
    assert_eq!((tally.spent, tally.uncovered), (100, 700));

    // The other way round the sale stands, and the loss releases nothing.
    let sale = under(grant.lease, epoch, 2, 800, &database, 30);
    let loss = lost(&sale);
    store.record(&[sale]).await.unwrap();
    store.record(&[loss]).await.unwrap();
    assert_eq!(sums(&update(&store, epoch).await, grant.lease), (1_000, 800, 1_000));
}

pub(super) async fn a_silent_bidders_money_returns(database: Database) {
    budget(&database, 10_000);
    let store = database.open().await;
    let silent = open(&store).await.epoch;
    acquire(&store, silent, 0, 10_000).await.unwrap();
    advance(&store, &database, 9).await;
    assert!(beat(&store, silent, vec![]).await);
    // Session 10, longest hold 60, grace 2.
    advance(&store, &database, 71).await;
    let other = open(&store).await.epoch;
    assert!(matches!(acquire(&store, other, 0, 1).await, Err(Refusal::Empty(_))));
    assert!(!beat(&store, silent, vec![]).await);
    advance(&store, &database, 2).await;
    assert!(acquire(&store, other, 0, 10_000).await.is_ok());
    assert!(matches!(acquire(&store, silent, 0, 1).await, Err(Refusal::Session(_))));
}

pub(super) async fn a_lowered_budget_recalls_leases(database: Database) {
    budget(&database, 10_000);
    let store = database.open().await;
    let epoch = open(&store).await.epoch;
    let grant = acquire(&store, epoch, 0, 5_000).await.unwrap();
    assert_eq!(update(&store, epoch).await.recalled, []);
    budget(&database, 1_000);
    one(&store, Work::Limits(vec![Owner::LineItem(LINE.line_item)])).await;
    assert_eq!(update(&store, epoch).await.recalled, [grant.lease]);
    assert!(beat(&store, epoch, vec![stand(grant.lease, 500, 4_500)]).await);
    assert_eq!(update(&store, epoch).await.recalled, []);
    let account = AccountId::money(Owner::LineItem(LINE.line_item), Period::Day(DAY));
    let account = store.books().await.account(account);
    assert_eq!((account.available(), account.pot(tagbid_budget::Pot::Held)), (Nanos(500), Nanos(500)));
}

pub(super) async fn what_is_over_the_budget_is_counted_and_not_billed(database: Database) {
    budget(&database, 1_000);
    let store = database.open().await;
    let epoch = open(&store).await.epoch;
    let grant = acquire(&store, epoch, 0, 900).await.unwrap();
    let late = under(grant.lease, epoch, 1, 700, &database, 3);
    advance(&store, &database, 5).await;
    assert_eq!(store.record(&[late]).await.unwrap(), [Verdict::Recorded]);
    let tally = spent(&store).await;
    assert_eq!((tally.spent, tally.uncovered, tally.billed), (100, 600, 1));
    // Nothing is left of the budget for a bid that was made when there was none.
    let before = Record { charged: Nanos(700), ..seen(2, NoticeKind::Bill) };
    let before = Record { token: token(2), price: Some(Cpm(700)), outcome: Outcome::Billed, ..before };
    store.record(&[before]).await.unwrap();
    let tally = spent(&store).await;
    assert_eq!((tally.spent, tally.uncovered, tally.billed), (100, 1_300, 2));
    let logged = billings(&store).await;
    let logged: Vec<_> = logged.iter().map(|one| (one.charged.0, one.uncovered.0)).collect();
    assert_eq!(logged, [(100, 600), (0, 700)], "the event log says it of each");
}

pub(super) async fn days_long_over_are_forgotten_and_their_spend_is_not(database: Database) {
    let (line_item, day) = (Owner::LineItem(LINE.line_item), Period::Day(DAY));
    let of_the_day = AccountId::money(line_item, day);
    let store = database.open().await;
    store.record(&[billed(1, 700)]).await.unwrap();
    assert_eq!(store.books().await.account(of_the_day).pot(tagbid_budget::Pot::Spent), Nanos(700));
    drop(store);
    advance_days(&database, 8);
    let store = database.open().await;
    one(&store, Work::Advance).await;
    let books = store.books().await;
    assert!(!books.has_account(of_the_day));
    let for_ever = AccountId::money(line_item, Period::Lifetime);
    assert_eq!(books.account(for_ever).pot(tagbid_budget::Pot::Spent), Nanos(700));
}

fn advance_days(database: &Database, days: u64) {
    database.clock.advance(Duration::from_secs(days * 24 * 3_600));
}

pub(super) async fn a_lease_of_long_ago_returns_after_an_outage_of_days(database: Database) {
    budget(&database, 10_000);
    let store = database.open().await;
    let epoch = open(&store).await.epoch;
    acquire(&store, epoch, 0, 4_000).await.unwrap();
    drop(store);
    advance_days(&database, 30);
    let store = database.open().await;
    one(&store, Work::Advance).await;
    let books = store.books().await;
    assert_eq!(books.leases().count(), 0);
    books.audit().unwrap();
    let for_ever = AccountId::money(Owner::LineItem(LINE.line_item), Period::Lifetime);
    assert_eq!(books.account(for_ever).pot(tagbid_budget::Pot::Leased), Nanos::ZERO);
}

pub(super) async fn a_ledger_that_has_read_less_of_the_catalog_grants_nothing(database: Database) {
    let read = |revision, at| Read { revision: Revision(revision), changed: Timestamp(at) };
    budget(&database, 1_000);
    database.limits.reached(read(7, 700));
    let current = database.open().await;
    let epoch = open(&current).await.epoch;
    assert!(acquire(&current, epoch, 0, 100).await.is_ok());

    let behind = Arc::new(Limits::default());
    behind.reached(read(6, 600));
    let late = database.open_with(&behind).await;
    let owner = Owner::LineItem(LINE.line_item);
    assert_eq!(one(&late, Work::Acquire(vec![])).await, Done::Behind, "it knows of no budget");
    one(&late, Work::Limits(vec![owner])).await;
    let account = AccountId::money(owner, Period::Day(DAY));
    assert_eq!(late.books().await.account(account).limit(), Some(Nanos(1_000)));

    // It catches up; or the catalog was restored from a backup and has been changed since.
    for read in [read(7, 700), read(3, 800)] {
        behind.reached(read);
        assert_eq!(one(&late, Work::Acquire(vec![])).await, Done::Acquired(vec![]));
    }
}

pub(super) async fn a_bidder_is_told_what_is_new_and_all_of_it_from_other_books(database: Database) {
    budget(&database, 10_000);
    let store = database.open().await;
    let epoch = open(&store).await.epoch;
    let lease = acquire(&store, epoch, 0, 9_000).await.unwrap().lease;
    let notice = |bid: u8, hold_s| under(lease, epoch, bid.into(), 100, &database, hold_s);
    store.record(&[notice(1, 10), notice(2, 20), notice(3, 30)]).await.unwrap();

    let (first, told) = store.update(epoch, Told::default(), 2).await;
    assert_eq!((first.buckets.len(), first.watermark), (2, Second::NEVER), "more follows");
    let (second, told) = store.update(epoch, told, 2).await;
    assert_eq!((second.buckets.len(), second.watermark), (1, update(&store, epoch).await.watermark));
    assert_eq!(store.update(epoch, told, 2).await.0.buckets, []);
    store.record(&[notice(4, 10)]).await.unwrap();
    let (third, told) = store.update(epoch, told, 2).await;
    assert_eq!((third.buckets.len(), sums(&third, lease).1), (1, 200), "of the second that changed: its sum");

    drop(store);
    let store = database.open().await;
    one(&store, Work::Advance).await;
    let of_another_copy = Told { copy: told.copy + 1, ..told };
    let (again, _) = store.update(epoch, of_another_copy, 10).await;
    assert_eq!((again.buckets.len(), sums(&again, lease)), (3, (4_000, 400, 0)));
}

pub(super) async fn what_the_readme_lets_operators_delete_changes_no_balance(database: Database) {
    budget(&database, 1_000);
    let store = database.open().await;
    store.record(&[billed(1, 700), billed(2, 100)]).await.unwrap();
    advance_days(&database, 15);
    let mut young = billed(3, 150);
    (young.token.issued, young.received) = (database.clock.now(), database.clock.now());
    young.token.budget_day = BudgetDay(DAY.0 + 15);
    store.record(&[young.clone()]).await.unwrap();
    let (before, spend) = (database.clock.now().secs() - 14 * 86_400, spent(&store).await);
    drop(store);
    let store = database.open().await;
    for statement in [
        format!("DELETE FROM notices WHERE issued < {before}000000 AND seq < (SELECT MAX(seq) FROM notices)"),
        format!(
            "DELETE FROM accounts WHERE day > -2147483649 AND day < {} AND leased = 0 AND held = 0",
            before / 86_400
        ),
    ] {
        let deleted = sqlx::query(sqlx::AssertSqlSafe(statement)).execute(store.pool()).await.unwrap();
        assert!(deleted.rows_affected() > 0);
    }
    one(&store, Work::Advance).await;
    let for_ever = AccountId::money(Owner::LineItem(LINE.line_item), Period::Lifetime);
    let books = store.books().await;
    assert_eq!(books.account(for_ever).pot(tagbid_budget::Pot::Spent), Nanos(950));
    books.audit().unwrap();
    assert_eq!(store.record(&[young]).await.unwrap(), [Verdict::Duplicate]);
    let mut after = spent(&store).await;
    after.duplicates = 0;
    assert_eq!(after, spend);
}

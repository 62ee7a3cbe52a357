//! Capacities: impressions are leased, held and settled beside money, in the same transactions, and exactly.

use tagbid_budget::{Account, AccountId, Epoch, Grant, Owner, Period, Pot, Refusal, Unit};
use tagbid_catalog::Capacity;
use tagbid_types::{Clock, Nanos, Ratio};

use super::leasing::{DAY, LINE, acquire_of, advance, beat, lost, one, open, stand, sums, under, update};
use super::*;
use crate::store::NoticeQuery;
use crate::store::fixture::billed;

const CAMPAIGN: Owner = Owner::Campaign(LINE.campaign);

/// Lets the campaign deliver so many impressions a day, and for ever.
fn capacity(database: &Database, daily: Option<u64>, lifetime: Option<u64>) {
    database.limits.set_capacity(CAMPAIGN, Capacity { daily, lifetime });
}

async fn acquire(store: &SqlStore, epoch: Epoch, known: i64, want: i64) -> Result<Grant, Refusal> {
    acquire_of(store, Unit::Impressions, epoch, known, want).await
}

/// A notice for a bid that stands for so many impressions, held under a lease until a second from now.
fn shown(grant: &Grant, epoch: Epoch, bid: u128, quantity: i64, database: &Database, hold_s: i64) -> Record {
    let mut record = billed(bid, 100);
    record.token.capacity_lease = grant.lease.0;
    record.token.epoch = epoch.0;
    record.token.hold_until_s = database.clock.now().secs() + hold_s;
    record.token.quantity = Ratio(quantity * Ratio::ONE.0);
    record
}

async fn account(store: &SqlStore, period: Period) -> Account {
    store.books().await.account(AccountId::impressions(CAMPAIGN, period))
}

fn pots(account: &Account) -> [i64; 4] {
    [Pot::Free, Pot::Leased, Pot::Held, Pot::Spent].map(|pot| account.pot(pot).0)
}

pub(super) async fn a_bid_takes_money_and_impressions_and_a_restart_changes_nothing(database: Database) {
    capacity(&database, Some(10), None);
    let store = database.open().await;
    let epoch = open(&store).await.epoch;
    let money = acquire_of(&store, Unit::Money, epoch, 0, 10_000).await.unwrap();
    let room = acquire(&store, epoch, 0, 5).await.unwrap();
    assert_ne!(money.lease, room.lease, "each unit has a lease of its own");
    let bid = |number, quantity| {
        let mut record = under(money.lease, epoch, number, 800, &database, 30);
        record.token.capacity_lease = room.lease.0;
        record.token.quantity = quantity;
        record
    };
    // Two and a half count as three.
    let sale = bid(1, Ratio(2_500_000));
    let loss = lost(&bid(2, Ratio::ONE));
    assert!(beat(&store, epoch, vec![stand(money.lease, 3_500, 0), stand(room.lease, 4, 0)]).await);
    store.record(&[sale.clone(), sale, loss]).await.unwrap();
    assert_eq!(sums(&update(&store, epoch).await, money.lease), (2_500, 800, 1_000));
    assert_eq!(sums(&update(&store, epoch).await, room.lease), (3, 3, 1));
    assert_eq!(pots(&account(&store, Period::Day(DAY)).await), [5, 2, 0, 3]);

    advance(&store, &database, 0).await;
    let before = store.books().await;
    before.audit().unwrap();
    drop(store);
    let again = database.open().await;
    advance(&again, &database, 0).await;
    assert_eq!(again.books().await, before);
}

pub(super) async fn a_capacity_of_ten_is_ten_over_two_ledgers_and_eight_bidders(database: Database) {
    capacity(&database, None, Some(10));
    let ledgers = [database.open().await, database.open().await];
    let mut bidders = Vec::new();
    for number in 0..8 {
        bidders.push((number, open(&ledgers[number % 2]).await.epoch));
    }
    let drain = async |number: usize, epoch| {
        let (mut known, mut lease) = (0, None);
        while let Ok(grant) = acquire(&ledgers[number % 2], epoch, known, 4).await {
            (known, lease) = (grant.granted.0, Some(grant));
        }
        (epoch, lease)
    };
    let all = bidders.iter().map(|(number, epoch)| drain(*number, *epoch));
    let granted = futures_util::future::join_all(all).await;
    let leased: i64 = granted.iter().filter_map(|(_, grant)| grant.map(|grant| grant.granted.0)).sum();
    assert_eq!(leased, 10, "{granted:?}");

    // Each is shown, and told to the other ledger.
    let mut bid = 0;
    for (epoch, grant) in granted.iter().filter_map(|(epoch, grant)| Some((*epoch, (*grant)?))) {
        for _ in 0..grant.granted.0 {
            let ledger = &ledgers[usize::try_from(bid % 2).unwrap()];
            ledger.record(&[shown(&grant, epoch, bid, 1, &database, 30)]).await.unwrap();
            bid += 1;
        }
    }
    let tally = spent(&ledgers[0]).await;
    assert_eq!((tally.billed, tally.over_capacity), (10, 0));
    advance(&ledgers[1], &database, 0).await;
    assert_eq!(pots(&account(&ledgers[1], Period::Lifetime).await), [0, 0, 0, 10]);
}

pub(super) async fn what_is_over_a_capacity_is_billed_and_counted(database: Database) {
    capacity(&database, Some(3), None);
    let store = database.open().await;
    let epoch = open(&store).await.epoch;
    let first = acquire(&store, epoch, 0, 3).await.unwrap();
    let late = shown(&first, epoch, 1, 2, &database, 3);
    assert!(beat(&store, epoch, vec![stand(first.lease, 2, 1)]).await);
    // Its hold is over, the bidder gives all back, and another takes it.
    advance(&store, &database, 5).await;
    assert!(beat(&store, epoch, vec![stand(first.lease, 0, 3)]).await);
    let other = open(&store).await.epoch;
    // Of two bidders none is given all at once.
    assert_eq!(acquire(&store, other, 0, 2).await.unwrap().granted, Nanos(1));
    let second = acquire(&store, other, 1, 1).await.unwrap();
    store.record(&[late.clone(), late]).await.unwrap();
    let tally = spent(&store).await;
    assert_eq!((tally.billed, tally.spent, tally.uncovered), (1, 100, 0), "money decides what is billed");
    assert_eq!((tally.over_capacity, tally.duplicates), (1, 1), "one of its two was free");
    let notices = store.notices(&NoticeQuery { limit: 10, ..Default::default() }).await.unwrap();
    assert_eq!(notices.first().map(|notice| notice.over_capacity), Some(1));
    assert_eq!(
        billings(&store).await.first().map(|billing| billing.over_capacity),
        Some(1),
        "in the event log too"
    );

    store.record(&[shown(&second, other, 2, 2, &database, 30)]).await.unwrap();
    assert_eq!(spent(&store).await.over_capacity, 1, "who holds impressions gets them");
    assert_eq!(pots(&account(&store, Period::Day(DAY)).await), [0, 0, 0, 3]);
}

pub(super) async fn a_capacity_for_ever_counts_what_was_before_it(database: Database) {
    let store = database.open().await;
    store.record(&[billed(1, 100), billed(2, 100)]).await.unwrap();
    capacity(&database, None, Some(3));
    one(&store, Work::Limits(vec![CAMPAIGN])).await;
    assert_eq!(pots(&account(&store, Period::Lifetime).await), [1, 0, 0, 2]);
    // Two bids were under way when it was set.
    store.record(&[billed(3, 100), billed(4, 100)]).await.unwrap();
    let tally = spent(&store).await;
    assert_eq!((tally.billed, tally.over_capacity), (4, 1));
    let epoch = open(&store).await.epoch;
    let empty = AccountId::impressions(CAMPAIGN, Period::Lifetime);
    assert_eq!(acquire(&store, epoch, 0, 1).await, Err(Refusal::Empty(empty)));
}

pub(super) async fn a_lowered_capacity_recalls_leases_and_a_raised_one_goes_on(database: Database) {
    capacity(&database, Some(20), None);
    let store = database.open().await;
    let epoch = open(&store).await.epoch;
    let money = acquire_of(&store, Unit::Money, epoch, 0, 10_000).await.unwrap();
    let room = acquire(&store, epoch, 0, 10).await.unwrap();
    store.record(&[shown(&room, epoch, 1, 4, &database, 30)]).await.unwrap();
    capacity(&database, Some(5), None);
    one(&store, Work::Limits(vec![CAMPAIGN])).await;
    assert_eq!(update(&store, epoch).await.recalled, [room.lease], "money has no limit");
    assert!(beat(&store, epoch, vec![stand(room.lease, 0, 6), stand(money.lease, 0, 0)]).await);
    assert_eq!(update(&store, epoch).await.recalled, []);
    assert_eq!(pots(&account(&store, Period::Day(DAY)).await), [1, 0, 0, 4], "nothing is lost");
    capacity(&database, Some(6), None);
    assert_eq!(acquire(&store, epoch, 10, 10).await.unwrap().granted, Nanos(12));
    assert!(acquire(&store, epoch, 12, 1).await.is_err());
}

pub(super) async fn what_was_billed_before_there_were_capacities_counts(database: Database) {
    // As the version before this one left it: two bids billed, one for two and a half impressions, and one that was not.
    let pool = crate::store::connect::connect_before(&database.url, 8).await;
    for (bid, outcome, quantity) in
        [(1, "billed", 1_000_000), (2, "billed", 2_500_000), (3, "late", 1_000_000)]
    {
        let insert = format!(
            "INSERT INTO notices (exchange, bid, kind, priced, outcome, advertiser, campaign, line_item, creative, auction, imp, \
             issued, received, max_price, currency, charged, excess, budget_currency, day, quantity) VALUES ('demo', '{bid}', \
             'bill', 1, '{outcome}', 1, 2, 3, 4, 'a', '1', 0, 0, 1, 'USD', 1, 0, 'USD', {}, {quantity})",
            DAY.0
        );
        sqlx::query(sqlx::AssertSqlSafe(insert)).execute(&pool).await.unwrap();
    }
    let budget = format!(
        "INSERT INTO accounts (owner_kind, owner, day, limit_nanos, leased, held, spent, seq) VALUES (2, 2, {}, 9, 0, 0, 2, 0)",
        DAY.0
    );
    sqlx::query(sqlx::AssertSqlSafe(budget)).execute(&pool).await.unwrap();
    pool.close().await;

    let store = database.open().await;
    one(&store, Work::Advance).await;
    let books = store.books().await;
    let owners = [Owner::Advertiser(LINE.advertiser), CAMPAIGN, Owner::LineItem(LINE.line_item)];
    for (owner, period) in
        owners.into_iter().flat_map(|owner| [(owner, Period::Lifetime), (owner, Period::Day(DAY))])
    {
        assert_eq!(
            books.account(AccountId::impressions(owner, period)).pot(Pot::Spent),
            Nanos(4),
            "{owner:?} {period:?}"
        );
    }
    let money = books.account(AccountId::money(CAMPAIGN, Period::Day(DAY)));
    assert_eq!(pots(&money), [7, 0, 0, 2], "budgets are what they were");
}

//! Bids that take money and impressions, over real books.

use std::sync::Arc;

use proptest::prelude::*;
use tagbid_types::{AdvertiserId, BudgetDay, CampaignId, LineItemId, Monotonic, Nanos, Timestamp};

use super::*;
use crate::{
    AccountId, Ask, Books, Charge, LeaseId, Line, Owner, Period, Policy, Release, Second, Terms, Today,
    Wallet,
};

const TERMS: Terms = Terms { session_s: 1_000, longest_hold_s: 60, grace_s: 2 };
const LINE: Line = Line { advertiser: AdvertiserId(1), campaign: CampaignId(2), line_item: LineItemId(3) };
const DAY: BudgetDay = BudgetDay(20_000);
const DAY_ENDS: Timestamp = Timestamp::from_secs(100_000);
const PRICE: Price = Price { cost: Nanos(10), impressions: Nanos(1), hold_s: 20 };
const ITEM: Owner = Owner::LineItem(LINE.line_item);

/// A bidder of these books.
struct Bidder {
    wallet: Wallet,
    money: Arc<Pocket>,
    impressions: Arc<Pocket>,
}

impl Bidder {
    fn new(books: &mut Books) -> Self {
        let mut wallet = Wallet::new(Policy::default(), Arc::default());
        let (epoch, _) = books.open_session(Timestamp(0));
        wallet.begin(epoch, TERMS.session_s, Monotonic(0), Timestamp(0), books.watermark());
        let (money, impressions) =
            (wallet.pocket(LINE.line_item), wallet.pocket(Fund::impressions(LINE.line_item)));
        Self { wallet, money, impressions }
    }

    fn funds(&self) -> Funds<'_> {
        Funds { money: Some(&self.money), impressions: Some(&self.impressions) }
    }

    fn remaining(&self) -> (i64, i64) {
        let remaining = |pocket: &Pocket| pocket.remaining(Monotonic(1)).0;
        (remaining(&self.money), remaining(&self.impressions))
    }

    /// What it asks for at this tenth of a second.
    fn asks(&mut self, tenth: u64) -> Vec<Ask> {
        let today = |unit| Today { line: LINE, unit, day: DAY, ends: DAY_ENDS };
        let lines = [today(Unit::Money), today(Unit::Impressions)];
        self.wallet.tick(&lines, at(tenth))
    }

    /// Of which units.
    fn units(&mut self, tenth: u64) -> Vec<Unit> {
        self.asks(tenth).iter().map(|ask| ask.unit).collect()
    }

    /// Asks, and takes what it is given.
    fn tick(&mut self, books: &mut Books, tenth: u64) {
        for ask in self.asks(tenth) {
            match books.grant(&ask, Timestamp(0)) {
                Ok(grant) => self.wallet.granted(&ask, &grant),
                Err(_) => self.wallet.refused(&ask, at(tenth)),
            }
        }
    }

    /// Bids if it can, having asked whether it can as the bid path does.
    fn bid(&mut self, tenth: u64) -> Option<Holds> {
        let (funds, now) = (self.funds(), at(tenth));
        funds.has(&PRICE, now, true).and_then(|()| funds.hold(&PRICE, now)).ok()
    }

    /// The ledger has nothing.
    fn refuse(&mut self, unit: Unit, tenth: u64) {
        let ask = self.asks(tenth).into_iter().find(|ask| ask.unit == unit).unwrap();
        self.wallet.refused(&ask, at(tenth));
    }
}

fn at(tenth: u64) -> Monotonic {
    Monotonic(tenth * 100_000)
}

fn limit(books: &mut Books, account: AccountId, limit: i64) {
    books.set_limit(account, Some(Nanos(limit))).unwrap();
}

/// Books with a budget and a capacity for ever.
fn books(money: i64, impressions: i64) -> Books {
    let mut books = Books::new(TERMS);
    limit(&mut books, AccountId::money(ITEM, Period::Lifetime), money);
    limit(&mut books, AccountId::impressions(ITEM, Period::Lifetime), impressions);
    books
}

fn charge(hold: &Hold, unit: Unit) -> Charge {
    let Hold { lease, epoch, day, amount, until, .. } = *hold;
    let hold = Release { lease, epoch, line: LINE, unit, day, amount, until };
    Charge { hold, amount, released: false }
}

#[test]
fn a_bid_takes_both_or_neither() {
    let mut books = books(100, 1);
    let mut bidder = Bidder::new(&mut books);
    assert_eq!(bidder.bid(0), None);
    bidder.tick(&mut books, 1);
    assert_eq!(bidder.remaining(), (100, 1));
    let holds = bidder.bid(2).unwrap();
    assert_eq!(bidder.remaining(), (90, 0));
    let short = Missing { unit: Unit::Impressions, why: Empty::TooLittle };
    assert_eq!(bidder.funds().hold(&PRICE, at(3)), Err(short));
    assert_eq!(bidder.remaining(), (90, 0), "the money was put back");
    assert!(bidder.funds().undo(&holds).is_empty());
    assert_eq!(bidder.remaining(), (100, 1));
    bidder.wallet.audit().unwrap();
}

#[test]
fn holds_of_one_bid_are_of_one_day_and_end_together() {
    let mut books = books(1_000, 100);
    let mut bidder = Bidder::new(&mut books);
    bidder.bid(0);
    bidder.tick(&mut books, 1);
    let holds = bidder.bid(2).unwrap();
    let (money, impressions) = (holds.money.unwrap(), holds.impressions.unwrap());
    assert_ne!(money.lease, impressions.lease);
    assert_eq!(
        (money.until, money.day, money.epoch),
        (impressions.until, impressions.day, impressions.epoch)
    );
    // The lease of impressions of the next day is there a moment before that of money.
    let before = bidder.remaining().0;
    let ask = Ask {
        epoch: bidder.wallet.epoch().unwrap(),
        line: LINE,
        unit: Unit::Impressions,
        day: BudgetDay(DAY.0 + 1),
        day_ends: DAY_ENDS,
        known: Nanos::ZERO,
        want: Nanos(2),
        least: Nanos(1),
        longest_hold_s: 30,
    };
    let grant = books.grant(&ask, Timestamp(0)).unwrap();
    bidder.wallet.granted(&ask, &grant);
    let no_lease = Missing { unit: Unit::Impressions, why: Empty::NoLease };
    assert_eq!(bidder.funds().hold(&PRICE, at(3)), Err(no_lease));
    assert_eq!(bidder.remaining(), (before, 2), "both were put back");
}

#[test]
fn what_would_lie_idle_is_not_asked_for() {
    let mut books = books(1_000, 4);
    let mut bidder = Bidder::new(&mut books);
    bidder.bid(0);
    assert_eq!(bidder.units(1), [Unit::Money, Unit::Impressions], "at first both are");

    // No capacity: money is not kept from others.
    bidder.refuse(Unit::Impressions, 2);
    assert_eq!(bidder.funds().dry(at(3)), Some(Unit::Impressions));
    bidder.asks(40);
    bidder.bid(41);
    assert_eq!(bidder.units(42), [Unit::Impressions]);

    // Neither: impressions first, and money when they are there.
    bidder.bid(43);
    bidder.asks(44);
    bidder.wallet.pocket(LINE.line_item).set_dry(10, at(45));
    bidder.bid(50);
    assert_eq!(bidder.units(51), [Unit::Impressions]);
    bidder.tick(&mut books, 52);
    assert_eq!(bidder.remaining(), (0, 4));
    bidder.bid(53);
    assert_eq!(bidder.units(54), [Unit::Money]);

    // No money: impressions go back when nobody wanted them in a while, and the one for a bid that may still come later.
    bidder.refuse(Unit::Money, 55);
    bidder.bid(80);
    assert_eq!(bidder.units(95), [Unit::Money]);
    assert_eq!(bidder.remaining(), (0, 1));
    bidder.asks(300);
    assert_eq!(bidder.remaining(), (0, 0));
}

#[test]
fn eight_bidders_deliver_ten_impressions_and_not_one_more() {
    let mut books = books(1_000_000, 10);
    let mut bidders: Vec<Bidder> = (0..8).map(|_| Bidder::new(&mut books)).collect();
    let mut delivered = 0;
    for tenth in 0..100 {
        for bidder in &mut bidders {
            bidder.tick(&mut books, tenth);
            let Some(holds) = bidder.bid(tenth) else { continue };
            holds.iter().for_each(|hold| bidder.wallet.record(&hold));
            books.settle(&charge(&holds.money.unwrap(), Unit::Money)).unwrap();
            let shown = books.settle(&charge(&holds.impressions.unwrap(), Unit::Impressions)).unwrap();
            assert_eq!(shown.uncovered, Nanos::ZERO);
            delivered += shown.spent.0;
        }
        books.audit().unwrap();
    }
    assert_eq!(delivered, 10);
}

#[test]
fn a_notice_for_impressions_that_nobody_leased_counts_all_the_same() {
    let mut books = Books::new(TERMS);
    let unleased = Hold {
        lease: LeaseId(0),
        epoch: crate::Epoch(0),
        day: DAY,
        amount: Nanos(3),
        until: Second(0),
        hold_s: 0,
    };
    assert_eq!(books.settle(&charge(&unleased, Unit::Impressions)).unwrap().spent, Nanos(3));
    limit(&mut books, AccountId::impressions(ITEM, Period::Day(DAY)), 5);
    let settled = books.settle(&charge(&unleased, Unit::Impressions)).unwrap();
    assert_eq!((settled.spent, settled.uncovered), (Nanos(2), Nanos(1)), "never lost: covered or counted");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever is bid, put back, sold and lost, a bidder has of each unit what it was granted, and accounts stay within their limits.
    #[test]
    fn both_units_keep_their_sums(
        limits in (0_i64..200, 0_i64..20), steps in prop::collection::vec(0_u8..4, 1..80),
    ) {
        let mut books = books(limits.0, limits.1);
        let mut bidder = Bidder::new(&mut books);
        for (tenth, step) in (0..).zip(steps) {
            bidder.tick(&mut books, tenth);
            let Some(holds) = bidder.bid(tenth) else { continue };
            if step == 0 {
                prop_assert!(bidder.funds().undo(&holds).is_empty());
            } else {
                holds.iter().for_each(|hold| bidder.wallet.record(&hold));
                for (unit, hold) in [(Unit::Money, holds.money.unwrap()), (Unit::Impressions, holds.impressions.unwrap())] {
                    let charge = charge(&hold, unit);
                    match step {
                        1 => prop_assert!(books.release(&charge.hold).unwrap()),
                        2 => prop_assert_eq!(books.settle(&charge).unwrap().uncovered, Nanos::ZERO),
                        _ => {}
                    }
                }
            }
            let epoch = bidder.wallet.epoch().unwrap();
            for (lease, ends, sums) in books.update(epoch).buckets {
                bidder.wallet.resolved(lease, ends, sums);
            }
            bidder.wallet.audit().unwrap();
            books.audit().unwrap();
        }
        for (id, account) in books.accounts().filter(|(id, _)| id.owner == ITEM) {
            prop_assert!(account.limit().is_none_or(|limit| account.pot(crate::Pot::Spent) <= limit), "{:?}", id);
        }
    }
}

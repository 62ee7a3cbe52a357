//! The controller over real books, and what always holds.

use std::sync::Arc;

use proptest::prelude::*;
use tagbid_types::{AdvertiserId, BudgetDay, CampaignId, LineItemId, Monotonic, Nanos, Timestamp};

use super::{Controller, Course, Learnt, Plan, Profile, Rate, Span, Tokens, Want, law};
use crate::{
    AccountId, Ask, Beat, Books, Charge, Empty, Epoch, Grant, Line, Owner, Period, Policy, Release, Second,
    Terms, Today, Wallet,
};

const TERMS: Terms = Terms { session_s: 1_000_000, longest_hold_s: 420, grace_s: 2 };
const DAY: BudgetDay = BudgetDay(20_000);
const SPAN: Span = Span { from: at(0), until: at(86_400) };

/// A nano a second of this is a nano; all amounts of the tests are in it.
const COIN: i64 = 1_000_000;

const fn at(second: i64) -> Timestamp {
    Timestamp::from_secs(20_000 * 86_400 + second)
}

fn line(number: u64) -> Line {
    Line { advertiser: AdvertiserId(1), campaign: CampaignId(2), line_item: LineItemId(number) }
}

fn course(number: u64) -> Course {
    let plan = Some(Plan::new(SPAN, Span::EVER, &Profile::EVEN));
    Course { line: line(number), day: DAY, plan, flight: Span::EVER, campaign_flight: Span::EVER }
}

fn day_of(owner: Owner) -> AccountId {
    AccountId::money(owner, Period::Day(DAY))
}

/// A ledger with bidders that report.
struct World {
    books: Books,
    controller: Controller,
    courses: Vec<Course>,
    epochs: Vec<Epoch>,
    second: i64,
    wants: Vec<(Epoch, Want)>,
}

impl World {
    /// Line items of one campaign, and as many bidders as asked for, at this second of the day.
    fn new(lines: u64, bidders: usize, second: i64) -> Self {
        let mut books = Books::new(TERMS);
        let epochs: Vec<Epoch> = (0..bidders).map(|_| books.open_session(at(second)).0).collect();
        let courses = (1..=lines).map(course).collect();
        Self { books, controller: Controller::default(), courses, epochs, second, wants: Vec::new() }
    }

    fn limit(&mut self, account: AccountId, coins: i64) {
        self.books.set_limit(account, Some(Nanos(coins * COIN))).unwrap();
    }

    /// From now on a bidder wants so much of a line item a second.
    fn wants(&mut self, bidder: usize, number: u64) {
        let want = Want {
            line_item: LineItemId(number),
            wanted: Nanos::ZERO,
            made: Nanos::ZERO,
            unit: Nanos(COIN),
            hold_s: 420,
        };
        self.wants.push((self.epochs[bidder], want));
    }

    /// Lives so many seconds, in which each report's sums rise by what `each` says: wanted and made.
    fn live(&mut self, seconds: i64, each: impl Fn(usize) -> (i64, i64)) {
        for _ in 0..seconds {
            self.second += 1;
            for (number, (epoch, want)) in self.wants.iter_mut().enumerate() {
                let (wanted, made) = each(number);
                want.wanted.0 += wanted * COIN;
                want.made.0 += made * COIN;
                self.controller.hear(*epoch, &[*want]);
            }
            self.controller.step(&self.books, &self.courses, at(self.second));
        }
    }

    /// Bills a line item out of what is free.
    fn bill(&mut self, number: u64, coins: i64) {
        let hold = Release {
            lease: crate::LeaseId(0),
            epoch: Epoch(0),
            line: line(number),
            unit: crate::Unit::Money,
            day: DAY,
            amount: Nanos(coins * COIN),
            until: Second(0),
        };
        self.books.settle(&Charge { hold, amount: hold.amount, released: false }).unwrap();
    }

    /// In thousandths of a coin a second.
    fn rate(&self, number: u64) -> i64 {
        self.controller.rate(LineItemId(number)).picos() / COIN
    }
}

#[test]
fn a_line_item_begins_at_the_rate_of_its_plan_split_by_what_bidders_could_use() {
    let mut world = World::new(1, 3, 0);
    world.limit(day_of(Owner::LineItem(LineItemId(1))), 86_400);
    (0..3).for_each(|bidder| world.wants(bidder, 1));
    world.live(60, |bidder| ([30, 10, 0][bidder], 0));
    assert!((990..=1_120).contains(&world.rate(1)), "a coin a second, nearly: {}", world.rate(1));
    let rates: Vec<i64> = world.epochs.iter().map(|epoch| rate_of(&world.controller, *epoch)).collect();
    assert!(rates[0] > 2 * rates[1] && rates[1] > 3 * rates[2] && rates[2] > 0, "{rates:?}");
}

fn rate_of(controller: &Controller, epoch: Epoch) -> i64 {
    controller.rates(epoch).map(|(_, rate)| rate.picos()).sum()
}

#[test]
fn line_items_of_one_budget_share_it_and_none_starves() {
    let mut world = World::new(3, 1, 0);
    world.limit(day_of(Owner::Campaign(CampaignId(2))), 86_400);
    (1..=3).for_each(|number| world.wants(0, number));
    // The third has little traffic; the first takes whatever it gets and was billed for more than its part.
    world.bill(1, 40);
    world.live(60, |number| ([1_000, 1_000, 0][number], 0));
    let rates = [1, 2, 3].map(|number| world.rate(number));
    assert!((470..=560).contains(&rates[0]) && (470..=560).contains(&rates[1]), "{rates:?}");
    assert!((10..=30).contains(&rates[2]), "a twentieth of its part, to be heard of: {rates:?}");
}

#[test]
fn who_spends_as_soon_as_possible_has_no_rate_and_what_it_spends_is_gone_for_the_others() {
    let mut world = World::new(2, 1, 0);
    world.courses[0].plan = None;
    world.limit(day_of(Owner::Campaign(CampaignId(2))), 86_400);
    (1..=2).for_each(|number| world.wants(0, number));
    world.live(60, |_| (1_000, 0));
    let before = world.rate(2);
    assert_eq!(world.controller.rates(world.epochs[0]).count(), 1);
    world.bill(1, 5_000);
    world.live(1, |_| (1_000, 0));
    assert!((120..=125).contains(&world.rate(2)), "an eighth of the plan; it was {before}");
    world.bill(1, 81_400);
    world.live(1, |_| (1_000, 0));
    assert_eq!(world.rate(2), 0, "nothing is left");
}

#[test]
fn a_budget_for_ever_is_spread_over_the_days_of_its_flight() {
    let mut world = World::new(1, 1, 43_200);
    world.courses[0].flight = Span { from: at(-86_400), until: at(3 * 86_400) };
    let owner = Owner::LineItem(LineItemId(1));
    world.limit(AccountId::money(owner, Period::Lifetime), 3 * 86_400);
    world.wants(0, 1);
    world.bill(1, 43_200);
    world.live(5, |_| (10, 0));
    let (three_days, now) = (world.rate(1), world.second);
    assert!((990..=1_010).contains(&three_days), "on its plan: {three_days}");
    world.limit(day_of(owner), 60_000);
    world.live(1, |_| (10, 0));
    assert!(world.rate(1) < three_days / 2, "the daily limit is less, and was nearly reached at {now}");
}

#[test]
fn what_was_bid_before_a_line_item_was_paced_is_not_held_against_it() {
    let mut world = World::new(1, 1, 3_600);
    world.limit(day_of(Owner::LineItem(LineItemId(1))), 86_400);
    let want = |coins: i64| Want {
        line_item: LineItemId(1),
        wanted: Nanos(coins * COIN),
        made: Nanos(coins * COIN),
        unit: Nanos(COIN),
        hold_s: 90,
    };
    // As soon as possible for an hour: heard of, and nobody's course.
    world.controller.hear(world.epochs[0], &[want(0)]);
    for second in 3_600..3_610 {
        world.controller.hear(world.epochs[0], &[want((second - 3_599) * 10_000)]);
        world.controller.step(&world.books, &[], at(second));
    }
    for second in 3_610..3_620 {
        world.controller.step(&world.books, &world.courses, at(second));
    }
    let share = world.controller.learnt_of(LineItemId(1)).unwrap().share();
    assert_eq!(share, super::amount::WHOLE, "nothing is known of what its bids are charged");
}

#[test]
fn a_bidder_bids_nothing_before_its_first_rate_and_leases_nothing_that_it_cannot_use() {
    let mut books = Books::new(TERMS);
    let (epoch, session) = books.open_session(at(0));
    let mut wallet = Wallet::new(Policy::default(), Arc::default());
    wallet.begin(epoch, TERMS.session_s, Monotonic(0), at(0), session.applied);
    let pocket = wallet.pocket(LineItemId(1));
    pocket.set_paced(true);
    let today = Today { line: line(1), unit: crate::Unit::Money, day: DAY, ends: SPAN.until };
    let tick = |wallet: &mut Wallet, second: u64| {
        assert!(pocket.hold(Nanos(COIN), 420, Monotonic(second * 1_000_000)).is_err());
        wallet.tick([&today], Monotonic(second * 1_000_000))
    };
    assert_eq!(tick(&mut wallet, 1), []);
    wallet.pace(LineItemId(1), Rate::from_picos(100 * COIN), Monotonic(1_000_000));
    assert_eq!(tick(&mut wallet, 2), [], "a coin in ten seconds: eight seconds too early");
    let asks: Vec<Ask> = tick(&mut wallet, 10);
    assert_eq!(asks.len(), 1, "a second before the bucket is full");
    let grant: Grant = books.grant(&asks[0], at(10)).unwrap();
    wallet.granted(&asks[0], &grant);
    assert_eq!(pocket.hold(Nanos(COIN), 420, Monotonic(10_000_000)), Err(Empty::Paced));
    assert_eq!(pocket.has(Nanos(COIN), 420, Monotonic(10_000_000)), Err(Empty::Paced));
    assert!(pocket.hold(Nanos(COIN), 420, Monotonic(11_000_000)).is_ok());
    assert_eq!(pocket.hold(Nanos(COIN), 420, Monotonic(11_000_000)), Err(Empty::Paced));
    let wants = wallet.wants(Monotonic(11_000_000));
    assert_eq!(
        (wants[0].wanted, wants[0].hold_s),
        (Nanos(6 * COIN), 420),
        "held back ones count, and the last"
    );
}

proptest! {
    /// Whatever the rates, no more is held than was leased, and no more than came together at those rates, and one bid.
    #[test]
    fn tokens_add_a_limit_and_take_none_away(
        steps in prop::collection::vec((0_i64..5_000, 1_i64..50, 0_u64..3_000), 1..200),
        granted in 0_i64..2_000,
    ) {
        let mut books = Books::new(TERMS);
        let (epoch, session) = books.open_session(at(0));
        let mut wallet = Wallet::new(Policy::default(), Arc::default());
        wallet.begin(epoch, TERMS.session_s, Monotonic(0), at(0), session.applied);
        let ask = Ask {
            epoch, line: line(1), unit: crate::Unit::Money, day: DAY, day_ends: SPAN.until, known: Nanos::ZERO,
            want: Nanos(granted), least: Nanos(1), longest_hold_s: 420,
        };
        wallet.granted(&ask, &Grant { lease: crate::LeaseId(1), granted: Nanos(granted), longest_hold_s: 420, spare: Nanos::ZERO });
        let pocket = wallet.pocket(LineItemId(1));
        pocket.set_paced(true);
        let (mut held, mut flowed, mut rate, mut now, mut most) = (0, 0_i64, 0, 1_000_u64, 0);
        for (next, amount, millis) in steps {
            flowed += rate * i64::try_from(millis).unwrap_or(0);
            now += millis;
            wallet.pace(LineItemId(1), Rate::from_picos(next), Monotonic(now * 1_000));
            rate = next;
            while let Ok(hold) = pocket.hold(Nanos(amount), 420, Monotonic(now * 1_000)) {
                held += hold.amount.0;
                most = most.max(amount);
            }
        }
        prop_assert!(held <= granted);
        prop_assert!((held - most).max(0) <= flowed / 1_000_000 + 1, "{held} held, {flowed} flowed");
    }

    /// The more is expected to be spent the slower, and the more money the faster, whatever the plan and the time.
    #[test]
    fn the_rate_falls_with_what_is_spent_and_rises_with_what_there_is(
        weights in prop::collection::vec(0_u32..1_000, super::QUARTERS),
        begins in 0_i64..80_000, lasts in 60_i64..86_400, second in -1_000_i64..90_000,
        money in 1_i64..1_000_000, more in 0_i64..1_000_000, spent in 0_i64..1_000_000,
    ) {
        let weights: [u32; super::QUARTERS] = weights.try_into().unwrap();
        let flight = Span { from: at(begins), until: at(begins + lasts) };
        let plan = Plan::new(SPAN, flight, &Profile::new(weights));
        let speed = |money: i64, spent: i64| {
            law::speed(&plan, Nanos(money * COIN), Nanos(spent * COIN), at(second))
        };
        prop_assert!(speed(money, spent) >= speed(money, spent + more));
        prop_assert!(speed(money + more, spent) >= speed(money, spent));
        let inside = second >= begins && second < (begins + lasts).min(86_400);
        let planned = plan.share(at(second + 600)) > plan.share(at(second));
        prop_assert!(!(inside && planned && spent < money / 2 && begins + lasts > second + 600)
            || speed(money * 1_000, spent) > Rate::ZERO, "never dead while there is money");
    }

    /// A controller that is made again from the books and what was stored tells nothing while it hears of bidders, and then
    /// the same rate as if it had never been away.
    #[test]
    fn a_controller_that_is_started_again_goes_on(
        coins in 1_000_i64..1_000_000, made in 0_i64..20, percent in 0_i64..100, seconds in 1_i64..300,
    ) {
        let mut world = World::new(1, 2, 0);
        world.limit(day_of(Owner::LineItem(LineItemId(1))), coins);
        (0..2).for_each(|bidder| world.wants(bidder, 1));
        for _ in 0..seconds {
            world.live(1, |_| (20, made));
            world.bill(1, (made * 2 * percent / 100).min(coins / 1_000));
        }
        world.live(1, |_| (20, made));
        let mut again = Controller::default();
        for (line_item, learnt) in world.controller.learnt() {
            again.put_learnt(line_item, Learnt::from_row(learnt.to_row()));
        }
        let mut other = World { controller: again, books: world.books.clone(), courses: world.courses.clone(),
            epochs: world.epochs.clone(), second: world.second, wants: world.wants.clone() };
        other.live(1, |_| (0, 0));
        world.live(1, |_| (0, 0));
        prop_assert_eq!(other.controller.rates(other.epochs[0]).count(), 0);
        let (before, after) = (world.rate(1), other.rate(1));
        prop_assert!((before - after).abs() <= 1 + before / 1_000, "{before} before, {after} after");
        other.live(4, |_| (20, 0));
        prop_assert_eq!(other.controller.rates(other.epochs[0]).count(), 1);
    }
}

/// A session that is over has no rate, and its part is the others'.
#[test]
fn a_bidder_that_is_gone_leaves_its_part_to_the_others() {
    let mut world = World::new(1, 2, 0);
    world.books = Books::new(Terms { session_s: 10, ..TERMS });
    world.epochs = (0..2).map(|_| world.books.open_session(at(0)).0).collect();
    world.limit(day_of(Owner::LineItem(LineItemId(1))), 86_400);
    (0..2).for_each(|bidder| world.wants(bidder, 1));
    world.live(8, |_| (10, 0));
    let alone = world.epochs[0];
    let beat = Beat { epoch: alone, applied: Second(0), leases: vec![], wants: vec![], lives: 0 };
    world.books.beat(&beat, at(8)).unwrap();
    world.wants.truncate(1);
    world.live(5, |_| (10, 0));
    assert_eq!(world.controller.rates(world.epochs[1]).count(), 0);
    let sum = world.rate(1);
    assert_eq!(rate_of(&world.controller, alone) / COIN, sum);
    assert!(sum >= 990, "{sum}");
}

#[test]
fn tokens_of_a_bid_that_is_not_sent_come_back_and_those_of_one_that_loses_do_not() {
    let tokens = Tokens::default();
    tokens.set_paced(true);
    tokens.set(Rate::from_picos(10_000), Monotonic(0));
    let now = Monotonic(1_000_000);
    assert!(tokens.take(Nanos(10), now));
    assert!(!tokens.take(Nanos(10), now));
    tokens.put_back(Nanos(10));
    assert!(tokens.take(Nanos(10), now));
}

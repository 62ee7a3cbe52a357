//! Leases, holds and notices, as a ledger and a bidder live through them. What random worlds do to them is in `sim`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use tagbid_budget::{
    AccountId, Ask, Beat, Books, Charge, Empty, Grant, Hold, LeaseId, Line, Owner, Period, Policy, Pot,
    Refusal, Release, Second, Source, Stand, Terms, Today, Unit, Wallet,
};
use tagbid_types::{AdvertiserId, BudgetDay, CampaignId, LineItemId, Monotonic, Nanos, Timestamp};

const TERMS: Terms = Terms { session_s: 10, longest_hold_s: 60, grace_s: 2 };
const LINE: Line = Line { advertiser: AdvertiserId(1), campaign: CampaignId(2), line_item: LineItemId(3) };
const DAY: BudgetDay = BudgetDay(20_000);
const DAY_ENDS: Timestamp = Timestamp::from_secs(100_000);

fn at(second: i64) -> Timestamp {
    Timestamp::from_secs(second)
}

fn account(owner: Owner, period: Period) -> AccountId {
    AccountId::money(owner, period)
}

const CAMPAIGN: Owner = Owner::Campaign(CampaignId(2));
const ITEM: Owner = Owner::LineItem(LineItemId(3));

/// Books in which the line item may spend 1,000 in all, and its campaign 300 a day.
fn books() -> Books {
    let mut books = Books::new(TERMS);
    books.set_limit(account(ITEM, Period::Lifetime), Some(Nanos(1_000))).unwrap();
    books.set_limit(account(CAMPAIGN, Period::Day(DAY)), Some(Nanos(300))).unwrap();
    books
}

fn ask(books: &mut Books, want: i64, now: i64) -> Ask {
    let (epoch, _) = books.open_session(at(now));
    Ask {
        epoch,
        line: LINE,
        unit: Unit::Money,
        day: DAY,
        day_ends: DAY_ENDS,
        known: Nanos::ZERO,
        want: Nanos(want),
        least: Nanos(10),
        longest_hold_s: 30,
    }
}

fn hold(ask: &Ask, grant: &Grant, amount: i64, until: i64) -> Release {
    Release {
        lease: grant.lease,
        epoch: ask.epoch,
        line: LINE,
        unit: Unit::Money,
        day: DAY,
        amount: Nanos(amount),
        until: Second(until),
    }
}

fn charge(hold: Release, amount: i64) -> Charge {
    Charge { hold, amount: Nanos(amount), released: false }
}

fn pots(books: &Books, owner: Owner, period: Period) -> [i64; 4] {
    let account = books.account(account(owner, period));
    [Pot::Free, Pot::Leased, Pot::Held, Pot::Spent].map(|pot| account.pot(pot).0)
}

#[test]
fn a_lease_is_taken_from_all_accounts_and_the_one_with_least_decides() {
    let mut books = books();
    let ask = ask(&mut books, 500, 0);
    let grant = books.grant(&ask, at(0)).unwrap();
    assert_eq!(grant.granted, Nanos(300));
    assert_eq!(pots(&books, CAMPAIGN, Period::Day(DAY)), [0, 300, 0, 0]);
    assert_eq!(pots(&books, ITEM, Period::Lifetime), [700, 300, 0, 0]);
    let more = Ask { known: Nanos(300), ..ask };
    let empty = account(CAMPAIGN, Period::Day(DAY));
    assert_eq!(books.grant(&more, at(0)), Err(Refusal::Empty(empty)));
    books.audit().unwrap();
}

#[test]
fn a_grant_whose_answer_was_lost_is_told_again_and_not_repeated() {
    let mut books = books();
    let ask = ask(&mut books, 100, 0);
    let (first, second) = (books.grant(&ask, at(0)).unwrap(), books.grant(&ask, at(1)).unwrap());
    assert_eq!((second.lease, second.granted), (first.lease, Nanos(100)));
    let third = books.grant(&Ask { known: first.granted, ..ask }, at(2)).unwrap();
    assert_eq!((third.lease, third.granted), (first.lease, Nanos(200)));
}

#[test]
fn the_last_money_is_not_split_into_what_nobody_can_bid_with() {
    let mut books = books();
    let first = ask(&mut books, 295, 0);
    books.grant(&first, at(0)).unwrap();
    let second = ask(&mut books, 100, 0);
    assert!(
        matches!(books.grant(&second, at(0)), Err(Refusal::Empty(_))),
        "five are left, and a bid costs ten"
    );
}

#[test]
fn a_bid_is_billed_from_its_hold_and_the_rest_is_the_bidders_again() {
    let mut books = books();
    let ask = ask(&mut books, 100, 0);
    let grant = books.grant(&ask, at(0)).unwrap();
    let settled = books.settle(&charge(hold(&ask, &grant, 10, 30), 4)).unwrap();
    assert_eq!((settled.spent, settled.uncovered, settled.source), (Nanos(4), Nanos::ZERO, Source::Hold));
    assert_eq!(pots(&books, ITEM, Period::Lifetime), [900, 96, 0, 4]);
    let bucket = books.bucket(grant.lease, Second(30));
    assert_eq!((bucket.settled, bucket.charged, bucket.released), (Nanos(10), Nanos(4), Nanos::ZERO));
}

fn stand(lease: LeaseId, held: i64, returned: i64) -> Stand {
    Stand { lease, held: Nanos(held), returned: Nanos(returned), last_end: None }
}

#[test]
fn a_notice_after_the_watermark_is_paid_from_what_is_free_and_never_above_the_budget() {
    let mut books = books();
    let ask = ask(&mut books, 290, 0);
    let grant = books.grant(&ask, at(0)).unwrap();
    let beat = Beat { epoch: ask.epoch, applied: Second(0), leases: vec![], wants: vec![], lives: 0 };
    books.beat(&beat, at(9)).unwrap();
    books.advance(at(12));
    assert_eq!(books.watermark(), Second(10));
    let late = books.settle(&charge(hold(&ask, &grant, 20, 10), 20)).unwrap();
    assert_eq!((late.spent, late.uncovered, late.source), (Nanos(10), Nanos(10), Source::Free));
    let in_time = books.settle(&charge(hold(&ask, &grant, 20, 11), 20)).unwrap();
    assert_eq!((in_time.spent, in_time.source), (Nanos(20), Source::Hold));
    assert_eq!(pots(&books, CAMPAIGN, Period::Day(DAY)), [0, 270, 0, 30]);
    books.audit().unwrap();
}

#[test]
fn a_bid_that_lost_and_is_billed_all_the_same_is_paid_from_what_is_free() {
    let mut books = books();
    let ask = ask(&mut books, 100, 0);
    let grant = books.grant(&ask, at(0)).unwrap();
    let hold = hold(&ask, &grant, 10, 30);
    assert!(books.release(&hold).unwrap());
    let billed = books.settle(&Charge { hold, amount: Nanos(7), released: true }).unwrap();
    assert_eq!((billed.spent, billed.source), (Nanos(7), Source::Free));
    assert_eq!(pots(&books, ITEM, Period::Lifetime), [893, 100, 0, 7]);
}

#[test]
fn a_silent_bidders_money_returns_when_its_longest_hold_is_over() {
    let mut books = books();
    let ask = ask(&mut books, 100, 0);
    books.grant(&ask, at(0)).unwrap();
    assert_eq!(books.advance(at(41)).closed, [], "session 10, hold 30, grace 2");
    assert_eq!(books.advance(at(42)).closed, [LeaseId(1)]);
    assert_eq!(pots(&books, ITEM, Period::Lifetime), [1_000, 0, 0, 0]);
    let beat = Beat { epoch: ask.epoch, applied: Second(0), leases: vec![], wants: vec![], lives: 0 };
    assert!(books.beat(&beat, at(43)).is_err());
    assert!(matches!(books.grant(&ask, at(43)), Err(Refusal::Session(_))));
}

#[test]
fn a_limit_lowered_below_what_is_committed_recalls_the_leases() {
    let mut books = books();
    let ask = ask(&mut books, 200, 0);
    let grant = books.grant(&ask, at(0)).unwrap();
    assert_eq!(books.recalled(ask.epoch).count(), 0);
    books.set_limit(account(CAMPAIGN, Period::Day(DAY)), Some(Nanos(50))).unwrap();
    assert_eq!(books.recalled(ask.epoch).collect::<Vec<_>>(), [grant.lease]);
    let back = Beat {
        epoch: ask.epoch,
        applied: Second(0),
        leases: vec![stand(grant.lease, 0, 160)],
        wants: vec![],
        lives: 0,
    };
    books.beat(&back, at(1)).unwrap();
    assert_eq!(pots(&books, CAMPAIGN, Period::Day(DAY)), [10, 40, 0, 0]);
    assert_eq!(books.recalled(ask.epoch).count(), 0);
}

#[test]
fn a_bid_made_without_a_limit_is_billed_as_far_as_a_later_one_covers_it() {
    let mut books = Books::new(TERMS);
    let free = Release {
        lease: LeaseId(0),
        epoch: tagbid_budget::Epoch(0),
        line: LINE,
        unit: Unit::Money,
        day: DAY,
        amount: Nanos(10),
        until: Second(30),
    };
    books.set_limit(account(ITEM, Period::Lifetime), Some(Nanos(5))).unwrap();
    let settled = books.settle(&charge(free, 8)).unwrap();
    assert_eq!((settled.spent, settled.uncovered, settled.source), (Nanos(5), Nanos(3), Source::Unlimited));
    books.set_limit(account(ITEM, Period::Lifetime), None).unwrap();
    assert_eq!(books.settle(&charge(free, 8)).unwrap().spent, Nanos(8));
}

#[test]
fn what_does_not_fit_changes_nothing() {
    let mut books = Books::new(TERMS);
    let ask = ask(&mut books, i64::MAX, 0);
    books.grant(&ask, at(0)).unwrap();
    let before = books.clone();
    assert!(books.grant(&Ask { known: Nanos(i64::MAX), ..ask }, at(0)).is_err());
    assert_eq!(books, before);
}

/// A wallet with a session of books that granted 100 for today.
fn wallet(books: &mut Books) -> (Wallet, Ask) {
    let ask = ask(books, 100, 0);
    let mut wallet = Wallet::new(Policy::default(), std::sync::Arc::default());
    wallet.begin(ask.epoch, TERMS.session_s, Monotonic(0), at(0), books.watermark());
    let grant = books.grant(&ask, at(0)).unwrap();
    wallet.granted(&ask, &grant);
    (wallet, ask)
}

fn take(wallet: &mut Wallet, amount: i64, second: u64) -> Result<Hold, Empty> {
    let pocket = wallet.pocket(LINE.line_item);
    pocket.hold(Nanos(amount), 20, Monotonic(second * 1_000_000))
}

#[test]
fn a_bidder_holds_until_the_ledger_says_that_it_is_over() {
    let mut wallet = wallet(&mut books()).0;
    let hold = take(&mut wallet, 60, 0).unwrap();
    assert_eq!((hold.day, hold.until), (DAY, Second(20)));
    wallet.record(&hold);
    assert_eq!(take(&mut wallet, 60, 1), Err(Empty::TooLittle));
    wallet.advance(Second(19));
    assert_eq!(take(&mut wallet, 60, 2), Err(Empty::TooLittle));
    wallet.advance(Second(20));
    wallet.audit().unwrap();
    assert!(take(&mut wallet, 60, 3).is_ok());
}

#[test]
fn what_a_bid_did_not_cost_can_be_bid_with_again_at_once_and_once() {
    let mut wallet = wallet(&mut books()).0;
    let hold = take(&mut wallet, 60, 0).unwrap();
    wallet.record(&hold);
    let sums = tagbid_budget::Bucket { settled: Nanos(60), charged: Nanos(15), released: Nanos::ZERO };
    for _ in 0..3 {
        wallet.resolved(hold.lease, hold.until, sums);
        wallet.audit().unwrap();
    }
    let remaining = wallet.pocket(LINE.line_item).remaining(Monotonic(1_000_000));
    assert_eq!(remaining, Nanos(85));
    wallet.advance(Second(20));
    assert_eq!(wallet.pocket(LINE.line_item).remaining(Monotonic(1_000_000)), Nanos(85));
}

#[test]
fn a_bidder_that_hears_nothing_stops_by_its_own_clock() {
    let mut wallet = wallet(&mut books()).0;
    let hold = take(&mut wallet, 10, 9).unwrap();
    let pocket = wallet.pocket(LINE.line_item);
    assert!(pocket.still_valid(&hold, Monotonic(9_989_999)));
    assert!(!pocket.still_valid(&hold, Monotonic(9_990_000)), "it stood still between bidding and sending");
    assert_eq!(take(&mut wallet, 10, 10), Err(Empty::NoLease));
    assert!(pocket.undo(&hold));
    wallet.audit().unwrap();
}

#[test]
fn a_lease_ends_with_its_day_by_the_ledgers_clock() {
    let mut books = books();
    let (epoch, _) = books.open_session(at(99_995));
    let ask = Ask { epoch, ..ask(&mut books, 100, 99_995) };
    let mut wallet = Wallet::new(Policy::default(), std::sync::Arc::default());
    wallet.begin(epoch, TERMS.session_s, Monotonic(0), at(99_995), books.watermark());
    wallet.granted(&ask, &books.grant(&ask, at(99_995)).unwrap());
    assert!(take(&mut wallet, 10, 4).is_ok());
    assert_eq!(take(&mut wallet, 10, 5), Err(Empty::NoLease));
}

#[test]
fn a_bidder_asks_for_what_it_uses_and_gives_back_what_it_does_not() {
    let (mut wallet, _) = wallet(&mut books());
    let today = Today { line: LINE, unit: Unit::Money, day: DAY, ends: DAY_ENDS };
    for _ in 0..9 {
        take(&mut wallet, 10, 0).unwrap();
    }
    let asks = wallet.tick([&today], Monotonic(100_000));
    let [ask] = asks.as_slice() else { panic!("{asks:?}") };
    assert_eq!((ask.known, ask.least), (Nanos(100), Nanos(1)));
    assert!(ask.want > Nanos(100), "90 in 100 ms are 900 a second: {ask:?}");
    let asks = wallet.tick([&today], Monotonic(4_000_000));
    assert_eq!(asks, []);
    let beat = wallet.beat().unwrap();
    assert_eq!(beat.leases, [stand(LeaseId(1), 0, 10)], "idle for four seconds: ten go back");
}

#[test]
fn a_lease_that_cannot_be_closed_keeps_no_other_waiting() {
    let mut books = books();
    let (first, second) = (ask(&mut books, 100, 0), ask(&mut books, 100, 0));
    let wrong = books.grant(&first, at(0)).unwrap();
    let other = Line { line_item: LineItemId(4), campaign: CampaignId(5), ..LINE };
    let right = books.grant(&Ask { line: other, ..second }, at(0)).unwrap();
    // As a database would have it that lost the row of an account.
    books.put_account(account(CAMPAIGN, Period::Day(DAY)), tagbid_budget::Account::default());
    let advanced = books.advance(at(100));
    assert_eq!((advanced.closed, advanced.stuck), (vec![right.lease], vec![wrong.lease]));
    assert_eq!(books.watermark(), Second(98));
}

#[test]
fn a_bidder_that_leaves_keeps_no_money_longer_than_its_last_hold() {
    let mut books = books();
    let (mut wallet, _) = wallet(&mut books);
    let hold = take(&mut wallet, 10, 0).unwrap();
    assert_eq!(hold.until, Second(20));
    wallet.record(&hold);
    wallet.stop();
    assert_eq!(take(&mut wallet, 10, 0), Err(Empty::NoLease));
    for words in wallet.farewell() {
        books.beat(&words, at(1)).unwrap();
    }
    assert_eq!(pots(&books, ITEM, Period::Lifetime), [990, 0, 10, 0], "only what the bid holds is not free");
    assert_eq!(books.advance(at(21)).closed, [], "grace 2");
    assert_eq!(books.advance(at(22)).closed, [LeaseId(1)], "not after the session and the longest hold");
    assert_eq!(pots(&books, ITEM, Period::Lifetime), [1_000, 0, 0, 0]);
}

#[test]
fn an_exhausted_line_item_is_asked_for_less_and_less_often_and_not_priced_meanwhile() {
    let (mut wallet, _) = wallet(&mut books());
    let today = Today { line: LINE, unit: Unit::Money, day: DAY, ends: DAY_ENDS };
    let pocket = wallet.pocket(LINE.line_item);
    let mut asked = Vec::new();
    for tenth in 1..100_u64 {
        let now = Monotonic(tenth * 100_000);
        if !pocket.is_dry(now) {
            pocket.missed(Nanos(1_000), 20, Empty::TooLittle);
        }
        for ask in wallet.tick([&today], now) {
            asked.push(tenth);
            wallet.refused(&ask, now);
        }
    }
    // After 250, 500, 1000, 2000 and 4000 ms, at the next tenth of a second.
    assert_eq!(asked, [1, 4, 9, 19, 39, 79]);
    // What comes back is bid with at once.
    let ask = Ask { want: Nanos(5_000), ..ask(&mut books(), 5_000, 0) };
    let grant = Grant { lease: LeaseId(1), granted: Nanos(5_000), longest_hold_s: 30, spare: Nanos::ZERO };
    assert!(pocket.is_dry(Monotonic(9_900_000)));
    wallet.granted(&Ask { epoch: wallet.epoch().unwrap(), ..ask }, &grant);
    assert!(!pocket.is_dry(Monotonic(9_900_000)));
}

#[test]
fn a_line_item_that_is_bid_for_once_a_minute_has_money_when_it_is() {
    let mut books = books();
    let mut wallet = Wallet::new(Policy::default(), std::sync::Arc::default());
    let (epoch, session) = books.open_session(at(0));
    wallet.begin(epoch, TERMS.session_s, Monotonic(0), at(0), session.applied);
    let today = Today { line: LINE, unit: Unit::Money, day: DAY, ends: DAY_ENDS };
    let (mut made, mut idle) = (Vec::new(), 0);
    for tenth in 0..6_000_u64 {
        let (now, second) = (Monotonic(tenth * 100_000), tenth / 10);
        if tenth % 600 == 300 {
            made.push(take(&mut wallet, 10, second).inspect(|hold| wallet.record(hold)).is_ok());
        }
        let due = wallet.due(now);
        for ask in wallet.tick(due.contains(&today.fund()).then_some(&today), now) {
            wallet.granted(&ask, &books.grant(&ask, at(second.cast_signed())).unwrap());
        }
        if tenth % 10 == 9 {
            let time = at(second.cast_signed());
            let beat = wallet.beat().unwrap();
            books.beat(&beat, time).unwrap();
            wallet.beaten(&beat, TERMS.session_s, now, time);
            books.advance(time);
            wallet.advance(books.watermark());
            idle = idle.max(wallet.pocket(LINE.line_item).remaining(now).0);
        }
    }
    // The first finds no lease, and that it will be long until the second nobody can know.
    assert_eq!(made, [[false; 2].as_slice(), &[true; 8]].concat());
    assert!(idle <= 40, "a few bids' worth for seconds, and one for minutes: {idle}");
}

#[test]
fn what_nobody_looks_after_goes_back() {
    let (mut wallet, ask) = wallet(&mut books());
    let none: [&Today; 0] = [];
    wallet.forget(ask.fund());
    assert_eq!(wallet.tick(none, Monotonic(2_000_000)), []);
    assert_eq!(wallet.beat().unwrap().leases, [stand(LeaseId(1), 0, 100)]);
}

#[test]
fn more_than_is_used_goes_back() {
    let (mut wallet, _) = wallet(&mut books());
    let today = Today { line: LINE, unit: Unit::Money, day: DAY, ends: DAY_ENDS };
    take(&mut wallet, 1, 0).unwrap();
    // One nano in the first tenth of a second: 10 a second, 20 are to be there, and 40 would be too much.
    assert_eq!(wallet.tick([&today], Monotonic(100_000)), []);
    assert_eq!(wallet.beat().unwrap().leases, [stand(LeaseId(1), 0, 79)]);
}

proptest::proptest! {
    /// Whoever is told of changes in parts has heard the same as who is told all at once.
    #[test]
    fn updates_in_parts_say_what_one_says(
        steps in proptest::collection::vec((0_u8..4, 0_i64..5, 1_i64..4, 1_usize..4), 1..40),
    ) {
        let mut books = books();
        let asks = [ask(&mut books, 400, 0), ask(&mut books, 400, 0)];
        let grants = asks.map(|ask| books.grant(&ask, at(0)).unwrap());
        let mut told = (0, std::collections::BTreeMap::new());
        let mut now = 0;
        for (what, ends, amount, most) in steps {
            let which = usize::from(what % 2);
            let hold = hold(&asks[which], &grants[which], amount, now + 5 + ends);
            if what < 2 {
                books.settle(&charge(hold, amount)).unwrap();
            } else {
                books.release(&hold).unwrap();
            }
            if ends == 4 {
                now += 1;
                books.advance(at(now));
            }
            // Some of what is new is told now, the rest later.
            let (part, place) = books.update_since(asks[0].epoch, told.0, most);
            proptest::prop_assert!(part.buckets.len() <= most);
            told.0 = place;
            told.1.extend(part.buckets.iter().map(|(lease, ends, sums)| ((*lease, *ends), *sums)));
            if part.watermark != Second::NEVER {
                let all = books.update(asks[0].epoch);
                proptest::prop_assert_eq!(part.watermark, all.watermark);
                let all = all.buckets.iter().map(|(lease, ends, sums)| ((*lease, *ends), *sums));
                proptest::prop_assert_eq!(&told.1, &all.collect());
            }
        }
    }
}

#[test]
fn a_lease_lets_holds_last_as_long_as_bids_want_and_no_longer() {
    let mut books = books();
    let (epoch, _) = books.open_session(at(0));
    let mut wallet = Wallet::new(Policy::default(), std::sync::Arc::default());
    wallet.begin(epoch, TERMS.session_s, Monotonic(0), at(0), books.watermark());
    let today = Today { line: LINE, unit: Unit::Money, day: DAY, ends: DAY_ENDS };
    let pocket = wallet.pocket(LINE.line_item);
    let mut lease = |wallet: &mut Wallet, hold_s, tenth: u64| {
        let now = Monotonic(tenth * 100_000);
        assert_eq!(pocket.has(Nanos(10), hold_s, now), Err(Empty::NoLease));
        pocket.missed(Nanos(10), hold_s, Empty::NoLease);
        assert!(wallet.due(now).contains(&today.fund()), "it calls");
        let asks = wallet.tick([&today], now);
        let [ask] = asks.as_slice() else { panic!("{asks:?}") };
        wallet.granted(ask, &books.grant(ask, at(0)).unwrap());
        assert_eq!(ask.longest_hold_s, hold_s + hold_s / 8, "some room for the next life that is learnt");
        assert_eq!(pocket.has(Nanos(10), hold_s, now), Ok(()));
    };
    lease(&mut wallet, 20, 1);
    // A bid on another kind of place: not before a lease lets its hold last.
    lease(&mut wallet, 40, 2);
    // More than the ledger allows anybody: as long as it does.
    lease(&mut wallet, 1_000, 3);
    assert_eq!(pocket.hold(Nanos(10), 1_000, Monotonic(300_000)).unwrap().hold_s, TERMS.longest_hold_s);
}

#[test]
fn what_is_left_of_a_lease_can_be_bid_with_for_longer_though_nothing_is_free() {
    let mut books = books();
    let ask = ask(&mut books, 300, 0);
    let grant = books.grant(&ask, at(0)).unwrap();
    assert_eq!((grant.granted, pots(&books, CAMPAIGN, Period::Day(DAY))[0]), (Nanos(300), 0));
    let longer = Ask { known: Nanos(300), want: Nanos(0), longest_hold_s: 50, ..ask };
    let again = books.grant(&longer, at(0)).unwrap();
    assert_eq!((again.lease, again.granted, again.longest_hold_s), (grant.lease, Nanos(300), 50));
    let empty = account(CAMPAIGN, Period::Day(DAY));
    assert_eq!(
        books.grant(&longer, at(0)),
        Err(Refusal::Empty(empty)),
        "it is long enough, and nothing is free"
    );
    books.audit().unwrap();
}

#[test]
fn how_long_bids_want_to_hold_is_forgotten_in_the_end() {
    let mut books = books();
    let mut wallet = wallet(&mut books).0;
    let today = Today { line: LINE, unit: Unit::Money, day: DAY, ends: DAY_ENDS };
    let pocket = wallet.pocket(LINE.line_item);
    pocket.missed(Nanos(10), 3_000, Empty::TooLittle);
    let mut longest = 0;
    for minute in 1..30 {
        pocket.missed(Nanos(1_000), 20, Empty::TooLittle);
        let asks = wallet.tick([&today], Monotonic(minute * 60_000_000));
        longest = asks.first().map_or(longest, |ask| ask.longest_hold_s);
        assert!(minute >= 21 || longest == 3_375, "{longest} in minute {minute}");
    }
    assert_eq!(longest, 22);
}

#[test]
fn a_bidder_whose_session_ended_says_so_and_its_money_waits_for_its_last_hold_alone() {
    let mut books = books();
    let (mut wallet, ask) = wallet(&mut books);
    let hold = take(&mut wallet, 60, 0).unwrap();
    wallet.record(&hold);
    assert_eq!(hold.until, Second(20));
    // The ledger stood still for longer than a session.
    let now = at(13);
    assert!(books.beat(&wallet.beat().unwrap(), now).is_err());
    wallet.stop();
    for beat in wallet.farewell() {
        assert!(books.beat(&beat, now).is_err(), "it stays over");
        assert!(books.beat(&beat, now).is_err(), "and may be told so twice");
    }
    assert_eq!(pots(&books, CAMPAIGN, Period::Day(DAY)), [240, 0, 60, 0]);
    books.audit().unwrap();
    assert_eq!(books.advance(at(21)).closed, []);
    assert_eq!(books.advance(at(22)).closed, [LeaseId(1)], "and not session 10, longest 30, grace 2");
    assert_eq!(pots(&books, CAMPAIGN, Period::Day(DAY)), [300, 0, 0, 0]);
    assert!(books.session(ask.epoch, now).is_err());
}

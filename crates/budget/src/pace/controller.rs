//! The ledger's half: from the books and what bidders report to a rate for every line item and bidder.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tagbid_types::{BudgetDay, LineItemId, Nanos, Timestamp};

use super::amount::{Rate, WHOLE, scale};
use super::learnt::{Learnt, News};
use super::plan::{Plan, Span};
use super::{law, money, parts};
use crate::{AccountId, Books, Epoch, Lease, Line, Owner, Period, Pot, Unit};

/// What a bidder reports of one line item: sums since its session began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// Of which.
    pub line_item: LineItemId,
    /// What bids would have held, those that were held back by their pace as well: its opportunities. It wraps around.
    pub wanted: Nanos,
    /// What bids that were sent hold. It wraps around.
    pub made: Nanos,
    /// What one bid holds.
    pub unit: Nanos,
    /// How long a hold lasts, in seconds.
    pub hold_s: u32,
}

/// A line item's day, as the catalog has it.
#[derive(Clone, Debug)]
pub struct Course {
    /// Which.
    pub line: Line,
    /// The budget day.
    pub day: BudgetDay,
    /// What is to be spent by when; none: as soon as possible.
    pub plan: Option<Plan>,
    /// When the line item may bid, over all days, its campaign's flight included.
    pub flight: Span,
    /// When its campaign may.
    pub campaign_flight: Span,
}

/// What one bidder reported of one line item.
#[derive(Clone, Copy, Debug)]
struct Heard {
    want: Want,
    /// Sums that were looked at before.
    seen: Want,
    /// Picos wanted a second, smoothed.
    demand: i64,
    /// For how long nothing of it has changed.
    quiet: Duration,
}

/// Demand is a mean of this time.
const SMOOTH: Duration = Duration::from_secs(10);

/// A controller that has just begun tells nothing for so long: bidders go on at the rates that they know while it hears of them.
const QUIET: Duration = Duration::from_secs(3);

/// What a bidder wanted and does not want any more is forgotten after this: its line item is looked at while somebody has a lease of it.
const FORGET: Duration = Duration::from_secs(120);

/// A line item may use so many eighths of the demand that was seen of a budget that it shares.
const ROOM: i64 = 12;

/// The part of an equal share of a common budget that a line item may use whatever its demand was.
const FLOOR: i64 = 20;

/// All line items' paces. What it knows beyond the books is [`Learnt`], to be stored with them, and what bidders say anew.
#[derive(Clone, Debug, Default)]
pub struct Controller {
    begun: Option<Timestamp>,
    last: Option<Timestamp>,
    learnt: BTreeMap<LineItemId, Learnt>,
    heard: BTreeMap<(LineItemId, Epoch), Heard>,
    rates: BTreeMap<(Epoch, LineItemId), Rate>,
    wanted: BTreeMap<LineItemId, i64>,
}

/// A course while its speed is found out.
struct Runner<'a> {
    course: &'a Course,
    /// What is expected to come of holds that are open.
    pending: Nanos,
    /// Picos a second of what its traffic could be charged.
    usable: i64,
    speed: i64,
    share: i64,
}

impl Controller {
    /// Takes in what a bidder reports. One that was overtaken by a later one changes nothing.
    pub fn hear(&mut self, epoch: Epoch, wants: &[Want]) {
        for want in wants {
            let heard = self.heard.entry((want.line_item, epoch));
            let heard = heard.or_insert(Heard { want: *want, seen: *want, demand: 0, quiet: Duration::ZERO });
            if more(want.wanted, heard.want.wanted) >= 0 && more(want.made, heard.want.made) >= 0 {
                heard.want = *want;
            }
        }
    }

    /// The line items that anybody reported or asked money for.
    pub fn line_items(&self, books: &Books) -> BTreeSet<LineItemId> {
        let leased =
            books.leases().filter(|(_, lease)| is_money(lease)).map(|(_, lease)| lease.line.line_item);
        leased.chain(self.heard.keys().map(|(line_item, _)| *line_item)).collect()
    }

    /// Finds the rates of these line items, one course each, anew; those of all others are forgotten.
    pub fn step(&mut self, books: &Books, courses: &[Course], now: Timestamp) {
        let gone = self.last.map_or(Duration::ZERO, |last| now.since(last));
        self.begun.get_or_insert(now);
        self.last = Some(now);
        self.heard.retain(|(_, epoch), _| books.session(*epoch, now).is_ok());
        self.measure(gone);
        for course in courses {
            self.learn(books, course, now);
        }
        let mut runners: Vec<Runner<'_>> =
            courses.iter().map(|course| self.runner(books, course, now)).collect();
        share_budgets(books, &mut runners, now);
        self.rates.clear();
        let mut paced = runners.iter().filter(|runner| runner.course.plan.is_some()).peekable();
        if paced.peek().is_none() {
            return;
        }
        let mut holders: BTreeMap<LineItemId, BTreeSet<Epoch>> = BTreeMap::new();
        let alive = |lease: &Lease| books.session(lease.epoch, now).is_ok();
        for (_, lease) in books.leases().filter(|(_, lease)| is_money(lease) && alive(lease)) {
            holders.entry(lease.line.line_item).or_default().insert(lease.epoch);
        }
        for runner in paced {
            self.split(holders.remove(&runner.course.line.line_item).unwrap_or_default(), runner);
        }
    }

    /// What this bidder is to hear: rates by line item.
    pub fn rates(&self, epoch: Epoch) -> impl Iterator<Item = (LineItemId, Rate)> {
        let told = self.begun.zip(self.last).is_some_and(|(begun, last)| last.since(begun) >= QUIET);
        let range = (epoch, LineItemId(0))..=(epoch, LineItemId(u64::MAX));
        self.rates.range(range).filter(move |_| told).map(|((_, line_item), rate)| (*line_item, *rate))
    }

    /// The rate of a line item over all bidders.
    pub fn rate(&self, line_item: LineItemId) -> Rate {
        let rates = self.rates.iter().filter(|((_, item), _)| *item == line_item);
        rates.fold(Rate::ZERO, |sum, (_, rate)| Rate::from_picos(sum.picos().saturating_add(rate.picos())))
    }

    /// What was learnt, by line item: to be stored.
    pub fn learnt(&self) -> impl Iterator<Item = (LineItemId, &Learnt)> {
        self.learnt.iter().map(|(line_item, learnt)| (*line_item, learnt))
    }

    /// The same of one.
    pub fn learnt_of(&self, line_item: LineItemId) -> Option<&Learnt> {
        self.learnt.get(&line_item)
    }

    /// The same of those that bidders report to this controller: what it knows of others is another's, and old.
    pub fn heard_of(&self) -> impl Iterator<Item = (LineItemId, &Learnt)> {
        let is_heard = |line_item: &LineItemId| self.heard.range(of(*line_item)).next().is_some();
        self.learnt().filter(move |(line_item, _)| is_heard(line_item))
    }

    /// What bids wanted since the last call, by line item.
    pub fn take_wanted(&mut self) -> BTreeMap<LineItemId, i64> {
        std::mem::take(&mut self.wanted)
    }

    /// Puts back what was stored.
    pub fn put_learnt(&mut self, line_item: LineItemId, learnt: Learnt) {
        self.learnt.insert(line_item, learnt);
    }

    /// What bidders want now, from the sums of their reports.
    fn measure(&mut self, elapsed: Duration) {
        let (gone, smooth) = (micros(elapsed), micros(SMOOTH));
        for ((line_item, _), heard) in self.heard.iter_mut().filter(|_| gone > 0) {
            let wanted = Nanos(more(heard.want.wanted, heard.seen.wanted).max(0));
            let sum = self.wanted.entry(*line_item).or_default();
            *sum = sum.saturating_add(wanted.0);
            let rate = Rate::of(wanted, Duration::from_micros(gone.unsigned_abs())).picos();
            heard.demand += scale(rate.saturating_sub(heard.demand), gone, gone.saturating_add(smooth));
            heard.quiet = if wanted > Nanos::ZERO { Duration::ZERO } else { heard.quiet + elapsed };
            heard.seen.wanted = heard.want.wanted;
        }
        self.heard.retain(|_, heard| heard.quiet < FORGET);
    }

    /// Of a line item that bidders report to another controller that one learns, and what it stored is newer than ours.
    fn learn(&mut self, books: &Books, course: &Course, now: Timestamp) {
        if self.heard.range(of(course.line.line_item)).next().is_none() {
            return;
        }
        let owner = Owner::LineItem(course.line.line_item);
        let spent = books.account(AccountId::money(owner, Period::Lifetime)).pot(Pot::Spent);
        let mut news = News::default();
        for (_, heard) in self.heard.range_mut(of(course.line.line_item)) {
            news.made.0 = news.made.0.saturating_add(more(heard.want.made, heard.seen.made).max(0));
            news.unit = news.unit.max(heard.want.unit);
            news.hold_s = news.hold_s.max(heard.want.hold_s);
            heard.seen.made = heard.want.made;
        }
        let learnt = self.learnt.entry(course.line.line_item);
        if let Entry::Vacant(_) = learnt {
            // Bids made before it was paced were charged before as well: neither counts.
            news.made = Nanos::ZERO;
        }
        learnt.or_insert_with(|| Learnt::new(now, spent)).go_on(now, spent, &news);
    }

    fn runner<'a>(&self, books: &Books, course: &'a Course, now: Timestamp) -> Runner<'a> {
        let line_item = course.line.line_item;
        let owner = Owner::LineItem(line_item);
        let (spent, held) = money::stand(books, owner, course.day);
        let learnt = self.learnt.get(&line_item);
        let pending = learnt.map_or(held, |learnt| learnt.expected(held));
        let share = learnt.map_or(WHOLE, Learnt::share);
        let demands = self.heard.range(of(line_item)).map(|(_, heard)| heard.demand);
        let demand = demands.fold(0_i64, i64::saturating_add);
        let speed = match (&course.plan, money_of_line(books, course)) {
            (Some(plan), Some(money)) => {
                law::speed(plan, money, Nanos(spent.0.saturating_add(pending.0)), now).picos()
            }
            _ => i64::MAX,
        };
        Runner { course, pending, usable: scale(demand, share, WHOLE), speed, share }
    }

    /// The rate at which holds have to be made for charges to come at this speed, to every bidder its part: those that have
    /// a lease, and those that report.
    fn split(&mut self, holders: BTreeSet<Epoch>, runner: &Runner<'_>) {
        let line_item = runner.course.line.line_item;
        let mut demands: BTreeMap<Epoch, i64> = holders.into_iter().map(|epoch| (epoch, 0)).collect();
        demands.extend(self.heard.range(of(line_item)).map(|((_, epoch), heard)| (*epoch, heard.demand)));
        let holds = scale(runner.speed, WHOLE, runner.share);
        let demand: Vec<i64> = demands.values().copied().collect();
        for (epoch, part) in demands.keys().zip(parts::by_demand(holds, &demand)) {
            self.rates.insert((*epoch, line_item), Rate::from_picos(part));
        }
    }
}

/// Spending is what is paced; capacities only end it.
fn is_money(lease: &Lease) -> bool {
    lease.unit == Unit::Money
}

/// How much a sum has grown. Sums wrap around; what is below zero is an older one.
fn more(sum: Nanos, before: Nanos) -> i64 {
    sum.0.wrapping_sub(before.0)
}

fn money_of_line(books: &Books, course: &Course) -> Option<Nanos> {
    let part = course.plan.as_ref().and_then(|plan| plan.todays_part(course.flight));
    money::of_today(books, Owner::LineItem(course.line.line_item), course.day, part)
}

/// Budgets of campaigns and advertisers pace through their line items. Each of them is planned as the mean of its line items' plans,
/// and what it may spend now is shared out fairly: to each line item what its own budget and its traffic let it use, and where that
/// is too much, equally. So none starves another: what one cannot use is the others', and one that comes back finds an equal
/// share. Line items that spend as soon as possible are not held back, and what they spend is not there for the others.
fn share_budgets(books: &Books, runners: &mut [Runner<'_>], now: Timestamp) {
    share_owner(books, runners, now, |course| Owner::Campaign(course.line.campaign));
    share_owner(books, runners, now, |course| Owner::Advertiser(course.line.advertiser));
}

fn share_owner(books: &Books, runners: &mut [Runner<'_>], now: Timestamp, owner: impl Fn(&Course) -> Owner) {
    let mut members: BTreeMap<(Owner, BudgetDay), Vec<usize>> = BTreeMap::new();
    for (place, runner) in runners.iter().enumerate() {
        members.entry((owner(runner.course), runner.course.day)).or_default().push(place);
    }
    for ((owner, day), places) in members {
        let group: Vec<&Runner<'_>> = places.iter().filter_map(|place| runners.get(*place)).collect();
        let Some(capacity) = capacity(books, owner, day, &group, now) else { continue };
        let paced: Vec<usize> = places
            .into_iter()
            .filter(|place| runners.get(*place).is_some_and(|runner| runner.course.plan.is_some()))
            .collect();
        let count = i64::try_from(paced.len()).unwrap_or(i64::MAX).max(1);
        let usable = |place: &usize| {
            runners.get(*place).map_or(0, |runner| {
                let traffic = scale(runner.usable, ROOM, 8).max(capacity / count / FLOOR);
                // The last of a budget has no others to leave anything to.
                if count == 1 { runner.speed } else { runner.speed.min(traffic) }
            })
        };
        let usable: Vec<i64> = paced.iter().map(usable).collect();
        for (place, part) in paced.iter().zip(parts::fair(capacity, &usable)) {
            if let Some(runner) = runners.get_mut(*place) {
                runner.speed = part;
            }
        }
    }
}

/// How fast all line items of an owner together may spend; none: it has no budget.
fn capacity(
    books: &Books,
    owner: Owner,
    day: BudgetDay,
    group: &[&Runner<'_>],
    now: Timestamp,
) -> Option<i64> {
    let (spent, _) = money::stand(books, owner, day);
    let pending = group.iter().fold(0_i64, |sum, runner| sum.saturating_add(runner.pending.0));
    let expected = Nanos(spent.0.saturating_add(pending));
    let (mut sum, mut plans) = (0_i128, 0_i128);
    for runner in group {
        let Some(plan) = &runner.course.plan else { continue };
        let flight = match owner {
            Owner::Campaign(_) => runner.course.campaign_flight,
            Owner::Advertiser(_) | Owner::LineItem(_) => Span::EVER,
        };
        let money = money::of_today(books, owner, day, plan.todays_part(flight))?;
        sum += i128::from(law::speed(plan, money, expected, now).picos());
        plans += 1;
    }
    i64::try_from(sum.checked_div(plans)?).ok()
}

/// All bidders of one line item.
fn of(line_item: LineItemId) -> std::ops::RangeInclusive<(LineItemId, Epoch)> {
    (line_item, Epoch(0))..=(line_item, Epoch(u64::MAX))
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

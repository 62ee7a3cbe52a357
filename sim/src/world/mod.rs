//! The world: what happens next, to whom.

mod bids;
mod faults;
mod ledgers;

use std::collections::{BTreeMap, BTreeSet};

use tagbid_budget::{Holds, Owner, Unit};
use tagbid_exchange::Dice;
use tagbid_types::Nanos;

use crate::bidder::Bidder;
use crate::check::Checks;
use crate::database::Database;
use crate::exchange::Exchange;
use crate::ledger::Ledger;
use crate::net::{Notice, ToBidder, ToLedger};
use crate::setup::{BEGIN, SECOND, Setup};
use crate::trace::Trace;
use crate::{Bug, Violation};

/// What one seed led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The first thing that was wrong.
    pub violation: Option<Violation>,
    /// What happened.
    pub totals: Totals,
    /// The trace, where it was asked for.
    pub trace: Option<String>,
}

/// Counts and sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Bids that were sent.
    pub bids: u64,
    /// Bids that were billed.
    pub billed: u64,
    /// What advertisers were billed, in nanos.
    pub spent: i128,
    /// What they were not billed because it would have been above a budget, in nanos.
    pub uncovered: i128,
    /// Bids that were billed when their hold was over.
    pub late: u64,
    /// Impressions that were billed: those that no capacity counts or covers, and those above one.
    pub delivered: u64,
    /// See [`Totals::delivered`].
    pub over_capacity: u64,
    /// Bids that were billed under a capacity.
    pub rationed: u64,
    /// Transactions.
    pub commits: u64,
    /// Crashes, pauses and cut links.
    pub faults: u64,
    /// How often a bidder was told how long holds last.
    pub lives: u64,
}

impl Totals {
    /// Adds those of another world.
    pub fn add(&mut self, other: &Self) {
        self.bids += other.bids;
        self.billed += other.billed;
        self.spent += other.spent;
        self.uncovered += other.uncovered;
        self.late += other.late;
        self.delivered += other.delivered;
        self.over_capacity += other.over_capacity;
        self.rationed += other.rationed;
        self.commits += other.commits;
        self.faults += other.faults;
        self.lives += other.lives;
    }
}

/// Something that will happen.
#[derive(Clone, Debug)]
enum Event {
    Auction,
    Send { bidder: usize, life: u64, item: usize, holds: Holds },
    Tick { bidder: usize, life: u64 },
    Start { bidder: usize },
    Advance { ledger: usize },
    ToLedger { ledger: usize, message: ToLedger },
    ToBidder { bidder: usize, life: u64, message: ToBidder },
    Notice { notice: Notice, attempt: u32 },
    Acknowledged { notice: Notice },
    Fault,
    Heal { bidder: usize, ledger: usize },
    Budgets,
}

struct World {
    setup: Setup,
    dice: Dice,
    trace: Trace,
    now: i64,
    next: u64,
    queue: BTreeMap<(i64, u64), Event>,
    bidders: Vec<Bidder>,
    ledgers: Vec<Ledger>,
    database: Database,
    exchange: Exchange,
    /// Links that are cut.
    cut: BTreeSet<(usize, usize)>,
    limits: BTreeMap<(Owner, Unit, bool), Option<Nanos>>,
    checks: Checks,
    totals: Totals,
    violation: Option<Violation>,
    bug: Option<Bug>,
}

/// Lives through one seed. With a bug the world has that fault; `keep` keeps the trace.
pub fn run(seed: u64, bug: Option<Bug>, keep: bool) -> Outcome {
    let mut dice = Dice::new(seed);
    let setup = Setup::draw(&mut dice);
    outcome(World::new(setup, dice, bug, keep))
}

/// What becomes of a budget, or a capacity, of 100 bids that 32 bidders share, where bids win at this rate and losses are not told: held
/// money is the longest away. `lives` is how many times the mean time that a budget of one bid would take, hold by win rate.
pub fn starve(unit: Unit, seed: u64, win_rate: f64, lives: i64) -> Outcome {
    outcome(World::new(Setup::starving(unit, win_rate, lives), Dice::new(seed), None, false))
}

/// What becomes of such a budget in so many seconds where billing takes up to 5 s and holds usually last for 90: with what a ledger has
/// learnt of other line items at the exchange, or without.
pub fn hold(seed: u64, win_rate: f64, seconds: i64, learnt: bool) -> Outcome {
    let setup = Setup::quick_billing(win_rate, seconds, learnt);
    outcome(World::new(setup, Dice::new(seed), None, false))
}

fn outcome(mut world: World) -> Outcome {
    world.live();
    Outcome { violation: world.violation, totals: world.totals, trace: world.trace.finish() }
}

impl World {
    fn new(setup: Setup, mut dice: Dice, bug: Option<Bug>, keep: bool) -> Self {
        let bidder = |number| {
            let (drift, uptime) = (dice.between(-100, 100), dice.between(0, 1_000) * SECOND);
            Bidder::new(number, drift, uptime, bug)
        };
        let bidders: Vec<Bidder> = (0..setup.bidders).map(bidder).collect();
        let daily = setup.daily.iter().map(|((owner, unit), limit)| ((*owner, *unit, true), Some(*limit)));
        let lifetime =
            setup.lifetime.iter().map(|((owner, unit), limit)| ((*owner, *unit, false), Some(*limit)));
        let mut world = Self {
            limits: daily.chain(lifetime).collect(),
            database: Database::new(setup.terms),
            trace: Trace::new(keep),
            now: BEGIN,
            next: 0,
            queue: BTreeMap::new(),
            bidders,
            ledgers: Vec::new(),
            exchange: Exchange::default(),
            cut: BTreeSet::new(),
            checks: Checks::default(),
            totals: Totals::default(),
            violation: None,
            bug,
            dice,
            setup,
        };
        world.database.add_delays(&world.setup.known_delays());
        world.ledgers = (0..world.setup.ledgers).map(|_| world.start_ledger()).collect();
        world.trace.line(0, format_args!("{:?}", world.setup));
        world
    }

    fn live(&mut self) {
        for bidder in 0..self.setup.bidders {
            self.after(1, Event::Tick { bidder, life: 0 });
        }
        for ledger in 0..self.setup.ledgers {
            self.after(1, Event::Advance { ledger });
        }
        self.after(SECOND, Event::Auction);
        let weather = self.setup.weather;
        if weather.faults_every > 0 {
            self.after(weather.faults_every, Event::Fault);
        }
        if weather.budgets_every > 0 {
            self.after(weather.budgets_every, Event::Budgets);
        }
        // Every lease is back when the last notice was sent, the last session is over, and the longest hold as well, by
        // whatever ledger's clock.
        let end = BEGIN + self.setup.duration + 400 * SECOND;
        while let Some(((at, _), event)) = self.queue.pop_first() {
            if at > end || self.violation.is_some() {
                break;
            }
            self.now = at;
            self.happen(event);
        }
        self.finish();
    }

    fn finish(&mut self) {
        if self.violation.is_some() {
            return;
        }
        let books = self.database.books(self.setup.terms);
        let result = books.map_err(|error| error.to_string());
        let result = result.and_then(|books| self.checks.over(&books, &self.database, &self.exchange));
        self.check(result);
        self.trace.line(self.now - BEGIN, format_args!("{:?}", self.totals));
    }

    fn after(&mut self, span: i64, event: Event) {
        self.next += 1;
        self.queue.insert((self.now + span.max(1), self.next), event);
    }

    fn is_over(&self) -> bool {
        self.now >= BEGIN + self.setup.duration
    }

    fn check(&mut self, result: Result<(), String>) {
        if let (Err(what), None) = (result, &self.violation) {
            let at = self.now - BEGIN;
            self.trace.line(at, format_args!("VIOLATION {what}"));
            self.violation = Some(Violation { at, what });
        }
    }

    fn happen(&mut self, event: Event) {
        self.trace.line(self.now - BEGIN, format_args!("{event:?}"));
        match event {
            Event::Auction => self.auction(),
            Event::Send { bidder, life, item, holds } => self.send(bidder, life, item, holds),
            Event::Tick { bidder, life } => self.tick(bidder, life),
            Event::Start { bidder } => self.start_bidder(bidder),
            Event::Advance { ledger } => self.advance(ledger),
            Event::ToLedger { ledger, message } => self.at_ledger(ledger, message),
            Event::ToBidder { bidder, life, message } => self.at_bidder(bidder, life, message),
            Event::Notice { notice, attempt } => self.notice(notice, attempt),
            Event::Acknowledged { notice } => self.acknowledged(notice),
            Event::Fault => self.fault(),
            Event::Heal { bidder, ledger } => drop(self.cut.remove(&(bidder, ledger))),
            Event::Budgets => self.change_budgets(),
        }
    }
}

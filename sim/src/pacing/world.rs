//! The loop: opportunities, bids, notices, and the machines' ticks.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use tagbid_budget::{Charge, Hold, Line, Release, Today, Unit};
use tagbid_exchange::Dice;
use tagbid_types::{LineItemId, MoneyError, Nanos, Timestamp};

use super::bidder::{Bidder, TICK_MS};
use super::ledger::{Ledger, at, day};
use super::report::{Hour, Report};
use super::scenario::{Kind, Scenario};
use super::traffic::{BIDDERS, DAY, Traffic, poisson};

/// What a bid holds: 2 units of currency for a thousand impressions.
pub(super) const AMOUNT: i64 = 2_000_000;

/// The first budget day.
pub(super) const BEGIN_DAY: i32 = 20_000;

/// One step, in microseconds, and steps between what machines do: a tick, the ledger's control, a beat, sums of holds.
const STEP: i64 = 100_000;
const TICK: i64 = TICK_MS as i64 * 1_000 / STEP;
const CONTROL: i64 = 5;
const BEAT: i64 = 10;
const HOLDS: i64 = 20;

/// A notice on its way: when, of what.
type Notice = (Reverse<i64>, u64, usize, Says);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Says {
    Lost,
    Billed(i64),
}

struct World<'a> {
    scenario: &'a Scenario,
    ledger: Ledger,
    bidders: Vec<Bidder>,
    today: Vec<Today>,
    traffic: Traffic,
    dice: Dice,
    notices: BinaryHeap<Notice>,
    holds: Vec<Option<(usize, Hold)>>,
    free: Vec<usize>,
    sequence: u64,
    uncovered: i64,
    bids: u64,
}

/// Lives through a scenario, and for an hour after it so that every notice has come.
pub fn run(scenario: &Scenario, seed: u64) -> Result<Report, MoneyError> {
    let mut world = World::new(scenario, seed)?;
    let mut hours = Vec::new();
    let (end, steps) = (scenario.days() * DAY, 1_000_000 / STEP);
    for step in 0..(end + 3_600) * steps {
        let second = step / steps;
        if step % (3_600 * steps) == 0 && (1..=end).contains(&second) {
            hours.push(world.hour(second));
        }
        if step % (DAY * steps) == 0 && second < end {
            world.begin_day(second / DAY)?;
        }
        world.step(step, second < end)?;
    }
    Ok(world.finish(hours))
}

impl<'a> World<'a> {
    fn new(scenario: &'a Scenario, seed: u64) -> Result<Self, MoneyError> {
        let mut ledger = Ledger::new(scenario)?;
        let lines: Vec<LineItemId> = ledger.lines.iter().map(|line| line.line_item).collect();
        let paced = scenario.kind != Kind::Asap;
        let bidder = |_| Bidder::new(&mut ledger.books, &lines, paced, at(0));
        let bidders = (0..BIDDERS).map(bidder).collect();
        Ok(Self {
            scenario,
            ledger,
            bidders,
            today: Vec::new(),
            traffic: Traffic::new(),
            dice: Dice::new(seed),
            notices: BinaryHeap::new(),
            holds: Vec::new(),
            free: Vec::new(),
            sequence: 0,
            uncovered: 0,
            bids: 0,
        })
    }

    fn begin_day(&mut self, number: i64) -> Result<(), MoneyError> {
        self.ledger.begin_day(self.scenario, number)?;
        let today = |line: &Line| Today {
            line: *line,
            unit: Unit::Money,
            day: day(number),
            ends: at((number + 1) * DAY),
        };
        self.today = self.ledger.lines.iter().map(today).collect();
        Ok(())
    }

    fn step(&mut self, step: i64, open: bool) -> Result<(), MoneyError> {
        let now = Timestamp(at(0).0 + step * STEP);
        self.hear_notices(now)?;
        if step % CONTROL == 0 {
            self.ledger.step(now);
        }
        if step % HOLDS == 0 {
            self.bidders.iter_mut().for_each(|bidder| bidder.hear_holds(&self.ledger.books));
        }
        for bidder in &mut self.bidders {
            if step % TICK == 0 {
                bidder.tick(&mut self.ledger.books, &self.today, now);
            }
            if step % BEAT == 0 {
                bidder.beat(&mut self.ledger.books, &mut self.ledger.controller, now);
            }
        }
        if open {
            self.bid(step, now);
        }
        Ok(())
    }

    fn bid(&mut self, step: i64, now: Timestamp) {
        let second = step * STEP / 1_000_000;
        let rates = self.traffic.rates(self.scenario, second, &mut self.dice);
        for (bidder, rate) in rates.into_iter().enumerate() {
            for _ in 0..poisson(rate * STEP as f64 / 1e6, &mut self.dice) {
                let at = Timestamp(now.0 + self.dice.between(0, STEP - 1));
                let line = self.line();
                let Some(bidder) = self.bidders.get_mut(bidder) else { continue };
                if let Some(hold) = bidder.bid(line, Nanos(AMOUNT), self.scenario.hold_s, at) {
                    self.auction(line, hold, at, second);
                }
            }
        }
    }

    /// Which line item an opportunity is for: the last of several has a tenth of what each of the others has.
    fn line(&mut self) -> usize {
        let lines = self.ledger.lines.len();
        if lines == 1 { 0 } else { self.dice.below((lines - 1) * 10 + 1) / 10 }
    }

    fn auction(&mut self, line: usize, hold: Hold, now: Timestamp, second: i64) {
        self.bids += 1;
        let (after, says) = if self.dice.chance(self.scenario.wins(second)) {
            let price = self.dice.between(AMOUNT / 2, AMOUNT);
            // Exponential, and no later than the hold lasts.
            let mean = f64::from(self.scenario.hold_s) / 7.0 * 1e6;
            let delay = -(1.0 - self.dice.unit()).ln() * mean;
            ((delay as i64).min(i64::from(self.scenario.hold_s) * 999_000), Says::Billed(price))
        } else if self.scenario.tells_losses {
            (self.dice.between(200_000, 3_000_000), Says::Lost)
        } else {
            return;
        };
        let place = self.free.pop().unwrap_or_else(|| {
            self.holds.push(None);
            self.holds.len() - 1
        });
        self.holds[place] = Some((line, hold));
        self.sequence += 1;
        self.notices.push((Reverse(now.0 + after), self.sequence, place, says));
    }

    fn hear_notices(&mut self, now: Timestamp) -> Result<(), MoneyError> {
        while self.notices.peek().is_some_and(|(Reverse(at), ..)| *at <= now.0) {
            let Some((_, _, place, says)) = self.notices.pop() else { break };
            let Some((line, hold)) = self.holds[place].take() else { continue };
            self.free.push(place);
            let hold = Release {
                lease: hold.lease,
                epoch: hold.epoch,
                line: self.ledger.lines[line],
                unit: Unit::Money,
                day: hold.day,
                amount: hold.amount,
                until: hold.until,
            };
            match says {
                Says::Lost => drop(self.ledger.books.release(&hold)?),
                Says::Billed(price) => {
                    let charge = Charge { hold, amount: Nanos(price), released: false };
                    self.uncovered += self.ledger.books.settle(&charge)?.uncovered.0;
                }
            }
        }
        Ok(())
    }

    fn hour(&self, second: i64) -> Hour {
        let budget = self.ledger.budget().0 as f64;
        let spent = self.ledger.spent().0 as f64 / budget;
        Hour { hour: second / 3_600, planned: self.ledger.planned(self.scenario, second), spent }
    }

    fn finish(self, hours: Vec<Hour>) -> Report {
        let (budget, spent) = (self.ledger.budget().0, self.ledger.spent().0);
        Report {
            name: self.scenario.name,
            days: self.scenario.days(),
            paced: self.scenario.kind != Kind::Asap,
            hours,
            spent: spent as f64 / budget as f64,
            by_line: self
                .ledger
                .lines
                .iter()
                .map(|line| self.ledger.spent_by(line).0 as f64 / budget as f64)
                .collect(),
            overspent: (spent - budget).max(0),
            uncovered: self.uncovered,
            bids: self.bids,
        }
    }
}

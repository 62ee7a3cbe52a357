//! The ledger: books, the controller over them, and what the catalog says of the line items.

use tagbid_budget::pace::{Controller, Course, DayTraffic, Plan, Profile, QUARTERS, Span};
use tagbid_budget::{AccountId, Books, Line, Owner, Period, Pot, Terms};
use tagbid_types::{AdvertiserId, BudgetDay, CampaignId, LineItemId, MoneyError, Nanos, Timestamp};

use super::scenario::{Kind, Money, Scenario};
use super::traffic::{DAY, of_day};
use super::world::{AMOUNT, BEGIN_DAY};

pub(super) const CAMPAIGN: CampaignId = CampaignId(7);

pub(super) struct Ledger {
    pub(super) books: Books,
    pub(super) controller: Controller,
    pub(super) lines: Vec<Line>,
    pub(super) courses: Vec<Course>,
    budget: Nanos,
    owner: Owner,
}

impl Ledger {
    pub(super) fn new(scenario: &Scenario) -> Result<Self, MoneyError> {
        let terms = Terms { session_s: 10, longest_hold_s: 2_100, grace_s: 2 };
        let line = |number: usize| Line {
            advertiser: AdvertiserId(1),
            campaign: CAMPAIGN,
            line_item: LineItemId(number as u64 + 1),
        };
        let lines: Vec<Line> = (0..scenario.lines()).map(line).collect();
        let owner = match scenario.money {
            Money::Shared => Owner::Campaign(CAMPAIGN),
            Money::Daily | Money::Lifetime(_) => Owner::LineItem(LineItemId(1)),
        };
        let budget = Nanos(scenario.bids * scenario.days() * AMOUNT);
        let books = Books::new(terms);
        let mut ledger =
            Self { books, controller: Controller::default(), lines, courses: Vec::new(), budget, owner };
        ledger.begin_day(scenario, 0)?;
        Ok(ledger)
    }

    /// A new budget day: its limit, and its plans.
    pub(super) fn begin_day(&mut self, scenario: &Scenario, number: i64) -> Result<(), MoneyError> {
        let day = day(number);
        let period = match scenario.money {
            Money::Lifetime(_) => Period::Lifetime,
            Money::Daily | Money::Shared => Period::Day(day),
        };
        self.books.set_limit(AccountId::money(self.owner, period), Some(self.budget))?;
        let flight = Span { from: at(0), until: at(scenario.days() * DAY) };
        let today = Span { from: at(number * DAY), until: at((number + 1) * DAY) };
        let profile = if scenario.kind == Kind::Shaped { learn() } else { Profile::EVEN };
        let plan = (scenario.kind != Kind::Asap).then(|| Plan::new(today, flight, &profile));
        let course =
            |line: &Line| Course { line: *line, day, plan: plan.clone(), flight, campaign_flight: flight };
        self.courses = self.lines.iter().map(course).collect();
        Ok(())
    }

    pub(super) fn step(&mut self, now: Timestamp) {
        self.books.advance(now);
        self.controller.step(&self.books, &self.courses, now);
    }

    /// What was spent in all, and of one line item.
    pub(super) fn spent(&self) -> Nanos {
        self.books.account(AccountId::money(self.owner, Period::Lifetime)).pot(Pot::Spent)
    }

    pub(super) fn spent_by(&self, line: &Line) -> Nanos {
        let owner = Owner::LineItem(line.line_item);
        self.books.account(AccountId::money(owner, Period::Lifetime)).pot(Pot::Spent)
    }

    /// What the plan says for this second since the beginning, of the whole budget.
    pub(super) fn planned(&self, scenario: &Scenario, second: i64) -> f64 {
        let Some(plan) = self.courses.first().and_then(|course| course.plan.as_ref()) else { return 1.0 };
        let days = scenario.days();
        let before = (second - 1).div_euclid(DAY);
        (before as f64 + plan.part_at(at(second))) / days as f64
    }

    pub(super) fn budget(&self) -> Nanos {
        self.budget
    }
}

/// What the line items have learnt: three earlier days, each with its own noise and with an hour that nobody looked at.
fn learn() -> Profile {
    let day = |number: usize| {
        let mut day: DayTraffic = [None; QUARTERS];
        for (quarter, seen) in day.iter_mut().enumerate() {
            let noise = 0.9 + 0.2 * ((quarter * 7 + number * 13) % 11) as f64 / 10.0;
            let traffic = of_day(quarter as i64 * 900 + 450) * noise;
            *seen = (quarter / 4 != number * 5).then_some((traffic * 36_000.0) as u64);
        }
        day
    };
    Profile::learn(&[day(0), day(1), day(2)])
}

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_secs(i64::from(BEGIN_DAY) * DAY + second)
}

pub(super) fn day(number: i64) -> BudgetDay {
    BudgetDay(BEGIN_DAY + i32::try_from(number).unwrap_or(0))
}

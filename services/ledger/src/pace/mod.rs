//! Pacing in the ledger: the controller of `tagbid_budget::pace` over the books and the catalog, what is stored of it, and the
//! traffic that it learns the shape of days from.

mod flights;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tagbid_budget::pace::{Controller, DayTraffic, Learnt, Profile, QUARTERS, Rate, Want};
use tagbid_budget::{Books, Epoch, Line};
use tagbid_types::{AdvertiserId, BudgetDay, CampaignId, LineItemId, Timestamp};

pub(crate) use flights::{Flights, Today};
use watch::Watch;

/// What was learnt and the traffic are written so often, from the first line item to the last.
const WRITE_EVERY: Duration = Duration::from_secs(10);

/// Rows of each that one transaction writes: notices wait for it. Where there are more, the next go on.
const WRITE_AT_ONCE: usize = 2_000;

/// Line items whose traffic one transaction reads.
const READ_AT_ONCE: usize = 50;

/// Days of traffic that are kept.
pub(crate) const DAYS_KEPT: i32 = 14;

/// More than any quarter hour brings, and few enough to be added up without overflow.
const MOST_WANTED: i64 = 1 << 40;

/// A quarter hour's traffic of one line item, in micros: what came since it was last written, or all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) line_item: LineItemId,
    pub(crate) day: BudgetDay,
    pub(crate) quarter: i64,
    pub(crate) wanted: i64,
}

/// What is to be written in this transaction.
#[derive(Debug, Default)]
pub(crate) struct ToWrite {
    pub(crate) learnt: Vec<(LineItemId, Learnt)>,
    pub(crate) traffic: Vec<Traffic>,
    /// Quarter hours since 1970, and for how many micros more the ledger was looking.
    pub(crate) watched: Vec<(i64, i64)>,
}

/// One ledger's pacing. Lives longer than what is remembered of the books: bidders' reports and what was learnt are not undone
/// by a transaction that fails.
#[derive(Debug, Default)]
pub(crate) struct Pacer {
    controller: Controller,
    /// By line item that is paced by its traffic: the profile of its day.
    profiles: BTreeMap<LineItemId, (BudgetDay, Profile)>,
    /// Of these the stored traffic is to be read.
    unread: BTreeSet<(LineItemId, BudgetDay)>,
    traffic: BTreeMap<(LineItemId, BudgetDay, i64), i64>,
    /// When it was looking for traffic.
    pub(crate) watch: Watch,
    written: Option<Round>,
}

/// The writing of what was learnt.
#[derive(Clone, Copy, Debug)]
struct Round {
    begun: Timestamp,
    /// Where it goes on; none: all were written.
    next: Option<LineItemId>,
}

impl Pacer {
    /// Takes in what a bidder reports.
    pub(crate) fn hear(&mut self, epoch: Epoch, wants: &[Want]) {
        self.controller.hear(epoch, wants);
    }

    /// What the bidder is told.
    pub(crate) fn rates(&self, epoch: Epoch) -> Vec<(LineItemId, Rate)> {
        self.controller.rates(epoch).collect()
    }

    /// The days of the line items that are to be paced now, and of those that share a budget with one: what they spend is not
    /// there for it. The others are many, and nothing waits for what could be found out about them.
    pub(crate) fn todays(&mut self, books: &Books, flights: &Flights, now: Timestamp) -> Vec<Today> {
        if !flights.any_paced() {
            return Vec::new();
        }
        if books.has_sessions() {
            self.watch.look(now);
        }
        let line_items = self.controller.line_items(books);
        let lines: Vec<(Line, bool)> =
            line_items.into_iter().filter_map(|line_item| flights.line(line_item)).collect();
        let paced = || lines.iter().filter(|(_, paced)| *paced).map(|(line, _)| line);
        let campaigns: BTreeSet<CampaignId> = paced().map(|line| line.campaign).collect();
        let advertisers: BTreeSet<AdvertiserId> = paced().map(|line| line.advertiser).collect();
        let counts =
            |line: &Line| campaigns.contains(&line.campaign) || advertisers.contains(&line.advertiser);
        let counted = lines.iter().map(|(line, _)| line).filter(|line| counts(line));
        counted.filter_map(|line| flights.today(line.line_item, now)).collect()
    }

    /// Finds the rates anew.
    pub(crate) fn step(&mut self, books: &Books, todays: &[Today], now: Timestamp) {
        let courses: Vec<_> = todays.iter().map(|today| today.course(&self.profile(today))).collect();
        self.controller.step(books, &courses, now);
        let wanted: BTreeMap<LineItemId, i64> = self.controller.take_wanted().into_iter().collect();
        for today in todays.iter().filter(|today| today.is_shaped()) {
            let more = wanted.get(&today.line.line_item).copied().unwrap_or(0);
            let key = (today.line.line_item, today.day, today.quarter(now));
            // Shapes are compared, not sums: in micros, and never near what a column holds.
            let micros = self.traffic.entry(key).or_default();
            *micros = micros.saturating_add(more / 1_000).min(MOST_WANTED);
        }
    }

    /// Until the stored traffic was read it is even.
    fn profile(&mut self, today: &Today) -> Profile {
        if !today.is_shaped() {
            return Profile::EVEN;
        }
        let line_item = today.line.line_item;
        match self.profiles.get(&line_item) {
            Some((day, profile)) if *day == today.day => profile.clone(),
            _ => {
                self.unread.insert((line_item, today.day));
                Profile::EVEN
            }
        }
    }

    /// Of a line item that is paced by its traffic.
    #[cfg(test)]
    pub(crate) fn profile_of(&self, line_item: LineItemId) -> Option<Profile> {
        self.profiles.get(&line_item).map(|(_, profile)| profile.clone())
    }

    /// The line items whose stored traffic is to be read, each before a day.
    /// Some at a time: at midnight all of them are.
    pub(crate) fn take_unread(&mut self) -> BTreeSet<(LineItemId, BudgetDay)> {
        let after = self.unread.iter().nth(READ_AT_ONCE).copied();
        let rest = after.map(|after| self.unread.split_off(&after)).unwrap_or_default();
        std::mem::replace(&mut self.unread, rest)
    }

    /// The stored traffic of a line item, as it was before this day. Where there is none although the ledger was looking and the line
    /// item was open, nothing came; not before the first that there is, nor on a day without any: it may not have been there.
    pub(crate) fn put_traffic(
        &mut self,
        line_item: LineItemId,
        day: BudgetDay,
        stored: &[Traffic],
        flights: &Flights,
    ) {
        let mine = || stored.iter().filter(|one| one.line_item == line_item && one.day < day);
        let first = mine().map(|one| (one.day, one.quarter)).min();
        let mut days: BTreeMap<BudgetDay, DayTraffic> = BTreeMap::new();
        for one in mine() {
            let slot = usize::try_from(one.quarter).ok();
            let traffic =
                days.entry(one.day).or_insert_with(|| self.nothing_came(line_item, one.day, first, flights));
            if let Some(slot) = slot.and_then(|slot| traffic.get_mut(slot)) {
                *slot = u64::try_from(one.wanted).ok();
            }
        }
        let open = flights.day(line_item, day).map_or([true; QUARTERS], |today| today.open);
        self.profiles.insert(line_item, (day, Profile::learn_within(days.values().rev(), &open)));
    }

    /// A day with nothing in what was watched of it after this quarter.
    fn nothing_came(
        &self,
        line_item: LineItemId,
        day: BudgetDay,
        first: Option<(BudgetDay, i64)>,
        flights: &Flights,
    ) -> DayTraffic {
        let Some(one_day) = flights.day(line_item, day) else { return [None; QUARTERS] };
        std::array::from_fn(|quarter| {
            let later = i64::try_from(quarter).ok().map(|quarter| (day, quarter)) > first;
            let open = one_day.open.get(quarter).is_some_and(|open| *open);
            (later && open && self.watch.was(one_day.quarter_since_1970(quarter))).then_some(0)
        })
    }

    /// What another ledger, or this one in an earlier life, has learnt.
    pub(crate) fn put_learnt(&mut self, line_item: LineItemId, learnt: Learnt) {
        let known = self.controller.learnt_of(line_item);
        if known.is_none_or(|known| known.as_of() < learnt.as_of()) {
            self.controller.put_learnt(line_item, learnt);
        }
    }

    /// What is to be written now: nothing, most of the time.
    pub(crate) fn to_write(&self, now: Timestamp) -> ToWrite {
        let Some(from) = self.write_from(now) else { return ToWrite::default() };
        let traffic = |(key, wanted): (&(LineItemId, BudgetDay, i64), &i64)| Traffic {
            line_item: key.0,
            day: key.1,
            quarter: key.2,
            wanted: *wanted,
        };
        ToWrite {
            learnt: self
                .controller
                .heard_of()
                .filter(|(line_item, _)| *line_item >= from)
                .map(|(line_item, learnt)| (line_item, *learnt))
                .take(WRITE_AT_ONCE)
                .collect(),
            traffic: self
                .traffic
                .range((from, BudgetDay(i32::MIN), i64::MIN)..)
                .map(traffic)
                .take(WRITE_AT_ONCE)
                .collect(),
            watched: self.watch.to_write(),
        }
    }

    /// The first line item that it is the turn of; none: nothing is to be written yet.
    fn write_from(&self, now: Timestamp) -> Option<LineItemId> {
        match self.written {
            Some(Round { next: Some(next), .. }) => Some(next),
            Some(Round { begun, next: None }) if now.since(begun) < WRITE_EVERY => None,
            _ => Some(LineItemId(0)),
        }
    }

    /// That was committed.
    pub(crate) fn wrote(&mut self, what: &ToWrite, now: Timestamp) {
        let going_on = self.written.filter(|round| round.next.is_some());
        self.watch.wrote(&what.watched);
        let nothing = what.learnt.is_empty() && what.traffic.is_empty() && what.watched.is_empty();
        if nothing && going_on.is_none() {
            return;
        }
        // It goes on where the one of both that has more to write stopped; the other's rows after that are written again.
        let full = |rows: usize| rows >= WRITE_AT_ONCE;
        let learnt = what.learnt.last().filter(|_| full(what.learnt.len()));
        let learnt = learnt.map(|(line_item, _)| LineItemId(line_item.0.saturating_add(1)));
        let traffic = what.traffic.last().filter(|_| full(what.traffic.len())).map(|one| one.line_item);
        self.written = Some(Round {
            begun: going_on.map_or(now, |round| round.begun),
            next: learnt.into_iter().chain(traffic).min(),
        });
        for one in &what.traffic {
            self.traffic.remove(&(one.line_item, one.day, one.quarter));
        }
    }
}

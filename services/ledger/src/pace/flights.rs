//! What pacing needs of the catalog: when line items may bid, how they are paced, and whose they are.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use tagbid_budget::Line;
use tagbid_budget::pace::{Course, Plan, Profile, QUARTERS, Span};
use tagbid_catalog::schedule::Calendar;
use tagbid_catalog::{Entity, LineItem, Pacing, Schedule};
use tagbid_types::{AdvertiserId, BudgetDay, CampaignId, LineItemId, Timestamp};

/// Longer than any day by less than the shortest one: so long before a day's end it is yesterday everywhere.
const YESTERDAY: Duration = Duration::from_secs(30 * 3_600);

/// A quarter hour, in microseconds.
pub(super) const QUARTER: i64 = 900_000_000;

/// Line items, campaigns and time zones by their ids.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    items: DashMap<LineItemId, Item>,
    campaigns: DashMap<CampaignId, Schedule>,
    zones: DashMap<AdvertiserId, Calendar>,
    /// Line items that are paced.
    paced: AtomicUsize,
}

#[derive(Clone, Copy, Debug)]
struct Item {
    line: Line,
    pacing: Pacing,
    schedule: Schedule,
}

/// A line item's budget day, at some moment.
#[derive(Clone, Debug)]
pub(crate) struct Today {
    item: Item,
    campaign: Schedule,
    pub(crate) line: Line,
    pub(crate) day: BudgetDay,
    span: Span,
    /// Quarters of the day in which its hours and its campaign's let it bid.
    open: [bool; QUARTERS],
}

/// One day of a line item.
#[derive(Clone, Debug)]
pub(crate) struct OneDay {
    span: Span,
    pub(crate) open: [bool; QUARTERS],
}

impl OneDay {
    /// The quarter hour since 1970 that the middle of a quarter of the day is in.
    pub(crate) fn quarter_since_1970(&self, quarter: usize) -> i64 {
        self.middle(quarter).0.div_euclid(QUARTER)
    }

    /// In the middle of the quarter: at its edge it may be one or the other.
    fn middle(&self, quarter: usize) -> Timestamp {
        let part = (2 * quarter as i64 + 1) * self.span.micros() / (2 * QUARTERS as i64);
        Timestamp(self.span.from.0 + part)
    }
}

impl Flights {
    /// Takes an entity in.
    pub(crate) fn learn(&self, entity: &Entity) {
        match entity {
            Entity::Advertiser(one) => {
                self.zones.insert(one.id, Calendar::named(&one.time_zone).unwrap_or_else(Calendar::utc));
            }
            Entity::Campaign(one) => {
                self.campaigns.insert(one.id, one.schedule);
            }
            Entity::LineItem(one) => self.put(Item::of(one)),
            _ => {}
        }
    }

    /// Sets a line item, without any schedule and in UTC.
    #[cfg(test)]
    pub(crate) fn set(&self, line: Line, pacing: Pacing) {
        self.set_with(line, pacing, Schedule::default());
    }

    /// The same with a schedule.
    #[cfg(test)]
    pub(crate) fn set_with(&self, line: Line, pacing: Pacing, schedule: Schedule) {
        self.zones.insert(line.advertiser, Calendar::utc());
        self.put(Item { line, pacing, schedule });
    }

    fn put(&self, item: Item) {
        let before = self.items.insert(item.line.line_item, item);
        match (before.is_some_and(|before| before.is_paced()), item.is_paced()) {
            (false, true) => self.paced.fetch_add(1, Ordering::Relaxed),
            (true, false) => self.paced.fetch_sub(1, Ordering::Relaxed),
            (false, false) | (true, true) => 0,
        };
    }

    /// Whether any line item is paced: where none is, nobody need be told what bids want.
    pub(crate) fn any_paced(&self) -> bool {
        self.paced.load(Ordering::Relaxed) > 0
    }

    /// Whose a line item is, and whether it is paced; none: the catalog has none of that id.
    pub(crate) fn line(&self, line_item: LineItemId) -> Option<(Line, bool)> {
        self.items.get(&line_item).map(|item| (item.line, item.is_paced()))
    }

    /// The day that it is for a line item; none: the catalog has none of that id.
    pub(crate) fn today(&self, line_item: LineItemId, now: Timestamp) -> Option<Today> {
        let item = *self.items.get(&line_item)?;
        let campaign = self.campaigns.get(&item.line.campaign).map(|one| *one).unwrap_or_default();
        let calendar = self.zones.get(&item.line.advertiser)?;
        let OneDay { span, open } = item.one_day(&campaign, &calendar, now);
        Some(Today { item, campaign, line: item.line, day: calendar.day(now), span, open })
    }

    /// A day of a line item, by what the catalog says now; none: the catalog has none of that id.
    pub(crate) fn day(&self, line_item: LineItemId, day: BudgetDay) -> Option<OneDay> {
        let item = *self.items.get(&line_item)?;
        let campaign = self.campaigns.get(&item.line.campaign).map(|one| *one).unwrap_or_default();
        let calendar = self.zones.get(&item.line.advertiser)?;
        // Wherever it is, one of these is within it.
        let moments = [12, 0, 24].map(|hour| Timestamp::from_secs((i64::from(day.0) * 24 + hour) * 3_600));
        let within = moments.into_iter().find(|at| calendar.day(*at) == day)?;
        Some(item.one_day(&campaign, &calendar, within))
    }
}

impl Item {
    fn of(item: &LineItem) -> Self {
        let line = Line { advertiser: item.advertiser, campaign: item.campaign, line_item: item.id };
        Self { line, pacing: item.pacing, schedule: item.schedule }
    }

    fn is_paced(&self) -> bool {
        self.pacing != Pacing::Asap
    }

    /// The day that this moment is in.
    fn one_day(&self, campaign: &Schedule, calendar: &Calendar, at: Timestamp) -> OneDay {
        let ends = calendar.day_ends(at);
        let micros = i64::try_from(YESTERDAY.as_micros()).unwrap_or(0);
        let span = Span { from: calendar.day_ends(Timestamp(ends.0 - micros)), until: ends };
        let mut day = OneDay { span, open: [true; QUARTERS] };
        // Most have no hours of their own, and hours take a look at the time zone each.
        if self.is_paced() && (self.schedule.dayparts.is_some() || campaign.dayparts.is_some()) {
            day.open = std::array::from_fn(|quarter| {
                let hour = calendar.hour_of_week(day.middle(quarter));
                let lets = |schedule: &Schedule| schedule.dayparts.is_none_or(|hours| hours.contains(hour));
                lets(&self.schedule) && lets(campaign)
            });
        }
        day
    }
}

impl Today {
    /// Whether it is paced by the shape of its traffic.
    pub(crate) fn is_shaped(&self) -> bool {
        self.item.pacing == Pacing::TrafficShaped
    }

    /// Which quarter of the day it is.
    pub(crate) fn quarter(&self, now: Timestamp) -> i64 {
        let gone = now.0.saturating_sub(self.span.from.0).max(0);
        (gone.saturating_mul(QUARTERS as i64) / self.span.micros().max(1)).min(QUARTERS as i64 - 1)
    }

    /// Its course, where its traffic has this profile.
    pub(crate) fn course(&self, profile: &Profile) -> Course {
        let campaign_flight = span(&self.campaign);
        let flight = span(&self.item.schedule).and(campaign_flight);
        let plan = self.item.is_paced().then(|| Plan::new(self.span, flight, &profile.within(&self.open)));
        Course { line: self.line, day: self.day, plan, flight, campaign_flight }
    }
}

fn span(schedule: &Schedule) -> Span {
    Span { from: schedule.start.unwrap_or(Span::EVER.from), until: schedule.end.unwrap_or(Span::EVER.until) }
}

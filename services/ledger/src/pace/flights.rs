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
        self.zones.insert(line.advertiser, Calendar::utc());
        self.put(Item { line, pacing, schedule: Schedule::default() });
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
        let ends = calendar.day_ends(now);
        let micros = i64::try_from(YESTERDAY.as_micros()).unwrap_or(0);
        let span = Span { from: calendar.day_ends(Timestamp(ends.0 - micros)), until: ends };
        let hour = |quarter: usize| {
            // In the middle of the quarter: at its edge it may be one or the other.
            let part = (2 * quarter as i64 + 1) * span.micros() / (2 * QUARTERS as i64);
            calendar.hour_of_week(Timestamp(span.from.0 + part))
        };
        let is_open = |quarter| {
            let hour = hour(quarter);
            let lets = |schedule: &Schedule| schedule.dayparts.is_none_or(|hours| hours.contains(hour));
            lets(&item.schedule) && lets(&campaign)
        };
        // Most have no hours of their own, and hours take a look at the time zone each.
        let has_hours = item.schedule.dayparts.is_some() || campaign.dayparts.is_some();
        let open = if has_hours && item.is_paced() { std::array::from_fn(is_open) } else { [true; QUARTERS] };
        Some(Today { item, campaign, line: item.line, day: calendar.day(now), span, open })
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

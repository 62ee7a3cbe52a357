//! When a line item may bid: status, flight, and hours of the week in the advertiser's time zone.
//!
//! Hours follow the wall clock of the zone: when clocks go forward the hour that does not exist is skipped, when they go
//! back the repeated hour counts twice. Time zone rules come from the copy of the IANA database that is built
//! in, so that every machine gives the same answer.

use std::sync::LazyLock;

use jiff::tz::{TimeZone, TimeZoneDatabase};
use tagbid_targeting::HoursOfWeek;
use tagbid_types::{BudgetDay, Timestamp};

use crate::{Advertiser, Campaign, EntityKind, LineItem, Schedule, Status};

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

const HOUR_S: i64 = 3600;

/// A time zone, looked up once and used often.
#[derive(Clone, Debug)]
pub struct Calendar(TimeZone);

impl Calendar {
    /// The IANA time zone of that name; none when there is none.
    pub fn named(time_zone: &str) -> Option<Self> {
        ZONES.get(time_zone).ok().map(Self)
    }

    /// UTC.
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// Hour of the week there, 0 (Monday 00:00) to 167.
    pub fn hour_of_week(&self, at: Timestamp) -> u8 {
        // The epoch was a Thursday, three days into its week.
        let hour = (self.local_s(at).div_euclid(HOUR_S) + 3 * 24).rem_euclid(i64::from(HoursOfWeek::HOURS));
        u8::try_from(hour).unwrap_or_default()
    }

    /// The day there: the one that a budget counts a bid of this moment under.
    pub fn day(&self, at: Timestamp) -> BudgetDay {
        BudgetDay(i32::try_from(self.local_s(at).div_euclid(24 * HOUR_S)).unwrap_or(i32::MAX))
    }

    /// When that day ends there: twenty-three, twenty-four or twenty-five hours after it began.
    pub fn day_ends(&self, at: Timestamp) -> Timestamp {
        let BudgetDay(day) = self.day(at);
        let next = jiff::civil::date(1970, 1, 1)
            .checked_add(jiff::Span::new().try_days(i64::from(day) + 1).unwrap_or_default())
            .and_then(|date| date.to_zoned(self.0.clone()))
            .and_then(|start| start.start_of_day());
        next.map_or(at.after(std::time::Duration::from_secs(24 * 3_600)), |start| {
            Timestamp(start.timestamp().as_microsecond())
        })
    }

    /// The first moment after `at` at which being within these hours changes; none when it never does.
    pub fn next_change(&self, hours: &HoursOfWeek, at: Timestamp) -> Option<Timestamp> {
        let now = hours.contains(self.hour_of_week(at));
        let mut moment = at;
        let mut transition = self.transition_after(at);
        // A week of hours, and some for the odd ones around a change of the clocks.
        for _ in 0..2 * usize::from(HoursOfWeek::HOURS) {
            let hour_end = HOUR_S - self.local_s(moment).rem_euclid(HOUR_S);
            let next_hour = Timestamp::from_secs(moment.secs().saturating_add(hour_end));
            moment = transition.map_or(next_hour, |change| change.min(next_hour));
            if transition.is_some_and(|change| change <= moment) {
                transition = self.transition_after(moment);
            }
            if hours.contains(self.hour_of_week(moment)) != now {
                return Some(moment);
            }
        }
        None
    }

    fn local_s(&self, at: Timestamp) -> i64 {
        let offset = self.0.to_offset(to_jiff(at)).seconds();
        at.secs().saturating_add(i64::from(offset))
    }

    fn transition_after(&self, at: Timestamp) -> Option<Timestamp> {
        let next = self.0.following(to_jiff(at)).next()?;
        Some(Timestamp(next.timestamp().as_microsecond()))
    }
}

/// Clamped to jiff's calendar, which ends with the year 9999.
fn to_jiff(at: Timestamp) -> jiff::Timestamp {
    let edge = if at.0 < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    jiff::Timestamp::from_microsecond(at.0).unwrap_or(edge)
}

/// Whether a line item may bid now, as far as the catalog can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// It may.
    Live,
    /// It may not.
    Off {
        /// Which entity keeps it from bidding: the line item, its campaign or its advertiser.
        by: EntityKind,
        /// Why.
        why: OffReason,
    },
}

/// Why an entity does not let bid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffReason {
    /// It is archived.
    Archived,
    /// It is paused.
    Paused,
    /// Its flight has not begun.
    NotStarted,
    /// Its flight is over.
    Ended,
    /// The hour of the week is not among its dayparts.
    Daypart,
}

impl OffReason {
    /// In words, after "the campaign".
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Archived => "is archived",
            Self::Paused => "is paused",
            Self::NotStarted => "has not started",
            Self::Ended => "has ended",
            Self::Daypart => "is outside its hours of the week",
        }
    }
}

/// Whether the line item may bid now. `calendar` is the advertiser's time zone.
pub fn is_live(
    item: &LineItem,
    campaign: &Campaign,
    advertiser: &Advertiser,
    calendar: &Calendar,
    now: Timestamp,
) -> Liveness {
    let off = |by, why: Option<OffReason>| why.map(|why| Liveness::Off { by, why });
    let archived = advertiser.header.archived.then_some(OffReason::Archived);
    off(EntityKind::Advertiser, archived)
        .or_else(|| {
            let why = obstacle(campaign.header.archived, campaign.status, &campaign.schedule, calendar, now);
            off(EntityKind::Campaign, why)
        })
        .or_else(|| {
            let why = obstacle(item.header.archived, item.status, &item.schedule, calendar, now);
            off(EntityKind::LineItem, why)
        })
        .unwrap_or(Liveness::Live)
}

/// The first moment after `now` at which [`is_live`] may give another answer without any change of the entities; none
/// when only such a change can. It may be early (the answer is then the same), never late.
pub fn next_change(
    item: &LineItem,
    campaign: &Campaign,
    calendar: &Calendar,
    now: Timestamp,
) -> Option<Timestamp> {
    let dead = item.header.archived
        || campaign.header.archived
        || item.status == Status::Paused
        || campaign.status == Status::Paused;
    if dead {
        return None;
    }
    [&item.schedule, &campaign.schedule]
        .into_iter()
        .flat_map(|schedule| {
            let dayparts = schedule.dayparts.as_ref().and_then(|hours| calendar.next_change(hours, now));
            [schedule.start, schedule.end, dayparts]
        })
        .flatten()
        .filter(|moment| *moment > now)
        .min()
}

fn obstacle(
    archived: bool,
    status: Status,
    schedule: &Schedule,
    calendar: &Calendar,
    now: Timestamp,
) -> Option<OffReason> {
    if archived {
        return Some(OffReason::Archived);
    }
    if status == Status::Paused {
        return Some(OffReason::Paused);
    }
    if schedule.start.is_some_and(|start| now < start) {
        return Some(OffReason::NotStarted);
    }
    if schedule.end.is_some_and(|end| now >= end) {
        return Some(OffReason::Ended);
    }
    let hours = schedule.dayparts.as_ref()?;
    (!hours.contains(calendar.hour_of_week(now))).then_some(OffReason::Daypart)
}

#[cfg(test)]
mod tests;

//! What several entities share.

use tagbid_catalog::{
    Approval, Budget, CapScope, CapUnknown, CapWindow, Capacity, DealAuction, FrequencyCap, Header, ListKind,
    Pacing, Report, Schedule, Status,
};
use tagbid_targeting::{HoursOfWeek, TagKind};
use tagbid_types::{Currency, Nanos, Revision, Timestamp};

use crate::pb::campaigns as pb;

/// Both directions of an enumeration whose variants have the same names on both sides. `$default` is what
/// UNSPECIFIED means; none: it has to be said.
macro_rules! enumeration {
    ($from:ident, $to:ident, $plain:ident, $pb:ident, $default:expr, [$first:ident $(, $name:ident)*]) => {
        pub(super) fn $from(value: i32, field: &str, report: &mut Report) -> $plain {
            let default: Option<$plain> = $default;
            match (pb::$pb::try_from(value), default) {
                (Ok(pb::$pb::$first), _) => $plain::$first,
                $((Ok(pb::$pb::$name), _) => $plain::$name,)*
                (Ok(pb::$pb::Unspecified), Some(default)) => default,
                (Ok(pb::$pb::Unspecified), None) => {
                    report.problem(field, "is not said", concat!("choose a value of ", stringify!($pb)));
                    $plain::$first
                }
                (Err(_), _) => {
                    let problem = format!("{value} is not a value of {}", stringify!($pb));
                    report.problem(field, problem, "choose one that this version knows");
                    $plain::$first
                }
            }
        }

        pub(super) fn $to(value: $plain) -> i32 {
            let value = match value {
                $plain::$first => pb::$pb::$first,
                $($plain::$name => pb::$pb::$name,)*
            };
            value as i32
        }
    };
}
pub(super) use enumeration;

enumeration!(status_from, status_to, Status, Status, Some(Status::Active), [Active, Paused]);
enumeration!(pacing_from, pacing_to, Pacing, Pacing, Some(Pacing::Even), [Even, Asap, TrafficShaped]);
enumeration!(cap_scope_from, cap_scope_to, CapScope, CapScope, None, [LineItem, Campaign, Advertiser]);
enumeration!(cap_window_from, cap_window_to, CapWindow, CapWindow, None, [Minute, Hour, Day, Week, Lifetime]);
enumeration!(cap_unknown_from, cap_unknown_to, CapUnknown, CapUnknown, Some(CapUnknown::NoBid), [NoBid, Bid]);
enumeration!(
    deal_auction_from,
    deal_auction_to,
    DealAuction,
    DealAuction,
    None,
    [FirstPrice, SecondPrice, Fixed]
);
enumeration!(list_kind_from, list_kind_to, ListKind, ListKind, None, [Site, App, Domain, Publisher]);
enumeration!(
    approval_from,
    approval_to,
    Approval,
    Approval,
    Some(Approval::Pending),
    [Pending, Approved, Rejected]
);
enumeration!(tag_kind_from, tag_kind_to, TagKind, TagKind, Some(TagKind::Any), [Any, Offline, Realtime]);

/// The etag of an entity that last changed at this revision.
pub fn etag(revision: Revision) -> String {
    format!("r{revision}")
}

/// The revision that an etag stands for; none when it is not one of ours.
pub fn parse_etag(etag: &str) -> Option<Revision> {
    etag.strip_prefix('r')?.parse().ok()
}

pub(super) fn header_to(header: &Header) -> Option<pb::Metadata> {
    Some(pb::Metadata {
        revision: header.revision.0,
        etag: etag(header.revision),
        create_time: Some(time_to(header.created)),
        update_time: Some(time_to(header.updated)),
        archived: header.archived,
    })
}

/// In requests it means nothing; in the stream it is the store's word.
pub(super) fn header_from(metadata: Option<&pb::Metadata>) -> Header {
    let Some(metadata) = metadata else {
        return Header::default();
    };
    let time = |time: &Option<prost_types::Timestamp>| time.as_ref().and_then(timestamp).unwrap_or_default();
    Header {
        revision: Revision(metadata.revision),
        created: time(&metadata.create_time),
        updated: time(&metadata.update_time),
        archived: metadata.archived,
    }
}

pub fn time_to(time: Timestamp) -> prost_types::Timestamp {
    let nanos = time.0.rem_euclid(1_000_000) * 1_000;
    prost_types::Timestamp { seconds: time.secs(), nanos: i32::try_from(nanos).unwrap_or_default() }
}

/// None when it is no moment that microseconds can count.
pub(super) fn timestamp(time: &prost_types::Timestamp) -> Option<Timestamp> {
    let micros = time.seconds.checked_mul(1_000_000)?;
    let valid = (0..1_000_000_000).contains(&time.nanos);
    micros.checked_add(i64::from(time.nanos / 1_000)).filter(|_| valid).map(Timestamp)
}

fn moment(time: Option<&prost_types::Timestamp>, field: &str, report: &mut Report) -> Option<Timestamp> {
    let time = time?;
    let moment = timestamp(time);
    if moment.is_none() {
        report.problem(field, "is not a valid time", "use nanos from 0 to 999999999");
    }
    moment
}

pub(super) fn schedule_from(schedule: Option<&pb::Schedule>, report: &mut Report) -> Schedule {
    let Some(schedule) = schedule else {
        return Schedule::default();
    };
    report.within("schedule", |report| Schedule {
        start: moment(schedule.start_time.as_ref(), "start_time", report),
        end: moment(schedule.end_time.as_ref(), "end_time", report),
        dayparts: (!schedule.hours_of_week.is_empty())
            .then(|| hours_from(&schedule.hours_of_week, "hours_of_week", report)),
    })
}

pub(super) fn schedule_to(schedule: &Schedule) -> Option<pb::Schedule> {
    (*schedule != Schedule::default()).then(|| pb::Schedule {
        start_time: schedule.start.map(time_to),
        end_time: schedule.end.map(time_to),
        hours_of_week: schedule.dayparts.as_ref().map(hours_to).unwrap_or_default(),
    })
}

pub(super) fn hours_from(hours: &[u32], field: &str, report: &mut Report) -> HoursOfWeek {
    let small = hours.iter().map(|hour| u8::try_from(*hour).unwrap_or(u8::MAX));
    HoursOfWeek::from_hours(small).unwrap_or_else(|_| {
        let problem = "has an hour that is not in a week";
        report.problem(field, problem, "use 0 (Monday 00:00) to 167 (Sunday 23:00)");
        HoursOfWeek::from_hours([0]).unwrap_or_default()
    })
}

pub(super) fn hours_to(hours: &HoursOfWeek) -> Vec<u32> {
    hours.iter().map(u32::from).collect()
}

pub(super) fn budget_from(budget: Option<&pb::Budget>) -> Budget {
    Budget {
        daily: budget.and_then(|b| b.daily_nanos).map(Nanos),
        lifetime: budget.and_then(|b| b.lifetime_nanos).map(Nanos),
    }
}

pub(super) fn budget_to(budget: &Budget) -> Option<pb::Budget> {
    (*budget != Budget::default()).then(|| pb::Budget {
        daily_nanos: budget.daily.map(|nanos| nanos.0),
        lifetime_nanos: budget.lifetime.map(|nanos| nanos.0),
    })
}

pub(super) fn capacity_from(capacity: Option<&pb::Capacity>) -> Capacity {
    Capacity {
        daily: capacity.and_then(|c| c.daily_impressions),
        lifetime: capacity.and_then(|c| c.lifetime_impressions),
    }
}

pub(super) fn capacity_to(capacity: &Capacity) -> Option<pb::Capacity> {
    (*capacity != Capacity::default()).then_some(pb::Capacity {
        daily_impressions: capacity.daily,
        lifetime_impressions: capacity.lifetime,
    })
}

pub(super) fn caps_from(caps: &[pb::FrequencyCap], report: &mut Report) -> Vec<FrequencyCap> {
    let each = caps.iter().enumerate().map(|(position, cap)| {
        report.within(format_args!("frequency_caps[{position}]"), |report| FrequencyCap {
            scope: cap_scope_from(cap.scope, "scope", report),
            impressions: narrow(cap.impressions, "impressions", report),
            window: cap_window_from(cap.window, "window", report),
        })
    });
    each.collect()
}

pub(super) fn caps_to(caps: &[FrequencyCap]) -> Vec<pb::FrequencyCap> {
    let each = caps.iter().map(|cap| pb::FrequencyCap {
        scope: cap_scope_to(cap.scope),
        impressions: cap.impressions.into(),
        window: cap_window_to(cap.window),
    });
    each.collect()
}

/// A number of the wire in the smaller type that holds every acceptable one.
pub(super) fn narrow<T: TryFrom<u32> + Default + Bounded>(value: u32, field: &str, report: &mut Report) -> T {
    T::try_from(value).unwrap_or_else(|_| {
        report.problem(field, format!("is {value}"), format!("use at most {}", T::MAX));
        T::default()
    })
}

/// The largest value of a small number type.
pub(super) trait Bounded {
    const MAX: u32;
}

impl Bounded for u8 {
    const MAX: u32 = u8::MAX as u32;
}

impl Bounded for u16 {
    const MAX: u32 = u16::MAX as u32;
}

pub(super) fn currency_from(code: &str, field: &str, report: &mut Report) -> Currency {
    code.parse().unwrap_or_else(|_| {
        let shown: String = code.chars().take(16).collect();
        let problem = format!("{shown:?} is not a currency");
        report.problem(field, problem, "use a three-letter ISO 4217 code such as \"USD\"");
        Currency::USD
    })
}

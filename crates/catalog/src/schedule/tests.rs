use proptest::prelude::*;
use tagbid_types::{AdvertiserId, CampaignId, Currency};

use super::*;
use crate::Header;

fn at(text: &str) -> Timestamp {
    Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
}

fn berlin() -> Calendar {
    Calendar::named("Europe/Berlin").unwrap()
}

fn hours(list: &[u8]) -> HoursOfWeek {
    HoursOfWeek::from_hours(list.iter().copied()).unwrap()
}

fn advertiser() -> Advertiser {
    Advertiser {
        id: AdvertiserId(1),
        header: Header::default(),
        name: "Acme".into(),
        domain: "acme.example".into(),
        currency: Currency::USD,
        time_zone: "Europe/Berlin".into(),
        budget: crate::Budget::default(),
        capacity: crate::Capacity::default(),
        caps: Vec::new(),
        never_contact: vec![],
    }
}

fn campaign() -> Campaign {
    Campaign {
        id: CampaignId(1),
        header: Header::default(),
        advertiser: AdvertiserId(1),
        name: "Spring".into(),
        status: Status::Active,
        schedule: Schedule::default(),
        budget: crate::Budget::default(),
        capacity: crate::Capacity::default(),
        caps: Vec::new(),
        tier: 0,
    }
}

fn item(schedule: Schedule) -> LineItem {
    crate::validate::tests::line_item(|item| item.schedule = schedule)
}

#[test]
fn a_week_begins_on_monday_at_local_midnight() {
    assert_eq!(Calendar::utc().hour_of_week(at("2026-06-01T00:00:00Z")), 0);
    assert_eq!(berlin().hour_of_week(at("2026-05-31T22:00:00Z")), 0);
    assert_eq!(berlin().hour_of_week(at("2026-05-31T21:59:59Z")), 167);
    // Half an hour is part of an hour, also where zones are off by half an hour.
    let kolkata = Calendar::named("Asia/Kolkata").unwrap();
    assert_eq!(kolkata.hour_of_week(at("2026-05-31T18:30:00Z")), 0);
}

#[test]
fn dayparts_follow_the_wall_clock_when_it_goes_forward() {
    // On 2026-03-29 in Berlin 01:59:59 is followed by 03:00; Sunday begins with hour 144.
    let sunday_three = hours(&[147]);
    let before = at("2026-03-29T00:30:00Z");
    assert_eq!(berlin().hour_of_week(before), 145);
    assert_eq!(berlin().next_change(&sunday_three, before), Some(at("2026-03-29T01:00:00Z")));
    let skipped = hours(&[146]);
    assert_eq!(
        berlin().next_change(&skipped, before),
        Some(at("2026-04-05T00:00:00Z")),
        "the hour that does not exist comes a week later"
    );
}

#[test]
fn the_repeated_hour_counts_twice_when_clocks_go_back() {
    // On 2026-10-25 in Berlin the hour from 02:00 comes twice.
    let two = hours(&[146]);
    let start = at("2026-10-24T23:30:00Z");
    assert_eq!(berlin().next_change(&two, start), Some(at("2026-10-25T00:00:00Z")));
    assert_eq!(berlin().next_change(&two, at("2026-10-25T00:00:00Z")), Some(at("2026-10-25T02:00:00Z")));
}

#[test]
fn a_line_item_lives_within_its_flight_and_its_hours() {
    let schedule = Schedule {
        start: Some(at("2026-06-01T00:00:00Z")),
        end: Some(at("2026-06-08T00:00:00Z")),
        dayparts: Some(hours(&[10, 11])),
    };
    let item = item(schedule);
    let live = |moment: &str| is_live(&item, &campaign(), &advertiser(), &berlin(), at(moment));
    let off = |why| Liveness::Off { by: EntityKind::LineItem, why };
    assert_eq!(live("2026-05-31T23:59:59Z"), off(OffReason::NotStarted));
    assert_eq!(live("2026-06-01T07:59:59Z"), off(OffReason::Daypart));
    assert_eq!(live("2026-06-01T08:00:00Z"), Liveness::Live);
    assert_eq!(live("2026-06-01T10:00:00Z"), off(OffReason::Daypart));
    assert_eq!(live("2026-06-08T00:00:00Z"), off(OffReason::Ended));
    let next = |moment: &str| next_change(&item, &campaign(), &berlin(), at(moment));
    assert_eq!(next("2026-06-01T07:00:00Z"), Some(at("2026-06-01T08:00:00Z")));
    assert_eq!(next("2026-06-01T08:00:00Z"), Some(at("2026-06-01T10:00:00Z")));
}

#[test]
fn whoever_stops_it_is_named() {
    let (mut campaign, mut advertiser) = (campaign(), advertiser());
    let item = item(Schedule::default());
    let now = at("2026-06-01T08:00:00Z");
    campaign.status = Status::Paused;
    assert_eq!(
        is_live(&item, &campaign, &advertiser, &berlin(), now),
        Liveness::Off { by: EntityKind::Campaign, why: OffReason::Paused }
    );
    assert_eq!(next_change(&item, &campaign, &berlin(), now), None);
    advertiser.header.archived = true;
    assert_eq!(
        is_live(&item, &campaign, &advertiser, &berlin(), now),
        Liveness::Off { by: EntityKind::Advertiser, why: OffReason::Archived }
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Between now and the next change nothing changes, and at the next change something does.
    #[test]
    fn nothing_changes_before_the_next_change(
        start in 0_i64..4_000_000_000,
        set in prop::collection::btree_set(0_u8..168, 0..168),
        zone in prop::sample::select(vec!["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"]),
    ) {
        let calendar = Calendar::named(zone).unwrap();
        let hours = HoursOfWeek::from_hours(set).unwrap();
        let start = Timestamp::from_secs(start);
        let within = |at| hours.contains(calendar.hour_of_week(at));
        let end = calendar.next_change(&hours, start);
        if let Some(end) = end {
            prop_assert!(end > start && within(end) != within(start));
        }
        let last = end.map_or(start.secs() + 8 * 86_400, Timestamp::secs);
        for second in (start.secs()..last).step_by(600) {
            prop_assert_eq!(within(Timestamp::from_secs(second)), within(start));
        }
    }
}

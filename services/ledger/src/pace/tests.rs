//! What days are taken to have been like.

use tagbid_catalog::{Pacing, Schedule};
use tagbid_targeting::HoursOfWeek;

use super::*;

const LINE: Line = Line { advertiser: AdvertiserId(1), campaign: CampaignId(2), line_item: LineItemId(3) };

/// A Friday, 2026-11-20.
const FRIDAY: i32 = 20_777;

fn seen(day: i32, quarters: std::ops::Range<i64>, wanted: i64) -> impl Iterator<Item = Traffic> {
    let one = move |quarter| Traffic { line_item: LINE.line_item, day: BudgetDay(day), quarter, wanted };
    quarters.map(one)
}

/// A pacer that watched these days.
fn watched(days: std::ops::Range<i32>) -> Pacer {
    let mut pacer = Pacer::default();
    let quarters = i64::from(days.start) * 96..i64::from(days.end) * 96;
    pacer.watch.put(quarters.map(|quarter| (quarter, 900_000_000)), Timestamp(0));
    pacer
}

/// What a pacer learns for a day.
fn learnt(mut pacer: Pacer, flights: &Flights, stored: &[Traffic], day: i32) -> Profile {
    pacer.put_traffic(LINE.line_item, BudgetDay(day), stored, flights);
    pacer.profile_of(LINE.line_item).unwrap()
}

fn weights(of: impl Fn(usize) -> u32) -> Profile {
    Profile::new(std::array::from_fn(of))
}

#[test]
fn nobody_wanting_anything_in_the_night_is_a_night_without_traffic() {
    let flights = Flights::default();
    flights.set(LINE, Pacing::TrafficShaped);
    // It began on Friday at noon; on Saturday it was wanted from six to midnight.
    let stored: Vec<Traffic> = seen(FRIDAY, 48..96, 7).chain(seen(FRIDAY + 1, 24..96, 7)).collect();
    let (saturday, sunday) = (FRIDAY + 1, FRIDAY + 2);
    assert_eq!(learnt(watched(FRIDAY..saturday), &flights, &stored, saturday), Profile::EVEN, "half a day");
    assert_eq!(learnt(Pacer::default(), &flights, &stored, sunday), Profile::EVEN, "nobody looked");
    let by_day = learnt(watched(FRIDAY..sunday), &flights, &stored, sunday);
    assert_eq!(by_day, weights(|quarter| if quarter < 24 { 0 } else { 1_000_000 }));
    // Monday knows no more: of a day without any traffic nobody says that the line item was there.
    assert_eq!(learnt(watched(FRIDAY..sunday + 1), &flights, &stored, sunday + 1), by_day);
}

#[test]
fn closed_hours_are_known_and_tell_nothing_of_when_they_are_open() {
    let flights = Flights::default();
    // On working days from eight to six, at weekends from ten to noon.
    let open = |hour: &u8| {
        if *hour < 5 * 24 { (8..18).contains(&(hour % 24)) } else { (10..12).contains(&(hour % 24)) }
    };
    let hours = HoursOfWeek::from_hours((0..168).filter(open)).unwrap();
    let schedule = Schedule { dayparts: Some(hours), ..Schedule::default() };
    flights.set_with(LINE, Pacing::TrafficShaped, schedule);
    let stored: Vec<Traffic> = seen(FRIDAY, 32..72, 8)
        .chain(seen(FRIDAY + 1, 40..48, 4))
        .chain(seen(FRIDAY + 2, 40..48, 4))
        .collect();
    let monday = learnt(watched(FRIDAY..FRIDAY + 3), &flights, &stored, FRIDAY + 3);
    let open = std::array::from_fn(|quarter| (32..72).contains(&quarter));
    // From ten to noon the weekend counts too, by weights 256, 176 and 121.
    let part = (4 * 256 + 4 * 176 + 8 * 121) * 1_000_000 / ((256 + 176 + 121) * 8);
    let of = |quarter: usize| if (40..48).contains(&quarter) { part } else { 1_000_000 };
    assert_eq!(monday.within(&open), weights(of).within(&open));
}

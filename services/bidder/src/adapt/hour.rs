//! The hour of the week where the person is.

use std::collections::HashMap;
use std::sync::LazyLock;

use ahash::RandomState;
use bumpalo::Bump;
use tagbid_catalog::schedule::Calendar;
use tagbid_openrtb::Geo;
use tagbid_targeting::{Dimension, normalise, region};
use tagbid_types::Timestamp;

use super::zones::ZONES;

/// Calendars of countries and regions, by their normal codes.
static CALENDARS: LazyLock<HashMap<&str, Calendar, RandomState>> = LazyLock::new(|| {
    let named = ZONES.iter().filter_map(|(zone, places)| Some((Calendar::named(zone)?, places)));
    named
        .flat_map(|(calendar, places)| places.split(' ').map(move |place| (place, calendar.clone())))
        .collect()
});

/// Reads the time zones, some milliseconds' work, before the first request would.
pub(crate) fn prepare() {
    LazyLock::force(&CALENDARS);
}

/// By the offset from UTC that goes with the place, else by the time zone that its region or country has, else by an offset
/// from anywhere in the request. Unlike an offset, which exchanges take from tables of their own, zones know when clocks
/// change.
pub(super) fn hour_of_week<'a>(
    now: Timestamp,
    geos: [Option<&Geo<'a>>; 2],
    place: Option<&Geo<'a>>,
    arena: &'a Bump,
) -> Option<u8> {
    let offset = |geo: &Geo<'_>| geo.utcoffset.filter(|minutes| is_offset(*minutes));
    let at_offset =
        |minutes| Calendar::utc().hour_of_week(Timestamp::from_secs(now.secs() + i64::from(minutes) * 60));
    place
        .and_then(offset)
        .map(at_offset)
        .or_else(|| Some(calendar(place?, arena)?.hour_of_week(now)))
        .or_else(|| geos.into_iter().flatten().find_map(offset).map(at_offset))
}

/// One that some place on earth has, and not hours in place of minutes: all clocks are quarters of an hour apart.
const fn is_offset(minutes: i32) -> bool {
    -12 * 60 <= minutes && minutes <= 14 * 60 && minutes % 15 == 0
}

fn calendar<'a>(geo: &Geo<'a>, arena: &'a Bump) -> Option<&'static Calendar> {
    let country = geo.country.unwrap_or_default();
    let of_region = geo.region.and_then(|name| CALENDARS.get(region(country, name, arena)));
    of_region.or_else(|| CALENDARS.get(normalise(Dimension::Country, country, arena)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-01-01, a Monday, midnight UTC.
    const MONDAY: Timestamp = Timestamp::from_secs(1_704_067_200);
    /// 2024-07-01, a Monday, midnight UTC.
    const SUMMER: Timestamp = Timestamp::from_secs(1_719_792_000);

    fn geo(country: &'static str, region: &'static str, utcoffset: Option<i32>) -> Geo<'static> {
        let said = |text: &'static str| Some(text).filter(|text| !text.is_empty());
        Geo { country: said(country), region: said(region), utcoffset, ..Geo::default() }
    }

    fn hour(now: Timestamp, device: Geo<'static>, user: Geo<'static>) -> Option<u8> {
        hour_of_week(now, [Some(&device), Some(&user)], Some(&device), &Bump::new())
    }

    #[test]
    fn the_week_starts_on_monday_where_the_person_is() {
        let nowhere = Geo::default;
        for (offset, hour_there) in [(0, 0), (-60, 167), (330, 5), (345, 5), (840, 14), (-720, 156)] {
            assert_eq!(hour(MONDAY, geo("", "", Some(offset)), nowhere()), Some(hour_there), "{offset}");
        }
        assert_eq!(hour(MONDAY, nowhere(), geo("", "", Some(60))), Some(1));
        assert_eq!(hour(MONDAY, nowhere(), nowhere()), None);
    }

    #[test]
    fn offsets_that_no_clock_has_are_none() {
        for nonsense in [100_000, 841, -721, -5, 2, i32::MIN, i32::MAX] {
            assert_eq!(hour(MONDAY, geo("", "", Some(nonsense)), Geo::default()), None, "{nonsense}");
            let germany = geo("DEU", "", Some(nonsense));
            assert_eq!(hour(MONDAY, germany, Geo::default()), Some(1), "{nonsense}");
        }
    }

    #[test]
    fn a_place_with_one_time_zone_tells_the_hour_across_changes_of_the_clocks() {
        let cases = [
            ("DEU", "", Some(1), Some(2)),
            ("de", "BY", Some(1), Some(2)),
            ("IND", "", Some(5), Some(5)),
            ("USA", "CA", Some(160), Some(161)),
            ("USA", "US-AZ", Some(161), Some(161)),
            ("USA", "TN", None, None),
            ("USA", "", None, None),
            ("ESP", "", Some(1), Some(2)),
            ("ESP", "CN", Some(0), Some(1)),
            ("AUS", "NSW", Some(11), Some(10)),
            ("", "US-NY", Some(163), Some(164)),
            ("XXX", "", None, None),
        ];
        for (country, region, winter, summer) in cases {
            let there = |now| hour(now, geo(country, region, None), Geo::default());
            assert_eq!((there(MONDAY), there(SUMMER)), (winter, summer), "{country} {region}");
        }
        let berlin = geo("DEU", "", None);
        // 2024-03-31, 00:59:59 and 01:00:00 UTC: after 01:59:59 it is 03:00 there.
        for (secs, hour_there) in [(1_711_846_799, 145), (1_711_846_800, 147)] {
            assert_eq!(hour(Timestamp::from_secs(secs), berlin, Geo::default()), Some(hour_there));
        }
    }

    #[test]
    fn what_the_exchange_says_of_the_place_comes_first_and_of_home_last() {
        let travels = |place| hour(MONDAY, place, geo("", "", Some(600)));
        assert_eq!(travels(geo("DEU", "", Some(0))), Some(0));
        assert_eq!(travels(geo("DEU", "", None)), Some(1));
        assert_eq!(travels(geo("USA", "", None)), Some(10));
    }

    #[test]
    fn every_zone_exists_and_every_place_stands_once() {
        let places: Vec<_> = ZONES.iter().flat_map(|(_, places)| places.split(' ')).collect();
        assert_eq!(CALENDARS.len(), places.len());
        assert!(ZONES.iter().all(|(zone, _)| Calendar::named(zone).is_some()));
        let arena = Bump::new();
        for place in places {
            let normal = match place.split_once('-') {
                Some((country, part)) => region(country, part, &arena),
                None => normalise(Dimension::Country, place, &arena),
            };
            assert_eq!(normal, place);
        }
    }
}

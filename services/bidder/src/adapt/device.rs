//! The device, the person's place and hour.

use bumpalo::Bump;
use tagbid_openrtb::{Brand, Device, Geo, Request};
use tagbid_targeting::{Attributes, Collector, Dimension, Point, postcode_in, region};
use tagbid_types::Timestamp;

use super::{add, push};

pub(super) fn collect<'a>(
    request: &Request<'a>,
    now: Timestamp,
    values: &mut Collector<'a>,
    to: &mut Attributes<'a>,
    arena: &'a Bump,
) {
    // The device's place is where the person is now; the user's is where they live.
    let geo = request.device.and_then(|d| d.geo).or_else(|| request.user.and_then(|u| u.geo));
    if let Some(geo) = geo {
        collect_geo(geo, values, arena);
        to.location = geo.lat.zip(geo.lon).map(|(lat, lon)| Point { lat, lon });
        to.hour_of_week = geo.utcoffset.and_then(|offset| hour_of_week(now, offset));
    }
    let Some(device) = request.device else { return };
    push(values, Dimension::DeviceType, device.devicetype.and_then(device_type));
    add(values, Dimension::DeviceMake, device.make);
    add(values, Dimension::DeviceModel, device.model.or_else(|| device.sua.and_then(|sua| sua.model)));
    add(values, Dimension::Language, device.language.or(device.langb));
    for connection in connections(device.connectiontype) {
        values.push(Dimension::Connection, connection);
    }
    add(values, Dimension::Carrier, device.carrier);
    add(values, Dimension::Os, os(device));
    push(values, Dimension::Browser, browser(device));
    let platform = device.sua.and_then(|sua| sua.platform);
    to.os_version = device.osv.or_else(|| platform.and_then(|platform| version(platform, arena)));
}

fn collect_geo<'a>(geo: &Geo<'a>, values: &mut Collector<'a>, arena: &'a Bump) {
    let country = geo.country.unwrap_or_default();
    add(values, Dimension::Country, geo.country);
    push(values, Dimension::Region, geo.region.map(|name| region(country, name, arena)));
    add(values, Dimension::City, geo.city);
    push(values, Dimension::Postcode, geo.zip.map(|zip| postcode_in(country, zip, arena)));
}

/// The hour of the week at an offset from UTC in minutes; none for an offset that no place on earth has.
fn hour_of_week(now: Timestamp, utc_offset_min: i32) -> Option<u8> {
    if !(-12 * 60..=14 * 60).contains(&utc_offset_min) {
        return None;
    }
    let hours = (now.secs() + i64::from(utc_offset_min) * 60).div_euclid(3_600);
    // 1970-01-01 was a Thursday: 72 hours into a week that starts on Monday.
    u8::try_from((hours + 72).rem_euclid(168)).ok()
}

/// AdCOM list "Device Types".
fn device_type(code: i32) -> Option<&'static str> {
    Some(match code {
        1 => "mobile",
        2 => "desktop",
        3 => "tv",
        4 => "phone",
        5 => "tablet",
        6 => "connected_device",
        7 => "set_top_box",
        8 => "ooh",
        _ => return None,
    })
}

/// AdCOM list "Connection Types". A known generation is "cell" too.
fn connections(code: Option<i32>) -> impl Iterator<Item = &'static str> {
    let (general, exact) = match code {
        Some(1) => (Some("ethernet"), None),
        Some(2) => (Some("wifi"), None),
        Some(3) => (Some("cell"), None),
        Some(4) => (Some("cell"), Some("cell_2g")),
        Some(5) => (Some("cell"), Some("cell_3g")),
        Some(6) => (Some("cell"), Some("cell_4g")),
        Some(7) => (Some("cell"), Some("cell_5g")),
        _ => (None, None),
    };
    general.into_iter().chain(exact)
}

/// What the exchange made of it, else the structured user agent, else the text of the user agent.
fn os<'a>(device: &Device<'a>) -> Option<&'a str> {
    let platform = device.sua.and_then(|sua| sua.platform);
    device
        .os
        .or_else(|| platform.and_then(|p| p.brand))
        .or_else(|| os_of_user_agent(device.ua.unwrap_or_default()))
}

fn version<'a>(platform: &Brand<'a>, arena: &'a Bump) -> Option<&'a str> {
    match platform.version {
        [] => None,
        [only] => Some(only),
        parts => {
            let mut joined = bumpalo::collections::String::new_in(arena);
            for (position, part) in parts.iter().enumerate() {
                if position > 0 {
                    joined.push('.');
                }
                joined.push_str(part);
            }
            Some(joined.into_bump_str())
        }
    }
}

/// Tested in order: an Android user agent names Linux as well, an iPhone's names Mac OS.
const OS_MARKS: [(&str, &str); 11] = [
    ("Windows", "windows"),
    ("Android", "android"),
    ("iPhone", "ios"),
    ("iPad", "ios"),
    ("Tizen", "tizen"),
    ("Web0S", "webos"),
    ("Roku", "roku"),
    ("CrOS", "chromeos"),
    ("AppleTV", "tvos"),
    ("Macintosh", "macos"),
    ("Linux", "linux"),
];

fn os_of_user_agent(ua: &str) -> Option<&'static str> {
    OS_MARKS.iter().find(|(mark, _)| ua.contains(mark)).map(|(_, os)| *os)
}

/// Tested in order: every Chromium browser names Chrome and Safari as well.
const BROWSER_MARKS: [(&str, &str); 11] = [
    ("Edg", "edge"),
    ("OPR/", "opera"),
    ("Opera", "opera"),
    ("SamsungBrowser", "samsung"),
    ("Firefox", "firefox"),
    ("FxiOS", "firefox"),
    ("; wv)", "webview"),
    ("CriOS", "chrome"),
    ("Chrome", "chrome"),
    ("Safari", "safari"),
    ("Mobile/", "webview"),
];

/// The browser by the structured user agent's brands, else by the text; "other" when a text matches nothing.
fn browser(device: &Device<'_>) -> Option<&'static str> {
    let brands = device.sua.map(|sua| sua.browsers).unwrap_or_default();
    let by_brand =
        |mark: &str, name| brands.iter().any(|b| b.brand.is_some_and(|b| b.contains(mark))).then_some(name);
    by_brand("Edge", "edge")
        .or_else(|| by_brand("Opera", "opera"))
        .or_else(|| by_brand("Samsung", "samsung"))
        .or_else(|| by_brand("Google Chrome", "chrome"))
        .or_else(|| {
            let ua = device.ua?;
            let known = BROWSER_MARKS.iter().find(|(mark, _)| ua.contains(mark));
            Some(known.map_or("other", |(_, name)| *name))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_week_starts_on_monday_where_the_user_is() {
        // 2024-01-01 was a Monday.
        let monday = Timestamp::from_secs(1_704_067_200);
        assert_eq!(hour_of_week(monday, 0), Some(0));
        assert_eq!(hour_of_week(monday, -60), Some(167));
        assert_eq!(hour_of_week(monday, 330), Some(5));
        assert_eq!(hour_of_week(monday, 100_000), None);
    }

    #[test]
    fn browsers_and_systems_are_told_from_the_user_agent() {
        let edge = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                    Chrome/120.0.0.0 Safari/537.36 Edg/120.0.0.0";
        let iphone = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 \
                      (KHTML, like Gecko) Version/17.1 Mobile/15E148 Safari/604.1";
        for (ua, os, name) in [(edge, "windows", "edge"), (iphone, "ios", "safari")] {
            let device = Device { ua: Some(ua), ..Device::default() };
            assert_eq!(os_of_user_agent(ua), Some(os));
            assert_eq!(browser(&device), Some(name));
        }
        assert_eq!(browser(&Device { ua: Some("curl/8"), ..Device::default() }), Some("other"));
        assert_eq!(browser(&Device::default()), None);
    }
}

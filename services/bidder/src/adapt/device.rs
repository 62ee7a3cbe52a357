//! The device, the person's place and hour.

use bumpalo::Bump;
use tagbid_openrtb::{Content, Device, Geo, Request};
use tagbid_targeting::{Attributes, Collector, Dimension, Point, postcode_in, region};
use tagbid_types::Timestamp;

use super::agent::{browser, system};
use super::hour::hour_of_week;
use super::{add_word, push};

pub(super) fn collect<'a>(
    request: &Request<'a>,
    now: Timestamp,
    values: &mut Collector<'a>,
    to: &mut Attributes<'a>,
    arena: &'a Bump,
) {
    // The device's place is where the person is now; the user's is where they live. Never a bit of both: a city of one
    // in the country of the other is nowhere.
    let geos = [request.device.and_then(|d| d.geo), request.user.and_then(|u| u.geo)];
    let place = geos.into_iter().flatten().find(|geo| says_where(geo));
    if let Some(geo) = place {
        collect_geo(geo, values, arena);
        to.location = geo.lat.zip(geo.lon).map(|(lat, lon)| Point { lat, lon });
    }
    to.hour_of_week = hour_of_week(now, geos, place, arena);
    if let Some(device) = request.device {
        collect_device(device, values, to, arena);
    }
    collect_language(request, values);
}

fn collect_device<'a>(
    device: &Device<'a>,
    values: &mut Collector<'a>,
    to: &mut Attributes<'a>,
    arena: &'a Bump,
) {
    push(values, Dimension::DeviceType, device.devicetype.and_then(device_type));
    add_word(values, Dimension::DeviceMake, device.make);
    let model = device.model.or_else(|| device.sua.and_then(|sua| sua.model));
    add_word(values, Dimension::DeviceModel, model);
    add_word(values, Dimension::DeviceModel, hardware(model, device.hwv, arena));
    for connection in connections(device.connectiontype) {
        values.push(Dimension::Connection, connection);
    }
    add_word(values, Dimension::Carrier, device.carrier);
    add_word(values, Dimension::Carrier, device.mccmnc);
    let system = system(device, arena);
    add_word(values, Dimension::Os, system.name);
    to.os_version = system.version;
    push(values, Dimension::Browser, browser(device));
}

/// "iPhone" and "5S" are an "iPhone 5S" as well; "iPhone14,2" says it all.
fn hardware<'a>(model: Option<&'a str>, hwv: Option<&'a str>, arena: &'a Bump) -> Option<&'a str> {
    let (model, hwv) = (model?, hwv?);
    let whole = hwv.get(..model.len()).is_some_and(|start| start.eq_ignore_ascii_case(model));
    Some(if whole { hwv } else { bumpalo::format!(in arena, "{} {}", model, hwv).into_bump_str() })
}

/// The device's language; where it does not say one, that of the content.
fn collect_language<'a>(request: &Request<'a>, values: &mut Collector<'a>) {
    let of_device = request.device.and_then(|device| device.language.or(device.langb));
    let of_content = |content: &Content<'a>| content.language.or(content.langb);
    let language = of_device.or_else(|| super::place::content(request).and_then(of_content));
    add_word(values, Dimension::Language, language);
}

fn says_where(geo: &Geo<'_>) -> bool {
    let named = [geo.country, geo.region, geo.city, geo.zip].iter().any(Option::is_some);
    named || (geo.lat.is_some() && geo.lon.is_some())
}

fn collect_geo<'a>(geo: &Geo<'a>, values: &mut Collector<'a>, arena: &'a Bump) {
    let country = geo.country.unwrap_or_default();
    add_word(values, Dimension::Country, geo.country);
    push(values, Dimension::Region, geo.region.map(|name| region(country, name, arena)));
    add_word(values, Dimension::City, geo.city);
    push(values, Dimension::Postcode, geo.zip.map(|zip| postcode_in(country, zip, arena)));
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

//! VAST 2.0, 3.0, 4.0, 4.1, 4.2 and 4.3, inline and linear. Elements stand in the order of each version's schema, as
//! the IAB publishes them: `vast_2.0.1.xsd`, `vast3_draft.xsd`, `vast_4.0_schema.xsd`, `vast_4.1_schema.xsd` and
//! `vast_4.2.xsd`, which also covers 4.3. From 4.0 on what all ads have comes first (`AdSystem` to `Pricing`), then what
//! inline ads have, each alphabetically.

use std::fmt::{self, Display};

use super::Spot;
use super::xml::Xml;
use crate::gates::{Protocol, is_playlist, length_ms};

/// The name under which the ad is served.
pub(super) const AD_SYSTEM: &str = "tagbid";
/// Who keeps the list of categories.
pub(super) const CATEGORY_AUTHORITY: &str = "https://iabtechlab.com";

/// Appends the document.
pub(super) fn write(spot: &Spot<'_>, version: Protocol, out: &mut String) {
    let mut xml = Xml::document(out);
    let number = number(version);
    let namespace: &[(&str, &dyn Display)] = &[("version", &number), ("xmlns", &"http://www.iab.com/VAST")];
    let attributes = if is_4(version) { namespace } else { namespace.get(..1).unwrap_or_default() };
    xml.element("VAST", attributes, |xml| {
        let ad: &[(&str, &dyn Display)] = &[("id", &spot.creative.id), ("adType", &"audio")];
        let is_marked_audio = spot.size.is_none() && knows_audio(version);
        let ad = if is_marked_audio { ad } else { ad.get(..1).unwrap_or_default() };
        xml.element("Ad", ad, |xml| xml.element("InLine", &[], |xml| inline(spot, version, xml)));
    });
}

const fn number(version: Protocol) -> &'static str {
    match version {
        Protocol::Vast2 => "2.0",
        Protocol::Vast3 | Protocol::Daast1 => "3.0",
        Protocol::Vast40 => "4.0",
        Protocol::Vast41 => "4.1",
        Protocol::Vast42 => "4.2",
        Protocol::Vast43 => "4.3",
    }
}

const fn is_4(version: Protocol) -> bool {
    matches!(version, Protocol::Vast40 | Protocol::Vast41 | Protocol::Vast42 | Protocol::Vast43)
}

/// `adType` and `AdServingId` came with 4.1.
const fn knows_audio(version: Protocol) -> bool {
    is_4(version) && !matches!(version, Protocol::Vast40)
}

fn inline(spot: &Spot<'_>, version: Protocol, xml: &mut Xml<'_>) {
    xml.text("AdSystem", &[], AD_SYSTEM);
    if is_4(version) {
        xml.text("Impression", &[], spot.links.impression);
        if knows_audio(version) {
            xml.text("AdServingId", &[], spot.links.bid_id);
        }
        xml.text("AdTitle", &[], &spot.creative.name);
        for category in &spot.creative.categories {
            xml.text("Category", &[("authority", &CATEGORY_AUTHORITY)], category);
        }
    } else {
        xml.text("AdTitle", &[], &spot.creative.name);
        xml.text("Impression", &[], spot.links.impression);
    }
    xml.element("Creatives", &[], |xml| {
        xml.element("Creative", &[("id", &spot.creative.id)], |xml| creative(spot, version, xml));
    });
}

fn creative(spot: &Spot<'_>, version: Protocol, xml: &mut Xml<'_>) {
    let offset = Clock::seconds(spot.skip_after_s.unwrap_or_default());
    let skipoffset: &[(&str, &dyn Display)] = &[("skipoffset", &offset)];
    let linear = if spot.skip_after_s.is_some() { skipoffset } else { &[] };
    xml.element("Linear", linear, |xml| {
        xml.text("Duration", &[], duration(spot, version));
        if is_4(version) {
            media_files(spot, xml);
            clicks(spot, xml);
        } else {
            clicks(spot, xml);
            media_files(spot, xml);
        }
    });
    let id = spot.creative.id;
    // The creative is in no public registry: the specification's word for that is "unknown".
    let registry: &[(&str, &dyn Display)] = &[("idRegistry", &"unknown"), ("idValue", &id)];
    match version {
        Protocol::Vast2 | Protocol::Vast3 | Protocol::Daast1 => {}
        Protocol::Vast40 => xml.text("UniversalAdId", registry, id),
        _ => xml.text("UniversalAdId", registry.get(..1).unwrap_or_default(), id),
    }
}

fn clicks(spot: &Spot<'_>, xml: &mut Xml<'_>) {
    xml.element("VideoClicks", &[], |xml| xml.text("ClickThrough", &[], spot.links.click));
}

/// Audio has width and height 0.
fn media_files(spot: &Spot<'_>, xml: &mut Xml<'_>) {
    let (width, height) = spot.size.unwrap_or_default();
    let attributes: &[(&str, &dyn Display)] = &[
        ("delivery", &delivery(spot)),
        ("type", &spot.mime),
        ("width", &width),
        ("height", &height),
        ("bitrate", &spot.bitrate_kbps),
        ("scalable", &true),
        ("maintainAspectRatio", &true),
    ];
    xml.element("MediaFiles", &[], |xml| xml.text("MediaFile", attributes, spot.media_url));
}

pub(super) fn delivery(spot: &Spot<'_>) -> &'static str {
    if is_playlist(spot.mime) { "streaming" } else { "progressive" }
}

/// VAST 2 knows whole seconds alone; there the length is rounded up as in the bid.
fn duration(spot: &Spot<'_>, version: Protocol) -> Clock {
    let millis = length_ms(spot.duration_ms);
    match version {
        Protocol::Vast2 => Clock::seconds(millis.div_ceil(1_000)),
        _ => Clock(millis.into()),
    }
}

/// Milliseconds as HH:MM:SS, with .mmm when there are any.
pub(super) struct Clock(pub(super) u64);

impl Clock {
    pub(super) fn seconds(seconds: u32) -> Self {
        Self(u64::from(seconds) * 1_000)
    }
}

impl Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, millis) = (self.0 / 1_000, self.0 % 1_000);
        write!(f, "{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)?;
        if millis == 0 { Ok(()) } else { write!(f, ".{millis:03}") }
    }
}

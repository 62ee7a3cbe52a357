//! DAAST 1.0, inline and linear: what VAST was for audio before 4.1. It names clicks `AdInteractions`, requires a
//! `Category`, and its media files have an id and no size.

use std::fmt::Display;

use super::Spot;
use super::vast::{AD_SYSTEM, CATEGORY_AUTHORITY, Clock, delivery};
use super::xml::Xml;
use crate::gates::length_ms;

/// Appends the document.
pub(super) fn write(spot: &Spot<'_>, out: &mut String) {
    let mut xml = Xml::document(out);
    xml.element("DAAST", &[("version", &"1.0")], |xml| {
        xml.element("Ad", &[("id", &spot.creative.id)], |xml| {
            xml.element("InLine", &[], |xml| inline(spot, xml));
        });
    });
}

fn inline(spot: &Spot<'_>, xml: &mut Xml<'_>) {
    let creative = spot.creative;
    xml.text("AdSystem", &[], AD_SYSTEM);
    xml.text("AdTitle", &[], &creative.name);
    let category = creative.categories.first().map_or(UNCATEGORISED, String::as_str);
    xml.text("Category", &[("authority", &CATEGORY_AUTHORITY)], category);
    xml.text("Impression", &[], spot.links.impression);
    xml.element("Creatives", &[], |xml| {
        xml.element("Creative", &[("id", &creative.id)], |xml| {
            xml.element("Linear", &[], |xml| linear(spot, xml));
        });
    });
}

/// IAB Content Category Taxonomy 1.0: "Uncategorized".
const UNCATEGORISED: &str = "IAB24";

fn linear(spot: &Spot<'_>, xml: &mut Xml<'_>) {
    xml.text("Duration", &[], Clock(length_ms(spot.duration_ms).into()));
    let attributes: &[(&str, &dyn Display)] = &[
        ("id", &spot.creative.id),
        ("delivery", &delivery(spot)),
        ("type", &spot.mime),
        ("bitrate", &spot.bitrate_kbps),
    ];
    xml.element("MediaFiles", &[], |xml| xml.text("MediaFile", attributes, spot.media_url));
    xml.element("AdInteractions", &[], |xml| xml.text("ClickThrough", &[], spot.links.click));
}

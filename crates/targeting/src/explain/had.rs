//! What a request had where a clause failed, in words.

use super::words::{hour, listing, tag};
use super::{Names, words};
use crate::{Attributes, Dimension, GeoCircle, Leaf, Lists, Point, TagKind, TagTest, Truth, distance_m};

/// What the request had for the leaf; `truth` is the leaf's own, before any negation.
pub(super) fn had(
    leaf: &Leaf,
    truth: Truth,
    attributes: &Attributes<'_>,
    lists: &Lists<'_>,
    names: &dyn Names,
) -> String {
    match leaf {
        Leaf::In { dimension, .. } | Leaf::Present(dimension) => values(*dimension, attributes),
        Leaf::OnList { dimension, list } => match lists.values(*list, *dimension) {
            Some(_) => values(*dimension, attributes),
            None => format!("list {list} of {} is not available", dimension.as_str()),
        },
        Leaf::OsVersion(_) => match attributes.os_version {
            Some(version) => format!("{}, version {version}", values(Dimension::Os, attributes)),
            None => format!("{}, version absent", values(Dimension::Os, attributes)),
        },
        Leaf::Near(circles) => match attributes.location {
            Some(place) => location(place, circles),
            None => "the request has no location".into(),
        },
        Leaf::Hour(_) => match attributes.hour_of_week {
            Some(at) => format!("it is {} for the user", hour(at)),
            None => "the user's local time is not known".into(),
        },
        Leaf::Tag(test) => tags(test, truth, attributes, names),
    }
}

fn values(dimension: Dimension, attributes: &Attributes<'_>) -> String {
    match attributes.values(dimension) {
        [] => format!("the request has no {}", dimension.as_str()),
        had => format!("the request has {} {}", dimension.as_str(), listing(had.iter())),
    }
}

/// The place to two decimals (about a kilometre) and how far the nearest circle is: enough to understand, too
/// coarse to find somebody.
fn location(place: Point, circles: &[GeoCircle]) -> String {
    let nearest = circles
        .iter()
        .map(|circle| {
            let centre = Point { lat: circle.lat, lon: circle.lon };
            distance_m(centre, place) - f64::from(circle.radius_m)
        })
        .fold(f64::INFINITY, f64::min);
    let place = format!("the request is at {:.2}, {:.2}", place.lat, place.lon);
    if nearest.is_finite() && nearest > 0.0 {
        format!("{place}, {:.0} km outside", (nearest / 1_000.0).ceil())
    } else {
        place
    }
}

fn tags(test: &TagTest, truth: Truth, attributes: &Attributes<'_>, names: &dyn Names) -> String {
    if truth == Truth::Unknown && attributes.knowledge.covers(test.kind) {
        let lost: Vec<_> = test.any_of.iter().filter(|id| attributes.unknown_tags.contains(**id)).collect();
        let lost = listing(lost.iter().map(|id| tag(**id, names)));
        return format!("the datasets of {lost} could not be looked up");
    }
    if truth == Truth::Unknown {
        let missing = match test.kind {
            TagKind::Any => "not all of the user's tags",
            TagKind::Offline => "not all of the user's offline tags",
            TagKind::Realtime => "not all of the user's real-time tags",
        };
        return format!("{missing} could be looked up");
    }
    let carried: Vec<_> = attributes
        .tags
        .iter()
        .filter(|own| test.any_of.contains(&own.id))
        .map(|own| {
            let kind = if own.realtime { "real-time" } else { "offline" };
            let name = tag(own.id, names);
            format!("{name} {kind} of weight {}, {} s old", own.weight, own.age_s)
        })
        .collect();
    match carried.as_slice() {
        [] => "the user carries none of them".into(),
        carried => format!("the user carries {}", words::listing(carried.iter())),
    }
}

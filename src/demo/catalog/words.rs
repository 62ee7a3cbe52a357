//! A trader's words for targeting: small helpers that make an expression read like a brief.

use tagbid_targeting::{Dimension, Expr, GeoCircle, HoursOfWeek, Leaf, OsRange, TagKind, TagTest};
use tagbid_types::{ListId, TagId};

/// Every part holds.
pub(super) fn all<const N: usize>(parts: [Expr; N]) -> Expr {
    Expr::All(parts.into())
}

/// One part is enough.
pub(super) fn any<const N: usize>(parts: [Expr; N]) -> Expr {
    Expr::Any(parts.into())
}

/// The part must not hold.
pub(super) fn not(part: Expr) -> Expr {
    Expr::Not(Box::new(part))
}

/// Tests of a dimension.
pub(super) trait Tests {
    /// One of these values.
    fn is<S: AsRef<str>>(self, values: impl IntoIterator<Item = S>) -> Leaf;
    /// Any value at all.
    fn present(self) -> Leaf;
    /// A value of a shared list.
    fn on(self, list: ListId) -> Leaf;
}

impl Tests for Dimension {
    fn is<S: AsRef<str>>(self, values: impl IntoIterator<Item = S>) -> Leaf {
        let values = values.into_iter().map(|value| value.as_ref().to_owned()).collect();
        Leaf::In { dimension: self, values }
    }

    fn present(self) -> Leaf {
        Leaf::Present(self)
    }

    fn on(self, list: ListId) -> Leaf {
        Leaf::OnList { dimension: self, list }
    }
}

/// A leaf as a part of an expression.
pub(super) fn must(leaf: Leaf) -> Expr {
    Expr::Leaf(leaf)
}

/// A leaf that must not hold.
pub(super) fn never(leaf: Leaf) -> Expr {
    not(Expr::Leaf(leaf))
}

/// An operating system from a version on; an empty `max`: without end.
pub(super) fn os(name: &str, min: &str, max: &str) -> Leaf {
    let bound = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Leaf::OsVersion(OsRange { os: name.into(), min: bound(min), max: bound(max) })
}

/// Within so many kilometres of one of these places.
pub(super) fn within_km(km: u32, places: impl IntoIterator<Item = (f64, f64)>) -> Leaf {
    let circles = places.into_iter().map(|(lat, lon)| GeoCircle { lat, lon, radius_m: km * 1_000 });
    Leaf::Near(circles.collect())
}

/// Days of the week for [`hours`]: Monday is 0.
pub(super) const WEEKDAYS: [u8; 5] = [0, 1, 2, 3, 4];
/// All seven.
pub(super) const EVERY_DAY: [u8; 7] = [0, 1, 2, 3, 4, 5, 6];

/// These hours of these days, where the user is.
pub(super) fn hours(days: &[u8], of_day: impl Iterator<Item = u8> + Clone) -> Leaf {
    Leaf::Hour(hour_set(days, of_day))
}

/// These hours of these days, as a daypart.
pub(super) fn hour_set(days: &[u8], of_day: impl Iterator<Item = u8> + Clone) -> HoursOfWeek {
    let each = days.iter().flat_map(|day| of_day.clone().map(move |hour| day * 24 + hour));
    HoursOfWeek::from_hours(each).unwrap_or_default()
}

/// One of these tags from a batch model, at least this heavy.
pub(super) fn offline(tags: impl IntoIterator<Item = TagId>, min_weight: u8) -> Leaf {
    tag(TagKind::Offline, tags, min_weight, None)
}

/// One of these tags from an event no older than so many minutes, still at least this heavy.
pub(super) fn live(tags: impl IntoIterator<Item = TagId>, min_weight: u8, minutes: u32) -> Leaf {
    tag(TagKind::Realtime, tags, min_weight, Some(minutes * 60))
}

/// One of these tags, wherever it comes from.
pub(super) fn tagged(tags: impl IntoIterator<Item = TagId>) -> Leaf {
    tag(TagKind::Any, tags, 0, None)
}

fn tag(kind: TagKind, tags: impl IntoIterator<Item = TagId>, min_weight: u8, max_age_s: Option<u32>) -> Leaf {
    Leaf::Tag(TagTest { any_of: tags.into_iter().collect(), kind, min_weight, max_age_s })
}

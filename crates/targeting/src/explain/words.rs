//! Leaves in words.

use std::fmt::Display;

use tagbid_types::TagId;

use super::Names;
use crate::{GeoCircle, HoursOfWeek, Leaf, OsRange, TagKind, TagTest};

/// How many entries of a set are spelled out.
const SHOWN: usize = 5;

/// What the leaf, or its negation, asks for.
pub(super) fn wanted(leaf: &Leaf, negated: bool, names: &dyn Names) -> String {
    let not = if negated { " not" } else { "" };
    match leaf {
        Leaf::In { dimension, values } => {
            let among = if negated { "none" } else { "one" };
            format!("{} is {among} of {}", dimension.as_str(), listing(values.iter()))
        }
        Leaf::Present(dimension) => {
            let state = if negated { "absent" } else { "present" };
            format!("{} is {state}", dimension.as_str())
        }
        Leaf::OnList { dimension, list } => match names.list(*list) {
            Some(name) => format!("{} is{not} on list {list} ({name})", dimension.as_str()),
            None => format!("{} is{not} on list {list}", dimension.as_str()),
        },
        Leaf::OsVersion(range) => format!("os is{not} {}", os(range)),
        Leaf::Near(circles) => format!("location is{not} within {}", listing(circles.iter().map(circle))),
        Leaf::Hour(hours) => format!("local time is{not} in {}", hours_of_week(hours)),
        Leaf::Tag(test) => tag_test(test, negated, names),
    }
}

/// The first entries and how many more there are.
pub(super) fn listing(mut entries: impl ExactSizeIterator<Item = impl Display>) -> String {
    let mut text = String::new();
    for (index, entry) in entries.by_ref().take(SHOWN).enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        text.push_str(&entry.to_string());
    }
    match (text.is_empty(), entries.len()) {
        (true, _) => "nothing".into(),
        (false, 0) => text,
        (false, more) => format!("{text} and {more} more"),
    }
}

/// A tag by its name, or by its id.
pub(super) fn tag(id: TagId, names: &dyn Names) -> String {
    match names.tag(id) {
        Some(name) => format!("{name} ({id})"),
        None => format!("tag {id}"),
    }
}

/// An hour of the week: "Tue 13:00".
pub(super) fn hour(hour: u8) -> String {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let day = DAYS.get(usize::from(hour / 24)).unwrap_or(&"?");
    format!("{day} {:02}:00", hour % 24)
}

/// Runs of hours: "Mon 09:00 to Mon 18:00".
fn hours_of_week(hours: &HoursOfWeek) -> String {
    let mut runs: Vec<(u8, u8)> = Vec::new();
    for at in hours.iter() {
        match runs.last_mut() {
            Some((_, end)) if *end == at => *end += 1,
            _ => runs.push((at, at + 1)),
        }
    }
    let week = HoursOfWeek::HOURS;
    listing(runs.iter().map(|(start, end)| format!("{} to {}", hour(*start), hour(end % week))))
}

fn os(range: &OsRange) -> String {
    match (&range.min, &range.max) {
        (None, None) => range.os.clone(),
        (Some(min), None) => format!("{} {min} or later", range.os),
        (None, Some(max)) => format!("{} up to {max}", range.os),
        (Some(min), Some(max)) => format!("{} {min} to {max}", range.os),
    }
}

fn circle(circle: &GeoCircle) -> String {
    format!("{} m of {:.2}, {:.2}", circle.radius_m, circle.lat, circle.lon)
}

fn tag_test(test: &TagTest, negated: bool, names: &dyn Names) -> String {
    let among = if negated { "none" } else { "one" };
    let tags = listing(test.any_of.iter().map(|id| tag(*id, names)));
    let mut text = format!("user carries {among} of {tags}");
    match test.kind {
        TagKind::Any => {}
        TagKind::Offline => text.push_str(", offline"),
        TagKind::Realtime => text.push_str(", real-time"),
    }
    if test.min_weight > 0 {
        text.push_str(&format!(", weight at least {}", test.min_weight));
    }
    if let Some(age) = test.max_age_s {
        text.push_str(&format!(", at most {age} s old"));
    }
    text
}

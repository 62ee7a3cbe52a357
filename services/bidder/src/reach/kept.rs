//! One impression of the sample: what targeting reads, and nothing that names anybody.

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;
use tagbid_targeting::{Attributes, Dimension, Knowledge, Point, UserTag};

/// Decimals of a degree that are kept: about a kilometre. Enough for a city and too little for an address.
const DEGREE: f64 = 100.0;

/// A copy in a few allocations. Targeting sees neither ids of users or devices nor addresses; besides, the location is
/// rounded.
#[derive(Debug)]
pub(super) struct Kept {
    /// All values, one after another.
    text: Box<str>,
    /// Whose values they are, and where each ends; those of a dimension stand together.
    ends: Box<[(Dimension, u32)]>,
    os_version: Option<Box<str>>,
    location: Option<Point>,
    hour_of_week: Option<u8>,
    tags: Box<[UserTag]>,
    knowledge: Knowledge,
}

impl Kept {
    pub(super) fn of(attributes: &Attributes<'_>) -> Self {
        let values = || {
            Dimension::ALL.into_iter().flat_map(|dimension| {
                attributes.values(dimension).iter().map(move |value| (dimension, *value))
            })
        };
        let mut text = String::with_capacity(values().map(|(_, value)| value.len()).sum());
        let mut ends = Vec::with_capacity(values().count());
        for (dimension, value) in values() {
            text.push_str(value);
            // A request's body is far below 4 GiB.
            ends.push((dimension, u32::try_from(text.len()).unwrap_or(u32::MAX)));
        }
        let round = |degrees: f64| (degrees * DEGREE).round() / DEGREE;
        Self {
            text: text.into(),
            ends: ends.into(),
            os_version: attributes.os_version.map(Box::from),
            location: attributes.location.map(|at| Point { lat: round(at.lat), lon: round(at.lon) }),
            hour_of_week: attributes.hour_of_week,
            tags: attributes.tags.into(),
            // Which tags are unknown depends on the book; of a sample it is all of them.
            knowledge: Knowledge {
                offline: attributes.knowledge.offline && attributes.unknown_tags.is_empty(),
                ..attributes.knowledge
            },
        }
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.text.len()
            + size_of_val(&*self.ends)
            + size_of_val(&*self.tags)
            + self.os_version.as_ref().map_or(0, |version| version.len())
    }

    /// As targeting reads it.
    pub(super) fn attributes<'a>(&'a self, arena: &'a Bump) -> Attributes<'a> {
        let mut attributes = Attributes::default();
        let mut start = 0;
        for group in self.ends.chunk_by(|(one, _), (other, _)| one == other) {
            let mut values = ArenaVec::with_capacity_in(group.len(), arena);
            for (_, end) in group {
                let end = *end as usize;
                values.push(self.text.get(start..end).unwrap_or_default());
                start = end;
            }
            if let Some((dimension, _)) = group.first() {
                attributes.set(*dimension, values.into_bump_slice());
            }
        }
        attributes.os_version = self.os_version.as_deref();
        attributes.location = self.location;
        attributes.hour_of_week = self.hour_of_week;
        attributes.tags = &self.tags;
        attributes.knowledge = self.knowledge;
        attributes
    }
}

//! A request as the compiled programs see it: numbers instead of text.

use bumpalo::Bump;
use bumpalo::collections::Vec;

use crate::dictionary::{Dictionary, ValueId};
use crate::language::TagGate;
use crate::{Attributes, Dimension, Knowledge, Point, Truth, UserTag, Version};

/// One impression's attributes, resolved once against an engine's dictionary. It answers only the engine that
/// made it. Cloning copies no values: they live in the request's arena.
#[derive(Clone, Debug)]
pub struct Probe<'a> {
    values: [&'a [ValueId]; Dimension::COUNT],
    first_values: [u64; Dimension::COUNT],
    present: u32,
    pub(crate) os_version: Option<Version>,
    pub(crate) location: Option<Point>,
    pub(crate) hour_of_week: Option<u8>,
    tags: &'a [UserTag],
    tag_filter: &'a TagFilter,
    knowledge: Knowledge,
}

const _: () = assert!(Dimension::COUNT <= 32, "`present` has a bit per dimension");

impl<'a> Probe<'a> {
    /// Resolves every dimension.
    pub(crate) fn new(dictionary: &Dictionary, attributes: &Attributes<'a>, arena: &'a Bump) -> Self {
        let mut probe = Self {
            values: [&[]; Dimension::COUNT],
            first_values: [0; Dimension::COUNT],
            present: 0,
            os_version: attributes.os_version.and_then(Version::parse),
            location: attributes.location,
            hour_of_week: attributes.hour_of_week,
            tags: attributes.tags,
            tag_filter: arena.alloc(TagFilter::of(attributes.tags)),
            knowledge: attributes.knowledge,
        };
        for dimension in Dimension::ALL {
            probe.resolve(dictionary, dimension, attributes.values(dimension), arena);
        }
        probe
    }

    /// The same request seen from another impression: only the impression's own dimensions are resolved again.
    pub(crate) fn impression(
        &self,
        dictionary: &Dictionary,
        attributes: &Attributes<'a>,
        arena: &'a Bump,
    ) -> Self {
        let mut probe = self.clone();
        for dimension in Dimension::ALL.into_iter().filter(|d| d.is_impression()) {
            probe.resolve(dictionary, dimension, attributes.values(dimension), arena);
        }
        probe
    }

    fn resolve(&mut self, dictionary: &Dictionary, dimension: Dimension, had: &[&str], arena: &'a Bump) {
        let bit = 1 << dimension as u32;
        self.present = if had.is_empty() { self.present & !bit } else { self.present | bit };
        let mut ids = Vec::with_capacity_in(had.len(), arena);
        ids.extend(had.iter().filter_map(|value| dictionary.find(dimension, value)));
        ids.sort_unstable();
        if let Some(first) = self.first_values.get_mut(dimension as usize) {
            *first = ids.iter().filter(|id| **id < 64).fold(0, |bits, id| bits | 1 << id);
        }
        if let Some(slot) = self.values.get_mut(dimension as usize) {
            *slot = ids.into_bump_slice();
        }
    }

    /// Numbers of the request's values that expressions name, sorted.
    pub(crate) fn values(&self, dimension: Dimension) -> &'a [ValueId] {
        self.values.get(dimension as usize).copied().unwrap_or_default()
    }

    /// Whether the request has a value in the dimension, named by an expression or not.
    pub(crate) fn has(&self, dimension: Dimension) -> bool {
        self.present >> dimension as u32 & 1 == 1
    }

    /// Which of the first 64 values of the dimension the request has, a bit each.
    pub(crate) fn first_values(&self, dimension: Dimension) -> u64 {
        self.first_values.get(dimension as usize).copied().unwrap_or(0)
    }

    /// What a test of tags says.
    pub(crate) fn tag_truth(&self, any_of: &[u32], gate: TagGate) -> Truth {
        let carried =
            any_of.iter().any(|wanted| self.tag_filter.may_have(*wanted) && self.carries(*wanted, gate));
        if carried {
            Truth::True
        } else if self.knowledge.covers(gate.kind) || any_of.is_empty() {
            Truth::False
        } else {
            Truth::Unknown
        }
    }

    fn carries(&self, wanted: u32, gate: TagGate) -> bool {
        let first = self.tags.partition_point(|tag| tag.id.0 < wanted);
        self.tags.iter().skip(first).take_while(|tag| tag.id.0 == wanted).any(|tag| gate.admits(tag))
    }
}

/// A bit per tag id modulo 1024: most wanted tags are not carried, and one load says so. With 60 tags, 6 % of the
/// absent ones get past it.
#[derive(Debug)]
struct TagFilter([u64; 16]);

impl TagFilter {
    fn of(tags: &[UserTag]) -> Self {
        let mut words = [0; 16];
        for tag in tags {
            if let Some(word) = words.get_mut(Self::word(tag.id.0)) {
                *word |= 1 << (tag.id.0 % 64);
            }
        }
        Self(words)
    }

    fn may_have(&self, id: u32) -> bool {
        self.0.get(Self::word(id)).is_some_and(|word| word >> (id % 64) & 1 == 1)
    }

    fn word(id: u32) -> usize {
        (id / 64 % 16) as usize
    }
}

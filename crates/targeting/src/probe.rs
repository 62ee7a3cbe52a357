//! A request as the compiled programs see it: numbers instead of text.

use bumpalo::Bump;
use bumpalo::collections::Vec;

use crate::dictionary::{Dictionary, ValueId};
use crate::index::{Cursor, SeenSets, Signatures, VetoMask, prefetch};
use crate::language::TagGate;
use tagbid_types::TagId;

use crate::{Attributes, Dimension, Knowledge, Point, TagKind, Truth, UnknownTags, UserTag, Version};

/// One impression's attributes, resolved once against an engine's dictionary. It answers only the engine that
/// made it. Cloning copies no values: they live in the request's arena.
#[derive(Clone, Debug)]
pub struct Probe<'a> {
    /// Against the engine itself, or the base of a layered one.
    pub(crate) view: View<'a>,
    /// Against each of the layers above the base, the newest first.
    pub(crate) layers: &'a [View<'a>],
}

impl<'a> Probe<'a> {
    pub(crate) fn of(view: View<'a>) -> Self {
        Self { view, layers: &[] }
    }
}

/// Attributes resolved against one dictionary.
#[derive(Clone, Debug)]
pub(crate) struct View<'a> {
    values: [&'a [ValueId]; Dimension::COUNT],
    first_values: [u64; Dimension::COUNT],
    present: u32,
    several: u32,
    pub(crate) os_version: Option<Version>,
    pub(crate) location: Option<Point>,
    pub(crate) hour_of_week: Option<u8>,
    pub(crate) tags: &'a [UserTag],
    tag_filter: &'a TagFilter,
    knowledge: Knowledge,
    pub(crate) unknown_tags: UnknownTags<'a>,
    /// What an index adds for itself: the request's signatures.
    pub(crate) signatures: Signatures,
    /// What speaks against records of the index.
    pub(crate) vetoes: VetoMask,
    /// Which sets its values are in, by column.
    pub(crate) sets: &'a [SeenSets<'a>],
    /// Where the postings of the request's own keys are, and those of the impression's.
    pub(crate) cursors: [&'a [Cursor]; 2],
}

const _: () = assert!(Dimension::COUNT <= 32, "`present` has a bit per dimension");

/// Some dimensions of a request, with the hashes of their texts: made once for all dictionaries that are siblings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Texts<'t, 'a> {
    dimensions: &'static [Dimension],
    attributes: &'t Attributes<'a>,
    /// Of all values of all these dimensions.
    hashes: &'t [u64],
}

impl<'t, 'a> Texts<'t, 'a> {
    pub(crate) fn of(
        dictionary: &Dictionary,
        attributes: &'t Attributes<'a>,
        dimensions: &'static [Dimension],
        arena: &'t Bump,
    ) -> Self {
        let total = dimensions.iter().map(|dimension| attributes.values(*dimension).len()).sum();
        let mut hashes = Vec::with_capacity_in(total, arena);
        for dimension in dimensions {
            for text in attributes.values(*dimension) {
                let hash = dictionary.hash(*dimension, text);
                dictionary.slot(hash).into_iter().for_each(prefetch);
                hashes.push(hash);
            }
        }
        Self { dimensions, attributes, hashes: hashes.into_bump_slice() }
    }

    /// Asks the processor to fetch what a sibling will look at.
    pub(crate) fn prefetch(&self, dictionary: &Dictionary) {
        self.hashes.iter().filter_map(|hash| dictionary.slot(*hash)).for_each(prefetch);
    }
}

impl<'a> View<'a> {
    /// Resolves every dimension.
    pub(crate) fn new(dictionary: &Dictionary, attributes: &Attributes<'a>, arena: &'a Bump) -> Self {
        let texts = Texts::of(dictionary, attributes, &Dimension::ALL, arena);
        let mut view = Self::unresolved(attributes, arena);
        view.resolve(dictionary, texts, arena);
        view
    }

    /// What needs no dictionary.
    pub(crate) fn unresolved(attributes: &Attributes<'a>, arena: &'a Bump) -> Self {
        Self {
            values: [&[]; Dimension::COUNT],
            first_values: [0; Dimension::COUNT],
            present: 0,
            several: 0,
            os_version: attributes.os_version.and_then(Version::parse),
            location: attributes.location.filter(|place| place.is_on_earth()),
            hour_of_week: attributes.hour_of_week,
            tags: attributes.tags,
            tag_filter: arena.alloc(TagFilter::of(attributes.tags)),
            knowledge: attributes.knowledge,
            unknown_tags: attributes.unknown_tags,
            signatures: Signatures::default(),
            vetoes: 0,
            sets: &[],
            cursors: [&[]; 2],
        }
    }

    /// The same request seen from another impression: only the impression's own dimensions are resolved again.
    pub(crate) fn impression(
        &self,
        dictionary: &Dictionary,
        attributes: &Attributes<'a>,
        arena: &'a Bump,
    ) -> Self {
        let mut view = self.clone();
        let texts = Texts::of(dictionary, attributes, &Dimension::OF_IMPRESSION, arena);
        view.resolve(dictionary, texts, arena);
        view
    }

    /// Takes over the values of these texts.
    pub(crate) fn resolve(&mut self, dictionary: &Dictionary, texts: Texts<'_, '_>, arena: &'a Bump) {
        let mut rest = arena.alloc_slice_fill_copy::<ValueId>(texts.hashes.len(), 0);
        let mut hashes = texts.hashes.iter();
        for dimension in texts.dimensions {
            let had = texts.attributes.values(*dimension);
            let bit = 1 << *dimension as u32;
            let set = |bits: u32, yes: bool| if yes { bits | bit } else { bits & !bit };
            self.present = set(self.present, !had.is_empty());
            self.several = set(self.several, had.len() > 1);
            let mut count = 0;
            for (text, hash) in had.iter().zip(&mut hashes) {
                if let Some(id) = dictionary.find(*hash, *dimension, text)
                    && let Some(place) = rest.get_mut(count)
                {
                    *place = id;
                    count += 1;
                }
            }
            let (ids, left) = rest.split_at_mut_checked(count).unwrap_or_default();
            rest = left;
            self.set(*dimension, ids);
        }
    }

    fn set(&mut self, dimension: Dimension, ids: &'a mut [ValueId]) {
        if ids.len() > 1 {
            ids.sort_unstable();
        }
        let at = dimension as usize;
        if let (Some(first), Some(values)) = (self.first_values.get_mut(at), self.values.get_mut(at)) {
            *first = ids.iter().filter(|id| **id < 64).fold(0, |bits, id| bits | 1 << id);
            *values = ids;
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

    /// Whether it has more than one there, named or not.
    pub(crate) fn has_several(&self, dimension: Dimension) -> bool {
        self.several >> dimension as u32 & 1 == 1
    }

    /// The dimensions where it has more than one, a bit each.
    pub(crate) fn several(&self) -> u32 {
        self.several
    }

    /// Which of the first 64 values of the dimension the request has, a bit each.
    pub(crate) fn first_values(&self, dimension: Dimension) -> u64 {
        self.first_values.get(dimension as usize).copied().unwrap_or(0)
    }

    /// Whether a tag of this kind that is not there is certainly not carried.
    pub(crate) fn covers(&self, kind: TagKind) -> bool {
        self.knowledge.covers(kind)
    }

    /// What a test of tags says.
    pub(crate) fn tag_truth(&self, any_of: &[u32], gate: TagGate) -> Truth {
        let carried =
            any_of.iter().any(|wanted| self.tag_filter.may_have(*wanted) && self.carries(*wanted, gate));
        if carried { Truth::True } else { self.not_carried(any_of, gate.kind) }
    }

    /// What a test says whose tags are not among those that are known to be carried.
    fn not_carried(&self, any_of: &[u32], kind: TagKind) -> Truth {
        let lost = || {
            kind != TagKind::Realtime
                && !self.unknown_tags.is_empty()
                && any_of.iter().any(|id| self.unknown_tags.contains(TagId(*id)))
        };
        if any_of.is_empty() || self.knowledge.covers(kind) && !lost() {
            Truth::False
        } else {
            Truth::Unknown
        }
    }

    /// What a test of tags without a gate says.
    #[inline]
    pub(crate) fn plain_tag_truth(&self, any_of: &[u32]) -> Truth {
        const NO_GATE: TagGate = TagGate { kind: TagKind::Any, min_weight: 0, max_age_s: None };
        if self.tag_filter.may_have_any(any_of) {
            self.tag_truth(any_of, NO_GATE)
        } else {
            self.not_carried(any_of, TagKind::Any)
        }
    }

    fn carries(&self, wanted: u32, gate: TagGate) -> bool {
        let first = self.tags.partition_point(|tag| tag.id.0 < wanted);
        self.tags.iter().skip(first).take_while(|tag| tag.id.0 == wanted).any(|tag| gate.admits(tag))
    }
}

/// A bit per tag id modulo 4096: most wanted tags are not carried, and one load says so. With 60 tags, 1.5 % of the
/// absent ones get past it.
#[derive(Debug)]
struct TagFilter([u64; 64]);

impl TagFilter {
    fn of(tags: &[UserTag]) -> Self {
        let mut words = [0; 64];
        for tag in tags {
            if let Some(word) = words.get_mut(Self::word(tag.id.0)) {
                *word |= 1 << (tag.id.0 % 64);
            }
        }
        Self(words)
    }

    fn may_have(&self, id: u32) -> bool {
        self.bit(id) & 1 == 1
    }

    /// Looks at all of them rather than stop at the first: where that is, nobody could foresee.
    fn may_have_any(&self, ids: &[u32]) -> bool {
        ids.iter().fold(0, |bits, id| bits | self.bit(*id)) & 1 == 1
    }

    /// In the lowest bit.
    fn bit(&self, id: u32) -> u64 {
        self.0.get(Self::word(id)).map_or(0, |word| word >> (id % 64))
    }

    fn word(id: u32) -> usize {
        (id / 64 % 64) as usize
    }
}

//! From what a request has to the posting lists that it has to look at.

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;
use hashbrown::HashMap;

use super::cells::{self, Cell};
use super::postings::{Cursor, Postings};
use super::values::Values;
use crate::Dimension;
use crate::probe::View;

/// The levels that `Keys::levels` could name.
const MOST_LEVELS: usize = 16;

/// Something that a request has or has not, under which records are filed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// A value, by its place among all values.
    Value(u32),
    Tag(u32),
    Cell(Cell),
    /// Every request has it.
    Always,
}

/// Where each key's list begins. Lists are numbered: values first, then tags with small ids, then the other tags,
/// cells, and the list of every request.
#[derive(Debug)]
pub(super) struct Keys {
    /// Of every list, and the end of the last.
    starts: Vec<u32>,
    first_tag: u32,
    /// Tag ids below this have a list of their own whether or not it is empty: ids are dense as a rule, and an
    /// array of them is the quickest map. The others go through `others`.
    dense_tags: u32,
    others: HashMap<Key, u32>,
    /// A power of two of bits, by the lower bits of the ids in `others`: in a small index nearly none of a user's
    /// tags has a list, and this says so at once.
    other_tags: Vec<u64>,
    always: u32,
    /// Levels of the grid that have cells, a bit each.
    levels: u16,
}

impl Keys {
    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(self.starts.as_slice())
            + size_of_val(self.other_tags.as_slice())
            + self.others.capacity() * (size_of::<(Key, u32)>() + 1)
    }

    /// The lists of the impression's own values, or of all else.
    pub(super) fn cursors<'a>(
        &self,
        view: &View<'_>,
        values: &Values,
        postings: &Postings,
        impression: bool,
        arena: &'a Bump,
    ) -> &'a [Cursor] {
        if self.is_together() {
            let mut found = Found { cursors: ArenaVec::new_in(arena), keys: self, postings };
            (!impression).then(|| found.list(self.always));
            return found.cursors.into_bump_slice();
        }
        let all: &[_] = if impression { &Dimension::OF_IMPRESSION } else { &Dimension::ALL };
        let dimensions = || all.iter().filter(|dimension| impression || !dimension.is_impression());
        let most: usize = dimensions().map(|dimension| view.values(*dimension).len()).sum();
        let others = if impression { 0 } else { view.tags.len() + MOST_LEVELS + 1 };
        let mut found =
            Found { cursors: ArenaVec::with_capacity_in(most + others, arena), keys: self, postings };
        for dimension in dimensions() {
            for id in view.values(*dimension) {
                found.list(values.place(*dimension, *id));
            }
        }
        if !impression {
            for tag in view.tags {
                match tag.id.0 {
                    id if id < self.dense_tags => found.list(self.first_tag + id),
                    id if self.may_have_other(id) => found.other(Key::Tag(id)),
                    _ => {}
                }
            }
            if let Some(place) = view.location {
                cells::of(place, self.levels).for_each(|cell| found.other(Key::Cell(cell)));
            }
            found.list(self.always);
        }
        found.cursors.into_bump_slice()
    }

    /// Whether everything is under the key of every request.
    fn is_together(&self) -> bool {
        self.starts.get(self.always as usize) == Some(&0)
    }

    fn may_have_other(&self, tag: u32) -> bool {
        let (word, bit) = self.other_tag(tag);
        self.other_tags.get(word).is_some_and(|bits| bits & bit != 0)
    }

    fn other_tag(&self, tag: u32) -> (usize, u64) {
        ((tag as usize / 64) & self.other_tags.len().wrapping_sub(1), 1 << (tag % 64))
    }

    fn list(&self, key: Key) -> Option<u32> {
        match key {
            Key::Value(place) => Some(place),
            Key::Tag(id) if id < self.dense_tags => Some(self.first_tag + id),
            Key::Tag(_) | Key::Cell(_) => self.others.get(&key).copied(),
            Key::Always => Some(self.always),
        }
    }
}

struct Found<'f, 'a> {
    cursors: ArenaVec<'a, Cursor>,
    keys: &'f Keys,
    postings: &'f Postings,
}

impl Found<'_, '_> {
    #[inline]
    fn list(&mut self, list: u32) {
        let at = list as usize;
        if let Some([start, end]) = self.keys.starts.get(at..at + 2)
            && start < end
        {
            self.postings.prefetch(*start);
            self.cursors.push(Cursor { at: *start, end: *end, next: 0 });
        }
    }

    fn other(&mut self, key: Key) {
        if let Some(list) = self.keys.others.get(&key) {
            self.list(*list);
        }
    }
}

impl Keys {
    /// Knows which tags have lists of their own, and nothing else yet.
    fn of_tags(values: &Values, all: &[Key]) -> Option<Self> {
        let tag = |key: &Key| if let Key::Tag(id) = key { Some(*id) } else { None };
        let mut tags: Vec<u32> = all.iter().filter_map(tag).collect();
        tags.sort_unstable();
        tags.dedup();
        // At most four times the room that is needed.
        let limit = u32::try_from(tags.len()).ok()?.saturating_mul(4);
        let dense_tags = tags.iter().rev().find(|id| **id < limit).map_or(0, |id| id + 1);
        let mut keys = Self {
            starts: Vec::new(),
            first_tag: u32::try_from(values.len()).ok()?,
            dense_tags,
            others: HashMap::new(),
            other_tags: vec![0; (tags.len() / 8).next_power_of_two()],
            always: 0,
            levels: 0,
        };
        for tag in tags.into_iter().filter(|id| *id >= dense_tags) {
            let (word, bit) = keys.other_tag(tag);
            *keys.other_tags.get_mut(word)? |= bit;
        }
        Some(keys)
    }
}

/// Counts the postings of each key, then gives each a place.
pub(super) struct KeysBuilder {
    keys: Keys,
    /// Where the next posting of each list goes.
    next: Vec<u32>,
}

impl KeysBuilder {
    /// Lays out the lists of these keys, each counted as often as it comes. `None` when there are too many postings.
    pub(super) fn new(values: &Values, all: &[Key]) -> Option<Self> {
        let mut keys = Keys::of_tags(values, all)?;
        let first_tag = keys.first_tag;
        let dense_tags = keys.dense_tags;
        let mut lists = first_tag.checked_add(dense_tags)?;
        for key in all {
            if let Key::Cell(cell) = key {
                keys.levels |= 1 << cells::level(*cell);
            }
            if matches!(key, Key::Cell(_)) || matches!(key, Key::Tag(id) if *id >= dense_tags) {
                keys.others.entry(*key).or_insert_with(|| {
                    lists += 1;
                    lists - 1
                });
            }
        }
        keys.always = lists;
        keys.starts = vec![0; lists as usize + 2];
        for key in all {
            let list = keys.list(*key)? as usize;
            *keys.starts.get_mut(list + 1)? += 1;
        }
        let mut total = 0_u32;
        for start in &mut keys.starts {
            total = total.checked_add(*start)?;
            *start = total;
        }
        let next = keys.starts.clone();
        Some(Self { keys, next })
    }

    /// The place of the key's next posting.
    pub(super) fn place(&mut self, key: Key) -> Option<usize> {
        let list = self.keys.list(key)? as usize;
        let next = self.next.get_mut(list)?;
        *next += 1;
        Some(*next as usize - 1)
    }

    pub(super) fn finish(self) -> Keys {
        self.keys
    }
}

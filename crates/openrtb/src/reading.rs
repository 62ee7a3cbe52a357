//! What both readers share while they read one request: the arena, the limits, the place, the notes.

use bumpalo::Bump;
use bumpalo::collections::Vec;

use crate::error::{DecodeError, Fail};
use crate::restriction::Restrictions;
use crate::{Limits, Note, NoteKind};

/// Levels of members whose names are kept; OpenRTB's own objects nest less than this. What lies deeper, in an
/// unknown member, is told by the names above it.
const PATH: usize = 16;
/// Bytes of a name that an error tells.
const NAME: usize = 64;

/// The state of reading one request.
pub(crate) struct Reading<'a> {
    pub(crate) arena: &'a Bump,
    pub(crate) limits: Limits,
    notes: Vec<'a, Note<'a>>,
    unreadable: Restrictions,
    block_list: Option<&'a str>,
    path: [&'a [u8]; PATH],
    level: usize,
    objects: usize,
    copied: usize,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(arena: &'a Bump, limits: Limits) -> Self {
        Self {
            arena,
            limits,
            notes: Vec::new_in(arena),
            unreadable: Restrictions::NONE,
            block_list: None,
            path: [b""; PATH],
            level: 0,
            objects: 0,
            copied: 0,
        }
    }

    /// Says which member is being read, for notes and errors.
    #[inline]
    pub(crate) fn at(&mut self, member: &'a [u8]) {
        if let Some(name) = self.path.get_mut(self.level) {
            *name = member;
        }
    }

    /// Enters an object that becomes a typed value. Refuses the request when it has too many of them.
    #[inline]
    pub(crate) fn enter(&mut self) -> Result<(), Fail> {
        self.objects += 1;
        if self.objects > self.limits.objects {
            return Err(self.too_many(self.limits.objects, "objects in the request"));
        }
        self.step_in();
        Ok(())
    }

    /// Enters an object of which nothing is kept.
    #[inline]
    pub(crate) fn step_in(&mut self) {
        self.level += 1;
        self.at(b"");
    }

    /// Leaves the object entered last.
    #[inline]
    pub(crate) fn leave(&mut self) {
        self.level = self.level.saturating_sub(1);
    }

    /// How many objects are entered.
    pub(crate) fn level(&self) -> usize {
        self.level
    }

    /// Leaves objects until as many are entered as before a part that could not be read.
    pub(crate) fn back_to(&mut self, level: usize) {
        self.level = level;
    }

    /// Pays for copying `elements` of a list that a protobuf sender scattered. Honest senders keep a list
    /// together; without a bound, a hostile one would make the work quadratic.
    pub(crate) fn copy(&mut self, elements: usize) -> Result<(), Fail> {
        self.copied += elements;
        if self.copied > self.limits.list {
            return Err(self.too_many(self.limits.list, "elements in scattered lists"));
        }
        Ok(())
    }

    /// Records what was forgiven at the current member.
    #[cold]
    pub(crate) fn note(&mut self, kind: NoteKind) {
        if kind != NoteKind::Utf8 {
            self.lose();
        }
        if self.notes.len() < self.limits.notes {
            let path = self.arena.alloc_str(&self.path());
            self.notes.push(Note { path, kind });
        }
    }

    /// Remembers what the current member, which cannot be read, may have restricted.
    fn lose(&mut self) {
        let member = self.path.get(self.level).copied().unwrap_or_default();
        let parent = self.level.checked_sub(1).and_then(|level| self.path.get(level)).copied();
        let restricted = Restrictions::of(parent.unwrap_or_default(), member);
        self.unreadable = self.unreadable.and(restricted);
        if restricted == Restrictions::BLOCKS && self.block_list.is_none() {
            self.block_list = Some(self.arena.alloc_str(&self.path()));
        }
    }

    /// What members that were there and could not be read may have restricted.
    pub(crate) fn unreadable(&self) -> Restrictions {
        self.unreadable
    }

    /// Whether that was in the object that now ends; forgets it, for the next object of the kind.
    pub(crate) fn take_unreadable(&mut self, restricted: Restrictions) -> bool {
        let lost = self.unreadable.has(restricted);
        self.unreadable = self.unreadable.without(restricted);
        lost
    }

    /// The path of the first of the request's block lists of which a part could not be read.
    pub(crate) fn unreadable_block_list(&self) -> Option<&'a str> {
        self.block_list
    }

    #[cold]
    pub(crate) fn too_many(&self, limit: usize, what: &'static str) -> Fail {
        Box::new(DecodeError::TooMany { limit, path: self.path(), what })
    }

    /// The members from the top to the current one, joined by dots.
    #[cold]
    pub(crate) fn path(&self) -> String {
        let names = self.path.iter().take(self.level + 1).filter(|name| !name.is_empty());
        let told = |name: &&'a [u8]| String::from_utf8_lossy(name.get(..NAME).unwrap_or(name)).into_owned();
        names.map(told).collect::<std::vec::Vec<_>>().join(".")
    }

    /// All notes, in the order in which they were taken.
    pub(crate) fn into_notes(self) -> &'a [Note<'a>] {
        self.notes.into_bump_slice()
    }
}

//! What both readers share while they read one request: the arena, the limits, the place, the notes.

use bumpalo::Bump;
use bumpalo::collections::Vec;

use crate::error::{DecodeError, Fail};
use crate::{Limits, Note, NoteKind};

/// Levels of members whose names are kept; OpenRTB's own objects nest less than this.
const PATH: usize = 16;

/// Members that restrict what may be done with a request. One that is there but cannot be read must not count as
/// absent, which would lift the restriction.
const SIGNALS: [&[u8]; 6] = [b"coppa", b"gdpr", b"us_privacy", b"gpp", b"lmt", b"dnt"];

/// The state of reading one request.
pub(crate) struct Reading<'a> {
    pub(crate) arena: &'a Bump,
    pub(crate) limits: Limits,
    notes: Vec<'a, Note<'a>>,
    unreadable: [bool; SIGNALS.len()],
    path: [&'static [u8]; PATH],
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
            unreadable: [false; SIGNALS.len()],
            path: [b""; PATH],
            level: 0,
            objects: 0,
            copied: 0,
        }
    }

    /// Says which member is being read, for notes and errors.
    #[inline]
    pub(crate) fn at(&mut self, member: &'static [u8]) {
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
        self.level += 1;
        self.at(b"");
        Ok(())
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
        let member = self.path.get(self.level).copied().unwrap_or_default();
        if let Some(signal) = SIGNALS.iter().position(|signal| *signal == member)
            && kind != NoteKind::Utf8
            && let Some(unreadable) = self.unreadable.get_mut(signal)
        {
            *unreadable = true;
        }
        if self.notes.len() < self.limits.notes {
            let path = self.arena.alloc_str(&self.path());
            self.notes.push(Note { path, kind });
        }
    }

    /// Whether a privacy signal of this name was there and could not be read.
    pub(crate) fn unreadable(&self, signal: &[u8]) -> bool {
        SIGNALS.iter().zip(self.unreadable).any(|(name, unreadable)| unreadable && *name == signal)
    }

    /// Whether that happened to any signal.
    pub(crate) fn any_unreadable(&self) -> bool {
        self.unreadable.contains(&true)
    }

    #[cold]
    pub(crate) fn too_many(&self, limit: usize, what: &'static str) -> Fail {
        Box::new(DecodeError::TooMany { limit, path: self.path(), what })
    }

    /// The members from the top to the current one, joined by dots.
    #[cold]
    pub(crate) fn path(&self) -> String {
        let names = self.path.iter().take(self.level + 1).filter(|name| !name.is_empty());
        names.map(|name| String::from_utf8_lossy(name)).collect::<std::vec::Vec<_>>().join(".")
    }

    /// All notes, in the order in which they were taken.
    pub(crate) fn into_notes(self) -> &'a [Note<'a>] {
        self.notes.into_bump_slice()
    }
}

//! The list of people: who asked not to be known, up to when what is kept of them has gone, and which ids are one person.
//!
//! An id is a user key. A person is a set of ids, joined by links; nobody leads, so it does not matter in which order
//! links come. All ids of a person are suppressed or none is: whoever suppresses one id suppresses all that are known of
//! the person, and whoever is linked to somebody who is suppressed is suppressed from then on.
//!
//! [`People`] is the part of the list that a batch of changes touches. It decides; the database keeps.

use std::collections::{BTreeMap, BTreeSet};

use tagbid_tagset::UserKey;
use tagbid_types::Revision;
use thiserror::Error;

/// Most ids of one person: a lookup reads what is kept under each. Two for each id while MAC keys rotate.
pub const MAX_IDS: usize = 32;

/// What the list says of one id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Nothing may be kept of it or be known.
    pub suppressed: bool,
    /// Position of the last change at which everything that was kept of it went. Positions are microseconds since 1970:
    /// what describes it before that moment stays away.
    pub erased: Revision,
    /// The person whose ids it is one of; none: it stands alone.
    pub person: Option<u64>,
    /// Version of the MAC key that made the user key; none: nobody said.
    pub mac: Option<u8>,
}

/// An id of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id {
    /// Its key.
    pub key: UserKey,
    /// Version of the MAC key that made it; none: nobody knows.
    pub mac: Option<u8>,
}

/// What is done to the ids of an entry, and to all other ids of their persons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeopleChange {
    /// Nothing is kept or known of them from now on, and what there was goes.
    Suppress,
    /// They may be known again; what was kept before goes.
    Lift,
    /// What is kept of them goes, and what describes them up to now stays away; their links too. They may come back with
    /// what happens from now on, unless they are suppressed.
    Erase,
    /// They are one person.
    Link,
    /// The ids of the entry alone, each by itself again.
    Unlink,
}

impl PeopleChange {
    /// The word for it in the audit and in commands.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Suppress => "suppress",
            Self::Lift => "lift",
            Self::Erase => "erase",
            Self::Link => "link",
            Self::Unlink => "unlink",
        }
    }
}

/// Why an entry changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PeopleError {
    /// It has too many ids, or the persons that it makes one.
    #[error(
        "these are {0} ids of one person, under all keys that make them; at most {MAX_IDS} are kept: unlink some"
    )]
    TooMany(usize),
    /// One id is no link.
    #[error("a link needs two different ids")]
    Alone,
}

/// The rows that a batch of changes may touch: those of its ids, and of all ids of their persons.
#[derive(Clone, Debug, Default)]
pub struct People {
    rows: BTreeMap<UserKey, Listed>,
    members: BTreeMap<u64, BTreeSet<UserKey>>,
    /// Who is told anew, and of whom everything goes.
    changed: BTreeMap<UserKey, bool>,
    new_persons: u64,
}

/// Persons that a batch has made are numbered from the end, until they get positions.
const NEW: u64 = u64::MAX;

impl People {
    /// From the rows that there are.
    pub fn new(rows: impl IntoIterator<Item = (UserKey, Listed)>) -> Self {
        let mut people = Self { rows: rows.into_iter().collect(), ..Self::default() };
        for (key, listed) in &people.rows {
            if let Some(person) = listed.person {
                people.members.entry(person).or_default().insert(*key);
            }
        }
        people
    }

    /// Makes a change of an entry: of ids of one person, or of any.
    pub fn apply(&mut self, change: PeopleChange, ids: &[Id]) -> Result<(), PeopleError> {
        if change == PeopleChange::Link {
            return self.link(ids);
        }
        if change == PeopleChange::Unlink {
            ids.iter().for_each(|id| self.unlink(id.key));
            return Ok(());
        }
        for key in self.with_others(ids) {
            let named = ids.iter().find(|id| id.key == key);
            let before = self.rows.get(&key).copied();
            let is_new = match change {
                PeopleChange::Suppress => !before.is_some_and(|row| row.suppressed),
                PeopleChange::Lift => before.is_some_and(|row| row.suppressed),
                _ => true,
            };
            if !is_new {
                continue;
            }
            let row = self.touch(key, true);
            row.mac = row.mac.or(named.and_then(|id| id.mac));
            match change {
                PeopleChange::Suppress => row.suppressed = true,
                PeopleChange::Lift => row.suppressed = false,
                _ => self.leave(key),
            }
        }
        Ok(())
    }

    fn link(&mut self, ids: &[Id]) -> Result<(), PeopleError> {
        let all = self.with_others(ids);
        if all.len() < 2 {
            return Err(PeopleError::Alone);
        }
        if all.len() > MAX_IDS {
            return Err(PeopleError::TooMany(all.len()));
        }
        let person_of = |people: &Self, key: &UserKey| people.rows.get(key).and_then(|row| row.person);
        let known = all.iter().find_map(|key| person_of(self, key));
        if known.is_some() && all.iter().all(|key| person_of(self, key) == known) {
            return Ok(());
        }
        let person = known.unwrap_or_else(|| {
            self.new_persons += 1;
            NEW - self.new_persons
        });
        let suppressed = all.iter().any(|key| self.rows.get(key).is_some_and(|row| row.suppressed));
        for key in &all {
            let mac = ids.iter().find(|id| id.key == *key).and_then(|id| id.mac);
            self.leave(*key);
            let newly = suppressed && !self.rows.get(key).is_some_and(|row| row.suppressed);
            let row = self.touch(*key, newly);
            (row.person, row.suppressed) = (Some(person), suppressed);
            row.mac = row.mac.or(mac);
        }
        self.members.insert(person, all);
        Ok(())
    }

    /// Takes an id out of its person; the last of a person stands alone.
    fn unlink(&mut self, key: UserKey) {
        let Some(person) = self.rows.get(&key).and_then(|row| row.person) else { return };
        self.leave(key);
        self.touch(key, false);
        let left = self.members.get(&person).cloned().unwrap_or_default();
        for other in &left {
            self.touch(*other, false);
        }
        if let (1, Some(last)) = (left.len(), left.first()) {
            self.leave(*last);
        }
    }

    fn leave(&mut self, key: UserKey) {
        if let Some(person) = self.rows.get_mut(&key).and_then(|row| row.person.take())
            && let Some(members) = self.members.get_mut(&person)
        {
            members.remove(&key);
        }
    }

    /// The ids of an entry and all others of their persons.
    fn with_others(&self, ids: &[Id]) -> BTreeSet<UserKey> {
        let mut all: BTreeSet<UserKey> = ids.iter().map(|id| id.key).collect();
        let persons = ids.iter().filter_map(|id| self.rows.get(&id.key)?.person);
        for person in persons.collect::<BTreeSet<_>>() {
            all.extend(self.members.get(&person).into_iter().flatten());
        }
        all
    }

    fn touch(&mut self, key: UserKey, erase: bool) -> &mut Listed {
        *self.changed.entry(key).or_default() |= erase;
        self.rows.entry(key).or_default()
    }

    /// How many ids changed: each takes a position of the list.
    pub fn changes(&self) -> u64 {
        self.changed.len() as u64
    }

    /// What the list says from now on of the ids that changed, at the positions from `first` on.
    pub fn finish(mut self, first: Revision) -> Vec<(Revision, UserKey, Listed)> {
        let positions = (first.0..).map(Revision);
        let row = |(revision, (key, erased)): (Revision, (&UserKey, &bool))| {
            let mut row = self.rows.remove(key)?;
            if *erased {
                row.erased = revision;
            }
            // A person is numbered by a position that this batch takes: nobody else has that.
            row.person = row.person.map(|person| match NEW - person {
                new if new <= self.new_persons => first.0 + new - 1,
                _ => person,
            });
            Some((revision, *key, row))
        };
        positions.zip(&self.changed).filter_map(row).collect()
    }

    /// The persons of all rows.
    pub fn persons(&self) -> impl Iterator<Item = u64> {
        self.rows.values().filter_map(|row| row.person)
    }
}

#[cfg(test)]
mod tests;

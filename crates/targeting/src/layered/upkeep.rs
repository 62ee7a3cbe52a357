//! What is done beside the writer: many levels become one, or all of them another base.
//!
//! Either is a value that says what to compile, computed wherever and for however long, and taken into the engine as
//! it is by then. Levels that came meanwhile are not looked at.

use std::sync::Arc;

use super::level::{self, Level};
use super::{Layered, Marked};
use crate::{Index, Item, Lists, Refused, Traffic};

/// How many times larger than the newer levels together an older one may be to be merged with them: a change is
/// compiled about so often on its way down.
const FACTOR: usize = 8;

/// Levels to be made one. [`Layered::merge`] finds them.
#[derive(Debug)]
pub struct Merge {
    /// Neighbours, the newest first.
    levels: Vec<Arc<Level>>,
    /// Changes of earlier epochs may be dropped.
    from_epoch: u32,
    base: Arc<Index>,
}

/// Levels that were made one, for [`Layered::merged`].
#[derive(Debug)]
pub struct Merged {
    from: Vec<Arc<Level>>,
    level: Arc<Level>,
}

/// Another base to be built. [`Layered::rebase`] begins it.
#[derive(Debug)]
pub struct Rebase {
    base: Arc<Index>,
    /// It has what levels before this epoch say.
    epoch: u32,
}

/// Another base, for [`Layered::rebased`].
#[derive(Debug)]
pub struct Rebased {
    from: Rebase,
    base: Index,
}

impl Merge {
    /// Compiles the levels' items as one. `lists` are the lists as they are now or were at any time since `merge`.
    pub fn run(self, lists: &Lists<'_>) -> (Merged, Vec<Refused>) {
        let all = self.levels.iter().fold(Vec::new(), |run, older| level::merge(run, &older.changes));
        let changes = all.into_iter().filter(|change| change.epoch >= self.from_epoch).collect();
        let (level, refused) = Level::build(changes, lists, &self.base);
        (Merged { from: self.levels, level }, refused)
    }
}

impl Rebase {
    /// Compiles all items, as they were at `rebase`, at the slots that they had.
    pub fn run<'c>(
        self,
        items: impl IntoIterator<Item = Item<'c>>,
        lists: &Lists<'_>,
        traffic: &Traffic,
    ) -> (Rebased, Vec<Refused>) {
        let (base, refused) = self.base.build_anew(items, lists, traffic);
        (Rebased { from: self, base }, refused)
    }
}

impl Layered {
    /// Levels that are worth merging, if any. What the writer still merges itself is not among them.
    pub fn merge(&self) -> Option<Merge> {
        let young =
            if self.levels.first().is_some_and(|newest| newest.len() <= self.rooms[0]) { 2 } else { 1 };
        let settled = self.levels.get(young..)?;
        let mut sum = 0;
        // As far down as they do not grow too fast.
        let together = settled.iter().take_while(|level| {
            let news = level.news(self.base_epoch);
            let fits = sum == 0 || news <= sum * FACTOR;
            sum += if fits { news } else { 0 };
            fits
        });
        let together = settled.get(..together.count())?;
        // A change that the base has must go from no level before it is gone from all older ones: only the oldest
        // level has any.
        let oldest = together.len() == settled.len();
        let stale = together.iter().map(|level| level.len()).sum::<usize>() - sum;
        let wanted = together.len() > 1 || oldest && stale > sum;
        wanted.then(|| Merge {
            levels: together.to_vec(),
            from_epoch: if oldest { self.base_epoch } else { 0 },
            base: Arc::clone(&self.base),
        })
    }

    /// The same with these levels as one; none when the engine does not have them any more.
    #[must_use]
    pub fn merged(&self, merged: Merged) -> Option<Self> {
        let first = merged.from.first()?;
        let at = self.levels.iter().position(|level| Arc::ptr_eq(level, first))?;
        let run = at..at + merged.from.len();
        let own = self.levels.get(run.clone())?;
        if !own.iter().zip(&merged.from).all(|(own, from)| Arc::ptr_eq(own, from)) {
            return None;
        }
        let mut next = self.clone();
        next.levels.splice(run, [merged.level]);
        next.changed = Marked::of(&next.levels);
        Some(next)
    }

    /// Begins another base of all items as this engine has them now. What changes from here on, in this value and
    /// those made of it, stays beside what the base will have.
    pub fn rebase(&mut self) -> Rebase {
        self.epoch += 1;
        Rebase { base: Arc::clone(&self.base), epoch: self.epoch }
    }

    /// The same on the other base, with only what has changed since that was begun; none when the engine got yet
    /// another base meanwhile.
    #[must_use]
    pub fn rebased(&self, rebased: Rebased) -> Option<Self> {
        if !Arc::ptr_eq(&self.base, &rebased.from.base) {
            return None;
        }
        let mut next = Self { base: Arc::new(rebased.base), base_epoch: rebased.from.epoch, ..self.clone() };
        next.levels.retain(|level| level.news(next.base_epoch) > 0);
        next.changed = Marked::of(&next.levels);
        Some(next)
    }
}

//! Which datasets: as many as a lookup may name.

use std::fmt;

use tagbid_types::DatasetId;

/// Some datasets, or all of them. Beyond [`Datasets::MOST`] it says "all": one that asks for more than it needs, or trusts
/// less than it could, is never wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Datasets {
    ids: [DatasetId; Self::MOST],
    /// How many of `ids` count; none: all datasets are meant.
    len: Option<u8>,
}

impl Datasets {
    /// Most that are told apart: twice as many as can be active at once.
    pub const MOST: usize = 16;

    /// All there are.
    pub const ALL: Self = Self { ids: [DatasetId(0); Self::MOST], len: None };

    /// Not one.
    pub const NONE: Self = Self { ids: [DatasetId(0); Self::MOST], len: Some(0) };

    /// Whether every dataset is meant, known here or not.
    pub fn is_all(&self) -> bool {
        self.len.is_none()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len == Some(0)
    }

    /// Those that are named, ascending; nothing when all are meant.
    pub fn named(&self) -> &[DatasetId] {
        self.ids.get(..usize::from(self.len.unwrap_or(0))).unwrap_or_default()
    }

    /// Whether this one is among them.
    pub fn contains(&self, dataset: DatasetId) -> bool {
        self.is_all() || self.named().contains(&dataset)
    }

    /// Whether all of the others are among them.
    pub fn covers(&self, others: &Self) -> bool {
        self.is_all() || !others.is_all() && others.named().iter().all(|one| self.contains(*one))
    }

    /// One more.
    pub fn insert(&mut self, dataset: DatasetId) {
        let Some(len) = self.len else { return };
        let Err(at) = self.named().binary_search(&dataset) else { return };
        let len = usize::from(len);
        if len == Self::MOST {
            *self = Self::ALL;
            return;
        }
        self.ids.copy_within(at..len, at + 1);
        if let Some(place) = self.ids.get_mut(at) {
            *place = dataset;
        }
        // At most `MOST`.
        self.len = Some((len + 1) as u8);
    }

    /// Those of both.
    #[must_use]
    pub fn with(mut self, others: &Self) -> Self {
        if others.is_all() {
            return Self::ALL;
        }
        others.named().iter().for_each(|one| self.insert(*one));
        self
    }
}

/// All of them: who does not say, leaves nothing out.
impl Default for Datasets {
    fn default() -> Self {
        Self::ALL
    }
}

impl FromIterator<DatasetId> for Datasets {
    fn from_iter<I: IntoIterator<Item = DatasetId>>(datasets: I) -> Self {
        let mut all = Self::NONE;
        datasets.into_iter().for_each(|one| all.insert(one));
        all
    }
}

impl fmt::Debug for Datasets {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.len {
            None => to.write_str("all"),
            Some(_) => to.debug_set().entries(self.named().iter().map(|one| one.0)).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn of(ids: &[u32]) -> Datasets {
        ids.iter().map(|id| DatasetId(*id)).collect()
    }

    #[test]
    fn it_is_the_set_of_what_was_put_in_until_it_says_all() {
        let mut state = 1_u32;
        let (mut set, mut oracle) = (Datasets::NONE, BTreeSet::new());
        while oracle.len() < Datasets::MOST {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let one = DatasetId(state >> 27);
            set.insert(one);
            oracle.insert(one);
            assert!(set.named().iter().eq(&oracle), "{set:?}");
            assert!((0..40).all(|id| set.contains(DatasetId(id)) == oracle.contains(&DatasetId(id))));
        }
        set.insert(DatasetId(99));
        assert_eq!((set, set.contains(DatasetId(1_000))), (Datasets::ALL, true));
    }

    #[test]
    fn all_covers_everything_and_is_covered_by_nothing_less() {
        assert!(Datasets::ALL.covers(&Datasets::ALL) && Datasets::ALL.covers(&of(&[1])));
        assert!(of(&[1, 2]).covers(&of(&[2])) && of(&[2]).covers(&Datasets::NONE));
        assert!(!of(&[1, 2]).covers(&Datasets::ALL) && !of(&[1, 2]).covers(&of(&[3])));
        assert_eq!(of(&[3, 1]).with(&of(&[2])), of(&[1, 2, 3]));
        assert_eq!(of(&[3]).with(&Datasets::ALL), Datasets::ALL);
    }
}

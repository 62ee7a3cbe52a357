//! Bounds that depend on the request.

use tagbid_types::Cpm;

use crate::Item;

/// A higher bound of an item, for requests where some of its [`Item::tests`] come out in its favour. An item whose
/// bound is what it pays, and not what it could pay at best, is reached when its turn has really come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raise {
    /// Tests that have to be certainly true: a bit each, by their place.
    pub holding: u128,
    /// Tests that have to be certainly false.
    pub failing: u128,
    /// The bound then. One that is not above the item's own says nothing.
    pub bound: Cpm,
}

impl Raise {
    /// Places of its tests, each with whether it has to be false.
    pub(crate) fn tests(self) -> impl Iterator<Item = (usize, bool)> {
        (0..128).flat_map(move |place| {
            let has = |bits: u128| bits >> place & 1 == 1;
            let wanted = [(has(self.holding), false), (has(self.failing), true)];
            wanted.into_iter().filter(|(has, _)| *has).map(move |(_, negated)| (place, negated))
        })
    }
}

/// The raises that say something, the highest first.
pub(crate) fn in_falling_order(item: &Item<'_>) -> Vec<Raise> {
    let mut raises: Vec<_> = item.raises.iter().copied().filter(|raise| raise.bound > item.bound).collect();
    raises.sort_by_key(|raise| std::cmp::Reverse(raise.bound));
    raises
}

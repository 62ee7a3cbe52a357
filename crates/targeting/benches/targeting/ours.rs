//! The engine that is measured as ours, and how it is built.

use tagbid_targeting::{Attributes, Item, Lists, Refused, Scan};

pub(crate) type Ours = Scan;

pub(crate) fn build<'c>(
    items: impl IntoIterator<Item = Item<'c>>,
    lists: &Lists<'_>,
    _observed: &[Attributes<'_>],
) -> (Ours, Vec<Refused>) {
    Scan::build(items, lists)
}

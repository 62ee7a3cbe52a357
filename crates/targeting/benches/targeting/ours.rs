//! The engine that is measured as ours, and how it is built.

use tagbid_targeting::{Attributes, Index, Item, Lists, Refused, Traffic};

pub(crate) type Ours = Index;

/// Files the items by what earlier requests were like.
pub(crate) fn build<'c>(
    items: impl IntoIterator<Item = Item<'c>>,
    lists: &Lists<'_>,
    observed: &[Attributes<'_>],
) -> (Ours, Vec<Refused>) {
    let mut traffic = Traffic::default();
    observed.iter().for_each(|request| traffic.observe(request));
    Index::build(items, lists, &traffic)
}

//! Shared lists, as the catalog holds them while an index is built or an expression explained.

use hashbrown::HashMap;
use tagbid_types::ListId;

use crate::Dimension;

/// The shared lists that expressions may name. Borrowed: a list of 100,000 domains is not copied.
#[derive(Clone, Debug, Default)]
pub struct Lists<'c> {
    by_id: HashMap<ListId, (Dimension, &'c [String])>,
}

impl<'c> Lists<'c> {
    /// Adds a list, or replaces the one of that id. Values of [`Dimension::Domain`] cover their subdomains, because
    /// requests carry the parents of their domain.
    pub fn insert(&mut self, id: ListId, dimension: Dimension, values: &'c [String]) {
        self.by_id.insert(id, (dimension, values));
    }

    /// The values of the list if it exists and is of this dimension. A test of any other list is *unknown*, so
    /// that a block list that got lost blocks everything rather than nothing.
    pub fn values(&self, id: ListId, dimension: Dimension) -> Option<&'c [String]> {
        self.by_id.get(&id).filter(|(own, _)| *own == dimension).map(|(_, values)| *values)
    }
}

//! Sets of creatives that line items share. What the gates say of a set in one impression is asked once, however many
//! of its line items come by.

use std::sync::Arc;

use rpds::HashTrieMapSync;
use tagbid_catalog::Creative;
use tagbid_types::CreativeId;

/// A number for the creatives of a line item, in their order: where two are equal, so are the creatives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kit(pub(crate) u32);

/// The numbers given out.
#[derive(Clone, Debug, Default)]
pub(super) struct Kits {
    known: HashTrieMapSync<Vec<CreativeId>, (Kit, Vec<Arc<Creative>>)>,
    /// Numbers are not used again: a set whose creatives change becomes another.
    next: u32,
}

impl Kits {
    /// The number of these creatives.
    pub(super) fn of(&mut self, creatives: &[Arc<Creative>]) -> Kit {
        let ids: Vec<_> = creatives.iter().map(|creative| creative.id).collect();
        if let Some((kit, known)) = self.known.get(&ids)
            && known.iter().zip(creatives).all(|(known, creative)| Arc::ptr_eq(known, creative))
        {
            return *kit;
        }
        let kit = Kit(self.next);
        self.next = self.next.wrapping_add(1);
        self.known.insert_mut(ids, (kit, creatives.to_vec()));
        kit
    }
}

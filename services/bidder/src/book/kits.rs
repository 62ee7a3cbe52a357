//! Sets of creatives that line items share. What the gates say of a set in one impression is asked once, however many
//! of its line items come by.

use std::sync::Arc;

use rpds::HashTrieMapSync;
use tagbid_catalog::Creative;
use tagbid_types::CreativeId;

use super::Place;

/// A number for the creatives of a line item, in their order: where two are equal, so are the creatives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kit(pub(crate) u32);

/// The numbers given out.
#[derive(Clone, Debug, Default)]
pub(super) struct Kits {
    known: HashTrieMapSync<Vec<CreativeId>, Known>,
    /// Numbers are not used again: a set whose creatives change becomes another.
    next: u32,
}

#[derive(Clone, Debug)]
struct Known {
    kit: Kit,
    creatives: Vec<Arc<Creative>>,
    /// Line items that have them.
    users: usize,
}

impl Kits {
    /// The number of these creatives, of which a line item more makes use.
    pub(super) fn of(&mut self, creatives: &[Arc<Creative>]) -> Kit {
        let ids = ids(creatives);
        if let Some(known) = self.known.get_mut(&ids)
            && known.creatives.iter().zip(creatives).all(|(known, creative)| Arc::ptr_eq(known, creative))
        {
            known.users += 1;
            return known.kit;
        }
        let kit = Kit(self.next);
        self.next = self.next.wrapping_add(1);
        self.known.insert_mut(ids, Known { kit, creatives: creatives.to_vec(), users: 1 });
        kit
    }

    /// The line item of this place does not make use of its creatives any more. With the last one they are forgotten.
    pub(super) fn release(&mut self, place: &Place) {
        let ids = ids(&place.entry.creatives);
        // Of creatives that have changed the newer ones are known, which others use.
        let Some(known) = self.known.get_mut(&ids).filter(|known| known.kit == place.kit) else { return };
        known.users -= 1;
        if known.users == 0 {
            self.known.remove_mut(&ids);
        }
    }
}

#[cfg(test)]
impl Kits {
    /// Sets that are remembered.
    pub(super) fn len(&self) -> usize {
        self.known.size()
    }
}

fn ids(creatives: &[Arc<Creative>]) -> Vec<CreativeId> {
    creatives.iter().map(|creative| creative.id).collect()
}

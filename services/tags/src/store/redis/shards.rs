//! What this node knows of the suppression list in each part of the store that can lose it.
//!
//! # Why a sentinel for each slot
//!
//! A shard is what is kept or lost together: the whole of a single Redis; of a cluster, each hash slot. The mark of a
//! suppressed user and the [`Sentinel`] of their shard are in one slot, and one script writes both. Therefore:
//!
//! 1. Whoever has the sentinel has the marks. A replica has replayed a prefix of what its primary did, scripts whole
//!    or not at all; so after a failover that lost writes, the sentinel of each slot has gone back exactly as far as
//!    its marks. A node that comes back empty has none.
//! 2. They travel together. A slot that moves to another node takes its sentinel along; who owns what, and who owned
//!    it when something was lost, does not matter. A sentinel a node would not do: a slot that moves from a node which
//!    has lost marks to one that has lost none would look whole there.
//! 3. One MGET reads both, on one node, in one moment, however slots move; where a slot is half moved and keys are read
//!    one by one, the sentinel is read last.
//!
//! A read or write demands what this node last knew the shard to have ([`Shard::required`]): less, or of another life,
//! and the user is uncertain. What is lost is heard again from the list, from where the shard is (`at`) or from the
//! least of all of them. Before that the shard gets another life: else, while one node tells it the list again,
//! another could take a position that is high enough for a whole list, and find a user unmarked whose turn only comes
//! later, because the list tells of each user the last change.
//!
//! The price: a key of some 100 bytes a slot (1.6 MB a cluster); a look at all of them at the start and after failovers;
//! and since a change moves only its own slot's sentinel, all others are moved along once a minute, so that a restart
//! does not hear the whole list again. Not noticed: keys that vanish one by one (eviction), and marks that were
//! just moved to a node that dies before its replica has them, while their slot's sentinel has not moved yet.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tagbid_tagset::UserKey;

use super::keys;
use super::slots::{SLOTS, slot_of, slot_of_user, tags};
use crate::store::Sentinel;

/// Shards that share a pointer, so that a change copies few.
const CHUNK: usize = 128;

/// What is known of a shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shard {
    /// What it had when it was last read or written; none: it never was.
    pub(super) at: Option<Sentinel>,
    /// What reads and writes demand; none: nothing yet.
    pub(super) required: Option<Sentinel>,
    /// Changes have passed it by: it hears no others before those.
    pub(super) behind: bool,
}

/// All of them.
pub(super) struct Shards {
    names: Vec<String>,
    marks: Vec<String>,
    chunks: Vec<ArcSwap<[Shard; CHUNK]>>,
    /// Held by whoever changes one.
    writer: Mutex<()>,
}

impl Shards {
    /// The one of a single Redis, or those of a cluster.
    pub(super) fn new(cluster: bool) -> Self {
        let (names, marks): (Vec<_>, Vec<_>) = if cluster {
            tags().iter().map(|tag| (keys::sentinel_of_slot(tag), keys::mark_of_slot(tag))).unzip()
        } else {
            (vec![keys::SENTINEL.to_owned()], vec![keys::MARK.to_owned()])
        };
        let chunks = names.chunks(CHUNK).map(|_| ArcSwap::from_pointee([Shard::default(); CHUNK]));
        Self { chunks: chunks.collect(), names, marks, writer: Mutex::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// The slot and the shard of a user.
    pub(super) fn of_user(&self, user: UserKey) -> (usize, usize) {
        if self.names.len() != SLOTS {
            // Who owns everything owns the first slot.
            return (0, 0);
        }
        let slot = slot_of_user(user);
        (slot, slot)
    }

    /// Where a shard's sentinel is.
    pub(super) fn slot(&self, shard: usize) -> usize {
        if self.names.len() == SLOTS { shard } else { slot_of(keys::SENTINEL.as_bytes()) }
    }

    /// The name of its sentinel.
    pub(super) fn name(&self, shard: usize) -> &str {
        self.names.get(shard).map_or(keys::SENTINEL, String::as_str)
    }

    /// The name of the key that holds its versions, which is in the same slot.
    pub(super) fn mark(&self, shard: usize) -> &str {
        self.marks.get(shard).map_or(keys::MARK, String::as_str)
    }

    pub(super) fn get(&self, shard: usize) -> Shard {
        let chunk = self.chunks.get(shard / CHUNK).map(ArcSwap::load);
        chunk.and_then(|chunk| chunk.get(shard % CHUNK).copied()).unwrap_or_default()
    }

    /// What a read or a write that begins now demands of a shard.
    pub(super) fn required(&self, shard: usize) -> Option<Sentinel> {
        self.get(shard).required
    }

    pub(super) fn change(&self, shard: usize, change: impl FnOnce(&mut Shard)) {
        let _one_at_a_time = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(chunk) = self.chunks.get(shard / CHUNK) else { return };
        let mut shards = *chunk.load_full();
        if let Some(shard) = shards.get_mut(shard % CHUNK) {
            change(shard);
        }
        chunk.store(Arc::new(shards));
    }

    /// Changes all of them.
    pub(super) fn change_all(&self, mut change: impl FnMut(&mut Shard)) {
        let _one_at_a_time = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in &self.chunks {
            let mut shards = *chunk.load_full();
            shards.iter_mut().for_each(&mut change);
            chunk.store(Arc::new(shards));
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, Shard)> {
        (0..self.len()).map(|shard| (shard, self.get(shard)))
    }
}

impl Shard {
    /// It has come so far, by our doing or another node's.
    pub(super) fn reached(&mut self, is: Sentinel) {
        // Whoever was content with what it had is content with more; whoever was not, waits for the whole list.
        if self.required.is_some() && self.required == self.at {
            self.required = Some(is);
        }
        self.at = Some(is);
    }

    /// A change could not be told: nobody may rely on the shard without it.
    pub(super) fn missed(&mut self, change: Sentinel) {
        self.behind = true;
        if self.required.is_some() {
            self.required = Some(change);
        }
    }

    /// Everything that there was to tell has been told.
    pub(super) fn certain(&mut self) {
        match self.at {
            Some(at) if !self.behind => self.required = Some(at),
            // Demands what no shard has.
            _ => {
                self.required.get_or_insert(Sentinel::UNREACHABLE);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tagbid_types::Revision;

    fn sentinel(life: u64, revision: u64) -> Sentinel {
        Sentinel { life, revision: Revision(revision) }
    }

    #[test]
    fn a_shard_that_lost_something_is_not_trusted_before_the_list_was_told_to_its_end() {
        let mut shard = Shard { at: Some(sentinel(1, 5)), ..Shard::default() };
        shard.certain();
        shard.reached(sentinel(1, 6));
        assert_eq!(shard.required, Some(sentinel(1, 6)));

        // It was found emptied, and hears the list again.
        shard.at = Some(sentinel(2, 0));
        shard.reached(sentinel(2, 9));
        assert_eq!(shard.required, Some(sentinel(1, 6)), "9 may be before the last change of somebody");
        shard.certain();
        assert_eq!(shard.required, Some(sentinel(2, 9)));
    }

    #[test]
    fn a_shard_that_missed_a_change_is_trusted_again_when_it_has_it() {
        let mut shard = Shard { at: Some(sentinel(1, 5)), ..Shard::default() };
        shard.certain();
        shard.missed(sentinel(1, 7));
        shard.certain();
        assert_eq!(shard.required, Some(sentinel(1, 7)));
        shard.behind = false;
        shard.reached(sentinel(1, 7));
        shard.certain();
        assert_eq!((shard.at, shard.required), (Some(sentinel(1, 7)), Some(sentinel(1, 7))));
    }

    #[test]
    fn the_sentinel_of_a_users_shard_is_in_the_users_slot() {
        let (shards, user) = (Shards::new(true), UserKey([7; 16]));
        let (slot, shard) = shards.of_user(user);
        let name = shards.name(shard);
        let tag = name.split_once('{').unwrap().1.trim_end_matches('}');
        assert_eq!((slot_of(tag.as_bytes()), shards.slot(shard)), (slot, slot));
        assert_eq!(shards.mark(shard), format!("versions:{{{tag}}}"));
        let alone = Shards::new(false);
        assert_eq!((alone.len(), alone.of_user(user).1, alone.name(0)), (1, 0, "suppression"));
    }
}

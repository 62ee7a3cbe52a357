//! Which tags the line items of the book name, by dataset: what has to be asked of a user, and which tests nobody can
//! answer when a dataset does not.

use std::collections::BTreeSet;
use std::sync::Arc;

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;
use rpds::HashTrieMapSync;
use tagbid_catalog::validate::references_of;
use tagbid_catalog::{Catalog, Entity, EntityKey, EntityKind};
use tagbid_ports::Datasets;
use tagbid_targeting::UnknownTags;
use tagbid_types::{DatasetId, TagId};

use super::Entry;

/// Most tags that a search is told to be unknown one by one; beyond them all offline tags are. A search looks at each of
/// them once: so many cost it some 50 µs, of which a bid with a lost dataset has enough.
const MOST_UNKNOWN: usize = 4_096;

/// Where a tag is listed: its dataset, or none for tags that may come in any dataset.
type Place = Option<DatasetId>;

/// A value, as the book is.
#[derive(Clone, Debug, Default)]
pub(super) struct Vocabulary {
    /// By how many line items each tag is named, and where it is listed.
    named: HashTrieMapSync<TagId, (u32, Place)>,
    /// Sorted.
    lists: HashTrieMapSync<Place, Arc<Vec<TagId>>>,
    /// Datasets with a list.
    wanted: Wanted,
}

/// What to ask users for; at first nothing.
#[derive(Clone, Debug)]
struct Wanted(Datasets);

impl Default for Wanted {
    fn default() -> Self {
        Self(Datasets::NONE)
    }
}

impl Vocabulary {
    /// The datasets that have a tag which somebody names. All of them where one may come in any.
    pub(super) fn datasets(&self) -> Datasets {
        self.wanted.0
    }

    /// What nobody knows of a user while these datasets are lost; none: of no offline tag.
    pub(super) fn unknown<'a>(&'a self, lost: &Datasets, arena: &'a Bump) -> Option<UnknownTags<'a>> {
        if lost.is_empty() {
            return Some(UnknownTags::default());
        }
        if lost.is_all() {
            return None;
        }
        let places = lost.named().iter().map(|one| Some(*one)).chain([None]);
        let lists = places.filter_map(|place| self.lists.get(&place)).map(|list| list.as_slice());
        let mut unknown = ArenaVec::with_capacity_in(lost.named().len() + 1, arena);
        unknown.extend(lists);
        let tags: usize = unknown.iter().map(|list| list.len()).sum();
        (tags <= MOST_UNKNOWN).then(|| UnknownTags::new(unknown.into_bump_slice()))
    }

    /// A line item came into the book.
    pub(super) fn add(&mut self, entry: &Entry, catalog: &Catalog) {
        for tag in tags_of(entry) {
            if let Some((users, _)) = self.named.get_mut(&tag) {
                *users += 1;
                continue;
            }
            let place = place_of(tag, catalog);
            self.named.insert_mut(tag, (1, place));
            self.list(place, tag);
        }
    }

    /// A line item left it.
    pub(super) fn remove(&mut self, entry: &Entry) {
        for tag in tags_of(entry) {
            let Some((users, place)) = self.named.get_mut(&tag) else { continue };
            *users -= 1;
            if *users == 0 {
                let place = *place;
                self.named.remove_mut(&tag);
                self.unlist(place, tag);
            }
        }
    }

    /// A tag became another.
    pub(super) fn changed(&mut self, tag: TagId, catalog: &Catalog) {
        let Some((_, listed)) = self.named.get_mut(&tag) else { return };
        let place = place_of(tag, catalog);
        let before = std::mem::replace(listed, place);
        if before != place {
            self.unlist(before, tag);
            self.list(place, tag);
        }
    }

    /// All lists.
    #[cfg(test)]
    pub(super) fn all(&self) -> std::collections::BTreeMap<Option<DatasetId>, Vec<TagId>> {
        self.lists.iter().map(|(place, tags)| (*place, Vec::clone(tags))).collect()
    }

    fn list(&mut self, place: Place, tag: TagId) {
        let Some(list) = self.lists.get_mut(&place).map(Arc::make_mut) else {
            self.lists.insert_mut(place, Arc::new(vec![tag]));
            return self.want();
        };
        if let Err(at) = list.binary_search(&tag) {
            list.insert(at, tag);
        }
    }

    fn unlist(&mut self, place: Place, tag: TagId) {
        let Some(list) = self.lists.get_mut(&place).map(Arc::make_mut) else { return };
        if let Ok(at) = list.binary_search(&tag) {
            list.remove(at);
        }
        if list.is_empty() {
            self.lists.remove_mut(&place);
            self.want();
        }
    }

    fn want(&mut self) {
        let all: Option<Vec<DatasetId>> = self.lists.keys().copied().collect();
        self.wanted = Wanted(all.map_or(Datasets::ALL, |all| all.into_iter().collect()));
    }
}

/// The tags that targeting and prices of the line item name, and those that its advertiser never contacts, each once.
fn tags_of(entry: &Entry) -> BTreeSet<TagId> {
    let keys = references_of(&Entity::LineItem(Arc::clone(&entry.item))).into_iter();
    let tags = keys.filter(|key| key.kind == EntityKind::Tag);
    let tags = tags.filter_map(|key| u32::try_from(key.id).ok()).map(TagId);
    tags.chain(entry.advertiser.never_contact.iter().copied()).collect()
}

/// A tag of no dataset, and one that the catalog does not know, may come in any.
fn place_of(tag: TagId, catalog: &Catalog) -> Place {
    match catalog.entities.get(&EntityKey::from(tag)) {
        Some(Entity::Tag(tag)) => tag.dataset,
        _ => None,
    }
}

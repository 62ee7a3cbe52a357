//! Which tags have a name.

use std::sync::Arc;

use rpds::HashTrieMapSync;
use smallvec::SmallVec;
use tagbid_tagset::StandardName;
use tagbid_types::{AdvertiserId, TagId};

use crate::TagDefinition;

/// In the order of their ids.
type Ids = SmallVec<[TagId; 2]>;

type Index = HashTrieMapSync<Arc<str>, Ids>;

/// The names of one owner's tags.
#[derive(Clone, Debug, Default)]
struct Owned {
    exact: Index,
    loose: Index,
}

/// The names of all live tags, by owner: no look at one owner's names depends on another's.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(HashTrieMapSync<Option<AdvertiserId>, Owned>);

/// The tags that have a name.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found<'a> {
    /// In the standard form.
    pub(super) exact: &'a [TagId],
    /// In the loose form; those above are among them.
    pub(super) loose: &'a [TagId],
}

impl Names {
    /// The tags of an owner that have this name.
    pub(super) fn of(&self, owner: Option<AdvertiserId>, name: &StandardName) -> Found<'_> {
        let Some(owned) = self.0.get(&owner) else {
            return Found::default();
        };
        Found { exact: slice(owned.exact.get(name.as_str())), loose: slice(owned.loose.get(name.loose())) }
    }

    pub(super) fn insert(&mut self, tag: &TagDefinition) {
        if !self.0.contains_key(&tag.advertiser) {
            self.0.insert_mut(tag.advertiser, Owned::default());
        }
        let Some(owned) = self.0.get_mut(&tag.advertiser) else { return };
        for (_, name) in tag.names() {
            add(&mut owned.exact, name.shared(), tag.id);
            add(&mut owned.loose, name.shared_loose(), tag.id);
        }
    }

    /// Takes out what [`Names::insert`] put in for the same definition.
    pub(super) fn remove(&mut self, tag: &TagDefinition) {
        let Some(owned) = self.0.get_mut(&tag.advertiser) else { return };
        for (_, name) in tag.names() {
            drop_id(&mut owned.exact, name.as_str(), tag.id);
            drop_id(&mut owned.loose, name.loose(), tag.id);
        }
    }
}

fn slice(ids: Option<&Ids>) -> &[TagId] {
    ids.map(SmallVec::as_slice).unwrap_or_default()
}

fn add(index: &mut Index, name: Arc<str>, id: TagId) {
    match index.get_mut(&name) {
        None => index.insert_mut(name, SmallVec::from_slice(&[id])),
        Some(ids) => {
            if let Err(place) = ids.binary_search(&id) {
                ids.insert(place, id);
            }
        }
    }
}

fn drop_id(index: &mut Index, name: &str, id: TagId) {
    let Some(ids) = index.get_mut(name) else { return };
    ids.retain(|other| *other != id);
    if ids.is_empty() {
        index.remove_mut(name);
    }
}

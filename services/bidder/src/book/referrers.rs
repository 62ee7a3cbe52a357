//! Which line items a change of something else concerns.

use std::collections::BTreeSet;
use std::sync::Arc;

use rpds::HashTrieMapSync;
use tagbid_catalog::validate::references_of;
use tagbid_catalog::{Catalog, Entity, EntityKey, EntityKind, LineItem};
use tagbid_types::LineItemId;

use super::build::line_items;

/// From campaigns, advertisers, creatives and lists to the line items that refer to them, archived ones excepted. A
/// value, as the book is.
#[derive(Clone, Debug)]
pub(super) struct Referrers(HashTrieMapSync<EntityKey, Arc<Vec<LineItemId>>>);

impl Referrers {
    pub(super) fn of(catalog: &Catalog) -> Self {
        let mut referrers = Self(HashTrieMapSync::new_sync());
        line_items(catalog).for_each(|item| referrers.update(None, Some(item)));
        referrers
    }

    /// After a line item became another, came, or went.
    pub(super) fn update(&mut self, before: Option<&Arc<LineItem>>, after: Option<&Arc<LineItem>>) {
        let keys = |item: Option<&Arc<LineItem>>| item.map(references).unwrap_or_default();
        let (had, has) = (keys(before), keys(after));
        for (key, item) in had.difference(&has).zip(before.into_iter().cycle()) {
            self.edit(*key, |ids| {
                if let Ok(at) = ids.binary_search(&item.id) {
                    ids.remove(at);
                }
            });
        }
        for (key, item) in has.difference(&had).zip(after.into_iter().cycle()) {
            self.edit(*key, |ids| {
                if let Err(at) = ids.binary_search(&item.id) {
                    ids.insert(at, item.id);
                }
            });
        }
    }

    /// Those that refer to it.
    pub(super) fn to(&self, key: EntityKey) -> &[LineItemId] {
        self.0.get(&key).map(|ids| ids.as_slice()).unwrap_or_default()
    }

    fn edit(&mut self, key: EntityKey, edit: impl FnOnce(&mut Vec<LineItemId>)) {
        if !self.0.contains_key(&key) {
            self.0.insert_mut(key, Arc::default());
        }
        let Some(ids) = self.0.get_mut(&key) else { return };
        edit(Arc::make_mut(ids));
        if ids.is_empty() {
            self.0.remove_mut(&key);
        }
    }
}

/// What a line item refers to that the book keeps with it or in its index. Deals are looked up at the auction, tags and
/// datasets by their number.
pub(super) fn references(item: &Arc<LineItem>) -> BTreeSet<EntityKey> {
    if item.header.archived {
        return BTreeSet::new();
    }
    let keys = references_of(&Entity::LineItem(Arc::clone(item)));
    let kept = |key: &EntityKey| {
        !matches!(key.kind, EntityKind::LineItem | EntityKind::Deal | EntityKind::Tag | EntityKind::Dataset)
    };
    keys.into_iter().filter(kept).collect()
}

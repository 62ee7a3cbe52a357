//! The tag registry, kept from the catalog stream.

use std::sync::Arc;

use tagbid_catalog::{Dataset, Entity, EntityKey, TagDefinition};
use tagbid_clients::{CatalogFollower, FollowOptions};
use tagbid_ports::{CatalogFeed, TagRegistry};
use tagbid_runtime::Tasks;
use tagbid_types::{Clock, DatasetId, TagId};

/// Tags and datasets as the catalog stream last told them. While the stream is broken it answers with what it has:
/// definitions change rarely and ids are never reused.
#[derive(Clone, Debug)]
pub struct CatalogRegistry(CatalogFollower);

impl CatalogRegistry {
    /// A registry that follows this feed until the drain.
    pub async fn follow(feed: Arc<dyn CatalogFeed>, clock: Arc<dyn Clock>, tasks: &Tasks) -> Self {
        Self(CatalogFollower::start(feed, FollowOptions::default(), clock, tasks).await)
    }
}

impl TagRegistry for CatalogRegistry {
    fn tag(&self, id: TagId) -> Option<Arc<TagDefinition>> {
        match self.0.view().catalog.entities.get(&EntityKey::from(id)) {
            Some(Entity::Tag(tag)) => Some(Arc::clone(tag)),
            _ => None,
        }
    }

    fn dataset(&self, id: DatasetId) -> Option<Arc<Dataset>> {
        match self.0.view().catalog.entities.get(&EntityKey::from(id)) {
            Some(Entity::Dataset(dataset)) => Some(Arc::clone(dataset)),
            _ => None,
        }
    }
}

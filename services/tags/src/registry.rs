//! The tag registry, kept from the catalog stream.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use futures_util::StreamExt;
use tagbid_catalog::{Dataset, Entity, TagDefinition};
use tagbid_ports::{CatalogEvent, CatalogFeed, FeedError, TagRegistry};
use tagbid_runtime::{Drain, Tasks};
use tagbid_types::{DatasetId, Revision, TagId};

/// Between attempts to open the stream again.
const RETRY: Duration = Duration::from_millis(500);

/// Tags and datasets as the catalog stream last told them. While the stream is broken it answers with what it has:
/// definitions change rarely and ids are never reused.
#[derive(Debug, Default)]
pub struct CatalogRegistry {
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    revision: Revision,
    tags: HashMap<TagId, Arc<TagDefinition>>,
    datasets: HashMap<DatasetId, Arc<Dataset>>,
}

impl Known {
    fn learn(&mut self, entity: &Entity) {
        match entity {
            Entity::Tag(tag) => drop(self.tags.insert(tag.id, Arc::clone(tag))),
            Entity::Dataset(dataset) => drop(self.datasets.insert(dataset.id, Arc::clone(dataset))),
            _ => {}
        }
    }
}

impl CatalogRegistry {
    /// A registry that follows this feed until the drain.
    pub fn follow(feed: Arc<dyn CatalogFeed>, tasks: &Tasks) -> Arc<Self> {
        let registry = Arc::new(Self::default());
        let (learning, drain) = (Arc::clone(&registry), tasks.drain().clone());
        tasks.spawn("tags registry", async move {
            while !drain.started() {
                learning.read_stream(&*feed, &drain).await;
                tokio::select! {
                    () = tokio::time::sleep(RETRY) => {}
                    () = drain.wait() => {}
                }
            }
        });
        registry
    }

    async fn read_stream(&self, feed: &dyn CatalogFeed, drain: &Drain) {
        let from = self.known.read().unwrap_or_else(|lock| lock.into_inner()).revision;
        let mut events = feed.subscribe(from);
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = drain.wait() => None,
            };
            match event {
                Some(Ok(event)) => self.take(&event),
                Some(Err(FeedError::Broken(error) | FeedError::Denied(error))) => {
                    tracing::warn!(error, "catalog feed of the registry broke; opening it again");
                    return;
                }
                None => return,
            }
        }
    }

    fn take(&self, event: &CatalogEvent) {
        let mut known = self.known.write().unwrap_or_else(|lock| lock.into_inner());
        match event {
            CatalogEvent::Snapshot(catalog) => {
                *known = Known { revision: catalog.revision, ..Known::default() };
                catalog.entities.values().for_each(|entity| known.learn(entity));
            }
            CatalogEvent::Changes(changes) => {
                for change in changes {
                    known.learn(&change.entity);
                    known.revision = known.revision.max(change.revision);
                }
            }
            CatalogEvent::UpToDate { .. } => {}
        }
    }
}

impl TagRegistry for CatalogRegistry {
    fn tag(&self, id: TagId) -> Option<Arc<TagDefinition>> {
        let known = self.known.read().unwrap_or_else(|lock| lock.into_inner());
        known.tags.get(&id).cloned()
    }

    fn dataset(&self, id: DatasetId) -> Option<Arc<Dataset>> {
        let known = self.known.read().unwrap_or_else(|lock| lock.into_inner());
        known.datasets.get(&id).cloned()
    }
}

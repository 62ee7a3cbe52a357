//! The registry as it follows the catalog stream.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tagbid_catalog::{Catalog, Change, Dataset, Entity, Place, TagDefinition};
use tagbid_ports::{CatalogEvent, CatalogFeed, FeedError, TagRegistry};
use tagbid_runtime::{Drain, Tasks};
use tagbid_tags::CatalogRegistry;
use tagbid_testkit::{FakeClock, wait_until_async};
use tagbid_types::{DatasetId, Revision, TagId};
use tokio::sync::mpsc;

use crate::fixture::PATIENCE;

type Events = mpsc::Receiver<Result<CatalogEvent, FeedError>>;

struct Feed {
    streams: Mutex<Vec<Events>>,
    asked: mpsc::Sender<Revision>,
}

impl CatalogFeed for Feed {
    fn subscribe(&self, from: Place) -> BoxStream<'static, Result<CatalogEvent, FeedError>> {
        self.asked.try_send(from.revision).unwrap();
        let next = self.streams.lock().unwrap().remove(0);
        stream::unfold(next, async |mut events| Some((events.recv().await?, events))).boxed()
    }
}

fn tag(id: u32, name: &str) -> Entity {
    Entity::Tag(Arc::new(TagDefinition { id: TagId(id), name: name.into(), ..TagDefinition::default() }))
}

fn dataset(id: u32) -> Entity {
    Entity::Dataset(Arc::new(Dataset { id: DatasetId(id), ..Dataset::default() }))
}

fn changes(from: u64, entities: Vec<Entity>) -> Result<CatalogEvent, FeedError> {
    let changes =
        (from..).zip(entities).map(|(revision, entity)| Change { revision: Revision(revision), entity });
    Ok(CatalogEvent::Changes(changes.collect()))
}

#[tokio::test]
async fn it_knows_what_the_catalog_says_and_resumes_after_a_break() {
    let (first, first_events) = mpsc::channel(8);
    let (second, second_events) = mpsc::channel(8);
    let (asked, mut was_asked) = mpsc::channel(8);
    let feed = Feed { streams: Mutex::new(vec![first_events, second_events]), asked };
    let tasks = Tasks::new(Drain::default());
    let clock = Arc::new(FakeClock::default());
    let registry = CatalogRegistry::follow(Arc::new(feed), clock, &tasks).await;
    let name = |id| registry.tag(TagId(id)).map(|tag| tag.name.clone());

    first.send(Ok(CatalogEvent::Snapshot(Arc::default()))).await.unwrap();
    first.send(changes(1, vec![tag(1, "car"), dataset(5)])).await.unwrap();
    first.send(changes(3, vec![tag(1, "cars"), tag(2, "boats")])).await.unwrap();
    wait_until_async("the second tag", PATIENCE, async || name(2).is_some()).await;
    assert_eq!(name(1).as_deref(), Some("cars"));
    assert!(registry.dataset(DatasetId(5)).is_some());
    assert!(registry.dataset(DatasetId(6)).is_none());

    assert_eq!(registry.now().epoch().tag, TagId(2));
    assert!(!registry.reached(Revision(5), Duration::ZERO).await);

    // The stream breaks: it still answers, and goes on from what it has.
    first.send(Err(FeedError::Broken("gone".into()))).await.unwrap();
    assert_eq!(was_asked.recv().await, Some(Revision(0)));
    assert_eq!(was_asked.recv().await, Some(Revision(4)));
    assert_eq!(name(2).as_deref(), Some("boats"));

    // There was a gap: a snapshot replaces everything.
    let mut catalog = Catalog::default();
    assert!(catalog.apply(Change { revision: Revision(1), entity: tag(3, "planes") }));
    second.send(Ok(CatalogEvent::Snapshot(Arc::new(catalog)))).await.unwrap();
    wait_until_async("the snapshot", PATIENCE, async || name(3).is_some()).await;
    assert_eq!((name(1), registry.dataset(DatasetId(5))), (None, None));

    tasks.drain().start();
    assert!(tasks.finish(PATIENCE).await);
}

//! What a node knows of versions, from the catalog stream and from its own steps.

use std::pin::pin;

use async_trait::async_trait;
use bytes::Bytes;
use tagbid_catalog::{Catalog, Entity, Header};
use tagbid_tagset::{UserKey, offline};

use super::*;
use crate::store::{Durability, MemoryStore};

/// Nobody makes steps here.
struct NoBook;

#[async_trait]
impl SnapshotBook for NoBook {
    async fn step(&self, _: SnapshotStep) -> Result<(u32, Arc<Dataset>), SnapshotBookError> {
        Err(SnapshotBookError::Unavailable("there is none".into()))
    }
}

fn versions() -> Versions {
    let store = MemoryStore::open(None, Durability::default()).unwrap();
    Versions::new(Arc::new(store), Arc::new(NoBook))
}

/// Dataset 7 at a revision, with versions up to this one, which is active.
fn dataset(revision: u64, active: u32) -> Arc<Dataset> {
    let mut dataset = Dataset { id: DatasetId(7), ..Dataset::default() };
    dataset.header = Header { revision: Revision(revision), ..Header::default() };
    for number in 1..=active {
        let load = format!("load {number}");
        let begin = SnapshotChange::Begin { load, as_of: Timestamp(1), epoch: RegistryEpoch::default() };
        let loaded = SnapshotChange::Loaded { version: number, users: 0 };
        for change in [begin, loaded, SnapshotChange::Activate(number)] {
            dataset.snapshots.apply(&change, Timestamp(1)).unwrap();
        }
    }
    Arc::new(dataset)
}

/// As the stream tells it, of this life of the catalog.
fn told(life: u64, dataset: &Arc<Dataset>) -> Registry {
    let entity = Entity::Dataset(Arc::clone(dataset));
    let mut catalog =
        Catalog { life: CatalogLife(life), revision: dataset.header.revision, ..Catalog::default() };
    catalog.entities.insert_mut(entity.key(), entity);
    Registry::of(&catalog)
}

fn active(versions: &Versions) -> Vec<u32> {
    versions.0.store.active().unwrap().iter().map(|pointer| pointer.version.number).collect()
}

#[test]
fn what_this_node_did_itself_is_not_undone_by_a_stream_that_lags() {
    let versions = versions();
    versions.adopt(&told(1, &dataset(5, 1)));
    versions.take(&dataset(6, 2));
    versions.adopt(&told(1, &dataset(5, 1)));
    assert_eq!(active(&versions), [2]);
    versions.adopt(&told(1, &dataset(7, 3)));
    assert_eq!(active(&versions), [3]);
}

#[test]
fn of_a_catalog_that_was_restored_or_replaced_what_it_says_counts() {
    let versions = versions();
    versions.adopt(&told(1, &dataset(9, 3)));
    versions.adopt(&told(1, &dataset(5, 1)));
    assert_eq!(active(&versions), [1], "it is from before that");
    versions.adopt(&told(1, &dataset(9, 3)));
    versions.adopt(&told(2, &dataset(9, 2)));
    assert_eq!(active(&versions), [2], "it is another one");
    versions.adopt(&told(3, &dataset(5, 1)));
    assert_eq!(active(&versions), [1]);
}

/// Keeps versions as the catalog does, and takes its time to call one loaded.
#[derive(Default)]
struct SlowBook {
    dataset: Mutex<Dataset>,
    asked: Notify,
    answers: Notify,
}

#[async_trait]
impl SnapshotBook for SlowBook {
    async fn step(&self, step: SnapshotStep) -> Result<(u32, Arc<Dataset>), SnapshotBookError> {
        if matches!(step.change, SnapshotChange::Loaded { .. }) {
            self.asked.notify_one();
            self.answers.notified().await;
        }
        let mut dataset = self.dataset.lock().unwrap();
        (dataset.id, dataset.header.revision.0) = (step.dataset, dataset.header.revision.0 + 1);
        let version = dataset.snapshots.apply(&step.change, Timestamp(1)).unwrap();
        Ok((version, Arc::new(dataset.clone())))
    }
}

#[tokio::test]
async fn a_load_that_is_begun_anew_while_another_stream_ends_it_deletes_nothing() {
    let (book, store) = (Arc::new(SlowBook::default()), MemoryStore::open(None, Durability::default()));
    let (store, dataset) = (Arc::new(store.unwrap()), DatasetId(7));
    let versions = Versions::new(Arc::clone(&store) as _, Arc::clone(&book) as _);
    let as_of = Timestamp::from_secs(1_700_000_000);
    let begin = || {
        let (load, by, epoch) = ("monday".into(), String::new(), RegistryEpoch::default());
        Load::begin(&versions, Begin { dataset, load, as_of, epoch, by, from: None, paced: false })
    };
    let mut first = begin().await.unwrap();
    let blob: Bytes = offline::encode(as_of, &[]).unwrap().into();
    let mut users = first.write(vec![(UserKey([1; 16]), blob)]);
    let part = users.next().await.unwrap();
    let stored = users.target().store(part).await.unwrap();
    first.took(1, stored);

    let beginning = async {
        book.asked.notified().await;
        // As far as the catalog says, it is being loaded.
        let mut second = pin!(begin());
        assert!(futures_util::poll!(&mut second).is_pending());
        book.answers.notify_one();
        second.await
    };
    let (ended, second) = tokio::join!(first.finish(1), beginning);
    assert_eq!(ended.unwrap().0, 1);
    assert_eq!(second.err(), Some(VersionError::Loaded(1)));
    assert_eq!(store.mark(Version { dataset, number: 1 }, Mark::Check).await, Ok(1));
}

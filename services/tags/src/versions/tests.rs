//! What a node knows of versions, from the catalog stream and from its own steps.

use async_trait::async_trait;
use tagbid_catalog::{Catalog, Entity, Header};

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

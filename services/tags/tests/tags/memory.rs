//! The store in memory and its file.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tagbid_tags::store::{MemoryStore, SnapshotError, Store};

use crate::conformance::{DATASET, NOW, conformance, event, offline_blob, read, tags_of, user};

struct Opened(Arc<dyn Store>);

impl Opened {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.0)
    }
}

async fn open() -> Opened {
    Opened(Arc::new(MemoryStore::open(None).unwrap()))
}

conformance!(open);

fn open_file(path: &Path) -> Result<MemoryStore, SnapshotError> {
    MemoryStore::open(Some(path.to_owned()))
}

/// A file with an ordinary user, one with real-time tags and a suppressed one.
async fn saved(path: &Path) {
    let store = open_file(path).unwrap();
    store.put_offline(DATASET, vec![(user(1), offline_blob(10))]).await.unwrap();
    store.merge_realtime(vec![(user(2), event(1, 5, 99))], NOW).await.unwrap();
    store.set_suppressed(&[user(3)], true).await.unwrap();
    store.save(NOW).await.unwrap();
}

#[tokio::test]
async fn what_was_saved_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tags");
    saved(&path).await;

    let store = open_file(&path).unwrap();
    assert_eq!(store.len(), 3);
    assert_eq!(read(&store, user(1)).await.offline[0].blob, offline_blob(10));
    assert_eq!(tags_of(&read(&store, user(2)).await), [(1, 99)]);
    assert!(read(&store, user(3)).await.suppressed);
    // The dataset is still active: the next write goes into the same version.
    assert_eq!(store.put_offline(DATASET, vec![(user(4), offline_blob(1))]).await, Ok(1));
}

#[tokio::test]
async fn a_save_forgets_what_has_expired() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tags");
    let store = open_file(&path).unwrap();
    store.merge_realtime(vec![(user(2), event(1, 5, 99))], NOW).await.unwrap();
    store.save(NOW.after(Duration::from_secs(86_400))).await.unwrap();
    assert!(store.is_empty());
    assert!(open_file(&path).unwrap().is_empty());
}

#[tokio::test]
async fn a_damaged_file_is_refused_with_its_name_and_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tags");
    saved(&path).await;
    let good = fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut flipped = good.clone();
        flipped[at] ^= 0x40;
        for bad in [&flipped[..], &good[..at]] {
            fs::write(&path, bad).unwrap();
            let error = open_file(&path).unwrap_err();
            assert!(matches!(error, SnapshotError::Damaged { .. }), "byte {at}: {error}");
            assert!(error.to_string().contains("move it away to start empty"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_named() {
    let store = open_file(Path::new("/nonexistent/dir/tags")).unwrap();
    store.merge_realtime(vec![(user(2), event(1, 5, 99))], NOW).await.unwrap();
    let error = store.save(NOW).await.unwrap_err();
    assert!(error.to_string().contains("/nonexistent/dir/tags"), "{error}");
    // Nothing was saved, so the next save tries again.
    store.save(NOW).await.unwrap_err();
}

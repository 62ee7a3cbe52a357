//! What every store promises of versions; part of the conformance suite.

use std::sync::Arc;
use std::time::Duration;

use tagbid_tags::store::{Mark, Pointer, Store, StoreError, Stored, Version};
use tagbid_tagset::UserKey;
use tagbid_types::DatasetId;

use crate::conformance::{DATASET, NOW, offline_blob, point, read, set_suppressed, user, version};
use crate::fixture::PATIENCE;

const OTHER: DatasetId = DatasetId(9);

/// Loads a version with these users, each with a blob that tells the version.
async fn load(store: &dyn Store, version: Version, users: &[UserKey]) -> u64 {
    store.mark(version, Mark::Open).await.unwrap();
    let users = users.iter().map(|user| (*user, offline_blob(version.number))).collect();
    store.load(version, users).await.unwrap()
}

/// Versions of the blobs that a user is found with, by what stands in them.
fn found(stored: &Stored) -> Vec<(u32, u32)> {
    let check = |one: &tagbid_ports::OfflineBlob| {
        assert_eq!(one.blob, offline_blob(one.version), "a blob of another version");
        (one.dataset.0, one.version)
    };
    stored.offline.iter().map(check).collect()
}

async fn sweep(store: &dyn Store, version: Version) {
    let mut position = Some(0);
    while let Some(at) = position {
        position = store.sweep(version, at).await.unwrap();
    }
}

pub(crate) async fn a_version_counts_when_it_is_whole_and_active(store: Arc<dyn Store>) {
    let (old, new) = (version(DATASET, 1), version(DATASET, 2));
    load(&*store, old, &[user(1), user(2)]).await;
    load(&*store, new, &[user(2), user(3)]).await;
    assert_eq!(found(&read(&*store, user(2)).await), [(7, 1)], "the new one is beside it");

    point(&*store, &[new]);
    assert_eq!(read(&*store, user(1)).await.lost, [DATASET], "it is not whole: nobody knows");
    store.mark(new, Mark::Seal).await.unwrap();
    assert_eq!(found(&read(&*store, user(2)).await), [(7, 2)]);
    assert_eq!(read(&*store, user(1)).await, Stored::default(), "missing from it means no tags there");
    assert_eq!(read(&*store, user(9)).await, Stored::default());

    point(&*store, &[old]);
    assert_eq!(found(&read(&*store, user(1)).await), [(7, 1)], "rolled back");
}

pub(crate) async fn users_are_counted_once_and_the_suppressed_not_at_all(store: Arc<dyn Store>) {
    let new = version(DATASET, 2);
    set_suppressed(&*store, &[(user(3), true)]).await;
    assert_eq!(load(&*store, new, &[user(1), user(2), user(3)]).await, 2);
    assert_eq!(load(&*store, new, &[user(2), user(4), user(4)]).await, 1, "sent again after a break");
    assert_eq!(store.mark(new, Mark::Open).await, Ok(3), "opening it again loses nothing");
    assert_eq!(store.mark(new, Mark::Check).await, Ok(3));
    assert_eq!(store.mark(new, Mark::Seal).await, Ok(3));
    assert_eq!(store.mark(new, Mark::Seal).await, Ok(3));
    let again = store.read_version(new, &[user(1), user(3), user(5)]).await;
    let again: Vec<_> = again.into_iter().map(|one| one.unwrap()).collect();
    assert_eq!(found(&again[0]), [(7, 2)]);
    assert!(again[1].suppressed && again[2] == Stored::default());
}

pub(crate) async fn a_version_that_is_not_there_takes_nothing_and_is_lost(store: Arc<dyn Store>) {
    let gone = version(DATASET, 5);
    let refused = store.load(gone, vec![(user(1), offline_blob(5))]).await;
    assert_eq!(refused, Err(StoreError::Lost(gone)));
    for mark in [Mark::Check, Mark::Seal] {
        assert_eq!(store.mark(gone, mark).await, Err(StoreError::Lost(gone)));
    }
    store.point(vec![Pointer { version: gone, as_of: NOW, open: false }]);
    assert_eq!(read(&*store, user(1)).await, Stored { lost: vec![DATASET], ..Stored::default() });
    let put = store.put_offline(DATASET, vec![(user(1), offline_blob(5))]).await;
    assert_eq!(put, Err(StoreError::Lost(gone)));
    let put = store.put_offline(OTHER, vec![(user(1), offline_blob(5))]).await;
    assert_eq!(put, Err(StoreError::NoVersion(OTHER)));
}

pub(crate) async fn who_reads_a_version_that_is_dropped_is_told_so(store: Arc<dyn Store>) {
    let (dropped, kept) = (version(DATASET, 2), version(OTHER, 2));
    for one in [dropped, kept] {
        load(&*store, one, &[user(1), user(2)]).await;
        store.mark(one, Mark::Seal).await.unwrap();
    }
    // A node that has not heard of it yet: its lookups have pinned the version.
    point(&*store, &[dropped, kept]);
    assert_eq!(found(&read(&*store, user(1)).await), [(7, 2), (9, 2)]);
    assert_eq!(store.mark(dropped, Mark::Remove).await, Ok(2));
    assert_eq!(read(&*store, user(1)).await.lost, [DATASET], "marks go before blobs");
    sweep(&*store, dropped).await;
    let left = read(&*store, user(1)).await;
    assert_eq!((found(&left), left.lost), (vec![(9, 2)], vec![DATASET]));
    assert_eq!(store.mark(dropped, Mark::Remove).await, Ok(0), "again");
    let late = store.load(dropped, vec![(user(3), offline_blob(2))]).await;
    assert_eq!(late, Err(StoreError::Lost(dropped)), "a load of it that goes on");
}

pub(crate) async fn suppression_erases_versions_on_their_way_too(store: Arc<dyn Store>) {
    let new = version(DATASET, 2);
    load(&*store, new, &[user(1), user(2)]).await;
    set_suppressed(&*store, &[(user(1), true)]).await;
    set_suppressed(&*store, &[(user(1), false)]).await;
    store.mark(new, Mark::Seal).await.unwrap();
    point(&*store, &[new]);
    assert_eq!(read(&*store, user(1)).await, Stored::default());
    assert_eq!(found(&read(&*store, user(2)).await), [(7, 2)]);
}

pub(crate) async fn no_answer_mixes_versions_while_they_are_swapped(store: Arc<dyn Store>) {
    let users: Vec<_> = (0..8).map(user).collect();
    for number in [1, 2] {
        for dataset in [DATASET, OTHER] {
            load(&*store, version(dataset, number), &users).await;
            store.mark(version(dataset, number), Mark::Seal).await.unwrap();
        }
    }
    point(&*store, &[version(DATASET, 1), version(OTHER, 1)]);
    let swap = async {
        for round in 0..40_u32 {
            let number = 1 + round % 2;
            point(&*store, &[version(DATASET, number), version(OTHER, number)]);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let look = async {
        let mut seen = [false; 3];
        for _ in 0..200 {
            let stored = store.read(&users, false, PATIENCE).await;
            let all: Vec<_> = stored.into_iter().map(|one| found(&one.unwrap())).collect();
            let number = all[0][0].1;
            assert!(all.iter().all(|one| *one == [(7, number), (9, number)]), "{all:?}");
            seen[number as usize] = true;
            tokio::task::yield_now().await;
        }
        seen
    };
    tokio::join!(swap, look);
}

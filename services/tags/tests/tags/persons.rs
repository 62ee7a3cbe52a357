//! What every store promises of erased users and of persons with several ids; part of the conformance suite.

use std::collections::HashSet;
use std::sync::Arc;

use tagbid_ports::{Impression, SuppressionChange};
use tagbid_tags::store::{ERASED_FOR, Mark, Standing, Store, Stored, Version, Written};
use tagbid_tagset::UserKey;
use tagbid_tagset::offline::{self, OfflineTag};
use tagbid_types::{Revision, TagId, Timestamp};

use crate::conformance::{
    DATASET, NOW, Writes, change, event, impression, offline_blob, point, read, tags_of, user, version,
};
use crate::fixture::PATIENCE;

/// A moment after all that is written as of [`NOW`].
const ERASED: Revision = Revision(NOW.0 as u64 + 1_000_000);

/// As the list tells an erasure.
fn erased(at: Revision, user: UserKey) -> SuppressionChange {
    SuppressionChange::of(at, user, false)
}

/// Every key that the store has of these users, but what the list says of them.
async fn keys_of(store: &dyn Store, users: &[UserKey]) -> Vec<String> {
    let users: HashSet<_> = users.iter().copied().collect();
    let (mut all, mut position) = (Vec::new(), Some(0));
    while let Some(at) = position {
        let (found, next) = store.find(at, &users).await.unwrap();
        all.extend(found.into_iter().filter(|name| !name.starts_with("x:")));
        position = next;
    }
    all.sort();
    all.dedup();
    all
}

/// Gives users tags in two versions, one of them on its way and another not any more active, events and counts.
async fn profiles(store: &dyn Store, users: &[UserKey]) -> [Version; 2] {
    let (old, coming) = (version(DATASET, 1), version(DATASET, 3));
    store.mark(coming, Mark::Open).await.unwrap();
    let blobs = || users.iter().map(|user| (*user, offline_blob(3))).collect::<Vec<_>>();
    store.load(coming, blobs()).await.unwrap();
    store.put_offline(DATASET, blobs()).await.unwrap();
    store.mark(version(DATASET, 2), Mark::Open).await.unwrap();
    store.mark(version(DATASET, 2), Mark::Seal).await.unwrap();
    point(store, &[version(DATASET, 2)]);
    store.put_offline(DATASET, blobs()).await.unwrap();
    store.merge_all(users.iter().map(|user| (*user, event(1, 60, 9))).collect(), NOW).await.unwrap();
    store.count_all(users.iter().map(|user| impression(*user, 1)).collect(), NOW).await.unwrap();
    [old, coming]
}

pub(crate) async fn of_the_erased_no_key_is_left_in_any_version(store: Arc<dyn Store>) {
    let users = [user(1), user(2), user(3)];
    profiles(&*store, &users).await;
    let names = |user: UserKey| {
        let mut names = [1, 2, 3].map(|number| format!("o:7:{number}:{{{user}}}")).to_vec();
        names.extend(["f", "r"].map(|kind| format!("{kind}:{{{user}}}")));
        names.sort();
        names
    };
    assert_eq!(keys_of(&*store, &[user(1)]).await, names(user(1)));

    store.open_list().await.unwrap();
    store.suppress(&[erased(ERASED, user(1)), change(ERASED.0 + 1, user(3), true)]).await.unwrap();
    assert_eq!(keys_of(&*store, &[user(1), user(3)]).await, Vec::<String>::new());
    assert_eq!(keys_of(&*store, &[user(2)]).await, names(user(2)), "nobody else's went");
    assert_eq!(read(&*store, user(1)).await, Stored::default(), "erased is not suppressed");
    assert!(read(&*store, user(3)).await.suppressed);
}

pub(crate) async fn what_is_from_before_an_erasure_does_not_come_back(store: Arc<dyn Store>) {
    let [old, coming] = profiles(&*store, &[user(1), user(2)]).await;
    store.open_list().await.unwrap();
    store.suppress(&[erased(ERASED, user(1))]).await.unwrap();
    // What is tidied up meanwhile is not that.
    store.save(NOW.after(ERASED_FOR / 2)).await.unwrap();
    let at_that_moment = offline::encode(Timestamp(ERASED.0 as i64), &[]).unwrap();
    assert_eq!(store.load(coming, vec![(user(1), at_that_moment.into())]).await, Ok(0));

    // The load goes on, events and impressions come late, data teams write single users again.
    let both = |tag| vec![(user(1), offline_blob(tag)), (user(4), offline_blob(tag))];
    assert_eq!(store.load(coming, both(3)).await, Ok(1), "only the other one is stored");
    store.put_offline(DATASET, both(2)).await.unwrap();
    let late = vec![(user(1), event(1, 60, 9)), (user(2), event(1, 50, 9))];
    let merged = store.merge_realtime(late, NOW).await;
    assert_eq!(merged, [Ok(Written::Suppressed), Ok(Written::Stored)]);
    let counted = store.count(vec![impression(user(1), 2), impression(user(2), 2)], NOW).await;
    assert_eq!(counted, [Ok(Written::Suppressed), Ok(Written::Stored)]);
    assert_eq!(keys_of(&*store, &[user(1)]).await, Vec::<String>::new());

    // Neither the swap nor a rollback brings anything.
    store.mark(coming, Mark::Seal).await.unwrap();
    for active in [coming, old] {
        point(&*store, &[active]);
        assert_eq!(read(&*store, user(1)).await, Stored::default());
        assert_eq!(read(&*store, user(2)).await.offline.len(), 1, "{active}");
    }
}

pub(crate) async fn the_erased_may_come_back_with_what_happens_later(store: Arc<dyn Store>) {
    profiles(&*store, &[user(1)]).await;
    store.open_list().await.unwrap();
    store.suppress(&[erased(ERASED, user(1))]).await.unwrap();

    let later = Timestamp(ERASED.0 as i64 + 2_000_000);
    let tag = OfflineTag { id: TagId(5), weight: 7, ttl_s: 60 };
    let blob = bytes::Bytes::from(offline::encode(later, &[tag]).unwrap());
    store.put_offline(DATASET, vec![(user(1), blob.clone())]).await.unwrap();
    // One blob with an event from before and one from after.
    let mixed = tagbid_tagset::realtime::merge(&event(1, 60, 9), &event(2, -3, 8), NOW).unwrap().blob;
    assert_eq!(store.merge_realtime(vec![(user(1), mixed.into())], later).await, [Ok(Written::Stored)]);
    let seen = Impression { at: later, ..impression(user(1), 7) };
    store.count_all(vec![seen], later).await.unwrap();
    let stored = read(&*store, user(1)).await;
    assert_eq!(stored.offline[0].blob, blob);
    assert_eq!(tags_of(&stored), [(2, 8)]);
    assert_eq!(keys_of(&*store, &[user(1)]).await.len(), 3);
    assert!(stored.frequency.is_some());
}

pub(crate) async fn an_erasure_that_was_missed_comes_with_the_last_change(store: Arc<dyn Store>) {
    store.merge_all(vec![(user(1), event(1, 60, 9)), (user(2), event(1, 60, 9))], NOW).await.unwrap();
    store.open_list().await.unwrap();
    let linked = |revision, erased, user, other| SuppressionChange {
        erased: Revision(erased),
        others: vec![other],
        ..change(revision, user, false)
    };
    store.suppress(&[linked(5, 0, user(2), user(1)), linked(6, 3, user(1), user(2))]).await.unwrap();
    assert_eq!(keys_of(&*store, &[user(1)]).await, Vec::<String>::new(), "erased at 3, of which nobody told");
    let stored = read(&*store, user(2)).await;
    assert_eq!((tags_of(&stored), stored.others), (vec![(1, 9)], vec![user(1)]), "a link erases nothing");

    store.merge_all(vec![(user(1), event(2, 1, 4))], NOW).await.unwrap();
    store.suppress(&[linked(9, 3, user(1), user(3))]).await.unwrap();
    let stored = read(&*store, user(1)).await;
    assert_eq!(
        (tags_of(&stored), stored.others),
        (vec![(2, 4)], vec![user(3)]),
        "and what was heard is not done twice"
    );
}

pub(crate) async fn the_list_says_of_each_id_what_it_said_last(store: Arc<dyn Store>) {
    let others: Vec<_> = (2..34).map(user).collect();
    let of = |revision: u64, others: &[UserKey]| SuppressionChange {
        erased: Revision(0),
        others: others.to_vec(),
        ..change(revision, user(1), false)
    };
    let standing = async || {
        let mut all = store.standings(&[user(40), user(1)], PATIENCE).await;
        assert_eq!(all[0], Ok(Standing::default()), "of whom it says nothing");
        all.remove(1).unwrap()
    };
    store.open_list().await.unwrap();
    store.suppress(&[of(1, &others)]).await.unwrap();
    assert_eq!(standing().await, Standing { others, ..Standing::default() });
    store.suppress(&[change(2, user(1), true)]).await.unwrap();
    assert_eq!(standing().await, Standing { suppressed: true, ..Standing::default() });
    store.suppress(&[SuppressionChange { erased: Revision(2), ..of(3, &[user(9)]) }]).await.unwrap();
    let both = Standing { erased: Timestamp(2), others: vec![user(9)], ..Standing::default() };
    assert_eq!(standing().await, both);
    store.suppress(&[of(4, &[])]).await.unwrap();
    assert_eq!(standing().await, Standing::default());
}

//! What every store promises. Each test gets a store of its own, empty.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tagbid_ports::{Impression, OfflineBlob, SuppressionChange};
use tagbid_tags::KeySample;
use tagbid_tags::store::{Mark, Pointer, Store, StoreError, Stored, Version, Written};
use tagbid_tagset::frequency::{Counted, Counts};
use tagbid_tagset::offline::{self, OfflineTag};
use tagbid_tagset::realtime::{self, Realtime, RealtimeTag};
use tagbid_tagset::{MAX_BYTES, MAX_TAGS, UserKey};
use tagbid_types::{DatasetId, LineItemId, Revision, TagId, Timestamp};

const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_735_689_600);
pub(crate) const DATASET: DatasetId = DatasetId(7);

pub(crate) fn user(n: u8) -> UserKey {
    UserKey([n; 16])
}

pub(crate) fn offline_blob(tag: u32) -> Bytes {
    let tag = OfflineTag { id: TagId(tag), weight: 200, ttl_s: 86_400 };
    offline::encode(NOW, &[tag]).unwrap().into()
}

pub(crate) fn event(tag: u32, age_s: i64, weight: u8) -> Bytes {
    let tag = RealtimeTag {
        id: TagId(tag),
        weight,
        event: Timestamp(NOW.0 - age_s * 1_000_000),
        half_life_s: 0,
        ttl_s: 86_400,
    };
    realtime::encode(&[tag]).unwrap().into()
}

/// Writes of which each item is to be done.
pub(crate) trait Writes: Store {
    async fn merge_all(&self, users: Vec<(UserKey, Bytes)>, now: Timestamp) -> Result<(), StoreError> {
        self.merge_realtime(users, now).await.into_iter().try_for_each(|one| one.map(drop))
    }

    async fn count_all(&self, impressions: Vec<Impression>, now: Timestamp) -> Result<(), StoreError> {
        self.count(impressions, now).await.into_iter().try_for_each(|one| one.map(drop))
    }
}

impl<S: Store + ?Sized> Writes for S {}

pub(crate) async fn read(store: &dyn Store, key: UserKey) -> Stored {
    read_now(store, key).await.unwrap()
}

pub(crate) async fn read_now(store: &dyn Store, key: UserKey) -> Result<Stored, StoreError> {
    let mut stored = store.read(&[key], true, PATIENCE).await;
    assert_eq!(stored.len(), 1);
    stored.remove(0)
}

pub(crate) fn version(dataset: DatasetId, number: u32) -> Version {
    Version { dataset, number }
}

/// Tells the store that these versions are active, each written user by user.
pub(crate) fn point(store: &dyn Store, versions: &[Version]) {
    let pointer = |version: &Version| Pointer { version: *version, as_of: Timestamp(0), open: true };
    store.point(versions.iter().map(pointer).collect());
}

/// Makes version 1 of these datasets what lookups read.
pub(crate) async fn activate(store: &dyn Store, datasets: &[u32]) {
    let versions: Vec<_> = datasets.iter().map(|dataset| version(DatasetId(*dataset), 1)).collect();
    for version in &versions {
        store.mark(*version, Mark::Open).await.unwrap();
        store.mark(*version, Mark::Seal).await.unwrap();
    }
    point(store, &versions);
}

/// (tag, weight) of a user's real-time tags.
pub(crate) fn tags_of(stored: &Stored) -> Vec<(u32, u8)> {
    let Some(blob) = &stored.realtime else {
        return Vec::new();
    };
    let tags = Realtime::parse(blob).unwrap();
    tags.tags().map(|tag| tag.unwrap()).map(|tag| (tag.id.0, tag.weight)).collect()
}

/// A change of the suppression list.
pub(crate) fn change(revision: u64, user: UserKey, suppressed: bool) -> SuppressionChange {
    SuppressionChange::of(Revision(revision), user, suppressed)
}

/// Applies the next changes of the suppression list.
pub(crate) async fn set_suppressed(store: &dyn Store, users: &[(UserKey, bool)]) {
    static LAST: AtomicU64 = AtomicU64::new(1_000);
    let next = |(user, suppressed): &(UserKey, bool)| {
        change(LAST.fetch_add(1, Ordering::Relaxed), *user, *suppressed)
    };
    store.open_list().await.unwrap();
    store.suppress(&users.iter().map(next).collect::<Vec<_>>()).await.unwrap();
}

pub(crate) fn impression(key: UserKey, event: u128) -> Impression {
    Impression { user: key, event, at: NOW, counted: vec![Counted::LineItem(LineItemId(5))], capped: vec![] }
}

pub(crate) fn count_of(stored: &Stored) -> u32 {
    let Some(blob) = &stored.frequency else { return 0 };
    let window = Some(Duration::from_secs(3_600));
    Counts::parse(blob).unwrap().count(Counted::LineItem(LineItemId(5)), window, NOW).unwrap()
}

pub(crate) async fn a_user_nobody_wrote_is_known_to_have_nothing(store: Arc<dyn Store>) {
    assert_eq!(read(&*store, user(1)).await, Stored::default());
}

pub(crate) async fn users_come_back_in_the_order_they_were_asked_for(store: Arc<dyn Store>) {
    let users = vec![(user(1), offline_blob(10)), (user(3), offline_blob(30))];
    assert_eq!(store.put_offline(DATASET, users).await, Ok(1));

    let stored = store.read(&[user(3), user(2), user(1)], false, PATIENCE).await;
    let blobs: Vec<_> = stored.into_iter().map(|one| one.unwrap().offline).collect();
    let of = |tag| vec![OfflineBlob { dataset: DATASET, version: 1, blob: offline_blob(tag) }];
    assert_eq!(blobs, [of(30), vec![], of(10)]);
}

pub(crate) async fn offline_tags_are_replaced_per_dataset(store: Arc<dyn Store>) {
    for (dataset, tag) in [(9, 90), (7, 70), (7, 71)] {
        store.put_offline(DatasetId(dataset), vec![(user(1), offline_blob(tag))]).await.unwrap();
    }
    let offline = read(&*store, user(1)).await.offline;
    let found: Vec<_> = offline.into_iter().map(|one| (one.dataset.0, one.blob)).collect();
    assert_eq!(found, [(7, offline_blob(71)), (9, offline_blob(90))]);
}

pub(crate) async fn the_newer_event_wins_whatever_comes_first(store: Arc<dyn Store>) {
    let events = [event(1, 10, 100), event(1, 60, 50), event(2, 5, 20), event(1, 10, 100)];
    for blob in events {
        store.merge_all(vec![(user(1), blob)], NOW).await.unwrap();
    }
    assert_eq!(tags_of(&read(&*store, user(1)).await), [(1, 100), (2, 20)]);
}

pub(crate) async fn one_user_may_come_twice_in_one_write(store: Arc<dyn Store>) {
    let users = vec![(user(1), event(1, 10, 100)), (user(1), event(2, 10, 200))];
    store.merge_all(users, NOW).await.unwrap();
    assert_eq!(tags_of(&read(&*store, user(1)).await), [(1, 100), (2, 200)]);
}

pub(crate) async fn merges_at_the_same_time_lose_nothing(store: Arc<dyn Store>) {
    let writers = (0..8_u32).map(|tag| {
        let store = Arc::clone(&store);
        async move { store.merge_all(vec![(user(1), event(tag, 1, 9))], NOW).await }
    });
    for written in futures_util::future::join_all(writers).await {
        written.unwrap();
    }
    let expected: Vec<_> = (0..8).map(|tag| (tag, 9)).collect();
    assert_eq!(tags_of(&read(&*store, user(1)).await), expected);
}

pub(crate) async fn an_impression_counts_once(store: Arc<dyn Store>) {
    let twice = vec![impression(user(1), 1), impression(user(1), 2), impression(user(1), 1)];
    store.count_all(twice, NOW).await.unwrap();
    store.count_all(vec![impression(user(1), 2), impression(user(2), 2)], NOW).await.unwrap();

    assert_eq!(count_of(&read(&*store, user(1)).await), 2);
    assert_eq!(count_of(&read(&*store, user(2)).await), 1);
    let unasked = store.read(&[user(1)], false, PATIENCE).await.remove(0).unwrap();
    assert_eq!(unasked.frequency, None, "counts come only when they are asked for");
}

pub(crate) async fn what_became_of_each_write_is_said(store: Arc<dyn Store>) {
    set_suppressed(&*store, &[(user(2), true)]).await;
    let bad = Bytes::from_static(b"not a blob");
    let users = vec![
        (user(1), event(1, 10, 100)),
        (user(2), event(1, 10, 100)),
        (user(1), bad.clone()),
        (user(3), bad),
        (user(1), event(2, 10, 100)),
    ];
    let merged = store.merge_realtime(users, NOW).await;
    assert_eq!(
        [&merged[0], &merged[1], &merged[4]],
        [&Ok(Written::Stored), &Ok(Written::Suppressed), &Ok(Written::Stored)]
    );
    for (at, key) in [(2, user(1)), (3, user(3))] {
        assert!(matches!(merged[at], Err(StoreError::Blob(of, _)) if of == key), "{merged:?}");
    }
    assert_eq!(tags_of(&read(&*store, user(1)).await), [(1, 100), (2, 100)]);
    assert_eq!(read(&*store, user(3)).await, Stored::default());

    let before_time = Impression { at: Timestamp(-1), ..impression(user(1), 9) };
    let impressions =
        vec![impression(user(1), 1), impression(user(2), 1), before_time, impression(user(1), 1)];
    let counted = store.count(impressions, NOW).await;
    assert_eq!(
        [&counted[0], &counted[1], &counted[3]],
        [&Ok(Written::Stored), &Ok(Written::Suppressed), &Ok(Written::Repeated)]
    );
    assert!(matches!(counted[2], Err(StoreError::Blob(of, _)) if of == user(1)), "{counted:?}");
    assert_eq!(count_of(&read(&*store, user(1)).await), 1);
}

/// Calls this with each of `n` numbers at the same time, and again whoever lost too often against the others.
async fn at_once(n: u32, write: impl AsyncFn(u32) -> Result<(), StoreError>) {
    let insist = async |number| {
        while let Err(error) = write(number).await {
            assert!(matches!(error, StoreError::Contended(..)), "{error}");
        }
    };
    futures_util::future::join_all((0..n).map(insist)).await;
}

pub(crate) async fn many_writers_of_one_user_lose_nothing(store: Arc<dyn Store>) {
    // All know the user from tags and counts, in batches with others, several of theirs in each.
    at_once(24, async |n| {
        let of = |n: u32| [(user(1), event(n, 1, 9)), (user(n as u8 + 10), event(1, 1, 9))];
        store.merge_all(of(n).into_iter().chain(of(n + 24)).collect(), NOW).await
    })
    .await;
    at_once(24, async |n| {
        let of = |event| [impression(user(1), event), impression(user(n as u8 + 10), event)];
        let n = u128::from(n);
        store.count_all(of(n).into_iter().chain(of(n + 24)).collect(), NOW).await
    })
    .await;
    let stored = read(&*store, user(1)).await;
    assert_eq!(tags_of(&stored), (0..48).map(|tag| (tag, 9)).collect::<Vec<_>>());
    assert_eq!(count_of(&stored), 48);
    assert_eq!(count_of(&read(&*store, user(10)).await), 2);
}

pub(crate) async fn order_repetition_and_batches_do_not_matter(store: Arc<dyn Store>) {
    // Forty events about five tags, and thirty impressions, told to one user in order and to the other in any.
    let tell = async |key: UserKey, order: Vec<u32>, batch: usize| {
        for numbers in order.chunks(batch) {
            let events = numbers.iter().map(|n| (key, event(n % 5, i64::from(n * 37 % 41), *n as u8)));
            store.merge_all(events.collect(), NOW).await.unwrap();
            let impressions = numbers.iter().filter(|n| **n < 30).map(|n| {
                let at = Timestamp(NOW.0 - i64::from(*n) * 400_000_000);
                Impression { at, ..impression(key, (*n).into()) }
            });
            store.count_all(impressions.collect(), NOW).await.unwrap();
        }
    };
    tell(user(1), (0..40).collect(), 40).await;
    let shuffled = (0..80).map(|n| n * 27 % 40).collect();
    tell(user(2), shuffled, 7).await;

    let (one, other) = (read(&*store, user(1)).await, read(&*store, user(2)).await);
    assert_eq!(one.realtime, other.realtime);
    assert_eq!(tags_of(&one).len(), 5);
    let counts = [&one, &other].map(|stored| {
        let counts = Counts::parse(stored.frequency.as_ref().unwrap()).unwrap();
        let windows = [60, 3_600, 86_400].map(|s| Some(Duration::from_secs(s))).into_iter().chain([None]);
        let count = |window| counts.count(Counted::LineItem(LineItemId(5)), window, NOW).unwrap();
        windows.map(count).collect::<Vec<_>>()
    });
    assert_eq!(counts[0], counts[1]);
    assert_eq!((counts[0][0], counts[0][3]), (1, 30));
}

pub(crate) async fn caps_hold_and_the_newest_events_stay(store: Arc<dyn Store>) {
    for first in (0..600).step_by(100) {
        let events = (first..first + 100).map(|n| (user(1), event(n, 600 - i64::from(n), 1)));
        store.merge_all(events.collect(), NOW).await.unwrap();
    }
    let stored = read(&*store, user(1)).await;
    let tags: Vec<_> = tags_of(&stored).into_iter().map(|(tag, _)| tag).collect();
    assert_eq!(tags, (600 - MAX_TAGS as u32..600).collect::<Vec<_>>());
    assert!(stored.realtime.unwrap().len() <= MAX_BYTES);
}

pub(crate) async fn suppression_wins_over_everything(store: Arc<dyn Store>) {
    store.put_offline(DATASET, vec![(user(1), offline_blob(1))]).await.unwrap();
    store.merge_all(vec![(user(1), event(1, 1, 1))], NOW).await.unwrap();
    store.count_all(vec![impression(user(1), 1)], NOW).await.unwrap();

    set_suppressed(&*store, &[(user(1), true)]).await;
    let nothing_else = Stored { suppressed: true, ..Stored::default() };
    assert_eq!(read(&*store, user(1)).await, nothing_else);

    // Late writes do not bring the user back, and neither does the end of the suppression.
    store.merge_all(vec![(user(1), event(2, 1, 1))], NOW).await.unwrap();
    store.count_all(vec![impression(user(1), 2)], NOW).await.unwrap();
    store.put_offline(DATASET, vec![(user(1), offline_blob(2))]).await.unwrap();
    assert_eq!(read(&*store, user(1)).await, nothing_else);
    set_suppressed(&*store, &[(user(1), false)]).await;
    assert_eq!(read(&*store, user(1)).await, Stored::default());
    assert_eq!(read(&*store, user(2)).await, Stored::default());
}

pub(crate) async fn a_lift_erases_what_is_from_before_though_nobody_heard_of_the_suppression(
    store: Arc<dyn Store>,
) {
    for n in [1, 2] {
        store.put_offline(DATASET, vec![(user(n), offline_blob(1))]).await.unwrap();
        store.merge_all(vec![(user(n), event(1, 1, 1))], NOW).await.unwrap();
        store.count_all(vec![impression(user(n), 1)], NOW).await.unwrap();
    }
    set_suppressed(&*store, &[(user(1), false)]).await;
    assert_eq!(read(&*store, user(1)).await, Stored::default());
    assert_ne!(read(&*store, user(2)).await, Stored::default());
}

pub(crate) async fn a_change_of_the_suppression_list_is_applied_once_whoever_tells_it(store: Arc<dyn Store>) {
    assert_eq!(store.open_list().await, Ok(Revision(0)));
    store.suppress(&[change(1, user(1), true)]).await.unwrap();
    store.suppress(&[change(2, user(1), false), change(3, user(2), true)]).await.unwrap();
    store.merge_all(vec![(user(1), event(2, 1, 9))], NOW).await.unwrap();

    // A node that lags tells it again, in pieces of its own: neither the lift nor the suppression happens twice.
    store.suppress(&[change(1, user(1), true), change(2, user(1), false)]).await.unwrap();
    store
        .suppress(&[change(2, user(1), false), change(3, user(2), true), change(4, user(3), true)])
        .await
        .unwrap();
    assert_eq!(tags_of(&read(&*store, user(1)).await), [(2, 9)]);
    assert!(read(&*store, user(2)).await.suppressed);
    assert!(read(&*store, user(3)).await.suppressed);
    store.suppress(&[change(5, user(2), false)]).await.unwrap();
    assert!(!read(&*store, user(2)).await.suppressed);
}

pub(crate) async fn a_restart_hears_only_what_is_new(store: Arc<dyn Store>) {
    store.open_list().await.unwrap();
    store.suppress(&[change(7, user(1), true), change(8, user(2), true)]).await.unwrap();
    store.trust_list();
    store.save(NOW).await.unwrap();
    assert_eq!(store.open_list().await, Ok(Revision(8)));
    assert_eq!(store.check_list().await, Ok(()));
    assert!(read(&*store, user(1)).await.suppressed);
}

/// Walks through the store from one end to the other.
async fn walk(store: &dyn Store, mut sample: KeySample) -> KeySample {
    let mut position = 0;
    loop {
        let next;
        (sample, next) = store.walk(position, sample).await.unwrap();
        match next {
            Some(next) => position = next,
            None => return sample,
        }
    }
}

fn sampled(sample: &KeySample) -> Vec<UserKey> {
    sample.iter().map(|(key, ())| UserKey(key.to_be_bytes())).collect()
}

pub(crate) async fn a_walk_meets_everybody_with_tags_and_nobody_else(store: Arc<dyn Store>) {
    let all = || KeySample::new(usize::MAX, usize::MAX, 0);
    assert!(walk(&*store, all()).await.is_empty());
    for n in (10..=240).step_by(10) {
        store.put_offline(DATASET, vec![(user(n), offline_blob(1))]).await.unwrap();
        store.put_offline(DatasetId(9), vec![(user(n), offline_blob(2))]).await.unwrap();
        store.merge_all(vec![(user(n + 1), event(1, 1, 1)), (user(n), event(1, 1, 1))], NOW).await.unwrap();
        store.count_all(vec![impression(user(n + 2), 1)], NOW).await.unwrap();
    }
    set_suppressed(&*store, &[(user(10), true), (user(11), true), (user(20), false), (user(3), true)]).await;

    let expected: Vec<_> = (10..=240).step_by(10).flat_map(|n| [n, n + 1]).collect();
    let gone = [10, 11, 20];
    let expected: Vec<_> = expected.into_iter().filter(|n| !gone.contains(n)).map(user).collect();
    assert_eq!(sampled(&walk(&*store, all()).await), expected);

    // From a level on, only those of the level: keys that begin with 3 zero bits have a first byte below 32.
    let low = walk(&*store, KeySample::new(usize::MAX, usize::MAX, 3)).await;
    assert_eq!(sampled(&low), [user(21), user(30), user(31)]);
}

pub(crate) async fn a_walk_with_little_room_takes_a_uniform_sample(store: Arc<dyn Store>) {
    // Multiples of an odd number spread over the whole range as MACs do.
    let key = |n: u128| UserKey(n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_be_bytes());
    let users: Vec<_> = (1..=4_000).map(|n| (key(n), offline_blob(1))).collect();
    store.put_offline(DATASET, users.clone()).await.unwrap();

    let sample = walk(&*store, KeySample::new(100, usize::MAX, 0)).await;
    assert!((50..=100).contains(&sample.len()), "{}", sample.len());
    let mut of_level: Vec<_> = users.iter().map(|(key, _)| *key).collect();
    of_level.retain(|key| u128::from_be_bytes(key.0).leading_zeros() >= sample.level());
    of_level.sort_unstable();
    assert_eq!(sampled(&sample), of_level);
    // As it goes on where the last pass ended: Redis leaves the others out itself.
    let again = walk(&*store, KeySample::new(100, usize::MAX, sample.level())).await;
    assert_eq!(sampled(&again), of_level);
}

pub(crate) async fn a_blob_that_is_none_changes_nothing(store: Arc<dyn Store>) {
    store.merge_all(vec![(user(1), event(1, 1, 1))], NOW).await.unwrap();
    let bad = Bytes::from_static(b"not a blob");
    let refused = store.merge_all(vec![(user(1), bad)], NOW).await;
    assert!(matches!(refused, Err(StoreError::Blob(key, _)) if key == user(1)), "{refused:?}");
    assert_eq!(tags_of(&read(&*store, user(1)).await), [(1, 1)]);
}

pub(crate) use crate::persons::{
    an_erasure_that_was_missed_comes_with_the_last_change, of_the_erased_no_key_is_left_in_any_version,
    the_erased_may_come_back_with_what_happens_later, the_list_says_of_each_id_what_it_said_last,
    what_is_from_before_an_erasure_does_not_come_back,
};
pub(crate) use crate::versions::{
    a_version_counts_when_it_is_whole_and_active, a_version_that_is_not_there_takes_nothing_and_is_lost,
    no_answer_mixes_versions_while_they_are_swapped, suppression_erases_versions_on_their_way_too,
    users_are_counted_once_and_the_suppressed_not_at_all, who_reads_a_version_that_is_dropped_is_told_so,
};

/// Runs the whole suite as tests of the calling module, each on a store that `$open` makes.
macro_rules! conformance {
    ($open:path: $($test:ident),+ $(,)?) => {
        $(
            #[tokio::test]
            async fn $test() {
                let opened = $open().await;
                crate::conformance::activate(&*opened.store(), &[7, 9]).await;
                crate::conformance::$test(opened.store()).await;
            }
        )+
    };
    ($open:path) => {
        conformance!($open:
            a_user_nobody_wrote_is_known_to_have_nothing,
            users_come_back_in_the_order_they_were_asked_for,
            offline_tags_are_replaced_per_dataset,
            the_newer_event_wins_whatever_comes_first,
            one_user_may_come_twice_in_one_write,
            merges_at_the_same_time_lose_nothing,
            an_impression_counts_once,
            what_became_of_each_write_is_said,
            many_writers_of_one_user_lose_nothing,
            order_repetition_and_batches_do_not_matter,
            caps_hold_and_the_newest_events_stay,
            suppression_wins_over_everything,
            a_lift_erases_what_is_from_before_though_nobody_heard_of_the_suppression,
            a_change_of_the_suppression_list_is_applied_once_whoever_tells_it,
            a_restart_hears_only_what_is_new,
            a_walk_meets_everybody_with_tags_and_nobody_else,
            a_walk_with_little_room_takes_a_uniform_sample,
            a_blob_that_is_none_changes_nothing,
            a_version_counts_when_it_is_whole_and_active,
            users_are_counted_once_and_the_suppressed_not_at_all,
            a_version_that_is_not_there_takes_nothing_and_is_lost,
            who_reads_a_version_that_is_dropped_is_told_so,
            suppression_erases_versions_on_their_way_too,
            no_answer_mixes_versions_while_they_are_swapped,
            of_the_erased_no_key_is_left_in_any_version,
            what_is_from_before_an_erasure_does_not_come_back,
            the_erased_may_come_back_with_what_happens_later,
            an_erasure_that_was_missed_comes_with_the_last_change,
            the_list_says_of_each_id_what_it_said_last,
        );
    };
}
pub(crate) use conformance;

//! Properties of the three blobs. Each says its invariant in a sentence.

use std::time::Duration;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use tagbid_types::{AdvertiserId, CampaignId, LineItemId, TagId, Timestamp};

use crate::blob::{self, Kind};
use crate::frequency::{self, Counted, Counts, Frequency, Horizon, RECENT_EVENTS, Window};
use crate::offline::{self, Offline, OfflineTag};
use crate::realtime::{self, Realtime, RealtimeTag};
use crate::{BlobError, MAX_BYTES, MAX_TAGS};

const NOW: Timestamp = Timestamp::from_secs(1_735_689_600);
const DAY_S: u32 = 86_400;

fn offline_tags() -> impl Strategy<Value = Vec<OfflineTag>> {
    let lives = prop_oneof![Just(30 * DAY_S), any::<u32>()];
    let tags = btree_map(any::<u32>(), (any::<u8>(), lives), 0..80);
    tags.prop_map(|tags| {
        let tag = |(id, (weight, ttl_s))| OfflineTag { id: TagId(id), weight, ttl_s };
        tags.into_iter().map(tag).collect()
    })
}

/// Few ids, so that blobs overlap; events up to an hour old and up to a minute ahead.
fn realtime_tags() -> impl Strategy<Value = Vec<RealtimeTag>> {
    let body = (any::<u8>(), -3_600_000..60_000_i64, 0..7_200_u32, 0..7_200_u32);
    btree_map(0..40_u32, body, 0..20).prop_map(|tags| {
        let tag = |(id, (weight, offset_ms, half_life_s, ttl_s))| RealtimeTag {
            id: TagId(id),
            weight,
            event: Timestamp(NOW.0 + offset_ms * 1_000),
            half_life_s,
            ttl_s,
        };
        tags.into_iter().map(tag).collect()
    })
}

fn counted() -> impl Strategy<Value = Counted> {
    prop_oneof![
        (0..4_u64).prop_map(|id| Counted::LineItem(LineItemId(id))),
        (0..4_u64).prop_map(|id| Counted::Campaign(CampaignId(id))),
        (0..4_u64).prop_map(|id| Counted::Advertiser(AdvertiserId(id))),
    ]
}

/// Reads bytes as every kind of blob, to the end; whatever they are, nothing panics.
fn read_all(bytes: &[u8]) -> bool {
    let offline = Offline::parse(bytes).and_then(|blob| blob.live(NOW, |_| ()));
    let realtime = Realtime::parse(bytes).and_then(|blob| blob.live(NOW, |_| ()));
    let _ = realtime::merge(bytes, bytes, NOW);
    let window = Some(Duration::from_secs(60));
    let counts =
        Counts::parse(bytes).and_then(|c| c.count(Counted::LineItem(LineItemId(u64::MAX)), window, NOW));
    let decoded = Frequency::decode(bytes);
    assert!(decoded.is_err() || counts.is_ok(), "the two readers of counts agree");
    offline.is_ok() || realtime.is_ok() || decoded.is_ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Offline tags come back as they were written, ascending by id.
    #[test]
    fn offline_round_trips(mut tags in offline_tags().prop_shuffle()) {
        let bytes = offline::encode(NOW, &tags).unwrap();
        let blob = Offline::parse(&bytes).unwrap();
        tags.sort_by_key(|tag| tag.id);
        prop_assert_eq!(blob.as_of(), NOW);
        prop_assert_eq!(blob.tags().collect::<Result<Vec<_>, _>>().unwrap(), tags);
    }

    /// A tag counts until its expiry and not from then on.
    #[test]
    fn offline_expiry_is_exact(tags in offline_tags(), later in 0..100 * DAY_S) {
        let bytes = offline::encode(NOW, &tags).unwrap();
        let mut live = Vec::new();
        let now = NOW.after(Duration::from_secs(later.into()));
        Offline::parse(&bytes).unwrap().live(now, |tag| live.push((tag.id, tag.weight, tag.age_s))).unwrap();
        let expected: Vec<_> = tags.iter().filter(|t| t.ttl_s > later).map(|t| (t.id, t.weight, later)).collect();
        prop_assert_eq!(live, expected);
    }

    /// Real-time tags come back as they were written, ascending by id.
    #[test]
    fn realtime_round_trips(tags in realtime_tags()) {
        let bytes = realtime::encode(&tags).unwrap();
        let read: Vec<_> = Realtime::parse(&bytes).unwrap().tags().collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(read, tags);
    }

    /// Merging is commutative, associative and idempotent.
    #[test]
    fn merge_order_does_not_matter(a in realtime_tags(), b in realtime_tags(), c in realtime_tags()) {
        let [a, b, c] = [a, b, c].map(|tags| realtime::encode(&tags).unwrap());
        let merge = |x: &[u8], y: &[u8]| realtime::merge(x, y, NOW).unwrap();
        let ab = merge(&a, &b);
        prop_assert_eq!(&ab, &merge(&b, &a));
        prop_assert_eq!(&merge(&ab.blob, &b), &ab);
        prop_assert_eq!(merge(&ab.blob, &c), merge(&a, &merge(&b, &c).blob));
    }

    /// Events condensed at once are what merging them one by one gives, in whatever order they come.
    #[test]
    fn condensing_is_merging(a in realtime_tags(), b in realtime_tags(), c in realtime_tags()) {
        let mut one_by_one = realtime::encode(&[]).unwrap();
        for tag in c.iter().chain(&a).chain(&b) {
            let single = realtime::encode(&[*tag]).unwrap();
            one_by_one = realtime::merge(&single, &one_by_one, NOW).unwrap().blob;
        }
        let all = a.into_iter().chain(b).chain(c).collect();
        prop_assert_eq!(realtime::condense(all, NOW).unwrap().blob, one_by_one);
    }

    /// What two ids of a person have together holds for each tag what the later of the two says, whichever comes first.
    #[test]
    fn the_union_of_two_ids_is_that_of_their_tags(a in offline_tags(), b in offline_tags(), older_s in 0..3 * DAY_S) {
        let before = Timestamp(NOW.0 - i64::from(older_s) * 1_000_000);
        let (one, other) = (offline::encode(NOW, &a).unwrap(), offline::encode(before, &b).unwrap());
        let both = offline::union(&one, &other).unwrap();
        prop_assert_eq!(&both, &offline::union(&other, &one).unwrap());
        let live = |blob: &[u8]| {
            let mut tags = std::collections::BTreeMap::new();
            let blob = Offline::parse(blob).unwrap();
            let mut keep = |tag: crate::LiveTag| assert_eq!(tags.insert(tag.id, tag.weight), None);
            blob.live(NOW, &mut keep).unwrap();
            tags
        };
        let (ours, theirs, found) = (live(&one), live(&other), live(&both));
        for (id, weight) in &found {
            let allowed = [ours.get(id), theirs.get(id)];
            prop_assert!(allowed.contains(&Some(weight)), "{:?}", id);
        }
        // A tag that the later blob names is as it says there, ended or not.
        let said: std::collections::BTreeSet<_> = a.iter().map(|tag| tag.id).collect();
        let expected = ours.keys().chain(theirs.keys().filter(|id| !said.contains(id) || older_s == 0));
        prop_assert!(expected.into_iter().all(|id| found.contains_key(id)));
    }

    /// Nothing from before a moment is left, and everything from after it is.
    #[test]
    fn what_comes_after_a_moment_is_kept(tags in realtime_tags(), back_ms in 0..3_600_000_i64) {
        let moment = Timestamp(NOW.0 - back_ms * 1_000);
        let blob = realtime::encode(&tags).unwrap();
        let later: Vec<_> = tags.into_iter().filter(|tag| tag.event > moment).collect();
        let expected = (!later.is_empty()).then(|| realtime::encode(&later).unwrap());
        prop_assert_eq!(realtime::after(&blob, moment).unwrap(), expected);
    }

    /// Counts that can be read can be counted on, and read again, whatever is in them.
    #[test]
    fn hostile_counts_are_counted_on(body in vec(any::<u8>(), 0..200), newest: u32, event: u128) {
        let mut bytes = blob::begin(Kind::Frequency, body.len());
        bytes.extend_from_slice(&newest.to_le_bytes());
        bytes.extend_from_slice(&body);
        let bytes = blob::seal(bytes).unwrap();
        if let Ok(view) = Counts::parse(&bytes) {
            let _told = view.walk(NOW, drop, drop);
            let _told = view.frees(Counted::LineItem(LineItemId(1)), frequency::Window::Week, 1, NOW);
        }
        if let Ok(mut counts) = Frequency::decode(&bytes) {
            counts.record(event, NOW, &[Counted::LineItem(LineItemId(1))]).unwrap();
            prop_assert!(Frequency::decode(&counts.encode(NOW).unwrap()).is_ok());
        }
    }

    /// Impressions count the same in whatever order and in whatever batches they come, also when all come again.
    #[test]
    fn order_of_impressions_does_not_matter(
        events in btree_map(0..600_u128, (0..8 * DAY_S, counted()), 0..32)
            .prop_map(|events| events.into_iter().collect::<Vec<_>>()),
        shuffled in any::<prop::sample::Index>(),
        batch in 1..9_usize,
    ) {
        let counted_in = |events: &[(u128, (u32, Counted))], batch: usize| {
            let mut blob = Frequency::default().encode(NOW).unwrap();
            for batch in events.chunks(batch) {
                let mut counts = Frequency::decode(&blob).unwrap();
                for (event, (age_s, entity)) in batch {
                    let at = Timestamp(NOW.0 - i64::from(*age_s) * 1_000_000);
                    counts.record(*event, at, &[*entity]).unwrap();
                }
                blob = counts.encode(NOW).unwrap();
            }
            // Which ids are the most recent depends on the order; the counts do not.
            let counts = Counts::parse(&blob).unwrap();
            let windows = [Some(60), Some(3_600), Some(u64::from(DAY_S)), None];
            let entities = counts.entities().unwrap();
            let of = |entity| windows.map(|w| counts.count(entity, w.map(Duration::from_secs), NOW).unwrap());
            entities.iter().map(|entity| (*entity, of(*entity))).collect::<Vec<_>>()
        };
        let mut other = events.clone();
        let first = if events.is_empty() { 0 } else { shuffled.index(events.len()) };
        other.rotate_left(first);
        other.reverse();
        let twice: Vec<_> = other.iter().chain(&events).copied().collect();
        prop_assert_eq!(counted_in(&events, events.len().max(1)), counted_in(&other, batch));
        prop_assert_eq!(counted_in(&events, 1), counted_in(&twice, batch));
    }

    /// After a merge each tag has its newest event, and only tags that are not expired are there.
    #[test]
    fn the_newer_event_wins(a in realtime_tags(), b in realtime_tags()) {
        let merged = realtime::merge(&realtime::encode(&a).unwrap(), &realtime::encode(&b).unwrap(), NOW).unwrap();
        let mut most = Timestamp::default();
        for tag in Realtime::parse(&merged.blob).unwrap().tags() {
            let tag = tag.unwrap();
            prop_assert!(tag.expiry() > NOW);
            let rivals = a.iter().chain(&b).filter(|one| one.id == tag.id && one.expiry() > NOW);
            prop_assert_eq!(Some(tag.event), rivals.map(|one| one.event).max());
            most = most.max(tag.expiry());
        }
        prop_assert_eq!(merged.expires, most);
    }

    /// A weight never grows as time passes, and is half after each half-life.
    #[test]
    fn decay_is_monotone(weight: u8, half_life_s in 1..100_000_u32, steps in vec(0..100_000_u64, 1..20)) {
        let tag = RealtimeTag { id: TagId(1), weight, event: NOW, half_life_s, ttl_s: u32::MAX };
        let (mut now, mut last) = (NOW, weight);
        for step in steps {
            now = now.after(Duration::from_secs(step));
            let weight = tag.weight_at(now);
            prop_assert!(weight <= last);
            last = weight;
        }
        let halved = tag.weight_at(NOW.after(Duration::from_secs(half_life_s.into())));
        prop_assert_eq!(halved, weight.div_ceil(2));
    }

    /// Counts survive encoding; an event counts once; a window never counts less than it should, and not more than
    /// one bucket's width too long.
    #[test]
    fn frequency_counts_windows(
        events in vec((0..600_u128, 0..8 * DAY_S, counted()), 0..30),
        window_s in prop_oneof![Just(60_u32), Just(3_600), Just(DAY_S), Just(7 * DAY_S)],
    ) {
        let mut counts = Frequency::default();
        let mut kept: Vec<(u128, u32, Counted)> = Vec::new();
        for (event, age_s, entity) in events {
            let at = Timestamp(NOW.0 - i64::from(age_s) * 1_000_000);
            let fresh = counts.record(event, at, &[entity]).unwrap();
            prop_assert_eq!(fresh, !kept.iter().any(|one| one.0 == event));
            if fresh { kept.push((event, age_s, entity)); }
        }
        let bytes = counts.encode(NOW).unwrap();
        let view = Counts::parse(&bytes).unwrap();
        for (_, _, entity) in &kept {
            let younger = |than: u32| kept.iter().filter(|one| one.2 == *entity && one.1 < than).count() as u32;
            let window = Some(Duration::from_secs(window_s.into()));
            let counted = view.count(*entity, window, NOW).unwrap();
            prop_assert!(counted >= younger(window_s));
            prop_assert!(counted <= younger(window_s + window_s / 4));
            prop_assert_eq!(view.count(*entity, None, NOW).unwrap(), younger(u32::MAX));
        }
        let entities: std::collections::BTreeSet<_> = kept.iter().map(|one| one.2).collect();
        prop_assert_eq!(view.entities().unwrap(), entities.into_iter().collect::<Vec<_>>());
        let again = Frequency::decode(&bytes).unwrap().encode(NOW).unwrap();
        prop_assert_eq!(again, bytes);
    }

    /// Whatever the bytes, reading them neither panics nor runs away, even when type and checksum are right.
    #[test]
    fn hostile_bodies_are_survived(kind in 0..3_usize, body in vec(any::<u8>(), 0..300)) {
        let kind = [Kind::Offline, Kind::Realtime, Kind::Frequency][kind];
        let mut bytes = blob::begin(kind, body.len());
        bytes.extend(body);
        read_all(&blob::seal(bytes).unwrap());
    }

    /// One changed byte anywhere, or a cut anywhere, is noticed.
    #[test]
    fn damage_is_refused(tags in realtime_tags(), at: prop::sample::Index, flip in 1..=255_u8) {
        let good = realtime::encode(&tags).unwrap();
        let mut bad = good.clone();
        bad[at.index(good.len())] ^= flip;
        prop_assert!(!read_all(&bad));
        prop_assert!(!read_all(&good[..at.index(good.len())]));
    }
}

#[test]
fn counts_under_two_keys_add_up() {
    let shown = Counted::LineItem(LineItemId(7));
    let mut old = Frequency::default();
    old.record(1, NOW, &[shown]).unwrap();
    let mut new = Frequency::default();
    new.record(2, NOW, &[shown]).unwrap();
    new.absorb(&old);
    assert!(!new.record(1, NOW, &[shown]).unwrap(), "events stay known");
    let bytes = new.encode(NOW).unwrap();
    let minute = Some(Duration::from_secs(60));
    assert_eq!(Counts::parse(&bytes).unwrap().count(shown, minute, NOW), Ok(2));
}

#[test]
fn writers_hold_the_caps_and_name_the_tag_that_stands_twice() {
    let tag = |id| OfflineTag { id: TagId(id), weight: 1, ttl_s: 1 };
    let many: Vec<_> = (0..=MAX_TAGS as u32).map(tag).collect();
    assert_eq!(offline::encode(NOW, &many), Err(BlobError::TooMany { tags: 513 }));
    assert_eq!(offline::encode(NOW, &[tag(7), tag(7)]), Err(BlobError::Duplicate(TagId(7))));
    assert_eq!(offline::encode(Timestamp(-1), &[]), Err(BlobError::Time(Timestamp(-1))));
    let huge = vec![0x11; MAX_BYTES + 1];
    assert_eq!(Offline::parse(&huge).unwrap_err(), BlobError::TooLarge { bytes: MAX_BYTES + 1 });
}

#[test]
fn a_merge_over_the_caps_keeps_the_newest_events() {
    let tags = |ids: std::ops::Range<u32>, age_s: i64| -> Vec<u8> {
        let tag = |id| RealtimeTag {
            id: TagId(id * 8_000_000),
            weight: 1,
            event: Timestamp(NOW.0 - age_s * 1_000_000),
            half_life_s: u32::MAX,
            ttl_s: u32::MAX,
        };
        realtime::encode(&ids.map(tag).collect::<Vec<_>>()).unwrap()
    };
    let (old, new) = (tags(0..250, 80_000_000), tags(250..500, 1));
    let merged = realtime::merge(&old, &new, NOW).unwrap();
    assert!(merged.blob.len() <= MAX_BYTES);
    let kept: Vec<_> = Realtime::parse(&merged.blob).unwrap().tags().map(|tag| tag.unwrap().id.0).collect();
    assert!((250..500).all(|id| kept.contains(&(id * 8_000_000))), "no new event was lost");
}

#[test]
fn sixty_tags_take_about_260_bytes() {
    let tag = |n: u32| OfflineTag { id: TagId(n * 16_411), weight: 200, ttl_s: 30 * DAY_S };
    let bytes = offline::encode(NOW, &(0..60).map(tag).collect::<Vec<_>>()).unwrap();
    assert!(bytes.len() <= 320, "{} bytes", bytes.len());
}

#[test]
fn a_user_shown_everything_still_fits() {
    let mut counts = Frequency::default();
    for n in 0..5_000_u32 {
        let at = Timestamp(NOW.0 - i64::from(n) * 7_000_000);
        counts.record(n.into(), at, &[Counted::LineItem(LineItemId(u64::from(n % 300)))]).unwrap();
    }
    let bytes = counts.encode(NOW).unwrap();
    assert!(bytes.len() <= MAX_BYTES);
    let day = Some(Duration::from_secs(DAY_S.into()));
    let latest = Counted::LineItem(LineItemId(0));
    assert!(Counts::parse(&bytes).unwrap().count(latest, day, NOW).unwrap() > 0);
    assert_eq!(frequency::RECENT_EVENTS, 32);
}

#[test]
fn a_batch_larger_than_the_memory_of_events_counts_once_when_it_comes_again() {
    let entity = [Counted::LineItem(LineItemId(1))];
    let mut counts = Frequency::default();
    for event in 0..100 {
        assert!(counts.record(event, NOW, &entity).unwrap());
    }
    let mut counts = Frequency::decode(&counts.encode(NOW).unwrap()).unwrap();
    let known = 100 - RECENT_EVENTS as u128;
    let fresh = (0..100).filter(|event| counts.record(*event, NOW, &entity).unwrap());
    assert!(fresh.eq(0..known), "those that were forgotten, and none of the {RECENT_EVENTS} that were not");
}

#[test]
fn what_caps_look_at_outlives_what_nobody_does() {
    let item = |id| Counted::LineItem(LineItemId(id));
    let (lifetime, week, minute) = (item(1), item(2), item(3));
    let horizons = [
        (lifetime, Horizon::Ever),
        (week, Horizon::Within(Window::Week)),
        (minute, Horizon::Within(Window::Minute)),
    ];
    let mut counts = Frequency::default();
    for (event, (entity, _)) in horizons.iter().enumerate() {
        counts.record(event as u128, NOW, &[*entity]).unwrap();
    }
    counts.look_back(horizons);
    let mut blob = counts.encode(NOW).unwrap();
    // Hundreds of others, one a minute, over restarts of whoever writes.
    for n in 0..300 {
        let mut counts = Frequency::decode(&blob).unwrap();
        let now = NOW.after(Duration::from_secs(60 * n));
        counts.record(1_000 + u128::from(n), now, &[item(1_000 + n)]).unwrap();
        let forgotten;
        (blob, forgotten) = counts.encode_within(now).unwrap();
        assert_eq!(forgotten, 0);
    }
    let now = NOW.after(Duration::from_secs(60 * 300));
    let view = Counts::parse(&blob).unwrap();
    let total = |entity| view.count(entity, None, now).unwrap();
    assert_eq!([lifetime, week, minute, item(1_299)].map(total), [1, 1, 0, 1]);
    assert_eq!(view.entities().unwrap().len(), frequency::MAX_ENTITIES);
    // After a week nobody looks at the second one any more.
    let later = now.after(Duration::from_secs(8 * 86_400));
    let mut counts = Frequency::decode(&blob).unwrap();
    for n in 0..200 {
        counts.record(5_000 + n, later, &[item(5_000 + n as u64)]).unwrap();
    }
    let (blob, forgotten) = counts.encode_within(later).unwrap();
    let view = Counts::parse(&blob).unwrap();
    let total = |entity| view.count(entity, None, later).unwrap();
    assert_eq!(([lifetime, week].map(total), forgotten), ([1, 0], 0));
}

#[test]
fn more_are_kept_where_caps_look_at_them_and_what_goes_is_told() {
    let item = |id| Counted::LineItem(LineItemId(id));
    let mut counts = Frequency::default();
    for n in 0..600_u32 {
        let at = NOW.after(Duration::from_secs(400 * u64::from(n)));
        counts.record(n.into(), at, &[item(n.into())]).unwrap();
        counts.look_back([(item(n.into()), Horizon::Ever)]);
    }
    let now = NOW.after(Duration::from_secs(400 * 600));
    let (blob, forgotten) = counts.encode_within(now).unwrap();
    let kept = Counts::parse(&blob).unwrap().entities().unwrap();
    assert!(blob.len() <= MAX_BYTES && kept.len() > 3 * frequency::MAX_ENTITIES, "{} entities", kept.len());
    assert_eq!(
        (kept.len() + forgotten, kept.contains(&item(599)), kept.contains(&item(0))),
        (600, true, false)
    );
    assert_eq!(Frequency::decode(&blob).unwrap().encode(now).unwrap(), blob);
}

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use proptest::prelude::*;
use tagbid_catalog::{Catalog, Change, Entities, Entity, Header, Place, TagDefinition};
use tagbid_ports::{CatalogEvent, CatalogFeed, FeedError};
use tagbid_runtime::{Drain, Tasks};
use tagbid_testkit::{FakeClock, wait_until_async};
use tagbid_types::{Clock, Revision, TagId, Timestamp};

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

fn change(revision: u64, tag: u32) -> Change {
    let entity = Entity::Tag(Arc::new(TagDefinition {
        id: TagId(tag),
        header: Header { revision: Revision(revision), ..Header::default() },
        name: format!("tag {tag} as of {revision}"),
        ..TagDefinition::default()
    }));
    Change { revision: Revision(revision), entity }
}

/// The catalog after the first changes, change `n` being of tag `n % 7`.
fn catalog(revision: u64) -> Catalog {
    let mut catalog = Catalog::default();
    for revision in 1..=revision {
        assert!(catalog.apply(nth(revision)));
    }
    catalog
}

fn nth(revision: u64) -> Change {
    change(revision, u32::try_from(revision % 7).unwrap())
}

fn changes(range: std::ops::RangeInclusive<u64>) -> CatalogEvent {
    CatalogEvent::Changes(range.map(nth).collect())
}

fn snapshot(revision: u64) -> CatalogEvent {
    CatalogEvent::Snapshot(Arc::new(catalog(revision)))
}

fn up_to_date(revision: u64, at: i64) -> CatalogEvent {
    CatalogEvent::UpToDate { revision: Revision(revision), at: Timestamp(at) }
}

#[test]
fn a_gap_changes_nothing_and_asks_for_a_snapshot() {
    let now = Timestamp(1_000);
    let mut state = CatalogState::default();
    assert_eq!(state.apply(changes(1..=1), now), Err(Gap), "nothing to build on");
    assert_eq!(state.apply(snapshot(3), now), Ok(true));
    assert_eq!(state.apply(changes(5..=5), now), Err(Gap));
    assert_eq!(state.apply(up_to_date(4, 0), now), Err(Gap));
    assert_eq!(*state.view().catalog, catalog(3));
    assert_eq!(state.apply(changes(2..=4), now), Ok(true), "an overlap is no gap");
    assert_eq!(*state.view().catalog, catalog(4));
}

#[test]
fn no_wrong_clock_makes_the_catalog_look_younger() {
    let mut state = CatalogState::default();
    state.apply(snapshot(1), Timestamp(50)).unwrap();
    assert_eq!(state.up_to_date(), None, "a snapshot alone may be old");
    state.apply(up_to_date(1, 70), Timestamp(60)).unwrap();
    assert_eq!(state.up_to_date(), Some(Timestamp(60)));
    state.apply(up_to_date(1, 70), Timestamp(80)).unwrap();
    assert_eq!(state.up_to_date(), Some(Timestamp(70)));
}

#[test]
fn a_snapshot_may_change_everything_even_at_the_same_revision() {
    let mut state = CatalogState::default();
    state.apply(snapshot(3), Timestamp(0)).unwrap();
    let seen = state.view().position();
    state.apply(snapshot(3), Timestamp(0)).unwrap();
    assert_eq!(state.view().changed_since(seen), Changed::All);
    let seen = state.view().position();
    assert_eq!(state.view().changed_since(seen), Changed::Keys(BTreeSet::new()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However the stream is cut into snapshots, changes and overlaps, the catalog is that of its revision, and a
    /// reader that looks up only the changed keys has the same one.
    #[test]
    fn every_way_through_the_stream_leads_to_the_same_catalog(
        steps in prop::collection::vec((0_u8..8, 1_u64..40, any::<bool>()), 1..40),
    ) {
        let mut state = CatalogState::default();
        let (mut seen, mut mirror) = (Position::default(), Entities::default());
        state.apply(snapshot(0), Timestamp(0)).unwrap();
        for (kind, count, look) in steps {
            let at = state.revision().0;
            let event = match kind {
                0 => snapshot(at + count),
                1 => changes(at.saturating_sub(count).max(1)..=at + count),
                _ => changes(at + 1..=at + count),
            };
            state.apply(event, Timestamp(0)).unwrap();
            prop_assert_eq!(&*state.view().catalog, &catalog(state.revision().0));
            if look {
                let view = state.view();
                let entities = &view.catalog.entities;
                match view.changed_since(seen) {
                    Changed::All => mirror = entities.clone(),
                    Changed::Keys(keys) => {
                        keys.into_iter().for_each(|key| mirror.insert_mut(key, entities[&key].clone()));
                    }
                }
                seen = view.position();
                prop_assert_eq!(&mirror, entities);
            }
        }
    }
}

#[test]
fn readers_far_behind_look_at_everything() {
    let mut state = CatalogState::default();
    state.apply(snapshot(0), Timestamp(0)).unwrap();
    let seen = state.view().position();
    state.apply(changes(1..=65_000), Timestamp(0)).unwrap();
    assert!(matches!(state.view().changed_since(seen), Changed::Keys(_)));
    state.apply(changes(65_001..=66_000), Timestamp(0)).unwrap();
    assert_eq!(state.view().changed_since(seen), Changed::All);
}

#[test]
fn a_copy_is_whole_or_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deep/catalog.json");
    let copy = CatalogCopy::at(&path);
    assert_eq!(copy.load().unwrap(), None);
    for revision in [3, 9] {
        copy.save(&catalog(revision), Some(Timestamp(5))).unwrap();
        let saved = copy.load().unwrap().unwrap();
        assert_eq!((saved.catalog, saved.up_to_date), (catalog(revision), Some(Timestamp(5))));
    }
    let whole = std::fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    let middle = whole.len() / 2;
    flipped[middle] ^= 1;
    for bad in [&whole[..whole.len() - 1], &whole[..10], &[], &flipped] {
        std::fs::write(&path, bad).unwrap();
        assert!(matches!(copy.load(), Err(CopyError::Damaged { .. })));
    }
}

type Script = Vec<Result<CatalogEvent, FeedError>>;

/// A feed that plays one script a subscription, then stays silent on the last.
#[derive(Default)]
struct Scripted {
    scripts: Mutex<VecDeque<Script>>,
    asked: Mutex<Vec<Revision>>,
}

impl Scripted {
    fn playing(scripts: impl IntoIterator<Item = Script>) -> Arc<Self> {
        Arc::new(Self { scripts: Mutex::new(scripts.into_iter().collect()), asked: Mutex::default() })
    }

    fn asked(&self) -> Vec<u64> {
        self.asked.lock().unwrap().iter().map(|revision| revision.0).collect()
    }
}

impl CatalogFeed for Scripted {
    fn subscribe(&self, from: Place) -> BoxStream<'static, Result<CatalogEvent, FeedError>> {
        self.asked.lock().unwrap().push(from.revision);
        match self.scripts.lock().unwrap().pop_front() {
            Some(script) => stream::iter(script).boxed(),
            None => stream::pending().boxed(),
        }
    }
}

fn quick(copy: Option<std::path::PathBuf>) -> FollowOptions {
    FollowOptions {
        copy,
        save_every: Duration::from_millis(10),
        longest_pause: Duration::from_millis(20),
        ..FollowOptions::default()
    }
}

#[tokio::test]
async fn the_follower_resumes_where_it_was_and_starts_over_after_a_gap() {
    let broken = || Err(FeedError::Broken("cable".into()));
    let feed = Scripted::playing([
        vec![Ok(snapshot(3)), Ok(changes(4..=5)), broken()],
        vec![Ok(changes(6..=6)), Ok(changes(9..=9))],
        vec![Ok(snapshot(10)), Ok(up_to_date(10, 0))],
    ]);
    let (tasks, clock) = (Tasks::new(Drain::default()), Arc::new(FakeClock::default()));
    let follower = CatalogFollower::start(feed.clone(), quick(None), clock.clone(), &tasks).await;

    wait_until_async("the third subscription", PATIENCE, async || {
        follower.view().catalog.revision == Revision(10)
    })
    .await;
    assert_eq!(*follower.view().catalog, catalog(10));
    wait_until_async("the fourth", PATIENCE, async || feed.asked().len() == 4).await;
    assert_eq!(feed.asked(), [0, 5, 0, 10]);
    tasks.drain().start();
    assert!(tasks.finish(PATIENCE).await);
}

#[tokio::test]
async fn a_process_starts_from_its_copy_and_knows_its_age() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("catalog.json");
    let clock = Arc::new(FakeClock::default());
    let now = clock.now();
    let tasks = Tasks::new(Drain::default());
    let feed = Scripted::playing([vec![Ok(snapshot(4)), Ok(up_to_date(4, now.0))]]);
    let first = CatalogFollower::start(feed, quick(Some(path.clone())), clock.clone(), &tasks).await;
    assert_eq!(first.age(now), None);
    wait_until_async("being up to date", PATIENCE, async || first.age(now).is_some()).await;
    tasks.drain().start();
    assert!(tasks.finish(PATIENCE).await);

    clock.advance(Duration::from_secs(90));
    let tasks = Tasks::new(Drain::default());
    let dead = Scripted::playing([]);
    let second = CatalogFollower::start(dead.clone(), quick(Some(path)), clock.clone(), &tasks).await;
    assert!(second.view().is_loaded());
    assert_eq!(*second.view().catalog, catalog(4));
    assert_eq!(second.age(clock.now()), Some(Duration::from_secs(90)));
    wait_until_async("a subscription", PATIENCE, async || dead.asked() == [4]).await;
    tasks.drain().start();
    assert!(tasks.finish(PATIENCE).await);
}

use async_trait::async_trait;
use futures_util::StreamExt;
use tagbid_catalog::{Dataset, Entity};
use tagbid_ports::CatalogFeed;
use tagbid_runtime::Tasks;
use tagbid_testkit::{FakeClock, wait_until_async};
use tagbid_types::DatasetId;

use super::*;
use crate::feed::InProcessCatalog;
use crate::store::{self, Session};

const PATIENCE: Duration = Duration::from_secs(20);

/// A database that can be taken away.
struct Fragile {
    store: Arc<dyn Store>,
    broken: AtomicBool,
    _directory: tempfile::TempDir,
}

#[async_trait]
impl Store for Fragile {
    async fn read(&self) -> Result<Box<dyn Session>, StoreError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(StoreError::Database(sqlx::Error::PoolTimedOut));
        }
        self.store.read().await
    }

    async fn write(&self) -> Result<Box<dyn Session>, StoreError> {
        self.store.write().await
    }
}

struct Rig {
    store: Arc<Fragile>,
    clock: Arc<FakeClock>,
    tasks: Tasks,
    hub: Arc<Hub>,
}

impl Rig {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("catalog.db").display());
        let store = Arc::new(Fragile {
            store: store::open(&url).await.unwrap(),
            broken: AtomicBool::new(false),
            _directory: directory,
        });
        let clock = Arc::new(FakeClock::default());
        let tasks = Tasks::new(Drain::default());
        let hub =
            Hub::load(store.clone(), clock.clone(), tasks.drain().clone(), Arc::default()).await.unwrap();
        Self { store, clock, tasks, hub }
    }

    /// Commits so many changes at once.
    async fn change(&self, count: u32) {
        let mut session = self.store.write().await.unwrap();
        for id in 1..=count {
            let name = format!("dataset {id}");
            let dataset = Dataset { id: DatasetId(id), name, ..Dataset::default() };
            let mut entity = Entity::Dataset(Arc::new(dataset));
            entities::put(session.as_mut(), &mut entity, Timestamp(0)).await.unwrap();
        }
        session.commit().await.unwrap();
    }

    /// Where a reader of this database is who has this revision.
    fn at(&self, revision: u64) -> Place {
        let life = self.hub.state().catalog.life;
        Place { life, revision: Revision(revision), ..Place::default() }
    }

    async fn sql(&self, statement: &'static str) {
        let mut session = self.store.write().await.unwrap();
        session.execute(statement, &[]).await.unwrap();
        session.commit().await.unwrap();
    }
}

#[tokio::test]
async fn a_slow_reader_costs_nothing_and_gets_changes_or_a_snapshot() {
    let rig = Rig::new().await;
    rig.change(1).await;
    rig.hub.poll().await.unwrap();
    rig.change(4_500).await;
    rig.hub.poll().await.unwrap();
    assert_eq!(rig.hub.state().log.len(), LOG, "what is kept is bounded");

    // One that was away for longer than the log reaches back starts over.
    let (event, position) = rig.hub.after(Some(rig.at(1))).unwrap();
    assert!(matches!(event, CatalogEvent::Snapshot(c) if c.revision == Revision(4_501)));
    assert!(position.is_same(&rig.at(4_501)));
    // One that was not gets its changes in pieces, each on the last.
    let mut position = rig.at(600);
    while let Some((event, next)) = rig.hub.after(Some(position)) {
        let CatalogEvent::Changes(changes) = event else { panic!("a needless snapshot") };
        assert!(changes.len() <= BATCH);
        for change in changes {
            assert_eq!(change.revision.0, position.revision.0 + 1);
            position.revision = change.revision;
        }
        assert!(position.is_same(&next));
    }
    assert!(position.is_same(&rig.at(4_501)));
}

#[tokio::test]
async fn after_a_restart_the_kept_changes_are_there_again() {
    let rig = Rig::new().await;
    rig.change(5).await;
    let hub =
        Hub::load(rig.store.clone(), rig.clock.clone(), Drain::default(), Arc::default()).await.unwrap();
    let (event, _) = hub.after(Some(rig.at(3))).unwrap();
    assert!(matches!(event, CatalogEvent::Changes(changes) if changes.len() == 2));
}

#[tokio::test]
async fn a_database_that_went_back_or_lost_changes_leads_to_a_snapshot() {
    let rig = Rig::new().await;
    rig.change(5).await;
    rig.hub.poll().await.unwrap();
    // As if an older backup had been restored.
    rig.sql("DELETE FROM entities WHERE revision > 3").await;
    rig.sql("DELETE FROM changes WHERE revision > 3").await;
    rig.sql("UPDATE meta SET value = 3 WHERE name = 'revision'").await;
    rig.hub.poll().await.unwrap();
    let (event, _) = rig.hub.after(Some(rig.at(5))).unwrap();
    assert!(matches!(event, CatalogEvent::Snapshot(c) if c.entities.size() == 3));

    // As if changes had been forgotten before this process saw them.
    rig.change(2).await;
    rig.sql("DELETE FROM changes WHERE revision = 4").await;
    rig.hub.poll().await.unwrap();
    let (event, _) = rig.hub.after(Some(rig.at(3))).unwrap();
    assert!(matches!(event, CatalogEvent::Snapshot(c) if c.revision == Revision(5)));
}

/// Revisions alone would not tell: the numbers fit, what stands behind them does not.
#[tokio::test]
async fn a_reader_of_another_history_gets_a_snapshot_though_its_revision_is_known_here() {
    let rig = Rig::new().await;
    rig.change(5).await;
    rig.hub.poll().await.unwrap();
    let is_snapshot = |place| matches!(rig.hub.after(Some(place)), Some((CatalogEvent::Snapshot(_), _)));
    assert!(!is_snapshot(rig.at(3)) && !is_snapshot(rig.at(5)));
    // Of a database that was replaced by this one, and of this one before it was restored and changed since.
    for known in [3, 5] {
        assert!(is_snapshot(Place { life: CatalogLife(1), ..rig.at(known) }));
        assert!(is_snapshot(Place { changed: Timestamp(9), ..rig.at(known) }));
    }
    // Replaced under a running process: those who were up to date hear of it.
    let before = rig.at(5);
    rig.sql("UPDATE meta SET value = 77 WHERE name = 'life'").await;
    rig.hub.poll().await.unwrap();
    assert!(is_snapshot(before));
}

/// The other process on the same database has told the reader of a commit that this one has yet to see.
#[tokio::test]
async fn a_reader_that_is_ahead_of_this_process_is_not_thrown_back() {
    let rig = Rig::new().await;
    rig.change(3).await;
    rig.hub.poll().await.unwrap();
    rig.change(2).await;
    rig.tasks.spawn("hub", Arc::clone(&rig.hub).run(Duration::from_secs(3_600)));
    let mut events = InProcessCatalog(Arc::clone(&rig.hub)).subscribe(rig.at(5));
    let first = tokio::time::timeout(PATIENCE, events.next()).await.unwrap();
    assert!(matches!(first, Some(Ok(CatalogEvent::UpToDate { revision: Revision(5), .. }))), "{first:?}");
    rig.tasks.drain().start();
    assert!(rig.tasks.finish(PATIENCE).await);
}

#[tokio::test]
async fn nobody_is_called_up_to_date_while_the_database_is_away() {
    let rig = Rig::new().await;
    rig.tasks.spawn("hub", Arc::clone(&rig.hub).run(Duration::from_millis(5)));
    let mut events = InProcessCatalog(Arc::clone(&rig.hub)).subscribe(Place::default());
    assert!(matches!(events.next().await, Some(Ok(CatalogEvent::Snapshot(_)))));
    assert!(matches!(events.next().await, Some(Ok(CatalogEvent::UpToDate { .. }))));

    rig.store.broken.store(true, Ordering::SeqCst);
    wait_until_async("the outage to show", PATIENCE, async || !rig.hub.healthy()).await;
    let last_known = rig.clock.now();
    rig.clock.advance(Duration::from_secs(60));
    // The stream is silent: the next thing it says is from after the outage.
    let silent = tokio::time::timeout(Duration::from_millis(50), events.next()).await;
    assert!(silent.is_err(), "{silent:?}");
    rig.store.broken.store(false, Ordering::SeqCst);
    let Some(Ok(CatalogEvent::UpToDate { at, .. })) = events.next().await else {
        panic!("not up to date");
    };
    assert!(at > last_known);
    rig.tasks.drain().start();
    assert!(rig.tasks.finish(PATIENCE).await);
    assert!(events.next().await.is_none(), "a drain ends subscriptions");
}

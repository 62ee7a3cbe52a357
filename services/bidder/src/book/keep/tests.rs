use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::thread::{self, ThreadId};

use futures_util::stream::{self, BoxStream, StreamExt};
use tagbid_catalog::{Catalog, Change, Entity, EntityKey, Place, Status};
use tagbid_clients::FollowOptions;
use tagbid_ports::{CatalogEvent, CatalogFeed, FeedError};
use tagbid_runtime::Tasks;
use tagbid_testkit::{FakeClock, wait_until_async};
use tagbid_types::{Clock, LineItemId, Revision};
use tokio::sync::mpsc;

use super::*;
use crate::settings::Exchange;
use crate::tests::{Same, catalog, shared};

const PATIENCE: Duration = Duration::from_secs(60);

/// A clock that breaks wherever a book is computed, and nowhere else.
struct Breaking {
    clock: FakeClock,
    home: ThreadId,
    broken: AtomicBool,
    failures: AtomicU64,
}

impl Breaking {
    fn new() -> Arc<Self> {
        let (clock, home) = (FakeClock::default(), thread::current().id());
        Arc::new(Self { clock, home, broken: AtomicBool::new(false), failures: AtomicU64::new(0) })
    }

    fn set(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
    }
}

impl Clock for Breaking {
    fn now(&self) -> Timestamp {
        if thread::current().id() != self.home && self.broken.load(Ordering::SeqCst) {
            self.failures.fetch_add(1, Ordering::SeqCst);
            panic!("on purpose");
        }
        self.clock.now()
    }

    fn monotonic(&self) -> Monotonic {
        self.clock.monotonic()
    }
}

/// Sends what it is told to.
struct Told(Mutex<Option<mpsc::Receiver<CatalogEvent>>>);

impl CatalogFeed for Told {
    fn subscribe(&self, _: Place) -> BoxStream<'static, Result<CatalogEvent, FeedError>> {
        let Some(events) = self.0.lock().unwrap().take() else { return stream::pending().boxed() };
        stream::unfold(events, async |mut events| Some((Ok(events.recv().await?), events))).boxed()
    }
}

/// A bidder that follows a catalog.
struct Given {
    clock: Arc<Breaking>,
    shared: Arc<Shared>,
    catalog: Catalog,
    events: mpsc::Sender<CatalogEvent>,
    _tasks: Tasks,
}

impl Given {
    async fn bidder() -> Self {
        let (clock, catalog) = (Breaking::new(), catalog(2));
        let of = Arc::clone(&clock) as Arc<dyn Clock>;
        let shared =
            shared(Catalog::default(), Arc::clone(&of), Arc::new(Same::default()), Exchange::default());
        let (events, receiver) = mpsc::channel(16);
        let tasks = Tasks::new(Drain::default());
        let feed = Arc::new(Told(Mutex::new(Some(receiver))));
        let follower = CatalogFollower::start(feed, FollowOptions::default(), of, &tasks).await;
        tasks.spawn("book", keep(Arc::clone(&shared), follower, tasks.drain().clone()));
        let given = Self { clock, shared, catalog, events, _tasks: tasks };
        given.send(CatalogEvent::Snapshot(Arc::new(given.catalog.clone()))).await;
        given
    }

    async fn send(&self, event: CatalogEvent) {
        self.events.send(event).await.unwrap();
    }

    /// The first line item is paused.
    async fn pause(&mut self) {
        let key = EntityKey::from(LineItemId(1));
        let Some(Entity::LineItem(mut item)) = self.catalog.entities.get(&key).cloned() else { panic!() };
        Arc::make_mut(&mut item).status = Status::Paused;
        let revision = Revision(self.catalog.revision.0 + 1);
        let change = Change { revision, entity: Entity::LineItem(item) };
        assert!(self.catalog.apply(change.clone()));
        self.send(CatalogEvent::Changes(vec![change])).await;
    }

    /// The campaigns role says that nothing is missing.
    async fn confirm(&self) {
        let (revision, at) = (self.catalog.revision, self.clock.now());
        self.send(CatalogEvent::UpToDate { revision, at }).await;
    }

    /// How many line items may bid, unless the book is stale.
    fn live(&self) -> Option<usize> {
        let book = self.shared.books.current(self.shared.clock.monotonic());
        let book = book.as_ref()?;
        let live = |id: &LineItemId| book.find(*id).is_some_and(|(slot, _)| book.live.contains(slot));
        Some(book.line_items().filter(live).count())
    }

    /// Time passes, and the catalog is confirmed, until this holds.
    async fn confirm_until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let holds = async || {
            self.clock.clock.advance(REST);
            self.confirm().await;
            holds(self)
        };
        wait_until_async(what, PATIENCE, holds).await;
    }

    /// The keeper fails once more.
    async fn fail_again(&self) {
        let failures = |given: &Self| given.clock.failures.load(Ordering::SeqCst);
        let before = failures(self);
        self.confirm_until("another failure", |given| failures(given) > before).await;
    }

    async fn wait_for_live(&self, count: Option<usize>) {
        wait_until_async(&format!("{count:?} live line items"), PATIENCE, async || self.live() == count)
            .await;
    }
}

/// Whatever breaks while a book is computed: the bidder neither goes on for ever with what its advertisers have changed,
/// nor does it need to be started anew.
#[tokio::test]
async fn a_book_that_cannot_take_in_a_change_becomes_stale_and_is_made_anew() {
    let mut given = Given::bidder().await;
    given.confirm().await;
    given.wait_for_live(Some(2)).await;

    given.clock.set(true);
    given.pause().await;
    given.confirm().await;
    // However often the catalog is confirmed: the book does not show it.
    let max_age = Duration::from_secs(given.shared.options.catalog_max_age_s);
    given.clock.clock.advance(max_age);
    for _ in 0..3 {
        given.fail_again().await;
    }
    assert_eq!(given.live(), None);

    given.clock.set(false);
    given.confirm_until("a book with the change", |given| given.live() == Some(1)).await;
}

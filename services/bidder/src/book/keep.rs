//! Keeping the book: changed with the catalog, swapped whole, dropped when it may be stale.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwapOption, Guard};
use futures_util::future::BoxFuture;
use tagbid_catalog::EntityKey;
use tagbid_clients::{CatalogFollower, CatalogView, Changed, Position};
use tagbid_runtime::{Drain, Lost, background};
use tagbid_targeting::{Layered, Merged, Rebased};
use tagbid_types::{Monotonic, Timestamp};
use tokio::sync::watch::Receiver;
use tokio::sync::watch::error::RecvError;
use tokio::time::Instant;

use super::Book;
use super::build::{lists, warn_refused};
use crate::observed::ENOUGH;
use crate::shared::Shared;

/// The book in force, and until when it may be used.
pub(crate) struct BookHandle {
    book: ArcSwapOption<Book>,
    /// Microseconds of the monotonic clock; the bidder's catalog is too old from then on.
    good_until: AtomicU64,
    max_age: Duration,
}

impl BookHandle {
    /// No book yet.
    pub(crate) fn new(max_age: Duration) -> Self {
        Self { book: ArcSwapOption::empty(), good_until: AtomicU64::new(0), max_age }
    }

    /// The book to bid from; none when there is none or it may be stale.
    pub(crate) fn current(&self, now: Monotonic) -> Guard<Option<Arc<Book>>> {
        if now.0 < self.good_until.load(Ordering::Relaxed) {
            self.book.load()
        } else {
            Guard::from_inner(None)
        }
    }

    /// The book, stale or not.
    pub(crate) fn last(&self) -> Option<Arc<Book>> {
        self.book.load_full()
    }

    /// Puts another book in force.
    pub(crate) fn swap(&self, book: Book) {
        self.book.store(Some(Arc::new(book)));
    }

    /// The catalog was known to be up to date so long ago.
    pub(crate) fn was_up_to_date(&self, age: Duration, now: Monotonic) {
        let good_until = now.after(self.max_age.saturating_sub(age)).0;
        self.good_until.store(if age >= self.max_age { 0 } else { good_until }, Ordering::Relaxed);
    }
}

/// How often the age of the catalog is looked at, and the live set brought up to the clock.
const TICK: Duration = Duration::from_millis(200);

/// Books follow each other no faster: changes that come closer together are one, for each new book finds the caches of
/// the workers cold.
const PACE: Duration = Duration::from_millis(20);

/// Changes that a book may carry beside its index before it is built anew: so many, or a part of the line items.
const CARRIED: usize = 1_024;
const CARRIED_PART: usize = 32;

/// By how much the observed requests must have grown since the last time for the index to be filed anew.
const OBSERVED_GROWTH: u64 = 8;

/// Follows the catalog until the drain. What changes makes the next book out of the last one, at once; the index is
/// built anew off the path when it carries many changes, or when the traffic is known better.
pub(crate) async fn keep(shared: Arc<Shared>, follower: CatalogFollower, drain: Drain) {
    let mut views = follower.watch();
    let mut keeper = Keeper::new(shared);
    loop {
        let view = follower.view();
        if view.is_loaded() {
            keeper.follow(&view).await;
        }
        keeper.follow_clock();
        if let Some(age) = follower.age(keeper.shared.clock.now()).filter(|_| keeper.seen.is_some()) {
            keeper.shared.books.was_up_to_date(age, keeper.shared.clock.monotonic());
        }
        tokio::select! {
            () = drain.wait() => return,
            changed = next_change(&mut views, keeper.swapped) => if changed.is_err() { return },
            base = finished(&mut keeper.rebuild) => keeper.take_base(base),
            merged = finished(&mut keeper.merge) => keeper.take_merged(merged),
            () = tokio::time::sleep(TICK) => {}
        }
    }
}

/// Resolves when the catalog has changed and the last book is old enough.
async fn next_change(views: &mut Receiver<CatalogView>, swapped: Instant) -> Result<(), RecvError> {
    views.changed().await?;
    // Of the change itself nothing is lost: the keeper asks what is different since what it has seen.
    tokio::time::sleep_until(swapped + PACE).await;
    Ok(())
}

/// What is known of the book in force.
struct Keeper {
    shared: Arc<Shared>,
    /// The state of the catalog that it shows.
    seen: Option<Position>,
    /// When its live set changes, if nothing else does.
    next_change: Option<Timestamp>,
    /// When it was put in force.
    swapped: Instant,
    /// Observed requests that its index was filed by.
    built_for: u64,
    /// An index that is being built for it, and by how many observed requests.
    rebuild: Job<(Rebased, u64)>,
    /// Levels of its engine that are being merged.
    merge: Job<Merged>,
}

/// Something that is computed off the path, if anything is.
type Job<T> = Option<BoxFuture<'static, Result<T, Lost>>>;

/// A book of nothing but the catalog.
struct Built {
    book: Book,
    position: Position,
    observed: u64,
}

/// Resolves when there is a job and it has ended.
async fn finished<T>(job: &mut Job<T>) -> Result<T, Lost> {
    let ended = match job {
        Some(running) => running.await,
        None => std::future::pending().await,
    };
    *job = None;
    ended
}

impl Keeper {
    fn new(shared: Arc<Shared>) -> Self {
        let swapped = Instant::now();
        Self { shared, seen: None, next_change: None, swapped, built_for: 0, rebuild: None, merge: None }
    }

    /// Puts a book of this state of the catalog in force.
    async fn follow(&mut self, view: &CatalogView) {
        let seen = self.seen.zip(self.shared.books.last());
        match seen.map(|(seen, book)| (view.changed_since(seen), book)) {
            Some((Changed::Keys(keys), _)) if keys.is_empty() => {}
            Some((Changed::Keys(keys), book)) => self.change(book, view, keys).await,
            Some((Changed::All, _)) | None => self.start(view).await,
        }
        self.consider_rebuild();
        self.consider_merge();
    }

    /// The next book out of this one.
    async fn change(&mut self, book: Arc<Book>, view: &CatalogView, keys: BTreeSet<EntityKey>) {
        let (shared, catalog, now) =
            (Arc::clone(&self.shared), Arc::clone(&view.catalog), self.shared.clock.now());
        let changed = tokio::task::spawn_blocking(move || book.with(&catalog, &keys, &shared.fx, now)).await;
        match changed {
            Ok((book, next)) => {
                self.next_change = self.next_change.into_iter().chain(next).min();
                self.put_in_force(book, view.position());
            }
            Err(error) => tracing::error!(%error, "the catalog could not be compiled; the last book stays"),
        }
    }

    /// A book of nothing but the catalog and the traffic: the first one, or when it is not known what changed. What
    /// changes meanwhile is the next turn's.
    async fn start(&mut self, view: &CatalogView) {
        let (shared, catalog, position) =
            (Arc::clone(&self.shared), Arc::clone(&view.catalog), view.position());
        let built = background("book", move || {
            let traffic = shared.observed.traffic();
            let observed = traffic.requests();
            Built { book: Book::build(&catalog, &shared.fx, &traffic), position, observed }
        });
        let Ok(Built { book, position, observed }) = built.await else {
            tracing::error!("the catalog could not be compiled; the last book stays");
            return;
        };
        self.built_for = observed;
        self.next_change = book.refresh(self.shared.clock.now());
        self.put_in_force(book, position);
    }

    fn consider_rebuild(&mut self) {
        let Some(book) = self.shared.books.last().filter(|_| self.rebuild.is_none()) else { return };
        let crowded = book.engine.pending() > CARRIED.max(book.len() / CARRIED_PART);
        let observed = self.shared.observed.requests();
        let better_known = observed >= ENOUGH.max(self.built_for.saturating_mul(OBSERVED_GROWTH));
        if !crowded && !better_known {
            return;
        }
        let (book, rebuild) = book.rebuild();
        self.shared.books.swap(book);
        let shared = Arc::clone(&self.shared);
        self.rebuild = Some(Box::pin(background("book", move || {
            let traffic = shared.observed.traffic();
            (rebuild.run(&shared.fx, &traffic), traffic.requests())
        })));
    }

    /// The book in force goes on with this index. One of a book that another has replaced is dropped.
    fn take_base(&mut self, rebuilt: Result<(Rebased, u64), Lost>) {
        let Ok((rebased, observed)) = rebuilt else {
            tracing::error!("the index could not be built anew; the last one stays");
            return;
        };
        let Some(book) = self.shared.books.last() else { return };
        if let Some(engine) = book.engine.rebased(rebased) {
            self.built_for = observed;
            self.go_on_with(&book, engine);
        }
    }

    /// At the priority of the changes themselves: searches have a level more to look at until it is done.
    fn consider_merge(&mut self) {
        let Some(book) = self.shared.books.last().filter(|_| self.merge.is_none()) else { return };
        let Some(merge) = book.engine.merge() else { return };
        self.merge = Some(Box::pin(async move {
            let merged = tokio::task::spawn_blocking(move || {
                let (merged, refused) = merge.run(&lists(&book.catalog));
                warn_refused(&refused, &book);
                merged
            });
            merged.await.map_err(|_| Lost)
        }));
    }

    fn take_merged(&mut self, merged: Result<Merged, Lost>) {
        let Ok(merged) = merged else {
            tracing::error!("changes could not be merged; they stay as they are");
            return;
        };
        let Some(book) = self.shared.books.last() else { return };
        if let Some(engine) = book.engine.merged(merged) {
            self.go_on_with(&book, engine);
        }
    }

    fn go_on_with(&mut self, book: &Book, engine: Layered) {
        self.shared.books.swap(book.on(engine));
        self.swapped = Instant::now();
    }

    fn put_in_force(&mut self, book: Book, position: Position) {
        tracing::debug!(
            revision = book.catalog.revision.0,
            line_items = book.len(),
            pending = book.engine.pending(),
            "book in force"
        );
        self.seen = Some(position);
        self.swapped = Instant::now();
        self.shared.books.swap(book);
    }

    /// Brings the live set up to the clock.
    fn follow_clock(&mut self) {
        let now = self.shared.clock.now();
        if self.next_change.is_some_and(|at| at <= now) {
            self.next_change = self.shared.books.last().and_then(|book| book.refresh(now));
        }
    }
}

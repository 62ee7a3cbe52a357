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

/// What failed is tried again after so long.
const REST: Duration = Duration::from_secs(10);

/// Follows the catalog until the drain. What changes makes the next book out of the last one, at once; the index is
/// built anew off the path when it carries many changes, or when the traffic is known better.
pub(crate) async fn keep(shared: Arc<Shared>, follower: CatalogFollower, drain: Drain) {
    let mut views = follower.watch();
    let mut keeper = Keeper::new(shared);
    loop {
        // Asked before the view, which so is no older than this.
        let (asked, age) = (keeper.shared.clock.monotonic(), follower.age(keeper.shared.clock.now()));
        let view = follower.view();
        if view.is_loaded() {
            keeper.follow(&view).await;
        }
        keeper.follow_clock().await;
        // A book that could not take in what the catalog has become grows old with it, and ends as a stale one.
        if let Some(age) = age.filter(|_| keeper.seen == Some(view.position())) {
            keeper.shared.books.was_up_to_date(age, asked);
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
    /// The state of the catalog that it shows; none: only a whole new book is sure to show any.
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
    /// After failures.
    rests: Rests,
}

/// When books, indexes and merges are tried again.
#[derive(Default)]
struct Rests {
    book: Option<Monotonic>,
    rebuild: Option<Monotonic>,
    merge: Option<Monotonic>,
}

/// Something that is computed off the path, if anything is.
type Job<T> = Option<BoxFuture<'static, Result<T, Lost>>>;

/// A book of nothing but the catalog.
struct Built {
    book: Book,
    position: Position,
    observed: u64,
    next_change: Option<Timestamp>,
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
        Self {
            shared,
            seen: None,
            next_change: None,
            swapped,
            built_for: 0,
            rebuild: None,
            merge: None,
            rests: Rests::default(),
        }
    }

    fn rests(&self, until: Option<Monotonic>) -> bool {
        until.is_some_and(|until| self.shared.clock.monotonic() < until)
    }

    fn rest(&self) -> Option<Monotonic> {
        Some(self.shared.clock.monotonic().after(REST))
    }

    /// What was made of the last book may be wrong again next time: the next one is made of nothing but the catalog.
    fn start_over(&mut self) {
        tracing::error!("the catalog could not be compiled; the last book stays until it is stale");
        self.seen = None;
        self.rests.book = self.rest();
    }

    /// Puts a book of this state of the catalog in force.
    async fn follow(&mut self, view: &CatalogView) {
        if self.rests(self.rests.book) {
            return;
        }
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
        let (shared, catalog) = (Arc::clone(&self.shared), Arc::clone(&view.catalog));
        let change = move || book.with(&catalog, &keys, &shared.fx, shared.clock.now());
        let changed = tokio::task::spawn_blocking(change).await;
        match changed {
            Ok((book, next)) => {
                self.next_change = self.next_change.into_iter().chain(next).min();
                self.put_in_force(book, view.position());
            }
            Err(_) => self.start_over(),
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
            let book = Book::build(&catalog, &shared.fx, &traffic);
            let next_change = book.refresh(shared.clock.now());
            Built { book, position, observed, next_change }
        });
        let Ok(Built { book, position, observed, next_change }) = built.await else {
            self.start_over();
            return;
        };
        (self.built_for, self.next_change) = (observed, next_change);
        self.put_in_force(book, position);
    }

    fn consider_rebuild(&mut self) {
        if self.rebuild.is_some() || self.rests(self.rests.rebuild) {
            return;
        }
        let Some(book) = self.shared.books.last() else { return };
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
            self.rests.rebuild = self.rest();
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
        if self.merge.is_some() || self.rests(self.rests.merge) {
            return;
        }
        let Some(book) = self.shared.books.last() else { return };
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
            self.rests.merge = self.rest();
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

    /// Brings the live set up to the clock: of a million line items that takes long enough to be done elsewhere.
    async fn follow_clock(&mut self) {
        let now = self.shared.clock.now();
        let Some(book) = self.shared.books.last().filter(|_| self.next_change.is_some_and(|at| at <= now))
        else {
            return;
        };
        match tokio::task::spawn_blocking(move || book.refresh(now)).await {
            Ok(next) => self.next_change = next,
            Err(_) => {
                self.next_change = None;
                self.start_over();
            }
        }
    }
}

#[cfg(test)]
mod tests;

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
use tagbid_types::{Monotonic, Timestamp};

use super::Book;
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

/// Changes that a book may carry beside its index before it is built anew: so many, or a part of the line items.
const CARRIED: usize = 1_024;
const CARRIED_PART: usize = 32;

/// Observed requests with which an index is worth being filed anew, and by how much they must have grown since the last
/// time.
const OBSERVED: u64 = 2_000;
const OBSERVED_GROWTH: u64 = 8;

/// Follows the catalog until the drain. What changes makes the next book out of the last one, at once; the index is
/// built anew off the path when it carries many changes, or when the traffic is known better.
pub(crate) async fn keep(shared: Arc<Shared>, follower: CatalogFollower, drain: Drain) {
    let mut views = follower.watch();
    let mut keeper = Keeper { shared, seen: None, next_change: None, built_for: 0, rebuild: None };
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
            changed = views.changed() => if changed.is_err() { return },
            rebuilt = finished(&mut keeper.rebuild) => keeper.take(rebuilt, &follower.view()).await,
            () = tokio::time::sleep(TICK) => {}
        }
    }
}

/// What is known of the book in force.
struct Keeper {
    shared: Arc<Shared>,
    /// The state of the catalog that it shows.
    seen: Option<Position>,
    /// When its live set changes, if nothing else does.
    next_change: Option<Timestamp>,
    /// Observed requests that its index was filed by.
    built_for: u64,
    rebuild: Option<Rebuild>,
}

/// A book being built anew.
type Rebuild = BoxFuture<'static, Result<Rebuilt, Lost>>;

struct Rebuilt {
    book: Book,
    position: Position,
    observed: u64,
}

/// Resolves when there is a rebuild and it has ended.
async fn finished(rebuild: &mut Option<Rebuild>) -> Result<Rebuilt, Lost> {
    let ended = match rebuild {
        Some(rebuild) => rebuild.await,
        None => std::future::pending().await,
    };
    *rebuild = None;
    ended
}

impl Keeper {
    /// Puts a book of this state of the catalog in force.
    async fn follow(&mut self, view: &CatalogView) {
        let seen = self.seen.zip(self.shared.books.last());
        match seen.map(|(seen, book)| (view.changed_since(seen), book)) {
            Some((Changed::Keys(keys), _)) if keys.is_empty() => {}
            Some((Changed::Keys(keys), book)) => self.change(book, view, keys).await,
            Some((Changed::All, _)) | None => {
                let rebuilt = self.build(view).await;
                self.take(rebuilt, view).await;
            }
        }
        self.consider_rebuild(view);
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

    /// A book from nothing but the catalog and the traffic, off the path.
    fn build(&self, view: &CatalogView) -> Rebuild {
        let (shared, catalog, position) =
            (Arc::clone(&self.shared), Arc::clone(&view.catalog), view.position());
        Box::pin(background("book", move || {
            let traffic = shared.observed.traffic();
            Rebuilt {
                book: Book::build(&catalog, &shared.fx, &traffic),
                position,
                observed: traffic.requests(),
            }
        }))
    }

    /// Puts a book that was built anew in force, with all that changed meanwhile.
    async fn take(&mut self, rebuilt: Result<Rebuilt, Lost>, view: &CatalogView) {
        let Ok(Rebuilt { book, position, observed }) = rebuilt else {
            tracing::error!("the catalog could not be compiled; the last book stays");
            return;
        };
        self.built_for = observed;
        self.next_change = book.refresh(self.shared.clock.now());
        match view.changed_since(position) {
            Changed::Keys(keys) if !keys.is_empty() => self.change(Arc::new(book), view, keys).await,
            // What is in force is no older than this: it is only filed worse. The next turn builds from the snapshot.
            Changed::All if self.seen.is_some() => {}
            Changed::Keys(_) | Changed::All => self.put_in_force(book, position),
        }
    }

    fn put_in_force(&mut self, book: Book, position: Position) {
        tracing::debug!(
            revision = book.catalog.revision.0,
            line_items = book.len(),
            pending = book.engine.pending(),
            "book in force"
        );
        self.seen = Some(position);
        self.shared.books.swap(book);
    }

    fn consider_rebuild(&mut self, view: &CatalogView) {
        let Some(book) = self.shared.books.last().filter(|_| self.rebuild.is_none()) else { return };
        let crowded = book.engine.pending() > CARRIED.max(book.len() / CARRIED_PART);
        let observed = self.shared.observed.requests();
        let better_known = observed >= OBSERVED.max(self.built_for.saturating_mul(OBSERVED_GROWTH));
        if crowded || better_known {
            self.rebuild = Some(self.build(view));
        }
    }

    /// Brings the live set up to the clock.
    fn follow_clock(&mut self) {
        let now = self.shared.clock.now();
        if self.next_change.is_some_and(|at| at <= now) {
            self.next_change = self.shared.books.last().and_then(|book| book.refresh(now));
        }
    }
}

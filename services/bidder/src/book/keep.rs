//! Keeping the book: rebuilt off the path when the catalog changes, swapped whole, dropped when it may be stale.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwapOption, Guard};
use tagbid_catalog::Catalog;
use tagbid_clients::CatalogFollower;
use tagbid_runtime::Drain;
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

/// Follows the catalog until the drain: each change makes another book, off the path; the clock moves the live set.
pub(crate) async fn keep(shared: Arc<Shared>, follower: CatalogFollower, drain: Drain) {
    let mut views = follower.watch();
    let mut next_change = None;
    let mut built = false;
    loop {
        let now = shared.clock.now();
        if follower.view().is_loaded() && (!built || views.has_changed().unwrap_or(false)) {
            let catalog = Arc::clone(&views.borrow_and_update().catalog);
            next_change = rebuild(&shared, catalog, now).await;
            built = true;
        } else if next_change.is_some_and(|at| at <= now) {
            next_change = shared.books.last().and_then(|book| book.refresh(now));
        }
        if let Some(age) = follower.age(now).filter(|_| built) {
            shared.books.was_up_to_date(age, shared.clock.monotonic());
        }
        tokio::select! {
            () = drain.wait() => return,
            changed = views.changed(), if built => {
                if changed.is_err() {
                    return;
                }
                views.mark_changed();
            }
            () = tokio::time::sleep(TICK) => {}
        }
    }
}

/// Compiles the catalog on a thread where it delays nobody, and puts it in force. When its live set changes next.
async fn rebuild(shared: &Arc<Shared>, catalog: Arc<Catalog>, now: Timestamp) -> Option<Timestamp> {
    let (building, began) = (Arc::clone(shared), shared.clock.monotonic());
    let built = tokio::task::spawn_blocking(move || {
        let book = Book::build(&catalog, &building.fx);
        let next = book.refresh(now);
        (book, next)
    });
    match built.await {
        Ok((book, next)) => {
            let took = shared.clock.monotonic().since(began);
            tracing::debug!(
                revision = book.catalog.revision.0,
                line_items = book.len(),
                ?took,
                "book in force"
            );
            shared.books.swap(book);
            next
        }
        Err(error) => {
            tracing::error!(%error, "the catalog could not be compiled; the last book stays");
            None
        }
    }
}

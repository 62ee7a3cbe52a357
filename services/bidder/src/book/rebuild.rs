//! Another index under the same book: what takes long, apart from the book that goes on changing.

use tagbid_pricing::Fx;
use tagbid_targeting::{Layered, Rebase, Rebased, Traffic};

use super::Book;
use super::build::{compiled, lists, warn_refused};

/// An index to be built of all that a book has. Places stay, so that changes which come meanwhile hold for the new
/// index too.
pub(super) struct Rebuild {
    rebase: Rebase,
    book: Book,
}

impl Rebuild {
    pub(super) fn run(self, fx: &Fx, traffic: &Traffic) -> Rebased {
        let Self { rebase, book } = self;
        let lists = lists(&book.catalog);
        let present = book.slots.values().filter_map(|slot| Some((*slot, book.place(*slot)?)));
        let items = present.filter_map(|(slot, place)| compiled(slot, place, fx));
        let (rebased, refused) = rebase.run(items, &lists, traffic);
        warn_refused(&refused, &book);
        rebased
    }
}

impl Book {
    /// The same book from which another index is being built: what changes from here on belongs to it.
    pub(super) fn rebuild(&self) -> (Self, Rebuild) {
        let mut book = self.clone();
        let rebase = book.engine.rebase();
        (book, Rebuild { rebase, book: self.clone() })
    }

    /// The same book with another form of its engine. It shares its live set.
    pub(super) fn on(&self, engine: Layered) -> Self {
        Self { engine, ..self.clone() }
    }
}

//! The counts: for each line item of the book, since it came into it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use tagbid_ports::{LineItemFunnel, Loss};
use tagbid_pricing::Fx;
use tagbid_targeting::LiveSet;
use tagbid_types::{LineItemId, Monotonic, Timestamp};

use super::Sample;
use super::pass::{Fate, Passed, Scope};
use crate::book::Book;

/// Going through the line items of a new book may take one part in so many of the thread's time: a large catalog
/// that changes all the time is followed in strides.
const FOLLOW_PART: u32 = 20;

/// What was counted since the start.
pub(crate) struct Tally {
    since: Timestamp,
    counts: Mutex<Counts>,
}

struct Counts {
    impressions: u64,
    items: HashMap<LineItemId, Item>,
    followed: Followed,
    /// Places that the scope has room for.
    places: u32,
    scope: Scope,
}

/// The last book that was gone through.
#[derive(Default)]
struct Followed {
    book: Weak<Book>,
    /// Arrival of the sample that it came with.
    arrival: Monotonic,
    /// When the next one may be gone through; none before the first.
    next: Option<Instant>,
}

/// One line item. Every impression is considered for every line item of the book, so only where it began is kept.
struct Item {
    since: Timestamp,
    /// Impressions counted before it came.
    before: u64,
    /// Most line items of a large catalog have not matched anything yet.
    came: Option<Box<Came>>,
}

#[derive(Default)]
struct Came {
    matched: u64,
    priced: u64,
    bid: u64,
    losses: BTreeMap<Loss, u64>,
}

impl Tally {
    pub(crate) fn new(since: Timestamp) -> Self {
        let counts = Counts {
            impressions: 0,
            items: HashMap::new(),
            followed: Followed::default(),
            places: 0,
            scope: Scope { everybody: LiveSet::new(0), unpriceable: Vec::new() },
        };
        Self { since, counts: Mutex::new(counts) }
    }

    /// When counting began.
    pub(crate) fn since(&self) -> Timestamp {
        self.since
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the next pass looks for.
    pub(super) fn scope(&self) -> Scope {
        self.counts().scope.clone()
    }

    /// Takes in line items that are new in the sample's book and forgets those that left it.
    pub(super) fn follow(&self, sample: &Sample, fx: &Fx) {
        let mut counts = self.counts();
        let book = &sample.book;
        if counts.places < book.places() {
            counts.places = book.places();
            counts.scope.everybody = LiveSet::all(book.places());
        }
        let began = Instant::now();
        if !counts.followed.wants(sample, began) {
            return;
        }
        let first = counts.followed.next.is_none();
        let (since, before) = (if first { self.since } else { sample.settled.now }, counts.impressions);
        counts.items.retain(|id, _| book.holds(*id));
        for id in book.line_items() {
            counts.items.entry(id).or_insert(Item { since, before, came: None });
        }
        counts.scope.unpriceable = book.unpriceable(fx);
        counts.followed = Followed {
            book: Arc::downgrade(book),
            arrival: sample.incoming.arrival,
            next: began.checked_add(began.elapsed() * FOLLOW_PART),
        };
    }

    /// Adds a pass.
    pub(super) fn add(&self, passed: &Passed, now: Timestamp) {
        let mut counts = self.counts();
        let before = counts.impressions;
        counts.impressions += passed.impressions;
        for (id, fate) in &passed.fates {
            // One that matches before its book was gone through begins here.
            let item = counts.items.entry(*id).or_insert(Item { since: now, before, came: None });
            item.came.get_or_insert_default().add(*fate);
        }
    }

    /// The funnels of these line items.
    pub(crate) fn of(&self, line_items: &[LineItemId]) -> Vec<LineItemFunnel> {
        let counts = self.counts();
        line_items.iter().map(|id| counts.of(*id)).collect()
    }
}

impl Followed {
    /// Whether the sample's book is another and no older one, and it is time.
    fn wants(&self, sample: &Sample, now: Instant) -> bool {
        let other = !std::ptr::eq(self.book.as_ptr(), Arc::as_ptr(&sample.book));
        // Around a change of books copies of both are waiting: what came with the new one must not be forgotten.
        let newer = sample.incoming.arrival >= self.arrival;
        other && newer && self.next.is_none_or(|next| next <= now)
    }
}

impl Counts {
    fn of(&self, id: LineItemId) -> LineItemFunnel {
        let empty = LineItemFunnel::empty(id);
        let Some(item) = self.items.get(&id) else { return empty };
        let (since, considered) = (Some(item.since), self.impressions.saturating_sub(item.before));
        match &item.came {
            None => LineItemFunnel { since, considered, ..empty },
            Some(came) => LineItemFunnel {
                line_item: id,
                since,
                considered,
                matched: came.matched,
                losses: came.losses.clone(),
                priced: came.priced,
                bid: came.bid,
            },
        }
    }
}

impl Came {
    fn add(&mut self, fate: Fate) {
        self.matched += 1;
        self.priced += u64::from(fate.is_priced());
        match fate.loss() {
            Some(loss) => *self.losses.entry(loss).or_default() += 1,
            None => self.bid += 1,
        }
    }
}

//! The book: the catalog as the bid path reads it. Immutable and swapped whole when the catalog changes, but for the
//! live set, which follows the clock.

mod build;
mod keep;

use std::collections::HashMap;
use std::sync::Arc;

use tagbid_catalog::schedule::{Calendar, Liveness, is_live, next_change};
use tagbid_catalog::{Advertiser, Campaign, Catalog, Creative, Deal, LineItem};
use tagbid_targeting::{LiveSet, Scan, Slot};
use tagbid_types::{BudgetDay, ExchangeName, LineItemId, Timestamp};

pub(crate) use build::{left_out, lists};
pub(crate) use keep::{BookHandle, keep};

/// All that may bid.
#[derive(Debug)]
pub(crate) struct Book {
    /// The catalog that it was made from.
    pub(crate) catalog: Arc<Catalog>,
    /// The search. A plain scan today; anything that is an `Engine` fits.
    pub(crate) engine: Scan,
    /// Which slots may bid now.
    pub(crate) live: LiveSet,
    entries: Vec<Entry>,
    slots: HashMap<LineItemId, Slot>,
    deals: HashMap<ExchangeName, HashMap<String, Vec<Arc<Deal>>>>,
}

/// A line item with all that it needs to bid.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) item: Arc<LineItem>,
    pub(crate) campaign: Arc<Campaign>,
    pub(crate) advertiser: Arc<Advertiser>,
    pub(crate) creatives: Vec<Arc<Creative>>,
    calendar: Calendar,
    /// Deal codes that its targeting asks for: it bids under these deals and no others.
    deal_codes: Vec<String>,
}

impl Entry {
    /// Whether its targeting asks for the deal: it bids under no other, and not in the open auction where one that
    /// it asks for is offered.
    pub(crate) fn asks_for_deal(&self, code: &str) -> bool {
        self.deal_codes.iter().any(|own| own.eq_ignore_ascii_case(code.trim()))
    }

    /// Whether its schedule and status let it bid now.
    pub(crate) fn liveness(&self, now: Timestamp) -> Liveness {
        is_live(&self.item, &self.campaign, &self.advertiser, &self.calendar, now)
    }

    /// The advertiser's day that a bid of this moment belongs to.
    pub(crate) fn budget_day(&self, now: Timestamp) -> BudgetDay {
        self.calendar.day(now)
    }
}

impl Book {
    /// The line item at a slot that the engine named.
    pub(crate) fn entry(&self, slot: Slot) -> Option<&Entry> {
        self.entries.get(slot.0 as usize)
    }

    /// The line item of that id.
    pub(crate) fn find(&self, id: LineItemId) -> Option<(Slot, &Entry)> {
        let slot = *self.slots.get(&id)?;
        Some((slot, self.entry(slot)?))
    }

    /// How many line items it holds, live or not.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// What this advertiser agreed with the exchange under a deal code.
    pub(crate) fn deal(&self, exchange: &ExchangeName, code: &str, owner: &Advertiser) -> Option<&Deal> {
        let agreed = self.deals.get(exchange)?.get(code)?;
        agreed.iter().find(|deal| deal.advertiser == owner.id).map(Arc::as_ref)
    }

    /// Brings the live set up to this moment. Returns when it has to be done again, if nothing else changes.
    pub(crate) fn refresh(&self, now: Timestamp) -> Option<Timestamp> {
        let mut next: Option<Timestamp> = None;
        for (slot, entry) in (0..).map(Slot).zip(&self.entries) {
            self.live.set(slot, entry.liveness(now) == Liveness::Live);
            let change = next_change(&entry.item, &entry.campaign, &entry.calendar, now);
            next = next.into_iter().chain(change).min();
        }
        next
    }
}

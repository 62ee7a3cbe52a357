//! The book: the catalog as the bid path reads it. A value: what changes makes another book, which shares with the last
//! one all that stayed, and is swapped in whole. Only the live set of the book in force follows the clock.

mod build;
mod change;
mod contact;
mod keep;
mod kits;
mod places;
mod rebuild;
mod referrers;
#[cfg(test)]
mod tests;
mod vocabulary;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use bumpalo::Bump;
use rpds::{HashTrieMapSync, VectorSync};
use tagbid_budget::{Fund, Funds, Pocket, Pockets};
use tagbid_catalog::schedule::{Calendar, Liveness, is_live, next_change};
use tagbid_catalog::{Advertiser, Campaign, Catalog, Creative, Deal, LineItem, MAX_TIER};
use tagbid_openrtb::Imp;
use tagbid_ports::Datasets;
use tagbid_targeting::{Class, Expr, Layered, LiveSet, Slot, UnknownTags};
use tagbid_types::{BudgetDay, ExchangeName, LineItemId, Timestamp};

pub(crate) use build::{left_out, lists, never_contact};
pub(crate) use contact::ranked;
pub(crate) use keep::{BookHandle, keep};
pub(crate) use kits::Kit;
pub(crate) use places::Place;

use crate::caps::{Cap, Counts};
use contact::Contact;
use kits::Kits;
use places::Places;
use referrers::Referrers;
use vocabulary::Vocabulary;

/// All that may bid.
#[derive(Clone, Debug)]
pub(crate) struct Book {
    /// The catalog that it was made from.
    pub(crate) catalog: Arc<Catalog>,
    /// The search.
    pub(crate) engine: Layered,
    /// Which slots may bid now.
    pub(crate) live: LiveSet,
    /// By slot. What left the book stays until another line item takes its place.
    places: Places,
    kits: Kits,
    slots: HashTrieMapSync<LineItemId, Slot>,
    /// Slots that no line item has.
    free: VectorSync<Slot>,
    referrers: Referrers,
    vocabulary: Vocabulary,
    contact: Contact,
    deals: Arc<Deals>,
}

/// By exchange and code.
type Deals = HashMap<ExchangeName, HashMap<String, Vec<Arc<Deal>>>>;

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
    /// Whether it has a budget, or its campaign or advertiser has: then it bids out of leases.
    pub(crate) limited: bool,
    /// Whether one of them has a capacity: then it leases impressions too.
    pub(crate) rationed: bool,
    pocket: OnceLock<Arc<Pocket>>,
    impressions: OnceLock<Arc<Pocket>>,
    /// Its own, its campaign's and its advertiser's.
    pub(crate) caps: Box<[Cap]>,
    /// What its impressions count for.
    pub(crate) counts: Counts,
    /// Its targeting and, with that, whom its advertiser never contacts; none: its targeting is all.
    restricted: Option<Box<Expr>>,
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

    /// When that day ends.
    pub(crate) fn budget_day_ends(&self, now: Timestamp) -> Timestamp {
        self.calendar.day_ends(now)
    }

    /// Its money.
    pub(crate) fn pocket(&self, pockets: &Pockets) -> &Pocket {
        self.pocket.get_or_init(|| pockets.of(self.item.id))
    }

    /// What it bids out of: nothing, where nothing limits it.
    #[inline]
    pub(crate) fn funds(&self, pockets: &Pockets) -> Funds<'_> {
        let impressions = || &**self.impressions.get_or_init(|| pockets.of(Fund::impressions(self.item.id)));
        Funds {
            money: self.limited.then(|| self.pocket(pockets)),
            impressions: self.rationed.then(impressions),
        }
    }

    /// Whether it bids out of leases.
    #[inline]
    pub(crate) fn is_leased(&self) -> bool {
        self.limited || self.rationed
    }

    /// Whom and where, as far as its advertiser allows.
    pub(crate) fn targeting(&self) -> &Expr {
        self.restricted.as_deref().unwrap_or(&self.item.targeting)
    }

    /// Its campaign's tier.
    pub(crate) fn tier(&self) -> u8 {
        self.campaign.tier.min(MAX_TIER)
    }

    fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        next_change(&self.item, &self.campaign, &self.calendar, now)
    }
}

impl Book {
    /// The line item at a slot that the engine named.
    pub(crate) fn entry(&self, slot: Slot) -> Option<&Entry> {
        self.place(slot).map(|place| &*place.entry)
    }

    /// The same with what is known of it without looking at it.
    #[inline]
    pub(crate) fn place(&self, slot: Slot) -> Option<&Place> {
        self.places.get(slot.0 as usize)
    }

    /// Whether the impression has a place for a creative of this class of line items.
    pub(crate) fn fits(&self, class: Class, imp: &Imp<'_>) -> bool {
        self.kits.shapes(class).is_none_or(|shapes| shapes.iter().any(|shape| shape.fits(imp)))
    }

    /// The line item of that id.
    pub(crate) fn find(&self, id: LineItemId) -> Option<(Slot, &Entry)> {
        let slot = *self.slots.get(&id)?;
        Some((slot, self.entry(slot)?))
    }

    /// Places of its line items are below this.
    pub(crate) fn places(&self) -> u32 {
        u32::try_from(self.places.len()).unwrap_or(u32::MAX)
    }

    /// The line items that it holds, live or not.
    pub(crate) fn line_items(&self) -> impl Iterator<Item = LineItemId> + '_ {
        self.slots.keys().copied()
    }

    /// Whether it holds the line item.
    pub(crate) fn holds(&self, id: LineItemId) -> bool {
        self.slots.contains_key(&id)
    }

    /// How many line items it holds, live or not.
    pub(crate) fn len(&self) -> usize {
        self.slots.size()
    }

    /// The datasets that its line items name tags of: what to look a user up in.
    pub(crate) fn datasets(&self) -> Datasets {
        self.vocabulary.datasets()
    }

    /// Whether anything in it has a frequency cap: then a user's counts are looked up too.
    pub(crate) fn has_caps(&self) -> bool {
        self.contact.has_caps()
    }

    /// Whether a bid of this line item counts under a cap of any.
    pub(crate) fn counts(&self, entry: &Entry) -> bool {
        self.contact.counts(entry)
    }

    /// The tier below which it has no line item.
    pub(crate) fn lowest_tier(&self) -> u8 {
        self.contact.lowest_tier()
    }

    /// Which of the tags that its line items name are unknown while these datasets do not answer; none: every offline
    /// tag.
    pub(crate) fn unknown_tags<'a>(&'a self, lost: &Datasets, arena: &'a Bump) -> Option<UnknownTags<'a>> {
        self.vocabulary.unknown(lost, arena)
    }

    /// What this advertiser agreed with the exchange under a deal code.
    pub(crate) fn deal(&self, exchange: &ExchangeName, code: &str, owner: &Advertiser) -> Option<&Deal> {
        let agreed = self.deals.get(exchange)?.get(code)?;
        agreed.iter().find(|deal| deal.advertiser == owner.id).map(Arc::as_ref)
    }

    /// Brings the live set up to this moment. Returns when it has to be done again, if nothing else changes.
    pub(crate) fn refresh(&self, now: Timestamp) -> Option<Timestamp> {
        self.refresh_slots(self.slots.values().copied(), now)
    }

    fn refresh_slots(&self, slots: impl Iterator<Item = Slot>, now: Timestamp) -> Option<Timestamp> {
        let mut next: Option<Timestamp> = None;
        for slot in slots {
            let Some(entry) = self.entry(slot) else { continue };
            self.live.set(slot, entry.liveness(now) == Liveness::Live);
            next = next.into_iter().chain(entry.next_change(now)).min();
        }
        next
    }
}

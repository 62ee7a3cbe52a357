//! From the catalog to the book.

use std::sync::{Arc, OnceLock};

use rpds::VectorSync;
use tagbid_catalog::schedule::Calendar;
use tagbid_catalog::{Capacity, Catalog, Creative, Entity, EntityKey, EntityKind, LineItem, List, ListKind};
use tagbid_pricing::{Bounds, Fx};
use tagbid_targeting::{
    Dimension, Expr, Index, Item, Layered, Leaf, Lists, LiveSet, Raise, Refused, Slot, TagKind, TagTest,
    Traffic,
};
use tagbid_types::{LineItemId, NoBidReason, TagId};

use crate::caps::{Counts, caps_of};

use super::contact::{Contact, rank};
use super::{Book, Deals, Entry, Kits, Place, Places, Referrers, Vocabulary};

impl Book {
    /// Compiles the catalog, filed by the traffic that was observed. A line item that cannot bid (archived, without
    /// campaign or creative, in a currency without rate) is left out; one that merely may not bid now is in. None is
    /// live until [`Book::refresh`].
    pub(crate) fn build(catalog: &Arc<Catalog>, fx: &Fx, traffic: &Traffic) -> Self {
        let mut kits = Kits::default();
        let entries = line_items(catalog).filter_map(|item| entry(catalog, item).ok());
        let places: Places = entries.map(|entry| kits.place(entry)).collect();
        let slots = || (0..).map(Slot).zip(places.iter());
        let lists = lists(catalog);
        let items = slots().filter_map(|(slot, place)| compiled(slot, place, fx));
        let (index, refused) = Index::build(items, &lists, traffic);
        drop(lists);
        let mut vocabulary = Vocabulary::default();
        let mut contact = Contact::default();
        for place in places.iter() {
            vocabulary.add(&place.entry, catalog);
            contact.add(&place.entry);
        }
        let book = Self {
            engine: Layered::new(index),
            vocabulary,
            contact,
            live: LiveSet::new(u32::try_from(places.len()).unwrap_or(u32::MAX)),
            slots: slots().map(|(slot, place)| (place.entry.item.id, slot)).collect(),
            free: VectorSync::new_sync(),
            referrers: Referrers::of(catalog),
            deals: Arc::new(deals(catalog)),
            catalog: Arc::clone(catalog),
            places,
            kits,
        };
        warn_refused(&refused, &book);
        book
    }
}

/// Line items that the engine could not take never bid; their advertiser is told by `Explain`.
pub(super) fn warn_refused(refused: &[Refused], book: &Book) {
    for one in refused {
        let id = book.entry(one.slot).map(|entry| entry.item.id.0);
        tracing::warn!(line_item = id, reason = ?one.reason, "line item left out of the search");
    }
}

/// All line items, archived ones too.
pub(super) fn line_items(catalog: &Catalog) -> impl Iterator<Item = &Arc<LineItem>> {
    of_kind(catalog, EntityKind::LineItem).filter_map(|entity| match entity {
        Entity::LineItem(item) => Some(item),
        _ => None,
    })
}

fn of_kind(catalog: &Catalog, kind: EntityKind) -> impl Iterator<Item = &Entity> {
    catalog.entities.range(key(kind, 0)..=key(kind, u64::MAX)).map(|(_, entity)| entity)
}

/// Why a line item of the catalog is not in the book.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LeftOut {
    #[error("the line item is archived")]
    Archived,
    #[error("the line item has no creative that is not archived: give it one")]
    NoCreative,
    /// The campaigns role refuses such line items, so this is a fault of the deployment.
    #[error("the bidder's catalog lacks the {0} of the line item")]
    Incomplete(&'static str),
    #[error("the time zone {0:?} of the advertiser is not known to the bidder")]
    TimeZone(String),
}

impl LeftOut {
    pub(crate) fn reason(&self) -> NoBidReason {
        match self {
            Self::Archived => NoBidReason::NotLive,
            Self::NoCreative => NoBidReason::NoCreative,
            Self::Incomplete(_) | Self::TimeZone(_) => NoBidReason::TechnicalError,
        }
    }
}

/// Why the book made of this catalog does not have the line item; none when the catalog does not know it.
pub(crate) fn left_out(catalog: &Catalog, id: LineItemId) -> Option<LeftOut> {
    match catalog.entities.get(&key(EntityKind::LineItem, id.0))? {
        Entity::LineItem(item) => entry(catalog, item).err(),
        _ => None,
    }
}

/// A line item with what it refers to.
pub(super) fn entry(catalog: &Catalog, item: &Arc<LineItem>) -> Result<Entry, LeftOut> {
    if item.header.archived {
        return Err(LeftOut::Archived);
    }
    let campaign = match catalog.entities.get(&key(EntityKind::Campaign, item.campaign.0)) {
        Some(Entity::Campaign(campaign)) => Arc::clone(campaign),
        _ => return Err(LeftOut::Incomplete("campaign")),
    };
    let advertiser = match catalog.entities.get(&key(EntityKind::Advertiser, item.advertiser.0)) {
        Some(Entity::Advertiser(advertiser)) => Arc::clone(advertiser),
        _ => return Err(LeftOut::Incomplete("advertiser")),
    };
    let zone = &advertiser.time_zone;
    let calendar = Calendar::named(zone).ok_or_else(|| LeftOut::TimeZone(zone.clone()))?;
    let creatives: Vec<_> = item.creatives.iter().filter_map(|id| creative(catalog, id.0)).collect();
    if creatives.is_empty() {
        return Err(LeftOut::NoCreative);
    }
    let mut deal_codes = Vec::new();
    wanted_deals(&item.targeting, &mut deal_codes);
    let budgets = [item.budget, campaign.budget, advertiser.budget];
    let limited = budgets.iter().any(|budget| budget.daily.is_some() || budget.lifetime.is_some());
    let capacities = [item.capacity, campaign.capacity, advertiser.capacity];
    let rationed = capacities.iter().any(|capacity| *capacity != Capacity::default());
    Ok(Entry {
        item: Arc::clone(item),
        caps: caps_of(item, &campaign, &advertiser),
        counts: Counts::of(item),
        restricted: restricted(&item.targeting, &advertiser.never_contact),
        campaign,
        advertiser,
        creatives,
        calendar,
        deal_codes,
        limited,
        rationed,
        pocket: OnceLock::new(),
        impressions: OnceLock::new(),
    })
}

/// What a line item has to say of users whom its advertiser never contacts. Of tags that are not known it is not true,
/// nor is its opposite: nobody is contacted who may be one of them.
pub(crate) fn never_contact(tags: &[TagId]) -> Expr {
    let tags = TagTest { any_of: tags.to_vec(), kind: TagKind::Any, min_weight: 0, max_age_s: None };
    Expr::Not(Box::new(Expr::Leaf(Leaf::Tag(tags))))
}

fn restricted(targeting: &Expr, tags: &[TagId]) -> Option<Box<Expr>> {
    (!tags.is_empty()).then(|| Box::new(Expr::All(vec![targeting.clone(), never_contact(tags)])))
}

fn creative(catalog: &Catalog, id: u64) -> Option<Arc<Creative>> {
    match catalog.entities.get(&key(EntityKind::Creative, id))? {
        Entity::Creative(creative) if !creative.header.archived => Some(Arc::clone(creative)),
        _ => None,
    }
}

/// Deals that the expression asks for: what stands under a `not` is what it refuses.
fn wanted_deals(expr: &Expr, codes: &mut Vec<String>) {
    match expr {
        Expr::All(parts) | Expr::Any(parts) => parts.iter().for_each(|part| wanted_deals(part, codes)),
        Expr::Leaf(Leaf::In { dimension: Dimension::Deal, values }) => codes.extend(values.iter().cloned()),
        Expr::Not(_) | Expr::Leaf(_) => {}
    }
}

const fn key(kind: EntityKind, id: u64) -> EntityKey {
    EntityKey { kind, id }
}

/// Bounds are compared in US dollars, within a tier; the price itself is computed in the line item's own currency.
pub(super) fn compiled<'c>(slot: Slot, place: &'c Place, fx: &Fx) -> Option<Item<'c>> {
    let entry = &place.entry;
    let rules = &entry.item.bid;
    if !fx.knows(entry.advertiser.currency) {
        tracing::warn!(line_item = entry.item.id.0, currency = %entry.advertiser.currency, "no rate: cannot be billed");
        return None;
    }
    let Bounds { bound, raises } = rules.bounds(fx).ok()?;
    let tests = rules.multipliers.iter().map(|multiplier| &multiplier.when).collect();
    let ranked = |bound| rank(entry.tier(), bound);
    let raises = raises.into_iter().map(|raise| Raise { bound: ranked(raise.bound), ..raise }).collect();
    let (targeting, bound) = (entry.targeting(), ranked(bound));
    Some(Item { slot, targeting, class: place.class, bound, raises, tests })
}

impl Book {
    /// Line items that the search leaves out because there is no rate for their money.
    pub(crate) fn unpriceable(&self, fx: &Fx) -> Vec<LineItemId> {
        let known = |entry: &Entry| fx.knows(entry.item.bid.currency) && fx.knows(entry.advertiser.currency);
        let present = self.slots.values().filter_map(|slot| self.entry(*slot));
        present.filter(|entry| !known(entry)).map(|entry| entry.item.id).collect()
    }
}

/// The shared lists that expressions may name.
pub(crate) fn lists(catalog: &Catalog) -> Lists<'_> {
    let mut lists = Lists::default();
    for entity in of_kind(catalog, EntityKind::List) {
        // An archived list still stands in the line items that name it.
        if let Entity::List(list) = entity {
            lists.insert(list.id, dimension(list), &list.values);
        }
    }
    lists
}

fn dimension(list: &List) -> Dimension {
    match list.kind {
        ListKind::Site => Dimension::Site,
        ListKind::App => Dimension::App,
        ListKind::Domain => Dimension::Domain,
        ListKind::Publisher => Dimension::Publisher,
    }
}

pub(super) fn deals(catalog: &Catalog) -> Deals {
    let mut deals = Deals::new();
    for entity in of_kind(catalog, EntityKind::Deal) {
        if let Entity::Deal(deal) = entity
            && !deal.header.archived
        {
            let codes = deals.entry(deal.exchange.clone()).or_default();
            codes.entry(deal.code.clone()).or_default().push(Arc::clone(deal));
        }
    }
    deals
}

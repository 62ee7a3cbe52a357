//! Why a line item would or would not bid on a request: the stages of the bid path again, but each to its end, with
//! every obstacle in words. Bids nothing and counts nothing.

mod caps;

use std::cmp::Reverse;
use std::time::Duration;

use bumpalo::Bump;
use tagbid_catalog::schedule::Liveness;
use tagbid_catalog::validate::api_path;
use tagbid_catalog::{Catalog, Creative, Entity, EntityKey, EntityKind};
use tagbid_consent::Decision;
use tagbid_openrtb::{Imp, Request};
use tagbid_ports::{ExplainError, Explanation, ImpressionExplanation, Reason};
use tagbid_pricing::{Floor, Priced};
use tagbid_targeting::{Attributes, Engine, Failure, Names, Probe, Slot, explain};
use tagbid_types::{Cpm, LineItemId, ListId, Nanos, NoBidReason, TagId, Use};

use crate::adapt;
use crate::book::{Book, Entry, left_out, lists, never_contact};
use crate::gates;
use crate::identity;
use crate::path::{Context, Known, NoSale, Opened, Suppressed, attributes, offer, open_request, verdict};
use crate::worker::{Incoming, Worker};

/// How long an explanation waits for the user's tags.
const TAGS_WAIT: Duration = Duration::from_secs(1);

/// A line item against a request.
struct Case<'c, 'a> {
    context: &'c Context<'a>,
    book: &'a Book,
    slot: Slot,
    entry: &'a Entry,
    known: &'c Known<'a>,
    /// Whether the request has an id that stands for its user.
    identified: bool,
    arena: &'a Bump,
}

/// Explains one line item.
pub(crate) async fn explain_line_item(
    worker: &Worker,
    incoming: &Incoming,
    line_item: LineItemId,
) -> Result<Explanation, ExplainError> {
    let arena = &Bump::new();
    let settings = worker
        .options()
        .exchanges
        .get(&incoming.exchange)
        .ok_or_else(|| ExplainError::UnknownExchange(incoming.exchange.clone()))?;
    let call = incoming.call(settings);
    let no_book = || ExplainError::Unavailable("the bidder has not received a catalog yet".into());
    let book = worker.last_book().ok_or_else(no_book)?;
    let Some((slot, entry)) = book.find(line_item) else { return not_in(&book, line_item) };
    let opened = open_request(worker, &call, &book, worker.monotonic().after(TAGS_WAIT), arena).await;
    let Opened { request, decision, context, known, mut obstacles } =
        opened.map_err(|refusal| ExplainError::Request(refusal.message))?;
    let context = match context {
        Ok(context) => context,
        Err(reason) => {
            obstacles.push(reason);
            return Ok(Explanation {
                request_reasons: in_words(&obstacles, request, &decision),
                ..Default::default()
            });
        }
    };
    let attributes = attributes(&context, &known, arena);
    let probe: &Probe<'_> = arena.alloc(book.engine.probe(&attributes, arena));
    let identified = identity::user(request, &incoming.exchange, worker.mac_keys()).is_some();
    let case = Case { context: &context, book: &book, slot, entry, known: &known, identified, arena };
    let impressions = request.imp.iter().map(|imp| case.impression(imp, &attributes, probe)).collect();
    Ok(Explanation { request_reasons: in_words(&obstacles, request, &decision), impressions })
}

/// A line item that the book does not have: the catalog says why, or does not know it.
fn not_in(book: &Book, line_item: LineItemId) -> Result<Explanation, ExplainError> {
    let catalog = &book.catalog;
    let unknown = || ExplainError::UnknownLineItem { line_item, revision: catalog.revision };
    let why = left_out(catalog, line_item).ok_or_else(unknown)?;
    let reasons = vec![reason(why.reason(), why.to_string())];
    Ok(Explanation { request_reasons: reasons, impressions: Vec::new() })
}

impl<'a> Case<'_, 'a> {
    fn impression(
        &self,
        imp: &'a Imp<'a>,
        request: &Attributes<'a>,
        probe: &Probe<'a>,
    ) -> ImpressionExplanation {
        let attributes = adapt::with_imp(request, imp, self.arena);
        let probe = self.book.engine.impression(probe, &attributes, self.arena);
        let mut reasons = self.liveness();
        if imp.unreadable_blocks {
            let text = "a battr or btype of the impression cannot be read whole, so nothing can be shown to be allowed";
            reasons.push(reason(NoBidReason::UnreadableBlockList, text.into()));
        }
        reasons.extend(self.currencies());
        reasons.extend(self.targeting(&attributes));
        let price = self.entry.item.bid.price(|test| self.book.engine.test(&probe, self.slot, test));
        let (price, of_creatives) = self.creatives(imp, price);
        reasons.extend(of_creatives);
        let price = price.map(|cpm| (cpm, self.context.currency));
        ImpressionExplanation { impression: imp.id.into(), price, reasons }
    }

    fn liveness(&self) -> Vec<Reason> {
        match self.entry.liveness(self.context.now) {
            Liveness::Live => Vec::new(),
            Liveness::Off { by, why } => {
                let who = match by {
                    EntityKind::Advertiser => "the advertiser",
                    EntityKind::Campaign => "the campaign",
                    _ => "the line item",
                };
                vec![reason(NoBidReason::NotLive, format!("{who} {}", why.as_str()))]
            }
        }
    }

    /// A line item that cannot be priced or billed is not even searched.
    fn currencies(&self) -> Vec<Reason> {
        let needed = [self.entry.item.bid.currency, self.entry.advertiser.currency];
        let missing = needed.into_iter().find(|currency| !self.context.fx.knows(*currency));
        let text = |currency| format!("the operator has no exchange rate for {currency}");
        missing.map(|currency| reason(NoBidReason::Currency, text(currency))).into_iter().collect()
    }

    fn targeting(&self, attributes: &Attributes<'_>) -> Vec<Reason> {
        let catalog = &self.book.catalog;
        let failures =
            explain(&self.entry.item.targeting, attributes, &lists(catalog), &CatalogNames(catalog));
        let mut reasons: Vec<Reason> = failures
            .into_iter()
            .map(|failure| Failure { path: api_path(&failure.path), ..failure })
            .map(|failure| reason(NoBidReason::NoMatch, failure.to_string()))
            .collect();
        reasons.extend(self.never_contacted(attributes));
        if !reasons.is_empty() && self.known.suppressed == Suppressed::Yes {
            reasons.push(reason(
                NoBidReason::NoMatch,
                "the user is suppressed: nothing about them may be used".into(),
            ));
        }
        reasons
    }

    /// That the user is, or may be, somebody whom the advertiser never contacts.
    fn never_contacted(&self, attributes: &Attributes<'_>) -> Option<Reason> {
        let tags = &self.entry.advertiser.never_contact;
        let catalog = &self.book.catalog;
        let rule = (!tags.is_empty()).then(|| never_contact(tags))?;
        let failure =
            explain(&rule, attributes, &lists(catalog), &CatalogNames(catalog)).into_iter().next()?;
        let failure = Failure { path: "never_contact_tag_ids".into(), ..failure };
        Some(reason(
            NoBidReason::NoMatch,
            format!("the advertiser never contacts users with some tags: {failure}"),
        ))
    }

    /// The price of the first creative that could be bid; else what stands against each, beginning with the one that
    /// came nearest to a bid: its first reason is the bid path's.
    fn creatives(&self, imp: &'a Imp<'a>, price: Cpm) -> (Option<Cpm>, Vec<Reason>) {
        let mut refused = Vec::new();
        for creative in &self.entry.creatives {
            let fit = verdict(self.context, imp, self.entry, creative).map_err(NoSale::from);
            match fit.and_then(|fit| offer(self.context, imp, self.entry, creative, fit, price)) {
                Ok(choice) => {
                    let mut against = self.capped();
                    against.extend(self.broke(imp, &choice.priced));
                    return (Some(choice.priced.price), against);
                }
                Err(no_sale) => refused.push((no_sale, creative)),
            }
        }
        refused.sort_by_key(|(no_sale, _)| Reverse(gates::nearness(no_sale.reason)));
        let reasons =
            refused.iter().flat_map(|(no_sale, creative)| self.against(creative, imp, no_sale, price));
        (None, reasons.collect())
    }

    /// That there is no money or no impression for a bid at this price, if so.
    fn broke(&self, imp: &Imp<'_>, priced: &Priced) -> Option<Reason> {
        let code = self.context.affords(imp, self.entry, priced).err()?;
        let cost = self.context.cost(imp, self.entry, priced).unwrap_or_default();
        if code == NoBidReason::Paced {
            return Some(reason(code, paced(self.context.paced(self.entry, cost))));
        }
        let (money, impressions) = self.context.leased(self.entry);
        if code == NoBidReason::NoCapacity {
            return Some(reason(code, short_of_impressions(impressions)));
        }
        let (left, currency) = (money.unwrap_or_default(), self.entry.advertiser.currency);
        let text = format!(
            "this bidder has leased {left} {currency} for it that no bid holds, and the bid would hold {cost} {currency}: its \
             budget, or that of its campaign or advertiser, is spent, held by other bids, or was not asked for yet"
        );
        Some(reason(code, text))
    }

    /// Every gate that one creative fails; the terms where it fails none.
    fn against(&self, creative: &Creative, imp: &Imp<'_>, no_sale: &NoSale<'_>, price: Cpm) -> Vec<Reason> {
        let (exchange, settings) = (self.context.exchange, self.context.settings);
        let own_domain = &self.entry.advertiser.domain;
        let mut found =
            gates::every_reason(creative, own_domain, &self.context.blocks, imp, exchange, settings);
        if found.is_empty() {
            found.push((no_sale.reason, self.terms(no_sale, price)));
        }
        let name = format!("creative {} ({})", creative.id, creative.name);
        found.into_iter().map(|(code, text)| reason(code, format!("{name}: {text}"))).collect()
    }

    /// A refusal of the auction's or a deal's terms in words.
    fn terms(&self, no_sale: &NoSale<'_>, price: Cpm) -> String {
        let own = self.entry.item.bid.currency;
        let money = |floor: Floor| format!("{} {}", floor.price, floor.currency);
        let terms = no_sale.deal.map_or("the open auction".into(), |deal| format!("deal {:?}", deal.id));
        match (no_sale.reason, no_sale.floor, no_sale.agreed) {
            (NoBidReason::BelowFloor, Some(asked), Some(agreed)) => {
                format!(
                    "{terms} asks {}, more than the fixed price of {} agreed",
                    money(asked),
                    money(agreed)
                )
            }
            (NoBidReason::BelowFloor, Some(floor), None) => {
                format!("a price of {price} {own} is below the floor of {terms} ({})", money(floor))
            }
            (NoBidReason::DealRequired, ..) if no_sale.deal.is_some() => {
                format!("the advertiser has no agreement with the exchange about {terms}")
            }
            (NoBidReason::DealRequired, ..) => {
                "the impression is sold under deals only, and none of them is ours".into()
            }
            (NoBidReason::SeatNotAllowed, ..) => {
                format!("the seat is not among those that the request or {terms} asks")
            }
            (NoBidReason::Currency, ..) => {
                format!("there is no rate between {own} and the currency of the floor of {terms}")
            }
            (NoBidReason::BlockedAdvertiser, ..) => {
                format!("{terms} is not open to this advertiser's domain")
            }
            (NoBidReason::InvalidRequest, ..) => format!("{terms} has a fixed price and does not say which"),
            (other, ..) => other.as_str().into(),
        }
    }
}

/// Why there are no impressions for it.
fn short_of_impressions(left: Option<Nanos>) -> String {
    format!(
        "this bidder has leased {} impressions for it that no bid holds: its capacity, or that of its campaign or advertiser, is used \
         up, held by other bids, or was not asked for yet",
        left.unwrap_or_default().0
    )
}

/// Why it is held back although there may be money.
fn paced(wait: Option<Duration>) -> String {
    let spread = "it spends its budget over its time";
    match wait {
        Some(Duration::MAX) => format!("paced: {spread}, and the ledger has not said yet how fast"),
        Some(wait) => format!(
            "paced: next token in {:.1} s; {spread}, and this bidder's part of that flows in until then",
            wait.as_secs_f64()
        ),
        None => format!("paced: {spread}; its next token has come since"),
    }
}

fn reason(code: NoBidReason, text: String) -> Reason {
    Reason { code, text }
}

fn in_words(obstacles: &[NoBidReason], request: &Request<'_>, decision: &Decision) -> Vec<Reason> {
    let text = |code| match code {
        NoBidReason::NoConsent => {
            let denial = decision.denial(Use::ContextualBid).map(|denial| denial.to_string());
            format!("consent does not allow even a contextual bid: {}", denial.unwrap_or_default())
        }
        NoBidReason::Transparency => {
            "the request requires the DSA's transparency object, which bids do not carry".into()
        }
        NoBidReason::Crawler => "the user agent is a crawler's".into(),
        NoBidReason::DataCenter => "the device's address belongs to a data centre".into(),
        NoBidReason::SupplyChain => {
            "the supply chain is missing, incomplete, or does not end in the exchange".into()
        }
        NoBidReason::Currency => {
            format!("there is no rate for any currency of the request ({:?})", request.cur)
        }
        NoBidReason::UnreadableBlockList => {
            let member = request.unreadable_blocks.unwrap_or_default();
            format!(
                "{member} cannot be read whole, so nothing can be shown to be allowed: send a list of strings"
            )
        }
        NoBidReason::StaleCatalog => "the bidder's catalog is too old to bid from".into(),
        other => other.as_str().into(),
    };
    obstacles.iter().map(|code| reason(*code, text(*code))).collect()
}

/// Names of tags and lists for people.
struct CatalogNames<'c>(&'c Catalog);

impl Names for CatalogNames<'_> {
    fn tag(&self, id: TagId) -> Option<&str> {
        match self.0.entities.get(&EntityKey { kind: EntityKind::Tag, id: id.0.into() })? {
            Entity::Tag(tag) => Some(&tag.name),
            _ => None,
        }
    }

    fn list(&self, id: ListId) -> Option<&str> {
        match self.0.entities.get(&EntityKey { kind: EntityKind::List, id: id.0 })? {
            Entity::List(list) => Some(&list.name),
            _ => None,
        }
    }
}

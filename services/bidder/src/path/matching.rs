//! Match, gates and price: candidates are pulled one by one in falling order of what they could pay, and the first
//! to come through the gates wins unless a later one could still pay more.

use bumpalo::Bump;
use tagbid_catalog::Creative;
use tagbid_openrtb::{Deal, Imp};
use tagbid_pricing::{Floor, FloorError, Offer, Priced, decide};
use tagbid_targeting::{Candidate, Engine, Probe, Slot};
use tagbid_types::{Cpm, NoBidReason};

use super::Context;
use crate::book::Entry;
use crate::gates::{self, Fit};

/// What is bid for one impression.
pub(crate) struct Choice<'a> {
    pub(crate) imp: &'a Imp<'a>,
    pub(crate) entry: &'a Entry,
    pub(crate) creative: &'a Creative,
    pub(crate) fit: Fit,
    pub(crate) seat: &'a str,
    pub(crate) deal: Option<&'a Deal<'a>>,
    pub(crate) priced: Priced,
}

/// Candidates between two looks at the clock: some microseconds.
const CLOCK_EVERY: usize = 32;

/// The best bid for an impression, or why there is none: the reason of the candidate that could have paid most.
pub(crate) fn best<'a>(
    context: &Context<'a>,
    imp: &'a Imp<'a>,
    probe: &'a Probe<'a>,
    arena: &'a Bump,
) -> Result<Choice<'a>, NoBidReason> {
    let mut best: Option<(Choice<'a>, Cpm)> = None;
    let mut first_refusal = None;
    let candidates = context.book.engine.candidates(probe, &context.book.live, arena);
    for (position, candidate) in candidates.enumerate() {
        let beaten = best.as_ref().is_some_and(|(_, value)| candidate.bound <= *value);
        if beaten || (position % CLOCK_EVERY == CLOCK_EVERY - 1 && context.is_late()) {
            break;
        }
        match consider(context, imp, probe, candidate) {
            Ok(choice) => {
                let value = context.in_dollars(&choice.priced);
                if best.as_ref().is_none_or(|(_, most)| value > *most) {
                    best = Some((choice, value));
                }
            }
            Err(reason) => first_refusal = first_refusal.or(Some(reason)),
        }
    }
    best.map(|(choice, _)| choice).ok_or(first_refusal.unwrap_or(NoBidReason::NoMatch))
}

/// One candidate: its creatives in turn, beginning at a random one so that they rotate evenly.
fn consider<'a>(
    context: &Context<'a>,
    imp: &'a Imp<'a>,
    probe: &Probe<'_>,
    candidate: Candidate,
) -> Result<Choice<'a>, NoBidReason> {
    let entry = context.book.entry(candidate.slot).ok_or(NoBidReason::TechnicalError)?;
    let price = own_price(context, entry, probe, candidate.slot);
    let (before, after) = entry.creatives.split_at(context.rotation % entry.creatives.len().max(1));
    let mut first_refusal = None;
    for creative in after.iter().chain(before) {
        match offer(context, imp, entry, creative, price) {
            Ok(choice) => return Ok(choice),
            Err(reason) => first_refusal = first_refusal.or(Some(reason)),
        }
    }
    Err(first_refusal.unwrap_or(NoBidReason::NoCreative))
}

/// Base times the multipliers that hold, in the line item's own currency.
fn own_price(context: &Context<'_>, entry: &Entry, probe: &Probe<'_>, slot: Slot) -> Cpm {
    entry.item.bid.price(|multiplier| context.book.engine.test(probe, slot, multiplier))
}

/// One creative through the gates, then under the deal that takes it, else in the open auction.
pub(crate) fn offer<'a>(
    context: &Context<'a>,
    imp: &'a Imp<'a>,
    entry: &'a Entry,
    creative: &'a Creative,
    price: Cpm,
) -> Result<Choice<'a>, NoBidReason> {
    gates::brand(creative, &entry.advertiser.domain, &context.blocks)?;
    let fit = gates::fit(creative, imp, context.exchange, context.settings)?;
    let sale = Sale { context, imp, entry, creative, fit, price };
    let mut refusal = None;
    for deal in imp.pmp.map(|pmp| pmp.deals).unwrap_or_default() {
        match sale.under_deal(deal) {
            Some(Ok(choice)) => return Ok(choice),
            Some(Err(reason)) => refusal = Some(reason),
            None => {}
        }
    }
    if imp.pmp.is_some_and(|pmp| pmp.private_auction) {
        return Err(refusal.unwrap_or(NoBidReason::DealRequired));
    }
    sale.open()
}

/// A creative that fits an impression, looking for the terms on which it may be sold.
struct Sale<'c, 'a> {
    context: &'c Context<'a>,
    imp: &'a Imp<'a>,
    entry: &'a Entry,
    creative: &'a Creative,
    fit: Fit,
    /// In the line item's own currency.
    price: Cpm,
}

impl<'a> Sale<'_, 'a> {
    /// In the open auction.
    fn open(&self) -> Result<Choice<'a>, NoBidReason> {
        let seat = self.context.seat_of(self.creative);
        self.context.seat_allowed(seat)?;
        let priced = self.auction(self.imp_floor()?, None, None)?;
        Ok(self.choice(seat, None, priced))
    }

    /// Under a deal; none when the deal is not this line item's.
    fn under_deal(&self, deal: &'a Deal<'a>) -> Option<Result<Choice<'a>, NoBidReason>> {
        let agreed = self.entry.deal(self.context.book, self.context.exchange, deal.id)?;
        let seat = if agreed.seat.is_empty() { self.context.seat_of(self.creative) } else { &agreed.seat };
        Some(self.deal_terms(deal, seat).map(|priced| self.choice(seat, Some(deal), priced)))
    }

    fn deal_terms(&self, deal: &Deal<'_>, seat: &str) -> Result<Priced, NoBidReason> {
        if !deal.wseat.is_empty() && !deal.wseat.contains(&seat) {
            return Err(NoBidReason::SeatNotAllowed);
        }
        self.context.seat_allowed(seat)?;
        if !gates::deal_allows(self.creative, &self.entry.advertiser.domain, deal.wadomain) {
            return Err(NoBidReason::BlockedAdvertiser);
        }
        let floor = self.floor(deal.bidfloor, deal.mincpmpersec, deal.bidfloorcur)?;
        self.auction(self.imp_floor()?, floor, deal.at)
    }

    fn imp_floor(&self) -> Result<Option<Floor>, NoBidReason> {
        self.floor(self.imp.bidfloor, self.fit.min_cpm_per_s, self.imp.bidfloorcur)
    }

    /// A floor as sent, or the floor per second of the spot if that is more.
    fn floor(
        &self,
        amount: f64,
        per_second: Option<f64>,
        currency: &str,
    ) -> Result<Option<Floor>, NoBidReason> {
        let seconds = f64::from(self.fit.duration_s.unwrap_or(0));
        let amount = per_second.map_or(amount, |rate| amount.max(rate * seconds));
        Floor::read(amount, currency).map_err(|error| match error {
            FloorError::Price(_) => NoBidReason::InvalidRequest,
            FloorError::Currency(_) => NoBidReason::Currency,
        })
    }

    /// What is bid in this auction, if that is enough.
    fn auction(
        &self,
        floor: Option<Floor>,
        deal_floor: Option<Floor>,
        deal_at: Option<i32>,
    ) -> Result<Priced, NoBidReason> {
        let context = self.context;
        let mechanism = context.auctions.mechanism(Some(context.request.at), deal_at);
        let offer = Offer { mechanism, floor, deal_floor, currency: context.currency };
        decide(&self.entry.item.bid, self.price, &offer, context.fx, &context.settings.shade)
            .map_err(|no_price| no_price.reason())
    }

    fn choice(&self, seat: &'a str, deal: Option<&'a Deal<'a>>, priced: Priced) -> Choice<'a> {
        Choice {
            imp: self.imp,
            entry: self.entry,
            creative: self.creative,
            fit: self.fit,
            seat,
            deal,
            priced,
        }
    }
}

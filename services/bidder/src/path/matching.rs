//! Match, gates and price: candidates are pulled one by one in falling order of what they could pay, and the first
//! to come through the gates wins unless a later one could still pay more.

use bumpalo::Bump;
use tagbid_catalog::Creative;
use tagbid_openrtb::{Deal, Imp};
use tagbid_pricing::{Floor, Offer, Priced, decide};
use tagbid_targeting::{Candidate, Engine, Probe, Slot};
use tagbid_types::{Cpm, Currency, NoBidReason};

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
    gates::brand(creative, &context.blocks)?;
    let fit = gates::fit(creative, imp, context.exchange, context.settings)?;
    let choice = |seat, deal, priced| Choice { imp, entry, creative, fit, seat, deal, priced };
    let mut refusal = None;
    for deal in imp.pmp.map(|pmp| pmp.deals).unwrap_or_default() {
        match under_deal(context, imp, deal, entry, creative, &fit, price) {
            Ok((seat, priced)) => return Ok(choice(seat, Some(deal), priced)),
            Err(reason) => refusal = reason.or(refusal),
        }
    }
    if imp.pmp.is_some_and(|pmp| pmp.private_auction) {
        return Err(refusal.unwrap_or(NoBidReason::DealRequired));
    }
    let seat = context.seat_of(creative);
    context.seat_allowed(seat)?;
    let floor = floor(imp.bidfloor, imp.bidfloorcur)?;
    let priced = auction(context, entry, price, Some(floor), None, None, &fit)?;
    Ok(choice(seat, None, priced))
}

/// The bid under a deal. `Err(None)`: the deal is not this line item's.
fn under_deal<'a>(
    context: &Context<'a>,
    imp: &Imp<'_>,
    deal: &Deal<'_>,
    entry: &'a Entry,
    creative: &'a Creative,
    fit: &Fit,
    price: Cpm,
) -> Result<(&'a str, Priced), Option<NoBidReason>> {
    let agreed = entry.deal(context.book, context.exchange, deal.id).ok_or(None)?;
    let seat = if agreed.seat.is_empty() { context.seat_of(creative) } else { agreed.seat.as_str() };
    if !deal.wseat.is_empty() && !deal.wseat.contains(&seat) {
        return Err(Some(NoBidReason::DealRequired));
    }
    context.seat_allowed(seat).map_err(Some)?;
    if !gates::deal_allows(creative, deal.wadomain) {
        return Err(Some(NoBidReason::BlockedAdvertiser));
    }
    let deal_floor = floor(deal.bidfloor, deal.bidfloorcur).map_err(Some)?;
    let imp_floor = floor(imp.bidfloor, imp.bidfloorcur).ok();
    auction(context, entry, price, imp_floor, Some(deal_floor), deal.at, fit)
        .map(|priced| (seat, priced))
        .map_err(Some)
}

/// What is bid in this auction, if that is enough.
fn auction(
    context: &Context<'_>,
    entry: &Entry,
    price: Cpm,
    floor: Option<Floor>,
    deal_floor: Option<Floor>,
    deal_at: Option<i32>,
    fit: &Fit,
) -> Result<Priced, NoBidReason> {
    let mechanism = context.auctions.mechanism(Some(context.request.at), deal_at);
    let offer = Offer { mechanism, floor, deal_floor, currency: context.currency };
    let priced = decide(&entry.item.bid, price, &offer, context.fx, &context.settings.shade)
        .map_err(|no_price| no_price.reason())?;
    let least = fit.least_cpm();
    if priced.price < least { Err(NoBidReason::BelowFloor) } else { Ok(priced) }
}

/// A floor as sent. One that is no price cannot be met; one in no currency cannot be compared.
fn floor(amount: f64, currency: &str) -> Result<Floor, NoBidReason> {
    let currency: Currency = currency.parse().map_err(|_| NoBidReason::Currency)?;
    Ok(Floor { price: Cpm::from_f64(amount).unwrap_or(Cpm::MAX), currency })
}

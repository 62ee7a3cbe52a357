//! Respond: a sealed token for each bid, the markup, and the answer in the request's own format.

use bumpalo::Bump;
use bumpalo::collections::{String as ArenaString, Vec as ArenaVec};
use bytes::Bytes;
use tagbid_catalog::Creative;
use tagbid_notice::{Audience, Label, NoticeKind, SealedToken, Token};
use tagbid_openrtb::{Bid, Response, SeatBid};
use tagbid_ports::Event;
use tagbid_types::{BidId, NoBidReason, Use};

use super::bid_log::BidLog;
use super::{Choice, Context, Format, quantity};
use crate::gates::Fit;
use crate::markup::{self, Links};
use crate::worker::Worker;

/// An answer, and what the event log is told of it once it is in time.
pub(super) struct Answered<'a> {
    pub(super) body: Bytes,
    /// Its bids; none of an auction that is not in the sample.
    pub(super) logged: Vec<Event>,
    /// The ids of its bids, in the order of the choices.
    pub(super) bids: ArenaVec<'a, BidId>,
}

/// The encoded answer to these choices.
pub(super) fn respond<'a>(
    worker: &Worker,
    context: &Context<'a>,
    choices: &[Choice<'a>],
    format: Format,
    arena: &'a Bump,
) -> Result<Answered<'a>, NoBidReason> {
    let mut bids: ArenaVec<'a, (&'a str, Bid<'a>)> = ArenaVec::with_capacity_in(choices.len(), arena);
    let mut log = BidLog::new(worker);
    let mut ids = ArenaVec::with_capacity_in(choices.len(), arena);
    for choice in choices {
        let id = log.new_bid_id(worker);
        ids.push(id);
        bids.push((choice.seat, bid(worker, context, (choice, id), &mut log, arena)?));
    }
    // One `seatbid` a seat; the sort is stable, so bids keep the order of their impressions.
    bids.sort_by_key(|(seat, _)| *seat);
    let mut seats = ArenaVec::new_in(arena);
    for group in bids.chunk_by(|one, next| one.0 == next.0) {
        let seat = group.first().map(|(seat, _)| *seat);
        let bid = arena.alloc_slice_fill_iter(group.iter().map(|(_, bid)| *bid));
        seats.push(SeatBid { seat, bid });
    }
    let currency = context.currency;
    let response = Response {
        id: context.request.id,
        bidid: bids.first().map(|(_, bid)| bid.id),
        cur: Some(currency.as_str()),
        seatbid: &seats,
        nbr: None,
    };
    let mut out = Vec::with_capacity(2 * 1024);
    match format {
        Format::Json => response.write_json(&mut out),
        Format::Protobuf => response.write_protobuf(&mut out),
    }
    Ok(Answered { body: out.into(), logged: log.events(), bids: ids })
}

fn bid<'a>(
    worker: &Worker,
    context: &Context<'a>,
    (choice, id): (&Choice<'a>, BidId),
    log: &mut BidLog<'_>,
    arena: &'a Bump,
) -> Result<Bid<'a>, NoBidReason> {
    let token = token(context, choice, id)?;
    log.bid(&token, choice);
    let for_exchange = worker.seal(&token, Audience::Exchange)?;
    let for_public = worker.seal(&token, Audience::Public)?;
    let (creative, fit, bid_id) = (choice.creative, &choice.fit, text(arena, id));
    let url = |kind| notice_url(worker, kind, &for_exchange, arena);
    let links = Links {
        impression: notice_url(worker, NoticeKind::Imp, &for_public, arena),
        click: notice_url(worker, NoticeKind::Click, &for_public, arena),
        bid_id: id,
        cachebuster: worker.random_u64(),
    };
    Ok(Bid {
        id: bid_id,
        impid: choice.imp.id,
        price: choice.priced.price,
        nurl: Some(url(NoticeKind::Win)),
        burl: Some(url(NoticeKind::Bill)),
        lurl: Some(url(NoticeKind::Loss)),
        adm: Some(worker.markup(arena, |out| markup::write(creative, fit, choice.imp, &links, out))),
        adomain: domains(choice, arena),
        bundle: given(&creative.bundle),
        iurl: given(&creative.preview_url),
        cid: Some(text(arena, choice.entry.campaign.id)),
        crid: Some(text(arena, creative.id)),
        cat: arena.alloc_slice_fill_iter(creative.categories.iter().map(String::as_str)),
        attr: attributes(creative, fit, arena),
        api: fit.api,
        apis: arena.alloc_slice_fill_iter(creative.apis.iter().map(|api| i32::from(*api))),
        protocol: fit.protocol,
        language: given(&creative.language),
        dealid: choice.deal.map(|deal| deal.id),
        w: fit.width,
        h: fit.height,
        // No longer than its money is held: the lease may allow less.
        exp: Some(choice.holds.hold_s().unwrap_or_else(|| context.hold_s(choice.imp))),
        dur: fit.duration_s,
        mtype: Some(fit.format.mtype()),
        ..Bid::default()
    })
}

/// The creative's domains, else the advertiser's own.
fn domains<'a>(choice: &Choice<'a>, arena: &'a Bump) -> &'a [&'a str] {
    match choice.creative.domains.as_slice() {
        [] => arena.alloc_slice_copy(&[choice.entry.advertiser.domain.as_str()]),
        own => arena.alloc_slice_fill_iter(own.iter().map(String::as_str)),
    }
}

/// Creative attribute 16, "skippable": OpenRTB 2.6 section 3.2.7 wants it wherever the ad can be skipped.
const SKIPPABLE: u16 = 16;

fn attributes<'a>(creative: &Creative, fit: &Fit, arena: &'a Bump) -> &'a [i32] {
    let added = (fit.skippable() && !creative.attributes.contains(&SKIPPABLE)).then_some(SKIPPABLE);
    let mut all = ArenaVec::with_capacity_in(creative.attributes.len() + 1, arena);
    all.extend(creative.attributes.iter().copied().chain(added).map(i32::from));
    all.into_bump_slice()
}

/// All that the ledger has to know when a notice comes.
fn token(context: &Context<'_>, choice: &Choice<'_>, bid: BidId) -> Result<Token, NoBidReason> {
    let (request, entry, priced) = (context.request, choice.entry, &choice.priced);
    let budget_currency = entry.advertiser.currency;
    // The ledger keeps it in events, and has what was shown counted: each only where consent allows that.
    let keep_user =
        [Use::UserKeyInEvents, Use::Frequency].into_iter().any(|one| context.permission.allows(one));
    let (holds, held) = (choice.holds, choice.holds.any());
    Ok(Token {
        bid,
        exchange: context.exchange.clone(),
        auction: Label::cut(request.id),
        imp: Label::cut(choice.imp.id),
        advertiser: entry.advertiser.id,
        campaign: entry.campaign.id,
        line_item: entry.item.id,
        creative: choice.creative.id,
        lease: holds.money.map_or(0, |hold| hold.lease.0),
        capacity_lease: holds.impressions.map_or(0, |hold| hold.lease.0),
        epoch: held.map_or(0, |hold| hold.epoch.0),
        issued: context.now,
        hold_until_s: held.map_or(0, |hold| hold.until.0),
        hold_s: held.map_or(0, |hold| hold.hold_s),
        place: Some(context.place(choice.imp)),
        max_price: priced.price,
        currency: priced.currency,
        fx: context.fx.between(priced.currency, budget_currency).map_err(|_| NoBidReason::Currency)?,
        budget_currency,
        budget_day: held.map_or_else(|| entry.budget_day(context.now), |hold| hold.day),
        quantity: quantity(choice.imp),
        auction_type: u16::try_from(request.at).unwrap_or(2),
        bills: context.settings.bills,
        test: request.test,
        permission: context.permission,
        user: context.user.filter(|_| keep_user).map(|user| user.0),
    })
}

fn notice_url<'a>(worker: &Worker, kind: NoticeKind, token: &SealedToken, arena: &'a Bump) -> &'a str {
    worker.markup(arena, |out| worker.notice_urls().write(kind, token, out))
}

fn text(arena: &Bump, value: impl std::fmt::Display) -> &str {
    use std::fmt::Write;
    let mut out = ArenaString::new_in(arena);
    // Writing into an arena string cannot fail.
    let _ = write!(out, "{value}");
    out.into_bump_str()
}

fn given(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

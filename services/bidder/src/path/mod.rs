//! The bid path: one request through all stages, in the order of [`bid`]. Every exit is a bid or a typed reason.

mod admit;
mod bid_log;
mod consent;
pub(crate) mod decode;
mod matching;
mod recording;
mod respond;
mod sale;
mod tags;
mod timing;
mod verdicts;

use std::sync::Arc;
use std::time::Duration;

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;
use bytes::Bytes;
use tagbid_budget::Price;
use tagbid_catalog::Creative;
use tagbid_consent::Decision;
use tagbid_notice::{cost, impressions};
use tagbid_openrtb::{Imp, Request};
use tagbid_pricing::{ExchangeAuctions, Fx, Priced, bid_currency};
use tagbid_runtime::trace;
use tagbid_tagset::UserKey;
use tagbid_targeting::{Attributes, Engine, Probe};
use tagbid_types::{
    Cpm, Currency, ExchangeName, Monotonic, Nanos, NoBidReason, Permission, PlaceKind, Ratio, Timestamp, Use,
};

use crate::adapt;
use crate::book::{Book, Entry};
use crate::caps::{Room, Seen};
use crate::gates::Blocks;
use crate::identity;
use crate::metrics::Stage;
use crate::money::{Learnt, place};
use crate::settings::Exchange;
use crate::shared::Shared;
use crate::worker::Worker;

pub(crate) use decode::{Encoding, Format, Refusal};
pub(crate) use matching::{Choice, best, terms};
pub(crate) use recording::MOST_SPANS;
use recording::Stopwatch;
pub(crate) use sale::{NoSale, offer, verdict};
pub(crate) use tags::{Known, Lost, Suppressed, Wanted};
pub(crate) use timing::Timing;
pub(crate) use verdicts::Verdicts;

/// One request as it came in.
pub(crate) struct Call<'a> {
    pub(crate) exchange: &'a ExchangeName,
    pub(crate) settings: &'a Exchange,
    pub(crate) body: &'a Bytes,
    pub(crate) format: Format,
    pub(crate) encoding: Encoding,
    pub(crate) arrival: Monotonic,
}

/// How a request ended without a bid.
pub(crate) enum Stop<'a> {
    /// It gets a 400 with an explanation.
    Refused(Refusal),
    /// It gets a no-bid.
    NoBid {
        /// The request's id, for the answer's `nbr`.
        id: &'a str,
        /// Why.
        reason: NoBidReason,
    },
}

/// All that the stages behind the lookup know of one request.
pub(crate) struct Context<'a> {
    pub(crate) request: &'a Request<'a>,
    pub(crate) exchange: &'a ExchangeName,
    pub(crate) settings: &'a Exchange,
    pub(crate) auctions: &'a ExchangeAuctions,
    pub(crate) fx: &'a Fx,
    pub(crate) book: &'a Book,
    pub(crate) blocks: Blocks<'a>,
    /// Currency of all bids of the answer.
    pub(crate) currency: Currency,
    pub(crate) permission: Permission,
    /// Nobody, unless it is certain that the user is not suppressed.
    pub(crate) user: Option<UserKey>,
    pub(crate) now: Timestamp,
    pub(crate) deadline: Monotonic,
    /// What money and pace are asked for: read once, because many candidates are asked. What is held is looked at again
    /// right before it is sent.
    pub(crate) moment: Monotonic,
    /// Random, to rotate creatives.
    pub(crate) rotation: usize,
    /// Random, to take samples of the traffic.
    pub(crate) draw: u64,
    /// What frequency caps leave room for.
    pub(crate) room: Room<'a>,
    /// How long bids to the exchange hold their money, as far as it is learnt.
    pub(crate) lives: Learnt,
    /// Whether it may end in a bid: explanations and the funnel ask for no money.
    pub(crate) bids: bool,
    /// Where the search notes what gates and price take; none: nobody looks.
    watch: Option<&'a Stopwatch>,
    shared: &'a Shared,
}

/// What the stages up to the lookup settled for one request.
#[derive(Clone, Copy)]
pub(crate) struct Settled<'a> {
    pub(crate) permission: Permission,
    /// Nobody, unless it is certain that the user is not suppressed.
    pub(crate) user: Option<UserKey>,
    pub(crate) now: Timestamp,
    pub(crate) deadline: Monotonic,
    /// Random, to rotate creatives.
    pub(crate) rotation: usize,
    /// Random, to take samples of the traffic.
    pub(crate) draw: u64,
    /// How often the user was shown what; none: it is not known.
    pub(crate) seen: Option<Seen<'a>>,
}

/// Answers one request: the encoded bids, or why there are none. `book` outlives the request because the caller
/// holds it.
pub(crate) async fn bid<'a>(
    worker: &'a Worker,
    call: &'a Call<'a>,
    book: Option<&'a Arc<Book>>,
    timing: &mut Timing<'_>,
    arena: &'a Bump,
) -> Result<Bytes, Stop<'a>> {
    let request = decode::decode(call.body, call.format, call.encoding, worker.options(), arena);
    let request: &Request<'_> = arena.alloc(request.map_err(Stop::Refused)?);
    timing.end(Stage::Decode, || [("tagbid.imps", request.imp.len().into())]);

    let stop = |reason| Stop::NoBid { id: request.id, reason };
    let deadline = deadline(request, call, worker, timing).map_err(stop)?;
    let book = book.ok_or_else(|| stop(NoBidReason::StaleCatalog))?;
    admit::admit(request, call.settings, worker.data_centers()).map_err(stop)?;
    let decision = permitted(worker, request).map_err(stop)?;
    let user = identity::user(request, call.exchange, worker.mac_keys());
    timing.end(Stage::Consent, || [("tagbid.tags_allowed", decision.allowed.allows(Use::TagLookup).into())]);

    let (now, draw) = (worker.now(), worker.random_u64());
    let (wanted, until) = (worker.wants(book, draw), worker.tags_until(deadline));
    let known = tags::tags(worker.lookup(), user, wanted, decision.allowed, until, now, arena);
    let known = trace::within(timing.asking(), known).await;
    timing.end(Stage::Tags, || {
        [("tagbid.tags", known.tags.len().into()), ("tagbid.degraded", known.degraded.into())]
    });

    let user = user.map(|keys| keys.user).filter(|_| known.suppressed == Suppressed::No);
    let (permission, rotation) = (decision.allowed, worker.random_index());
    let seen = worker.seen(book, &known, user, now, arena);
    let settled = Settled { permission, user, now, deadline, rotation, draw, seen };
    let context = Context::new(worker.shared(), call, request, book, settled, arena).map_err(stop)?;
    let context = Context { bids: true, watch: timing.stopwatch(arena), ..context };
    let answer = answer(worker, &context, &known, call.format, timing, arena);
    worker.sample(call, book, &context, &known, answer.as_ref().err().copied());
    answer.map_err(stop)
}

/// The stages behind the lookup: match, gates, price, respond.
fn answer<'a>(
    worker: &'a Worker,
    context: &Context<'a>,
    known: &Known<'a>,
    format: Format,
    timing: &mut Timing<'_>,
    arena: &'a Bump,
) -> Result<Bytes, NoBidReason> {
    let choices = choose(worker, context, known, arena);
    timing.end_match(context.watch, choices.as_ref().map_or(0, |choices| choices.len()));
    let choices = choices?;

    let answer = respond::respond(worker, context, &choices, format, arena);
    timing.end(Stage::Respond, || [("tagbid.answered", answer.is_ok().into())]);
    let answer = answer.and_then(|answer| {
        if context.is_late() {
            worker.metrics().late.inc();
            return Err(NoBidReason::NoTime);
        }
        // Held a moment ago, but this thread may have stood still since.
        if !choices.iter().all(|choice| worker.may_spend(choice)) {
            return Err(NoBidReason::NoBudget);
        }
        if worker.take_off(context, &choices, &answer.bids) {
            Ok(answer)
        } else {
            Err(NoBidReason::FrequencyCapped)
        }
    });
    choices.iter().for_each(|choice| worker.settle_holds(choice, answer.is_ok()));
    let answer = answer?;
    worker.count_bids(choices.len(), known.degraded);
    worker.log_bids(answer.logged);
    Ok(answer.body)
}

/// A request opened for explaining: every stage up to the search, none of which ends it.
pub(crate) struct Opened<'a> {
    pub(crate) request: &'a Request<'a>,
    pub(crate) decision: Decision,
    pub(crate) context: Result<Context<'a>, NoBidReason>,
    pub(crate) known: Known<'a>,
    /// What would have ended the path before the search.
    pub(crate) obstacles: Vec<NoBidReason>,
}

/// Goes through the stages of [`bid`] up to the search, however many obstacles there are.
pub(crate) async fn open_request<'a>(
    worker: &'a Worker,
    call: &'a Call<'a>,
    book: &'a Book,
    tags_until: Monotonic,
    arena: &'a Bump,
) -> Result<Opened<'a>, Refusal> {
    let request = decode::decode(call.body, call.format, call.encoding, worker.options(), arena)?;
    let request: &Request<'_> = arena.alloc(request);
    let decision = consent::consent(request, &worker.options().consent);
    let mut obstacles = Vec::new();
    if worker.book_is_stale() {
        obstacles.push(NoBidReason::StaleCatalog);
    }
    obstacles.extend(admit::admit(request, call.settings, worker.data_centers()).err());
    obstacles.extend(permitted(worker, request).err());
    let user = identity::user(request, call.exchange, worker.mac_keys());
    let now = worker.now();
    let (lookup, wanted) = (worker.lookup(), Wanted::by(book));
    let known = tags::tags(lookup, user, wanted, decision.allowed, tags_until, now, arena).await;
    let user = user.map(|keys| keys.user).filter(|_| known.suppressed == Suppressed::No);
    let settled = Settled {
        permission: decision.allowed,
        user,
        now,
        deadline: Monotonic(u64::MAX),
        rotation: worker.random_index(),
        draw: 0,
        seen: worker.seen(book, &known, user, now, arena),
    };
    let context = Context::new(worker.shared(), call, request, book, settled, arena);
    Ok(Opened { request, decision, context, known, obstacles })
}

/// How many impressions a bid on it stands for.
pub(crate) fn quantity(imp: &Imp<'_>) -> Ratio {
    Ratio::from_f64(imp.multiplier()).unwrap_or(Ratio::ONE)
}

/// `arrival of first byte + tmax - the exchange's network margin`. One that has passed already is no time at all.
fn deadline(
    request: &Request<'_>,
    call: &Call<'_>,
    worker: &Worker,
    timing: &mut Timing<'_>,
) -> Result<Monotonic, NoBidReason> {
    let tmax = request.tmax.filter(|tmax| *tmax > 0).unwrap_or(call.settings.tmax_ms);
    let ours = tmax.saturating_sub(call.settings.network_margin_ms);
    let deadline = call.arrival.after(Duration::from_millis(ours.into()));
    timing.until(deadline);
    if worker.monotonic() < deadline { Ok(deadline) } else { Err(NoBidReason::NoTime) }
}

/// What may be done for the user; at least a contextual bid.
fn permitted(worker: &Worker, request: &Request<'_>) -> Result<Decision, NoBidReason> {
    let decision = consent::consent(request, &worker.options().consent);
    if decision.allowed.allows(Use::ContextualBid) { Ok(decision) } else { Err(NoBidReason::NoConsent) }
}

/// The best bid for each impression. An error when there is none for any: the first impression's reason, or that
/// there was no time to look at all of them.
fn choose<'a>(
    worker: &Worker,
    context: &Context<'a>,
    known: &Known<'a>,
    arena: &'a Bump,
) -> Result<ArenaVec<'a, Choice<'a>>, NoBidReason> {
    let attributes = attributes(context, known, arena);
    let engine = &context.book.engine;
    let request: &Probe<'_> = arena.alloc(engine.probe(&attributes, arena));
    let mut choices = ArenaVec::with_capacity_in(context.request.imp.len(), arena);
    let mut first_reason = None;
    for (number, imp) in (0..).zip(context.request.imp) {
        if context.is_late() {
            first_reason = Some(NoBidReason::NoTime);
            break;
        }
        let seen = adapt::with_imp(&attributes, imp, arena);
        worker.observe(context.draw, number, &seen);
        let probe = arena.alloc(engine.impression(request, &seen, arena));
        match matching::best(context, imp, probe, arena).and_then(|choice| worker.hold(context, choice)) {
            Ok(choice) => {
                context.choose(choice.entry);
                choices.push(choice);
            }
            Err(NoBidReason::NoTime) => first_reason = Some(NoBidReason::NoTime),
            Err(reason) => first_reason = first_reason.or(Some(reason)),
        }
    }
    if choices.is_empty() { Err(first_reason.unwrap_or(NoBidReason::NoMatch)) } else { Ok(choices) }
}

/// What the request offers to targeting, with what is known of its user.
pub(crate) fn attributes<'a>(context: &Context<'a>, known: &Known<'a>, arena: &'a Bump) -> Attributes<'a> {
    let mut attributes = adapt::attributes(context.request, context.exchange, context.now, arena);
    attributes.tags = known.tags;
    attributes.knowledge = known.knowledge;
    match context.book.unknown_tags(&known.lost.0, arena) {
        Some(unknown) => attributes.unknown_tags = unknown,
        None => attributes.knowledge.offline = false,
    }
    attributes
}

impl<'a> Context<'a> {
    pub(crate) fn new(
        shared: &'a Shared,
        call: &Call<'a>,
        request: &'a Request<'a>,
        book: &'a Book,
        settled: Settled<'a>,
        arena: &'a Bump,
    ) -> Result<Self, NoBidReason> {
        let currency = currency(request, call.settings, &shared.fx)?;
        let Settled { permission, user, now, deadline, rotation, draw, seen } = settled;
        Ok(Self {
            request,
            exchange: call.exchange,
            settings: call.settings,
            auctions: shared.auctions(call.exchange),
            fx: &shared.fx,
            book,
            blocks: Blocks::new(request, arena),
            currency,
            permission,
            user,
            now,
            deadline,
            moment: shared.clock.monotonic(),
            rotation,
            draw,
            room: Room::new(seen),
            lives: shared.lives.of(call.exchange),
            bids: false,
            watch: None,
            shared,
        })
    }

    /// Whether the frequency caps of a line item let this user see it once more.
    #[inline]
    pub(crate) fn has_room(&self, entry: &Entry) -> Result<(), NoBidReason> {
        self.room.allows(&entry.caps, entry.item.cap_unknown)
    }

    /// A line item was chosen for an impression: the request's next ones count it.
    pub(crate) fn choose(&self, entry: &Entry) {
        if self.book.has_caps() {
            self.room.choose(entry.counts);
        }
    }

    /// What a bid at this price costs the budget.
    pub(crate) fn cost(&self, imp: &Imp<'_>, entry: &Entry, priced: &Priced) -> Result<Nanos, NoBidReason> {
        let fx = self.fx.between(priced.currency, entry.advertiser.currency);
        let fx = fx.map_err(|_| NoBidReason::Currency)?;
        cost(priced.price, quantity(imp), fx).map_err(|_| NoBidReason::TechnicalError)
    }

    /// What a bid at this price takes.
    pub(crate) fn price(&self, imp: &Imp<'_>, entry: &Entry, priced: &Priced) -> Result<Price, NoBidReason> {
        let cost = if entry.limited { self.cost(imp, entry, priced)? } else { Nanos::ZERO };
        Ok(Price { cost, impressions: Nanos(impressions(quantity(imp))), hold_s: self.hold_s(imp) })
    }

    /// Whether there is money, and room in capacities, for a bid at this price.
    pub(crate) fn affords(&self, imp: &Imp<'_>, entry: &Entry, priced: &Priced) -> Result<(), NoBidReason> {
        if !entry.is_leased() || self.request.test {
            return Ok(());
        }
        let price = self.price(imp, entry, priced)?;
        self.shared.money.has(entry, &price, self.moment, self.bids)
    }

    /// Why a line item need not be looked at, for want of money or impressions.
    pub(crate) fn dry(&self, entry: &Entry) -> Option<NoBidReason> {
        if !entry.is_leased() || self.request.test {
            return None;
        }
        self.shared.money.dry(entry, self.moment)
    }

    /// What is leased for a line item and in no hold: money and impressions, each where there is a limit.
    pub(crate) fn leased(&self, entry: &Entry) -> (Option<Nanos>, Option<Nanos>) {
        self.shared.money.remaining(entry, self.moment)
    }

    /// How long its pace holds a bid of this cost back; none: it does not.
    pub(crate) fn paced(&self, entry: &Entry, cost: Nanos) -> Option<Duration> {
        self.shared.money.wait(entry, cost, self.moment)
    }

    /// How long a bid on the impression may still turn into one that is shown, in seconds.
    pub(crate) fn hold_s(&self, imp: &Imp<'_>) -> u32 {
        let life = self.lives.hold_s(self.settings, self.place(imp), imp.exp);
        life.min(self.shared.lives.longest_s())
    }

    /// What kind of place the impression is in.
    pub(crate) fn place(&self, imp: &Imp<'_>) -> PlaceKind {
        place(self.request, imp)
    }

    /// Whether nothing that is still to come can be in time.
    pub(crate) fn is_late(&self) -> bool {
        self.shared.clock.monotonic() >= self.deadline
    }

    /// What a bid is worth to us, for comparing bids of line items in different currencies.
    pub(crate) fn in_dollars(&self, priced: &Priced) -> Cpm {
        self.fx.convert(priced.worth, priced.currency, self.fx.common()).unwrap_or(Cpm::ZERO)
    }

    /// The seat that a creative is bid from.
    pub(crate) fn seat_of(&self, creative: &'a Creative) -> &'a str {
        if creative.seat.is_empty() { &self.settings.seat } else { &creative.seat }
    }

    /// Whether the request asks this seat.
    pub(crate) fn seat_allowed(&self, seat: &str) -> Result<(), NoBidReason> {
        let wanted = self.request.wseat.is_empty() || self.request.wseat.contains(&seat);
        let blocked = self.request.bseat.contains(&seat);
        if wanted && !blocked { Ok(()) } else { Err(NoBidReason::SeatNotAllowed) }
    }
}

/// The currency of all bids: one that the request allows (or, where it says nothing, the exchange settles in) and
/// that we have a rate for; the exchange's first choice if that is among them.
fn currency(request: &Request<'_>, settings: &Exchange, fx: &Fx) -> Result<Currency, NoBidReason> {
    let preferred = settings.currencies.first().copied().unwrap_or(Currency::USD);
    let chosen = if request.cur.is_empty() {
        bid_currency(&settings.currencies, preferred, fx)
    } else {
        let sent = request.cur.iter().filter_map(|code| code.trim().parse().ok());
        let sent: smallvec::SmallVec<[Currency; 8]> = sent.collect();
        if sent.is_empty() { None } else { bid_currency(&sent, preferred, fx) }
    };
    chosen.ok_or(NoBidReason::Currency)
}

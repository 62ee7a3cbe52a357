//! One worker's own state: its lookup, arenas, randomness and metric shard. Never shared, so nothing in it locks.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bumpalo::Bump;
use bytes::Bytes;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;
use tagbid_notice::{Audience, NoticeUrls, SealedToken, Token};
use tagbid_openrtb::Response;
use tagbid_ports::{Datasets, Event, TagLookup};
use tagbid_runtime::overload::Gate;
use tagbid_runtime::trace::{Begun, tracer};
use tagbid_tagset::{MacKeys, UserKey};
use tagbid_targeting::Attributes;
use tagbid_types::{BidId, Clock, ExchangeName, Monotonic, NoBidReason, Timestamp, TraceContext, Use};

use crate::book::Book;
use crate::caps::{Flight, Seen};
use crate::door::{Shown, Shut};
use crate::funnel::Sample;
use crate::metrics::{ExchangeShard, Shard};
use crate::path::{
    self, Call, Choice, Context, Encoding, Format, Known, MOST_SPANS, Refusal, Stop, Timing, Wanted,
};
use crate::settings::{Exchange, NoBidStyle, Options};
use crate::shared::Shared;
use crate::traffic::Ranges;

/// Arenas kept for the next requests, and the largest one that is kept: a huge request must not be paid for by
/// every later one.
const KEPT_ARENAS: usize = 64;
const KEPT_ARENA_BYTES: usize = 1 << 20;

/// Why a bidder did not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// Settings that cannot be used, one a line.
    #[error("{0}")]
    Settings(String),
    /// Keys or randomness that are not to be had.
    #[error("bidder keys: {0}")]
    Keys(String),
}

/// A worker of the bid path.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    index: usize,
    lookup: Arc<dyn TagLookup>,
    arenas: RefCell<Vec<Bump>>,
    random: RefCell<ChaCha12Rng>,
    scratch: RefCell<String>,
    pub(crate) gate: Rc<Gate>,
}

/// How one request is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// With bids.
    Bids(Bytes),
    /// Without; the body is there where the exchange wants `nbr`.
    NoBid { reason: NoBidReason, body: Option<Bytes> },
    /// With an error.
    Refused(Refusal),
}

/// One request as a listener hands it over.
#[derive(Clone)]
pub(crate) struct Incoming {
    pub(crate) exchange: ExchangeName,
    pub(crate) body: Bytes,
    pub(crate) format: Format,
    pub(crate) encoding: Encoding,
    pub(crate) arrival: Monotonic,
    /// Its span, if it is traced.
    pub(crate) trace: Option<Begun>,
}

impl Incoming {
    /// The request under its exchange's settings.
    pub(crate) fn call<'a>(&'a self, settings: &'a Exchange) -> Call<'a> {
        Call {
            exchange: &self.exchange,
            settings,
            body: &self.body,
            format: self.format,
            encoding: self.encoding,
            arrival: self.arrival,
        }
    }
}

impl Worker {
    /// Opens a worker on the calling thread.
    pub(crate) fn open(shared: Arc<Shared>, index: usize) -> Self {
        let lookup = shared.lookups.open();
        let random = RefCell::new(ChaCha12Rng::from_seed(shared.seed(index)));
        let gate = Gate::new(Arc::clone(&shared.clock), shared.options.gate());
        Self { shared, index, lookup, arenas: RefCell::default(), random, scratch: RefCell::default(), gate }
    }

    /// Answers one request as its exchange likes to be told of no-bids, and counts how it ended.
    pub(crate) async fn answer_as_configured(&self, incoming: &Incoming) -> Answer {
        let settings = self.shared.options.exchanges.get(&incoming.exchange);
        self.answer(incoming, settings.map(|settings| settings.no_bid).unwrap_or_default()).await
    }

    /// Answers one request and counts how it ended.
    pub(crate) async fn answer(&self, incoming: &Incoming, no_bids: NoBidStyle) -> Answer {
        self.metrics().requests.inc();
        let Some(settings) = self.shared.options.exchanges.get(&incoming.exchange) else {
            self.metrics().unknown_exchange.inc();
            return self.refused(unknown_exchange(&incoming.exchange));
        };
        let mut arena = self.arenas.borrow_mut().pop().unwrap_or_else(|| Bump::with_capacity(32 * 1024));
        let call = incoming.call(settings);
        let answer = {
            let book = self.shared.books.current(self.monotonic());
            let mut timing = Timing::start(self, incoming);
            let ended = path::bid(self, &call, book.as_ref(), &mut timing, &arena).await;
            timing.finish(&ended);
            match ended {
                Ok(body) => Answer::Bids(body),
                Err(Stop::Refused(refusal)) => self.refused(refusal),
                Err(Stop::NoBid { id, reason }) => {
                    self.metrics().no_bid(reason).inc();
                    let body = (no_bids == NoBidStyle::Nbr).then(|| no_bid(id, reason, incoming.format));
                    Answer::NoBid { reason, body }
                }
            }
        };
        arena.reset();
        let mut arenas = self.arenas.borrow_mut();
        if arenas.len() < KEPT_ARENAS && arena.allocated_bytes() <= KEPT_ARENA_BYTES {
            arenas.push(arena);
        }
        answer
    }

    /// Whether a caller in this exchange's name gets in. An exchange without settings has no door: what it sends
    /// is refused by name later.
    pub(crate) fn admit(
        &self,
        exchange: &ExchangeName,
        shown: Shown<'_>,
        peer: Option<IpAddr>,
    ) -> Result<(), Shut> {
        let door = self.shared.doors.get(exchange);
        let admitted = door.map_or(Ok(()), |door| door.admit(shown, peer, self.monotonic()));
        if let Some((why, counted)) = admitted.err().zip(self.of_exchange(exchange)) {
            counted.shut(why).inc();
        }
        if admitted == Err(Shut::TooOften) {
            self.count_refusal(NoBidReason::Overload);
        }
        admitted
    }

    /// The span of a request whose caller says this of its own, if it is to be traced.
    pub(crate) fn trace(&self, traceparent: Option<&[u8]>) -> Option<Begun> {
        tracer().begin(traceparent, MOST_SPANS, || self.random_u64())
    }

    /// The span of a request that came in this one, if that is traced.
    pub(crate) fn trace_part(&self, of: Option<TraceContext>) -> Option<Begun> {
        tracer().child(of?, MOST_SPANS, || self.random_u64())
    }

    /// What this worker counts for an exchange; none: it has no settings.
    pub(crate) fn of_exchange(&self, exchange: &ExchangeName) -> Option<&ExchangeShard> {
        self.shared.metrics.of_exchange(self.index, exchange)
    }

    /// Counts a request that was refused before it reached the path.
    pub(crate) fn count_refusal(&self, reason: NoBidReason) {
        self.metrics().requests.inc();
        self.metrics().no_bid(reason).inc();
    }

    fn refused(&self, refusal: Refusal) -> Answer {
        self.metrics().no_bid(refusal.reason).inc();
        Answer::Refused(refusal)
    }

    /// Counts a request that is answered with bids.
    pub(crate) fn count_bids(&self, bids: usize, degraded: bool) {
        let metrics = self.metrics();
        metrics.answered.inc();
        metrics.bids.add(bids as u64);
        if degraded {
            metrics.degraded_tags.inc();
        }
    }

    pub(crate) fn metrics(&self) -> &Shard {
        self.shared.metrics.shard(self.index)
    }

    pub(crate) fn options(&self) -> &Options {
        &self.shared.options
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn data_centers(&self) -> &Ranges {
        &self.shared.data_centers
    }

    pub(crate) fn mac_keys(&self) -> &MacKeys {
        &self.shared.mac_keys
    }

    pub(crate) fn notice_urls(&self) -> &NoticeUrls {
        &self.shared.notice_urls
    }

    /// The book in force, stale or not: for explanations.
    pub(crate) fn last_book(&self) -> Option<Arc<Book>> {
        self.shared.books.last()
    }

    pub(crate) fn book_is_stale(&self) -> bool {
        self.shared.books.current(self.monotonic()).is_none()
    }

    pub(crate) fn lookup(&self) -> &dyn TagLookup {
        self.lookup.as_ref()
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.shared.clock
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    pub(crate) fn monotonic(&self) -> Monotonic {
        self.shared.clock.monotonic()
    }

    /// When to go on without tags: half of what is left at most, so that there is time to use them.
    pub(crate) fn tags_until(&self, deadline: Monotonic) -> Monotonic {
        let now = self.monotonic();
        now.after(self.options().tags_wait().min(deadline.since(now) / 2))
    }

    pub(crate) fn random_index(&self) -> usize {
        usize::try_from(self.random_u64() >> 32).unwrap_or(0)
    }

    pub(crate) fn random_u64(&self) -> u64 {
        self.random.borrow_mut().next_u64()
    }

    /// Hands sampled bids to the event log. Never waits.
    pub(crate) fn log_bids(&self, events: Vec<Event>) {
        if let Some(log) = &self.shared.bid_log {
            events.into_iter().for_each(|event| log.sink.offer(event));
        }
    }

    /// What to look a user up in: what the book has a use for. A request that is to be a sample of the traffic is looked
    /// up in everything, because estimates of reach are asked about tags that no line item names yet.
    pub(crate) fn wants(&self, book: &Book, draw: u64) -> Wanted {
        let wanted = Wanted::by(book);
        if self.shared.impressions.wants(draw) {
            Wanted { datasets: Datasets::ALL, ..wanted }
        } else {
            wanted
        }
    }

    /// How often this user was shown what, and what is under way; none where that is not known or of no use.
    pub(crate) fn seen<'a>(
        &self,
        book: &Book,
        known: &Known<'a>,
        user: Option<UserKey>,
        now: Timestamp,
        arena: &'a Bump,
    ) -> Option<Seen<'a>> {
        let user = user.filter(|_| book.has_caps())?;
        Seen::read(known.told, Some(user), &self.shared.flights, (now, self.monotonic()), arena)
    }

    /// Notes bids as under way to a user who is counted, just before they are sent. False, and none is noted, where caps have no
    /// room for them any more: another worker was faster.
    pub(crate) fn take_off(&self, context: &Context<'_>, choices: &[Choice<'_>], bids: &[BidId]) -> bool {
        let counted = context.permission.allows(Use::Frequency) && !context.request.test;
        let Some(user) = context.user.filter(|_| counted && context.book.has_caps()) else { return true };
        let (now, book) = (self.monotonic(), context.book);
        let under_caps = choices.iter().zip(bids).filter(|(choice, _)| book.counts(choice.entry));
        let flights = under_caps.map(|(choice, bid)| Flight {
            event: bid.0,
            counts: choice.entry.counts,
            ends: now.after(Duration::from_secs(context.hold_s(choice.imp).into())),
        });
        let entries = choices.iter().map(|choice| choice.entry);
        self.shared.flights.send(user, flights, now, |others| context.room.still_allows(entries, others))
    }

    /// Lets an impression count as a sample of the traffic. The random number of its request decides for both uses: the
    /// first looks at its last bits, the second at its first.
    pub(crate) fn observe(&self, draw: u64, number: u64, attributes: &Attributes<'_>) {
        self.shared.observed.observe(draw, attributes);
        self.shared.impressions.observe(draw, number, || self.now(), attributes);
    }

    /// Lets a request that came to the search count, and now and then takes a copy of it for the funnel. `stopped`:
    /// why it ended without a bid.
    pub(crate) fn sample(
        &self,
        call: &Call<'_>,
        book: &Arc<Book>,
        context: &Context<'_>,
        known: &Known<'_>,
        stopped: Option<NoBidReason>,
    ) {
        self.metrics().searched.inc();
        let funnel = &self.shared.funnel;
        if funnel.wants(|| self.random_u64()) {
            funnel.offer(Sample::copy(call, book, context, known, stopped), &self.metrics().funnel_dropped);
        }
    }

    /// Takes what a bid can cost at most, and the impressions that it stands for, out of its line item's leases. Test traffic costs
    /// nothing.
    pub(crate) fn hold<'a>(
        &self,
        context: &Context<'a>,
        choice: Choice<'a>,
    ) -> Result<Choice<'a>, NoBidReason> {
        if !choice.entry.is_leased() || context.request.test {
            return Ok(choice);
        }
        let price = context.price(choice.imp, choice.entry, &choice.priced)?;
        let holds = self.shared.money.hold(choice.entry, &price, self.monotonic())?;
        Ok(Choice { holds, ..choice })
    }

    /// Whether the leases that pay for a choice are still valid.
    pub(crate) fn may_spend(&self, choice: &Choice<'_>) -> bool {
        let valid = || self.shared.money.still_valid(choice.entry, &choice.holds, self.monotonic());
        choice.holds.any().is_none() || valid()
    }

    /// The choice is sent, or is not: then what it took is there for the next.
    pub(crate) fn settle_holds(&self, choice: &Choice<'_>, sent: bool) {
        let dropped = match choice.holds.any() {
            Some(_) if sent => self.shared.money.sent(self.index, &choice.holds),
            Some(_) => self.shared.money.undo(self.index, choice.entry, &choice.holds),
            None => 0,
        };
        self.metrics().holds_dropped.add(dropped);
    }

    /// Seals a token for the notices of a bid.
    pub(crate) fn seal(&self, token: &Token, audience: Audience) -> Result<SealedToken, NoBidReason> {
        let mut nonce = [0; 12];
        self.random.borrow_mut().fill_bytes(&mut nonce);
        self.shared.sealer.seal(token, audience, nonce).map_err(|error| {
            tracing::error!(%error, "token not sealed");
            NoBidReason::TechnicalError
        })
    }

    /// Text written by a function that wants a `String`, kept in the arena: one buffer serves all.
    pub(crate) fn markup<'a>(&self, arena: &'a Bump, write: impl FnOnce(&mut String)) -> &'a str {
        let mut scratch = self.scratch.take();
        scratch.clear();
        write(&mut scratch);
        let kept = arena.alloc_str(&scratch);
        self.scratch.replace(scratch);
        kept
    }
}

fn no_bid(id: &str, reason: NoBidReason, format: Format) -> Bytes {
    let response = Response::no_bid(id, reason.nbr());
    let mut out = Vec::with_capacity(128);
    match format {
        Format::Json => response.write_json(&mut out),
        Format::Protobuf => response.write_protobuf(&mut out),
    }
    out.into()
}

fn unknown_exchange(name: &ExchangeName) -> Refusal {
    let message =
        format!("exchange {name:?} is not configured: add [bidder.exchanges.{name}]", name = name.as_str());
    Refusal { reason: NoBidReason::InvalidRequest, message }
}

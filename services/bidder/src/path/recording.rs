//! A request as a trace: one span for the request and one for each stage, kept until it has ended and then handed over as a
//! whole. Nothing of the user is in it: neither id nor key nor address.

use std::cell::Cell;
use std::time::{Duration, Instant};

use tagbid_runtime::trace::{Begun, Field, Kind, Span, WallTime, tracer};
use tagbid_types::{Clock, Monotonic, NoBidReason, TraceContext};

use super::Format;
use crate::metrics::{Outcome, Stage};
use crate::worker::Incoming;

/// Most spans of one bid: the request, five stages, and gates and price apart from the search.
pub(crate) const MOST_SPANS: u32 = 8;

/// What of the search is told apart.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Gates,
    Price,
}

/// How long the parts of a search took together, and how many candidates it pulled.
#[derive(Debug, Default)]
pub(super) struct Stopwatch {
    gates: Cell<Duration>,
    price: Cell<Duration>,
    candidates: Cell<usize>,
}

impl Stopwatch {
    /// One more candidate.
    pub(super) fn candidate(watch: Option<&Self>) {
        if let Some(watch) = watch {
            watch.candidates.set(watch.candidates.get() + 1);
        }
    }

    /// Does some work, and notes how long it took where that is wanted.
    #[inline]
    pub(super) fn time<T>(watch: Option<&Self>, part: Part, work: impl FnOnce() -> T) -> T {
        let Some(watch) = watch else { return work() };
        let began = Instant::now();
        let result = work();
        let spent = match part {
            Part::Gates => &watch.gates,
            Part::Price => &watch.price,
        };
        spent.set(spent.get() + began.elapsed());
        result
    }
}

/// A request that is traced.
pub(super) struct Recording {
    begun: Begun,
    wall: WallTime,
    fields: Vec<Field>,
    spans: Vec<Span>,
    /// The span of the stage under way, where somebody was told of it.
    asking: Option<TraceContext>,
    /// How many stages have ended.
    stages: usize,
}

impl Recording {
    pub(super) fn new(begun: Begun, incoming: &Incoming, clock: &dyn Clock) -> Self {
        let format = match incoming.format {
            Format::Json => "json",
            Format::Protobuf => "protobuf",
        };
        let fields = vec![
            ("tagbid.exchange", incoming.exchange.as_str().to_owned().into()),
            ("tagbid.format", format.into()),
            ("tagbid.bytes", incoming.body.len().into()),
        ];
        Self {
            begun,
            wall: WallTime::at(clock),
            fields,
            spans: Vec::with_capacity(MOST_SPANS as usize),
            asking: None,
            stages: 0,
        }
    }

    /// The span of the stage under way.
    pub(super) fn asking(&mut self, mut draw: impl FnMut() -> u64) -> TraceContext {
        *self.asking.insert(self.part(&mut draw))
    }

    /// A stage took so long.
    pub(super) fn stage(
        &mut self,
        name: &'static str,
        (from, to): (Monotonic, Monotonic),
        fields: Vec<Field>,
        mut draw: impl FnMut() -> u64,
    ) {
        let context = self.asking.take().unwrap_or_else(|| self.part(&mut draw));
        let begun = Begun { context, parent: Some(self.begun.context.span), remote: false };
        let span = Span::new(begun, name.into(), Kind::Inside, self.wall.of(from), self.wall.of(to));
        self.spans.push(Span { fields, ..span });
        self.stages += 1;
    }

    /// The search took so long. What of it went into gates and price has spans behind its own, as long as they took together:
    /// in truth they alternate with it, candidate by candidate.
    pub(super) fn search(
        &mut self,
        watch: &Stopwatch,
        bids: usize,
        (from, to): (Monotonic, Monotonic),
        mut draw: impl FnMut() -> u64,
    ) {
        let whole = to.since(from);
        let gates = watch.gates.get().min(whole);
        let price = watch.price.get().min(whole - gates);
        let (gated, priced) = (from.after(whole - gates - price), from.after(whole - price));
        let candidates = ("tagbid.candidates", watch.candidates.get().into());
        self.stage(Stage::Match.as_str(), (from, gated), vec![candidates], &mut draw);
        self.stage("gates", (gated, priced), Vec::new(), &mut draw);
        self.stage("price", (priced, to), vec![("tagbid.bids", bids.into())], &mut draw);
        // They are one stage of the path, and its last where nothing was found.
        self.stages = if bids == 0 { Stage::ALL.len() } else { self.stages - 2 };
    }

    /// The request has ended, in the stage under way if it ended without a bid.
    pub(super) fn finish(
        mut self,
        (outcome, reason, late): (Outcome, Option<NoBidReason>, bool),
        (arrival, lap, now): (Monotonic, Monotonic, Monotonic),
        mut draw: impl FnMut() -> u64,
    ) {
        let under_way = Stage::ALL.get(self.stages).filter(|stage| **stage != Stage::Total);
        if let Some(stage) = under_way.filter(|_| outcome != Outcome::Bid) {
            self.stage(stage.as_str(), (lap, now), Vec::new(), &mut draw);
        }
        self.fields.push(("tagbid.outcome", outcome.as_str().into()));
        self.fields.push(("tagbid.late", late.into()));
        self.fields.extend(reason.map(|reason| ("tagbid.no_bid", reason.as_str().into())));
        // Part of a call over gRPC, which has a span of its own; over HTTP there is none.
        let is_inside = self.begun.parent.is_some() && !self.begun.remote;
        let kind = if is_inside { Kind::Inside } else { Kind::Server };
        let span = Span::new(self.begun, "bid".into(), kind, self.wall.of(arrival), self.wall.of(now));
        let failed = matches!(reason, Some(NoBidReason::TechnicalError | NoBidReason::StaleCatalog));
        self.spans.push(Span { fields: self.fields, failed, ..span });
        tracer().record(self.spans);
    }

    fn part(&self, draw: &mut impl FnMut() -> u64) -> TraceContext {
        TraceContext { trace: self.begun.context.trace, span: draw().max(1).to_be_bytes() }
    }
}

//! All metrics of the bidder, by name. Each worker counts in its own shard.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use tagbid_runtime::metrics::{
    Counter, Histogram, HistogramSum, Sharded, encode_counter, encode_counters, encode_histograms,
};
use tagbid_runtime::overload::Why;
use tagbid_types::{ExchangeName, NoBidReason};

use crate::caps::Flights;
use crate::funnel::FunnelTotals;
use crate::settings::Options;

mod exchange;

pub use exchange::{ExchangeShard, Outcome, Shut};

/// The stages of the bid path, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Stage {
    /// From the first byte to the request.
    Decode,
    /// What may be done for the user.
    Consent,
    /// What is known of the user.
    Tags,
    /// Match, gates and price of all impressions: candidates are pulled one by one through all three.
    Match,
    /// Tokens, markup and encoding.
    Respond,
    /// From the first byte to the last of the answer.
    Total,
}

impl Stage {
    /// All stages.
    pub const ALL: [Self; 6] =
        [Self::Decode, Self::Consent, Self::Tags, Self::Match, Self::Respond, Self::Total];

    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Consent => "consent",
            Self::Tags => "tags",
            Self::Match => "match",
            Self::Respond => "respond",
            Self::Total => "total",
        }
    }
}

/// Asks for leases, by what became of them.
#[derive(Debug, Default)]
pub(crate) struct LeaseCounts {
    /// The ledger gave something.
    pub(crate) granted: Counter,
    /// It gave nothing.
    pub(crate) refused: Counter,
    /// It did not answer, or not in a way that can be used.
    pub(crate) failed: Counter,
}

impl LeaseCounts {
    fn encode(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let results = [("granted", &self.granted), ("refused", &self.refused), ("failed", &self.failed)];
        let results = results.map(|(result, count)| -> (Label, u64) { ([("result", result)], count.get()) });
        let help = "Asks for money or impressions to bid with, by what became of them";
        encode_counters(to, "tagbid_bidder_lease_asks", help, results)
    }
}

/// What one worker counts.
#[derive(Debug)]
pub struct Shard {
    /// Requests that reached the path.
    pub requests: Counter,
    /// Requests answered with at least one bid.
    pub answered: Counter,
    /// Bids.
    pub bids: Counter,
    /// Answers that came after their deadline.
    pub late: Counter,
    /// Requests bid on without the user's tags although they could have been looked up.
    pub degraded_tags: Counter,
    /// Requests that came to the search.
    pub searched: Counter,
    /// Requests that were chosen for the funnel and dropped.
    pub funnel_dropped: Counter,
    /// Holds that the keeper of the money was not told of, because it had not taken in those before.
    pub holds_dropped: Counter,
    /// Callers who named no exchange of ours.
    pub unknown_exchange: Counter,
    no_bids: [Counter; NoBidReason::ALL.len()],
    shed: [Counter; Why::ALL.len()],
    stages: [Histogram; Stage::ALL.len()],
    exchanges: Box<[ExchangeShard]>,
}

impl Shard {
    fn new(exchanges: usize, slo_us: u64) -> Self {
        Self {
            requests: Counter::default(),
            answered: Counter::default(),
            bids: Counter::default(),
            late: Counter::default(),
            degraded_tags: Counter::default(),
            searched: Counter::default(),
            funnel_dropped: Counter::default(),
            holds_dropped: Counter::default(),
            unknown_exchange: Counter::default(),
            no_bids: std::array::from_fn(|_| Counter::default()),
            shed: Default::default(),
            stages: Default::default(),
            exchanges: (0..exchanges).map(|_| ExchangeShard::new(slo_us)).collect(),
        }
    }

    /// Requests without a bid for this reason.
    pub fn no_bid(&self, reason: NoBidReason) -> &Counter {
        &self.no_bids[reason as usize]
    }

    /// Requests turned away unread for this reason.
    pub fn shed(&self, why: Why) -> &Counter {
        &self.shed[why as usize]
    }

    /// Latency of a stage.
    pub fn stage(&self, stage: Stage) -> &Histogram {
        &self.stages[stage as usize]
    }
}

/// The bidder's metrics: a shard a worker, and the funnel's own.
#[derive(Clone, Debug)]
pub struct Metrics {
    shards: Sharded<Shard>,
    /// Those of the settings, ascending: bounds what is counted by exchange.
    exchanges: Arc<[ExchangeName]>,
    slo_us: u64,
    /// Calls over gRPC that no worker had room for.
    pub(crate) busy: Arc<Counter>,
    pub(crate) leases: Arc<LeaseCounts>,
    pub(crate) funnel: Arc<FunnelTotals>,
    flights: Arc<Flights>,
}

impl Metrics {
    /// For so many workers and the exchanges of these settings.
    pub(crate) fn new(workers: usize, options: &Options, flights: Arc<Flights>) -> Self {
        let slo_us = options.slo_us();
        // Ascending, as the settings keep them.
        let exchanges: Vec<_> = options.exchanges.keys().cloned().collect();
        let shards = Sharded::with(workers, || Shard::new(exchanges.len(), slo_us));
        let (exchanges, busy, leases) = (exchanges.into(), Arc::default(), Arc::default());
        Self { shards, exchanges, slo_us, busy, leases, funnel: Arc::default(), flights }
    }

    /// What this worker counts for an exchange; none: it is not in the settings.
    pub(crate) fn of_exchange(&self, worker: usize, name: &ExchangeName) -> Option<&ExchangeShard> {
        let place = self.exchanges.binary_search(name).ok()?;
        self.shard(worker).exchanges.get(place)
    }

    /// The shard of this worker.
    pub fn shard(&self, worker: usize) -> &Shard {
        self.shards.shard(worker)
    }

    /// Requests so far.
    pub fn requests(&self) -> u64 {
        self.shards.sum(|shard| &shard.requests)
    }

    /// Requests that came to the search so far.
    pub fn searched(&self) -> u64 {
        self.shards.sum(|shard| &shard.searched)
    }

    /// Requests so far that were chosen for the funnel and dropped.
    pub(crate) fn funnel_dropped(&self) -> u64 {
        self.shards.sum(|shard| &shard.funnel_dropped)
    }

    /// Requests without a bid so far, by reason; reasons that did not occur are left out.
    pub fn no_bids(&self) -> impl Iterator<Item = (NoBidReason, u64)> {
        NoBidReason::ALL
            .into_iter()
            .map(|reason| (reason, self.shards.sum(|s| s.no_bid(reason))))
            .filter(|(_, n)| *n > 0)
    }

    /// Latency of a stage so far.
    pub fn stage(&self, stage: Stage) -> HistogramSum {
        HistogramSum::of(self.shards.iter().map(|shard| shard.stage(stage)))
    }
}

type Pick = fn(&Shard) -> &Counter;
type Label = [(&'static str, &'static str); 1];

impl Collector for Metrics {
    fn encode(&self, mut to: DescriptorEncoder) -> fmt::Result {
        let plain: [(&str, &str, Pick); 7] = [
            ("tagbid_bid_requests", "Bid requests that reached the bid path", |s| &s.requests),
            ("tagbid_bid_searched", "Bid requests that came to the search for line items", |s| &s.searched),
            ("tagbid_bid_answered", "Bid requests answered with at least one bid", |s| &s.answered),
            ("tagbid_bids", "Bids", |s| &s.bids),
            ("tagbid_bid_holds_dropped", "Holds whose money returns only with their lease", |s| {
                &s.holds_dropped
            }),
            ("tagbid_bid_late", "Answers that were ready after their deadline", |s| &s.late),
            ("tagbid_bid_degraded_tags", "Requests bid on without tags that were late or failed", |s| {
                &s.degraded_tags
            }),
        ];
        for (name, help, counter) in plain {
            encode_counter(&mut to, name, help, self.shards.sum(counter))?;
        }
        let reasons = NoBidReason::ALL.into_iter();
        let no_bids =
            reasons.map(|r| -> (Label, u64) { ([("reason", r.as_str())], self.shards.sum(|s| s.no_bid(r))) });
        encode_counters(&mut to, "tagbid_no_bids", "Bid requests without a bid, by reason", no_bids)?;
        let shed = Why::ALL
            .into_iter()
            .map(|why| -> (Label, u64) { ([("why", why.as_str())], self.shards.sum(|s| s.shed(why))) });
        let help = "Bid requests turned away unread because there was no time for them";
        encode_counters(&mut to, "tagbid_bidder_shed", help, shed)?;
        let help = "Bids that frequency caps forgot before their hold life was over, for lack of room";
        encode_counter(&mut to, "tagbid_cap_flights_forgotten", help, self.flights.forgotten.get())?;
        let stages = Stage::ALL.into_iter();
        let latencies = stages.map(|s| -> (Label, HistogramSum) { ([("stage", s.as_str())], self.stage(s)) });
        encode_histograms(
            &mut to,
            "tagbid_bid_stage_seconds",
            "Time spent in a stage of the bid path",
            latencies,
        )?;
        self.encode_exchanges(&mut to)?;
        self.leases.encode(&mut to)?;
        self.funnel.encode(&mut to, self.funnel_dropped())
    }
}

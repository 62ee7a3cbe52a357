//! What is counted by exchange: who was not let in, and how long answers took by how they ended.
//!
//! Time by stage and time by exchange and outcome are two families and not one: eighteen buckets times six stages times four
//! outcomes would be 432 series an exchange and bidder, of which nobody looks at most.

use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;
use tagbid_runtime::metrics::{Counter, HistogramSum, SloHistogram, encode_counters, encode_histograms};

use super::Metrics;

/// How a request ended, as its exchange sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(usize)]
pub enum Outcome {
    /// At least one bid.
    Bid,
    /// None.
    NoBid,
    /// It was no request that can be answered.
    Refused,
    /// The exchange was gone before there was an answer.
    #[default]
    Abandoned,
}

impl Outcome {
    /// All outcomes.
    pub const ALL: [Self; 4] = [Self::Bid, Self::NoBid, Self::Refused, Self::Abandoned];

    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bid => "bid",
            Self::NoBid => "no_bid",
            Self::Refused => "refused",
            Self::Abandoned => "abandoned",
        }
    }
}

/// Why a call did not get in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Shut {
    /// Wrong or missing key, or from elsewhere.
    Stranger,
    /// More than agreed.
    TooOften,
}

impl Shut {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Stranger, Self::TooOften];

    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stranger => "stranger",
            Self::TooOften => "too_often",
        }
    }
}

/// What one worker counts for one exchange.
#[derive(Debug)]
pub struct ExchangeShard {
    slo_us: u64,
    latency: [SloHistogram; Outcome::ALL.len()],
    /// Requests without a bid, for another reason than want of time, whose answer was ready after their deadline.
    pub late_no_bids: Counter,
    shut: [Counter; Shut::ALL.len()],
}

impl ExchangeShard {
    pub(super) fn new(slo_us: u64) -> Self {
        let (latency, late_no_bids, shut) = Default::default();
        Self { slo_us, latency, late_no_bids, shut }
    }

    /// From the first byte to the end of the path.
    pub fn took(&self, outcome: Outcome, micros: u64) {
        self.latency[outcome as usize].record_us(micros, self.slo_us);
    }

    /// Calls in its name that did not get in.
    pub fn shut(&self, why: Shut) -> &Counter {
        &self.shut[why as usize]
    }
}

type OfExchange = [(&'static str, String); 2];

impl Metrics {
    /// A family with a series for each exchange and each of these values of a label.
    fn by_exchange<'a, T: Copy + 'a, V: 'a>(
        &'a self,
        label: (&'static str, fn(T) -> &'static str),
        all: &'a [T],
        value: impl Fn(usize, T) -> V + 'a,
    ) -> impl Iterator<Item = (OfExchange, V)> + 'a {
        let (key, word) = label;
        let places = self.exchanges.iter().enumerate();
        let each = places.flat_map(move |(place, name)| all.iter().map(move |one| (place, name, *one)));
        each.map(move |(place, name, one)| {
            let labels = [("exchange", name.as_str().to_owned()), (key, word(one).to_owned())];
            (labels, value(place, one))
        })
    }

    pub(super) fn encode_exchanges(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let times = self.by_exchange(("outcome", Outcome::as_str), &Outcome::ALL, |place, outcome| {
            let shards = self.shards.iter().map(|shard| &shard.exchanges[place].latency[outcome as usize]);
            HistogramSum::with_slo(shards, self.slo_us)
        });
        let help = "From the first byte of a bid request to its answer; a bucket ends at bidder.slo_ms";
        encode_histograms(to, "tagbid_bid_seconds", help, times)?;

        let late = self.exchanges.iter().enumerate().map(|(place, name)| {
            let late = self.shards.sum(|shard| &shard.exchanges[place].late_no_bids);
            ([("exchange", name.as_str())], late)
        });
        let help = "Requests without a bid that was ready after their deadline, those with the reason no_time left out";
        encode_counters(to, "tagbid_no_bids_late", help, late)?;

        let shut = self.by_exchange(("why", Shut::as_str), &Shut::ALL, |place, why| {
            self.shards.sum(|shard| shard.exchanges[place].shut(why))
        });
        let others = [
            ("unknown_exchange", self.shards.sum(|shard| &shard.unknown_exchange)),
            ("busy", self.busy.get()),
        ];
        let others =
            others.map(|(why, count)| ([("exchange", String::new()), ("why", why.to_owned())], count));
        let help = "Bid requests that did not get in, by the exchange in whose name they came and why";
        encode_counters(to, "tagbid_door_refused", help, shut.chain(others))
    }
}

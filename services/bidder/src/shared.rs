//! What all workers of a bidder share: settings, keys, the book. Read-only but for the swap of the book and what is
//! observed of the traffic.

use std::collections::HashMap;
use std::sync::Arc;

use tagbid_notice::{Keys, NoticeUrls, Sealer};
use tagbid_ports::{BidSample, EventSink, LeaseSource, TagLookupSource};
use tagbid_pricing::{ExchangeAuctions, Fx};
use tagbid_tagset::MacKeys;
use tagbid_types::{Clock, ExchangeName};

use crate::book::BookHandle;
use crate::caps::Flights;
use crate::door::Door;
use crate::funnel::Funnel;
use crate::metrics::Metrics;
use crate::money::{Lives, Money};
use crate::observed::Observed;
use crate::reach::Impressions;
use crate::settings::Options;
use crate::traffic::Ranges;
use crate::worker::StartError;

pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) fx: Fx,
    pub(crate) auctions: HashMap<ExchangeName, ExchangeAuctions>,
    pub(crate) doors: HashMap<ExchangeName, Door>,
    pub(crate) default_auctions: ExchangeAuctions,
    pub(crate) data_centers: Ranges,
    pub(crate) mac_keys: MacKeys,
    pub(crate) sealer: Sealer,
    pub(crate) notice_urls: NoticeUrls,
    pub(crate) lookups: Arc<dyn TagLookupSource>,
    pub(crate) bid_log: Option<SampledBids>,
    pub(crate) books: BookHandle,
    pub(crate) observed: Observed,
    pub(crate) impressions: Impressions,
    pub(crate) metrics: Metrics,
    pub(crate) funnel: Funnel,
    pub(crate) money: Money,
    pub(crate) lives: Lives,
    pub(crate) flights: Arc<Flights>,
    /// Where money to bid with comes from; none: line items with a budget do not bid.
    pub(crate) leases: Option<Arc<dyn LeaseSource>>,
    pub(crate) clock: Arc<dyn Clock>,
    seed: [u8; 32],
}

/// What a bidder needs from outside.
pub struct Parts {
    /// Keys that turn user ids into user keys; the same as those of the tags role.
    pub mac_keys: MacKeys,
    /// Keys that seal notice tokens; the same as those of the ledger.
    pub token_keys: Keys,
    /// Where users are looked up.
    pub lookups: Arc<dyn TagLookupSource>,
    /// Where money to bid with comes from; none: line items with a budget do not bid.
    pub leases: Option<Arc<dyn LeaseSource>>,
    /// Where a sample of bids is logged; none: nowhere.
    pub bid_log: Option<SampledBids>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

/// An event log that takes a sample of bids.
#[derive(Clone)]
pub struct SampledBids {
    /// The log.
    pub sink: Arc<dyn EventSink>,
    /// Which bids.
    pub sample: BidSample,
}

impl Shared {
    pub(crate) fn new(options: Options, parts: Parts, workers: usize) -> Result<Self, StartError> {
        let problems = options.problems();
        if !problems.is_empty() {
            return Err(StartError::Settings(problems.join("\n")));
        }
        crate::adapt::prepare();
        let settings = |problem: String| StartError::Settings(problem);
        let data_centers = Ranges::parse(&options.data_centers).map_err(settings)?;
        let doors: Result<_, String> =
            options.exchanges.iter().map(|(name, one)| Ok((name.clone(), Door::new(one)?))).collect();
        let notice_urls = NoticeUrls::new(&options.notice_url)
            .map_err(|error| StartError::Settings(format!("bidder.notice_url: {error}")))?;
        let sealer = Sealer::new(&parts.token_keys).map_err(|error| StartError::Keys(error.to_string()))?;
        let flights = Arc::new(Flights::new(options.cap_flights));
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| StartError::Keys(error.to_string()))?;
        Ok(Self {
            fx: options.rates(),
            auctions: options.exchanges.iter().map(|(name, one)| (name.clone(), one.auctions())).collect(),
            doors: doors.map_err(settings)?,
            default_auctions: ExchangeAuctions::default(),
            data_centers,
            mac_keys: parts.mac_keys,
            sealer,
            notice_urls,
            lookups: parts.lookups,
            bid_log: parts.bid_log,
            books: BookHandle::new(std::time::Duration::from_secs(options.catalog_max_age_s)),
            observed: Observed::default(),
            impressions: Impressions::new(parts.clock.now()),
            metrics: Metrics::new(workers, &options, Arc::clone(&flights)),
            flights,
            funnel: Funnel::new(options.funnel_every, parts.clock.now()),
            money: Money::new(workers),
            lives: Lives::new(&options),
            leases: parts.leases,
            clock: parts.clock,
            seed,
            options,
        })
    }

    /// What the exchange's auction types mean.
    pub(crate) fn auctions(&self, exchange: &ExchangeName) -> &ExchangeAuctions {
        self.auctions.get(exchange).unwrap_or(&self.default_auctions)
    }

    /// The seed of a worker's randomness: no two workers share one.
    pub(crate) fn seed(&self, worker: usize) -> [u8; 32] {
        let mut seed = self.seed;
        for (to, from) in seed.iter_mut().zip((worker as u64).to_le_bytes()) {
            *to ^= from;
        }
        seed
    }
}

//! What the operator decides about bidding: per bidder, and per exchange.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tagbid_consent::Policy;
use tagbid_notice::Bills;
use tagbid_pricing::{ExchangeAuctions, Fx, Mechanism};
use tagbid_runtime::auth::Secret;
use tagbid_runtime::files::writable_file;
use tagbid_runtime::overload::{GateOptions, Patience};
use tagbid_runtime::workers::BodyPace;
use tagbid_types::{Currency, ExchangeName, PlaceKind, Rate, Ratio};

use crate::money::usual_hold_s;
use crate::traffic::Ranges;

/// Longest that tags may be used which nobody has confirmed: as long, a suppression may go unnoticed.
const MOST_STALE_MS: u64 = 60_000;

/// Settings of the bidder role: the table `[bidder]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Worker threads; 0: one a core.
    pub workers: usize,
    /// Where notices go: the public base URL of the ledger, as exchanges and browsers reach it. It stands in markup for
    /// secure pages, so it is https except on this machine itself.
    pub notice_url: String,
    /// File of the catalog's disk copy; its directory is made when missing. Empty: none.
    pub catalog_copy: String,
    /// Stop bidding when the catalog was last known to be up to date longer ago than this, in seconds.
    pub catalog_max_age_s: u64,
    /// Longest wait for tags, in microseconds; then the bid is contextual.
    pub tags_wait_us: u64,
    /// Bytes of the cache of users' tags that each worker has in front of tags that are elsewhere (another process, Redis):
    /// it answers who asks again within 250 ms. 0: none.
    pub tags_cache_bytes: u64,
    /// How old offline tags get that are used while the tags role does not answer, in milliseconds; who is suppressed in
    /// that time may still be targeted by them. 0: they are not used.
    pub tags_stale_ms: u64,
    /// Largest body, in bytes.
    pub body_bytes: usize,
    /// Longest time from a request's head to the end of its body, in milliseconds.
    pub body_ms: u64,
    /// Bytes of a body that have to come in a second, on average, from the second second on.
    pub body_rate: usize,
    /// Largest body after decompression, in bytes.
    pub inflated_bytes: usize,
    /// Largest ratio of decompressed to compressed bytes.
    pub inflate_ratio: usize,
    /// While more comes than the workers serve: how long a request may have waited for its worker and still be served, in
    /// milliseconds. What has waited longer is turned away unread. At other times that is half of what is left
    /// of `tmax_ms` without `network_margin_ms`.
    pub queue_target_ms: u64,
    /// For how long all requests of a worker have to wait longer than that until it counts as such a time, in milliseconds.
    pub queue_interval_ms: u64,
    /// Requests under way at once in each worker. More are turned away.
    pub in_flight: usize,
    /// Percent of each worker's time that notices and conversions get while bid requests wait. Where that is too little, give the
    /// ledger a process of its own.
    pub notices_percent: u32,
    /// The objective for the time from a request's first byte to its answer, in milliseconds: `tagbid_bid_seconds` has a bucket
    /// that ends there. Nothing is done about it; what is too late for an exchange, its `tmax` says.
    pub slo_ms: u64,
    /// One request in so many, chosen at random, is looked at again behind its answer to count how far each line item
    /// came. 0: none, and there are no funnels.
    pub funnel_every: u32,
    /// Bids under way that are remembered for frequency caps, of users who are known: about 100 bytes each. Beyond that the
    /// one that would be over first is forgotten, and its user may see more than a cap allows.
    pub cap_flights: usize,
    /// Rates: what one unit of the currency is worth in US dollars. USD needs no entry.
    pub fx: BTreeMap<Currency, f64>,
    /// Address blocks of data centres ("192.0.2.0/24"): their requests get no bid.
    pub data_centers: Vec<String>,
    /// What consent signals mean for us, and our vendor id.
    pub consent: Policy,
    /// How exchanges differ, by the name in their bid URL. A request to a name that is not here is refused.
    pub exchanges: BTreeMap<ExchangeName, Exchange>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            workers: 0,
            notice_url: "http://127.0.0.1:8080".into(),
            catalog_copy: String::new(),
            catalog_max_age_s: 900,
            tags_wait_us: 5_000,
            tags_cache_bytes: 16 * 1024 * 1024,
            tags_stale_ms: 10_000,
            body_bytes: 256 * 1024,
            body_ms: 5_000,
            body_rate: 4 * 1024,
            inflated_bytes: 1024 * 1024,
            inflate_ratio: 20,
            queue_target_ms: 10,
            queue_interval_ms: 100,
            in_flight: 1_024,
            notices_percent: 25,
            slo_ms: 10,
            funnel_every: 200,
            cap_flights: 262_144,
            fx: BTreeMap::new(),
            data_centers: Vec::new(),
            consent: Policy::default(),
            exchanges: BTreeMap::new(),
        }
    }
}

/// Settings of one exchange: the table `[bidder.exchanges.NAME]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Exchange {
    /// Secret last segment of its bid URL, `/openrtb2/NAME/KEY`; empty: none is asked. Over gRPC a token of scope
    /// `exchange:NAME` stands for it.
    pub key: Secret,
    /// Address blocks that it calls from ("192.0.2.0/24"); empty: from anywhere.
    pub networks: Vec<String>,
    /// Requests a second that are answered, over all workers; the rest get a no-bid at once. 0: no limit.
    pub max_rate: u32,
    /// `tmax` of requests that have none, and of those that are not read yet, in milliseconds: what has waited half of it
    /// unread, less the margin, is turned away.
    pub tmax_ms: u32,
    /// Time that the answer needs on the network, in milliseconds: subtracted from every `tmax`.
    pub network_margin_ms: u32,
    /// How to say that there is no bid.
    pub no_bid: NoBidStyle,
    /// How to answer what is turned away unread.
    pub shed: ShedStyle,
    /// Whether a refusal (400) explains itself in a body.
    pub error_body: bool,
    /// Currencies it settles in when a request has no `cur`; the first is preferred.
    pub currencies: Vec<Currency>,
    /// Seat of creatives that name none.
    pub seat: String,
    /// Auction types from 500 upwards that are first-price; other such types count as second-price.
    pub first_price_types: Vec<i32>,
    /// Which notice bills: "bill" (burl), "win" (nurl) or "imp" (the markup's pixel or VAST impression).
    pub bills: Bills,
    /// Share of our price that is bid in a first-price auction, in millionths.
    pub shade: Ratio,
    /// Whether it shows only creatives that it has approved.
    pub requires_approval: bool,
    /// Refuse requests whose supply chain is missing, incomplete, or does not end in `supply_chain_asi`.
    pub requires_supply_chain: bool,
    /// The exchange's own domain in supply chains (`asi`); empty: the last node is not checked.
    pub supply_chain_asi: String,
    /// For how long a bid holds its money at least, in seconds: what nearly all of this exchange's billing notices take. None: as the
    /// ledger learns by the kind of place, and until it has, 90 s on pages, 7 minutes in apps, 12 for native
    /// ads there, 35 for what fills a screen. An impression that says more (`exp`) is waited for longer,
    /// as far as the lease allows.
    pub hold_s: Option<u32>,
    /// The same for single kinds of places, before `hold_s`: "page", "app", "app_native", "full_screen".
    pub hold_s_by_place: BTreeMap<PlaceKind, u32>,
    /// Whether to use what the ledger learns of how long holds have to last.
    pub learn_holds: bool,
}

impl Default for Exchange {
    fn default() -> Self {
        Self {
            key: Secret::default(),
            networks: Vec::new(),
            max_rate: 0,
            tmax_ms: 100,
            network_margin_ms: 5,
            no_bid: NoBidStyle::Empty,
            shed: ShedStyle::Empty,
            error_body: false,
            currencies: vec![Currency::USD],
            seat: "tagbid".into(),
            first_price_types: Vec::new(),
            bills: Bills::default(),
            shade: Ratio::ONE,
            requires_approval: false,
            requires_supply_chain: false,
            supply_chain_asi: String::new(),
            hold_s: None,
            hold_s_by_place: BTreeMap::new(),
            learn_holds: true,
        }
    }
}

impl Exchange {
    /// For how long an answer to a request that is not read yet is of use, from its arrival on.
    pub(crate) fn usable(&self) -> Duration {
        Duration::from_millis(self.tmax_ms.saturating_sub(self.network_margin_ms).into())
    }

    /// How long holds last by hand.
    pub(crate) fn pinned_hold_s(&self, place: PlaceKind) -> Option<u32> {
        self.hold_s_by_place.get(&place).copied().or(self.hold_s)
    }

    /// What its auction types mean.
    pub(crate) fn auctions(&self) -> ExchangeAuctions {
        let codes = self.first_price_types.iter().map(|code| (*code, Mechanism::FirstPrice));
        ExchangeAuctions { codes: codes.collect() }
    }
}

/// How an exchange wants to be told that there is no bid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NoBidStyle {
    /// 204 without a body.
    #[default]
    Empty,
    /// 200 with the request's id and `nbr`.
    Nbr,
}

/// How an exchange wants to be told that there was no time for its request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ShedStyle {
    /// 204: a no-bid like any other.
    #[default]
    Empty,
    /// 503, for exchanges that then send less.
    Unavailable,
}

impl Options {
    /// The longest that any bid may hold its money, in seconds, before anything is learnt: the most that is configured, and no less than
    /// what the longest kind of place takes by itself.
    pub(crate) fn longest_hold_s(&self) -> u32 {
        let pinned = |exchange: &Exchange| PlaceKind::ALL.map(|place| exchange.pinned_hold_s(place));
        let pinned = self.exchanges.values().flat_map(pinned).flatten();
        pinned.chain(PlaceKind::ALL.map(usual_hold_s)).max().unwrap_or(0)
    }

    /// What cannot be used, by key, with the remedy.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.fx_problems();
        problems.extend(self.load_problems());
        let mut want = |ok: bool, key: &str, remedy: &str| {
            if !ok {
                problems.push(format!("bidder.{key}: {remedy}"));
            }
        };
        want(self.notice_url.starts_with("http"), "notice_url", "use an http or https URL");
        let shown = !self.notice_url.starts_with("http://") || is_loopback(&self.notice_url);
        want(shown, "notice_url", "use https: secure pages block pixels over http, except from this machine");
        want(self.catalog_max_age_s >= 1, "catalog_max_age_s", "use at least 1 second, such as 900");
        if !self.catalog_copy.is_empty()
            && let Err(problem) = writable_file(Path::new(&self.catalog_copy))
        {
            want(false, "catalog_copy", &problem);
        }
        want(self.tags_stale_ms <= MOST_STALE_MS, "tags_stale_ms", "use at most 60000, a minute");
        want(self.inflated_bytes >= self.body_bytes, "inflated_bytes", "use at least body_bytes");
        want(self.inflate_ratio >= 1, "inflate_ratio", "use at least 1");
        if let Err(problem) = Ranges::parse(&self.data_centers) {
            want(false, "data_centers", &problem);
        }
        for (name, exchange) in &self.exchanges {
            let key = |field: &str| format!("exchanges.{name}.{field}");
            if let Err(problem) = Ranges::parse(&exchange.networks) {
                want(false, &key("networks"), &problem);
            }
            want(!exchange.currencies.is_empty(), &key("currencies"), "name at least one currency");
            want(
                exchange.tmax_ms > exchange.network_margin_ms,
                &key("tmax_ms"),
                "use more than network_margin_ms",
            );
            want(
                (1..=Ratio::ONE.0).contains(&exchange.shade.0),
                &key("shade"),
                "use 1 to 1000000 millionths",
            );
        }
        problems
    }

    /// What is wrong with the bounds on what a bidder takes on.
    fn load_problems(&self) -> impl Iterator<Item = String> {
        let wanted = [
            (self.body_bytes >= 1024, "body_bytes: use at least 1024"),
            (self.body_ms >= 1, "body_ms: use at least 1, such as 5000"),
            (self.queue_target_ms >= 1, "queue_target_ms: use at least 1, such as 10"),
            (self.queue_interval_ms >= 1, "queue_interval_ms: use at least 1, such as 100"),
            ((1..=60_000).contains(&self.slo_ms), "slo_ms: use 1 to 60000, such as 10"),
            (self.in_flight >= 1, "in_flight: use at least 1, such as 1024"),
            (
                (1..=90).contains(&self.notices_percent),
                "notices_percent: use 1 to 90: bids and notices both need some time",
            ),
        ];
        wanted.into_iter().filter(|(ok, _)| !ok).map(|(_, problem)| format!("bidder.{problem}"))
    }

    /// What is wrong with the rates, as in [`Options::problems`]: the campaigns role uses them too.
    pub fn fx_problems(&self) -> Vec<String> {
        let each = self.fx.iter().filter_map(|(currency, rate)| match currency {
            // Exactly one is what it is.
            &Currency::USD if *rate == 1.0 => None,
            &Currency::USD => Some("bidder.fx.USD: leave it out: rates are in US dollars".into()),
            _ if Rate::from_f64(*rate).is_some() => None,
            other => Some(format!("bidder.fx.{other}: use a rate from 1e-9 to 1e6")),
        });
        each.collect()
    }

    /// The rates, in US dollars.
    pub fn rates(&self) -> Fx {
        let rates = self.fx.iter().filter_map(|(currency, rate)| Some((*currency, Rate::from_f64(*rate)?)));
        rates.fold(Fx::new(Currency::USD), |fx, (currency, rate)| fx.with(currency, rate))
    }

    /// How old offline tags get that are used while nobody answers.
    pub fn tags_stale(&self) -> Duration {
        Duration::from_millis(self.tags_stale_ms)
    }

    /// How slowly a body may come.
    pub(crate) fn body_pace(&self) -> BodyPace {
        BodyPace { within: Duration::from_millis(self.body_ms), least: self.body_rate }
    }

    /// How each worker guards its time.
    pub(crate) fn gate(&self) -> GateOptions {
        let target = Duration::from_millis(self.queue_target_ms);
        GateOptions {
            patience: Patience { target, interval: Duration::from_millis(self.queue_interval_ms) },
            under_way: self.in_flight,
            background_percent: self.notices_percent,
        }
    }

    /// The objective for the time of an answer, in microseconds.
    pub(crate) fn slo_us(&self) -> u64 {
        self.slo_ms.saturating_mul(1_000)
    }

    /// Longest wait for tags.
    pub fn tags_wait(&self) -> Duration {
        Duration::from_micros(self.tags_wait_us)
    }
}

/// Whether an http URL leads to this machine.
fn is_loopback(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next(),
        None => authority.split(':').next(),
    };
    host.is_some_and(|host| {
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem_of(change: impl FnOnce(&mut Options)) -> String {
        let mut options = Options::default();
        change(&mut options);
        options.problems().join("\n")
    }

    #[test]
    fn notices_over_http_stay_on_this_machine() {
        for url in
            ["http://n.example.com", "http://10.0.0.1:8080", "http://localhost.example", "http://[::2]"]
        {
            let problem = problem_of(|options| options.notice_url = url.into());
            assert!(problem.starts_with("bidder.notice_url: use https"), "{url}: {problem}");
        }
        for url in ["https://n.example.com", "http://127.0.0.1:8080", "http://localhost/n", "http://[::1]:80"]
        {
            assert_eq!(problem_of(|options| options.notice_url = url.into()), "", "{url}");
        }
    }

    #[test]
    fn a_limit_that_lets_nothing_through_and_a_rate_that_is_none_are_named() {
        let problem = problem_of(|options| options.notices_percent = 0);
        assert!(problem.starts_with("bidder.notices_percent: use 1 to 90"), "{problem}");
        let problem = problem_of(|options| options.queue_target_ms = 0);
        assert!(problem.starts_with("bidder.queue_target_ms: "), "{problem}");
        let problem = problem_of(|options| options.catalog_max_age_s = 0);
        assert!(problem.starts_with("bidder.catalog_max_age_s: "), "{problem}");
        let problem = problem_of(|options| options.fx = BTreeMap::from([(Currency::USD, 2.0)]));
        assert!(problem.starts_with("bidder.fx.USD: leave it out"), "{problem}");
        assert_eq!(problem_of(|options| options.fx = BTreeMap::from([(Currency::USD, 1.0)])), "");
    }

    #[test]
    fn a_catalog_copy_that_could_not_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let problem = problem_of(|options| options.catalog_copy = dir.path().display().to_string());
        assert!(problem.starts_with("bidder.catalog_copy: "), "{problem}");
        let file = dir.path().join("deeper/copy");
        assert_eq!(problem_of(|options| options.catalog_copy = file.display().to_string()), "");
    }

    #[test]
    fn the_defaults_are_usable_and_bad_values_are_named() {
        assert_eq!(Options::default().problems(), Vec::<String>::new());
        let mut options = Options { body_bytes: 1, ..Options::default() };
        let exchange = Exchange { currencies: vec![], ..Exchange::default() };
        options.exchanges.insert("demo".parse().unwrap(), exchange);
        let problems = options.problems().join("\n");
        assert!(problems.contains("bidder.body_bytes"), "{problems}");
        assert!(problems.contains("bidder.exchanges.demo.currencies"), "{problems}");
    }
}

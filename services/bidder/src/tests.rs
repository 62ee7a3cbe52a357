//! The bid path on one worker, without sockets: what it allocates, and that it answers whatever it is sent.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use proptest::prelude::*;
use tagbid_catalog::{
    Advertiser, BannerMarkup, Budget, Campaign, CapUnknown, Catalog, Creative, Entity, Header, LineItem,
    Markup, Pacing, Schedule, Status,
};
use tagbid_consent::Policy;
use tagbid_notice::{Keys, TokenKey};
use tagbid_ports::{LookupRequest, TagAnswer, TagLookup, TagLookupSource};
use tagbid_pricing::BidRules;
use tagbid_tagset::{MacKey, MacKeys};
use tagbid_targeting::{Dimension, Expr, Leaf, Traffic};
use tagbid_testkit::FakeClock;
use tagbid_types::{
    AdvertiserId, CampaignId, Clock, Cpm, CreativeId, Currency, LineItemId, Revision, Timestamp,
};

use crate::book::Book;
use crate::path::{Encoding, Format};
use crate::settings::{Exchange, NoBidStyle, Options};
use crate::shared::{Parts, SampledBids, Shared};
use crate::worker::{Answer, Incoming, Worker};

mod bid_log;
mod caps;
mod contact;
mod grpc;
mod lost;
mod privacy;
mod reasons;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// Counts the calling thread's allocations.
struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; the counter is a plain cell of the thread.
#[expect(unsafe_code, reason = "the only way to count allocations")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _gone = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Gives everybody the same answer.
#[derive(Clone, Default)]
pub(crate) struct Same(TagAnswer);

impl TagLookupSource for Same {
    fn open(&self) -> Arc<dyn TagLookup> {
        Arc::new(self.clone())
    }
}

impl TagLookup for Same {
    fn lookup(&self, _: LookupRequest) -> BoxFuture<'_, TagAnswer> {
        std::future::ready(self.0.clone()).boxed()
    }
}

/// A worker with `line_items` of one advertiser, all for the USA.
fn given_a_worker(line_items: u64) -> Worker {
    given_a_catalog(catalog(line_items), Arc::new(FakeClock::at(Timestamp::from_secs(1_750_000_000))))
}

/// A worker that bids from this catalog and knows nobody.
pub(crate) fn given_a_catalog(catalog: Catalog, clock: Arc<dyn Clock>) -> Worker {
    given_a_world(catalog, clock, Same::default(), Exchange::default())
}

/// The keys that workers seal notice tokens with.
fn token_keys() -> Keys {
    Keys::new(TokenKey::new(1, [9; 32]), None).unwrap()
}

/// A worker that bids to the exchange "demo".
fn given_a_world(catalog: Catalog, clock: Arc<dyn Clock>, lookups: Same, exchange: Exchange) -> Worker {
    Worker::open(shared(catalog, clock, Arc::new(lookups), exchange), 0)
}

/// The same with lookups of the test's own.
fn given_lookups(catalog: Catalog, clock: Arc<dyn Clock>, lookups: Arc<dyn TagLookupSource>) -> Worker {
    Worker::open(shared(catalog, clock, lookups, Exchange::default()), 0)
}

/// The same where the operator takes consent signals to mean this.
fn given_consent(
    catalog: Catalog,
    clock: Arc<dyn Clock>,
    lookups: Arc<dyn TagLookupSource>,
    consent: Policy,
) -> Worker {
    let options = Options { consent, ..Options::default() };
    Worker::open(shared_with(options, catalog, clock, lookups, Exchange::default(), None), 0)
}

/// What such workers share.
pub(crate) fn shared(
    catalog: Catalog,
    clock: Arc<dyn Clock>,
    lookups: Arc<dyn TagLookupSource>,
    exchange: Exchange,
) -> Arc<Shared> {
    shared_that_logs(catalog, clock, lookups, exchange, None)
}

/// The same with a log of sampled bids.
fn shared_that_logs(
    catalog: Catalog,
    clock: Arc<dyn Clock>,
    lookups: Arc<dyn TagLookupSource>,
    exchange: Exchange,
    bid_log: Option<SampledBids>,
) -> Arc<Shared> {
    shared_with(Options::default(), catalog, clock, lookups, exchange, bid_log)
}

fn shared_with(
    options: Options,
    catalog: Catalog,
    clock: Arc<dyn Clock>,
    lookups: Arc<dyn TagLookupSource>,
    exchange: Exchange,
    bid_log: Option<SampledBids>,
) -> Arc<Shared> {
    let mut options = Options { funnel_every: 1, ..options };
    options.exchanges.insert("demo".parse().unwrap(), Exchange { tmax_ms: 1_000, ..exchange });
    let parts = Parts {
        mac_keys: MacKeys::only(MacKey::new(1, &[7; 32]).unwrap()),
        token_keys: token_keys(),
        lookups,
        leases: None,
        bid_log,
        clock: Arc::clone(&clock),
    };
    let shared = Shared::new(options, parts, 1).unwrap();
    let book = Book::build(&Arc::new(catalog), &shared.fx, &Traffic::default());
    book.refresh(clock.now());
    shared.books.swap(book);
    shared.books.was_up_to_date(Duration::ZERO, clock.monotonic());
    Arc::new(shared)
}

pub(crate) fn catalog(line_items: u64) -> Catalog {
    let (advertiser, campaign, creative) = (AdvertiserId(1), CampaignId(1), CreativeId(1));
    let mut entities = vec![
        Entity::Advertiser(Arc::new(Advertiser {
            id: advertiser,
            header: Header::default(),
            name: "Shop".into(),
            domain: "shop.example".into(),
            currency: Currency::USD,
            time_zone: "Europe/Berlin".into(),
            budget: Budget::default(),
            capacity: tagbid_catalog::Capacity::default(),
            caps: vec![],
            never_contact: vec![],
        })),
        Entity::Campaign(Arc::new(Campaign {
            id: campaign,
            header: Header::default(),
            advertiser,
            name: "Autumn".into(),
            status: Status::Active,
            schedule: Schedule::default(),
            budget: Budget::default(),
            capacity: tagbid_catalog::Capacity::default(),
            caps: vec![],
            tier: 0,
        })),
        Entity::Creative(Arc::new(banner(advertiser, creative))),
    ];
    entities.extend((1..=line_items).map(|id| {
        let price = Cpm(1_000_000 + i64::try_from(id).unwrap());
        Entity::LineItem(Arc::new(LineItem {
            id: LineItemId(id),
            header: Header::default(),
            advertiser,
            campaign,
            name: format!("Line item {id}"),
            status: Status::Active,
            targeting: Expr::Leaf(Leaf::In { dimension: Dimension::Country, values: vec!["usa".into()] }),
            bid: BidRules {
                base: price,
                currency: Currency::USD,
                min: Cpm(1),
                max: Some(price),
                multipliers: vec![],
            },
            schedule: Schedule::default(),
            budget: Budget::default(),
            capacity: tagbid_catalog::Capacity::default(),
            pacing: Pacing::Even,
            caps: vec![],
            cap_unknown: CapUnknown::NoBid,
            creatives: vec![creative],
        }))
    }));
    let entities = entities.into_iter().map(|entity| (entity.key(), entity)).collect();
    Catalog { revision: Revision(1), entities, ..Catalog::default() }
}

pub(crate) fn banner(advertiser: AdvertiserId, id: CreativeId) -> Creative {
    Creative {
        id,
        header: Header::default(),
        advertiser,
        name: "Medium rectangle".into(),
        seat: String::new(),
        domains: vec!["shop.example".into()],
        categories: vec!["IAB22-1".into()],
        attributes: vec![],
        language: "en".into(),
        bundle: String::new(),
        click_url: "https://shop.example/landing".into(),
        preview_url: String::new(),
        apis: vec![],
        secure: true,
        markup: Markup::Banner(BannerMarkup {
            width: 300,
            height: 250,
            html: "<a href=\"{CLICK_URL}\">Buy</a>{IMPRESSION_PIXEL}".into(),
            banner_type: 2,
        }),
        approvals: BTreeMap::new(),
    }
}

const REQUEST: &str = r#"{"id":"a","at":1,"imp":[{"id":"1","secure":1,"bidfloor":0.5,"banner":{"w":300,"h":250}}],
    "site":{"id":"s","domain":"news.example","cat":["IAB12"],"publisher":{"id":"p"}},
    "device":{"ua":"Mozilla/5.0 Chrome/120.0 Safari/537.36","ip":"203.0.113.7","geo":{"country":"USA"}},
    "user":{"buyeruid":"user-1"},"badv":["other.example"],"bcat":["IAB25"]}"#;

fn incoming(worker: &Worker, body: impl Into<Bytes>) -> Incoming {
    Incoming {
        exchange: "demo".parse().unwrap(),
        body: body.into(),
        format: Format::Json,
        encoding: Encoding::Identity,
        arrival: worker.monotonic(),
        trace: None,
    }
}

fn ask(worker: &Worker, body: impl Into<Bytes>) -> Answer {
    let incoming = incoming(worker, body);
    worker.answer(&incoming, NoBidStyle::Empty).now_or_never().expect("nothing on the path waits here")
}

/// Measured: 4. The exchange's name in the test itself, the boxed lookup, and the answer's buffer with its shared
/// handle. Everything else lives in the worker's arena and scratch buffers.
const MOST_ALLOCATIONS: usize = 4;

#[test]
fn a_bid_costs_a_handful_of_allocations_however_many_line_items_there_are() {
    let clock = || Arc::new(FakeClock::at(Timestamp::from_secs(1_750_000_000)));
    // Of whom it is known that they were shown nothing: a bid then looks at caps, and is remembered as under way.
    let known = || Same(TagAnswer::unknown(tagbid_ports::SourceStatus::Known));
    let capped = given_a_world(caps::capped(1_000), clock(), known(), Exchange::default());
    // The copy for the funnel, which every request is taken for here, has a list of these bids.
    let plain = |line_items| (line_items, given_a_worker(line_items), MOST_ALLOCATIONS);
    for (line_items, worker, most) in [plain(1), plain(1_000), (1_000, capped, MOST_ALLOCATIONS + 1)] {
        let body = Bytes::from_static(REQUEST.as_bytes());
        // The first requests grow the arena and the scratch buffers.
        for _ in 0..3 {
            assert!(matches!(ask(&worker, body.clone()), Answer::Bids(_)));
        }
        // The least of several: one request in 64 is also counted as a sample of the traffic, and at first one in four
        // copied into the sample of impressions.
        let each = (0..32).map(|_| {
            let before = ALLOCATIONS.with(Cell::get);
            let answer = ask(&worker, body.clone());
            let spent = ALLOCATIONS.with(Cell::get) - before;
            assert!(matches!(answer, Answer::Bids(_)));
            spent
        });
        let spent = each.min().unwrap();
        assert!(spent <= most, "{spent} allocations with {line_items} line items");
    }
}

#[test]
fn the_highest_price_wins() {
    let Answer::Bids(body) = ask(&given_a_worker(50), REQUEST) else { panic!("no bid") };
    let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(answer["seatbid"][0]["bid"][0]["price"], 1.00005);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A request broken anywhere gets an answer of some kind, and the worker goes on.
    #[test]
    fn a_broken_request_never_breaks_the_worker(cut in 0..REQUEST.len(), at in 0..REQUEST.len(), byte: u8) {
        let worker = given_a_worker(3);
        let mut body = REQUEST.as_bytes().to_vec();
        body[at] = byte;
        ask(&worker, body.clone());
        body.truncate(cut);
        ask(&worker, body);
        prop_assert!(matches!(ask(&worker, REQUEST), Answer::Bids(_)));
    }
}

//! What the event log is told of bids.

use std::sync::Mutex;

use async_trait::async_trait;
use tagbid_ports::{
    AppendError, BidSample, Event, EventBatch, EventSink, EventSource, EventUser, Fact, SourceStatus,
};
use tagbid_tagset::{IdKind, UserId};
use tagbid_types::{BidId, Ratio};

use super::*;

/// Keeps what it is offered.
#[derive(Default)]
struct Kept(Mutex<Vec<Event>>);

#[async_trait]
impl EventSink for Kept {
    fn offer(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }

    async fn append(&self, _: EventBatch) -> Result<u64, AppendError> {
        Err(AppendError::Refused("a bidder appends nothing".into()))
    }

    async fn position(&self, _: &EventSource) -> Result<u64, AppendError> {
        Ok(0)
    }
}

/// A worker that knows its users, and its log with this share of auctions.
fn given_a_log(share: i64, answer: TagAnswer) -> (Worker, Arc<Kept>) {
    let log = Arc::<Kept>::default();
    let sample = BidSample::new(Ratio(share));
    let bid_log = SampledBids { sink: Arc::<Kept>::clone(&log), sample };
    let clock = Arc::new(FakeClock::at(Timestamp::from_secs(1_750_000_000)));
    let anywhere = super::reasons::catalog_with(|item, _| item.targeting = Expr::All(vec![]));
    let shared =
        shared_that_logs(anywhere, clock, Arc::new(Same(answer)), Exchange::default(), Some(bid_log));
    (Worker::open(shared, 0), log)
}

fn known() -> TagAnswer {
    TagAnswer::unknown(SourceStatus::Known)
}

/// The request with a second impression.
fn two_impressions() -> String {
    REQUEST.replacen(
        r#"{"id":"1","secure":1"#,
        r#"{"id":"2","secure":1,"banner":{"w":300,"h":250}},{"id":"1","secure":1"#,
        1,
    )
}

/// The ids of the bids of an answer.
fn ids(answer: &Answer) -> Vec<BidId> {
    let Answer::Bids(body) = answer else { panic!("no bid") };
    let answer: serde_json::Value = serde_json::from_slice(body).unwrap();
    let bids = answer["seatbid"][0]["bid"].as_array().unwrap();
    bids.iter().map(|bid| BidId(u128::from_str_radix(bid["id"].as_str().unwrap(), 16).unwrap())).collect()
}

#[test]
fn a_logged_bid_says_what_was_bid() {
    let (worker, log) = given_a_log(1_000_000, known());
    let sent = ids(&ask(&worker, two_impressions()));
    let logged = std::mem::take(&mut *log.0.lock().unwrap());
    assert_eq!(logged.iter().map(|event| event.bid.as_ref().unwrap().id).collect::<Vec<_>>(), sent);
    let of = |at: usize| logged[at].bid.as_ref().unwrap();
    let (second, bid) = (of(1), of(0));
    assert_eq!((bid.imp.as_str(), second.imp.as_str(), bid.auction.as_str()), ("2", "1", "a"));
    assert_eq!(
        (bid.advertiser, bid.line_item, bid.creative),
        (AdvertiserId(1), LineItemId(1), CreativeId(1))
    );
    assert_eq!((bid.price, bid.currency, bid.quantity), (Cpm(1_000_001), Currency::USD, Ratio::ONE));
    assert_eq!((logged[0].at, bid.at), (worker.now(), worker.now()));
    let Fact::Bid(fact) = &logged[0].fact else { panic!("{:?}", logged[0].fact) };
    assert_eq!((fact.auction_type, fact.test, fact.sample), (1, false, Ratio::ONE));
    let key = worker
        .mac_keys()
        .current
        .user_key(&UserId { kind: IdKind::BuyerUid, source: "", id: "user-1" }.standard().unwrap());
    assert_eq!(logged[0].user, Some(EventUser { key, mac: Some(1) }));
}

#[test]
fn a_user_is_logged_only_where_the_token_names_them() {
    for answer in [TagAnswer::unknown(SourceStatus::Late), TagAnswer { suppressed: true, ..known() }] {
        let (worker, log) = given_a_log(1_000_000, answer);
        ask(&worker, REQUEST);
        assert_eq!(log.0.lock().unwrap()[0].user, None);
    }
    let (worker, log) = given_a_log(1_000_000, known());
    ask(&worker, REQUEST.replace(r#""country":"USA""#, r#""country":"DEU""#));
    assert_eq!(log.0.lock().unwrap()[0].user, None);
}

#[test]
fn all_bids_of_an_auction_are_logged_or_none_as_their_ids_say() {
    let (worker, log) = given_a_log(500_000, known());
    let sample = BidSample::new(Ratio(500_000));
    let (mut taken, mut seen) = (0, Vec::new());
    for _ in 0..200 {
        let sent = ids(&ask(&worker, two_impressions()));
        let logged: Vec<_> = log.0.lock().unwrap().drain(..).map(|event| event.bid.unwrap().id).collect();
        let expected = if sample.takes(sent[0]) { sent.clone() } else { vec![] };
        assert_eq!(logged, expected);
        taken += usize::from(!logged.is_empty());
        seen.extend(sent);
    }
    assert!((60..140).contains(&taken), "{taken} of 200 at a half");
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 400, "every bid has an id of its own");
}

#[test]
fn what_is_not_in_the_sample_costs_no_allocation() {
    let least = |worker: &Worker| {
        let body = Bytes::from_static(REQUEST.as_bytes());
        let each = (0..32).map(|_| {
            let before = ALLOCATIONS.with(Cell::get);
            assert!(matches!(ask(worker, body.clone()), Answer::Bids(_)));
            ALLOCATIONS.with(Cell::get) - before
        });
        each.min().unwrap()
    };
    let (unlogged, log) = given_a_log(0, known());
    assert!(least(&unlogged) <= MOST_ALLOCATIONS);
    assert!(log.0.lock().unwrap().is_empty());
}

//! What is known of users, through sudden ends and losses of data.

use serde_json::Value;
use tagbid_catalog::{Dataset, DatasetKind, Entity, UnknownNames};
use tagbid_runtime::SystemClock;
use tagbid_targeting::{Expr, TagKind};
use tagbid_testkit::wait_until;
use tagbid_types::{Clock, DatasetId, TagId};
use tagbid_wire::pb::tags as pb;
use tagbid_wire::pb::tags::ingest_service_client::IngestServiceClient;
use tagbid_wire::pb::tags::tag_service_client::TagServiceClient;
use tagbid_wire::tags::to_timestamp;

use crate::advertiser::{
    Shop, block_on, buyer, create_as, define_tag, in_the_usa, merge_realtime, put_offline, suppress, tagged,
    with_token,
};
use crate::bidding::wait_for_bid;
use crate::exchange::{banner, bid};
use crate::stack::{OPERATOR, SOON, START, Stack};

fn price(stack: &Stack, request: &Value) -> Option<f64> {
    bid(stack.http, request).bids().first().and_then(|bid| bid["price"].as_f64())
}

/// Whether the tags role was told that nobody may know the user.
fn is_suppressed(stack: &Stack, user: &str) -> bool {
    let request = pb::LookupRequest { user: Some(buyer(user)), datasets: vec![] };
    block_on(async {
        let mut client = TagServiceClient::connect(format!("http://{}", stack.tags)).await.unwrap();
        client.lookup(with_token(OPERATOR, request)).await.is_ok_and(|known| known.into_inner().suppressed)
    })
}

#[test]
fn tags_that_were_acknowledged_survive_a_kill() {
    let mut stack = Stack::all();
    let shop = Shop::open(&stack, "shop.example");
    let (dataset, tag) = define_tag(&stack, "runners");
    shop.line_item(Expr::All(vec![in_the_usa(), tagged(tag, TagKind::Offline)]), 2.0);
    shop.line_item(Expr::All(vec![in_the_usa(), tagged(tag, TagKind::Realtime)]), 3.0);
    put_offline(&stack, dataset, "runner-1", tag);
    wait_for_bid(&stack, &banner("runner-1"));
    for n in 2..30 {
        put_offline(&stack, dataset, &format!("runner-{n}"), tag);
    }
    merge_realtime(&stack, "runner-30", tag);
    suppress(&stack, "runner-29", true);
    wait_until("the suppression", SOON, || price(&stack, &banner("runner-29")).is_none());
    stack.bidder.kill();
    stack.bidder.wait_exit(START);

    stack.restart_with(None);
    for n in 1..29 {
        wait_until("the offline tag", SOON, || price(&stack, &banner(&format!("runner-{n}"))) == Some(2.0));
    }
    wait_until("the event", SOON, || price(&stack, &banner("runner-30")) == Some(3.0));
    assert_eq!(price(&stack, &banner("runner-29")), None);
}

/// Sends an event with a tag by name, as soon as the tag service has heard of the dataset; the tag's id.
fn ingest(stack: &Stack, dataset: DatasetId, user: &str, name: &str) -> TagId {
    let user = pb::UserId { kind: pb::IdKind::Buyeruid.into(), source: String::new(), id: user.into() };
    let event = pb::Event {
        event_id: user.id.clone(),
        user: Some(user.clone()),
        dataset: dataset.0,
        tag: Some(pb::event::Tag::TagName(name.into())),
        event_time: Some(to_timestamp(SystemClock.now())),
        weight: 200,
        also: Vec::new(),
    };
    let batch = pb::IngestBatch { sequence: 1, events: vec![event] };
    let url = format!("http://{}", stack.tags);
    wait_until("an accepted event", SOON, || {
        block_on(async {
            let mut client = IngestServiceClient::connect(url.clone()).await.unwrap();
            let batches = futures_util::stream::iter([batch.clone()]);
            let mut acks = client.ingest(with_token(OPERATOR, batches)).await.unwrap().into_inner();
            let ack = acks.message().await.unwrap().unwrap();
            assert!(acks.message().await.unwrap().is_none(), "the stream ends with its last batch");
            ack.accepted == 1
        })
    });
    let known = block_on(async {
        let mut client = TagServiceClient::connect(url.clone()).await.unwrap();
        let request = pb::LookupRequest { user: Some(user), datasets: vec![] };
        client.lookup(with_token(OPERATOR, request)).await.unwrap().into_inner()
    });
    TagId(known.tags[0].tag)
}

#[test]
fn an_event_with_a_new_name_makes_a_tag_that_the_next_bid_knows() {
    let stack = Stack::separate();
    let shop = Shop::open(&stack, "shop.example");
    let dataset = Dataset {
        name: "clicks".into(),
        kind: DatasetKind::Realtime,
        unknown_names: UnknownNames::Register { most: 10 },
        ..Dataset::default()
    };
    let Entity::Dataset(dataset) = create_as(OPERATOR, stack.campaigns, Entity::Dataset(dataset.into()))
    else {
        panic!("not a dataset")
    };
    let tag = ingest(&stack, dataset.id, "runner-1", "Trail Runners");
    shop.line_item(Expr::All(vec![in_the_usa(), tagged(tag, TagKind::Realtime)]), 3.0);
    wait_until("the event", SOON, || price(&stack, &banner("runner-1")) == Some(3.0));
    assert_eq!(price(&stack, &banner("stranger-1")), None);
    assert_eq!(ingest(&stack, dataset.id, "runner-2", "  TRAIL runners\u{2122}"), tag);
    wait_until("the other's event", SOON, || price(&stack, &banner("runner-2")) == Some(3.0));
}

#[test]
fn a_tag_store_that_forgot_who_is_suppressed_is_not_believed() {
    let mut stack = Stack::separate();
    let shop = Shop::open(&stack, "shop.example");
    let (dataset, tag) = define_tag(&stack, "runners");
    shop.line_item(Expr::All(vec![in_the_usa(), Expr::Not(Box::new(tagged(tag, TagKind::Any)))]), 2.5);
    shop.line_item(in_the_usa(), 2.0);
    put_offline(&stack, dataset, "hidden-1", tag);
    suppress(&stack, "hidden-1", true);
    let (hidden, stranger) = (banner("hidden-1"), banner("stranger-1"));
    // By the price alone a suppressed user and one with the tag look the same.
    wait_until("the list to tell of the suppression", SOON, || is_suppressed(&stack, "hidden-1"));
    wait_until("the stranger's tags", SOON, || price(&stack, &stranger) == Some(2.5));
    wait_until("the suppression", SOON, || price(&stack, &hidden) == Some(2.0));

    // Nobody can tell the tag store again: of nobody it says "no tags".
    stack.role("campaigns").freeze();
    stack.flush_redis();
    for _ in 0..50 {
        assert_eq!(price(&stack, &hidden), Some(2.0), "by context, as if nobody knew");
        assert_eq!(price(&stack, &stranger), Some(2.0), "by context, as if nobody knew");
    }
    stack.role("campaigns").thaw();
    // The list is told again, but the dataset is lost, and with it who is a runner: until it is written anew.
    put_offline(&stack, dataset, "runner-1", tag);
    wait_until("the store to be believed again", SOON, || {
        assert_eq!(price(&stack, &hidden), Some(2.0), "suppressed all the time");
        price(&stack, &stranger) == Some(2.5)
    });
}

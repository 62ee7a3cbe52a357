//! Traces: a request that its caller traces is traced on through every process, and nobody else's is.

use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::Value;
use tagbid_catalog::{Budget, Entity};
use tagbid_targeting::{Expr, TagKind};
use tagbid_testkit::{postgres, wait_until};
use tagbid_types::{Nanos, TraceContext};
use tagbid_wire::pb::campaigns as pb;
use tagbid_wire::pb::campaigns::campaigns_service_client::CampaignsServiceClient;

use crate::advertiser::{Shop, block_on, create_as, define_tag, in_the_usa, put_offline, tagged, with_token};
use crate::bidding::wait_for_bid;
use crate::collector::{Collector, field};
use crate::exchange::{Answer, banner, bid, send};
use crate::notices::call;
use crate::stack::{OPERATOR, SOON, Separate, Stack};

/// Between two bids that are billed while a trace is waited for.
const AGAIN: Duration = Duration::from_secs(1);

const CALLER: TraceContext = TraceContext { trace: [0x4b; 16], span: [0xf0; 8] };

fn bid_as(stack: &Stack, traceparent: &str, request: &Value) -> Answer {
    let headers = [("content-type", "application/json"), ("traceparent", traceparent)];
    send(stack.http, "POST", "/openrtb2/demo", &headers, request.to_string().as_bytes())
}

fn separate(collector: &Collector, sample: &str) -> (Stack, tagbid_testkit::PostgresDb) {
    let database = postgres();
    let every = vec![collector.setting(), format!("traces.sample={sample}")];
    (Stack::separate_with(&Separate { every, ..Separate::over(database.url()) }), database)
}

/// The only span of the trace by this name.
fn only(collector: &Collector, name: &str) -> Span {
    let mut found = collector.of(&CALLER.trace, name);
    assert_eq!(found.len(), 1, "{name}: {found:?}");
    found.remove(0)
}

#[test]
fn a_bid_is_one_trace_through_all_processes_and_says_nothing_of_its_user() {
    let collector = Collector::start();
    let (stack, _database) = separate(&collector, "0.0");
    let shop = Shop::open(&stack, "shop.example");
    let (dataset, tag) = define_tag(&stack, "runners");
    shop.line_item(Expr::All(vec![in_the_usa(), tagged(tag, TagKind::Offline)]), 2.0);
    put_offline(&stack, dataset, "runner-1", tag);
    let request = banner("runner-1");
    // Untraced: the exchange says nothing, that it does not, or what cannot be read.
    wait_for_bid(&stack, &request);
    let unsampled = CALLER.to_string().replace("-01", "-00");
    for traceparent in [unsampled.as_str(), "00-nonsense-01", &"4b".repeat(40)] {
        assert_eq!(bid_as(&stack, traceparent, &request).status, 200, "{traceparent} costs no bid");
    }
    // Another user, so that no cache answers.
    put_offline(&stack, dataset, "runner-2", tag);
    wait_until("the tagged bid", SOON, || {
        bid_as(&stack, &CALLER.to_string(), &banner("runner-2")).bids().len() == 1
    });
    let bids = |collector: &Collector| {
        let bids = collector.of(&CALLER.trace, "bid").into_iter();
        bids.filter(|span| field(span, "tagbid.outcome").as_deref() == Some("bid")).collect::<Vec<_>>()
    };
    wait_until("the bid's trace", SOON, || bids(&collector).len() == 1);
    let bid = bids(&collector).remove(0);

    assert_eq!((bid.parent_span_id.as_slice(), bid.kind()), (&CALLER.span[..], SpanKind::Server));
    assert_eq!(field(&bid, "tagbid.exchange").as_deref(), Some("demo"));
    let parts = |name| {
        let parts = collector.of(&CALLER.trace, name).into_iter();
        parts.filter(|span| span.parent_span_id == bid.span_id).collect::<Vec<_>>()
    };
    for stage in ["decode", "consent", "tags", "match", "gates", "price", "respond"] {
        let [span] = &parts(stage)[..] else { panic!("{stage}: {:?}", parts(stage)) };
        let within = bid.start_time_unix_nano <= span.start_time_unix_nano
            && span.start_time_unix_nano <= span.end_time_unix_nano
            && span.end_time_unix_nano <= bid.end_time_unix_nano;
        assert!(within, "{stage} is no part of {bid:?}: {span:?}");
    }
    assert_eq!(field(&parts("tags")[0], "tagbid.tags").as_deref(), Some("1"));
    // The tags node sends its part by itself, and earlier requests had theirs.
    let asked = parts("tags")[0].span_id.clone();
    let lookup = || {
        let lookups = collector.of(&CALLER.trace, "tags lookup").into_iter();
        lookups.into_iter().find(|span| span.parent_span_id == asked)
    };
    wait_until("the lookup's part", SOON, || lookup().is_some());
    let lookup = lookup().unwrap();
    assert_eq!((lookup.kind(), field(&lookup, "tagbid.users").as_deref()), (SpanKind::Server, Some("1")));

    let all = collector.spans();
    assert!(all.iter().all(|span| span.trace_id == CALLER.trace), "only what was asked for: {all:?}");
    let told = format!("{all:?}");
    assert!(!told.contains("runner") && !told.contains("203.0.113"), "{told}");
}

#[test]
fn a_no_bid_says_why_in_the_stage_where_it_ended() {
    let collector = Collector::start();
    let stack = Stack::all_with(&format!("[traces]\n{}", collector.setting().replace("traces.", "")));
    let shop = Shop::open(&stack, "shop.example");
    shop.line_item(in_the_usa(), 2.0);
    wait_for_bid(&stack, &banner("user-1"));
    let mut blocked = banner("user-1");
    blocked["badv"] = serde_json::json!(["shop.example"]);
    assert_eq!(bid_as(&stack, &CALLER.to_string(), &blocked).status, 204);
    wait_until("the trace", SOON, || !collector.of(&CALLER.trace, "bid").is_empty());
    let bid = only(&collector, "bid");
    assert_eq!(field(&bid, "tagbid.no_bid").as_deref(), Some("blocked_advertiser"));
    assert_eq!(field(&bid, "tagbid.outcome").as_deref(), Some("no_bid"));
    only(&collector, "match");
    // In one process the lookup is a part of the trace too.
    assert_eq!(only(&collector, "tags lookup").parent_span_id, only(&collector, "tags").span_id);
    assert!(collector.of(&CALLER.trace, "respond").is_empty(), "it never came there");
    let (_, metrics) = stack.admin_get("/metrics");
    assert!(metrics.contains("tagbid_trace_spans_dropped_total{why=\"queue\"} 0"), "{metrics}");
}

#[test]
fn calls_between_roles_are_parts_of_what_made_them() {
    let collector = Collector::start();
    let (stack, _database) = separate(&collector, "1.0");
    let shop = Shop::open(&stack, "shop.example");
    let mut item = shop.draft(in_the_usa(), 2.0);
    item.budget = Budget { lifetime: Some(Nanos(1_000_000_000)), ..Budget::default() };
    let Entity::LineItem(item) = create_as(OPERATOR, stack.campaigns, Entity::LineItem(item.into())) else {
        panic!("kind")
    };
    let answer = wait_for_bid(&stack, &banner("user-1"));
    assert_eq!(call(&answer, "burl", "1.25").status, 200);

    // Money for it, and what the user has seen by it.
    for (asks, answers) in [
        ("lease acquire", "tagbid.ledger.v1.LeaseService/Acquire"),
        ("impressions count", "tagbid.tags.v1.IngestService/CountImpressions"),
    ] {
        let mut last = Instant::now();
        wait_until(&format!("both sides of {asks}"), SOON, || {
            // Spans may be dropped on a busy machine: then there is another call.
            if last.elapsed() >= AGAIN {
                last = Instant::now();
                let answer = bid(stack.http, &banner("user-1"));
                answer.bids().first().map(|_| call(&answer, "burl", "1.25"));
            }
            let all = collector.spans();
            let server = |client: &Span| {
                all.iter().any(|one| one.name == answers && one.parent_span_id == client.span_id)
            };
            all.iter().any(|one| one.name == asks && one.kind() == SpanKind::Client && server(one))
        });
    }

    // An advertiser's call, which the campaigns role passes on to a bidder.
    block_on(async {
        let mut client =
            CampaignsServiceClient::connect(format!("http://{}", stack.campaigns)).await.unwrap();
        let openrtb_json = banner("user-1").to_string().into();
        let asked = pb::ExplainRequest { line_item_id: item.id.0, exchange: "demo".into(), openrtb_json };
        let mut asked = with_token(OPERATOR, asked);
        asked.metadata_mut().insert("traceparent", CALLER.to_string().parse().unwrap());
        client.explain(asked).await.unwrap();
    });
    let passed_on = "tagbid.bidding.v1.BiddingService/Explain";
    wait_until("the bidder's part", SOON, || !collector.of(&CALLER.trace, passed_on).is_empty());
    let call = "tagbid.campaigns.v1.CampaignsService/Explain";
    wait_until("the campaigns role's part", SOON, || !collector.of(&CALLER.trace, call).is_empty());
    let (call, passed_on) = (only(&collector, call), only(&collector, passed_on));
    assert_eq!(call.parent_span_id, CALLER.span);
    assert_eq!(passed_on.parent_span_id, call.span_id);
    assert_eq!(field(&call, "rpc.grpc.status_code").as_deref(), Some("0"));
}

//! What senders of events see.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tagbid_runtime::auth::Secret;
use tagbid_tags::{Options, StoreKind};
use tagbid_tagset::UserKey;
use tagbid_tagset::realtime::Realtime;
use tagbid_testkit::{RedisServer, wait_until_async};
use tagbid_types::Clock;
use tagbid_wire::pb::tags as pb;
use tagbid_wire::pb::tags::RejectReason as Why;
use tagbid_wire::pb::tags::event::Tag;
use tagbid_wire::pb::tags::ingest_service_client::IngestServiceClient;
use tagbid_wire::tags::to_timestamp;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use crate::fixture::{ACME, OPERATOR, PATIENCE, ROLE, Role, ifa, key_of, mac_key, signed_in};
use crate::metrics::{metrics, shows};

/// Acme's dataset of real-time tags, with "Sports Cars" as tag 6 (half-life 600 s, lifetime an hour).
const CARS: u32 = 6;

/// Acme's dataset that registers names (half-life 60 s, lifetime 120 s).
const OPEN: u32 = 9;

/// An event of this many seconds ago.
fn event(role: &Role, id: &str, user: &str, tag: Tag, ago_s: u64) -> pb::Event {
    let at = role.clock.now().0 - ago_s as i64 * 1_000_000;
    pb::Event {
        event_id: id.into(),
        user: Some(ifa(user)),
        dataset: CARS,
        tag: Some(tag),
        event_time: Some(to_timestamp(tagbid_types::Timestamp(at))),
        weight: 200,
        also: Vec::new(),
    }
}

fn named(name: &str) -> Tag {
    Tag::TagName(name.into())
}

struct Stream {
    batches: mpsc::Sender<pb::IngestBatch>,
    acks: Streaming<pb::IngestAck>,
}

impl Stream {
    async fn open(address: &str, token: &str) -> Result<Self, Status> {
        let (batches, outgoing) = mpsc::channel(1);
        let mut client = IngestServiceClient::new(signed_in(address, token).await);
        let acks = client.ingest(ReceiverStream::new(outgoing)).await?.into_inner();
        Ok(Self { batches, acks })
    }

    async fn of(role: &Role) -> Self {
        Self::open(&role.serve().await, ACME).await.unwrap()
    }

    async fn send(&mut self, events: Vec<pb::Event>) -> pb::IngestAck {
        self.batches.send(pb::IngestBatch { sequence: 7, events }).await.unwrap();
        let ack = self.acks.message().await.unwrap().unwrap();
        assert_eq!(ack.sequence, 7);
        ack
    }

    /// Sends events of which all are to be taken in.
    async fn send_good(&mut self, events: Vec<pb::Event>) {
        let count = events.len();
        let ack = self.send(events).await;
        assert_eq!((ack.accepted as usize, ack.rejects), (count, vec![]));
    }
}

fn user(id: &str) -> UserKey {
    key_of(id, &mac_key(1))
}

/// (tag, weight now) of what a lookup brings.
async fn tags_of(role: &Role, id: &str) -> Vec<(u32, u8)> {
    let Some(blob) = role.lookup(user(id)).await.realtime else { return Vec::new() };
    let mut tags = Vec::new();
    Realtime::parse(&blob).unwrap().live(role.clock.now(), |tag| tags.push((tag.id.0, tag.weight))).unwrap();
    tags
}

fn reasons(ack: &pb::IngestAck) -> Vec<(u32, Why)> {
    ack.rejects.iter().map(|one| (one.event, one.reason())).collect()
}

#[tokio::test]
async fn an_acknowledged_event_is_in_the_next_lookup_and_decays() {
    let role = Role::start(Options::default()).await;
    let mut stream = Stream::of(&role).await;
    stream.send_good(vec![event(&role, "e1", "anna", named("  sports\u{a0}CARS "), 600)]).await;
    assert_eq!(tags_of(&role, "anna").await, [(6, 100)], "one half-life ago");

    // Tags of the owner that are in no dataset can be given by id; a weight of 0 takes a tag away.
    let gone = pb::Event { weight: 0, ..event(&role, "e3", "anna", Tag::TagId(6), 0) };
    stream.send_good(vec![event(&role, "e2", "anna", Tag::TagId(2), 0), gone]).await;
    assert_eq!(tags_of(&role, "anna").await, [(2, 200)]);
    role.clock.advance(Duration::from_secs(3_600));
    assert_eq!(tags_of(&role, "anna").await, []);
}

#[tokio::test]
async fn each_event_that_is_not_taken_in_is_reported_with_its_reason_and_the_others_stored() {
    let role = Role::start(Options::default()).await;
    let mut stream = Stream::of(&role).await;
    let good = |id: &str| event(&role, id, "Secret-Id-77", Tag::TagId(6), 1);
    let future = to_timestamp(role.clock.now().after(Duration::from_secs(301)));
    let in_dataset = |dataset| pb::Event { dataset, ..good("d") };
    let bad = vec![
        (pb::Event { event_id: String::new(), ..good("") }, Why::EventId),
        (good(&"x".repeat(65)), Why::EventId),
        (pb::Event { weight: 7, ..good("fine") }, Why::Conflict),
        (pb::Event { user: Some(ifa("00000000-0000-0000-0000-000000000000")), ..good("u") }, Why::User),
        (pb::Event { user: None, ..good("u") }, Why::User),
        (in_dataset(99), Why::Dataset),
        (in_dataset(1), Why::Dataset),
        (in_dataset(3), Why::Dataset),
        (in_dataset(4), Why::Dataset),
        (in_dataset(2), Why::Dataset),
        (pb::Event { tag: None, ..good("t") }, Why::Tag),
        (event(&role, "t1", "Secret-Id-77", Tag::TagId(1), 1), Why::Tag),
        (event(&role, "t4", "Secret-Id-77", Tag::TagId(4), 1), Why::Tag),
        (event(&role, "t5", "Secret-Id-77", Tag::TagId(5), 1), Why::Tag),
        (event(&role, "t1n", "Secret-Id-77", named("tag-1"), 1), Why::Tag),
        (event(&role, "n", "Secret-Id-77", named(" \u{200b} "), 1), Why::Name),
        (event(&role, "un", "Secret-Id-77", named("boats"), 1), Why::UnknownName),
        (pb::Event { event_time: None, ..good("et") }, Why::EventTime),
        (pb::Event { event_time: Some(future), ..good("et") }, Why::EventTime),
        (event(&role, "ex", "Secret-Id-77", Tag::TagId(6), 3_600), Why::Expired),
        (pb::Event { weight: 256, ..good("w") }, Why::Weight),
    ];
    let expected: Vec<_> = (1..).zip(bad.iter().map(|(_, why)| *why)).collect();
    let mut events = vec![good("fine")];
    events.extend(bad.into_iter().enumerate().map(|(n, (event, why))| match why {
        // Each has an id of its own, so that none is refused for that.
        Why::EventId | Why::Conflict => event,
        _ => pb::Event { event_id: format!("e{n}"), ..event },
    }));
    events.push(good("fine"));
    let ack = stream.send(events).await;

    assert_eq!(reasons(&ack), expected);
    assert_eq!(ack.accepted, 2, "the first, and the same once more");
    assert_eq!(tags_of(&role, "Secret-Id-77").await, [(6, 200)]);
    for reject in &ack.rejects {
        assert!(!reject.description.is_empty() && !reject.description.contains("Secret"), "{reject:?}");
        assert!(!reject.retry, "{reject:?}");
    }
    let lines = [
        "tagbid_tags_ingest_events_total{result=\"stored\"} 1",
        "tagbid_tags_ingest_events_total{result=\"repeated\"} 1",
        "tagbid_tags_ingest_events_total{result=\"dataset\"} 5",
        "tagbid_tags_ingest_events_total{result=\"expired\"} 1",
        "tagbid_tags_ingest_events_total{result=\"conflict\"} 1",
    ];
    shows(&metrics(&role), &lines);
}

#[tokio::test]
async fn unknown_names_become_tags_where_the_dataset_says_so() {
    let role = Role::start(Options::default()).await;
    let mut stream = Stream::of(&role).await;
    let of = |id: &str, name: &str, ago_s| pb::Event {
        dataset: OPEN,
        ..event(&role, id, "anna", named(name), ago_s)
    };
    role.catalog.away.store(true, Ordering::Relaxed);
    let ack = stream.send(vec![of("1", "boats", 0), event(&role, "2", "anna", Tag::TagId(6), 0)]).await;
    assert_eq!((reasons(&ack), ack.accepted), (vec![(0, Why::RegistryUnavailable)], 1));
    assert!(ack.rejects[0].retry);

    role.catalog.away.store(false, Ordering::Relaxed);
    let ack = stream.send(vec![of("1", "boats", 60), of("3", "too many", 0), of("4", "yachts", 0)]).await;
    assert_eq!((reasons(&ack), ack.accepted), (vec![(1, Why::NameLimit)], 2));
    stream.send_good(vec![of("5", "Boats", 60)]).await;
    assert_eq!(tags_of(&role, "anna").await, [(6, 200), (7, 100), (8, 200)], "the dataset's half-life");
}

#[tokio::test]
async fn order_and_repetition_of_events_change_nothing() {
    let role = Role::start(Options::default()).await;
    let mut stream = Stream::of(&role).await;
    let events = |user: &str| -> Vec<pb::Event> {
        let one = |n: u32| {
            let tag = if n.is_multiple_of(3) { Tag::TagId(2) } else { Tag::TagId(6) };
            pb::Event {
                weight: n + 1,
                also: Vec::new(),
                ..event(&role, &format!("{user}{n}"), user, tag, u64::from(n * 37 % 101))
            }
        };
        (0..100).map(one).collect()
    };
    stream.send_good(events("anna")).await;
    let mut shuffled = events("bert");
    shuffled.sort_by_key(|event| event.weight.wrapping_mul(0x9e37_79b9));
    for batch in shuffled.chunks(9).chain(shuffled.chunks(31)) {
        stream.send_good(batch.to_vec()).await;
    }
    let blobs = [role.lookup(user("anna")).await.realtime, role.lookup(user("bert")).await.realtime];
    assert_eq!(blobs[0], blobs[1]);
    assert_eq!(tags_of(&role, "anna").await.len(), 2);
}

#[tokio::test]
async fn events_of_the_suppressed_are_dropped_without_a_word_to_the_sender() {
    let role = Role::start(Options::default()).await;
    let mut stream = Stream::of(&role).await;
    role.suppress(user("anna")).await;
    stream.send_good(vec![event(&role, "1", "anna", Tag::TagId(6), 0)]).await;
    let answer = role.lookup(user("anna")).await;
    assert_eq!((answer.suppressed, answer.realtime), (true, None));
    shows(&metrics(&role), &["tagbid_tags_ingest_events_total{result=\"suppressed\"} 1"]);
}

#[tokio::test]
async fn a_stream_is_for_those_who_own_datasets_and_for_batches() {
    let role = Role::start(Options::default()).await;
    let address = role.serve().await;
    let refused = Stream::open(&address, ROLE).await.err().unwrap();
    assert_eq!(refused.code(), Code::PermissionDenied);

    let mut operator = Stream::open(&address, OPERATOR).await.unwrap();
    operator.send_good(vec![event(&role, "1", "anna", named("sports cars"), 0)]).await;
    for events in [vec![], vec![pb::Event::default(); 1_001]] {
        let mut stream = Stream::open(&address, ACME).await.unwrap();
        stream.batches.send(pb::IngestBatch { sequence: 1, events }).await.unwrap();
        assert_eq!(stream.acks.message().await.unwrap_err().code(), Code::InvalidArgument);
    }
}

#[tokio::test]
async fn a_node_takes_so_many_streams_and_others_when_they_end() {
    let role = Role::start(Options::default()).await;
    let address = role.serve().await;
    let mut open = Vec::new();
    for _ in 0..64 {
        open.push(Stream::open(&address, ACME).await.unwrap());
    }
    let refused = Stream::open(&address, ACME).await.err().unwrap();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    shows(&metrics(&role), &["tagbid_tags_ingest_streams 64"]);
    open.pop();
    wait_until_async("a free place", PATIENCE, async || Stream::open(&address, ACME).await.is_ok()).await;
}

async fn with_redis(server: &RedisServer) -> Role {
    on(server.database().unwrap().url()).await
}

async fn on(url: &str) -> Role {
    let redis_url = Secret::new(url);
    Role::start(Options { store: StoreKind::Redis, redis_url, ..Options::default() }).await
}

#[tokio::test]
async fn a_batch_outlasts_a_store_that_is_away_for_a_moment() {
    let mut server = RedisServer::start().unwrap();
    let role = with_redis(&server).await;
    let mut stream = Stream::of(&role).await;
    stream.send_good(vec![event(&role, "1", "anna", Tag::TagId(6), 0)]).await;
    server.kill();
    let events = vec![event(&role, "2", "bert", Tag::TagId(6), 0)];
    stream.batches.send(pb::IngestBatch { sequence: 2, events }).await.unwrap();
    wait_until_async("the first attempt", PATIENCE, async || {
        metrics(&role).contains("tagbid_tags_writes_total{kind=\"realtime\",result=\"failed\"} ")
            && !metrics(&role).contains("tagbid_tags_writes_total{kind=\"realtime\",result=\"failed\"} 0\n")
    })
    .await;
    server.restart().unwrap();
    let ack = stream.acks.message().await.unwrap().unwrap();
    assert_eq!((ack.sequence, ack.accepted), (2, 1));
    wait_until_async("the lookup", PATIENCE, async || tags_of(&role, "bert").await == [(6, 200)]).await;
}

#[tokio::test]
async fn a_store_that_stands_still_stops_the_sender_and_loses_nothing_that_was_acknowledged() {
    let server = RedisServer::start().unwrap();
    let role = with_redis(&server).await;
    let Stream { batches, mut acks } = Stream::of(&role).await;
    let events = |n: u64| -> Vec<pb::Event> {
        let one = |k: u64| event(&role, &format!("{n}-{k}"), &format!("user-{n}-{k}"), Tag::TagId(6), 0);
        (0..1_000).map(one).collect()
    };
    server.freeze();
    // What fits between sender and store: the batches that are taken in, and what HTTP/2 lets lie on the way.
    let mut sent = 0;
    let full = Instant::now() + Duration::from_millis(1_500);
    while let Ok(Ok(())) = tokio::time::timeout_at(
        full.into(),
        batches.send(pb::IngestBatch { sequence: sent, events: events(sent) }),
    )
    .await
    {
        sent += 1;
        assert!(sent < 200, "nothing stops the sender");
    }
    assert!(sent < 60, "{sent} batches in");
    server.thaw();
    drop(batches);
    let mut next = 0;
    while let Some(ack) = acks.message().await.unwrap() {
        assert_eq!(ack.sequence, next, "in order");
        assert!(ack.rejects.iter().all(|one| one.retry), "{:?}", ack.rejects.first());
        let rejected: Vec<_> = ack.rejects.iter().map(|one| u64::from(one.event)).collect();
        for k in [0, 500, 999].into_iter().filter(|k| !rejected.contains(k)) {
            assert_eq!(tags_of(&role, &format!("user-{next}-{k}")).await, [(6, 200)]);
        }
        next += 1;
    }
    assert_eq!(next, sent);
}

#[tokio::test]
async fn another_node_over_the_same_store_sees_what_was_acknowledged_at_once() {
    let server = RedisServer::start().unwrap();
    let url = server.database().unwrap().url().to_owned();
    let (one, other) = (on(&url).await, on(&url).await);
    let mut stream = Stream::of(&one).await;
    for n in 0..50 {
        let id = format!("user-{n}");
        stream.send_good(vec![event(&one, &id, &id, Tag::TagId(6), 0)]).await;
        assert_eq!(tags_of(&other, &id).await, [(6, 200)]);
    }
}

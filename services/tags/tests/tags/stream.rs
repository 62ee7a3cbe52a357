//! What bidders see: frames of users by key.

use std::sync::Arc;
use std::time::Duration;

use tagbid_clients::GrpcLookupSource;
use tagbid_ports::{Datasets, LookupRequest, SourceStatus, TagAnswer, TagLookupSource, UserKeys};
use tagbid_runtime::auth::Secret;
use tagbid_runtime::{Drain, Tasks};
use tagbid_tags::Options;
use tagbid_testkit::wait_until_async;
use tagbid_types::Clock;
use tagbid_wire::pb::tags as pb;
use tagbid_wire::tags as wire;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};

use crate::conformance::{DATASET, event, offline_blob, user};
use crate::fixture::{PATIENCE, ROLE, Role, blobs};

const BUDGET_US: u32 = 30_000_000;

fn frame(sequence: u64, users: &[u8]) -> pb::LookupFrame {
    let users: Vec<_> = users.iter().map(|n| UserKeys::only(user(*n))).collect();
    wire::frame(sequence, &users, BUDGET_US, (true, Datasets::ALL))
}

fn answers(frame: pb::AnswerFrame) -> Vec<TagAnswer> {
    let mut answers = frame.answers;
    answers.sort_by_key(|one| one.index);
    answers.into_iter().map(wire::from_answer).collect()
}

async fn open(role: &Role) -> (mpsc::Sender<pb::LookupFrame>, Streaming<pb::AnswerFrame>) {
    let (frames, outgoing) = mpsc::channel(16);
    let stream = role.client(ROLE).await.lookup_stream(ReceiverStream::new(outgoing)).await.unwrap();
    (frames, stream.into_inner())
}

#[tokio::test]
async fn every_frame_is_answered_for_every_user() {
    let role = Role::start(Options::default()).await;
    let writer = role.service.writer();
    writer.put_offline(DATASET, vec![(user(1), offline_blob(10))]).await.unwrap();
    writer.merge_realtime(vec![(user(3), event(1, 1, 50))]).await.unwrap();
    role.suppress(user(4)).await;

    let (frames, mut stream) = open(&role).await;
    frames.send(frame(1, &[1, 2, 3])).await.unwrap();
    frames.send(frame(2, &[4])).await.unwrap();
    let mut found = [stream.message().await.unwrap().unwrap(), stream.message().await.unwrap().unwrap()];
    found.sort_by_key(|one| one.sequence);
    let [first, second] = found;
    assert!(first.last && second.last);

    let first = answers(first);
    assert_eq!(blobs(&first[0]), [offline_blob(10)]);
    assert_eq!((first[1].offline_status, blobs(&first[1]).len()), (SourceStatus::Known, 0));
    assert!(first[2].realtime.is_some());
    assert!(answers(second)[0].suppressed);
}

#[tokio::test]
async fn a_frame_without_time_left_is_answered_as_late() {
    let role = Role::start(Options::default()).await;
    let (frames, mut stream) = open(&role).await;
    let no_time = pb::LookupFrame { budget_us: 0, ..frame(7, &[1, 2]) };
    frames.send(no_time).await.unwrap();
    let answer = stream.message().await.unwrap().unwrap();
    assert_eq!(answer.sequence, 7);
    assert_eq!(answers(answer), vec![TagAnswer::unknown(SourceStatus::Late); 2]);
}

#[tokio::test]
async fn a_frame_that_breaks_the_protocol_ends_the_stream_with_a_reason() {
    let role = Role::start(Options::default()).await;
    let (frames, mut stream) = open(&role).await;
    let bad = pb::LookupFrame { keys: vec![1; 17].into(), ..frame(1, &[1]) };
    frames.send(bad.clone()).await.unwrap();
    let status = stream.message().await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().starts_with("frame 1: keys: 17 bytes"), "{}", status.message());

    let status = role.client(ROLE).await.batch_lookup(bad).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_batch_is_one_frame() {
    let role = Role::start(Options::default()).await;
    role.service.writer().put_offline(DATASET, vec![(user(1), offline_blob(10))]).await.unwrap();
    let answer = role.client(ROLE).await.batch_lookup(frame(3, &[2, 1])).await.unwrap().into_inner();
    let found: Vec<_> = answers(answer).iter().map(|one| blobs(one).len()).collect();
    assert_eq!(found, [0, 1]);
}

#[tokio::test]
async fn through_the_client_a_bidder_learns_what_it_would_in_process() {
    let role = Role::start(Options::default()).await;
    let writer = role.service.writer();
    writer.put_offline(DATASET, vec![(user(1), offline_blob(10))]).await.unwrap();
    writer.merge_realtime(vec![(user(1), event(1, 1, 50)), (user(2), event(2, 1, 50))]).await.unwrap();
    role.suppress(user(3)).await;

    let tasks = Tasks::new(Drain::default());
    let clock = Arc::clone(&role.clock) as Arc<dyn Clock>;
    let address = role.serve().await;
    let remote = GrpcLookupSource::new(&[address], &Secret::new(ROLE), clock, tasks).unwrap().open();
    let request = |n, frequency| LookupRequest {
        previous: (n == 4).then(|| user(2)),
        frequency,
        ..role.request(user(n))
    };
    wait_until_async("the stream", PATIENCE, async || {
        remote.lookup(request(9, true)).await.offline_status == SourceStatus::Known
    })
    .await;

    let local = role.service.lookup_source().open();
    for (n, frequency) in [(1, true), (2, false), (3, true), (4, true), (5, false)] {
        let request = request(n, frequency);
        assert_eq!(remote.lookup(request).await, local.lookup(request).await, "user {n}");
    }
    // Many at once, in frames.
    let many = futures_util::future::join_all((0..200).map(|n| remote.lookup(request(n % 3, true)))).await;
    assert!(many.iter().all(|answer| answer.offline_status == SourceStatus::Known));
    assert!(many.iter().skip(1).step_by(3).all(|answer| blobs(answer).len() == 1));
}

#[tokio::test]
async fn a_drain_ends_open_streams() {
    let role = Role::start(Options::default()).await;
    let (_frames, mut stream) = open(&role).await;
    role.tasks.drain().start();
    let ended = tokio::time::timeout(Duration::from_secs(30), stream.message()).await.unwrap();
    assert!(matches!(ended, Ok(None)), "{ended:?}");
    assert!(role.tasks.finish(Duration::from_secs(30)).await);
}

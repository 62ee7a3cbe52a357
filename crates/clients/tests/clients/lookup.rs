//! The lookup client against a node whose every answer the test decides.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt, future};
use tagbid_clients::GrpcLookupSource;
use tagbid_ports::{
    DatasetTags, Datasets, LookupRequest, OtherKeys, SourceStatus, TagAnswer, TagLookup, TagLookupSource,
};
use tagbid_runtime::auth::Secret;
use tagbid_runtime::{Drain, SystemClock, Tasks};
use tagbid_tagset::UserKey;
use tagbid_testkit::wait_until_async;
use tagbid_types::{Clock, DatasetId};
use tagbid_wire::pb::tags as pb;
use tagbid_wire::pb::tags::tag_service_server::{TagService, TagServiceServer};
use tagbid_wire::tags as wire;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status, Streaming};

const PATIENCE: Duration = Duration::from_secs(30);
const TOKEN: &str = "bidder-role-token-1";

/// One stream that a client opened, from the node's side.
struct Session {
    frames: Streaming<pb::LookupFrame>,
    answers: mpsc::Sender<Result<pb::AnswerFrame, Status>>,
    token: String,
}

impl Session {
    async fn frame(&mut self) -> pb::LookupFrame {
        tokio::time::timeout(PATIENCE, self.frames.message()).await.unwrap().unwrap().unwrap()
    }

    async fn send(&self, answer: pb::AnswerFrame) {
        self.answers.send(Ok(answer)).await.unwrap();
    }

    /// Answers each user with a real-time blob that is its key's first byte.
    async fn answer(&self, frame: &pb::LookupFrame) {
        self.send(wire::answer_frame(frame.sequence, answers_to(frame))).await;
    }
}

fn answers_to(frame: &pb::LookupFrame) -> Vec<TagAnswer> {
    let users = wire::frame_users(frame).unwrap();
    users.into_iter().map(|keys| known(keys.user.0[0])).collect()
}

fn known(n: u8) -> TagAnswer {
    TagAnswer {
        offline_status: SourceStatus::Known,
        realtime_status: SourceStatus::Known,
        realtime: Some(Bytes::copy_from_slice(&[n])),
        frequency_status: SourceStatus::Known,
        frequency: Some(Bytes::from_static(b"f")),
        ..TagAnswer::default()
    }
}

/// Hands every stream to the test.
struct Scripted(mpsc::Sender<Session>);

#[tonic::async_trait]
impl TagService for Scripted {
    type LookupStreamStream = BoxStream<'static, Result<pb::AnswerFrame, Status>>;

    async fn lookup_stream(
        &self,
        request: Request<Streaming<pb::LookupFrame>>,
    ) -> Result<Response<Self::LookupStreamStream>, Status> {
        let token = request.metadata().get("authorization").unwrap().to_str().unwrap().to_owned();
        let (answers, outgoing) = mpsc::channel(64);
        let session = Session { frames: request.into_inner(), answers, token };
        self.0.send(session).await.map_err(|_| Status::unavailable("the test is over"))?;
        Ok(Response::new(ReceiverStream::new(outgoing).boxed()))
    }

    type FindKeysStream = BoxStream<'static, Result<pb::FindKeysResponse, Status>>;

    async fn find_keys(
        &self,
        _: Request<pb::FindKeysRequest>,
    ) -> Result<Response<Self::FindKeysStream>, Status> {
        Err(Status::unimplemented("not for bidders"))
    }

    async fn lookup(&self, _: Request<pb::LookupRequest>) -> Result<Response<pb::LookupResponse>, Status> {
        Err(Status::unimplemented("not for bidders"))
    }

    async fn batch_lookup(&self, _: Request<pb::LookupFrame>) -> Result<Response<pb::AnswerFrame>, Status> {
        Err(Status::unimplemented("not for bidders"))
    }

    async fn put_offline_tags(
        &self,
        _: Request<pb::PutOfflineTagsRequest>,
    ) -> Result<Response<pb::PutOfflineTagsResponse>, Status> {
        Err(Status::unimplemented("not for bidders"))
    }

    async fn merge_realtime_tags(
        &self,
        _: Request<pb::MergeRealtimeTagsRequest>,
    ) -> Result<Response<pb::MergeRealtimeTagsResponse>, Status> {
        Err(Status::unimplemented("not for bidders"))
    }
}

/// A node and what it takes to stop it.
struct Node {
    address: String,
    sessions: mpsc::Receiver<Session>,
    tasks: Tasks,
}

impl Node {
    async fn start() -> Self {
        Self::start_at("127.0.0.1:0").await
    }

    async fn start_at(address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (streams, sessions) = mpsc::channel(8);
        let tasks = Tasks::new(Drain::default());
        let drain = tasks.drain().clone();
        tasks.spawn("node", async move {
            let server =
                tonic::transport::Server::builder().add_service(TagServiceServer::new(Scripted(streams)));
            let incoming = TcpListenerStream::new(listener);
            server.serve_with_incoming_shutdown(incoming, async move { drain.wait().await }).await.unwrap();
        });
        Self { address, sessions, tasks }
    }

    async fn session(&mut self) -> Session {
        tokio::time::timeout(PATIENCE, self.sessions.recv()).await.unwrap().unwrap()
    }

    /// Ends the node and everything on it.
    async fn stop(self) {
        drop(self.sessions);
        self.tasks.drain().start();
        assert!(self.tasks.finish(PATIENCE).await);
    }
}

fn source(nodes: &[&Node]) -> GrpcLookupSource {
    let addresses: Vec<_> = nodes.iter().map(|node| node.address.clone()).collect();
    let tasks = Tasks::new(Drain::default());
    GrpcLookupSource::new(&addresses, &Secret::new(TOKEN), Arc::new(SystemClock), tasks).unwrap()
}

fn request(n: u8, left: Duration) -> LookupRequest {
    LookupRequest {
        user: UserKey([n; 16]),
        previous: None,
        others: OtherKeys::NONE,
        frequency: true,
        datasets: Datasets::ALL,
        deadline: SystemClock.monotonic().after(left),
    }
}

/// A lookup whose stream is open.
async fn connected(node: &mut Node) -> (Arc<dyn TagLookup>, Session) {
    let lookup = source(&[node]).open();
    let session = node.session().await;
    wait_until_up(&*lookup).await;
    (lookup, session)
}

/// Waits until lookups do not fail any more; those used for it have no time and are never sent.
async fn wait_until_up(lookup: &dyn TagLookup) {
    let blink = Duration::from_millis(1);
    wait_until_async("the stream", PATIENCE, async || {
        lookup.lookup(request(0, blink)).await.offline_status != SourceStatus::Failed
    })
    .await;
}

/// The next frame that asks for this user, skipping those of [`wait_until_up`].
async fn frame_for(session: &mut Session, n: u8) -> pb::LookupFrame {
    loop {
        let frame = session.frame().await;
        if wire::frame_users(&frame).unwrap()[0].user == UserKey([n; 16]) {
            return frame;
        }
    }
}

#[tokio::test]
async fn an_answer_reaches_who_asked_and_the_credential_goes_along() {
    let mut node = Node::start().await;
    let (lookup, mut session) = connected(&mut node).await;
    assert_eq!(session.token, format!("Bearer {TOKEN}"));

    let asking = lookup.lookup(request(7, PATIENCE));
    let answering = async {
        let frame = frame_for(&mut session, 7).await;
        assert!(frame.budget_us < 27_000_000, "an eighth is kept for the way back");
        session.answer(&frame).await;
    };
    assert_eq!(future::join(asking, answering).await.0, known(7));
}

#[tokio::test]
async fn counts_that_were_not_asked_for_do_not_arrive() {
    let mut node = Node::start().await;
    let (lookup, mut session) = connected(&mut node).await;
    let asking = lookup.lookup(LookupRequest { frequency: false, ..request(7, PATIENCE) });
    let answering = async {
        let frame = frame_for(&mut session, 7).await;
        assert!(!frame.frequency);
        session.answer(&frame).await;
    };
    let answer = future::join(asking, answering).await.0;
    assert_eq!((answer.frequency, answer.frequency_status), (None, SourceStatus::Late));
}

#[tokio::test]
async fn datasets_that_another_user_of_the_frame_asked_for_do_not_arrive() {
    let mut node = Node::start().await;
    let (lookup, mut session) = connected(&mut node).await;
    let [seven, nine] = [7, 9].map(DatasetId);
    let of = |n, dataset: DatasetId| LookupRequest {
        datasets: [dataset].into_iter().collect(),
        ..request(n, PATIENCE)
    };
    // Two frames are under way, so that those who come then go together.
    let (mut early, mut frames) = (Vec::new(), Vec::new());
    for n in 1..=2 {
        let mut one = lookup.lookup(of(n, seven));
        assert!((&mut one).now_or_never().is_none());
        early.push(one);
        frames.push(frame_for(&mut session, n).await);
    }
    let asking = future::join(lookup.lookup(of(3, seven)), lookup.lookup(of(4, nine)));
    let answering = async {
        for frame in &frames {
            session.answer(frame).await;
        }
        let together = session.frame().await;
        assert_eq!(together.keys.len(), 2 * 16, "two users");
        let offline = [seven, nine].map(|dataset| DatasetTags {
            dataset,
            version: 1,
            as_of: None,
            status: SourceStatus::Known,
            blob: None,
        });
        let answer = TagAnswer { offline: offline.to_vec(), ..known(3) };
        session.send(wire::answer_frame(together.sequence, vec![answer.clone(), answer])).await;
    };
    let ((three, four), ()) = future::join(asking, answering).await;
    let read = |answer: TagAnswer| answer.offline.iter().map(|one| one.dataset).collect::<Vec<_>>();
    assert_eq!((read(three), read(four)), (vec![seven], vec![nine]));
}

#[tokio::test]
async fn frames_are_answered_in_any_order_and_gather_meanwhile() {
    let mut node = Node::start().await;
    let (lookup, mut session) = connected(&mut node).await;
    let (mut asking, mut frames) = (Vec::new(), Vec::new());
    let mut ask = |n| {
        let mut one = lookup.lookup(request(n, PATIENCE));
        assert!((&mut one).now_or_never().is_none());
        asking.push(one);
    };
    for n in 1..=2 {
        ask(n);
        frames.push(frame_for(&mut session, n).await);
    }
    (3..=20).for_each(ask);
    let answering = async {
        assert!(frames.iter().all(|frame| wire::frame_users(frame).unwrap().len() == 1));
        for frame in frames.iter().rev() {
            session.answer(frame).await;
        }
        // The others went together as soon as the first answer came.
        let together = session.frame().await;
        assert_eq!(wire::frame_users(&together).unwrap().len(), 18);
        let whole = wire::answer_frame(together.sequence, answers_to(&together));
        for one in whole.answers.into_iter().rev() {
            session
                .send(pb::AnswerFrame { sequence: together.sequence, answers: vec![one], last: false })
                .await;
        }
    };
    let (answers, ()) = future::join(future::join_all(asking), answering).await;
    assert_eq!(answers, (1..=20).map(known).collect::<Vec<_>>());
}

#[tokio::test]
async fn whoever_asks_in_the_same_turn_goes_in_the_same_frame() {
    let mut node = Node::start().await;
    let (lookup, mut session) = connected(&mut node).await;
    let asking = future::join_all((1..=20).map(|n| lookup.lookup(request(n, PATIENCE))));
    let answering = async {
        let together = frame_for(&mut session, 1).await;
        assert_eq!(wire::frame_users(&together).unwrap().len(), 20);
        session.answer(&together).await;
    };
    let (answers, ()) = future::join(asking, answering).await;
    assert_eq!(answers, (1..=20).map(known).collect::<Vec<_>>());
}

#[tokio::test]
async fn users_that_the_node_leaves_out_have_failed() {
    let mut node = Node::start().await;
    let (lookup, mut session) = connected(&mut node).await;
    let asking = lookup.lookup(request(7, PATIENCE));
    let answering = async {
        let frame = frame_for(&mut session, 7).await;
        session.send(pb::AnswerFrame { sequence: frame.sequence, answers: vec![], last: true }).await;
    };
    let answer = future::join(asking, answering).await.0;
    assert_eq!(answer, TagAnswer::unknown(SourceStatus::Failed));
}

#[tokio::test]
async fn with_a_slow_node_everybody_leaves_at_their_own_deadline() {
    let mut node = Node::start().await;
    let (lookup, mut session) = connected(&mut node).await;
    let soon = Duration::from_millis(30);
    let slow = lookup.lookup(request(1, soon)).await;
    assert_eq!(slow, TagAnswer::unknown(SourceStatus::Late));

    // The late answer disturbs nobody, and the next question is answered.
    let late = frame_for(&mut session, 1).await;
    session.answer(&late).await;
    let asking = lookup.lookup(request(2, PATIENCE));
    let answering = async {
        let frame = frame_for(&mut session, 2).await;
        session.answer(&frame).await;
    };
    assert_eq!(future::join(asking, answering).await.0, known(2));
}

#[tokio::test]
async fn a_node_that_was_left_alone_is_asked_by_everybody_as_soon_as_it_answers() {
    let mut node = Node::start().await;
    let (lookup, mut session) = connected(&mut node).await;
    let soon = Duration::from_millis(30);
    wait_until_async("the node to be left alone", PATIENCE, async || {
        lookup.lookup(request(1, soon)).await == TagAnswer::unknown(SourceStatus::Failed)
    })
    .await;
    let answering = async {
        while let Ok(Some(frame)) = session.frames.message().await {
            session.answer(&frame).await;
        }
    };
    let asking = async {
        wait_until_async("an answer", PATIENCE, async || {
            lookup.lookup(request(2, PATIENCE)).await == known(2)
        })
        .await;
        // Not one in a second, as while it is only tried.
        for n in 3..20 {
            assert_eq!(lookup.lookup(request(n, PATIENCE)).await, known(n));
        }
    };
    tokio::select! {
        () = asking => {}
        () = answering => unreachable!("the stream stays"),
    }
}

#[tokio::test]
async fn beyond_the_bound_a_lookup_is_late_at_once() {
    let mut node = Node::start().await;
    let (lookup, _session) = connected(&mut node).await;
    // In flight four full frames, and 256 waiting.
    let mut waiting: Vec<_> = (0..4 * 64 + 256).map(|_| lookup.lookup(request(1, PATIENCE))).collect();
    for one in &mut waiting {
        assert!(one.now_or_never().is_none());
    }
    let newcomer = lookup.lookup(request(2, PATIENCE)).now_or_never();
    assert_eq!(newcomer, Some(TagAnswer::unknown(SourceStatus::Late)));
}

#[tokio::test]
async fn a_node_that_dies_fails_those_who_wait_and_is_found_again() {
    let mut node = Node::start().await;
    let address = node.address.strip_prefix("http://").unwrap().to_owned();
    let (lookup, session) = connected(&mut node).await;

    let asking = lookup.lookup(request(1, PATIENCE));
    let dying = async {
        drop(session);
        node.stop().await;
    };
    let (answer, ()) = future::join(asking, dying).await;
    assert_eq!(answer, TagAnswer::unknown(SourceStatus::Failed));
    let at_once = lookup.lookup(request(1, PATIENCE)).now_or_never();
    assert_eq!(at_once, Some(TagAnswer::unknown(SourceStatus::Failed)), "nobody waits for a broken stream");

    let mut node = Node::start_at(&address).await;
    let mut session = node.session().await;
    wait_until_up(&*lookup).await;
    let asking = lookup.lookup(request(2, PATIENCE));
    let answering = async {
        let frame = frame_for(&mut session, 2).await;
        session.answer(&frame).await;
    };
    assert_eq!(future::join(asking, answering).await.0, known(2));
}

#[tokio::test]
async fn when_a_users_node_is_down_another_answers() {
    let (mut one, two) = (Node::start().await, Node::start().await);
    let lookup = source(&[&one, &two]).open();
    two.stop().await;
    let mut session = one.session().await;
    wait_until_up(&*lookup).await;
    let asking = future::join_all((1..=40).map(|n| lookup.lookup(request(n, PATIENCE))));
    let answering = async {
        let mut answered = 0;
        while answered < 40 {
            let frame = session.frame().await;
            answered +=
                wire::frame_users(&frame).unwrap().iter().filter(|keys| keys.user.0 != [0; 16]).count();
            session.answer(&frame).await;
        }
    };
    let (answers, ()) = future::join(asking, answering).await;
    assert_eq!(answers, (1..=40).map(known).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_stream_ends_with_the_worker_that_opened_it() {
    let mut node = Node::start().await;
    let (lookup, mut session) = connected(&mut node).await;
    drop(lookup);
    let ended = async { while let Ok(Some(_)) = session.frames.message().await {} };
    tokio::time::timeout(PATIENCE, ended).await.unwrap();
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let new = |addresses: &[&str], token: &str| {
        let addresses: Vec<_> = addresses.iter().map(|one| (*one).to_owned()).collect();
        let tasks = Tasks::new(Drain::default());
        GrpcLookupSource::new(&addresses, &Secret::new(token), Arc::new(SystemClock), tasks).map(drop)
    };
    assert!(new(&["http://127.0.0.1:1"], TOKEN).is_ok());
    for (addresses, token, word) in [
        (&[][..], TOKEN, "at least one"),
        (&["127.0.0.1:1"][..], TOKEN, "http://HOST:PORT"),
        (&["no address"][..], TOKEN, "http://HOST:PORT"),
        (&["http://127.0.0.1:1"][..], "a\nb", "token"),
    ] {
        let error = new(addresses, token).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

//! One stream to one node, kept open by a task, and a breaker for a node that keeps its connection and does not answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tagbid_ports::{LookupRequest, SourceStatus, TagAnswer};
use tagbid_runtime::breaker::{Breaker, jittered, random};
use tagbid_runtime::metrics::{Counter, Histogram};
use tagbid_runtime::trace;
use tagbid_types::{Clock, Monotonic};
use tagbid_wire::USER_KEYS;
use tagbid_wire::pb::tags as pb;
use tagbid_wire::pb::tags::tag_service_client::TagServiceClient;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Endpoint;
use tonic::{Request, Status, Streaming};

use super::gather::{Gather, MAX_IN_FLIGHT, Waiter};
use super::{LookupError, rendezvous};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(3);

/// How long connecting and opening the stream may take together, at first and at most; doubled each time. A node that ten
/// thousand streams come back to needs longer than one of them would wait, and whoever gives up asks for all of it again.
const OPEN: (Duration, Duration) = (Duration::from_secs(4), Duration::from_secs(32));

/// Between two pings, and how long one may take: then the stream is broken. Long, because a node that is overloaded for a
/// moment must not lose all of its streams; that one does not answer, the breaker knows long before.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// First and longest wait before connecting again; doubled each time, jittered down to half. The first one is that long
/// because all workers of all bidders lose a node in one moment.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));

/// A node's address and the credential for it.
#[derive(Clone)]
pub(super) struct Node {
    address: String,
    endpoint: Endpoint,
    token: MetadataValue<Ascii>,
    /// Of which MAC keys our users are made.
    user_keys: Option<MetadataValue<Ascii>>,
    seed: u64,
}

impl Node {
    pub(super) fn new(address: &str, token: MetadataValue<Ascii>) -> Result<Self, LookupError> {
        let refused = || LookupError::Address { address: address.to_owned() };
        let endpoint = Endpoint::from_shared(address.to_owned()).map_err(|_| refused())?;
        if endpoint.uri().scheme().is_none() || endpoint.uri().host().is_none() {
            return Err(refused());
        }
        Ok(Self {
            seed: rendezvous::seed(address),
            address: address.to_owned(),
            endpoint: endpoint
                .connect_timeout(CONNECT)
                .tcp_nodelay(true)
                .http2_keep_alive_interval(KEEP_ALIVE)
                .keep_alive_timeout(KEEP_ALIVE)
                .keep_alive_while_idle(true),
            token,
            user_keys: None,
        })
    }

    pub(super) fn with_user_keys(self, user_keys: Option<MetadataValue<Ascii>>) -> Self {
        Self { user_keys, ..self }
    }

    async fn open(
        &self,
        frames: mpsc::Receiver<pb::LookupFrame>,
        patience: Duration,
    ) -> Result<Streaming<pb::AnswerFrame>, String> {
        let opening = async {
            let channel = self.endpoint.connect().await.map_err(|error| error.to_string())?;
            let mut request = Request::new(ReceiverStream::new(frames));
            request.metadata_mut().insert("authorization", self.token.clone());
            if let Some(ring) = &self.user_keys {
                request.metadata_mut().insert(USER_KEYS, ring.clone());
            }
            let opened = TagServiceClient::new(channel).lookup_stream(request).await;
            opened.map(tonic::Response::into_inner).map_err(|status| status.to_string())
        };
        match tokio::time::timeout(patience, opening).await {
            Ok(opened) => opened,
            Err(_) => Err("no answer".into()),
        }
    }
}

type Reply = oneshot::Sender<TagAnswer>;

#[derive(Default)]
struct State {
    gather: Gather<Reply>,
    /// Towards the node; none while there is no stream.
    frames: Option<mpsc::Sender<pb::LookupFrame>>,
}

/// What became of the frames and users of a link.
#[derive(Debug, Default)]
pub(super) struct LinkStats {
    /// Frames of which something came in time, and those of which nothing did.
    pub(super) answered: Counter,
    pub(super) missed: Counter,
    /// Users who were turned away because too many waited.
    pub(super) turned_away: Counter,
    /// Streams that were opened, and that broke.
    pub(super) opened: Counter,
    pub(super) lost: Counter,
    /// How often the breaker opened.
    pub(super) left_alone: Counter,
    /// From sending a frame to the first of its answers.
    pub(super) answer_time: Histogram,
}

/// The stream as lookups see it.
pub(super) struct Link {
    node: Node,
    clock: Arc<dyn Clock>,
    up: AtomicBool,
    breaker: Breaker,
    pub(super) stats: LinkStats,
    /// There is a frame to send.
    due: Notify,
    /// Never held across an await, and contended by nobody: all of a worker runs on one thread.
    state: Mutex<State>,
}

impl Link {
    pub(super) fn new(node: Node, clock: Arc<dyn Clock>) -> Self {
        let (up, breaker, stats) = (AtomicBool::new(false), Breaker::default(), LinkStats::default());
        Self { node, clock, up, breaker, stats, due: Notify::new(), state: Mutex::default() }
    }

    pub(super) fn address(&self) -> &str {
        &self.node.address
    }

    /// Whether the breaker keeps askers away.
    pub(super) fn is_left_alone(&self) -> bool {
        self.breaker.is_open()
    }

    /// Whether one may ask now: there is a stream, and the node answers or is due to be tried.
    pub(super) fn admits(&self, now: Monotonic) -> bool {
        self.is_up() && self.breaker.admits(now)
    }

    /// Frames that are unanswered, and users who wait for one to become free.
    pub(super) fn load(&self) -> (usize, usize) {
        self.state().gather.load()
    }

    /// A caller's time was over before there was an answer: perhaps the node does not answer at all. Then everybody who
    /// waits for it is told so at once.
    pub(super) fn overdue(&self, now: Monotonic) {
        let mut state = self.state();
        for missed in state.gather.missed(now) {
            self.stats.missed.inc();
            if self.breaker.missed(missed.sent, missed.deadline, now) {
                self.stats.left_alone.inc();
                tracing::warn!(node = self.node.address, "tags node does not answer; left alone");
                state.gather.clear();
            }
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    pub(super) fn seed(&self) -> u64 {
        self.node.seed
    }

    /// Joins a frame. The answer may never come: wait for it until the deadline only.
    pub(super) fn join(
        &self,
        request: LookupRequest,
        now: Monotonic,
    ) -> Result<oneshot::Receiver<TagAnswer>, SourceStatus> {
        let (reply, answer) = oneshot::channel();
        let waiter = Waiter {
            keys: request.keys(),
            frequency: request.frequency,
            datasets: request.datasets,
            deadline: request.deadline,
            trace: trace::current(),
            reply,
        };
        let mut state = self.state();
        if state.frames.is_none() {
            return Err(SourceStatus::Failed);
        }
        if !state.gather.join(waiter, now) {
            self.stats.turned_away.inc();
            return Err(SourceStatus::Late);
        }
        if state.gather.may_send_full() {
            self.send(&mut state);
        } else if state.gather.may_send() {
            self.due.notify_one();
        }
        Ok(answer)
    }

    /// Keeps the stream open until the lookup is closed.
    pub(super) async fn keep_up(self: Arc<Self>, closed: CancellationToken) {
        let mut attempt = 0;
        let work = async {
            loop {
                match self.connect(attempt).await {
                    Ok(answers) => {
                        attempt = 0;
                        let reason = self.read(answers).await;
                        self.stats.lost.inc();
                        tracing::warn!(node = self.node.address, reason, "tags node lost");
                    }
                    Err(reason) => {
                        tracing::warn!(node = self.node.address, reason, attempt, "tags node not reachable");
                        attempt += 1;
                    }
                }
                self.down();
                tokio::time::sleep(jittered(BACKOFF, attempt, random())).await;
            }
        };
        closed.run_until_cancelled(work).await;
        self.down();
    }

    async fn connect(&self, attempt: u32) -> Result<Streaming<pb::AnswerFrame>, String> {
        // Room for every frame in flight: `try_send` fails only when the connection takes nothing.
        let (frames, outgoing) = mpsc::channel(MAX_IN_FLIGHT);
        let patience = OPEN.0.saturating_mul(2_u32.saturating_pow(attempt.min(8))).min(OPEN.1);
        let answers = self.node.open(outgoing, patience).await?;
        self.state().frames = Some(frames);
        self.stats.opened.inc();
        self.breaker.answered();
        self.up.store(true, Ordering::Relaxed);
        tracing::info!(node = self.node.address, "tags node connected");
        Ok(answers)
    }

    /// Hands out answers and sends frames until the stream ends; returns why it did.
    async fn read(&self, mut answers: Streaming<pb::AnswerFrame>) -> String {
        loop {
            tokio::select! {
                biased;
                answer = answers.message() => match answer {
                    Ok(Some(frame)) => self.deliver(frame),
                    Ok(None) => return "the node ended the stream".into(),
                    Err(status) => return Status::to_string(&status),
                },
                () = self.due.notified() => {
                    // Whoever is about to ask in this turn of the worker's loop comes along: the requests that arrived
                    // together, and those whose answers did.
                    tokio::task::yield_now().await;
                    self.send(&mut self.state());
                }
            }
        }
    }

    /// Sends what may go.
    fn send(&self, state: &mut State) {
        let Some(frames) = &state.frames else { return };
        while let Some(frame) = state.gather.next_frame(self.clock.monotonic()) {
            // A connection that takes nothing more: the frame counts as in flight until its deadline, which is what keeps us
            // from asking on.
            if frames.try_send(frame).is_err() {
                return;
            }
        }
    }

    fn deliver(&self, frame: pb::AnswerFrame) {
        let mut state = self.state();
        let now = self.clock.monotonic();
        // Whoever has left does not listen any more.
        let sent = state.gather.answer(frame, |reply, answer| drop(reply.send(answer)));
        // One that is too slow for everybody is as good as silent.
        if let Some(sent) = sent {
            self.breaker.answered();
            self.stats.answered.inc();
            self.stats.answer_time.record(sent, now);
        }
        if state.gather.may_send() {
            self.due.notify_one();
        }
    }

    /// Everybody who waits learns at once that there is nothing to wait for: their replies are dropped.
    fn down(&self) {
        self.up.store(false, Ordering::Relaxed);
        let mut state = self.state();
        state.frames = None;
        state.gather.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|lock| lock.into_inner())
    }
}

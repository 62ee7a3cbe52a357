//! Worker threads: one a core, each with a tokio runtime of its own that owns its connections, clients, arenas and
//! metric shard. A request never changes thread, so nothing on its path is shared or needs to be `Send`.
//!
//! One acceptor a port hands each socket to the worker that has the fewest. Work from other runtimes (a bid over
//! gRPC) enters through [`Workers::submit`].

mod bell;
mod body;
mod connection;
mod metrics;
mod stamp;

use std::future::Future;
use std::io;
use std::net::{IpAddr, TcpStream as StdStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tagbid_types::{Clock, Monotonic};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::Drain;
use crate::overload::Gate;
use crate::places::{Place, Places};

pub use body::{BodyError, BodyPace, read_body, read_body_paced};
pub use connection::{ConnectionLimits, GivenUp};
pub use metrics::Ended;

/// Sockets and calls that wait for one worker. A socket beyond this is closed at once, a call refused: a worker
/// this far behind would only answer too late.
const INBOX: usize = 1024;

/// Tasks that run before the worker asks its sockets again: how long one may wait unnoticed. To ask costs about a
/// microsecond.
const TASKS_PER_LOOK: u32 = 8;

/// How a request came.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// When its first byte reached this machine, as well as can be known.
    pub at: Monotonic,
    /// Who holds the other end of the connection; none when that is gone already.
    pub peer: Option<IpAddr>,
}

/// What a worker does with a request. One value a worker, made on its thread; never shared.
pub trait Serve: 'static {
    /// Answers one request.
    fn serve(
        self: Rc<Self>,
        request: Request<Incoming>,
        arrival: Arrival,
    ) -> impl Future<Output = Response<Full<Bytes>>> + 'static;

    /// Guards this worker's time, where something does: whether a request is served is the service's to ask, what background
    /// work gets is seen to here.
    fn gate(&self) -> Option<Rc<Gate>> {
        None
    }

    /// Whether a request is background work: its connection is read only as fast as the share of such work allows
    /// while other requests wait.
    fn is_background(&self, _request: &Request<Incoming>) -> bool {
        false
    }
}

/// A closure that a worker runs with its service.
type Call<S> = Box<dyn FnOnce(Rc<S>) + Send>;

enum Job<S> {
    Socket(Accepted),
    Call(Call<S>),
}

/// A connection on its way to its worker.
struct Accepted {
    socket: StdStream,
    at: Monotonic,
    place: Place,
}

struct Inbox<S> {
    jobs: mpsc::Sender<Job<S>>,
    load: Arc<AtomicUsize>,
}

/// What happened on the workers, for metrics.
#[derive(Debug, Default)]
pub struct WorkerStats {
    /// Connections open now.
    pub connections: AtomicUsize,
    /// Connections accepted since the start.
    pub accepted: AtomicU64,
    /// Connections closed at once because of a limit.
    pub refused: AtomicU64,
    /// Connections, and streams of HTTP/2 connections, lost to a panic.
    pub panics: AtomicU64,
    /// Sockets that could not be accepted: no file descriptors left, most likely.
    pub accept_failures: AtomicU64,
    /// Connections, and streams of HTTP/2 connections, that a limit ended.
    ended: [AtomicU64; Ended::ALL.len()],
    /// Sockets and calls handed to workers.
    placed: AtomicUsize,
}

/// The workers. Dropping the last handle ends them once their connections are done.
pub struct Workers<S> {
    inboxes: Arc<[Inbox<S>]>,
    stats: Arc<WorkerStats>,
    places: Arc<Places>,
    clock: Arc<dyn Clock>,
    /// Cancelled when the port is closed and all sockets are handed over.
    closed: CancellationToken,
}

impl<S> Clone for Workers<S> {
    fn clone(&self) -> Self {
        Self {
            inboxes: Arc::clone(&self.inboxes),
            stats: Arc::clone(&self.stats),
            places: Arc::clone(&self.places),
            clock: Arc::clone(&self.clock),
            closed: self.closed.clone(),
        }
    }
}

/// The threads of the workers, to wait for at the end.
#[derive(Debug)]
pub struct WorkerThreads(Vec<thread::JoinHandle<()>>);

impl WorkerThreads {
    /// Waits until every worker has ended: drained, with its connections closed. Blocks.
    pub fn join(self) {
        for one in self.0 {
            // A worker that panicked outside of any connection was logged by the panic hook.
            let _ended = one.join();
        }
    }
}

impl<S: Serve> Workers<S> {
    /// Starts `count` workers. `open` makes each worker's service, on its thread and inside its runtime.
    pub fn start(
        count: usize,
        limits: ConnectionLimits,
        clock: Arc<dyn Clock>,
        drain: &Drain,
        open: impl Fn(usize) -> S + Send + Sync + 'static,
    ) -> io::Result<(Self, WorkerThreads)> {
        let open = Arc::new(open);
        let (stats, closed) = (Arc::new(WorkerStats::default()), CancellationToken::new());
        let (mut inboxes, mut threads) = (Vec::new(), Vec::new());
        for index in 0..count.max(1) {
            let (jobs, inbox) = mpsc::channel(INBOX);
            let load = Arc::new(AtomicUsize::new(0));
            inboxes.push(Inbox { jobs, load: Arc::clone(&load) });
            let worker = Worker {
                load,
                stats: Arc::clone(&stats),
                limits,
                clock: Arc::clone(&clock),
                drain: drain.clone(),
                closed: closed.clone(),
            };
            let open = Arc::clone(&open);
            let thread = thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn(move || worker.run(inbox, move || open(index)))?;
            threads.push(thread);
        }
        let places = Places::new(limits.connections, limits.per_peer);
        Ok((Self { inboxes: inboxes.into(), stats, places, clock, closed }, WorkerThreads(threads)))
    }

    /// What happened so far.
    pub fn stats(&self) -> &Arc<WorkerStats> {
        &self.stats
    }

    /// Runs a closure on the least loaded worker. False, and the closure dropped, when it has too much waiting.
    pub fn submit(&self, call: impl FnOnce(Rc<S>) + Send + 'static) -> bool {
        self.least_loaded().is_some_and(|inbox| inbox.jobs.try_send(Job::Call(Box::new(call))).is_ok())
    }

    /// Accepts until the drain starts, and then what is queued already; hands each socket to the worker with the fewest.
    pub async fn accept(self, listener: TcpListener, drain: Drain) {
        loop {
            let accepted = tokio::select! {
                () = drain.wait() => return self.close(listener),
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((socket, peer)) => self.place(socket, peer.ip()),
                // Out of file descriptors, most likely: existing connections go on, new ones wait in the backlog.
                Err(error) => {
                    self.stats.accept_failures.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(%error, "accept failed");
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
            }
        }
    }

    /// Closes the port. The system resets the connections that it has queued there, so they are taken first.
    fn close(&self, listener: TcpListener) {
        if let Ok(listener) = listener.into_std() {
            for _ in 0..INBOX {
                let Ok((socket, peer)) = listener.accept() else {
                    break;
                };
                if socket.set_nonblocking(true).is_ok()
                    && let Ok(socket) = TcpStream::from_std(socket)
                {
                    self.place(socket, peer.ip());
                }
            }
        }
        self.closed.cancel();
    }

    fn place(&self, socket: TcpStream, peer: IpAddr) {
        self.stats.accepted.fetch_add(1, Ordering::Relaxed);
        let place = self.places.take(peer).filter(|_| socket.set_nodelay(true).is_ok());
        if !place.is_some_and(|place| self.hand_over(socket, place)) {
            self.stats.refused.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn hand_over(&self, socket: TcpStream, place: Place) -> bool {
        // Leaves this runtime's epoll; the worker registers it with its own.
        let Ok(socket) = socket.into_std() else {
            return false;
        };
        let accepted = Accepted { socket, at: self.clock.monotonic(), place };
        self.least_loaded().is_some_and(|inbox| inbox.jobs.try_send(Job::Socket(accepted)).is_ok())
    }

    /// The worker with the fewest connections; equals take turns.
    fn least_loaded(&self) -> Option<&Inbox<S>> {
        let turn = self.stats.placed.fetch_add(1, Ordering::Relaxed) % self.inboxes.len().max(1);
        let (before, after) = self.inboxes.split_at_checked(turn)?;
        after.iter().chain(before).min_by_key(|inbox| inbox.load.load(Ordering::Relaxed))
    }
}

/// One worker's own side.
struct Worker {
    load: Arc<AtomicUsize>,
    stats: Arc<WorkerStats>,
    limits: ConnectionLimits,
    clock: Arc<dyn Clock>,
    drain: Drain,
    closed: CancellationToken,
}

impl Worker {
    fn run<S: Serve>(self, inbox: mpsc::Receiver<Job<S>>, open: impl FnOnce() -> S) {
        let looks = bell::Looks::new(Arc::clone(&self.clock));
        let [asleep, awake] = [(); 2].map(|()| Arc::clone(&looks));
        let mut builder = Builder::new_current_thread();
        builder.enable_all().event_interval(TASKS_PER_LOOK);
        builder.on_thread_park(move || asleep.falls_asleep()).on_thread_unpark(move || awake.wakes_up());
        match builder.build_local(LocalOptions::default()) {
            Ok(runtime) => runtime.block_on(self.work(inbox, &looks, open)),
            Err(error) => tracing::error!(%error, "worker has no runtime"),
        }
    }

    async fn work<S: Serve>(
        self,
        mut inbox: mpsc::Receiver<Job<S>>,
        looks: &Arc<bell::Looks>,
        open: impl FnOnce() -> S,
    ) {
        let service = Rc::new(open());
        let (mut connections, mut idle) = (JoinSet::new(), JoinSet::new());
        idle.spawn_local(Arc::clone(looks).stay());
        loop {
            let job = tokio::select! {
                () = self.drain.wait() => break,
                Some(_ended) = connections.join_next() => continue,
                job = inbox.recv() => job,
            };
            match job {
                Some(job) => self.take(job, &service, looks, &mut connections),
                None => break,
            }
        }
        let _ = tokio::time::timeout(self.limits.drain, async {
            // The port closes a moment later; what came until then is served like the rest.
            self.closed.cancelled().await;
            while let Ok(job) = inbox.try_recv() {
                self.take(job, &service, looks, &mut connections);
            }
            // Connections see the drain themselves and end after the request under way.
            while connections.join_next().await.is_some() {}
        })
        .await;
    }

    fn take<S: Serve>(
        &self,
        job: Job<S>,
        service: &Rc<S>,
        looks: &Arc<bell::Looks>,
        connections: &mut JoinSet<()>,
    ) {
        match job {
            Job::Socket(Accepted { socket, at, place }) => {
                let Ok(socket) = TcpStream::from_std(socket) else {
                    return;
                };
                let open = self.enter(place);
                let (stamp, stats) = (stamp::Stamp::new(at), &self.stats);
                let limits = self.limits;
                let socket = stamp::Stamped::new(socket, stamp.clone(), limits, looks, Arc::clone(stats));
                let (service, drain) = (Rc::clone(service), self.drain.clone());
                let served = connection::serve(socket, service, stamp, limits, drain, Arc::clone(stats));
                connections.spawn_local(connection::guarded(served, open));
            }
            Job::Call(call) => call(Rc::clone(service)),
        }
    }

    /// Counts a connection in; the guard counts it out.
    fn enter(&self, place: Place) -> connection::Open {
        self.load.fetch_add(1, Ordering::Relaxed);
        self.stats.connections.fetch_add(1, Ordering::Relaxed);
        connection::Open { load: Arc::clone(&self.load), stats: Arc::clone(&self.stats), _place: place }
    }
}

#[cfg(test)]
mod tests;

//! Tag lookups over gRPC: one stream for each worker and tags node.
//!
//! A lookup picks the node by rendezvous hash of the user key (so that a user's lookups from every bidder meet on one
//! node) and joins a frame there ([`gather`]). Frames go out when the worker's loop has come round once, while fewer than two are
//! unanswered, half full up to four, and are gathered meanwhile: under little load a lookup waits for nobody, under much load
//! frames fill by themselves. There is no timer but the caller's own deadline. A broken stream is opened again by a task of its own ([`link`]), off the
//! path of any request; a node that keeps its stream and does not answer is left alone by a breaker and tried now and then.
//! Meanwhile its users are another node's, since all nodes share one store; where there is none, they have failed at
//! once.

mod gather;
mod link;
mod metrics;
mod rendezvous;

use std::cmp::Reverse;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use futures_util::future::BoxFuture;
use prometheus_client::collector::Collector;
use tagbid_ports::{LookupRequest, SourceStatus, TagAnswer, TagLookup, TagLookupSource};
use tagbid_runtime::Tasks;
use tagbid_runtime::auth::Secret;
use tagbid_tagset::{KeyRing, UserKey};
use tagbid_types::{Clock, Monotonic};
use thiserror::Error;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::metadata::{Ascii, MetadataValue};

use self::link::{Link, Node};

/// Settings that cannot be used.
#[derive(Debug, Error)]
pub enum LookupError {
    /// No node at all.
    #[error("no address of a tags node: name at least one")]
    NoNode,
    /// Not an address.
    #[error("{address:?} is no address of a tags node: use http://HOST:PORT")]
    Address {
        /// What was given.
        address: String,
    },
    /// A token that no header can carry.
    #[error("the token has characters that no header can carry: use letters, digits and punctuation")]
    Token,
}

/// Where workers open their lookups.
#[derive(Clone)]
pub struct GrpcLookupSource {
    nodes: Arc<[Node]>,
    clock: Arc<dyn Clock>,
    tasks: Tasks,
    /// Of all workers, to be looked at by metrics.
    opened: Opened,
}

type Opened = Arc<Mutex<Vec<Weak<Link>>>>;

impl GrpcLookupSource {
    /// A source that asks these nodes (`http://HOST:PORT`) with this role's token. Connects when opened.
    pub fn new(
        addresses: &[String],
        token: &Secret,
        clock: Arc<dyn Clock>,
        tasks: Tasks,
    ) -> Result<Self, LookupError> {
        let header: MetadataValue<Ascii> =
            format!("Bearer {}", token.expose()).parse().map_err(|_| LookupError::Token)?;
        let nodes = addresses.iter().map(|address| Node::new(address, header.clone()));
        let nodes: Arc<[Node]> = nodes.collect::<Result<_, _>>()?;
        if nodes.is_empty() {
            return Err(LookupError::NoNode);
        }
        Ok(Self { nodes, clock, tasks, opened: Arc::default() })
    }

    /// What there is to tell of the nodes, over all workers.
    pub fn collector(&self) -> Box<dyn Collector> {
        Box::new(metrics::Exposition::new(Arc::clone(&self.opened)))
    }
}

impl GrpcLookupSource {
    /// Tells nodes of which MAC keys this process's user keys are made, so that one with others says so.
    pub fn with_user_keys(self, ring: KeyRing) -> Self {
        let header = MetadataValue::try_from(ring.to_string()).ok();
        let nodes = self.nodes.iter().map(|node| node.clone().with_user_keys(header.clone()));
        Self { nodes: nodes.collect(), ..self }
    }
}

impl TagLookupSource for GrpcLookupSource {
    /// Starts connecting on the calling runtime and returns at once; until a stream is open, lookups fail.
    fn open(&self) -> Arc<dyn TagLookup> {
        let closed = CancellationToken::new();
        let links = self.nodes.iter().map(|node| {
            let link = Arc::new(Link::new(node.clone(), Arc::clone(&self.clock)));
            self.tasks.spawn("tag lookup stream", Arc::clone(&link).keep_up(closed.clone()));
            link
        });
        let links: Vec<_> = links.collect();
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.retain(|link| link.strong_count() > 0);
        opened.extend(links.iter().map(Arc::downgrade));
        Arc::new(Remote { links, clock: Arc::clone(&self.clock), _closes: closed.drop_guard() })
    }
}

/// One worker's lookups.
struct Remote {
    links: Vec<Arc<Link>>,
    clock: Arc<dyn Clock>,
    /// The streams end with the worker that owns them, not with the drain: bids under way still look up.
    _closes: DropGuard,
}

impl Remote {
    async fn ask(&self, request: LookupRequest) -> TagAnswer {
        let now = self.clock.monotonic();
        let left = request.deadline.since(now);
        if left.is_zero() {
            return TagAnswer::unknown(SourceStatus::Late);
        }
        let Some(link) = self.node_of(request.user, now) else {
            return TagAnswer::unknown(SourceStatus::Failed);
        };
        let answer = match link.join(request, now) {
            Ok(answer) => answer,
            Err(status) => return TagAnswer::unknown(status),
        };
        match tokio::time::timeout(left, answer).await {
            Ok(Ok(answer)) => only_asked(answer, &request),
            Ok(Err(_)) => TagAnswer::unknown(SourceStatus::Failed),
            Err(_) => {
                link.overdue(self.clock.monotonic());
                TagAnswer::unknown(SourceStatus::Late)
            }
        }
    }

    /// The best of the nodes that can be asked.
    fn node_of(&self, user: UserKey, now: Monotonic) -> Option<&Arc<Link>> {
        let score = |link: &&Arc<Link>| rendezvous::score(user, link.seed());
        let best = self.links.iter().filter(|link| link.is_up()).max_by_key(score)?;
        if best.admits(now) {
            return Some(best);
        }
        let mut others: Vec<_> = self.links.iter().filter(|link| !Arc::ptr_eq(link, best)).collect();
        others.sort_by_key(|link| Reverse(score(link)));
        others.into_iter().find(|link| link.admits(now))
    }
}

impl TagLookup for Remote {
    fn lookup(&self, request: LookupRequest) -> BoxFuture<'_, TagAnswer> {
        Box::pin(self.ask(request))
    }
}

/// Other users of the same frame may have asked for more; who did not ask may not be allowed to see it.
fn only_asked(mut answer: TagAnswer, request: &LookupRequest) -> TagAnswer {
    answer.offline.retain(|one| request.datasets.contains(one.dataset));
    if !request.frequency {
        (answer.frequency_status, answer.frequency) = (SourceStatus::Late, None);
    }
    answer
}

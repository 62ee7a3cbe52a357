//! Hundreds of bidders lose their node in one moment and come back. With ten thousand, and what the node holds for them:
//! `cargo xtask bench tags`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tagbid_clients::GrpcLookupSource;
use tagbid_ports::{Datasets, LookupRequest, OtherKeys, SourceStatus, TagAnswer, TagLookup, TagLookupSource};
use tagbid_runtime::auth::Secret;
use tagbid_runtime::{Drain, SystemClock, Tasks};
use tagbid_tags::Options;
use tagbid_testkit::wait_until_async;
use tagbid_types::Clock;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::conformance::user;
use crate::fixture::{PATIENCE, ROLE, Role};

const BIDDERS: usize = 300;

/// A way that breaks all connections at once, and lets new ones through again.
struct Relay {
    address: String,
    whole: watch::Sender<bool>,
    accepted: Arc<AtomicUsize>,
    _runs: JoinSet<()>,
}

impl Relay {
    async fn start(to: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (whole, mut state) = watch::channel(true);
        let accepted = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&accepted);
        let mut runs = JoinSet::new();
        runs.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    caller = listener.accept() => {
                        let Ok((mut caller, _)) = caller else { continue };
                        if !*state.borrow() { continue }
                        counter.fetch_add(1, Ordering::Relaxed);
                        let to = to.clone();
                        connections.spawn(async move {
                            let mut server = TcpStream::connect(to).await.unwrap();
                            tokio::io::copy_bidirectional(&mut caller, &mut server).await.ok();
                        });
                    }
                    _ = state.changed() => if !*state.borrow() { connections.abort_all() },
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Self { address, whole, accepted, _runs: runs }
    }
}

async fn ask(lookup: &dyn TagLookup) -> TagAnswer {
    let deadline = SystemClock.monotonic().after(Duration::from_secs(5));
    let datasets = Datasets::ALL;
    lookup
        .lookup(LookupRequest {
            user: user(1),
            previous: None,
            others: OtherKeys::NONE,
            frequency: false,
            datasets,
            deadline,
        })
        .await
}

async fn until_all(lookups: &[Arc<dyn TagLookup>], status: SourceStatus) {
    wait_until_async("all bidders", PATIENCE, async || {
        let answers = join_all(lookups.iter().map(|lookup| ask(&**lookup))).await;
        answers.iter().all(|answer| answer.offline_status == status)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bidders_that_lost_their_node_at_once_come_back_each_by_one_connection() {
    let role = Role::start(Options::default()).await;
    let node = role.serve().await.trim_start_matches("http://").to_owned();
    let relay = Relay::start(node).await;
    let tasks = Tasks::new(Drain::default());
    let source = || {
        let (addresses, token) = ([relay.address.clone()], Secret::new(ROLE));
        GrpcLookupSource::new(&addresses, &token, Arc::new(SystemClock), tasks.clone()).unwrap()
    };
    let lookups: Vec<_> = (0..BIDDERS).map(|_| source().open()).collect();
    until_all(&lookups, SourceStatus::Known).await;
    assert_eq!(relay.accepted.load(Ordering::Relaxed), BIDDERS);

    relay.whole.send_replace(false);
    until_all(&lookups, SourceStatus::Failed).await;
    relay.whole.send_replace(true);
    until_all(&lookups, SourceStatus::Known).await;
    let again = relay.accepted.load(Ordering::Relaxed) - BIDDERS;
    // One that a busy machine let wait for longer than a second tries again.
    assert!((BIDDERS..2 * BIDDERS).contains(&again), "{again} connections");
    tasks.drain().start();
    role.tasks.drain().start();
}

//! The tag registry, kept from the catalog stream.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tagbid_catalog::Registry;
use tagbid_clients::{CatalogFollower, CatalogView, Changed, FollowOptions, Position};
use tagbid_ports::{CatalogFeed, TagRegistry};
use tagbid_runtime::{Drain, Tasks};
use tagbid_types::{CatalogLife, Clock, Revision};
use tokio::sync::watch;
use tokio::task::JoinError;

/// Tags and datasets as the catalog stream last told them, compiled. While the stream is broken it answers with what it has:
/// definitions change rarely and ids are never reused. Cheap to clone.
#[derive(Clone, Debug)]
pub struct CatalogRegistry {
    registry: watch::Receiver<Arc<Registry>>,
    follower: CatalogFollower,
}

impl CatalogRegistry {
    /// A registry that follows this feed until the drain.
    pub async fn follow(feed: Arc<dyn CatalogFeed>, clock: Arc<dyn Clock>, tasks: &Tasks) -> Self {
        let follower = CatalogFollower::start(feed, FollowOptions::default(), clock, tasks).await;
        let (sender, registry) = watch::channel(Arc::default());
        tasks.spawn("tags registry", compile(follower.clone(), sender, tasks.drain().clone()));
        Self { registry, follower }
    }

    /// What it follows the catalog with.
    pub fn follower(&self) -> &CatalogFollower {
        &self.follower
    }

    /// Waits until the registry shows this revision of the catalog; false when it does not in time. For whoever was just
    /// told of a new tag.
    pub async fn reached(&self, revision: Revision, within: Duration) -> bool {
        let mut registry = self.registry.clone();
        let reached = registry.wait_for(|registry| registry.revision() >= revision);
        matches!(tokio::time::timeout(within, reached).await, Ok(Ok(_)))
    }
}

impl TagRegistry for CatalogRegistry {
    fn now(&self) -> Arc<Registry> {
        Arc::clone(&self.registry.borrow())
    }

    fn heard(&self) -> bool {
        self.now().epoch().life != CatalogLife::default()
    }

    fn after<'a>(&'a self, seen: &'a Arc<Registry>) -> BoxFuture<'a, Arc<Registry>> {
        let mut registry = self.registry.clone();
        Box::pin(async move {
            let next = registry.wait_for(|next| !Arc::ptr_eq(next, seen)).await.map(|next| Arc::clone(&next));
            match next {
                Ok(next) => next,
                // The drain.
                Err(_) => std::future::pending().await,
            }
        })
    }
}

/// Compiles each state of the catalog: only what changed, as far as that is known.
async fn compile(follower: CatalogFollower, registry: watch::Sender<Arc<Registry>>, drain: Drain) {
    let mut views = follower.watch();
    let mut seen = Position::default();
    loop {
        let view = views.borrow_and_update().clone();
        let position = view.position();
        let current = Registry::clone(&registry.borrow());
        match next(current, view, seen).await {
            Ok(next) => drop(registry.send_replace(Arc::new(next))),
            Err(error) => tracing::error!(%error, "compiling the tag registry failed"),
        }
        seen = position;
        tokio::select! {
            () = drain.wait() => return,
            changed = views.changed() => if changed.is_err() { return },
        }
    }
}

async fn next(mut current: Registry, view: CatalogView, seen: Position) -> Result<Registry, JoinError> {
    match view.changed_since(seen) {
        Changed::Keys(keys) => {
            current.advance(&view.catalog, &keys);
            Ok(current)
        }
        // A hundred thousand names take a moment.
        Changed::All => tokio::task::spawn_blocking(move || Registry::of(&view.catalog)).await,
    }
}

//! The tags role as benches start it: over a Redis, with one dataset, nobody suppressed, and no campaigns role.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tagbid_catalog::people::Id;
use tagbid_catalog::{Dataset, Entity, Registry, TagDefinition};
use tagbid_ports::{
    FeedError, LinksError, NamesAnswer, NamesError, NamesQuestion, PeopleLinks, SnapshotBook,
    SnapshotBookError, SnapshotStep, SuppressionEvent, SuppressionFeed, TagNames, TagRegistry,
};
use tagbid_runtime::auth::{Secret, TokenConfig, Tokens};
use tagbid_runtime::{SystemClock, Tasks};
use tagbid_tags::{Options, Ports, Service, StoreKind};
use tagbid_tagset::{MacKey, MacKeys};
use tagbid_types::{Clock, Revision};

/// Of the operator.
pub(crate) const TOKEN: &str = "operator-token-0001";

/// The token, as the role knows it.
pub(crate) fn tokens() -> Tokens {
    let token = TokenConfig { name: "all".into(), token: Secret::new(TOKEN), scope: "operator".into() };
    Tokens::new(&[token]).unwrap()
}

/// What users' keys are made with.
pub(crate) fn mac_key() -> MacKey {
    MacKey::new(1, &[1; 32]).unwrap()
}

/// Starts the role over that Redis, and waits until it is ready.
pub(crate) async fn start(
    redis: &str,
    options: Options,
    dataset: Dataset,
    tags: impl Iterator<Item = TagDefinition>,
    tasks: &Tasks,
) -> Service {
    let options = Options { store: StoreKind::Redis, redis_url: Secret::new(redis), ..options };
    let mut registry = Registry::default();
    registry.put(&Entity::Dataset(Arc::new(dataset.clone())));
    tags.for_each(|tag| registry.put(&Entity::Tag(Arc::new(tag))));
    let fixed = Arc::new(Fixed { registry: Arc::new(registry), dataset: Mutex::new(dataset) });
    let ports = Ports {
        keys: MacKeys::only(mac_key()),
        registry: Arc::clone(&fixed) as _,
        names: Arc::clone(&fixed) as _,
        snapshots: Arc::clone(&fixed) as _,
        people: Arc::clone(&fixed) as _,
        suppression: fixed,
    };
    let service = Service::start(options, ports, Arc::new(SystemClock), tasks).await.unwrap();
    service.readiness().wait_for(|ready| *ready).await.unwrap();
    service
}

struct Fixed {
    registry: Arc<Registry>,
    /// Its versions change.
    dataset: Mutex<Dataset>,
}

impl TagRegistry for Fixed {
    fn now(&self) -> Arc<Registry> {
        Arc::clone(&self.registry)
    }
}

#[async_trait]
impl TagNames for Fixed {
    async fn resolve(&self, _: NamesQuestion) -> Result<NamesAnswer, NamesError> {
        Err(NamesError::Unavailable("there is no campaigns role".into()))
    }
}

#[async_trait]
impl PeopleLinks for Fixed {
    async fn link(&self, _: Vec<Vec<Id>>) -> Result<Vec<Option<String>>, LinksError> {
        Err(LinksError::Unavailable("there is no campaigns role".into()))
    }
}

#[async_trait]
impl SnapshotBook for Fixed {
    async fn step(&self, step: SnapshotStep) -> Result<(u32, Arc<Dataset>), SnapshotBookError> {
        let mut dataset = self.dataset.lock().unwrap();
        let done = dataset.snapshots.apply(&step.change, SystemClock.now());
        let version = done.map_err(|error| SnapshotBookError::Refused(error.to_string()))?;
        dataset.header.revision.0 += 1;
        Ok((version, Arc::new(dataset.clone())))
    }
}

impl SuppressionFeed for Fixed {
    fn subscribe(&self, _: Revision) -> BoxStream<'static, Result<SuppressionEvent, FeedError>> {
        stream::iter([Ok(SuppressionEvent::CaughtUp)]).chain(stream::pending()).boxed()
    }
}

//! Starts the role and hands out its ports.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use tagbid_ports::{
    ImpressionCounter, PeopleLinks, SnapshotBook, SuppressionFeed, TagLookupSource, TagNames, TagRegistry,
    TagWriter, UserSample,
};
use tagbid_runtime::files::writable_file;
use tagbid_runtime::{Drain, Tasks};
use tagbid_tagset::MacKeys;
use tagbid_types::{Clock, Revision};
use thiserror::Error;
use tokio::sync::{Semaphore, watch};

use crate::counter::DirectCounter;
use crate::grpc::{MAX_LOADS, MAX_STREAMS};
use crate::ingest::{self, Ingest, IngestStats};
use crate::lookup::{Crowd, DirectLookup};
use crate::metrics::{Exposition, Metrics};
use crate::options::{Options, StoreKind};
use crate::readiness::Readiness;
use crate::sample::Sampler;
use crate::store::{MemoryStore, RedisStore, RedisUrlError, SnapshotError, Store};
use crate::suppression::Follower;
use crate::versions::Versions;
use crate::writer::DirectWriter;

/// What the role needs of others.
pub struct Ports {
    /// Makes user keys of raw ids. The bidders' keys must be the same.
    pub keys: MacKeys,
    /// Which tags and datasets exist: [`crate::CatalogRegistry`], or a fixed one in tests.
    pub registry: Arc<dyn TagRegistry>,
    /// What names mean that the registry does not know yet, and new tags for them.
    pub names: Arc<dyn TagNames>,
    /// Who is suppressed.
    pub suppression: Arc<dyn SuppressionFeed>,
    /// Which versions of datasets there are.
    pub snapshots: Arc<dyn SnapshotBook>,
    /// Keeps which ids are one person.
    pub people: Arc<dyn PeopleLinks>,
}

/// Why the role cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The memory store's file is not what was written.
    #[error(transparent)]
    File(#[from] SnapshotError),
    /// The memory store's file cannot be kept there.
    #[error("tags.memory_file: {0}")]
    Place(String),
    /// The address of Redis.
    #[error("{setting}: {problem}")]
    Redis {
        /// Where it stands.
        setting: &'static str,
        /// What is wrong with it.
        problem: RedisUrlError,
    },
    /// Settings that cannot be meant.
    #[error("{0}")]
    Settings(String),
    /// A thread that loads it.
    #[error("loading the tag store: {0}")]
    Load(#[from] tokio::task::JoinError),
}

/// The running role. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) lookup: DirectLookup,
    pub(crate) writer: DirectWriter,
    pub(crate) ingest: Ingest,
    pub(crate) counter: DirectCounter,
    /// One for each stream of events that may be opened.
    pub(crate) ingest_streams: Arc<Semaphore>,
    /// One for each load that may be under way.
    pub(crate) load_streams: Arc<Semaphore>,
    pub(crate) sampler: Sampler,
    pub(crate) keys: MacKeys,
    pub(crate) registry: Arc<dyn TagRegistry>,
    pub(crate) names: Arc<dyn TagNames>,
    pub(crate) versions: Versions,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) drain: Drain,
}

impl Service {
    /// Opens the store and starts to follow the suppression list. Lookups are uncertain and writes wait until
    /// that is replayed.
    pub async fn start(
        options: Options,
        ports: Ports,
        clock: Arc<dyn Clock>,
        tasks: &Tasks,
    ) -> Result<Self, StartError> {
        let store = open(&options, tasks).await?;
        let (readiness, metrics, crowd) = (Readiness::new(), Metrics::new(), Crowd::new(&options));
        let sampler =
            Sampler::new(Arc::clone(&store), Arc::clone(&clock), readiness.clone(), options.sample_every());
        tasks.spawn("tags sample", sampler.clone().run(tasks.drain().clone()));
        let follower = Follower::new(
            ports.suppression,
            Arc::clone(&store),
            readiness.clone(),
            metrics.another(),
            sampler.clone(),
        );
        tasks.spawn("tags suppression", follower.run(tasks.drain().clone()));
        let (versions, registry) = (Versions::new(Arc::clone(&store), ports.snapshots), &ports.registry);
        let (pace, stats) = (versions.pace(), Arc::<IngestStats>::default());
        versions.start(Arc::clone(registry), options.drop_jitter(), tasks);
        let writer = DirectWriter::new(
            (Arc::clone(&store), versions.clone(), Arc::clone(registry)),
            Arc::clone(&clock),
            readiness.clone(),
            metrics.another(),
        );
        tasks.spawn("tags save", save_often(writer.clone(), options, tasks.drain().clone()));
        let events = (Arc::clone(registry), Arc::clone(&ports.names), ports.people, writer.another());
        let inner = Inner {
            ingest: ingest(events, &clock, tasks.drain(), &stats),
            counter: DirectCounter { writer: writer.another(), clock: Arc::clone(&clock), stats },
            ingest_streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            load_streams: Arc::new(Semaphore::new(MAX_LOADS)),
            lookup: DirectLookup { store, clock: Arc::clone(&clock), readiness, metrics, crowd, pace },
            writer,
            sampler,
            keys: ports.keys,
            registry: ports.registry,
            names: ports.names,
            versions,
            clock,
            drain: tasks.drain().clone(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Lookups without a socket.
    pub fn lookup_source(&self) -> Arc<dyn TagLookupSource> {
        Arc::new(self.inner.lookup.clone())
    }

    /// Writes without a socket.
    pub fn writer(&self) -> Arc<dyn TagWriter> {
        Arc::new(self.inner.writer.clone())
    }

    /// Counts of impressions without a socket.
    pub fn counter(&self) -> Arc<dyn ImpressionCounter> {
        Arc::new(self.inner.counter.clone())
    }

    /// Estimates of how many users an expression reaches, without a socket.
    pub fn user_sample(&self) -> Arc<dyn UserSample> {
        Arc::new(self.inner.sampler.clone())
    }

    /// The role's metrics.
    pub fn collector(&self) -> Box<dyn Collector> {
        let DirectLookup { store, clock, readiness, metrics, .. } = self.inner.lookup.clone();
        let versions = self.inner.versions.clone();
        let (sampler, ingest) = (self.inner.sampler.clone(), Arc::clone(&self.inner.ingest.stats));
        Box::new(Exposition { metrics, store, readiness, sampler, ingest, versions, clock })
    }

    /// Whether lookups are answered: the suppression list has been replayed, and the catalog has said which versions of
    /// datasets are active.
    pub fn ready(&self) -> bool {
        self.inner.lookup.readiness.ready() && self.inner.versions.told()
    }

    /// How much of the list of people the store has, as far as this node knows.
    pub fn list_position(&self) -> Revision {
        self.inner.lookup.readiness.position()
    }

    /// [`Service::ready`] to be waited for.
    pub fn readiness(&self) -> watch::Receiver<bool> {
        self.inner.lookup.readiness.subscribe()
    }
}

/// What events need.
type Events = (Arc<dyn TagRegistry>, Arc<dyn TagNames>, Arc<dyn PeopleLinks>, DirectWriter);

fn ingest(
    (registry, names, people, writer): Events,
    clock: &Arc<dyn Clock>,
    drain: &Drain,
    stats: &Arc<IngestStats>,
) -> Ingest {
    Ingest {
        registry,
        names,
        people,
        writer,
        clock: Arc::clone(clock),
        drain: drain.clone(),
        stats: Arc::clone(stats),
        turns: Semaphore::new(ingest::AT_ONCE),
    }
}

async fn open(options: &Options, tasks: &Tasks) -> Result<Arc<dyn Store>, StartError> {
    options.check().map_err(StartError::Settings)?;
    match options.store {
        StoreKind::Memory => {
            let (file, durability) = (options.memory_file.clone(), options.memory_durability);
            let open = move || {
                file.as_deref().map_or(Ok(()), writable_file).map_err(StartError::Place)?;
                Ok::<_, StartError>(MemoryStore::open(file, durability)?)
            };
            Ok(Arc::new(tokio::task::spawn_blocking(open).await??))
        }
        StoreKind::Redis => {
            let setting =
                if options.redis_cluster.is_empty() { "tags.redis_url" } else { "tags.redis_cluster" };
            let started = RedisStore::start(options.redis(), tasks);
            Ok(Arc::new(started.map_err(|problem| StartError::Redis { setting, problem })?))
        }
    }
}

/// Saves at intervals, and when draining a last time after the last write.
async fn save_often(writer: DirectWriter, options: Options, drain: Drain) {
    loop {
        let last = tokio::select! {
            () = tokio::time::sleep(options.save_every()) => false,
            () = drain.wait() => true,
        };
        let saved = if last {
            writer.close().await;
            writer.store.close(writer.clock.now()).await
        } else {
            writer.store.save(writer.clock.now()).await
        };
        if let Err(error) = saved {
            tracing::error!(%error, "tags not saved");
        }
        if last {
            return;
        }
    }
}

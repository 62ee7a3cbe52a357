//! The role as others hold it.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use prometheus_client::collector::Collector;
use tagbid_catalog::people::Id;
use tagbid_catalog::validate::CreativePolicy;
use tagbid_catalog::{Dataset, Entity, EntityKey};
use tagbid_ports::{
    CatalogFeed, ExplainError, Explainer, FunnelCounts, FunnelError, LinksError, NamesAnswer, NamesError,
    NamesQuestion, PeopleLinks, RequestSample, SnapshotBook, SnapshotBookError, SnapshotStep,
    SuppressionFeed, TagNames, UserSample, WinCounts,
};
use tagbid_pricing::Fx;
use tagbid_runtime::Tasks;
use tagbid_runtime::auth::Tokens;
use tagbid_runtime::database::place;
use tagbid_tagset::MacKeys;
use tagbid_types::{Clock, ExchangeName, Principal, Scope};
use thiserror::Error;
use tonic::service::RoutesBuilder;

use crate::catalog::Core;
use crate::check::Policy;
use crate::error::CampaignsError;
use crate::feed::{Hub, InProcessCatalog, InProcessSuppressions};
use crate::grpc;
use crate::metrics::{Exposed, Metrics};
use crate::options::Options;
use crate::people::{KeysError, check_keys};
use crate::reach::Samples;
use crate::request::{Draft, Once};
use crate::store::{self, Gauge, Measured, Store, StoreError};

/// Why the role did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A setting cannot work.
    #[error("campaigns.{key}: {problem}")]
    Setting {
        /// Which.
        key: &'static str,
        /// What is wrong with it, and the remedy.
        problem: String,
    },
    /// The database could not be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The MAC keys are not those that the database rests on.
    #[error(transparent)]
    Keys(#[from] KeysError),
}

/// What the role needs from the rest of the deployment.
#[derive(Clone, Debug)]
pub struct Needs {
    /// Raw user ids of suppression requests become keys with these.
    pub mac_keys: Arc<MacKeys>,
    /// The operator's exchange rates: money is in these currencies only. None: in any.
    pub fx: Option<Arc<Fx>>,
    /// The exchanges that this process is configured for, beside those of the role's settings.
    pub exchanges: BTreeSet<ExchangeName>,
}

/// The role. Cheap to clone.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) core: Core,
    pub(crate) mac_keys: Arc<MacKeys>,
    explainer: OnceLock<Arc<dyn Explainer>>,
    funnels: OnceLock<Arc<dyn FunnelCounts>>,
    wins: OnceLock<Arc<dyn WinCounts>>,
    pub(crate) samples: Samples,
}

/// Opens the database, loads the catalog and starts to follow it.
pub async fn start(
    options: Options,
    needs: Needs,
    clock: Arc<dyn Clock>,
    tasks: &Tasks,
) -> Result<Service, StartError> {
    if options.poll_ms == 0 {
        return Err(StartError::Setting { key: "poll_ms", problem: "use at least 1".into() });
    }
    let poll = options.poll();
    let creatives =
        CreativePolicy::allowing(options.creative_domains).map_err(|domain| StartError::Setting {
            key: "creative_domains",
            problem: format!("{domain:?} is neither a domain such as \"cdn.example.com\" nor \"*\""),
        })?;
    let url = options.database.expose();
    let metrics = Arc::<Metrics>::default();
    let gauge = Gauge { place: place(url).into(), metrics: Arc::clone(&metrics), clock: Arc::clone(&clock) };
    let store = store::open(url).await.map_err(|error| cannot_open(url, error))?;
    check_keys(store.as_ref(), &needs.mac_keys).await??;
    let store: Arc<dyn Store> = Arc::new(Measured { store, gauge });
    let hub = Hub::load(Arc::clone(&store), Arc::clone(&clock), tasks.drain().clone(), metrics).await?;
    tasks.spawn("catalog hub", Arc::clone(&hub).run(poll));
    let exchanges: BTreeSet<_> = options.exchanges.into_iter().chain(needs.exchanges).collect();
    let exchanges = (!exchanges.is_empty()).then_some(exchanges);
    let policy = Policy { creatives, fx: needs.fx, exchanges };
    Ok(Service(Arc::new(Inner {
        core: Core { store, policy, clock, hub },
        mac_keys: needs.mac_keys,
        explainer: OnceLock::new(),
        funnels: OnceLock::new(),
        wins: OnceLock::new(),
        samples: Samples::default(),
    })))
}

/// What is wrong with a setting is told as such: with the setting's name and the exit code for that.
fn cannot_open(url: &str, error: StoreError) -> StartError {
    let setting = |problem: String| StartError::Setting { key: "database", problem };
    match error {
        StoreError::Url => {
            setting("use \"sqlite:PATH\" or \"postgres://USER:PASSWORD@HOST/DATABASE\"".into())
        }
        StoreError::At { place, problem, .. } if url.starts_with("sqlite:") => setting(format!(
            "{place} cannot be opened: {problem}; use a path that this user may write, in a directory that exists or \
             can be created"
        )),
        other => StartError::Store(other),
    }
}

const NO_BIDDER: &str = "this deployment has told the campaigns role of no bidder";

impl Inner {
    pub(crate) fn catalog_feed(&self) -> InProcessCatalog {
        InProcessCatalog(Arc::clone(&self.core.hub))
    }

    pub(crate) fn suppression_feed(&self) -> InProcessSuppressions {
        InProcessSuppressions(Arc::clone(&self.core.hub))
    }

    pub(crate) fn explainer(&self) -> Result<&Arc<dyn Explainer>, CampaignsError> {
        self.explainer
            .get()
            .ok_or_else(|| CampaignsError::Explain(ExplainError::Unavailable(NO_BIDDER.into())))
    }

    pub(crate) fn funnels(&self) -> Result<&Arc<dyn FunnelCounts>, CampaignsError> {
        self.funnels.get().ok_or_else(|| CampaignsError::Funnel(FunnelError(NO_BIDDER.into())))
    }

    /// None: nobody counts wins here.
    pub(crate) fn wins(&self) -> Option<&Arc<dyn WinCounts>> {
        self.wins.get()
    }
}

/// The port, served without a socket.
struct InProcessNames(Arc<Inner>);

#[async_trait]
impl TagNames for InProcessNames {
    async fn resolve(&self, question: NamesQuestion) -> Result<NamesAnswer, NamesError> {
        let role = Principal { name: "tags".into(), scope: Scope::Role };
        self.0.core.resolve_names(&role, &question).await.map_err(|error| match error {
            CampaignsError::Store(StoreError::Database(_) | StoreError::At { .. }) => {
                NamesError::Unavailable(error.to_string())
            }
            other => NamesError::Refused(other.to_string()),
        })
    }
}

/// The port, served without a socket.
struct InProcessSnapshots(Arc<Inner>);

#[async_trait]
impl SnapshotBook for InProcessSnapshots {
    async fn step(&self, step: SnapshotStep) -> Result<(u32, Arc<Dataset>), SnapshotBookError> {
        let role = Principal { name: "tags".into(), scope: Scope::Role };
        self.0.core.change_snapshots(&role, &step).await.map_err(|error| match error {
            CampaignsError::Store(StoreError::Database(_) | StoreError::At { .. }) => {
                SnapshotBookError::Unavailable(error.to_string())
            }
            other => SnapshotBookError::Refused(other.to_string()),
        })
    }
}

/// The port, served without a socket.
struct InProcessLinks(Arc<Inner>);

#[async_trait]
impl PeopleLinks for InProcessLinks {
    async fn link(&self, persons: Vec<Vec<Id>>) -> Result<Vec<Option<String>>, LinksError> {
        let role = Principal { name: "tags".into(), scope: Scope::Role };
        self.0.core.link(&role, persons).await.map_err(|error| match error {
            CampaignsError::Store(StoreError::Database(_) | StoreError::At { .. }) => {
                LinksError::Unavailable(error.to_string())
            }
            other => LinksError::Refused(other.to_string()),
        })
    }
}

impl Service {
    /// Adds the role's gRPC services; every call needs one of the tokens.
    pub fn add_grpc(&self, routes: &mut RoutesBuilder, tokens: Tokens) {
        grpc::add_services(&self.0, routes, tokens);
    }

    /// Who explains line items. Set once, when the bidder has started; until then `Explain` is unavailable.
    pub fn set_explainer(&self, explainer: Arc<dyn Explainer>) {
        // A second one is a slip in composition and changes nothing.
        let _ = self.0.explainer.set(explainer);
    }

    /// Who counts how far line items come. Set once, when the bidder has started; until then `GetFunnel` is unavailable.
    pub fn set_funnels(&self, funnels: Arc<dyn FunnelCounts>) {
        // As for the explainer.
        let _ = self.0.funnels.set(funnels);
    }

    /// Who counts wins. Set once; without it funnels end at the bid, and say so.
    pub fn set_wins(&self, wins: Arc<dyn WinCounts>) {
        let _ = self.0.wins.set(wins);
    }

    /// Who estimates how many users an expression reaches. Set once; until then that is unavailable.
    pub fn set_user_sample(&self, sample: Arc<dyn UserSample>) {
        // As above.
        let _ = self.0.samples.users.set(sample);
    }

    /// Who estimates which share of requests an expression matches. Set once; until then that is unavailable.
    pub fn set_request_sample(&self, sample: Arc<dyn RequestSample>) {
        // As above.
        let _ = self.0.samples.requests.set(sample);
    }

    /// The catalog as a stream, in process.
    pub fn catalog_feed(&self) -> Arc<dyn CatalogFeed> {
        Arc::new(self.0.catalog_feed())
    }

    /// What names of tags mean, in process, for the other roles.
    pub fn tag_names(&self) -> Arc<dyn TagNames> {
        Arc::new(InProcessNames(Arc::clone(&self.0)))
    }

    /// Versions of datasets, in process, for the tags role.
    pub fn snapshot_book(&self) -> Arc<dyn SnapshotBook> {
        Arc::new(InProcessSnapshots(Arc::clone(&self.0)))
    }

    /// The suppression list as a stream, in process.
    pub fn suppression_feed(&self) -> Arc<dyn SuppressionFeed> {
        Arc::new(self.0.suppression_feed())
    }

    /// The role's metrics for Prometheus.
    pub fn collector(&self) -> Box<dyn Collector> {
        Box::new(Exposed(Arc::clone(&self.0.core.hub)))
    }

    /// Whether the database answers.
    pub fn ready(&self) -> bool {
        self.0.core.hub.healthy()
    }

    /// Creates an entity, in process: what the API's create methods do. Its id and header are set anew.
    pub async fn create(
        &self,
        who: &Principal,
        entity: Entity,
        once: Option<&Once>,
    ) -> Result<Entity, CampaignsError> {
        self.0.core.create(who, Draft::of(entity), once).await
    }

    /// The entity of that key, in process.
    pub async fn get(&self, who: &Principal, key: EntityKey) -> Result<Entity, CampaignsError> {
        self.0.core.get(who, key).await
    }

    /// Keeps links between ids, in process, for the tags role.
    pub fn people_links(&self) -> Arc<dyn PeopleLinks> {
        Arc::new(InProcessLinks(Arc::clone(&self.0)))
    }
}

//! A running role with a small registry, behind a real socket.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tagbid_catalog::people::Id;
use tagbid_catalog::{
    Dataset, DatasetKind, Entity, Header, Registry, Resolved, SnapshotChange, TagDefinition, UnknownNames,
};
use tagbid_ports::{
    Datasets, FeedError, LinksError, LookupRequest, NameAnswer, NamesAnswer, NamesError, NamesQuestion,
    OtherKeys, PeopleLinks, SnapshotBook, SnapshotBookError, SnapshotStep, SourceStatus, SuppressionChange,
    SuppressionEvent, SuppressionFeed, TagAnswer, TagNames, TagRegistry,
};
use tagbid_runtime::auth::{Secret, TokenConfig, Tokens};
use tagbid_runtime::{Drain, Tasks};
use tagbid_tags::{Options, Ports, Service};
use tagbid_tagset::{MacKey, MacKeys, StandardName, UserKey};
use tagbid_testkit::{FakeClock, wait_until_async};
use tagbid_types::{AdvertiserId, Clock, DatasetId, Revision, TagId, Timestamp};
use tagbid_wire::pb::tags as pb;
use tagbid_wire::pb::tags::tag_service_client::TagServiceClient;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::metadata::MetadataValue;
use tonic::service::interceptor::InterceptedService;
use tonic::service::{Interceptor, RoutesBuilder};
use tonic::transport::Channel;
use tonic::{Request, Status};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const OPERATOR: &str = "operator-token-0001";
pub(crate) const ACME: &str = "advertiser-token-01";
pub(crate) const ROLE: &str = "bidder-role-token-1";

/// Tag 1 and dataset 1 are shared, 2 are acme's, 3 another's; tag and dataset 4 are acme's and archived.
pub(crate) struct Catalog {
    registry: Mutex<Arc<Registry>>,
    /// The campaigns role does not answer.
    pub(crate) away: AtomicBool,
    /// Which ids are told to be one person.
    pub(crate) links: Mutex<Vec<Vec<Id>>>,
}

#[async_trait]
impl PeopleLinks for Catalog {
    async fn link(&self, persons: Vec<Vec<Id>>) -> Result<Vec<Option<String>>, LinksError> {
        if self.away.load(Ordering::Relaxed) {
            return Err(LinksError::Unavailable("it is away".into()));
        }
        let answers = persons.iter().map(|ids| (ids.len() < 2).then(|| "alone".into())).collect();
        self.links.lock().unwrap().extend(persons);
        Ok(answers)
    }
}

impl TagRegistry for Catalog {
    fn now(&self) -> Arc<Registry> {
        Arc::clone(&self.registry.lock().unwrap())
    }
}

/// Makes tags of all names that it does not know, but those that begin with "too many", at once.
#[async_trait]
impl TagNames for Catalog {
    async fn resolve(&self, question: NamesQuestion) -> Result<NamesAnswer, NamesError> {
        if self.away.load(Ordering::Relaxed) {
            return Err(NamesError::Unavailable("it is away".into()));
        }
        let mut registry = self.registry.lock().unwrap();
        let mut next = Registry::clone(&registry);
        let mut register = |name: &String| {
            if name.starts_with("too many") {
                return NameAnswer::OverLimit;
            }
            let id = TagId(next.epoch().tag.0 + 1);
            let dataset = Arc::clone(next.dataset(question.dataset).unwrap());
            if let Resolved::Tag(known) = next.resolve(&dataset, &StandardName::new(name).unwrap()) {
                return NameAnswer::Known(known);
            }
            next.put(&Entity::Tag(Arc::new(TagDefinition {
                id,
                advertiser: dataset.advertiser,
                dataset: Some(dataset.id),
                name: name.clone(),
                ..TagDefinition::default()
            })));
            NameAnswer::Registered(id)
        };
        let names = question.names.iter().map(&mut register).collect();
        *registry = Arc::new(next);
        Ok(NamesAnswer { names, epoch: registry.epoch(), revision: registry.revision() })
    }
}

/// Datasets have the versions that the book knows of.
fn catalog(book: &Book) -> Catalog {
    let owners = [(1, None), (2, Some(7)), (3, Some(8)), (4, Some(7))];
    let header = |id| Header { archived: id == 4, ..Header::default() };
    let tag = |(id, owner): (u32, Option<u64>)| {
        Entity::Tag(Arc::new(TagDefinition {
            id: TagId(id),
            header: header(id),
            advertiser: owner.map(AdvertiserId),
            name: format!("tag-{id}"),
            half_life_s: Some(600),
            default_ttl_s: Some(3_600),
            ..TagDefinition::default()
        }))
    };
    let dataset = |(id, owner): (u32, Option<u64>)| {
        Entity::Dataset(Arc::new(Dataset {
            id: DatasetId(id),
            header: header(id),
            advertiser: owner.map(AdvertiserId),
            name: format!("set-{id}"),
            ..Dataset::default()
        }))
    };
    let mut registry = Registry::default();
    owners.into_iter().for_each(|one| registry.put(&tag(one)));
    owners.into_iter().for_each(|one| registry.put(&dataset(one)));
    others().iter().for_each(|entity| registry.put(entity));
    for known in book.0.lock().unwrap().values() {
        let mut dataset = registry.dataset(known.id).map_or_else(Dataset::default, |one| Dataset::clone(one));
        dataset.id = known.id;
        dataset.header.revision = known.header.revision;
        dataset.snapshots.clone_from(&known.snapshots);
        registry.put(&Entity::Dataset(Arc::new(dataset)));
    }
    Catalog {
        registry: Mutex::new(Arc::new(registry)),
        away: AtomicBool::new(false),
        links: Mutex::default(),
    }
}

/// Dataset 5 is another's and granted to acme, with tag 5 in it, whose rules are the dataset's. Dataset 6 is acme's, of
/// real-time tags, with "Sports Cars" as tag 6; 9 too, and what it does not know it registers.
fn others() -> [Entity; 5] {
    let granted = Dataset {
        id: DatasetId(5),
        advertiser: Some(AdvertiserId(8)),
        name: "set-5".into(),
        grants: vec![AdvertiserId(7)],
        half_life_s: 60,
        default_ttl_s: 120,
        ..Dataset::default()
    };
    let tag = TagDefinition {
        id: TagId(5),
        advertiser: Some(AdvertiserId(8)),
        dataset: Some(DatasetId(5)),
        name: "tag-5".into(),
        ..TagDefinition::default()
    };
    let realtime = Dataset {
        id: DatasetId(6),
        advertiser: Some(AdvertiserId(7)),
        kind: DatasetKind::Realtime,
        ..Dataset::default()
    };
    let cars = TagDefinition {
        id: TagId(6),
        advertiser: Some(AdvertiserId(7)),
        dataset: Some(DatasetId(6)),
        name: "Sports Cars".into(),
        half_life_s: Some(600),
        default_ttl_s: Some(3_600),
        ..TagDefinition::default()
    };
    let registering = Dataset {
        id: DatasetId(9),
        unknown_names: UnknownNames::Register { most: 100 },
        half_life_s: 60,
        default_ttl_s: 120,
        ..realtime.clone()
    };
    let datasets = [granted, realtime, registering].map(|one| Entity::Dataset(Arc::new(one)));
    let [granted, realtime, registering] = datasets;
    [granted, Entity::Tag(Arc::new(tag)), realtime, Entity::Tag(Arc::new(cars)), registering]
}

/// The catalog's part about versions, kept by the same state machine, for datasets that it makes of any id.
#[derive(Clone, Default)]
pub(crate) struct Book(Arc<Mutex<BTreeMap<DatasetId, Dataset>>>);

#[async_trait]
impl SnapshotBook for Book {
    async fn step(&self, step: SnapshotStep) -> Result<(u32, Arc<Dataset>), SnapshotBookError> {
        let mut all = self.0.lock().unwrap();
        let active = all.values().filter(|one| one.active_version().is_some()).count();
        let mut dataset = all.get(&step.dataset).cloned().unwrap_or_default();
        (dataset.id, dataset.header.revision.0) = (step.dataset, dataset.header.revision.0 + 1);
        let refused = |problem: &dyn std::fmt::Display| SnapshotBookError::Refused(problem.to_string());
        if matches!(step.change, SnapshotChange::Activate(_))
            && dataset.snapshots.active.is_none()
            && active == 8
        {
            return Err(refused(&"8 datasets are active already"));
        }
        let version = dataset.snapshots.apply(&step.change, Timestamp(1)).map_err(|error| refused(&error))?;
        all.insert(step.dataset, dataset.clone());
        Ok((version, Arc::new(dataset)))
    }
}

pub(crate) fn mac_key(version: u8) -> MacKey {
    MacKey::new(version, &[version; 32]).unwrap()
}

pub(crate) struct Role {
    pub(crate) service: Service,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) tasks: Tasks,
    pub(crate) book: Book,
    list: List,
}

/// The suppression list of a role that is not about suppression: empty, and added to by [`Role::suppress`].
#[derive(Clone, Default)]
struct List(Arc<watch::Sender<Vec<SuppressionChange>>>);

impl SuppressionFeed for List {
    fn subscribe(&self, from: Revision) -> BoxStream<'static, Result<SuppressionEvent, FeedError>> {
        let told = (self.0.subscribe(), from.0 as usize, false);
        let events = stream::unfold(told, async |(mut list, position, caught_up)| {
            if !caught_up && list.borrow().len() <= position {
                return Some((Ok(SuppressionEvent::CaughtUp), (list, position, true)));
            }
            let next = list.wait_for(|list| list.len() > position).await.ok()?[position].clone();
            let event = SuppressionEvent::Users(vec![next]);
            Some((Ok(event), (list, position + 1, caught_up)))
        });
        events.boxed()
    }
}

impl Role {
    pub(crate) async fn start(options: Options) -> Self {
        Self::start_with(options, None, MacKeys::only(mac_key(1))).await
    }

    pub(crate) async fn start_with(
        options: Options,
        suppression: Option<Arc<dyn SuppressionFeed>>,
        keys: MacKeys,
    ) -> Self {
        Self::start_over(options, suppression, keys, Book::default()).await
    }

    /// Another process of a deployment that has had one: with what the catalog knows of versions.
    pub(crate) async fn start_over(
        options: Options,
        suppression: Option<Arc<dyn SuppressionFeed>>,
        keys: MacKeys,
        book: Book,
    ) -> Self {
        let clock = Arc::new(FakeClock::default());
        let tasks = Tasks::new(Drain::default());
        let list = List::default();
        let (listed, following) = (suppression.is_none(), list.clone());
        let suppression = suppression.unwrap_or_else(|| Arc::new(following));
        let catalog = Arc::new(catalog(&book));
        let (registry, names) = (Arc::clone(&catalog) as _, Arc::clone(&catalog) as _);
        let snapshots = Arc::new(book.clone());
        let people = Arc::clone(&catalog) as _;
        let ports = Ports { keys, registry, names, suppression, snapshots, people };
        let service =
            Service::start(options, ports, Arc::clone(&clock) as Arc<dyn Clock>, &tasks).await.unwrap();
        let role = Self { service, catalog, clock, tasks, book, list };
        if listed {
            role.until_ready().await;
        }
        role
    }

    pub(crate) async fn until_ready(&self) {
        let mut readiness = self.service.readiness();
        let ready = tokio::time::timeout(PATIENCE, readiness.wait_for(|ready| *ready)).await;
        ready.unwrap().unwrap();
    }

    /// Makes the next change of the list.
    pub(crate) fn tell(&self, change: impl FnOnce(Revision) -> SuppressionChange) {
        self.list.0.send_modify(|list| list.push(change(Revision(list.len() as u64 + 1))));
    }

    /// These are one person from now on; waits until all of them are looked up as one.
    pub(crate) async fn link(&self, ids: &[UserKey]) {
        for id in ids {
            let others = ids.iter().copied().filter(|other| other != id).collect();
            self.tell(|revision| SuppressionChange {
                erased: Revision(0),
                others,
                ..SuppressionChange::of(revision, *id, false)
            });
        }
        let last = Revision(self.list.0.borrow().len() as u64);
        wait_until_async("the links", PATIENCE, async || self.service.list_position() >= last).await;
    }

    /// Suppresses a user and waits until lookups say so.
    pub(crate) async fn suppress(&self, user: UserKey) {
        self.tell(|revision| SuppressionChange::of(revision, user, true));
        wait_until_async("the suppression", PATIENCE, async || self.lookup(user).await.suppressed).await;
    }

    /// Looks a user up in process, with this long to go.
    pub(crate) async fn lookup_within(&self, user: UserKey, left: Duration) -> TagAnswer {
        let request = LookupRequest { deadline: self.clock.monotonic().after(left), ..self.request(user) };
        self.service.lookup_source().open().lookup(request).await
    }

    /// Asks for everything of a user, with all the time there is.
    pub(crate) fn request(&self, user: UserKey) -> LookupRequest {
        let deadline = self.clock.monotonic().after(PATIENCE);
        LookupRequest {
            user,
            previous: None,
            others: OtherKeys::NONE,
            frequency: true,
            datasets: Datasets::ALL,
            deadline,
        }
    }

    pub(crate) async fn lookup(&self, user: UserKey) -> TagAnswer {
        self.lookup_within(user, PATIENCE).await
    }

    /// Serves gRPC on a free port and returns its address.
    pub(crate) async fn serve(&self) -> String {
        let mut routes = RoutesBuilder::default();
        self.service.add_grpc(&mut routes, tokens());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let drain = self.tasks.drain().clone();
        self.tasks.spawn("test server", async move {
            let server = tonic::transport::Server::builder().add_routes(routes.routes());
            let incoming = TcpListenerStream::new(listener);
            server.serve_with_incoming_shutdown(incoming, async move { drain.wait().await }).await.unwrap();
        });
        format!("http://{address}")
    }

    /// A server and a client of it with this token.
    pub(crate) async fn client(&self, token: &str) -> Client {
        connect(&self.serve().await, token).await
    }
}

fn tokens() -> Tokens {
    let token = |token: &str, scope: &str| TokenConfig {
        name: scope.into(),
        token: Secret::new(token),
        scope: scope.into(),
    };
    Tokens::new(&[token(OPERATOR, "operator"), token(ACME, "advertiser:7"), token(ROLE, "role")]).unwrap()
}

/// Signs requests in.
#[derive(Clone)]
pub(crate) struct AddToken(MetadataValue<tonic::metadata::Ascii>);

impl Interceptor for AddToken {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

pub(crate) type Client = TagServiceClient<InterceptedService<Channel, AddToken>>;

pub(crate) async fn connect(address: &str, token: &str) -> Client {
    TagServiceClient::new(signed_in(address, token).await)
}

pub(crate) type SignedIn = InterceptedService<Channel, AddToken>;

/// A connection on which every call shows this token.
pub(crate) async fn signed_in(address: &str, token: &str) -> SignedIn {
    let channel = Channel::from_shared(address.to_owned()).unwrap().connect().await.unwrap();
    InterceptedService::new(channel, AddToken(format!("Bearer {token}").parse().unwrap()))
}

pub(crate) fn ifa(id: &str) -> pb::UserId {
    pb::UserId { kind: pb::IdKind::Ifa.into(), source: String::new(), id: id.into() }
}

pub(crate) fn key_of(id: &str, key: &MacKey) -> UserKey {
    let id = tagbid_tagset::UserId { kind: tagbid_tagset::IdKind::Ifa, source: "", id };
    key.user_key(&id.standard().unwrap())
}

pub(crate) fn blob(bytes: &'static [u8]) -> Bytes {
    Bytes::from_static(bytes)
}

/// The blobs that an answer has, of whichever datasets.
pub(crate) fn blobs(answer: &TagAnswer) -> Vec<Bytes> {
    answer.offline.iter().filter_map(|one| one.blob.clone()).collect()
}

pub(crate) fn statuses(answer: &TagAnswer) -> [SourceStatus; 3] {
    // As bad as the worst of the datasets.
    let lost = answer.offline.iter().map(|one| one.status).find(|status| *status != SourceStatus::Known);
    [lost.unwrap_or(answer.offline_status), answer.realtime_status, answer.frequency_status]
}

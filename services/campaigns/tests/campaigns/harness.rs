//! A campaigns role of a test's own, on a free port, and callers of it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tagbid_campaigns::{Needs, Options, Service, StartError, start};
use tagbid_clients::{Endpoint, GrpcCatalog, GrpcSuppressions};
use tagbid_pricing::{Fx, Rate};
use tagbid_runtime::auth::{Secret, TokenConfig, Tokens};
use tagbid_runtime::{Drain, SystemClock, Tasks};
use tagbid_tagset::{MacKey, MacKeys};
use tagbid_types::{Currency, ExchangeName};
use tagbid_wire::pb::campaigns as pb;
use tagbid_wire::pb::campaigns::campaigns_service_client::CampaignsServiceClient;
use tagbid_wire::pb::campaigns::suppression_service_client::SuppressionServiceClient;
use tokio::net::TcpListener;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::interceptor::InterceptedService;
use tonic::service::{Interceptor, RoutesBuilder};
use tonic::transport::Channel;
use tonic::{Request, Status};
use tonic_types::StatusExt;

use crate::kinds::Kind;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Who calls. The tenants are the first and the second advertiser that the operator creates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    Operator,
    Role,
    Tenant(u64),
}

impl Caller {
    fn token(self) -> String {
        match self {
            Self::Operator => "operator-token-0000".into(),
            Self::Role => "role-token-00000000".into(),
            Self::Tenant(id) => format!("tenant-token-{id:08}"),
        }
    }

    fn config(self) -> TokenConfig {
        TokenConfig {
            name: format!("{self:?}"),
            token: Secret::new(self.token()),
            scope: match self {
                Self::Operator => "operator".into(),
                Self::Role => "role".into(),
                Self::Tenant(id) => format!("advertiser:{id}"),
            },
        }
    }
}

/// A database that outlives the processes on it. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Database {
    pub(crate) url: String,
    _directory: Option<Arc<tempfile::TempDir>>,
}

impl Database {
    pub(crate) fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            url: format!("sqlite:{}", directory.path().join("catalog.db").display()),
            _directory: Some(Arc::new(directory)),
        }
    }

    pub(crate) fn postgres() -> Self {
        Self::at(tagbid_testkit::postgres().url())
    }

    /// On a server of the test's own.
    pub(crate) fn at(url: &str) -> Self {
        Self { url: url.to_owned(), _directory: None }
    }
}

/// The operator's rates: dollars, euros and yen.
fn rates() -> Fx {
    let rate = |value| Rate::from_f64(value).unwrap();
    Fx::new(Currency::USD).with("EUR".parse().unwrap(), rate(1.1)).with("JPY".parse().unwrap(), rate(0.007))
}

/// Why a role does not start on this database.
pub(crate) async fn try_start(url: &str) -> Result<Service, StartError> {
    try_start_with(url, MacKeys::only(mac_key(1, 7))).await
}

/// The same with these MAC keys.
pub(crate) async fn try_start_with(url: &str, keys: MacKeys) -> Result<Service, StartError> {
    let options = Options { database: Secret::new(url), ..Options::default() };
    let needs = Needs { mac_keys: Arc::new(keys), ..needs(BTreeSet::new()) };
    start(options, needs, Arc::new(SystemClock), &Tasks::new(Drain::default())).await
}

pub(crate) fn mac_key(version: u8, byte: u8) -> MacKey {
    MacKey::new(version, &[byte; 32]).unwrap()
}

fn needs(exchanges: BTreeSet<ExchangeName>) -> Needs {
    let mac_keys = MacKeys::only(mac_key(1, 7));
    Needs { mac_keys: Arc::new(mac_keys), fx: Some(Arc::new(rates())), exchanges }
}

/// A running campaigns role.
pub(crate) struct Stack {
    pub(crate) service: Service,
    address: SocketAddr,
    tasks: Tasks,
    /// SQLite opens its file again for each new reader: the directory must not go before the role.
    _database: Database,
}

impl Stack {
    pub(crate) async fn start(database: &Database) -> Self {
        Self::start_on(database, "127.0.0.1:0".parse().unwrap()).await
    }

    /// On a given port: what a restart does.
    pub(crate) async fn start_on(database: &Database, address: SocketAddr) -> Self {
        Self::start_knowing(database, address, BTreeSet::new()).await
    }

    /// Where the operator has configured these exchanges.
    pub(crate) async fn start_knowing(
        database: &Database,
        address: SocketAddr,
        exchanges: BTreeSet<ExchangeName>,
    ) -> Self {
        Self::start_needing(database, address, needs(exchanges)).await
    }

    /// With these MAC keys.
    pub(crate) async fn start_with_keys(database: &Database, keys: MacKeys) -> Self {
        let needs = Needs { mac_keys: Arc::new(keys), ..needs(BTreeSet::new()) };
        Self::start_needing(database, "127.0.0.1:0".parse().unwrap(), needs).await
    }

    async fn start_needing(database: &Database, address: SocketAddr, needs: Needs) -> Self {
        let tasks = Tasks::new(Drain::default());
        let options = Options { database: Secret::new(database.url.as_str()), ..Options::default() };
        let service = start(options, needs, Arc::new(SystemClock), &tasks).await.unwrap();
        let callers = [Caller::Operator, Caller::Role, Caller::Tenant(1), Caller::Tenant(2)];
        let mut routes = RoutesBuilder::default();
        service.add_grpc(&mut routes, Tokens::new(&callers.map(Caller::config)).unwrap());
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let drain = tasks.drain().clone();
        tasks.spawn("grpc", async move {
            tagbid_runtime::grpc::serve(
                listener,
                tagbid_runtime::grpc::Port::default(),
                routes,
                tagbid_wire::DESCRIPTORS,
                Box::new(Vec::new),
                drain,
            )
            .await
            .unwrap();
        });
        Self { service, address, tasks, _database: database.clone() }
    }

    pub(crate) async fn stop(self) -> SocketAddr {
        self.tasks.drain().start();
        assert!(self.tasks.finish(PATIENCE).await, "the role did not drain");
        assert_eq!(self.tasks.panics(), 0);
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) async fn channel(&self, who: Caller) -> InterceptedService<Channel, Bearer> {
        let endpoint = tonic::transport::Endpoint::from_shared(self.url()).unwrap();
        let header = format!("Bearer {}", who.token()).parse().unwrap();
        InterceptedService::new(endpoint.connect().await.unwrap(), Bearer(header))
    }

    pub(crate) async fn api(&self, who: Caller) -> Api {
        CampaignsServiceClient::new(self.channel(who).await)
    }

    pub(crate) async fn suppression(&self, who: Caller) -> SuppressionServiceClient<Connection> {
        SuppressionServiceClient::new(self.channel(who).await)
    }

    pub(crate) fn endpoint(&self, who: Caller) -> Endpoint {
        Endpoint::new(&self.url(), &Secret::new(who.token())).unwrap()
    }

    pub(crate) fn catalog(&self, who: Caller) -> GrpcCatalog {
        GrpcCatalog::new(self.endpoint(who))
    }

    pub(crate) fn suppressions(&self, who: Caller) -> GrpcSuppressions {
        GrpcSuppressions::new(self.endpoint(who))
    }
}

pub(crate) type Connection = InterceptedService<Channel, Bearer>;
pub(crate) type Api = CampaignsServiceClient<Connection>;

#[derive(Clone)]
pub(crate) struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// The fields that a refusal names.
pub(crate) fn fields(status: &Status) -> Vec<String> {
    let details = status.get_details_bad_request();
    let violations = details.map(|details| details.field_violations).unwrap_or_default();
    violations.into_iter().map(|violation| violation.field).collect()
}

pub(crate) fn advertiser(name: &str) -> pb::Advertiser {
    pb::Advertiser {
        name: name.into(),
        domain: "acme.example".into(),
        currency: "USD".into(),
        time_zone: "Europe/Berlin".into(),
        ..Default::default()
    }
}

pub(crate) fn campaign(name: &str) -> pb::Campaign {
    pb::Campaign { name: name.into(), ..Default::default() }
}

pub(crate) fn creative(name: &str) -> pb::Creative {
    pb::Creative {
        name: name.into(),
        domains: vec!["acme.example".into()],
        click_url: "https://acme.example/shoes".into(),
        secure: true,
        markup: Some(pb::creative::Markup::Banner(pb::BannerMarkup {
            width: 300,
            height: 250,
            html: "<img src=\"https://cdn.acme.example/a.png\">".into(),
            banner_type: 0,
        })),
        ..Default::default()
    }
}

pub(crate) fn line_item(campaign_id: u64, creative_id: u64) -> pb::LineItem {
    pb::LineItem {
        name: "Shoes".into(),
        campaign_id,
        creative_ids: vec![creative_id],
        bid: Some(pb::BidRules { base_cpm_micros: 2_000_000, currency: "USD".into(), ..Default::default() }),
        ..Default::default()
    }
}

/// Two advertisers, as the operator makes them.
pub(crate) async fn two_tenants(stack: &Stack) -> [pb::Advertiser; 2] {
    let mut operator = stack.api(Caller::Operator).await;
    let mut made = Vec::new();
    for name in ["Acme", "Rival"] {
        let request =
            pb::CreateAdvertiserRequest { advertiser: Some(advertiser(name)), request_id: String::new() };
        made.push(operator.create_advertiser(request).await.unwrap().into_inner());
    }
    made.try_into().unwrap()
}

/// Acme's campaign, creative and line item.
pub(crate) async fn flight(stack: &Stack) -> (pb::Campaign, pb::Creative, pb::LineItem) {
    let mut acme = stack.api(Caller::Tenant(1)).await;
    let campaign = campaign("Spring").create(&mut acme, "").await.unwrap();
    let creative = creative("Red shoes").create(&mut acme, "").await.unwrap();
    let item = line_item(campaign.id, creative.id).create(&mut acme, "").await.unwrap();
    (campaign, creative, item)
}

//! A ledger on real sockets: HTTP for notices, gRPC for those who ask.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tagbid_catalog::{Advertiser, Budget, Catalog, Creative, Entity, Header, Markup, NativeMarkup, Place};
use tagbid_clients::{Endpoint, GrpcLeases};
use tagbid_ledger::{Needs, Options, Service};
use tagbid_notice::{Bills, Keys, Label, NoticeKind, Sealer, Token, TokenKey};
use tagbid_ports::{CatalogEvent, CatalogFeed, FeedError, ImpressionCounter};
use tagbid_runtime::auth::{Secret, TokenConfig, Tokens};
use tagbid_runtime::{Drain, Tasks};
use tagbid_tagset::{MacKey, MacKeys};
use tagbid_testkit::{FakeClock, wait_until_async};
use tagbid_types::{
    AdvertiserId, BidId, BudgetDay, CampaignId, Clock, Cpm, CreativeId, Currency, LineItemId, Nanos,
    Permission, PlaceKind, Rate, Ratio, Timestamp,
};
use tagbid_wire::pb::ledger as pb;
use tagbid_wire::pb::ledger::ledger_service_client::LedgerServiceClient;
use tagbid_wire::pb::ledger::report_service_client::ReportServiceClient;
use tokio::net::TcpListener;
use tonic::service::RoutesBuilder;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use tonic::{Response, Status};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The one creative of the catalog, and where its clicks lead.
pub(crate) const CREATIVE: CreativeId = CreativeId(4);
pub(crate) const SHOP: &str = "https://shop.example/landing?c=4";

pub(crate) fn keys() -> Keys {
    Keys::new(TokenKey::new(1, [7; 32]), None).unwrap()
}

/// What a ledger needs: a catalog of one creative, users, and no event log.
pub(crate) fn needs() -> Needs {
    let user_keys = Some(MacKeys::only(MacKey::new(1, &[7; 32]).unwrap()));
    Needs { keys: keys(), tokens: tokens(), user_keys, catalog: catalog(), people: None, events: None }
}

/// Bid `bid` of advertiser 1 on line item 3, at a CPM of 2 USD, billed by `burl`, made now.
pub(crate) fn bid(bid: u128, clock: &FakeClock) -> Token {
    Token {
        bid: BidId(bid),
        exchange: "demo".parse().unwrap(),
        auction: Label::cut("auction"),
        imp: Label::cut("1"),
        advertiser: AdvertiserId(1),
        campaign: CampaignId(2),
        line_item: LineItemId(3),
        creative: CREATIVE,
        lease: 0,
        capacity_lease: 0,
        epoch: 0,
        issued: clock.now(),
        hold_until_s: 0,
        hold_s: 0,
        place: Some(PlaceKind::Page),
        max_price: Cpm(2_000_000),
        currency: Currency::USD,
        fx: Rate::ONE,
        budget_currency: Currency::USD,
        budget_day: BudgetDay(20_089),
        quantity: Ratio::ONE,
        auction_type: 1,
        bills: Bills::Bill,
        test: false,
        permission: Permission::NONE,
        user: None,
    }
}

/// A SQLite file in a directory that ends with the test.
pub(crate) struct File {
    directory: tempfile::TempDir,
}

impl File {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn url(&self) -> String {
        format!("sqlite:{}", self.directory.path().join("ledger.db").display())
    }
}

pub(crate) fn options(database: &str) -> Options {
    Options { database: Secret::new(database), ..Options::default() }
}

/// What came back for a notice.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A running ledger.
pub(crate) struct Ledger {
    pub(crate) service: Service,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) http: SocketAddr,
    grpc: SocketAddr,
    tasks: Tasks,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Ledger {
    pub(crate) async fn start(options: Options) -> Self {
        Self::start_at(options, Arc::new(FakeClock::default())).await
    }

    pub(crate) async fn start_at(options: Options, clock: Arc<FakeClock>) -> Self {
        Self::start_with(options, needs(), clock).await
    }

    pub(crate) async fn start_with(options: Options, needs: Needs, clock: Arc<FakeClock>) -> Self {
        let tasks = Tasks::new(Drain::default());
        let service = Service::start(options, needs, Arc::clone(&clock) as _, &tasks).await.unwrap();
        Self {
            http: serve_http(&service, &tasks).await,
            grpc: serve_grpc(&service, &tasks).await,
            service,
            clock,
            tasks,
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// Ends it as a deployment does: drains, then waits for what is under way.
    pub(crate) async fn stop(self) -> Arc<FakeClock> {
        self.tasks.drain().start();
        drop(self.client);
        assert!(self.tasks.finish(PATIENCE).await, "it did not drain");
        assert_eq!(self.tasks.panics(), 0);
        self.clock
    }

    /// Has what is billed counted.
    pub(crate) fn count_impressions(&self, counter: Arc<dyn ImpressionCounter>) {
        self.service.count_impressions(counter, &self.tasks);
    }

    /// The ledger's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What Prometheus would read.
    pub(crate) fn metrics(&self) -> String {
        let mut registry = prometheus_client::registry::Registry::default();
        registry.register_collector(self.service.collector());
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    }

    /// How long the oldest impression waits to be counted, in seconds.
    pub(crate) fn outbox_age(&self) -> i64 {
        let text = self.metrics();
        let line = text.lines().find_map(|line| line.strip_prefix("tagbid_outbox_age_seconds "));
        line.unwrap().parse().unwrap()
    }

    /// The path of a notice, with its parameters.
    pub(crate) fn path(&self, kind: NoticeKind, token: &Token, query: &str) -> String {
        // A nonce of its own for each bid is all that sealing asks for.
        let mut nonce = [0; 12];
        nonce.copy_from_slice(&token.bid.0.to_le_bytes()[..12]);
        let sealed = Sealer::new(&keys()).unwrap().seal(token, kind.audience(), nonce).unwrap();
        format!("/notice/{kind}/{}?{query}", sealed.as_str())
    }

    pub(crate) async fn send(&self, kind: NoticeKind, token: &Token, query: &str) -> Reply {
        self.get(&self.path(kind, token, query)).await
    }

    /// The billing notice of a bid.
    pub(crate) async fn bill(&self, token: &Token, price: &str) -> StatusCode {
        self.send(NoticeKind::Bill, token, &format!("price={price}&cur=USD")).await.status
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.request(Method::GET, path).await
    }

    pub(crate) async fn request(&self, method: Method, path: &str) -> Reply {
        let request = Request::builder().method(method).uri(format!("http://{}{path}", self.http));
        self.ask_http(request.body(Full::default()).unwrap()).await
    }

    /// A body, with a bearer token.
    pub(crate) async fn post(&self, path: &str, token: &str, body: &str) -> Reply {
        let request = Request::post(format!("http://{}{path}", self.http));
        let request = request.header("authorization", format!("Bearer {token}"));
        self.ask_http(request.body(Full::from(body.to_owned())).unwrap()).await
    }

    async fn ask_http(&self, request: Request<Full<Bytes>>) -> Reply {
        let response = self.client.request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Reply { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
    }

    /// Leases as a bidder elsewhere asks for them, with one of [`tokens`].
    pub(crate) fn leases(&self, token: &'static str) -> GrpcLeases {
        let endpoint = Endpoint::new(&format!("http://{}", self.grpc), &Secret::new(token)).unwrap();
        GrpcLeases::new(vec![endpoint])
    }

    /// A gRPC client with one of [`tokens`]; empty: without.
    async fn ask(&self, token: &'static str) -> LedgerServiceClient<InterceptedService<Channel, Bearer>> {
        let channel = Channel::from_shared(format!("http://{}", self.grpc)).unwrap();
        LedgerServiceClient::with_interceptor(channel.connect().await.unwrap(), Bearer(token))
    }

    /// Reports, with one of [`tokens`].
    pub(crate) async fn reports(
        &self,
        token: &'static str,
    ) -> ReportServiceClient<InterceptedService<Channel, Bearer>> {
        let channel = Channel::from_shared(format!("http://{}", self.grpc)).unwrap();
        ReportServiceClient::with_interceptor(channel.connect().await.unwrap(), Bearer(token))
    }

    pub(crate) async fn wins(
        &self,
        token: &'static str,
        request: pb::CountWinsRequest,
    ) -> Result<Vec<(u64, u64)>, Status> {
        let answer = self.ask(token).await.count_wins(request).await?;
        Ok(answer.into_inner().wins.iter().map(|one| (one.line_item_id, one.wins)).collect())
    }

    pub(crate) async fn spend(
        &self,
        token: &'static str,
        request: pb::GetSpendRequest,
    ) -> Result<pb::GetSpendResponse, Status> {
        let answer = self.ask(token).await.get_spend(request).await;
        answer.map(Response::into_inner)
    }

    pub(crate) async fn balances(
        &self,
        token: &'static str,
        request: pb::GetBalancesRequest,
    ) -> Result<pb::GetBalancesResponse, Status> {
        let answer = self.ask(token).await.get_balances(request).await;
        answer.map(Response::into_inner)
    }

    pub(crate) async fn notices(
        &self,
        token: &'static str,
        request: pb::ListNoticesRequest,
    ) -> Result<pb::ListNoticesResponse, Status> {
        let answer = self.ask(token).await.list_notices(request).await;
        answer.map(Response::into_inner)
    }

    pub(crate) async fn quarantined(&self, token: &'static str) -> Vec<pb::Quarantined> {
        let all = pb::ListQuarantinedRequest::default();
        let answer = self.ask(token).await.list_quarantined(all).await.unwrap();
        answer.into_inner().quarantined
    }

    /// Sums over everything in US dollars, as the operator sees them.
    pub(crate) async fn tally(&self) -> pb::Tally {
        let answer = self.spend(OPERATOR, pb::GetSpendRequest::default()).await.unwrap();
        let totals = answer.totals;
        assert!(totals.len() <= 1, "one currency only: {totals:?}");
        let tally = totals.into_iter().next().and_then(|total| total.tally);
        tally.unwrap_or_default()
    }

    /// Waits until clicks on the creative lead somewhere.
    pub(crate) async fn knows_the_creative(&self) {
        let token = bid(u128::MAX, &self.clock);
        wait_until_async("the catalog to arrive", PATIENCE, async || {
            self.send(NoticeKind::Click, &token, "").await.status == StatusCode::FOUND
        })
        .await;
    }
}

async fn serve_http(service: &Service, tasks: &Tasks) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (service, connections, drain) = (service.clone(), tasks.clone(), tasks.drain().clone());
    tasks.spawn("accept", async move {
        loop {
            let (stream, _) = tokio::select! {
                accepted = listener.accept() => accepted.unwrap(),
                () = drain.wait() => return,
            };
            let (service, drain) = (service.clone(), drain.clone());
            connections.spawn("connection", async move {
                let handler = service_fn(|request| {
                    let service = service.clone();
                    async move { Ok::<_, std::convert::Infallible>(service.http(request).await) }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), handler);
                let mut connection = std::pin::pin!(connection);
                // A client that goes away mid-request is no failure of the ledger's.
                tokio::select! {
                    _ended = connection.as_mut() => return,
                    () = drain.wait() => connection.as_mut().graceful_shutdown(),
                }
                drop(connection.await);
            });
        }
    });
    address
}

async fn serve_grpc(service: &Service, tasks: &Tasks) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut routes = RoutesBuilder::default();
    service.add_grpc(&mut routes);
    let drain = tasks.drain().clone();
    let server = Server::builder().add_routes(routes.routes());
    tasks.spawn("grpc", async move {
        let incoming = TcpIncoming::from(listener);
        server.serve_with_incoming_shutdown(incoming, async move { drain.wait().await }).await.unwrap();
    });
    address
}

pub(crate) const OPERATOR: &str = "operator-0123456789";
pub(crate) const ACME: &str = "advertiser-0123456789";
pub(crate) const BIDDER: &str = "role-0123456789abcdef";

fn tokens() -> Tokens {
    let token = |name: &str, token: &str, scope: &str| TokenConfig {
        name: name.into(),
        token: Secret::new(token),
        scope: scope.into(),
    };
    Tokens::new(&[
        token("ops", OPERATOR, "operator"),
        token("acme", ACME, "advertiser:1"),
        token("bidder", BIDDER, "role"),
    ])
    .unwrap()
}

/// Sends a bearer token.
#[derive(Clone)]
pub(crate) struct Bearer(&'static str);

impl tonic::service::Interceptor for Bearer {
    fn call(&mut self, mut request: tonic::Request<()>) -> Result<tonic::Request<()>, tonic::Status> {
        if !self.0.is_empty() {
            let value = format!("Bearer {}", self.0).parse().unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        Ok(request)
    }
}

/// A catalog of one creative and its advertiser.
struct OneCreative;

pub(crate) fn catalog() -> Arc<dyn CatalogFeed> {
    Arc::new(OneCreative)
}

impl CatalogFeed for OneCreative {
    fn subscribe(&self, _from: Place) -> BoxStream<'static, Result<CatalogEvent, FeedError>> {
        let entities = [Entity::Creative(Arc::new(creative())), Entity::Advertiser(Arc::new(advertiser()))];
        let entities = entities.into_iter().map(|entity| (entity.key(), entity)).collect();
        let catalog = Catalog { entities, ..Catalog::default() };
        let snapshot = futures_util::stream::iter([Ok(CatalogEvent::Snapshot(Arc::new(catalog)))]);
        snapshot.chain(futures_util::stream::pending()).boxed()
    }
}

/// Advertiser 1, which may spend [`DAILY`] a day.
fn advertiser() -> Advertiser {
    Advertiser {
        id: AdvertiserId(1),
        header: Header::default(),
        name: "acme".into(),
        domain: "acme.example".into(),
        currency: Currency::USD,
        time_zone: "UTC".into(),
        budget: Budget { daily: Some(DAILY), lifetime: None },
        capacity: tagbid_catalog::Capacity::default(),
        caps: vec![],
        never_contact: vec![],
    }
}

/// A hundred impressions at the price of [`bid`].
pub(crate) const DAILY: Nanos = Nanos(200_000_000);

fn creative() -> Creative {
    Creative {
        id: CREATIVE,
        header: Header::default(),
        advertiser: AdvertiserId(1),
        name: "banner".into(),
        seat: String::new(),
        domains: vec!["shop.example".into()],
        categories: vec![],
        attributes: vec![],
        language: String::new(),
        bundle: String::new(),
        click_url: SHOP.into(),
        preview_url: String::new(),
        apis: vec![],
        secure: true,
        markup: Markup::Native(NativeMarkup { title: "t".into(), assets: vec![] }),
        approvals: BTreeMap::new(),
    }
}

//! What carries requests: keep-alive HTTP/1.1 connections of the exchange's own client, or gRPC channels.

use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use http::uri::PathAndQuery;
use http::{Request, Uri};
use tagbid_exchange::net::{Connection, NetError, authority};
use tagbid_wire::raw::RawCodec;
use tonic::client::Grpc;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};

use crate::message::{Encoding, Message};

use super::Plan;
use super::answer::{Kind, Reply};

/// The method that answers bid requests.
const BID: &str = "/tagbid.bidding.v1.BiddingService/Bid";

/// The header in which tagbid says why there is no bid.
const NO_BID: &str = "x-tagbid-no-bid";

/// Every request of a run, made before the clock runs.
pub(super) enum Calls {
    /// Over HTTP.
    Http(Vec<Request<Bytes>>),
    /// Over gRPC: messages, and the metadata of each call.
    Grpc(Vec<Bytes>, MetadataMap),
}

impl Calls {
    pub(super) fn prepare(plan: &Plan) -> anyhow::Result<Self> {
        let messages = plan.messages.list.iter();
        match plan.url.scheme_str() {
            Some("http") => {
                let requests = messages.map(|message| http_request(plan, message));
                requests.collect::<anyhow::Result<_>>().map(Self::Http)
            }
            Some("grpc") if plan.encoding == Encoding::Protobuf => {
                let bodies = messages.map(|message| message.body.clone()).collect();
                Ok(Self::Grpc(bodies, MetadataMap::from_headers(plan.headers.clone())))
            }
            Some("grpc") => bail!("gRPC carries protobuf: add --encoding protobuf"),
            _ => bail!("{}: use http://HOST[:PORT]/PATH or grpc://HOST:PORT", plan.url),
        }
    }
}

fn http_request(plan: &Plan, message: &Message) -> anyhow::Result<Request<Bytes>> {
    let content_type = match plan.encoding {
        Encoding::Json => "application/json",
        Encoding::Protobuf => "application/x-protobuf",
    };
    let mut request = Request::new(message.body.clone());
    *request.method_mut() = http::Method::POST;
    if let Some(path) = plan.url.path_and_query() {
        *request.uri_mut() = Uri::from(path.clone());
    }
    let headers: &mut HeaderMap = request.headers_mut();
    headers.insert(HOST, authority(&plan.url)?.as_str().parse()?);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Some(version) = message.version {
        headers.insert("x-openrtb-version", HeaderValue::from_static(version.as_str()));
    }
    headers.extend(plan.headers.clone());
    Ok(request)
}

/// One place for a request under way.
pub(super) enum Client {
    Http(Box<Connection>),
    Grpc(Grpc<Channel>),
}

/// Opens connections; each gives as many clients as it carries requests at a time.
pub(super) async fn open(plan: &Plan, connections: usize) -> anyhow::Result<Vec<Client>> {
    let mut clients = Vec::new();
    for _ in 0..connections {
        if plan.url.scheme_str() == Some("grpc") {
            let host = plan.url.authority().context("the URL names no host")?;
            let channel = Endpoint::from_shared(format!("http://{host}"))?
                .connect_timeout(plan.timeout)
                .connect()
                .await
                .with_context(|| format!("cannot connect to {host}"))?;
            clients.extend((0..plan.streams.max(1)).map(|_| Client::Grpc(Grpc::new(channel.clone()))));
        } else {
            let mut connection = Connection::new(authority(&plan.url)?, plan.timeout);
            connection.open().await?;
            clients.push(Client::Http(Box::new(connection)));
        }
    }
    Ok(clients)
}

/// Why there is no answer, in words to count by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoReply(pub(super) &'static str);

const TIMEOUT: NoReply = NoReply("no answer in time");

impl Client {
    /// Sends the request of this position and waits for the answer, but not longer than `left`.
    pub(super) async fn send(
        &mut self,
        calls: &Calls,
        position: usize,
        left: Duration,
    ) -> Result<Reply, NoReply> {
        match (self, calls) {
            (Self::Http(connection), Calls::Http(requests)) => {
                let request = requests.get(position).ok_or(NoReply("no request"))?;
                over_http(connection, request, left).await
            }
            (Self::Grpc(grpc), Calls::Grpc(messages, metadata)) => {
                let message = messages.get(position).ok_or(NoReply("no request"))?;
                let answer = over_grpc(grpc, message.clone(), metadata.clone());
                tokio::time::timeout(left, answer).await.unwrap_or(Err(TIMEOUT))
            }
            _ => Err(NoReply("no request")),
        }
    }
}

async fn over_http(
    connection: &mut Connection,
    request: &Request<Bytes>,
    left: Duration,
) -> Result<Reply, NoReply> {
    let answer = connection.send_within(request, left).await.map_err(|error| no_reply(&error))?;
    let status = answer.status.as_u16();
    let no_bid = answer.headers.get(NO_BID).cloned();
    Ok(Reply { status, kind: Kind::of_http(status), grpc: None, no_bid, body: answer.body })
}

fn no_reply(error: &NetError) -> NoReply {
    match error {
        NetError::Timeout(_) => TIMEOUT,
        NetError::Connect { .. } => NoReply("cannot connect"),
        NetError::Broken(_) => NoReply("connection broke"),
        NetError::Url(_) => NoReply("no such URL"),
    }
}

async fn over_grpc(
    grpc: &mut Grpc<Channel>,
    message: Bytes,
    metadata: MetadataMap,
) -> Result<Reply, NoReply> {
    grpc.ready().await.map_err(|_| NoReply("cannot connect"))?;
    let mut request = tonic::Request::new(message);
    *request.metadata_mut() = metadata;
    let answer = grpc.unary(request, PathAndQuery::from_static(BID), RawCodec::default()).await;
    let (code, body) = match answer {
        Ok(answer) => (tonic::Code::Ok, answer.into_inner()),
        // A status without a cause is the server's own word; with one, the connection broke.
        Err(status) if std::error::Error::source(&status).is_some() => {
            return Err(NoReply("connection broke"));
        }
        Err(status) => (status.code(), Bytes::new()),
    };
    let number = u16::try_from(code as i32).unwrap_or(u16::MAX);
    Ok(Reply { status: number, kind: Kind::of_grpc(code), grpc: Some(code), no_bid: None, body })
}

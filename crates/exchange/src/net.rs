//! A keep-alive HTTP/1.1 connection, one request at a time: the client side of the simulator, the load tester and
//! `tagbid replay`.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use http::uri::Authority;
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Why there was no answer.
#[derive(Debug, Error)]
pub enum NetError {
    /// The URL cannot be called.
    #[error("URL {0:?}: use http://HOST[:PORT]/PATH")]
    Url(String),
    /// Nobody listens there.
    #[error("cannot connect to {host}: {source}")]
    Connect {
        /// Host and port.
        host: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The connection broke before the answer was complete.
    #[error("the connection broke: {0}")]
    Broken(#[from] hyper::Error),
    /// The answer did not come in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
}

/// An answer with its whole body.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as it came.
    pub body: Bytes,
}

/// Host and port of an `http` URL.
pub fn authority(url: &Uri) -> Result<Authority, NetError> {
    match (url.scheme_str(), url.authority()) {
        (Some("http"), Some(authority)) => Ok(authority.clone()),
        _ => Err(NetError::Url(url.to_string())),
    }
}

/// A connection that opens when first used and again after it broke.
#[derive(Debug)]
pub struct Connection {
    host: Authority,
    timeout: Duration,
    sender: Option<SendRequest<Full<Bytes>>>,
    /// Drives the socket; ends with the connection.
    driver: JoinSet<()>,
}

impl Connection {
    /// To this host; an answer may take up to `timeout`.
    pub fn new(host: Authority, timeout: Duration) -> Self {
        Self { host, timeout, sender: None, driver: JoinSet::new() }
    }

    /// The host and port.
    pub fn host(&self) -> &Authority {
        &self.host
    }

    /// Opens the socket unless it is open.
    pub async fn open(&mut self) -> Result<(), NetError> {
        self.ready().await.map(|_sender| ())
    }

    /// Sends a request and reads the whole answer. A request on a connection that the server had closed meanwhile
    /// is sent again, once, on a new one: it was never read. After an error the connection is given up.
    pub async fn send(&mut self, request: &Request<Bytes>) -> Result<Answer, NetError> {
        self.send_within(request, self.timeout).await
    }

    /// The same with a time-out of its own.
    pub async fn send_within(
        &mut self,
        request: &Request<Bytes>,
        timeout: Duration,
    ) -> Result<Answer, NetError> {
        let reused = self.sender.is_some();
        let first = self.attempt(request, timeout).await;
        match first {
            Err(NetError::Broken(error))
                if reused && (error.is_canceled() || error.is_incomplete_message()) =>
            {
                self.attempt(request, timeout).await
            }
            other => other,
        }
    }

    async fn attempt(&mut self, request: &Request<Bytes>, timeout: Duration) -> Result<Answer, NetError> {
        let answer = tokio::time::timeout(timeout, self.exchange(request)).await;
        let answer = answer.unwrap_or(Err(NetError::Timeout(timeout)));
        if answer.is_err() {
            self.sender = None;
            self.driver.abort_all();
        }
        answer
    }

    async fn exchange(&mut self, request: &Request<Bytes>) -> Result<Answer, NetError> {
        let sender = self.ready().await?;
        let response = sender.send_request(copy(request)).await?;
        let (parts, body) = response.into_parts();
        Ok(Answer { status: parts.status, headers: parts.headers, body: body.collect().await?.to_bytes() })
    }

    async fn ready(&mut self) -> Result<&mut SendRequest<Full<Bytes>>, NetError> {
        let open = match self.sender.take() {
            Some(mut sender) => sender.ready().await.is_ok().then_some(sender),
            None => None,
        };
        let sender = match open {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        Ok(self.sender.insert(sender))
    }

    async fn connect(&mut self) -> Result<SendRequest<Full<Bytes>>, NetError> {
        let (host, port) = (self.host.host(), self.host.port_u16().unwrap_or(80));
        let failed = |source| NetError::Connect { host: self.host.to_string(), source };
        let host = host.trim_matches(['[', ']']);
        let socket = TcpStream::connect((host, port)).await.map_err(failed)?;
        socket.set_nodelay(true).map_err(failed)?;
        let (sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
        self.driver.abort_all();
        while self.driver.try_join_next().is_some() {}
        self.driver.spawn(async move {
            // Its error reaches whoever waits for the answer.
            let _ended = connection.await;
        });
        Ok(sender)
    }
}

/// Calls URLs of any host, on one connection to each.
#[derive(Debug)]
pub struct Caller {
    connections: HashMap<String, Connection>,
    timeout: Duration,
}

impl Caller {
    /// An answer may take up to `timeout`.
    pub fn new(timeout: Duration) -> Self {
        Self { connections: HashMap::new(), timeout }
    }

    /// Whether a GET was answered with a success or, as clicks are, with a redirect, which is not followed.
    pub async fn get(&mut self, url: &str) -> bool {
        self.answer(url).await.is_some_and(|status| status.is_success() || status.is_redirection())
    }

    async fn answer(&mut self, url: &str) -> Option<StatusCode> {
        let uri: Uri = url.parse().ok()?;
        let host = authority(&uri).ok()?;
        let target = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let request =
            Request::get(target).header(http::header::HOST, host.as_str()).body(Bytes::new()).ok()?;
        let timeout = self.timeout;
        let connection =
            self.connections.entry(host.to_string()).or_insert_with(|| Connection::new(host, timeout));
        Some(connection.send(&request).await.ok()?.status)
    }
}

/// hyper takes requests by value; bodies and header values are shared, not copied.
fn copy(request: &Request<Bytes>) -> Request<Full<Bytes>> {
    let mut copy = Request::new(Full::new(request.body().clone()));
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}

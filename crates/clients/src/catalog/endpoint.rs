//! Where another role is, and the token that opens it.

use std::time::Duration;

use tagbid_runtime::auth::Secret;
use tagbid_runtime::trace;
use tagbid_tagset::KeyRing;
use tagbid_types::TRACEPARENT;
use tagbid_wire::USER_KEYS;
use thiserror::Error;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(2);
/// A connection that is idle is asked for life so often, and given up when it does not answer so long.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// What is wrong with an address or a token.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EndpointError {
    /// Not an address.
    #[error("use an address such as \"http://127.0.0.1:8081\"")]
    Url,
    /// A token that no header can carry.
    #[error("the token has characters that no header can carry: use letters, digits and punctuation")]
    Token,
}

/// Another role's gRPC port. Cheap to clone; connects when it is used.
#[derive(Clone, Debug)]
pub struct Endpoint {
    transport: tonic::transport::Endpoint,
    bearer: Bearer,
}

/// Shows the token with every call, and the span that it is a part of.
#[derive(Clone, Debug)]
pub(crate) struct Bearer {
    token: MetadataValue<Ascii>,
    /// Of which MAC keys our users are made.
    user_keys: Option<MetadataValue<Ascii>>,
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.token.clone());
        if let Some(ring) = &self.user_keys {
            request.metadata_mut().insert(USER_KEYS, ring.clone());
        }
        if let Some(span) = trace::current()
            && let Ok(traceparent) = MetadataValue::try_from(span.to_string())
        {
            request.metadata_mut().insert(TRACEPARENT, traceparent);
        }
        Ok(request)
    }
}

impl Endpoint {
    /// The role at "http://HOST:PORT", with this role's own token.
    pub fn new(url: &str, token: &Secret) -> Result<Self, EndpointError> {
        let mut header = MetadataValue::try_from(format!("Bearer {}", token.expose()))
            .map_err(|_| EndpointError::Token)?;
        // Keeps it out of debug output and of compression tables.
        header.set_sensitive(true);
        let transport =
            tonic::transport::Endpoint::from_shared(url.to_owned()).map_err(|_| EndpointError::Url)?;
        let uri = transport.uri();
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
            return Err(EndpointError::Url);
        }
        let transport = transport
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE)
            .keep_alive_while_idle(true)
            .tcp_nodelay(true);
        Ok(Self { transport, bearer: Bearer { token: header, user_keys: None } })
    }

    /// Tells the other role of which MAC keys this process's user keys are made, so that one with others says so.
    pub fn with_user_keys(mut self, ring: KeyRing) -> Self {
        self.bearer.user_keys = MetadataValue::try_from(ring.to_string()).ok();
        self
    }

    /// A new connection.
    pub(crate) async fn connect(
        &self,
    ) -> Result<InterceptedService<Channel, Bearer>, tonic::transport::Error> {
        let channel = self.transport.connect().await?;
        Ok(InterceptedService::new(channel, self.bearer.clone()))
    }
}

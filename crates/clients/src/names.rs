//! Names of tags, asked of the campaigns role elsewhere.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tagbid_ports::{NamesAnswer, NamesError, NamesQuestion, TagNames};
use tagbid_wire::campaigns::{names_answer_from, names_question_to};
use tagbid_wire::pb::campaigns::tag_registry_service_client::TagRegistryServiceClient;
use tokio::sync::OnceCell;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::Endpoint;
use crate::catalog::Bearer;

/// Registering ten thousand names is one transaction; it may have to wait for others.
const WITHIN: Duration = Duration::from_secs(20);

/// Largest message: ten thousand of the longest names, and as many candidates.
const MAX_MESSAGE: usize = 16 * 1024 * 1024;

type Client = TagRegistryServiceClient<InterceptedService<Channel, Bearer>>;

/// Asks the campaigns role over gRPC. Connects when it is first asked, and again when the connection is lost. Cheap to
/// clone; clones share the connection.
#[derive(Clone, Debug)]
pub struct GrpcTagNames {
    campaigns: Endpoint,
    client: Arc<OnceCell<Client>>,
}

impl GrpcTagNames {
    /// Asks this campaigns role.
    pub fn new(campaigns: Endpoint) -> Self {
        Self { campaigns, client: Arc::default() }
    }

    async fn client(&self) -> Result<Client, NamesError> {
        let connect = async || {
            let channel = self.campaigns.connect().await?;
            let client = TagRegistryServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
            Ok(client.max_encoding_message_size(MAX_MESSAGE))
        };
        let connected: Result<&Client, tonic::transport::Error> = self.client.get_or_try_init(connect).await;
        connected.cloned().map_err(|error| NamesError::Unavailable(error.to_string()))
    }
}

#[async_trait]
impl TagNames for GrpcTagNames {
    async fn resolve(&self, question: NamesQuestion) -> Result<NamesAnswer, NamesError> {
        let mut client = self.client().await?;
        let mut request = Request::new(names_question_to(question));
        request.set_timeout(WITHIN);
        let answer = client.resolve_names(request).await.map_err(|status| refused(&status))?;
        names_answer_from(answer.into_inner())
            .ok_or_else(|| NamesError::Unavailable("it answers in words unknown to this version".into()))
    }
}

fn refused(status: &Status) -> NamesError {
    let text = status.message().to_owned();
    match status.code() {
        Code::InvalidArgument | Code::NotFound | Code::FailedPrecondition | Code::PermissionDenied => {
            NamesError::Refused(text)
        }
        code => NamesError::Unavailable(format!("{code:?}: {text}")),
    }
}

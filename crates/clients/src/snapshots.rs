//! Versions of datasets, kept by the campaigns role elsewhere.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tagbid_catalog::Dataset;
use tagbid_ports::{SnapshotBook, SnapshotBookError, SnapshotStep};
use tagbid_wire::campaigns::{snapshot_step_to, snapshots_changed_from};
use tagbid_wire::pb::campaigns::snapshot_book_service_client::SnapshotBookServiceClient;
use tokio::sync::OnceCell;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::Endpoint;
use crate::catalog::Bearer;

/// One short transaction, which may have to wait for others.
const WITHIN: Duration = Duration::from_secs(10);

type Client = SnapshotBookServiceClient<InterceptedService<Channel, Bearer>>;

/// Asks the campaigns role over gRPC. Connects when it is first asked, and again when the connection is lost. Cheap to
/// clone; clones share the connection.
#[derive(Clone, Debug)]
pub struct GrpcSnapshotBook {
    campaigns: Endpoint,
    client: Arc<OnceCell<Client>>,
}

impl GrpcSnapshotBook {
    /// Asks this campaigns role.
    pub fn new(campaigns: Endpoint) -> Self {
        Self { campaigns, client: Arc::default() }
    }

    async fn client(&self) -> Result<Client, SnapshotBookError> {
        let connect = async || self.campaigns.connect().await.map(SnapshotBookServiceClient::new);
        let connected: Result<&Client, tonic::transport::Error> = self.client.get_or_try_init(connect).await;
        connected.cloned().map_err(|error| SnapshotBookError::Unavailable(error.to_string()))
    }
}

#[async_trait]
impl SnapshotBook for GrpcSnapshotBook {
    async fn step(&self, step: SnapshotStep) -> Result<(u32, Arc<Dataset>), SnapshotBookError> {
        let mut client = self.client().await?;
        let mut request = Request::new(snapshot_step_to(step));
        request.set_timeout(WITHIN);
        let answer = client.change_snapshots(request).await.map_err(|status| refused(&status))?;
        snapshots_changed_from(&answer.into_inner()).ok_or_else(|| {
            SnapshotBookError::Unavailable("it answers in words unknown to this version".into())
        })
    }
}

fn refused(status: &Status) -> SnapshotBookError {
    let text = status.message().to_owned();
    match status.code() {
        Code::InvalidArgument | Code::NotFound | Code::FailedPrecondition | Code::PermissionDenied => {
            SnapshotBookError::Refused(text)
        }
        code => SnapshotBookError::Unavailable(format!("{code:?}: {text}")),
    }
}

//! `SnapshotBookService`.

use std::sync::Arc;

use tagbid_catalog::Report;
use tagbid_runtime::auth::principal;
use tagbid_wire::campaigns::{snapshot_step_from, snapshots_changed_to};
use tagbid_wire::pb::campaigns as pb;
use tagbid_wire::pb::campaigns::snapshot_book_service_server::SnapshotBookService;
use tonic::{Request, Response, Status};

use crate::error::CampaignsError;
use crate::service::Inner;

/// Versions of datasets for the tags role.
#[derive(Clone)]
pub(crate) struct SnapshotsGrpc(pub(crate) Arc<Inner>);

#[tonic::async_trait]
impl SnapshotBookService for SnapshotsGrpc {
    async fn change_snapshots(
        &self,
        request: Request<pb::ChangeSnapshotsRequest>,
    ) -> Result<Response<pb::ChangeSnapshotsResponse>, Status> {
        let who = principal(&request)?;
        let mut report = Report::default();
        let step = snapshot_step_from(request.into_inner(), &mut report);
        let step = step.ok_or_else(|| CampaignsError::Invalid(report.into_problems()))?;
        let (version, dataset) = self.0.core.change_snapshots(&who, &step).await?;
        Ok(Response::new(snapshots_changed_to(version, &dataset)))
    }
}

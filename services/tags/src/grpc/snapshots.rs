//! `SnapshotService`: loads, and what becomes of the versions that they make.

use std::sync::Arc;

use futures_util::stream::BoxStream;
use futures_util::{StreamExt, stream};
use tagbid_catalog::snapshots::OPEN;
use tagbid_catalog::{Dataset, DatasetKind, SnapshotChange, SnapshotState};
use tagbid_runtime::auth::{self, Tokens};
use tagbid_types::Principal;
use tagbid_wire::pb::tags as pb;
use tagbid_wire::pb::tags::snapshot_service_server::{SnapshotService, SnapshotServiceServer};
use tagbid_wire::tags as wire;
use tonic::service::RoutesBuilder;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Response, Status, Streaming};

use super::load::Loading;
use super::refusal::{Violation, not_done};
use super::write::Write;
use super::{MAX_REQUEST, tenant};
use crate::Service;
use crate::store::Version;

pub(super) fn add_service(service: &Service, routes: &mut RoutesBuilder, tokens: Tokens) {
    let server = SnapshotServiceServer::new(service.clone()).max_decoding_message_size(MAX_REQUEST);
    routes.add_service(InterceptedService::new(server, tokens));
}

/// Loads under way in one node. Each holds [`super::load`]'s messages and names, a few hundred MiB at the very most.
pub(crate) const MAX_LOADS: usize = 16;

/// Datasets in one answer.
const MOST_FOUND: usize = 1_000;

/// A dataset's name as it is compared.
fn fold(name: &str) -> String {
    name.trim().to_lowercase()
}

/// Who asks, and for which of whose versions.
struct Asked {
    by: String,
    version: Version,
}

impl Service {
    /// Checks rights; a version of somebody else's dataset looks like none.
    fn asked<T>(&self, request: &Request<T>, dataset: u32, number: u32) -> Result<Asked, Status> {
        let caller: Principal = auth::principal(request)?;
        let dataset = Write::new(self, tenant(&caller)?).own_dataset(dataset)?;
        Ok(Asked { by: caller.name, version: Version { dataset, number } })
    }
}

#[tonic::async_trait]
impl SnapshotService for Service {
    type LoadSnapshotStream = BoxStream<'static, Result<pb::LoadSnapshotResponse, Status>>;

    async fn load_snapshot(
        &self,
        request: Request<Streaming<pb::LoadSnapshotRequest>>,
    ) -> Result<Response<Self::LoadSnapshotStream>, Status> {
        let caller = auth::principal(&request)?;
        let place = Arc::clone(&self.inner.load_streams).try_acquire_owned().map_err(|_| {
            Status::resource_exhausted(format!(
                "this node takes {MAX_LOADS} loads at once: try again when one of them has ended, or send it to another node"
            ))
        })?;
        let drain = self.inner.drain.clone();
        let steps = request.into_inner().take_until(async move { drain.wait().await });
        let loading = Loading::new(self.clone(), tenant(&caller)?, caller.name, steps.boxed());
        let answers = stream::unfold(Some((loading, place)), async |under_way| {
            let (mut loading, place) = under_way?;
            let answer = loading.answer().await?;
            let next = answer.is_ok().then_some((loading, place));
            Some((answer, next))
        });
        Ok(Response::new(answers.boxed()))
    }

    async fn find_datasets(
        &self,
        request: Request<pb::FindDatasetsRequest>,
    ) -> Result<Response<pb::FindDatasetsResponse>, Status> {
        let tenant = tenant(&auth::principal(&request)?)?;
        let (write, wanted) = (Write::new(self, tenant), fold(&request.get_ref().name));
        let kind = if request.get_ref().realtime { DatasetKind::Realtime } else { DatasetKind::Offline };
        let own = write.registry.datasets().filter(|one| one.kind == kind && write.own(one.id.0).is_ok());
        let named = own.filter(|one| wanted.is_empty() || fold(&one.name) == wanted);
        let found = named.map(|one| pb::FoundDataset {
            id: one.id.0,
            name: one.name.clone(),
            advertiser: one.advertiser.map_or(0, |advertiser| advertiser.0),
        });
        let mut datasets: Vec<_> = found.collect();
        datasets.sort_unstable_by_key(|one| one.id);
        datasets.truncate(MOST_FOUND);
        Ok(Response::new(pb::FindDatasetsResponse { datasets }))
    }

    async fn list_snapshots(
        &self,
        request: Request<pb::ListSnapshotsRequest>,
    ) -> Result<Response<pb::DatasetSnapshots>, Status> {
        let asked = self.asked(&request, request.get_ref().dataset, 0)?;
        let found = self.inner.versions.dataset(asked.version.dataset);
        let none = || Dataset { id: asked.version.dataset, ..Dataset::default() };
        Ok(Response::new(found.map_or_else(|| snapshots_to(&none()), |found| snapshots_to(&found))))
    }

    async fn activate_snapshot(
        &self,
        request: Request<pb::ActivateSnapshotRequest>,
    ) -> Result<Response<pb::DatasetSnapshots>, Status> {
        let message = request.get_ref();
        let Asked { by, version } = self.asked(&request, message.dataset, message.version)?;
        let dataset = self.inner.versions.activate(version, &by).await.map_err(not_done)?;
        Ok(Response::new(snapshots_to(&dataset)))
    }

    async fn roll_back_snapshot(
        &self,
        request: Request<pb::RollBackSnapshotRequest>,
    ) -> Result<Response<pb::DatasetSnapshots>, Status> {
        let message = request.get_ref();
        let Asked { by, version } = self.asked(&request, message.dataset, message.version)?;
        let dataset = self.inner.versions.roll_back(version, &by).await.map_err(not_done)?;
        Ok(Response::new(snapshots_to(&dataset)))
    }

    async fn drop_snapshot(
        &self,
        request: Request<pb::DropSnapshotRequest>,
    ) -> Result<Response<pb::DatasetSnapshots>, Status> {
        let message = request.get_ref();
        let Asked { by, version } = self.asked(&request, message.dataset, message.version)?;
        let change = SnapshotChange::Drop(version.number);
        let dropped = self.inner.versions.step(version.dataset, &by, change).await;
        let (_, dataset) = dropped.map_err(|error| not_done(error.into()))?;
        Ok(Response::new(snapshots_to(&dataset)))
    }
}

pub(super) fn snapshots_to(dataset: &Dataset) -> pb::DatasetSnapshots {
    let all = &dataset.snapshots;
    let snapshots = all.versions.iter().map(|one| pb::SnapshotInfo {
        version: one.version,
        stage: match one.state {
            SnapshotState::Loading => pb::SnapshotStage::Loading,
            SnapshotState::Loaded => pb::SnapshotStage::Loaded,
            SnapshotState::Dropping => pb::SnapshotStage::Dropping,
        }
        .into(),
        load: one.load.clone(),
        as_of: (!one.is_open()).then(|| wire::to_timestamp(one.as_of)),
        users: one.users,
        begin_time: Some(wire::to_timestamp(one.begun)),
    });
    pb::DatasetSnapshots {
        dataset: dataset.id.0,
        active: all.active.unwrap_or(0),
        previous: all.previous.unwrap_or(0),
        snapshots: snapshots.collect(),
    }
}

/// A name that a sender may give a load.
pub(super) fn load_name(load: &str) -> Result<(), Violation> {
    match load {
        OPEN => {
            Err(Violation::new("begin.load", "is the name of what is written user by user: choose another"))
        }
        _ => Ok(()),
    }
}

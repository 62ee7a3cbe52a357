//! Versions of datasets.

use std::sync::Arc;

use tagbid_catalog::{Dataset, RegistryEpoch, Report, Snapshot, SnapshotChange, SnapshotState, Snapshots};
use tagbid_ports::SnapshotStep;
use tagbid_types::DatasetId;

use super::common::{time_to, timestamp};
use super::dataset::{dataset_from, dataset_to};
use crate::pb::campaigns as pb;

pub(super) fn snapshots_to(all: &Snapshots) -> Option<pb::Snapshots> {
    Some(pb::Snapshots {
        last: all.last,
        active: all.active.unwrap_or(0),
        previous: all.previous.unwrap_or(0),
        versions: all.versions.iter().map(snapshot_to).collect(),
    })
}

fn snapshot_to(one: &Snapshot) -> pb::Snapshot {
    let state = match one.state {
        SnapshotState::Loading => pb::SnapshotState::Loading,
        SnapshotState::Loaded => pb::SnapshotState::Loaded,
        SnapshotState::Dropping => pb::SnapshotState::Dropping,
    };
    pb::Snapshot {
        version: one.version,
        state: state.into(),
        load: one.load.clone(),
        as_of: Some(time_to(one.as_of)),
        registry_epoch: one.epoch.to_string(),
        users: one.users,
        begin_time: Some(time_to(one.begun)),
    }
}

/// In requests it means nothing; in the stream it is the store's word.
pub(super) fn snapshots_from(all: Option<&pb::Snapshots>) -> Snapshots {
    let Some(all) = all else { return Snapshots::default() };
    let version = |number: u32| (number != 0).then_some(number);
    Snapshots {
        last: all.last,
        active: version(all.active),
        previous: version(all.previous),
        versions: all.versions.iter().map(snapshot_from).collect(),
    }
}

fn snapshot_from(one: &pb::Snapshot) -> Snapshot {
    let time = |time: &Option<prost_types::Timestamp>| time.as_ref().and_then(timestamp).unwrap_or_default();
    Snapshot {
        version: one.version,
        state: match one.state() {
            pb::SnapshotState::Loaded => SnapshotState::Loaded,
            pb::SnapshotState::Dropping => SnapshotState::Dropping,
            pb::SnapshotState::Loading | pb::SnapshotState::Unspecified => SnapshotState::Loading,
        },
        load: one.load.clone(),
        as_of: time(&one.as_of),
        epoch: one.registry_epoch.parse().unwrap_or_default(),
        users: one.users,
        begun: time(&one.begin_time),
    }
}

/// Writes a step.
pub fn snapshot_step_to(step: SnapshotStep) -> pb::ChangeSnapshotsRequest {
    use pb::change_snapshots_request::Change as C;
    let change = match step.change {
        SnapshotChange::Begin { load, as_of, epoch } => {
            let (as_of, registry_epoch) = (Some(time_to(as_of)), epoch.to_string());
            C::Begin(pb::BeginSnapshot { load, as_of, registry_epoch })
        }
        SnapshotChange::Loaded { version, users } => C::Loaded(pb::SnapshotLoaded { version, users }),
        SnapshotChange::Activate(version) => C::Activate(version),
        SnapshotChange::RollBack(version) => C::RollBack(version),
        SnapshotChange::Drop(version) => C::Drop(version),
        SnapshotChange::Dropped(version) => C::Dropped(version),
    };
    pb::ChangeSnapshotsRequest { dataset_id: step.dataset.0, by: step.by, change: Some(change) }
}

/// Reads a step; none, and the problem noted, when it is none.
pub fn snapshot_step_from(request: pb::ChangeSnapshotsRequest, report: &mut Report) -> Option<SnapshotStep> {
    use pb::change_snapshots_request::Change as C;
    let Some(change) = request.change else {
        report.problem("change", "is missing", "say which step to make");
        return None;
    };
    let change = match change {
        C::Begin(begin) => begin_from(begin, report)?,
        C::Loaded(loaded) => SnapshotChange::Loaded { version: loaded.version, users: loaded.users },
        C::Activate(version) => SnapshotChange::Activate(version),
        C::RollBack(version) => SnapshotChange::RollBack(version),
        C::Drop(version) => SnapshotChange::Drop(version),
        C::Dropped(version) => SnapshotChange::Dropped(version),
    };
    Some(SnapshotStep { dataset: DatasetId(request.dataset_id), by: request.by, change })
}

fn begin_from(begin: pb::BeginSnapshot, report: &mut Report) -> Option<SnapshotChange> {
    let as_of = begin.as_of.as_ref().and_then(timestamp);
    if as_of.is_none() {
        report.problem(
            "begin.as_of",
            "is missing or no valid time",
            "give the moment that the tags describe",
        );
    }
    let epoch: Option<RegistryEpoch> = begin.registry_epoch.parse().ok();
    if epoch.is_none() {
        report.problem(
            "begin.registry_epoch",
            "is not an epoch",
            "give the one that ResolveNames answered with",
        );
    }
    Some(SnapshotChange::Begin { load: begin.load, as_of: as_of?, epoch: epoch? })
}

/// Writes the answer to a step.
pub fn snapshots_changed_to(version: u32, dataset: &Dataset) -> pb::ChangeSnapshotsResponse {
    pb::ChangeSnapshotsResponse { version, dataset: Some(dataset_to(dataset)) }
}

/// Reads it; none when it is not one of this version.
pub fn snapshots_changed_from(response: &pb::ChangeSnapshotsResponse) -> Option<(u32, Arc<Dataset>)> {
    let dataset = dataset_from(response.dataset.as_ref()?, &mut Report::default());
    Some((response.version, Arc::new(dataset)))
}

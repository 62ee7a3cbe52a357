//! Versions of datasets: the tags role makes steps, the catalog keeps them.

use std::sync::Arc;

use tagbid_catalog::{Dataset, Entity, Registry, SnapshotChange};
use tagbid_ports::SnapshotStep;
use tagbid_types::{Principal, Timestamp};

use crate::catalog::Core;
use crate::error::CampaignsError;
use crate::rights::check_role;
use crate::store::audit::{self, Action};
use crate::store::entities;

/// Most datasets that are active at once: one lookup reads a blob of each.
pub(crate) const MAX_ACTIVE_DATASETS: usize = 8;

impl Core {
    /// Makes a step; the version that it was about, and the dataset after it.
    pub(crate) async fn change_snapshots(
        &self,
        who: &Principal,
        step: &SnapshotStep,
    ) -> Result<(u32, Arc<Dataset>), CampaignsError> {
        check_role(who)?;
        let mut session = self.store.write().await?;
        let now = self.clock.now();
        let (registry, _) = self.registry_at(session.as_mut()).await?;
        let old = registry.dataset(step.dataset);
        let old = old.ok_or(CampaignsError::NotFound(step.dataset.into()))?;
        let (version, new) = made(&registry, old, &step.change, now)?;
        if new == **old {
            return Ok((version, Arc::clone(old)));
        }
        let mut entity = Entity::Dataset(Arc::new(new));
        let revision = entities::put(session.as_mut(), &mut entity, now).await?;
        let by = Principal { name: step.by.clone(), scope: who.scope.clone() };
        let by = if step.by.is_empty() { who } else { &by };
        let fields = [format!("snapshots: {}", in_words(&step.change, version))];
        audit::entity(session.as_mut(), by, Action::Update, entity.key(), revision, &fields, now).await?;
        session.commit().await?;
        self.hub.wake();
        match entity {
            Entity::Dataset(dataset) => Ok((version, dataset)),
            _ => Err(CampaignsError::Internal("a dataset became something else".into())),
        }
    }
}

/// The dataset after a step.
fn made(
    registry: &Registry,
    old: &Dataset,
    change: &SnapshotChange,
    now: Timestamp,
) -> Result<(u32, Dataset), CampaignsError> {
    let leaves = matches!(change, SnapshotChange::Drop(_) | SnapshotChange::Dropped(_));
    if old.header.archived && !leaves {
        return Err(CampaignsError::Archived(old.id.into()));
    }
    if let SnapshotChange::Begin { epoch, .. } = change {
        registry.check_epoch(epoch)?;
    }
    let mut new = old.clone();
    let version = new.snapshots.apply(change, now)?;
    if let Some(active) = new.snapshots.active().filter(|_| new.snapshots.active != old.snapshots.active) {
        // The catalog may have been restored from a backup since the load began.
        registry.check_epoch(&active.epoch)?;
        let others =
            registry.datasets().filter(|other| other.id != old.id && other.active_version().is_some());
        if others.count() >= MAX_ACTIVE_DATASETS {
            return Err(CampaignsError::TooManyDatasets);
        }
    }
    Ok((version, new))
}

/// For the audit log.
fn in_words(change: &SnapshotChange, version: u32) -> String {
    let done = match change {
        SnapshotChange::Begin { .. } => "begin",
        SnapshotChange::Loaded { .. } => "loaded",
        SnapshotChange::Activate(_) => "activate",
        SnapshotChange::RollBack(_) => "roll back",
        SnapshotChange::Drop(_) => "drop",
        SnapshotChange::Dropped(_) => "dropped",
    };
    format!("{done} {version}")
}

//! Which versions of datasets there are and which of them count, as the catalog keeps it.

use std::sync::Arc;

use async_trait::async_trait;
use tagbid_catalog::{Dataset, SnapshotChange};
use tagbid_types::DatasetId;
use thiserror::Error;

/// One step in the life of a dataset's snapshots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotStep {
    /// The dataset.
    pub dataset: DatasetId,
    /// On whose behalf, for the audit log.
    pub by: String,
    /// The step.
    pub change: SnapshotChange,
}

/// Why a step was not made: nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SnapshotBookError {
    /// It cannot be made, and asking again changes nothing.
    #[error("{0}")]
    Refused(String),
    /// The campaigns role could not be asked; the same step may be tried again.
    #[error("the campaigns role cannot be asked for versions of datasets now: {0}")]
    Unavailable(String),
}

/// Makes steps durable. Each may be made again: the second time changes nothing and is answered alike.
#[async_trait]
pub trait SnapshotBook: Send + Sync + 'static {
    /// Makes a step; the version that it was about, and the dataset after it.
    async fn step(&self, step: SnapshotStep) -> Result<(u32, Arc<Dataset>), SnapshotBookError>;
}

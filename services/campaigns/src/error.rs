//! Why a request was not carried out. `grpc::status` turns it into the wire's words.

use tagbid_catalog::{EntityKey, EpochError, FieldProblem, SnapshotError};
use tagbid_ports::{ExplainError, FunnelError};
use thiserror::Error;

use crate::snapshots::MAX_ACTIVE_DATASETS;
use crate::store::StoreError;

/// Why a request was not carried out; nothing of it was.
#[derive(Debug, Error)]
pub enum CampaignsError {
    /// Fields of the request cannot be accepted: all of them.
    #[error("{}", first(.0))]
    Invalid(Vec<FieldProblem>),
    /// There is no such entity, or it is somebody else's: the caller cannot tell which.
    #[error("there is no {0}")]
    NotFound(EntityKey),
    /// The caller may not do this to anything.
    #[error("{0}")]
    Denied(&'static str),
    /// Somebody else changed the entity since the caller read it.
    #[error("{key} has changed since: its etag is {etag}, not the one sent; read it again")]
    Stale {
        /// The entity.
        key: EntityKey,
        /// Its etag now.
        etag: String,
    },
    /// Archived entities never change again.
    #[error("{0} is archived and never changes again")]
    Archived(EntityKey),
    /// The step in a snapshot's life cannot be made.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The ids of a snapshot's tags do not mean here what they meant where it was made.
    #[error("the snapshot cannot be used: {0}")]
    Epoch(#[from] EpochError),
    /// Another dataset would make a lookup too wide.
    #[error(
        "{MAX_ACTIVE_DATASETS} datasets are active already, and a lookup reads no more: archive one that is not needed"
    )]
    TooManyDatasets,
    /// The request id was used for another request.
    #[error("request_id {0:?} was used for another request within the last 24 hours; make up a new one")]
    RequestReused(String),
    /// There is no explanation.
    #[error(transparent)]
    Explain(#[from] ExplainError),
    /// There are no counts.
    #[error(transparent)]
    Funnel(#[from] FunnelError),
    /// Nothing that reach is estimated from could be asked.
    #[error("reach cannot be estimated now: {0}")]
    NoReach(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A fault of ours.
    #[error("internal fault: {0}")]
    Internal(String),
}

impl CampaignsError {
    /// One field that cannot be accepted.
    pub(crate) fn field(
        field: impl Into<String>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::Invalid(vec![FieldProblem {
            field: field.into(),
            problem: problem.into(),
            remedy: remedy.into(),
        }])
    }
}

fn first(problems: &[FieldProblem]) -> String {
    match problems {
        [] => "the request cannot be accepted".into(),
        [one] => one.to_string(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
    }
}

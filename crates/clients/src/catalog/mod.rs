//! The catalog in every process that needs it: streamed over gRPC ([`GrpcCatalog`]), followed into memory
//! ([`CatalogFollower`]), and kept on disk ([`CatalogCopy`]) so that a process starts though the campaigns role is away.

mod backoff;
mod copy;
mod endpoint;
mod follow;
mod grpc;
mod save;
mod state;

pub use backoff::Backoff;
pub use copy::{CatalogCopy, CopyError, SavedCatalog};
pub(crate) use endpoint::Bearer;
pub use endpoint::{Endpoint, EndpointError};
pub use follow::{CatalogFollower, FollowOptions};
pub use grpc::{GrpcCatalog, GrpcSuppressions};
pub use state::{CatalogState, CatalogView, Changed, Gap, Position};

#[cfg(test)]
mod tests;

//! The ports over gRPC.

mod lookup;

pub use lookup::{GrpcLookupSource, LookupError};

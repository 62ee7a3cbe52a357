//! The ports over gRPC.

//! The gRPC edge: messages in, plain types through, messages out. Nothing is decided here.

mod campaigns;
mod counted;
mod funnel;
mod reach;
mod registry;
mod request;
mod snapshots;
mod status;
mod stream;
mod suppression;

use std::sync::Arc;

use tagbid_runtime::auth::Tokens;
use tagbid_wire::pb::campaigns::campaigns_service_server::CampaignsServiceServer;
use tagbid_wire::pb::campaigns::catalog_stream_server::CatalogStreamServer;
use tagbid_wire::pb::campaigns::snapshot_book_service_server::SnapshotBookServiceServer;
use tagbid_wire::pb::campaigns::suppression_service_server::SuppressionServiceServer;
use tagbid_wire::pb::campaigns::tag_registry_service_server::TagRegistryServiceServer;
use tonic::service::RoutesBuilder;
use tonic::service::interceptor::InterceptedService;

use crate::service::Inner;
use campaigns::CampaignsGrpc;
use counted::Counted;
use registry::RegistryGrpc;
use snapshots::SnapshotsGrpc;
use stream::StreamGrpc;
use suppression::SuppressionGrpc;

/// Largest request. A list of 100,000 domains is the reason for more than a mebibyte.
const MAX_REQUEST: usize = 4 * 1024 * 1024;

/// Largest message about names: ten thousand of the longest.
const MAX_NAMES: usize = 16 * 1024 * 1024;

/// Adds the role's services; every call needs one of the tokens.
pub(crate) fn add_services(inner: &Arc<Inner>, routes: &mut RoutesBuilder, tokens: Tokens) {
    let campaigns =
        CampaignsServiceServer::new(CampaignsGrpc(Arc::clone(inner))).max_decoding_message_size(MAX_REQUEST);
    let registry = TagRegistryServiceServer::new(RegistryGrpc(Arc::clone(inner)))
        .max_decoding_message_size(MAX_NAMES)
        .max_encoding_message_size(MAX_NAMES);
    let snapshots = SnapshotBookServiceServer::new(SnapshotsGrpc(Arc::clone(inner)));
    let stream = StreamGrpc(Arc::clone(inner));
    let suppression = SuppressionGrpc(Arc::clone(inner));
    routes
        .add_service(counted(inner, InterceptedService::new(campaigns, tokens.clone())))
        .add_service(counted(inner, InterceptedService::new(registry, tokens.clone())))
        .add_service(counted(inner, InterceptedService::new(snapshots, tokens.clone())))
        .add_service(counted(inner, CatalogStreamServer::with_interceptor(stream, tokens.clone())))
        .add_service(counted(inner, SuppressionServiceServer::with_interceptor(suppression, tokens)));
}

fn counted<S>(inner: &Arc<Inner>, service: S) -> Counted<S> {
    Counted { service, metrics: Arc::clone(inner.core.hub.metrics()) }
}

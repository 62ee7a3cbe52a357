//! A gRPC port: the services' routes, health and reflection, with limits, until the drain.

use std::time::Duration;

use tokio::net::TcpListener;
use tonic::service::RoutesBuilder;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::server::HealthReporter;

use crate::Drain;

/// Requests at once on one connection.
const STREAMS: u32 = 256;

/// Serves these routes with health (`grpc.health.v1`) and reflection (v1 and v1alpha) until the drain. `descriptors` is the
/// encoded file descriptor set of every service. Health turns to not-serving when the drain starts.
pub async fn serve(
    listener: TcpListener,
    mut routes: RoutesBuilder,
    descriptors: &'static [u8],
    drain: Drain,
) -> Result<(), String> {
    let (reporter, health) = tonic_health::server::health_reporter();
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(descriptors)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let problem = |error| format!("gRPC reflection: {error}");
    routes
        .add_service(health)
        .add_service(reflection().build_v1().map_err(problem)?)
        // Most clients still ask in the old words.
        .add_service(reflection().build_v1alpha().map_err(problem)?);
    Server::builder()
        .max_concurrent_streams(STREAMS)
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_max_header_list_size(Some(16 * 1024))
        .tcp_nodelay(true)
        .add_routes(routes.routes())
        .serve_with_incoming_shutdown(
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            drained(drain, reporter),
        )
        .await
        .map_err(|error| format!("gRPC port: {error}"))
}

async fn drained(drain: Drain, reporter: HealthReporter) {
    drain.wait().await;
    reporter.set_service_status("", tonic_health::ServingStatus::NotServing).await;
}

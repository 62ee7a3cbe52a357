//! A gRPC port: the services' routes, health and reflection, with limits, until the drain.

mod port;

use std::collections::HashMap;
use std::time::Duration;

use tokio::net::TcpListener;
use tonic::service::RoutesBuilder;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tower::util::MapResponseLayer;

use crate::trace::TraceCalls;
use crate::{Drain, undecodable};

pub use port::Port;

/// Bytes of a call's head.
const HEAD_BYTES: u32 = 16 * 1024;

/// Streams that a peer reset before we saw them (CVE-2023-44487), and that we reset because a peer broke a rule
/// (CVE-2025-8671), on one connection until it gets a GOAWAY.
const RESET_UNSEEN: usize = 20;
const RESET_BY_US: usize = 64;

/// How often health is brought up to the roles' readiness.
const HEALTH_EVERY: Duration = Duration::from_millis(100);

/// Which services can be used now, by full name ("tagbid.tags.v1.TagService"); "" stands for the whole process, as
/// `grpc.health.v1` has it.
pub type Health = Box<dyn Fn() -> Vec<(String, bool)> + Send + Sync>;

/// Serves these routes with health (`grpc.health.v1`) and reflection (v1 and v1alpha) until the drain. `descriptors` is the
/// encoded file descriptor set of every service. Health follows `health`, and turns to not-serving when the process
/// leaves.
pub async fn serve(
    listener: TcpListener,
    port: Port,
    mut routes: RoutesBuilder,
    descriptors: &'static [u8],
    health: Health,
    drain: Drain,
) -> Result<(), String> {
    let (mut reporter, health_service) = tonic_health::server::health_reporter();
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(descriptors)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let problem = |error| format!("gRPC reflection: {error}");
    routes
        .add_service(health_service)
        .add_service(reflection().build_v1().map_err(problem)?)
        // Most clients still ask in the old words.
        .add_service(reflection().build_v1alpha().map_err(problem)?);
    let drained = drain.clone();
    let served = Server::builder()
        .max_concurrent_streams(port.limits.streams)
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_max_header_list_size(Some(HEAD_BYTES))
        .http2_max_pending_accept_reset_streams(Some(RESET_UNSEEN))
        .http2_max_local_error_reset_streams(Some(RESET_BY_US))
        .layer(TraceCalls)
        .layer(MapResponseLayer::new(undecodable::refuse))
        .add_routes(routes.routes())
        .serve_with_incoming_shutdown(port.incoming(listener), async move { drained.wait().await });
    tokio::select! {
        served = served => served.map_err(|error| format!("gRPC port: {error}")),
        never = report(&mut reporter, &health, &drain) => match never {},
    }
}

/// Keeps the health service up to date. Never ends; dropped with the port.
async fn report(reporter: &mut HealthReporter, health: &Health, drain: &Drain) -> std::convert::Infallible {
    let mut told = HashMap::new();
    loop {
        for (service, ready) in health() {
            let status =
                if ready && !drain.is_leaving() { ServingStatus::Serving } else { ServingStatus::NotServing };
            if told.get(&service) != Some(&status) {
                reporter.set_service_status(&service, status).await;
                told.insert(service, status);
            }
        }
        tokio::select! {
            () = drain.wait_leaving(), if !drain.is_leaving() => {}
            () = drain.wait() => break,
            () = tokio::time::sleep(HEALTH_EVERY) => {}
        }
    }
    // Ends the streams of those who watch, after their last news: the port waits for every stream.
    for service in told.keys() {
        reporter.clear_service_status(service).await;
    }
    std::future::pending().await
}

#[cfg(test)]
mod tests;

//! The operator's port: metrics, health, the settings in force, profiles. Never on a public address.

mod roles;

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde::Deserialize;
use tokio::net::TcpListener;

use crate::Drain;
use crate::process::Process;
use crate::profile::{ProfileError, profile};
use crate::telemetry::Panics;

use roles::{ByRole, Roles};
pub use roles::{Readiness, RoleGauge};

/// Content type of the OpenMetrics text exposition.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the admin port shows.
#[derive(Default)]
pub struct Admin {
    registry: Mutex<Registry>,
    roles: Arc<Roles>,
    settings: String,
}

impl Admin {
    /// Shows these settings (already masked) under `/config`.
    pub fn new(settings: String) -> Self {
        let admin = Self { settings, ..Self::default() };
        let by_role = ByRole(Arc::clone(&admin.roles));
        admin.register(|registry| {
            registry.register_collector(Box::new(Process));
            registry.register_collector(Box::new(Panics));
            registry.register_collector(Box::new(by_role));
        });
        admin
    }

    /// Adds metrics.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.registry.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Adds a role's readiness.
    pub fn ready_when(&self, role: &'static str, check: Readiness) {
        self.roles.check(role, check);
    }

    /// Adds a role's series of a gauge that several roles have; one without a value now is left out.
    pub fn gauge_of_role(
        &self,
        name: &'static str,
        help: &'static str,
        role: &'static str,
        value: RoleGauge,
    ) {
        self.roles.gauge(name, help, role, value);
    }

    /// What the roles still wait for; empty when all are ready.
    pub fn waiting(&self) -> Vec<String> {
        self.roles.waiting()
    }

    /// Whether a role is ready. One that nobody checks always is.
    pub fn is_ready(&self, role: &str) -> bool {
        self.roles.is_ready(role)
    }

    fn metrics(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry.lock().unwrap_or_else(PoisonError::into_inner))?;
        Ok(text)
    }

    /// Serves until the drain. `/readyz` says 503 as soon as the process leaves, so that load balancers look elsewhere.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, drain: Drain) {
        let ended = drain.clone();
        let router = Router::new()
            .route("/metrics", get(metrics))
            .route("/healthz", get(async || "alive\n"))
            .route("/readyz", get(ready))
            .route("/debug/pprof/profile", get(cpu_profile))
            .route("/config", get(async |State((admin, _)): State<Shared>| admin.settings.clone()))
            .with_state((self, drain));
        let served =
            axum::serve(listener, router).with_graceful_shutdown(async move { ended.wait().await }).await;
        if let Err(error) = served {
            tracing::error!(%error, "admin port failed");
        }
    }
}

type Shared = (Arc<Admin>, Drain);

async fn metrics(State((admin, _)): State<Shared>) -> impl IntoResponse {
    match admin.metrics() {
        Ok(text) => (StatusCode::OK, [(CONTENT_TYPE, OPEN_METRICS)], text),
        Err(error) => {
            let text = format!("metrics: {error}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, [(CONTENT_TYPE, "text/plain")], text)
        }
    }
}

/// How long to sample, in seconds.
#[derive(Debug, Deserialize)]
struct Asked {
    #[serde(default = "ten")]
    seconds: u64,
}

fn ten() -> u64 {
    10
}

/// A CPU profile for `go tool pprof http://HOST:PORT/debug/pprof/profile?seconds=10`.
async fn cpu_profile(State((_, drain)): State<Shared>, Query(asked): Query<Asked>) -> Response {
    let taken = tokio::select! {
        taken = profile(asked.seconds) => taken,
        () = drain.wait() => return (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response(),
    };
    let refused =
        |status: StatusCode, problem: ProfileError| (status, format!("{problem}\n")).into_response();
    match taken {
        Ok(profile) => ([(CONTENT_TYPE, "application/octet-stream")], profile).into_response(),
        Err(problem @ ProfileError::Seconds(_)) => refused(StatusCode::BAD_REQUEST, problem),
        Err(problem @ ProfileError::Busy) => refused(StatusCode::CONFLICT, problem),
        Err(problem @ ProfileError::System(_)) => refused(StatusCode::INTERNAL_SERVER_ERROR, problem),
    }
}

async fn ready(State((admin, drain)): State<Shared>) -> impl IntoResponse {
    if drain.is_leaving() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n".to_owned());
    }
    let waiting = admin.waiting();
    if waiting.is_empty() {
        (StatusCode::OK, "ready\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, waiting.join("\n") + "\n")
    }
}

//! What the operator serves over HTTP: `/metrics`, `/livez`, `/readyz`.
//!
//! Alive means that the process turns; ready means that every kind's CRD is there and its first list is
//! complete, whether this replica leads or not. An API server that is away makes neither false: the
//! operator goes on probing and must not be restarted for it.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus_client::{encoding::text::encode, registry::Registry};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{kube::gates::Gates, telemetry::exposition};

/// What the handlers read.
pub struct Served {
    /// Every metric.
    pub registry: Registry,
    /// What readiness waits for.
    pub gates: Gates,
    /// Brings gauges up to date that are computed from state.
    pub before_scrape: Box<dyn Fn() + Send + Sync>,
}

/// Serves until `stop`; requests that have begun are answered.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, served: Arc<Served>, stop: CancellationToken) -> std::io::Result<()> {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .with_state(served);
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
}

async fn metrics(State(served): State<Arc<Served>>, headers: HeaderMap) -> Response {
    (served.before_scrape)();
    let mut text = String::new();
    if let Err(error) = encode(&mut text, &served.registry) {
        return (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response();
    }
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if exposition::wants_openmetrics(accept) {
        ([(header::CONTENT_TYPE, exposition::OPENMETRICS)], text).into_response()
    } else {
        ([(header::CONTENT_TYPE, exposition::CLASSIC)], exposition::classic(&text)).into_response()
    }
}

async fn readyz(State(served): State<Arc<Served>>) -> Response {
    let waiting = served.gates.waiting();
    if waiting.is_empty() {
        return "ok\n".into_response();
    }
    let text = waiting.iter().map(|gate| format!("waiting for {gate}\n")).collect::<String>();
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

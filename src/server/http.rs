//! The HTTP listener for machines: `/metrics`, `/healthz`, `/readyz`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::http_connections::{self, Bound, Times};
use crate::metrics::Metrics;

/// What `/readyz` tells: whether milter connections are accepted.
#[derive(Debug, Default)]
pub struct Health {
    ready: AtomicBool,
}

impl Health {
    /// Listeners are bound, or no longer.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }
}

/// Connections at one time: a few collectors and whoever looks by hand.
const CONNECTIONS: usize = 64;
/// A client that never ends its request, or never takes the answer, must not keep the daemon from ending.
const TIMES: Times = Times {
    head: Duration::from_secs(30),
    life: Duration::from_secs(3600),
    grace: Duration::from_secs(2),
};

/// Serves until `stop` is cancelled, and then lets what is under way end, for two seconds at most. Of more than 64
/// connections at one time the last are closed and counted.
pub async fn serve_http(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    stop: CancellationToken,
) {
    let router = Router::new()
        .route("/metrics", get(exposition))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state((metrics.clone(), health));
    let connections = TaskTracker::new();
    let bound = Bound {
        most: CONNECTIONS,
        refused: &metrics.http_refused,
        whose: "for metrics",
        // Who may reach them is a matter of the network: they are collectors.
        address: None,
    };
    http_connections::accept(&listener, bound, &connections, &stop, |stream, _| {
        let pages = TowerToHyperService::new(router.clone());
        http_connections::serve(stream, pages, TIMES, stop.clone())
    })
    .await;
    connections.close();
    let _ = tokio::time::timeout(TIMES.grace, connections.wait()).await;
}

type Shared = (Arc<Metrics>, Arc<Health>);

async fn exposition(State((metrics, _)): State<Shared>) -> Response {
    match metrics.encode() {
        Ok(text) => (
            [(
                header::CONTENT_TYPE,
                "text/plain; version=0.0.4; charset=utf-8",
            )],
            text,
        )
            .into_response(),
        Err(e) => {
            tracing::error!(error = %e, "metrics cannot be encoded");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn ready(State((_, health)): State<Shared>) -> Response {
    if health.ready.load(Ordering::Acquire) {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
    }
}

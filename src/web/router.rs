//! Which page belongs to which path.

use axum::Router;
use axum::extract::State;
use axum::http::{Request, Response};
use axum::middleware::{Next, from_fn, from_fn_with_state};

use super::access::Access;
use super::console::Shared;
use super::refusal::Refusal;
use super::{
    account, api, assets, audit, classifier, configuration, headers, history, login, oidc,
    overview, policies, quarantine, rules, troubles, users, welcome, whoami,
};

/// All of the console.
pub(super) fn router(console: Shared) -> Router {
    let access = Access::new(console.clone());
    let message = console.services.settings.message_bytes;
    Router::new()
        .merge(assets::routes())
        .merge(login::routes(&access))
        .merge(oidc::routes())
        .merge(welcome::routes())
        .merge(overview::routes(&access))
        .merge(api::routes(&access, message))
        .merge(history::routes(&access))
        .merge(rules::routes(&access))
        .merge(classifier::routes(&access))
        .merge(policies::routes(&access))
        .merge(configuration::routes(&access))
        .merge(troubles::routes(&access))
        .merge(users::routes(&access))
        .merge(audit::routes(&access))
        .merge(account::routes(&access))
        .merge(whoami::routes(&access))
        .merge(quarantine::routes(&access))
        .fallback(async || Refusal::NotFound)
        .layer(from_fn(headers::secure))
        .layer(from_fn_with_state(console.clone(), count))
        .with_state(console)
}

async fn count(
    State(console): State<Shared>,
    request: Request<axum::body::Body>,
    next: Next,
) -> Response<axum::body::Body> {
    let response = next.run(request).await;
    let class = match response.status().as_u16() {
        ..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    };
    let requests = &console.services.metrics.console_requests;
    requests.with_label_values(&[class]).inc();
    response
}

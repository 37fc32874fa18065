//! The provider, when `mailweir check` asks whether it works.

use std::sync::Arc;

use super::error::OidcError;
use super::provider::Provider;
use crate::filter::{Probe, ProbeError};
use crate::metrics::Metrics;
use crate::web::Settings;

/// The provider of a console, and whether metadata and keys can be had of it; `None` where there is no provider.
pub async fn probe(console: &Settings, metrics: &Arc<Metrics>) -> Option<Probe> {
    let provider = Provider::of(console, metrics)?;
    let answer = ask(&provider).await;
    Some(Probe {
        service: provider.plan.issuer.clone(),
        answer: answer.map_err(|error| ProbeError(error.to_string())),
    })
}

async fn ask(provider: &Provider) -> Result<String, OidcError> {
    let metadata = provider.metadata().await?;
    let keys = provider.keys(&metadata, None).await?;
    match keys.len() {
        0 => Err(OidcError::Answer(
            "none of its keys is one that is taken: it must sign with RSA, ECDSA or Ed25519"
                .to_owned(),
        )),
        count => Ok(format!("{count} keys")),
    }
}

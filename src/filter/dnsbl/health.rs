//! Whether the lists of a configuration work: for `mailweir check`, never on the way of a message.

use std::path::Path;
use std::sync::Arc;

use futures_util::future::join_all;

use super::options::Options;
use super::settings::Settings;
use super::{guard, lists};
use crate::config::{Problems, Source};
use crate::dns::Dns;
use crate::filter::probe::{Probe, ProbeError};
use crate::metrics::Metrics;

/// Asks every list of `options` that is enabled at once whether it works, each within `timeout`.
///
/// # Errors
/// Every problem in `options`, with its place in `source`; a resolver that is not usable.
pub async fn health(
    options: &Options,
    dns: &Dns,
    source: &Source,
    base: &Path,
    metrics: &Arc<Metrics>,
) -> Result<Vec<Probe>, Problems> {
    let settings = Settings::check(options, source, base)?;
    if settings.zones.is_empty() {
        return Ok(Vec::new());
    }
    dns.usable()?;
    let (settings, lookups, lists, _) = lists(settings, dns, metrics);
    let probes = lists.iter().map(|list| {
        let asked = guard::test(list, &lookups, settings.timeout);
        async {
            Probe {
                service: list.zone.name.clone(),
                answer: asked.await.map_err(|fault| ProbeError(fault.detail)),
            }
        }
    });
    Ok(join_all(probes).await)
}

//! The clamd servers: which one takes the next message, and who looks whether one is back.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::inquiry;
use super::server::{Server, Stream};
use super::settings::Settings;
use crate::metrics::Metrics;

/// All servers, in the order of the configuration.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) servers: Vec<Arc<Server>>,
    probe_limit: Duration,
}

impl Pool {
    pub(super) fn new(settings: &Settings, metrics: &Arc<Metrics>) -> Pool {
        let servers = settings.servers.iter();
        Pool {
            servers: servers
                .map(|(name, address)| Arc::new(Server::new(name, address, settings, metrics)))
                .collect(),
            probe_limit: settings.limits.connect,
        }
    }

    /// Of the servers in use that `tried` does not name one with current signatures, the least busy, the first of
    /// several.
    pub(super) fn choose(&self, tried: &[&str]) -> Option<Arc<Server>> {
        let in_use = self.servers.iter().enumerate();
        in_use
            .filter(|(_, s)| s.breaker.is_closed() && !tried.contains(&s.name.as_str()))
            .max_by_key(|(place, s)| {
                (
                    s.known.outdated().is_none(),
                    s.idle_streams(),
                    Reverse(*place),
                )
            })
            .map(|(_, server)| Arc::clone(server))
    }

    /// The same for a message that is still on its way: only with a stream to spare.
    pub(super) fn choose_early(&self, tried: &[&str]) -> Option<(Arc<Server>, Stream)> {
        let server = self.choose(tried)?;
        let stream = server.early_stream()?;
        Some((server, stream))
    }

    /// The same for a message that another server has: only with a stream at once.
    pub(super) fn choose_second(&self, first: &str) -> Option<(Arc<Server>, Stream)> {
        let server = self.choose(&[first])?;
        let stream = server.stream_now()?;
        Some((server, stream))
    }

    /// Begins to probe each server that has been left alone for long enough; no message waits for it
    /// while another server is in use.
    pub(super) fn probe(&self) {
        for server in &self.servers {
            let Some(probe) = server.breaker.begin_probe(Instant::now()) else {
                continue;
            };
            let (server, limit) = (Arc::clone(server), self.probe_limit);
            tokio::spawn(async move {
                match inquiry::health(&server.address, limit).await {
                    Ok(version) => {
                        tracing::info!(server = server.name, "clamd is back in use");
                        server.known.is_back(version);
                        probe.succeeded();
                    }
                    Err(failure) => {
                        tracing::debug!(server = server.name, %failure, "clamd is not back");
                        probe.failed(Instant::now());
                    }
                }
            });
        }
    }

    /// A server that is being probed and that `tried` does not name.
    pub(super) fn probing(&self, tried: &[&str]) -> Option<Arc<Server>> {
        let mut servers = self.servers.iter();
        servers
            .find(|s| s.breaker.is_probing() && !tried.contains(&s.name.as_str()))
            .cloned()
    }
}

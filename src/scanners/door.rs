//! Where connections of these protocols come in: listeners, networks, permits, drain.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::options::{Rspamd, Settings, Spamd};
use super::{rspamd, spamd};
use crate::metrics::Metrics;
use crate::server::{Accepted, Address, Listener, Services, SocketAccess, accept};

/// A socket of either kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

/// One of the protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// That of spamd.
    Spamd,
    /// Those of rspamd.
    Rspamd,
}

impl Protocol {
    /// The word in configuration, metrics and log.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Spamd => "spamd",
            Protocol::Rspamd => "rspamd",
        }
    }
}

/// Where one protocol is spoken, and with whom.
#[derive(Clone, Debug)]
pub(super) struct Entrance {
    pub(super) protocol: Protocol,
    pub(super) listen: Vec<Address>,
    pub(super) access: SocketAccess,
    pub(super) networks: Vec<IpNet>,
    pub(super) connections: usize,
    pub(super) timeout: Duration,
}

/// The bound listeners of all protocols.
#[derive(Debug)]
pub struct Doors {
    spamd: Spamd,
    rspamd: Rspamd,
    bound: Vec<(Protocol, Listener)>,
}

impl Doors {
    /// Binds every address that is configured.
    ///
    /// # Errors
    /// What the system says, with the address.
    pub async fn bind(settings: &Settings) -> std::io::Result<Doors> {
        let Settings { spamd, rspamd } = settings.clone();
        let mut bound = Vec::new();
        for entrance in [&spamd.entrance, &rspamd.entrance] {
            for address in &entrance.listen {
                let listener = Listener::bind(address, &entrance.access).await?;
                bound.push((entrance.protocol, listener));
            }
        }
        Ok(Doors {
            spamd,
            rspamd,
            bound,
        })
    }

    /// The addresses bound to, with the ports that were chosen.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn addresses(&self) -> std::io::Result<Vec<(Protocol, Address)>> {
        let addresses = self.bound.iter();
        addresses
            .map(|(protocol, listener)| Ok((*protocol, listener.address()?)))
            .collect()
    }

    /// Serves until `drain` is cancelled and the connections have ended, at the latest the time for a drain later.
    pub async fn serve(self, services: Arc<Services>, drain: CancellationToken) {
        let Doors {
            spamd,
            rspamd,
            bound,
        } = self;
        let connections = TaskTracker::new();
        let acceptors = TaskTracker::new();
        let kill = CancellationToken::new();
        let hall = |entrance: &Entrance, manner| {
            let name = entrance.protocol.name();
            let limit = i64::try_from(entrance.connections).unwrap_or(i64::MAX);
            let limits = &services.metrics.scanner_connections_limit;
            limits.with_label_values(&[name]).set(limit);
            Arc::new(Hall {
                entrance: entrance.clone(),
                manner,
                services: services.clone(),
                permits: Arc::new(Semaphore::new(entrance.connections)),
                connections: connections.clone(),
                drain: drain.clone(),
                kill: kill.clone(),
            })
        };
        let spoken = |protocol| bound.iter().any(|(p, _)| *p == protocol);
        let spamd = spoken(Protocol::Spamd)
            .then(|| hall(&spamd.entrance.clone(), Manner::Spamd(Arc::new(spamd))));
        let rspamd = spoken(Protocol::Rspamd).then(|| {
            let entrance = rspamd.entrance.clone();
            hall(&entrance, Manner::Rspamd(Arc::new(rspamd), Instant::now()))
        });
        for (protocol, listener) in bound {
            let hall = match protocol {
                Protocol::Spamd => spamd.clone(),
                Protocol::Rspamd => rspamd.clone(),
            };
            if let Some(hall) = hall {
                acceptors.spawn(hall.receive(listener));
            }
        }
        acceptors.close();
        acceptors.wait().await;
        connections.close();
        let limit = services.settings.drain;
        if tokio::time::timeout(limit, connections.wait())
            .await
            .is_err()
        {
            kill.cancel();
            connections.wait().await;
        }
    }
}

/// What is spoken.
#[derive(Clone)]
enum Manner {
    Spamd(Arc<Spamd>),
    /// With the time of the start.
    Rspamd(Arc<Rspamd>, Instant),
}

/// All listeners of one protocol.
struct Hall {
    entrance: Entrance,
    manner: Manner,
    services: Arc<Services>,
    permits: Arc<Semaphore>,
    connections: TaskTracker,
    drain: CancellationToken,
    kill: CancellationToken,
}

impl Hall {
    async fn receive(self: Arc<Self>, listener: Listener) {
        loop {
            let accepted = tokio::select! {
                () = self.drain.cancelled() => return,
                accepted = accept(&listener) => accepted,
            };
            match accepted {
                Ok(Accepted::Tcp(socket)) => match socket.peer_addr() {
                    Ok(peer) if self.knows(peer.ip()) => {
                        let _ = socket.set_nodelay(true);
                        self.clone().admit(socket);
                    }
                    Ok(peer) => self.turn_away("network", Some(peer.ip())),
                    // It is gone already.
                    Err(_) => {}
                },
                Ok(Accepted::Unix(socket)) => self.clone().admit(socket),
                Err(e) => {
                    let protocol = self.entrance.protocol.name();
                    tracing::error!(error = %e, protocol, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn knows(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.entrance.networks.iter().any(|n| n.contains(&peer))
    }

    fn turn_away(&self, cause: &str, peer: Option<IpAddr>) {
        let protocol = self.entrance.protocol.name();
        let refused = &self.services.metrics.scanner_refused;
        refused.with_label_values(&[protocol, cause]).inc();
        let peer = peer.map(tracing::field::display);
        tracing::warn!(protocol, cause, peer, "connection refused");
    }

    fn admit<S: Stream>(self: Arc<Self>, socket: S) {
        let Ok(permit) = self.permits.clone().try_acquire_owned() else {
            return self.turn_away("connections", None);
        };
        let open = Open::new(&self.services.metrics, self.entrance.protocol);
        let connections = self.connections.clone();
        connections.spawn(async move {
            let spoken = AssertUnwindSafe(self.speak(socket)).catch_unwind();
            let ended = tokio::select! {
                ended = spoken => ended,
                () = self.kill.cancelled() => Ok(()),
            };
            if ended.is_err() {
                self.services.metrics.panics.inc();
                let protocol = self.entrance.protocol.name();
                tracing::error!(protocol, "panic on a connection, which is closed");
            }
            drop((open, permit));
        });
    }

    async fn speak<S: Stream>(&self, socket: S) {
        let services = self.services.clone();
        let drain = self.drain.clone();
        match &self.manner {
            Manner::Spamd(settings) => spamd::serve(socket, settings, services, drain).await,
            Manner::Rspamd(settings, since) => {
                rspamd::serve(socket, settings.clone(), *since, services, drain).await;
            }
        }
    }
}

/// Counts a connection for as long as it is open.
struct Open(crate::metrics::Gauge);

impl Open {
    fn new(metrics: &Metrics, protocol: Protocol) -> Open {
        let open = &metrics.scanner_connections;
        let gauge = open.with_label_values(&[protocol.name()]);
        gauge.inc();
        Open(gauge)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// What became of a request; the label `result` of `mailweir_scanner_requests_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was answered with what was asked for.
    Answered,
    /// It was to come again later.
    Failed,
    /// It made no sense, or more than is allowed.
    Bad,
    /// Who asked may not.
    Denied,
    /// It did not come to its end in time, or not at all.
    Incomplete,
}

impl Outcome {
    /// The words of all of them.
    pub(super) const NAMES: [&str; 5] = ["answered", "failed", "bad", "denied", "incomplete"];

    fn name(self) -> &'static str {
        match self {
            Outcome::Answered => "answered",
            Outcome::Failed => "failed",
            Outcome::Bad => "bad",
            Outcome::Denied => "denied",
            Outcome::Incomplete => "incomplete",
        }
    }
}

/// Counts a request.
pub(super) fn count(metrics: &Metrics, protocol: Protocol, command: &str, outcome: Outcome) {
    metrics
        .scanner_requests
        .with_label_values(&[protocol.name(), command, outcome.name()])
        .inc();
}

/// The words of all outcomes of a request.
pub(crate) const OUTCOMES: [&str; 5] = Outcome::NAMES;

//! The daemon's side of milter connections: listeners, permits, sessions, drain.
//!
//! In: bound listeners and [`Services`]. Out: sessions, each in a task of its own, at most
//! [`Settings::connections`] of them. A connection above the bound is closed at once and counted: the MTA
//! then does what its own default action says. When the drain token is cancelled nothing new is
//! accepted, sessions end between messages, and what is left after [`Settings::drain`] is closed.

mod answered;
mod budget;
mod conclusion;
mod connection;
mod early;
mod end;
mod engine;
mod http;
mod inquiry;
mod lesson;
mod listener;
mod message_line;
mod reload;
mod services;
mod socket;
mod transaction;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use connection::Connection;
use socket::Socket;

use crate::mail::Direction;

pub use budget::{Budget, Share};
pub use engine::{Engine, Left};
pub use http::{Health, serve_http};
pub use inquiry::{Inquired, Inquiry, inquire};
pub use lesson::{Learned, learn};
pub use listener::{Address, Listen, Listener, SocketAccess};
pub use reload::{Load, Reloader, taken};
pub use services::{ModelPlace, ReloadProblem, Services, Settings};
pub(crate) use watch::Fingerprint;
pub use watch::Watched;

/// Serves until `drain` is cancelled and the sessions have ended. Each listener comes with the direction of the
/// mail that it takes.
pub async fn serve(
    listeners: Vec<(Listener, Direction)>,
    services: Arc<Services>,
    drain: CancellationToken,
) {
    let permits = Arc::new(Semaphore::new(services.settings.connections));
    show_bounds(&services);
    let sessions = TaskTracker::new();
    let kill = CancellationToken::new();
    let acceptors = TaskTracker::new();
    for (listener, profile) in listeners {
        let acceptor = Acceptor {
            profile,
            services: services.clone(),
            permits: permits.clone(),
            sessions: sessions.clone(),
            drain: drain.clone(),
            kill: kill.clone(),
        };
        acceptors.spawn(acceptor.run(listener));
    }
    acceptors.close();
    acceptors.wait().await;
    sessions.close();
    let limit = services.settings.drain;
    if tokio::time::timeout(limit, sessions.wait()).await.is_err() {
        tracing::warn!(
            left = sessions.len(),
            "sessions are still open after the drain and are closed"
        );
        kill.cancel();
        sessions.wait().await;
    }
}

/// Shows in the metrics what use is to be compared with.
fn show_bounds(services: &Services) {
    let gauge = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let metrics = &services.metrics;
    metrics
        .sessions_limit
        .set(gauge(services.settings.connections));
    metrics
        .bytes_limit
        .set(gauge(services.settings.total_bytes));
}

struct Acceptor {
    profile: Direction,
    services: Arc<Services>,
    permits: Arc<Semaphore>,
    sessions: TaskTracker,
    drain: CancellationToken,
    kill: CancellationToken,
}

impl Acceptor {
    async fn run(self, listener: Listener) {
        loop {
            let accepted = tokio::select! {
                () = self.drain.cancelled() => return,
                accepted = accept(&listener) => accepted,
            };
            match accepted {
                Ok(Accepted::Tcp(socket)) => {
                    // Replies are single small packets; they must not wait for each other.
                    let _ = socket.set_nodelay(true);
                    self.spawn(socket);
                }
                Ok(Accepted::Unix(socket)) => self.spawn(socket),
                Err(e) => {
                    // Out of file descriptors, say: connections wait in the backlog until some are free.
                    tracing::error!(error = %e, "cannot accept a milter connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn spawn<S: Socket + 'static>(&self, socket: S) {
        let metrics = &self.services.metrics;
        let Ok(permit) = self.permits.clone().try_acquire_owned() else {
            metrics.sessions_refused.inc();
            tracing::warn!("milter connection refused: the bound on connections is reached");
            return;
        };
        metrics.sessions.inc();
        metrics.sessions_open.inc();
        let services = self.services.clone();
        let drain = self.drain.clone();
        let connection = Connection::new(socket, self.profile, services.clone(), drain);
        let kill = self.kill.clone();
        self.sessions.spawn(async move {
            let end = tokio::select! {
                end = connection.serve() => end,
                () = kill.cancelled() => "drain",
            };
            services
                .metrics
                .session_ends
                .with_label_values(&[end])
                .inc();
            services.metrics.sessions_open.dec();
            drop(permit);
        });
    }
}

/// A connection that came in.
pub(crate) enum Accepted {
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
}

/// Waits for the next connection.
pub(crate) async fn accept(listener: &Listener) -> std::io::Result<Accepted> {
    Ok(match listener {
        Listener::Tcp(l) => Accepted::Tcp(l.accept().await?.0),
        Listener::Unix(l, _) => Accepted::Unix(l.accept().await?.0),
    })
}

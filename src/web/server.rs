//! Connections of browsers and programs: bounded in number, in that of one address, in the time of a handshake and of a request's head, and
//! in how long they last.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::address::Peer;
use super::console::Console;
use super::options::Settings;
use super::reload;
use super::router::router;
use super::tls::Certificate;
use crate::http_connections::{self, AddressBound, Bound, Times};

/// For a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
const TIMES: Times = Times {
    head: Duration::from_secs(30),
    life: Duration::from_secs(600),
    grace: Duration::from_secs(10),
};

/// The listener, bound.
#[derive(Debug)]
pub struct WebListener {
    socket: TcpListener,
    certificate: Option<Arc<Certificate>>,
}

impl WebListener {
    /// Binds the address of the console and reads its certificate.
    ///
    /// # Errors
    /// An address that cannot be had; files that cannot be used.
    pub async fn bind(settings: &Settings) -> anyhow::Result<WebListener> {
        let certificate = match &settings.tls {
            Some(files) => Some(Arc::new(Certificate::read(files)?)),
            None => None,
        };
        let address = settings.listen;
        let socket = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address} for the console"))?;
        Ok(WebListener {
            socket,
            certificate,
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// What the system says.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

/// Serves the console until `stop` is cancelled, and then lets what is under way end, for ten seconds at most.
pub async fn serve(listener: WebListener, console: Arc<Console>, stop: CancellationToken) {
    let metrics = console.services.metrics.clone();
    let most = console.settings().connections;
    metrics.console_connections_limit.set(most as i64);
    let connections = TaskTracker::new();
    let certificate = listener.certificate.clone();
    connections.spawn(reload::follow(console.clone(), certificate, stop.clone()));
    let sampled = console.clone();
    let until = stop.clone();
    connections.spawn(async move {
        let samples = sampled.samples.clone();
        samples.keep(&sampled.services, until).await;
    });
    let router = router(console.clone());
    let refused = |bound| metrics.console_refused.with_label_values(&[bound]);
    let [of_all, of_address] = ["all", "address"].map(refused);
    let settings = console.clone();
    let most_of = move |address: IpAddr| settings.settings().connections_of(address);
    let bound = Bound {
        most,
        refused: &of_all,
        whose: "of the console",
        address: Some(AddressBound {
            most: &most_of,
            refused: &of_address,
        }),
    };
    http_connections::accept(
        &listener.socket,
        bound,
        &connections,
        &stop,
        |stream, address| {
            let (router, certificate) = (router.clone(), listener.certificate.clone());
            let (stop, metrics) = (stop.clone(), metrics.clone());
            async move {
                metrics.console_connections.inc();
                connection(stream, address, certificate, router, stop).await;
                metrics.console_connections.dec();
            }
        },
    )
    .await;
    connections.close();
    let _ = tokio::time::timeout(TIMES.grace, connections.wait()).await;
}

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    certificate: Option<Arc<Certificate>>,
    router: Router,
    stop: CancellationToken,
) {
    let _ = stream.set_nodelay(true);
    match certificate {
        None => requests(stream, address, router, stop).await,
        Some(certificate) => {
            let handshake = certificate.acceptor().accept(stream);
            if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, handshake).await {
                requests(stream, address, router, stop).await;
            }
        }
    }
}

async fn requests<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    address: SocketAddr,
    router: Router,
    stop: CancellationToken,
) {
    let pages = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(Peer(address));
        pages.call(request)
    });
    http_connections::serve(stream, service, TIMES, stop).await;
}

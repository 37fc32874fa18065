//! Connections of browsers and programs: bounded in number, in the time of a handshake and of a request's head, and
//! in how long they last.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::address::Peer;
use super::console::Console;
use super::options::Settings;
use super::reload;
use super::router::router;
use super::tls::Certificate;

/// For a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// For the head of a request, and between two requests.
const HEAD: Duration = Duration::from_secs(30);
/// After which a connection takes no further request.
const LIFE: Duration = Duration::from_secs(600);
/// For what is under way to end.
const GRACE: Duration = Duration::from_secs(10);

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
    let permits = Arc::new(Semaphore::new(most));
    let connections = TaskTracker::new();
    let certificate = listener.certificate.clone();
    connections.spawn(reload::follow(console.clone(), certificate, stop.clone()));
    let sampled = console.clone();
    let until = stop.clone();
    connections.spawn(async move {
        let samples = sampled.samples.clone();
        samples.keep(&sampled.services, until).await;
    });
    let router = router(console);
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.socket.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::error!(%error, "cannot accept a connection of the console");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(permit) = permits.clone().try_acquire_owned() else {
            metrics.console_refused.inc();
            continue;
        };
        let (router, certificate) = (router.clone(), listener.certificate.clone());
        let (stop, metrics) = (stop.clone(), metrics.clone());
        connections.spawn(async move {
            metrics.console_connections.inc();
            connection(stream, address, certificate, router, stop).await;
            metrics.console_connections.dec();
            drop(permit);
        });
    }
    connections.close();
    let _ = tokio::time::timeout(GRACE, connections.wait()).await;
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
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(64 << 10)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    // What a browser does wrong on its side is no news.
    let ended = tokio::select! {
        _ = connection.as_mut() => true,
        () = stop.cancelled() => false,
        () = tokio::time::sleep(LIFE) => false,
    };
    if !ended {
        connection.as_mut().graceful_shutdown();
        let _ = tokio::time::timeout(GRACE, connection).await;
    }
}

//! Connections of HTTP/1.1 to this daemon: bounded in number, in that of one address, in the size of a request's head, the time for it, and how
//! long they last.

mod by_address;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::metrics::Counter;
use by_address::ByAddress;

/// Largest head of a request, bytes.
const HEAD_BYTES: usize = 64 << 10;

/// Times of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// For the head of a request, and between two requests.
    pub(crate) head: Duration,
    /// After which no further request is taken.
    pub(crate) life: Duration,
    /// For what is under way to end.
    pub(crate) grace: Duration,
}

/// Connections that are taken at one time.
pub(crate) struct Bound<'a> {
    /// So many.
    pub(crate) most: usize,
    /// Where those are counted that are closed at once because there are so many.
    pub(crate) refused: &'a Counter,
    /// Whose connections they are, for the log.
    pub(crate) whose: &'static str,
    /// The bound on those of one address, beside it.
    pub(crate) address: Option<AddressBound<'a>>,
}

/// Connections that are taken from one address at one time.
pub(crate) struct AddressBound<'a> {
    /// So many of this one; `None` for any number.
    pub(crate) most: &'a (dyn Fn(IpAddr) -> Option<usize> + Sync),
    /// Where those are counted that are closed at once because the address has so many.
    pub(crate) refused: &'a Counter,
}

/// Takes connections until `stop` is cancelled, and serves each in a task among `tasks`.
pub(crate) async fn accept<Served: Future<Output = ()> + Send + 'static>(
    listener: &TcpListener,
    bound: Bound<'_>,
    tasks: &TaskTracker,
    stop: &CancellationToken,
    serve: impl Fn(TcpStream, SocketAddr) -> Served,
) {
    let permits = Arc::new(Semaphore::new(bound.most));
    let open = ByAddress::default();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::error!(%error, "cannot accept a connection {}", bound.whose);
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let mut counted = None;
        if let Some(of_address) = &bound.address
            && let Some(most) = (of_address.most)(address.ip())
        {
            counted = open.count(address.ip(), most);
            if counted.is_none() {
                of_address.refused.inc();
                continue;
            }
        }
        let Ok(permit) = permits.clone().try_acquire_owned() else {
            bound.refused.inc();
            continue;
        };
        let served = serve(stream, address);
        tasks.spawn(async move {
            served.await;
            drop((permit, counted));
        });
    }
}

/// Serves requests until the client leaves, `stop` is cancelled, or a time is over.
pub(crate) async fn serve<Stream, Pages>(
    stream: Stream,
    pages: Pages,
    times: Times,
    stop: CancellationToken,
) where
    Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    Pages: Service<Request<Incoming>, Response = Response<Body>>,
    Pages::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(times.head)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), pages);
    let mut connection = std::pin::pin!(connection);
    // What a client does wrong on its side is no news.
    let ended = tokio::select! {
        _ = connection.as_mut() => true,
        () = stop.cancelled() => false,
        () = tokio::time::sleep(times.life) => false,
    };
    if !ended {
        connection.as_mut().graceful_shutdown();
        let _ = tokio::time::timeout(times.grace, connection).await;
    }
}

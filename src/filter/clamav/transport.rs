//! The way to clamd and back, under the client of `clamav-client`, which has no time limits, writes
//! each chunk in two parts and gives up on a reply when a write fails.
//!
//! In: the writes of the client, in the order command, then length and chunk by turns. Out: the same
//! bytes, each length together with its chunk. Promises: connecting, writing without progress and
//! waiting for the reply are bounded in time, but never the pauses between the writes, which are the
//! sender's; a reply that comes early, and one after which the server slammed the door, is read; a
//! reply is bounded in size. After the server has closed or replied, writes go nowhere.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use clamav_client::tokio::TransportProtocol;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::address::{Address, Socket};
use super::failure::Failure;
use super::reply::REPLY_BYTES;

/// Time limits of one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) connect: Duration,
    pub(super) io: Duration,
    pub(super) reply: Duration,
    /// After such a pause of the sender a closed connection is the end of the server's patience, and
    /// no failure.
    pub(super) pause: Duration,
}

/// What a connection has seen, shared with the one who feeds it.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// The server has replied or closed: more of the message would go nowhere.
    pub(super) over: AtomicBool,
    /// The server has all of the message, with the mark of its end.
    pub(super) ended: AtomicBool,
    /// The server closed after a pause of the sender.
    pub(super) paused: AtomicBool,
}

impl Limits {
    /// The same limit for everything.
    pub(super) fn all(limit: Duration) -> Limits {
        Limits {
            connect: limit,
            io: limit,
            reply: limit,
            pause: limit,
        }
    }
}

/// A connection to be made.
pub(super) struct Route<'a> {
    pub(super) address: &'a Address,
    pub(super) limits: Limits,
    pub(super) course: Arc<Course>,
}

impl TransportProtocol for Route<'_> {
    type Stream = Connection;

    async fn connect(&self) -> io::Result<Connection> {
        let socket = match tokio::time::timeout(self.limits.connect, self.address.open()).await {
            Ok(Ok(socket)) => socket,
            Ok(Err(e)) => return Err(Failure::Down(e.kind().to_string()).into()),
            Err(_) => {
                let why = format!("none within {:?}", self.limits.connect);
                return Err(Failure::Down(why).into());
            }
        };
        Ok(Connection {
            socket,
            limits: self.limits,
            course: Arc::clone(&self.course),
            held: Vec::with_capacity(16),
            next: Next::Command,
            written: Instant::now(),
            timer: None,
            reply: Vec::new(),
            served: 0,
            closed: false,
        })
    }
}

/// What the client writes next.
#[derive(Clone, Copy, Debug)]
enum Next {
    Command,
    Length,
    Chunk(usize),
}

/// A connection to clamd.
#[derive(Debug)]
pub(super) struct Connection {
    socket: Socket,
    limits: Limits,
    course: Arc<Course>,
    /// Command and length that wait for their chunk.
    held: Vec<u8>,
    next: Next,
    /// When the socket last took something.
    written: Instant,
    /// Runs while the socket takes or gives nothing.
    timer: Option<Pin<Box<Sleep>>>,
    reply: Vec<u8>,
    /// How much of the reply the client has.
    served: usize,
    /// Nothing more will come from the server.
    closed: bool,
}

impl Connection {
    fn over(&self) -> bool {
        self.course.over.load(Ordering::Relaxed)
    }

    /// Waits for the reply with nothing more to be written.
    fn give_up_writing(&mut self) {
        self.timer = None;
        self.held.clear();
        if self.written.elapsed() >= self.limits.pause {
            self.course.paused.store(true, Ordering::Relaxed);
        }
        self.course.over.store(true, Ordering::Relaxed);
    }

    /// Takes what the server has sent, without waiting for more. `Ready` when there was something,
    /// or when it has closed.
    fn poll_reply(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut space = [0; 512];
        let mut buf = ReadBuf::new(&mut space);
        match ready!(self.socket.poll_read(cx, &mut buf)) {
            Ok(()) if !buf.filled().is_empty() => {
                self.reply.extend_from_slice(buf.filled());
                if self.reply.len() > REPLY_BYTES {
                    return Poll::Ready(Err(Failure::Garbled("a long one".to_owned()).into()));
                }
                // The end of a reply to a command that began with `z`.
                self.closed = self.reply.ends_with(&[0]);
            }
            // A reset after a reply is the way in which a server closes on bytes that it does not want.
            Ok(()) | Err(_) => self.closed = true,
        }
        Poll::Ready(Ok(()))
    }

    /// Fails when the socket has taken or given nothing for too long.
    fn poll_timer(
        &mut self,
        cx: &mut Context<'_>,
        limit: Duration,
        what: &str,
    ) -> Poll<io::Result<()>> {
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(Failure::Timeout(format!("{what} for {limit:?}")).into()))
    }

    /// Writes what is held, and then some of `chunk`; gives how much of `chunk` was taken, at least one
    /// byte unless it is empty. A server that is done with us takes everything.
    fn poll_send(&mut self, cx: &mut Context<'_>, chunk: &[u8]) -> Poll<io::Result<usize>> {
        while !self.over() && (!self.held.is_empty() || !chunk.is_empty()) {
            if self.poll_reply(cx)?.is_ready() {
                self.give_up_writing();
                break;
            }
            match self.socket.poll_write(cx, [&self.held, chunk]) {
                Poll::Ready(Ok(0) | Err(_)) => self.give_up_writing(),
                Poll::Ready(Ok(taken)) => {
                    self.timer = None;
                    self.written = Instant::now();
                    let of_held = taken.min(self.held.len());
                    self.held.drain(..of_held);
                    if taken > of_held {
                        return Poll::Ready(Ok(taken - of_held));
                    }
                }
                Poll::Pending => {
                    return self
                        .poll_timer(cx, self.limits.io, "took nothing of the message")
                        .map_ok(|()| 0);
                }
            }
        }
        Poll::Ready(Ok(chunk.len()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match this.next {
            Next::Command => {
                this.held.extend_from_slice(bytes);
                this.next = Next::Length;
                Poll::Ready(Ok(bytes.len()))
            }
            Next::Length => {
                this.held.extend_from_slice(bytes);
                let length: [u8; 4] = bytes.try_into().unwrap_or_default();
                let length = u32::from_be_bytes(length);
                if length > 0 {
                    this.next = Next::Chunk(usize::try_from(length).unwrap_or(usize::MAX));
                }
                Poll::Ready(Ok(bytes.len()))
            }
            Next::Chunk(left) => {
                let taken = ready!(this.poll_send(cx, bytes))?;
                this.next = match left.saturating_sub(taken) {
                    0 => Next::Length,
                    left => Next::Chunk(left),
                };
                Poll::Ready(Ok(taken))
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(cx, &[]))?;
        if !this.over() {
            this.course.ended.store(true, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            let rest = this.reply.get(this.served..).unwrap_or_default();
            if !rest.is_empty() {
                let part = rest.get(..buf.remaining()).unwrap_or(rest);
                buf.put_slice(part);
                this.served += part.len();
                return Poll::Ready(Ok(()));
            }
            if this.closed {
                return Poll::Ready(Ok(()));
            }
            if this.poll_reply(cx)?.is_pending() {
                // The clock of the reply is not wound up again by a part of one.
                return this.poll_timer(cx, this.limits.reply, "no reply");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use futures_util::StreamExt;
    use futures_util::stream::{iter, once};
    use tokio::io::AsyncReadExt;

    fn route(address: &Address, limit: Duration) -> Route<'_> {
        Route {
            address,
            limits: Limits::all(limit),
            course: Arc::default(),
        }
    }

    /// The course of a stream whose server closes without a word after the first chunk, while the
    /// sender pauses; then the sender sends `more`, and ends.
    async fn closed_while_waiting(pause: Duration, more: Option<&'static [u8]>) -> Arc<Course> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Address::Tcp(listener.local_addr().unwrap().to_string());
        let (closed, wait) = tokio::sync::oneshot::channel();
        let server = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut all = [0; 10 + 4 + 5];
            socket.read_exact(&mut all).await.unwrap();
            drop(socket);
            closed.send(()).unwrap();
            all
        });
        let mut route = route(&address, Duration::from_secs(10));
        route.limits.pause = pause;
        let course = Arc::clone(&route.course);
        let rest = once(async move {
            wait.await.unwrap();
            iter(more.map(|bytes| Ok(Bytes::from_static(bytes))))
        });
        let chunks = iter([Ok(Bytes::from_static(b"first"))]).chain(rest.flatten());
        let reply = clamav_client::tokio::scan_stream(chunks, route, None).await;
        assert_eq!(reply.unwrap(), b"");
        assert_eq!(&server.await.unwrap(), b"zINSTREAM\0\0\0\0\x05first");
        assert!(course.over.load(Ordering::Relaxed) && !course.ended.load(Ordering::Relaxed));
        course
    }

    #[tokio::test]
    async fn a_server_that_closes_after_a_pause_of_the_sender_is_told_apart() {
        for more in [Some(&b"second"[..]), None] {
            let course = closed_while_waiting(Duration::ZERO, more).await;
            assert!(course.paused.load(Ordering::Relaxed));
            let course = closed_while_waiting(Duration::from_secs(60), more).await;
            assert!(!course.paused.load(Ordering::Relaxed));
        }
    }

    #[tokio::test]
    async fn a_server_that_takes_the_message_slowly_but_takes_it_has_not_hung() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let address = Address::Unix(path);
        let server = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut part = vec![0; 100 << 10];
            // Each pause is shorter than the limit and all of them together are longer.
            for _ in 0..20 {
                tokio::time::sleep(Duration::from_millis(50)).await;
                socket.read_exact(&mut part).await.unwrap();
            }
            tokio::io::copy(&mut socket, &mut tokio::io::sink()).await
        });
        let mut route = route(&address, Duration::from_millis(500));
        route.limits.reply = Duration::from_millis(1);
        let course = Arc::clone(&route.course);
        let chunks = iter((0..64).map(|_| Ok(Bytes::from(vec![0; 64 << 10]))));
        let end = clamav_client::tokio::scan_stream(chunks, route, Some(64 << 10)).await;
        // It has taken everything, and only the reply is missing.
        assert!(course.ended.load(Ordering::Relaxed), "{end:?}");
        server.abort();
    }
}

//! The sockets of milter connections.

use tokio::io::{AsyncRead, AsyncWrite};

/// A socket of either kind.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin + Send {
    /// Sends the ACK for what was read at once. Postfix writes small packets without TCP_NODELAY, so
    /// where no reply is owed it would wait 40 ms for a delayed ACK before it writes the next.
    fn acknowledge(&self);
}

impl Socket for tokio::net::TcpStream {
    fn acknowledge(&self) {
        // Linux only, and a matter of speed only: a failure changes nothing.
        let _ = socket2::SockRef::from(self).set_tcp_quickack(true);
    }
}

impl Socket for tokio::net::UnixStream {
    fn acknowledge(&self) {}
}

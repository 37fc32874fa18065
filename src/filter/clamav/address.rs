//! Where a clamd listens: as written in the configuration, and as a connection.

use std::io;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// Longest path of a unix socket, bytes (sun_path of Linux without its final NUL).
const PATH_BYTES: usize = 107;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// `host:port`
    Tcp(String),
    /// Path of a socket.
    Unix(PathBuf),
}

impl Address {
    /// Reads the address of a server, `host:port` or `unix:` and a path.
    pub(super) fn read(text: &str) -> Result<Address, &'static str> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if !path.starts_with('/') {
                Err("the path of a socket begins with /")
            } else if path.len() > PATH_BYTES {
                Err("the path of a socket has at most 107 bytes")
            } else if !path.bytes().all(|b| (b' '..=b'~').contains(&b)) {
                Err("the path has characters that cannot be shown")
            } else {
                Ok(Address::Unix(PathBuf::from(path)))
            };
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            return Err("the port is missing");
        };
        let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        if !digits || !matches!(port.parse::<u16>(), Ok(1..)) {
            return Err("a port is a number from 1 to 65535");
        }
        let bracketed = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let sound = match bracketed {
            Some(v6) => v6.parse::<Ipv6Addr>().is_ok(),
            None => is_host(host),
        };
        if sound {
            Ok(Address::Tcp(text.to_owned()))
        } else if host.contains(':') {
            Err("an IPv6 address stands in brackets")
        } else {
            Err("that is no host")
        }
    }

    /// Connects, without a limit of time.
    pub(super) async fn open(&self) -> io::Result<Socket> {
        match self {
            Address::Tcp(host) => {
                let stream = TcpStream::connect(host).await?;
                stream.set_nodelay(true)?;
                Ok(Socket::Tcp(stream))
            }
            Address::Unix(path) => Ok(Socket::Unix(UnixStream::connect(path).await?)),
        }
    }
}

fn is_host(host: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
    let mut labels = host.split('.');
    (1..=253).contains(&host.len())
        && host.bytes().all(allowed)
        && labels.all(|label| (1..=63).contains(&label.len()))
}

/// An open connection of either kind.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Socket::Tcp(s) => Pin::new(s).poll_read(cx, buf),
            Socket::Unix(s) => Pin::new(s).poll_read(cx, buf),
        }
    }

    /// Writes both parts in one go, as far as there is room.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        parts: [&[u8]; 2],
    ) -> Poll<io::Result<usize>> {
        let parts = parts.map(io::IoSlice::new);
        match self {
            Socket::Tcp(s) => Pin::new(s).poll_write_vectored(cx, &parts),
            Socket::Unix(s) => Pin::new(s).poll_write_vectored(cx, &parts),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_hosts_with_ports_or_sockets() {
        for good in [
            "127.0.0.1:3310",
            "[::1]:3310",
            "clamd-1.example.org:1",
            "localhost:65535",
        ] {
            assert_eq!(Address::read(good), Ok(Address::Tcp(good.into())));
        }
        assert_eq!(
            Address::read("unix:/run/clamav/clamd.ctl"),
            Ok(Address::Unix("/run/clamav/clamd.ctl".into()))
        );
        for bad in [
            "",
            ":",
            "127.0.0.1",
            "127.0.0.1:",
            "127.0.0.1:0",
            "127.0.0.1:65536",
            "a:+1",
            "::1:3310",
            "[::1:3310",
            "[127.0.0.1]:1",
            "a b:1",
            "a..b:1",
            "unix:",
            "unix:run/x",
            "/run/x",
            "unix:/a\nb",
        ] {
            assert!(Address::read(bad).is_err(), "{bad:?}");
        }
    }
}

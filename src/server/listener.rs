//! Where milter connections come in: TCP ports and unix sockets.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::PathBuf;
use std::str::FromStr;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use tokio::net::{TcpListener, UnixListener};

use crate::mail::Direction;

/// Longest path of a unix socket, bytes (sun_path of Linux without its final NUL).
const PATH_BYTES: usize = 107;

/// An address as people write it: `127.0.0.1:8895`, `[::1]:8895` or `unix:/run/mailweir/milter.sock`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A TCP port; port 0 takes any that is free.
    Tcp(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

impl Address {
    /// Whether any free port will do.
    pub(crate) fn is_any_port(&self) -> bool {
        matches!(self, Address::Tcp(address) if address.port() == 0)
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = PathBuf::from(path);
            return if !path.is_absolute() {
                Err(format!(
                    "`{text}`: the path of a unix socket must begin with /"
                ))
            } else if path.as_os_str().len() > PATH_BYTES {
                Err(format!(
                    "`{text}`: the path of a unix socket has at most {PATH_BYTES} bytes"
                ))
            } else {
                Ok(Address::Unix(path))
            };
        }
        text.parse().map(Address::Tcp).map_err(|_| {
            format!("`{text}` is no address; write 127.0.0.1:8895, [::1]:8895 or unix:/path")
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(addr) => addr.fmt(f),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// Where to listen, and for which mail: an address, or `{ address: ..., profile: outbound }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The address.
    pub address: Address,
    /// What comes here is outbound in any case; or else it is what the section `outbound` says.
    pub profile: Direction,
}

impl From<Address> for Listen {
    fn from(address: Address) -> Listen {
        Listen {
            address,
            profile: Direction::Inbound,
        }
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Written {
            address: Address,
            #[serde(default)]
            profile: Direction,
        }

        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Listen;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address, or a map with `address` and `profile`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Listen, E> {
                text.parse().map(Address::into).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Listen, A::Error> {
                let Written { address, profile } =
                    Deserialize::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Listen { address, profile })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Who may connect to a unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketAccess {
    /// Permission bits, 0660 say.
    pub mode: u32,
    /// Group that owns the socket; `None` keeps the daemon's own.
    pub group: Option<String>,
}

/// A bound listener.
#[derive(Debug)]
pub enum Listener {
    /// TCP
    Tcp(TcpListener),
    /// Unix, with the path to remove at the end.
    Unix(UnixListener, PathBuf),
}

impl Listener {
    /// Binds. A unix socket that nobody listens on any more is replaced; any other file in its place is
    /// an error.
    ///
    /// # Errors
    /// What the system says, with the address.
    pub async fn bind(address: &Address, access: &SocketAccess) -> io::Result<Listener> {
        let explained =
            |e: io::Error| io::Error::new(e.kind(), format!("cannot listen on {address}: {e}"));
        match address {
            Address::Tcp(addr) => Ok(Listener::Tcp(
                TcpListener::bind(addr).await.map_err(explained)?,
            )),
            Address::Unix(path) => {
                remove_stale(path).await.map_err(explained)?;
                let listener = UnixListener::bind(path).map_err(explained)?;
                // Between bind and chmod the umask decides; the daemon's umask is 077.
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(access.mode))
                    .map_err(explained)?;
                if let Some(name) = &access.group {
                    let group = nix::unistd::Group::from_name(name)
                        .map_err(io::Error::from)
                        .map_err(explained)?
                        .ok_or_else(|| {
                            explained(io::Error::new(
                                io::ErrorKind::NotFound,
                                format!("there is no group `{name}`"),
                            ))
                        })?;
                    std::os::unix::fs::chown(path, None, Some(group.gid.as_raw()))
                        .map_err(explained)?;
                }
                Ok(Listener::Unix(listener, path.clone()))
            }
        }
    }

    /// The address bound to, with the port that was chosen.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn address(&self) -> io::Result<Address> {
        Ok(match self {
            Listener::Tcp(listener) => Address::Tcp(listener.local_addr()?),
            Listener::Unix(_, path) => Address::Unix(path.clone()),
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listener::Unix(_, path) = self {
            let _ = std::fs::remove_file(path);
        }
    }
}

async fn remove_stale(path: &std::path::Path) -> io::Result<()> {
    let Ok(meta) = std::fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !meta.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "the file exists and is no socket",
        ));
    }
    match tokio::net::UnixStream::connect(path).await {
        // Only this says that nobody listens: whoever does and has no room for one more connection gives another error.
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Err(e),
        Ok(_) | Err(_) => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another process listens there",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_both_kinds() {
        assert_eq!(
            "127.0.0.1:8895".parse::<Address>().unwrap().to_string(),
            "127.0.0.1:8895"
        );
        assert_eq!(
            "unix:/run/m.sock".parse::<Address>().unwrap().to_string(),
            "unix:/run/m.sock"
        );
        for bad in [
            "",
            "8895",
            "localhost:8895",
            "unix:relative",
            "inet:8895@localhost",
        ] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_file_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.sock");
        let address = Address::Unix(path.clone());
        let access = SocketAccess {
            mode: 0o660,
            group: None,
        };
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let listener = Listener::bind(&address, &access).await.unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
        assert!(Listener::bind(&address, &access).await.is_err(), "in use");
        drop(listener);
        assert!(!path.exists());
        // One that is in use and takes no more connections for now.
        let busy =
            socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
        let place = socket2::SockAddr::unix(&path).unwrap();
        busy.bind(&place).unwrap();
        busy.listen(0).unwrap();
        let mut waiting = Vec::new();
        let full = loop {
            let client = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None);
            let client = client.unwrap();
            client.set_nonblocking(true).unwrap();
            match client.connect(&place) {
                Ok(()) => waiting.push(client),
                Err(e) => break e,
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        let refused = Listener::bind(&address, &access).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        assert!(path.exists());
        drop(busy);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "data").unwrap();
        assert!(Listener::bind(&address, &access).await.is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"data");
    }
}

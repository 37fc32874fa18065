//! What the MTA knows about a transaction beside the message itself.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Address;

/// The SMTP client. All fields are absent for a local submission without a socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// Address of the client; `None` for unix sockets and unknown families.
    pub addr: Option<IpAddr>,
    /// Verified host name, as the MTA resolved it; `None` when it is unknown.
    pub name: Option<String>,
    /// TCP port, 0 when the MTA did not say.
    pub port: u16,
}

/// Which way a message goes, as far as filtering is concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// It comes from outside.
    #[default]
    Inbound,
    /// One of ours sends it: an authenticated client, a network of ours, or a listener for such mail. Its
    /// recipients may be anywhere, here too.
    Outbound,
}

impl Direction {
    /// Both.
    pub const ALL: [Direction; 2] = [Direction::Inbound, Direction::Outbound];

    /// The word used in configuration and logs.
    pub fn name(self) -> &'static str {
        match self {
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
        }
    }
}

/// The envelope of one transaction (RFC 5321): grows as commands arrive, complete at DATA.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// Which way the message goes; what makes it outbound may be known at CONNECT, or at MAIL only.
    pub direction: Direction,
    /// The SMTP client.
    pub client: Client,
    /// Argument of the latest HELO or EHLO.
    pub helo: Option<String>,
    /// SASL login name (`{auth_authen}`); `Some` means that the client is authenticated.
    pub authenticated: Option<String>,
    /// TLS version (`{tls_version}`), if the session is encrypted.
    pub tls: Option<String>,
    /// Reverse path; `None` before MAIL, an empty address for `<>`.
    pub sender: Option<Address>,
    /// ESMTP arguments of MAIL, as sent.
    pub sender_args: Vec<String>,
    /// Accepted recipients, in order.
    pub recipients: Vec<Address>,
    /// Queue id of the MTA (`i`), known at the latest at end of message.
    pub queue_id: Option<String>,
    /// Name of the receiving host (`j`).
    pub mta: Option<String>,
}

/// The envelope sender that the delivering MTA wrote down: the first Return-Path of the header that `raw` begins with.
pub fn return_path(raw: &[u8]) -> Option<Address> {
    const NAME: &[u8] = b"return-path:";
    raw.split(|b| *b == b'\n')
        .take_while(|line| !line.trim_ascii().is_empty())
        .find(|line| {
            line.get(..NAME.len())
                .is_some_and(|name| name.eq_ignore_ascii_case(NAME))
        })
        .and_then(|line| line.get(NAME.len()..))
        .map(|value| Address::new(value.trim_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_return_path_is_the_sender_and_the_body_is_not_searched() {
        let sender = |raw: &[u8]| return_path(raw).map(|a| a.text().to_owned());
        assert_eq!(
            sender(b"Return-Path: <a@b.example>\r\nX: y\r\n\r\n"),
            Some("a@b.example".into())
        );
        assert_eq!(sender(b"return-path: <>\n\nbody"), Some(String::new()));
        assert_eq!(sender(b"X: y\n\nReturn-Path: <a@b.example>\n"), None);
    }
}

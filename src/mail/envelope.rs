//! What the MTA knows about a transaction beside the message itself.

use std::net::IpAddr;

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

/// The envelope of one transaction (RFC 5321): grows as commands arrive, complete at DATA.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
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

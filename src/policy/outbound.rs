//! Which mail is outbound: what one of ours sends, told by a login, a network or the listener.

use ipnet::IpNet;
use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::{FilterName, Findings};
use crate::filter::trusted;
use crate::mail::{Direction, Envelope};

/// `outbound:` as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutboundOptions {
    /// Whether what authenticated clients send is outbound. Default true.
    pub authenticated: bool,
    /// Clients in these networks send outbound mail. Default: none.
    pub networks: Vec<Spanned<String>>,
    /// Filters that outbound mail does not pass. Default: all that judge strangers and content for spam.
    pub skip: Vec<FilterName>,
}

impl Default for OutboundOptions {
    fn default() -> Self {
        OutboundOptions {
            authenticated: true,
            networks: Vec::new(),
            skip: vec![
                FilterName::Dnsbl,
                FilterName::Auth,
                FilterName::Rules,
                FilterName::Bayes,
            ],
        }
    }
}

/// The same, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbound {
    authenticated: bool,
    networks: Vec<IpNet>,
}

impl Default for Outbound {
    fn default() -> Self {
        Outbound {
            authenticated: true,
            networks: Vec::new(),
        }
    }
}

impl Outbound {
    /// Checks what is written; what is wrong goes to `findings`.
    pub fn check(options: &OutboundOptions, findings: &mut Findings<'_>) -> Outbound {
        Outbound {
            authenticated: options.authenticated,
            networks: trusted::read(&options.networks, findings),
        }
    }

    /// Which way a message goes, from what is known of its envelope so far. What its listener has made outbound
    /// stays so.
    pub fn direction(&self, envelope: &Envelope) -> Direction {
        let client = envelope.client.addr.map(|a| a.to_canonical());
        let ours = client.is_some_and(|a| self.networks.iter().any(|n| n.contains(&a)));
        let login = self.authenticated && envelope.authenticated.is_some();
        match ours || login {
            true => Direction::Outbound,
            false => envelope.direction,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn login_network_and_listener_make_mail_outbound() {
        let with = |login: bool, client: &str, listener| {
            let mut envelope = Envelope {
                direction: listener,
                authenticated: login.then(|| "ann".to_owned()),
                ..Envelope::default()
            };
            envelope.client.addr = client.parse().ok();
            envelope
        };
        use Direction::{Inbound, Outbound as Out};
        let ours = Outbound {
            authenticated: true,
            networks: vec!["192.0.2.0/24".parse().unwrap()],
        };
        let no_logins = Outbound {
            authenticated: false,
            ..ours.clone()
        };
        for (outbound, login, client, listener, expected) in [
            (&ours, false, "198.51.100.1", Inbound, Inbound),
            (&ours, false, "", Inbound, Inbound),
            (&ours, true, "198.51.100.1", Inbound, Out),
            (&no_logins, true, "198.51.100.1", Inbound, Inbound),
            (&no_logins, true, "192.0.2.7", Inbound, Out),
            (&ours, false, "::ffff:192.0.2.7", Inbound, Out),
            (&no_logins, false, "198.51.100.1", Out, Out),
        ] {
            let envelope = with(login, client, listener);
            assert_eq!(outbound.direction(&envelope), expected, "{envelope:?}");
        }
    }
}

//! Whose `Authentication-Results` are ours: written on top of each message, and removed where a message from outside
//! brings them along (RFC 8601, sections 4.1 and 5).

use std::net::IpAddr;

use ipnet::IpNet;

use crate::auth::results;
use crate::mail::Envelope;

/// The field.
pub const FIELD: &str = "Authentication-Results";

/// The ids of our servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authserv {
    /// The id that is written, lower case; `None`: the name of the MTA, or of the host.
    pub(super) own: Option<String>,
    /// The name of the host, where it can be an id.
    pub(super) host: Option<String>,
    /// Other servers of ours, lower case.
    pub(super) others: Vec<String>,
    /// Clients whose fields stay.
    pub(super) trusted: Vec<IpNet>,
    /// Whether a field is written.
    pub(super) written: bool,
}

impl Authserv {
    /// The id that is written on a message.
    pub fn id(&self, envelope: &Envelope) -> String {
        let own = self.own.clone();
        let of_mta = || envelope.mta.as_deref().and_then(plain);
        own.or_else(of_mta)
            .or_else(|| self.host.clone())
            .unwrap_or_else(|| "localhost".to_owned())
    }

    /// Whether a field is written.
    pub fn writes(&self) -> bool {
        self.written
    }

    /// Whether a field with this value claims to be of a server of ours.
    pub fn is_ours(&self, value: &[u8], envelope: &Envelope) -> bool {
        let Some(id) = results::authserv_id(value) else {
            return false;
        };
        self.others.contains(&id) || self.id(envelope) == id
    }

    /// Whether a field with this value is forged: it claims to be of a server of ours, and comes from outside.
    pub fn is_forged(&self, value: &[u8], envelope: &Envelope) -> bool {
        !self.keeps(envelope) && self.is_ours(value, envelope)
    }

    /// Whether fields of our servers stay where they are: the client is one of them.
    fn keeps(&self, envelope: &Envelope) -> bool {
        let client = envelope.client.addr.map(|a: IpAddr| a.to_canonical());
        envelope.authenticated.is_none()
            && client.is_some_and(|client| self.trusted.iter().any(|n| n.contains(&client)))
    }
}

/// The name of this host, where it can be an id.
pub(super) fn host() -> Option<String> {
    plain(&crate::host::name())
}

/// A name of the MTA or the host as an id, if it can be one without quotes.
fn plain(name: &str) -> Option<String> {
    let name = name.trim().to_ascii_lowercase();
    let good = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    (!name.is_empty() && name.len() <= 253 && name.bytes().all(good)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_forged_when_it_comes_from_outside_under_our_name() {
        let authserv = Authserv {
            own: None,
            host: None,
            others: vec!["backup.example.org".into()],
            trusted: vec!["10.0.0.0/8".parse().unwrap()],
            written: true,
        };
        let mut envelope = Envelope {
            mta: Some("MX.example.org".into()),
            ..Envelope::default()
        };
        envelope.client.addr = Some("192.0.2.1".parse().unwrap());
        assert_eq!(authserv.id(&envelope), "mx.example.org");
        let forged = [
            "mx.example.org; spf=pass",
            " (c) Mx.Example.Org 1; none",
            "\"backup.example.org\"; none",
        ];
        for value in forged {
            assert!(authserv.is_forged(value.as_bytes(), &envelope), "{value}");
        }
        for value in [
            "mx.example.com; spf=pass",
            "mx.example.org.example.com; none",
            "(mx.example.org) x",
        ] {
            assert!(!authserv.is_forged(value.as_bytes(), &envelope), "{value}");
        }
        envelope.client.addr = Some("::ffff:10.1.1.1".parse().unwrap());
        assert!(!authserv.is_forged(forged[0].as_bytes(), &envelope));
        // Who submits mail may write anything into it.
        envelope.authenticated = Some("ann".into());
        assert!(authserv.is_forged(forged[0].as_bytes(), &envelope));
    }
}

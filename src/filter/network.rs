//! Clients of somebody else's, and the network of each: what is remembered of one address is remembered of its neighbours,
//! because large senders send from many, and an IPv6 host has billions.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::trusted;
use crate::config::{Findings, unwritten};
use crate::mail::Envelope;

/// The prefix lengths as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrefixOptions {
    /// Bits of an IPv4 network, 8 to 32. Default 24.
    pub ipv4: Spanned<u8>,
    /// Bits of an IPv6 network, 16 to 128. Default 64.
    pub ipv6: Spanned<u8>,
}

impl Default for PrefixOptions {
    fn default() -> Self {
        PrefixOptions {
            ipv4: unwritten(24),
            ipv6: unwritten(64),
        }
    }
}

/// Which clients a filter that remembers senders looks at, and as what it remembers them.
#[derive(Debug)]
pub(super) struct Strangers {
    prefix: Prefix,
    trusted: Vec<IpNet>,
}

impl Strangers {
    /// `network` and `trusted_networks` of a filter; without the latter, local networks are trusted.
    pub(super) fn check(
        network: &PrefixOptions,
        trusted_networks: Option<&[Spanned<String>]>,
        findings: &mut Findings<'_>,
    ) -> Strangers {
        Strangers {
            prefix: Prefix::check(network, findings),
            trusted: trusted::networks(trusted_networks, findings),
        }
    }

    /// The address of the client, or why it is not looked at.
    pub(super) fn client(&self, envelope: &Envelope) -> Result<IpAddr, &'static str> {
        trusted::stranger(envelope, &self.trusted)
    }

    /// The network under which a client is remembered, `192.0.2.0/24`.
    pub(super) fn network(&self, client: IpAddr) -> String {
        self.prefix.network(client)
    }
}

/// Prefix lengths that were checked.
#[derive(Clone, Copy, Debug)]
struct Prefix {
    ipv4: u8,
    ipv6: u8,
}

impl Prefix {
    fn check(options: &PrefixOptions, findings: &mut Findings<'_>) -> Prefix {
        findings.within(&options.ipv4, 8, 32, "bits");
        findings.within(&options.ipv6, 16, 128, "bits");
        Prefix {
            ipv4: options.ipv4.value,
            ipv6: options.ipv6.value,
        }
    }

    fn network(self, address: IpAddr) -> String {
        let bits = match address {
            IpAddr::V4(_) => self.ipv4,
            IpAddr::V6(_) => self.ipv6,
        };
        match IpNet::new(address, bits) {
            Ok(network) => network.trunc().to_string(),
            Err(_) => address.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_remembered_by_their_network() {
        let prefix = Prefix { ipv4: 24, ipv6: 64 };
        let of = |address: &str| prefix.network(address.parse().unwrap());
        assert_eq!(of("192.0.2.77"), "192.0.2.0/24");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        let whole = Prefix {
            ipv4: 32,
            ipv6: 128,
        };
        assert_eq!(
            whole.network("192.0.2.77".parse().unwrap()),
            "192.0.2.77/32"
        );
    }
}

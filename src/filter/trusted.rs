//! Networks whose clients a filter does not hold against lists and policies: our own.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_saphyr::Spanned;

use crate::config::Findings;
use crate::mail::{Direction, Envelope};

/// Loopback, private, unique local and link-local addresses (RFC 1122, 1918, 3927, 4193, 4291).
const LOCAL: [&str; 8] = [
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
];

/// The address of a client of somebody else's, or why the client is not looked at.
pub(super) fn stranger(envelope: &Envelope, trusted: &[IpNet]) -> Result<IpAddr, &'static str> {
    if envelope.authenticated.is_some() {
        return Err("authenticated client");
    }
    if envelope.direction == Direction::Outbound {
        return Err("outbound");
    }
    match envelope.client.addr.map(|a| a.to_canonical()) {
        None => Err("no client address"),
        Some(client) if trusted.iter().any(|n| n.contains(&client)) => Err("trusted network"),
        Some(client) => Ok(client),
    }
}

/// The networks that are written as addresses and blocks, or, where nothing is, the local ones.
pub(super) fn networks(
    written: Option<&[Spanned<String>]>,
    findings: &mut Findings<'_>,
) -> Vec<IpNet> {
    match written {
        Some(written) => read(written, findings),
        None => LOCAL.iter().filter_map(|n| n.parse().ok()).collect(),
    }
}

/// The networks that are written as addresses and blocks.
pub(crate) fn read(written: &[Spanned<String>], findings: &mut Findings<'_>) -> Vec<IpNet> {
    let mut networks = Vec::new();
    for entry in written {
        let text = entry.value.trim();
        match text
            .parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        {
            Ok(network) if network.trunc() != network => findings.wrong_with_help(
                entry,
                "this network has bits beyond its prefix",
                format!("write {}", network.trunc()),
            ),
            Ok(network) => networks.push(network),
            Err(_) => findings.wrong_with_help(
                entry,
                "not a network",
                "write an address or a block such as 192.0.2.0/24 or 2001:db8::/32",
            ),
        }
    }
    networks
}

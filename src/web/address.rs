//! Where a request comes from: the other end of the connection, or, where that is a proxy that we trust, who it says
//! it speaks for.

use std::net::{IpAddr, SocketAddr};

use axum::http::{Extensions, HeaderMap};
use ipnet::IpNet;

/// The other end of the connection; put into each request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

/// Longest chain of proxies that is looked at.
const HOPS: usize = 32;

/// The address of the client: of `X-Forwarded-For` (each proxy adds the address that it sees at the end) the last that
/// is no trusted proxy.
pub(super) fn client(extensions: &Extensions, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let peer = extensions.get::<Peer>();
    let mut address = peer.map_or(IpAddr::V4(0.into()), |peer| peer.0.ip().to_canonical());
    let fields: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
    let hops = fields.iter().rev().filter_map(|field| field.to_str().ok());
    let hops = hops.flat_map(|field| field.rsplit(','));
    for hop in hops.take(HOPS) {
        if !trusted.iter().any(|network| network.contains(&address)) {
            break;
        }
        let Ok(before) = hop.trim().parse::<IpAddr>() else {
            break;
        };
        address = before.to_canonical();
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, forwarded: &[&'static str]) -> String {
        let mut extensions = Extensions::new();
        extensions.insert(Peer(SocketAddr::new(peer.parse().unwrap(), 1)));
        let mut headers = HeaderMap::new();
        for field in forwarded {
            headers.append("x-forwarded-for", field.parse().unwrap());
        }
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        client(&extensions, &headers, &trusted).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_may_say_for_whom_it_speaks() {
        for (peer, forwarded, client) in [
            ("192.0.2.1", &["198.51.100.7"][..], "192.0.2.1"),
            ("10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("::ffff:10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            // What the client has put in front is not believed.
            (
                "10.0.0.1",
                &["127.0.0.1, 198.51.100.7, 10.0.0.2"],
                "198.51.100.7",
            ),
            ("10.0.0.1", &["127.0.0.1", "198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["nonsense"], "10.0.0.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
        ] {
            assert_eq!(seen(peer, forwarded), client, "{peer} {forwarded:?}");
        }
    }
}

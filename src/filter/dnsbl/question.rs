//! The name to ask for about a client (RFC 5782, sections 2.1 and 2.4).

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longest name of a question before the zone: 32 nibbles with a dot each.
const PREFIX_BYTES: usize = 64;

/// Longest zone that leaves room for an IPv6 client in a name of 253 bytes (RFC 1035).
pub(super) const ZONE_BYTES: usize = 253 - PREFIX_BYTES;

/// The fully qualified question about `client` in `zone`: octets backwards for IPv4, nibbles backwards
/// for IPv6. An IPv4 client in IPv6 form must have been turned into an IPv4 address before.
pub(super) fn question(client: IpAddr, zone: &str) -> String {
    let mut name = String::with_capacity(PREFIX_BYTES + zone.len() + 1);
    // Writing to a string cannot fail.
    match client {
        IpAddr::V4(v4) => {
            for octet in v4.octets().iter().rev() {
                let _ = write!(name, "{octet}.");
            }
        }
        IpAddr::V6(v6) => {
            for octet in v6.octets().iter().rev() {
                let _ = write!(name, "{:x}.{:x}.", octet & 15, octet >> 4);
            }
        }
    }
    name.push_str(zone);
    name.push('.');
    name
}

/// The address that no working list has (RFC 5782, section 5), in the family of `client`.
pub(super) fn never_listed(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0x7f00, 1).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_and_nibbles_stand_backwards() {
        assert_eq!(
            question("192.0.2.99".parse().unwrap(), "bad.example.com"),
            "99.2.0.192.bad.example.com."
        );
        assert_eq!(
            question(
                "2001:db8:1:2:3:4:567:89ab".parse().unwrap(),
                "ugly.example.com"
            ),
            "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ugly.example.com."
        );
    }

    #[test]
    fn the_test_point_follows_the_family() {
        assert_eq!(
            never_listed("192.0.2.1".parse().unwrap()).to_string(),
            "127.0.0.1"
        );
        assert_eq!(
            never_listed("2001:db8::1".parse().unwrap()).to_string(),
            "::ffff:127.0.0.1"
        );
    }
}

//! The name to ask for in a list (RFC 5782, sections 2.1, 2.3 and 2.4).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::dns::domain::NAME_BYTES;
use crate::dns::reversed;

/// Longest name of a question before the zone: 32 nibbles with a dot each, or the longest hash.
const PREFIX_BYTES: usize = 64;

/// Longest zone that leaves room for an IPv6 address.
pub(super) const ZONE_BYTES: usize = NAME_BYTES - PREFIX_BYTES;

/// The fully qualified question about `address` in `zone`. An IPv4 address in IPv6 form must have been turned into an
/// IPv4 address before.
pub(super) fn about_address(address: IpAddr, zone: &str) -> String {
    format!("{}.{zone}.", reversed(address))
}

/// The fully qualified question about a name or a hash; `None` when it would be too long.
pub(super) fn about_name(name: &str, zone: &str) -> Option<String> {
    (name.len() + 1 + zone.len() <= NAME_BYTES).then(|| format!("{name}.{zone}."))
}

/// The address that each IPv4 list has.
pub(super) const LISTED: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
/// The address that each IPv6 list has.
pub(super) const LISTED_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0x7f00, 2));

/// The name that each list of names has.
pub(super) const LISTED_NAME: &str = "test";
/// The name that no list of names has.
pub(super) const UNLISTED: &str = "invalid";

/// The address that no working list has (RFC 5782, section 5), in the family of `address`.
pub(super) fn never_listed(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0x7f00, 1).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_would_be_too_long_is_not_asked_for() {
        let zone = "bl.example.org";
        assert_eq!(
            about_name("a.example.com", zone).as_deref(),
            Some("a.example.com.bl.example.org.")
        );
        let room = 253 - 1 - zone.len();
        assert!(about_name(&"a".repeat(room), zone).is_some());
        assert!(about_name(&"a".repeat(room + 1), zone).is_none());
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

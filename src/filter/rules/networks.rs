//! A list of networks that may hold hundreds of thousands: sorted ranges without overlap.

use std::net::IpAddr;

use ipnet::IpNet;

/// An immutable set of addresses, given as networks. An IPv4 address costs 8 bytes a range, IPv6 32.
#[derive(Debug, Default)]
pub(super) struct Networks {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl Networks {
    /// The union of these networks. IPv4 written as IPv6 (`::ffff:192.0.2.0/120`) is IPv4.
    pub(super) fn new(networks: impl IntoIterator<Item = IpNet>) -> Networks {
        let mut all = Networks::default();
        for network in networks {
            match (
                network.network().to_canonical(),
                network.broadcast().to_canonical(),
            ) {
                (IpAddr::V4(first), IpAddr::V4(last)) => all.v4.push((first.into(), last.into())),
                (IpAddr::V6(first), IpAddr::V6(last)) => all.v6.push((first.into(), last.into())),
                // Networks of IPv6 so wide that they hold all of IPv4.
                (first, last) => {
                    let wide = |a: IpAddr| match a {
                        IpAddr::V4(a) => u128::from(a.to_ipv6_mapped()),
                        IpAddr::V6(a) => u128::from(a),
                    };
                    all.v6.push((wide(first), wide(last)));
                }
            }
        }
        all.v4 = merged(all.v4, |last| last.checked_add(1));
        all.v6 = merged(all.v6, |last| last.checked_add(1));
        all
    }

    /// Number of ranges.
    pub(super) fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Bytes of memory that it takes.
    pub(super) fn memory(&self) -> usize {
        size_of_val(self.v4.as_slice()) + size_of_val(self.v6.as_slice())
    }

    /// Whether an address lies in one of them.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => holds(&self.v4, address.into()),
            IpAddr::V6(address) => holds(&self.v6, address.into()),
        }
    }
}

fn merged<T: Copy + Ord>(mut ranges: Vec<(T, T)>, after: impl Fn(T) -> Option<T>) -> Vec<(T, T)> {
    ranges.sort_unstable();
    let mut out: Vec<(T, T)> = Vec::new();
    for (first, last) in ranges {
        match out.last_mut() {
            Some((_, end)) if after(*end).is_none_or(|next| first <= next) => {
                *end = last.max(*end);
            }
            _ => out.push((first, last)),
        }
    }
    out.shrink_to_fit();
    out
}

fn holds<T: Copy + Ord>(ranges: &[(T, T)], address: T) -> bool {
    let after = ranges.partition_point(|(first, _)| *first <= address);
    after
        .checked_sub(1)
        .and_then(|i| ranges.get(i))
        .is_some_and(|(_, last)| address <= *last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_merged_networks() {
        let list = [
            "10.0.0.0/9",
            "10.128.0.0/9",
            "192.0.2.7/32",
            "192.0.2.0/30",
            "2001:db8::/32",
            "::ffff:198.51.100.0/120",
        ];
        let set = Networks::new(list.iter().map(|n| n.parse().unwrap()));
        assert_eq!(set.len(), 5);
        for (address, expected) in [
            ("10.200.0.1", true),
            ("9.255.255.255", false),
            ("11.0.0.0", false),
            ("192.0.2.3", true),
            ("192.0.2.4", false),
            ("::ffff:192.0.2.7", true),
            ("198.51.100.9", true),
            ("2001:db8:ffff::1", true),
            ("2001:db9::", false),
        ] {
            assert_eq!(
                set.contains(address.parse().unwrap()),
                expected,
                "{address}"
            );
        }
        let all = Networks::new(["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()]);
        assert!(all.contains("255.255.255.255".parse().unwrap()));
        assert!(all.contains("ffff::1".parse().unwrap()));
        assert!(!Networks::default().contains("::1".parse().unwrap()));
    }
}

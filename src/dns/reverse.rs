//! Addresses as labels of a name.

use std::net::{IpAddr, Ipv6Addr};

/// The labels under which DNS keeps what is known of an address, without the zone that follows: octets backwards
/// (RFC 1035, section 3.5), or nibbles backwards (RFC 3596, section 2.5). An IPv4 address in IPv6 form counts as IPv6.
pub fn reversed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}")
        }
        IpAddr::V6(v6) => dotted(nibbles(v6).into_iter().rev()),
    }
}

/// The 32 nibbles of an address in their own order, divided by dots (the macro `i` of RFC 7208, section 7.3).
pub fn dotted_nibbles(address: Ipv6Addr) -> String {
    dotted(nibbles(address).into_iter())
}

fn nibbles(address: Ipv6Addr) -> [u8; 32] {
    let bits = address.to_bits();
    // Four bits always fit.
    std::array::from_fn(|place| u8::try_from(bits >> (124 - 4 * place) & 0xf).unwrap_or(0))
}

fn dotted(nibbles: impl Iterator<Item = u8>) -> String {
    let mut out = String::with_capacity(64);
    for nibble in nibbles {
        if !out.is_empty() {
            out.push('.');
        }
        out.extend(char::from_digit(u32::from(nibble), 16));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_and_nibbles_stand_backwards() {
        assert_eq!(reversed("192.0.2.99".parse().unwrap()), "99.2.0.192");
        assert_eq!(
            reversed("2001:db8:1:2:3:4:567:89ab".parse().unwrap()),
            "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2"
        );
        assert_eq!(
            dotted_nibbles("2001:db8::cb01".parse().unwrap()),
            "2.0.0.1.0.d.b.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.c.b.0.1"
        );
    }
}

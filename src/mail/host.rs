//! The host that a URL leads to, whatever disguise is used: user parts, escapes, backslashes,
//! full-width letters, characters without width, numbers instead of addresses.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::transfer::hex;
use super::url::cut;

/// Longest host name (RFC 1035, section 2.3.4).
const HOST_BYTES: usize = 253;

/// The host in what follows the scheme, as browsers read it (WHATWG URL, "special" schemes): any
/// number of slashes, backslashes count as slashes, the last `@` ends the user part.
pub(super) fn read(rest: &str) -> Option<String> {
    let rest = rest.trim_start_matches(['/', '\\']);
    let authority = rest.split(['/', '\\', '?', '#']).next()?;
    let server = authority.rsplit('@').next()?;
    if let Some(bracketed) = server.strip_prefix('[') {
        let address: Ipv6Addr = bracketed.split(']').next()?.parse().ok()?;
        return Some(address.to_string());
    }
    let named = server.split(':').next()?;
    let mut host = String::with_capacity(named.len().min(HOST_BYTES));
    for c in unescape(cut(named, HOST_BYTES * 3)).chars() {
        match c {
            '\u{3002}' | '\u{ff0e}' | '\u{ff61}' => host.push('.'),
            '\u{ff01}'..='\u{ff5e}' => {
                let plain = char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c);
                host.extend(plain.to_lowercase());
            }
            c if is_invisible(c) => {}
            c => host.extend(c.to_lowercase()),
        }
    }
    let host = host.trim_matches('.');
    let good = |c: char| !c.is_control() && !c.is_whitespace() && !"<>\"'()[]{}|^`,;".contains(c);
    if host.is_empty() || host.len() > HOST_BYTES || !host.chars().all(good) {
        return None;
    }
    Some(ipv4(host).map_or_else(|| host.to_owned(), |a| a.to_string()))
}

/// Characters that take no space; browsers ignore them in host names (UTS 46).
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

/// Undoes percent escapes; what is no escape stays.
fn unescape(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        match (byte, tail) {
            (b'%', [high, low, tail @ ..]) => match hex(*high, *low) {
                Some(value) => {
                    out.push(value);
                    rest = tail;
                }
                None => out.push(b'%'),
            },
            _ => out.push(*byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// An IPv4 address in any notation that `inet_aton` takes: one to four numbers, decimal, octal or
/// hexadecimal, the last of which fills the remaining bytes.
fn ipv4(host: &str) -> Option<Ipv4Addr> {
    let pieces: Vec<&str> = host.split('.').take(5).collect();
    if pieces.len() > 4 {
        return None;
    }
    let numbers: Vec<u64> = pieces.iter().map(|p| number(p)).collect::<Option<_>>()?;
    let (last, leading) = numbers.split_last()?;
    let mut value: u64 = 0;
    for byte in leading {
        if *byte > 255 {
            return None;
        }
        value = value << 8 | byte;
    }
    let bits = 32 - 8 * u32::try_from(leading.len()).ok()?;
    if *last >= 1 << bits {
        return None;
    }
    u32::try_from(value << bits | last).ok().map(Ipv4Addr::from)
}

fn number(piece: &str) -> Option<u64> {
    let (digits, radix) = match piece.strip_prefix("0x").or(piece.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None if piece.len() > 1 && piece.starts_with('0') => (piece, 8),
        None => (piece, 10),
    };
    if !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_every_notation() {
        for (host, address) in [
            ("1.2.3.4", Some("1.2.3.4")),
            ("1.2.772", Some("1.2.3.4")),
            ("1.131844", Some("1.2.3.4")),
            ("16909060", Some("1.2.3.4")),
            ("0x01020304", Some("1.2.3.4")),
            ("0X1.02.0x3.4", Some("1.2.3.4")),
            ("4294967295", Some("255.255.255.255")),
            ("4294967296", None),
            ("256.1.1.1", None),
            ("1.2.3.256", None),
            ("1.2.3.4.5", None),
            ("08.1.1.1", None),
            ("1..2", None),
            ("+1.2.3.4", None),
            ("0x", None),
            ("a.b", None),
        ] {
            let found = ipv4(host).map(|a| a.to_string());
            assert_eq!(found.as_deref(), address, "{host}");
        }
    }

    #[test]
    fn what_cannot_be_a_host_is_none() {
        for rest in [
            "//",
            "///",
            "//a b/",
            "//a\u{0}b",
            "//<x>",
            "//%20",
            "//[zz]/",
            "//@",
            "//:80",
        ] {
            assert_eq!(read(rest), None, "{rest:?}");
        }
        assert_eq!(read(&format!("//{}.example", "a".repeat(300))), None);
    }
}

//! Which host names count as real ones.

use std::net::Ipv4Addr;

/// Longest label of a name, bytes.
const LABEL_BYTES: usize = 63;

/// Whether `host` is a full domain name (two labels of letters, digits, `-`, `_`; no `_` in the last two)
/// under a top-level domain that exists.
pub(super) fn is_real(host: &str) -> bool {
    is_well_formed(host) && is_under_known(host)
}

/// Whether `host` has the form of a full domain name.
pub(super) fn is_well_formed(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    if host.len() > 253 {
        return false;
    }
    let mut labels = 0;
    let well_formed = host.rsplit('.').enumerate().all(|(from_end, label)| {
        labels = from_end + 1;
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let bytes = label.as_bytes();
        (1..=LABEL_BYTES).contains(&bytes.len())
            && bytes.iter().all(|b| word(*b) || *b == b'-')
            && bytes.first().is_some_and(|b| word(*b))
            && bytes.last().is_some_and(|b| word(*b))
            && (from_end >= 2 || !label.contains('_'))
    });
    well_formed && labels >= 2
}

/// Whether the last label of `host` is a top-level domain, and not the only label.
pub(super) fn is_under_known(host: &str) -> bool {
    host.rsplit_once('.')
        .is_some_and(|(_, last)| is_top_level(last))
}

/// Whether that label is a top-level domain.
pub(super) fn is_top_level(label: &str) -> bool {
    let mut host = [b'x'; LABEL_BYTES + 2];
    let [_, dot, ..] = &mut host;
    *dot = b'.';
    let Some(lower) = host.get_mut(2..label.len() + 2) else {
        return false;
    };
    lower.copy_from_slice(label.as_bytes());
    lower.make_ascii_lowercase();
    // Those in ASCII are words, but for the encoded ones.
    if label.is_empty()
        || label.is_ascii()
            && !lower.iter().all(u8::is_ascii_lowercase)
            && !lower.starts_with(b"xn--")
    {
        return false;
    }
    if psl::suffix(lower).is_some_and(|s| s.is_known() && s.as_bytes().len() == label.len()) {
        return true;
    }
    // Some exist only with a label before them.
    let host = host.get(..label.len() + 2).unwrap_or_default();
    psl::suffix(host).is_some_and(|s| s.is_known() && s.typ() == Some(psl::Type::Icann))
}

/// The registered domain of a host; the host itself when it is one or none is known.
pub(super) fn registered(host: &str) -> &str {
    psl::domain_str(host).unwrap_or(host)
}

/// Whether it is an IPv4 address.
pub(super) fn is_ipv4(host: &str) -> bool {
    host.parse::<Ipv4Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_under_top_level_domains_are_real() {
        for real in ["example.com", "a_b.example.co.uk", "x.ck", "EXAMPLE.ORG."] {
            assert!(is_real(real.trim_end_matches('.')), "{real}");
        }
        for not in [
            "example",
            "example.nosuchtld",
            "a_b.com",
            "-a.com",
            "a..com",
        ] {
            assert!(!is_real(not), "{not}");
        }
        assert!(is_top_level("com") && is_top_level("MUSEUM") && !is_top_level("html"));
    }
}

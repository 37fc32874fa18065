//! Which host names count as real ones.

use std::net::Ipv4Addr;

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
    let labels: Vec<&str> = host.split('.').collect();
    if labels.len() < 2 {
        return false;
    }
    let from_end = |i: usize| labels.len() - i;
    labels.iter().enumerate().all(|(i, label)| {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let bytes = label.as_bytes();
        (1..=63).contains(&bytes.len())
            && bytes.iter().all(|b| word(*b) || *b == b'-')
            && bytes.first().is_some_and(|b| word(*b))
            && bytes.last().is_some_and(|b| word(*b))
            && (from_end(i) > 2 || !label.contains('_'))
    })
}

/// Whether the last label of `host` is a top-level domain, and not the only label.
pub(super) fn is_under_known(host: &str) -> bool {
    host.rsplit_once('.')
        .is_some_and(|(_, last)| is_top_level(last))
}

/// Whether that label is a top-level domain.
pub(super) fn is_top_level(label: &str) -> bool {
    if label.is_empty() || label.len() > 63 {
        return false;
    }
    let lower = label.to_ascii_lowercase();
    psl::suffix(lower.as_bytes()).is_some_and(|s| s.is_known() && s.as_bytes().len() == lower.len())
        || psl::suffix(format!("x.{lower}").as_bytes())
            .is_some_and(|s| s.is_known() && s.typ() == Some(psl::Type::Icann))
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

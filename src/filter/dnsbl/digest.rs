//! Hashes of mail addresses and URLs, for lists that must not show what they know. In: a mailbox or a URL as
//! it stands in a message. Out: one label.

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::zone_options::{Algorithm, Encoding, HashOptions};

/// The domain of Gmail, which ignores dots in the local part, and its other name.
const GMAIL: &str = "gmail.com";
const GOOGLEMAIL: &str = "googlemail.com";

/// The label that a list of `hash` is asked for.
pub(super) fn label(text: &str, hash: &HashOptions) -> String {
    let written = match text.contains("://") {
        true => url(text),
        false => email(text, hash.canonical),
    };
    let bytes = match hash.algorithm {
        Algorithm::Sha1 => Sha1::digest(written.as_bytes()).to_vec(),
        Algorithm::Sha256 => Sha256::digest(written.as_bytes()).to_vec(),
    };
    match hash.encoding {
        Encoding::Hex => HEXLOWER.encode(&bytes),
        Encoding::Base32 => BASE32_NOPAD.encode(&bytes).to_ascii_lowercase(),
    }
}

/// A mail address in lower case; `canonical` takes away what makes several addresses of one mailbox: the tag
/// after `+`, and for Gmail the dots and its second domain.
fn email(address: &str, canonical: bool) -> String {
    let address = address.trim().to_lowercase();
    let Some((local, domain)) = address.rsplit_once('@').filter(|_| canonical) else {
        return address;
    };
    let untagged = match local.split_once('+') {
        Some((before, _)) if !before.is_empty() => before,
        _ => local,
    };
    match domain {
        GMAIL | GOOGLEMAIL => format!("{}@{GMAIL}", untagged.replace('.', "")),
        _ => format!("{untagged}@{domain}"),
    }
}

/// A URL without scheme, user part and fragment, its host in lower case; `host/path?query`.
fn url(text: &str) -> String {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let rest = rest.split('#').next().unwrap_or(rest);
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let mut out = host.to_lowercase();
    if !path.starts_with('/') {
        out.push('/');
    }
    out.push_str(path);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA1: HashOptions = HashOptions {
        algorithm: Algorithm::Sha1,
        encoding: Encoding::Hex,
        canonical: true,
    };

    /// Against `printf %s ... | sha1sum` and `sha256sum | xxd -r -p | base32`.
    #[test]
    fn labels_are_those_of_the_tools() {
        assert_eq!(
            label("User@Example.com", &SHA1),
            "63a710569261a24b3766275b7000ce8d7b32e2f7"
        );
        let base32 = HashOptions {
            algorithm: Algorithm::Sha256,
            encoding: Encoding::Base32,
            canonical: true,
        };
        let long = label("user@example.com", &base32);
        assert_eq!(long, "wte2fcjshmq2ahb6sqhrkdvzxdcuewd7dk75r4hbzqp7yxshkuka");
        assert_eq!(long.len(), 52);
    }

    #[test]
    fn the_forms_of_one_mailbox_are_one() {
        for (address, one) in [
            ("Ann.Lee+tag@Example.com", "ann.lee@example.com"),
            ("a.n.n+x@GoogleMail.com", "ann@gmail.com"),
            ("+only@example.com", "+only@example.com"),
            ("nobody", "nobody"),
        ] {
            assert_eq!(email(address, true), one);
        }
        assert_eq!(email("Ann+tag@Example.com", false), "ann+tag@example.com");
    }

    #[test]
    fn a_url_is_host_path_and_query() {
        for (text, asked) in [
            ("http://Example.com", "example.com/"),
            ("https://u:p@Example.com:8080/A?b#c", "example.com:8080/A?b"),
            ("http://example.com?q=1", "example.com/?q=1"),
        ] {
            assert_eq!(url(text), asked);
        }
    }
}

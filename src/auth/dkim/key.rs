//! Keys in DNS (RFC 6376, sections 3.6 and 6.1.2; RFC 8301; RFC 8463).

use mail_auth::common::crypto::Algorithm;
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;

use crate::auth::names::{Failure, Names, texts};
use crate::auth::tags::Tags;

/// Fewest bits of an RSA key (RFC 8301, section 3.2).
const RSA_BITS: usize = 1024;
/// Most records at one name that are tried.
const RECORDS: usize = 4;

/// A key that can be used.
pub struct Key {
    pub(in crate::auth) key: DomainKey,
    rsa: bool,
    /// `t=s`: the agent must be of the very domain.
    pub(in crate::auth) strict: bool,
    /// `t=y`: the domain tries things out.
    pub(in crate::auth) testing: bool,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("rsa", &self.rsa).finish()
    }
}

/// Why there is no key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyProblem {
    /// DNS could not tell.
    Temporary(Failure),
    /// There is none, or none that can be used.
    Permanent(&'static str),
}

/// Fetches the key of a selector and a domain, both in A-labels.
///
/// # Errors
/// There is no key, or DNS could not tell.
pub async fn fetch_key(names: &dyn Names, selector: &str, domain: &str) -> Result<Key, KeyProblem> {
    let at = format!("{selector}._domainkey.{domain}");
    let found = texts(names, &at).await.map_err(KeyProblem::Temporary)?;
    let mut problem = KeyProblem::Permanent("there is no key");
    for record in found.iter().take(RECORDS) {
        match Key::read(record) {
            Ok(key) => return Ok(key),
            Err(why) => problem = KeyProblem::Permanent(why),
        }
    }
    Err(problem)
}

impl Key {
    fn read(record: &[u8]) -> Result<Key, &'static str> {
        let tags = Tags::read(record).map_err(|_| "the key record cannot be read")?;
        let version = tags.get("v");
        let first = tags.first().map(|(name, _)| name);
        if version.is_some() && (version != Some(b"DKIM1") || first != Some(b"v")) {
            return Err("the key record is of another version");
        }
        let public = tags.get("p").ok_or("the key record has no key")?;
        if public.is_empty() {
            return Err("the key is revoked");
        }
        let rsa = match tags.word("k").as_deref() {
            None | Some("rsa") => true,
            Some("ed25519") => false,
            Some(_) => return Err("the key is of an unknown kind"),
        };
        let has = |tag: &str, items: &[&[u8]]| match tags.items(tag) {
            None => true,
            Some(mut all) => all.any(|item| items.contains(&item)),
        };
        if !has("h", &[b"sha256"]) {
            return Err("the key is not for SHA-256");
        }
        if !has("s", &[b"*", b"email"]) {
            return Err("the key is not for mail");
        }
        let key = DomainKey::parse(record).map_err(|_| "the key cannot be read")?;
        if rsa && key.p.public_key_bits() < RSA_BITS {
            return Err("the key is shorter than 1024 bits");
        }
        let flag = |flag: &[u8]| {
            tags.items("t")
                .is_some_and(|mut all| all.any(|f| f == flag))
        };
        Ok(Key {
            key,
            rsa,
            strict: flag(b"s"),
            testing: flag(b"y"),
        })
    }

    /// Whether it is of the kind that a signature was made with.
    pub(in crate::auth) fn fits(&self, algorithm: Algorithm) -> bool {
        match algorithm {
            Algorithm::RsaSha256 => self.rsa,
            Algorithm::Ed25519Sha256 => !self.rsa,
            Algorithm::RsaSha1 => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

    #[test]
    fn a_key_record_says_what_it_is_for() {
        let read = |record: &str| Key::read(record.replace("KEY", PUBLIC).as_bytes());
        let key = read("v=DKIM1; k=ed25519; t=y:s; s=email; h=sha1:sha256; p=KEY; x=y").unwrap();
        assert!(key.strict && key.testing && key.fits(Algorithm::Ed25519Sha256));
        assert!(!key.fits(Algorithm::RsaSha256));
        assert!(read("k=ed25519; p=KEY;").is_ok());
        for (bad, why) in [
            ("v=DKIM2; k=ed25519; p=KEY", "another version"),
            ("k=ed25519; v=DKIM1; p=KEY", "another version"),
            ("v=DKIM1; k=ed25519; p=", "revoked"),
            ("v=DKIM1; k=ed25519", "no key"),
            ("v=DKIM1; k=ecdsa; p=KEY", "unknown kind"),
            ("v=DKIM1; k=ed25519; h=sha1; p=KEY", "not for SHA-256"),
            ("v=DKIM1; k=ed25519; s=other; p=KEY", "not for mail"),
            ("v=DKIM1; k=ed25519; p=KEY; p=KEY", "cannot be read"),
            ("v=spf1 -all", "another version"),
            // 512 bits.
            (
                "v=DKIM1; p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAMCBM6CjZTMp8rTPcBBsDsWRxSYJRy5UQHGOI3jSPYrpQ1SXSJzJGkyqxmoQdOBL1nbuKZfrhGMsyvvTwfBGBMMCAwEAAQ==",
                "shorter",
            ),
        ] {
            let is = read(bad).unwrap_err();
            assert!(is.contains(why), "{bad}: {is}");
        }
    }
}

//! Signatures for tests, made by mail-auth.

use mail_auth::arc::ArcSealer;
use mail_auth::common::crypto::{Ed25519Key, RsaKey, Sha256};
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::{Canonicalization, DkimSigner};
use mail_auth::{ArcOutput, AuthenticatedMessage, AuthenticationResults};

use crate::zone::Zone;

/// A key that signs for a domain.
pub(crate) struct Signer {
    key: Vec<u8>,
    pub(crate) domain: String,
    public: String,
}

impl Signer {
    pub(crate) fn new(domain: &str) -> Signer {
        let key = Ed25519Key::generate_pkcs8().unwrap();
        let public = Ed25519Key::from_pkcs8_der(&key).unwrap().public_key();
        Signer {
            key,
            domain: domain.to_owned(),
            public: base64(&public),
        }
    }

    /// Its key record.
    pub(crate) fn record(&self) -> String {
        format!("v=DKIM1; k=ed25519; p={}", self.public)
    }

    /// `zone` with its key.
    pub(crate) fn published(&self, zone: Zone) -> Zone {
        zone.txt(&format!("s._domainkey.{}", self.domain), &self.record())
    }

    /// The message with a signature on top.
    pub(crate) fn sign(&self, message: &str) -> String {
        self.sign_as(
            message,
            &["From", "To", "Subject"],
            Canonicalization::Relaxed,
            false,
        )
    }

    pub(crate) fn sign_as(
        &self,
        message: &str,
        fields: &[&str],
        canonicalization: Canonicalization,
        with_length: bool,
    ) -> String {
        let key = Ed25519Key::from_pkcs8_der(&self.key).unwrap();
        let signature = DkimSigner::from_key(key)
            .domain(&self.domain)
            .selector("s")
            .headers(fields.iter().copied())
            .header_canonicalization(canonicalization)
            .body_canonicalization(canonicalization)
            .body_length(with_length)
            .sign(message.as_bytes())
            .unwrap();
        format!("{}{message}", signature.to_header())
    }
}

impl Signer {
    /// The message with the first set of an ARC chain, in which the sealer says that it saw `seen`.
    pub(crate) fn seal(&self, message: &str, seen: &str) -> String {
        let key = Ed25519Key::from_pkcs8_der(&self.key).unwrap();
        let parsed = AuthenticatedMessage::parse(message.as_bytes()).unwrap();
        let results = format!("{}; {seen}", self.domain);
        let results = AuthenticationResults::new(&results);
        let set = ArcSealer::from_key(key)
            .domain(&self.domain)
            .selector("s")
            .headers(["From", "To", "Subject"])
            .seal(&parsed, &results, &ArcOutput::default())
            .unwrap();
        format!("{}{message}", set.to_header())
    }
}

/// A message signed with an RSA key of a PEM file.
#[allow(deprecated)]
pub(crate) fn sign_with_rsa(pem: &str, domain: &str, selector: &str, message: &str) -> String {
    let key = match pem.contains("BEGIN RSA") {
        true => RsaKey::<Sha256>::from_rsa_pem(pem),
        false => RsaKey::<Sha256>::from_pkcs8_pem(pem),
    };
    let signature = DkimSigner::from_key(key.unwrap())
        .domain(domain)
        .selector(selector)
        .headers(["From", "To", "Subject", "Date"])
        .sign(message.as_bytes())
        .unwrap();
    format!("{}{message}", signature.to_header())
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let mut bits = 0_u32;
        for at in 0..3 {
            bits = bits << 8 | u32::from(three.get(at).copied().unwrap_or(0));
        }
        for at in 0..4 {
            match at <= three.len() {
                true => out.push(char::from(LETTERS[(bits >> (18 - 6 * at)) as usize & 63])),
                false => out.push('='),
            }
        }
    }
    out
}

//! Signatures for tests, made by mail-auth.

use data_encoding::BASE64;
use mail_auth::common::crypto::Ed25519Key;
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::{Canonicalization, DkimSigner};

use crate::zone::Zone;

/// A key that signs for a domain.
pub(crate) struct Signer {
    pub(crate) key: Vec<u8>,
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
            public: BASE64.encode(&public),
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

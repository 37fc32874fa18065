//! Sets of an ARC chain for tests, made by mail-auth.

use mail_auth::arc::ArcSealer;
use mail_auth::common::crypto::Ed25519Key;
use mail_auth::common::headers::HeaderWriter;
use mail_auth::{ArcOutput, AuthenticatedMessage, AuthenticationResults};

use crate::signer::Signer;

/// The message with the first set of an ARC chain, in which `sealer` says that it saw `seen`.
pub(crate) fn seal(sealer: &Signer, message: &str, seen: &str) -> String {
    let key = Ed25519Key::from_pkcs8_der(&sealer.key).unwrap();
    let parsed = AuthenticatedMessage::parse(message.as_bytes()).unwrap();
    let results = format!("{}; {seen}", sealer.domain);
    let results = AuthenticationResults::new(&results);
    let set = ArcSealer::from_key(key)
        .domain(&sealer.domain)
        .selector("s")
        .headers(["From", "To", "Subject"])
        .seal(&parsed, &results, &ArcOutput::default())
        .unwrap();
    format!("{}{message}", set.to_header())
}

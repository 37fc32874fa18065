//! Signature, key and hashes together (RFC 6376, section 6.1.3).

use mail_auth::common::crypto::Algorithm;

use super::canonical::{Fields, header_hash_input};
use super::{BodyHashes, Canonicalization, Dkim, DkimResult, Key, KeyProblem, Signature};

/// Verifies a signature. `now`: seconds since 1970.
pub fn verify(
    signature: &Signature,
    key: &Result<Key, KeyProblem>,
    header: &Fields<'_>,
    body: &BodyHashes,
    now: u64,
) -> Dkim {
    let key = match key {
        Ok(key) => key,
        Err(KeyProblem::Permanent(why)) => return signature.result(DkimResult::PermError, *why),
        Err(KeyProblem::Temporary(failure)) => {
            let mut said = signature.result(DkimResult::TempError, failure.detail.as_str());
            said.failure = Some(failure.clone());
            return said;
        }
    };
    if key.strict && signature.agent != signature.domain {
        return signature.result(DkimResult::PermError, "the agent is of a domain below");
    }
    if let Err(why) = fits(signature, key, header, body) {
        return match key.testing {
            true => signature.result(DkimResult::Neutral, format!("{why}; the key is on trial")),
            false => signature.result(DkimResult::Fail, why),
        };
    }
    if signature.expires.is_some_and(|end| end <= now) {
        return signature.result(DkimResult::Fail, "it has expired");
    }
    match body.get(signature.body, signature.length) {
        Some((_, true)) => signature.result(DkimResult::Pass, ""),
        _ => signature.result(DkimResult::Policy, "a part of the body is not signed"),
    }
}

/// Whether the hash of the body and the signature over the header fit the message.
pub(in crate::auth) fn fits(
    signature: &Signature,
    key: &Key,
    fields: &Fields<'_>,
    body: &BodyHashes,
) -> Result<(), &'static str> {
    match body.get(signature.body, signature.length) {
        None => return Err("the body is shorter than what was signed"),
        Some((hash, _)) if hash != signature.body_hash => return Err("the body has been changed"),
        Some(_) => {}
    }
    let signed = fields.signed(&signature.names);
    cryptography(
        key,
        &signed,
        &signature.field,
        signature.header,
        &signature.signature,
        signature.algorithm,
    )
}

/// Whether a signature was made over these fields with the key.
pub(in crate::auth) fn cryptography(
    key: &Key,
    fields: &[&[u8]],
    own: &[u8],
    canonicalization: Canonicalization,
    signature: &[u8],
    algorithm: Algorithm,
) -> Result<(), &'static str> {
    if !key.fits(algorithm) {
        return Err("the key is of another kind");
    }
    let input = header_hash_input(fields, own, canonicalization);
    key.key
        .p
        .verify_bytes(&input, signature, algorithm)
        .map_err(|_| "the signature does not fit the header")
}

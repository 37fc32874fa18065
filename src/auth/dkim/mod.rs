//! DKIM (RFC 6376, with RFC 8301 and RFC 8463): who takes responsibility for a message, proven by signature.
//!
//! In: the header, the body as it arrives, keys from DNS. Out: for each signature a result, its domain and
//! selector. The work is cut so that each piece begins as soon as it can: [`read`] at the end of the header,
//! [`fetch_key`] at once after it, [`BodyHasher`] along with the body, [`verify`] when all is there.
//!
//! Promises: one pass over the body for each of the two canonicalisations, whatever the number of signatures; a
//! signature that does not cover the From field, leaves a part of the body unsigned, uses SHA-1 or a key of less
//! than 1024 bits never passes. mail-auth reads the fields and keys and does the cryptography.

mod body;
mod canonical;
mod key;
mod signature;
mod verification;

pub use body::{BodyHasher, BodyHashes};
pub use canonical::Fields;
pub use key::{Key, KeyProblem, fetch_key};
pub(crate) use signature::signing_domain;
pub use signature::{Canonicalization, Signature, read};
pub use verification::verify;
pub(super) use verification::{cryptography, fits};

/// The result of one signature (RFC 8601, section 2.7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DkimResult {
    /// There is no signature.
    None,
    /// It is good.
    Pass,
    /// It does not fit the message.
    Fail,
    /// It is good, but not of a kind that counts.
    Policy,
    /// It is of a key on trial, and does not fit.
    Neutral,
    /// DNS could not tell.
    TempError,
    /// It, or its key, cannot be used.
    PermError,
}

impl DkimResult {
    /// The word used in headers and metrics.
    pub fn name(self) -> &'static str {
        match self {
            DkimResult::None => "none",
            DkimResult::Pass => "pass",
            DkimResult::Fail => "fail",
            DkimResult::Policy => "policy",
            DkimResult::Neutral => "neutral",
            DkimResult::TempError => "temperror",
            DkimResult::PermError => "permerror",
        }
    }
}

/// One signature, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dkim {
    /// The result.
    pub result: DkimResult,
    /// The domain that signed (`d=`), in A-labels; empty where the field cannot be read.
    pub domain: String,
    /// The selector (`s=`).
    pub selector: String,
    /// `rsa-sha256` or `ed25519-sha256`; empty where the field cannot be read.
    pub algorithm: &'static str,
    /// The beginning of the signature in base64, which tells it from others (RFC 6008).
    pub mark: String,
    /// What is wrong; a text of ours.
    pub reason: String,
    /// Why DNS could not tell, for `temperror`.
    pub failure: Option<super::names::Failure>,
}

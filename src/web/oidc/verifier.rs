//! Signatures of JSON Web Tokens (RFC 7518) by ring, which TLS uses too: RSA of 2048 to 8192 bits by PKCS #1 and PSS,
//! ECDSA on P-256 and P-384, Ed25519. There is no other way to sign here: no shared secret, and no `none`.

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, new_error};
use jsonwebtoken::signature::{Error, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use ring::signature;

static BY_RING: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(new_error(ErrorKind::UnsupportedAlgorithm)),
    verifier_factory: |algorithm, key| {
        let (algorithm, key) = (*algorithm, key.clone());
        match how(algorithm) {
            Some(_) if key.family() == algorithm.family() => {
                Ok(Box::new(ByRing { algorithm, key }))
            }
            _ => Err(new_error(ErrorKind::UnsupportedAlgorithm)),
        }
    },
    // Only asked for by what makes keys.
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes jsonwebtoken use ring. The process can say so once; it is said by nobody else.
pub(super) fn install() {
    let _ = BY_RING.install_default();
}

/// Whether signatures of this kind are taken.
pub(super) fn takes(algorithm: Algorithm) -> bool {
    how(algorithm).is_some()
}

enum How {
    Rsa(&'static signature::RsaParameters),
    Plain(&'static dyn signature::VerificationAlgorithm),
}

fn how(algorithm: Algorithm) -> Option<How> {
    Some(match algorithm {
        Algorithm::RS256 => How::Rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => How::Rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => How::Rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::PS256 => How::Rsa(&signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => How::Rsa(&signature::RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => How::Rsa(&signature::RSA_PSS_2048_8192_SHA512),
        Algorithm::ES256 => How::Plain(&signature::ECDSA_P256_SHA256_FIXED),
        Algorithm::ES384 => How::Plain(&signature::ECDSA_P384_SHA384_FIXED),
        Algorithm::EdDSA => How::Plain(&signature::ED25519),
        _ => return None,
    })
}

struct ByRing {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl Verifier<Vec<u8>> for ByRing {
    fn verify(&self, message: &[u8], signed: &Vec<u8>) -> Result<(), Error> {
        let held = match (how(self.algorithm), self.key.kind()) {
            (Some(How::Rsa(parameters)), DecodingKeyKind::RsaModulusExponent { n, e }) => {
                signature::RsaPublicKeyComponents { n, e }.verify(parameters, message, signed)
            }
            (Some(How::Plain(algorithm)), DecodingKeyKind::SecretOrDer(key)) => {
                signature::UnparsedPublicKey::new(algorithm, key).verify(message, signed)
            }
            _ => return Err(Error::new()),
        };
        held.map_err(|_| Error::new())
    }
}

impl JwtVerifier for ByRing {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

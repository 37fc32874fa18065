//! The keys that a provider signs with: a JSON Web Key Set (RFC 7517). Keys that are not for signatures, or of kinds
//! that we do not take, are passed over, as the standard asks; so is one that is written wrongly.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, Header};
use serde::Deserialize;
use serde_json::Value;

use super::error::OidcError;

/// Keys of a set that are looked at.
const KEYS: usize = 100;

/// The keys of a set.
pub(super) struct Keys(Vec<Key>);

struct Key {
    /// What tokens call it.
    id: Option<String>,
    /// What it says it is for, if it says so.
    algorithm: Option<KeyAlgorithm>,
    /// Of a key on a curve.
    curve: Option<EllipticCurve>,
    key: DecodingKey,
}

impl Keys {
    /// Reads a set.
    ///
    /// # Errors
    /// Text that is no key set.
    pub(super) fn read(text: &[u8]) -> Result<Keys, OidcError> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let set: Set = serde_json::from_slice(text)
            .map_err(|e| OidcError::Answer(format!("this is no set of keys: {e}")))?;
        let keys = set.keys.into_iter().take(KEYS);
        Ok(Keys(keys.filter_map(Key::read).collect()))
    }

    /// How many serve.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Those that a token with this header can be signed with.
    pub(super) fn fitting<'a>(
        &'a self,
        header: &'a Header,
    ) -> impl Iterator<Item = &'a DecodingKey> {
        let fits = move |key: &&Key| key.fits(header);
        self.0.iter().filter(fits).map(|key| &key.key)
    }
}

impl Key {
    fn read(written: Value) -> Option<Key> {
        let jwk: Jwk = serde_json::from_value(written).ok()?;
        let common = &jwk.common;
        let for_signatures = matches!(common.public_key_use, None | Some(PublicKeyUse::Signature));
        let curve = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => None,
            AlgorithmParameters::EllipticCurve(key) => Some(key.curve.clone()),
            AlgorithmParameters::OctetKeyPair(key) => Some(key.curve.clone()),
            // A secret that everybody can read proves nothing.
            _ => return None,
        };
        let key = for_signatures.then(|| DecodingKey::from_jwk(&jwk).ok())??;
        Some(Key {
            id: common.key_id.clone(),
            algorithm: common.key_algorithm,
            curve,
            key,
        })
    }

    fn fits(&self, header: &Header) -> bool {
        let algorithm = header.alg;
        let by_kind = match (self.key.family(), &self.curve) {
            (AlgorithmFamily::Rsa, None) => algorithm.family() == AlgorithmFamily::Rsa,
            (AlgorithmFamily::Ec, Some(EllipticCurve::P256)) => algorithm == Algorithm::ES256,
            (AlgorithmFamily::Ec, Some(EllipticCurve::P384)) => algorithm == Algorithm::ES384,
            (AlgorithmFamily::Ed, Some(EllipticCurve::Ed25519)) => algorithm == Algorithm::EdDSA,
            _ => false,
        };
        let by_word = self
            .algorithm
            .is_none_or(|declared| declared == KeyAlgorithm::from(algorithm));
        // A token that names no key may be signed with any.
        let by_id = header.kid.is_none() || header.kid == self.id;
        by_kind && by_word && by_id
    }
}

//! The public keys of an external issuer, read from a JSON Web Key Set.
//!
//! Knows nothing of where the set came from. Keys that cannot sign what we accept are left out,
//! shared secrets among them: whoever can read the set could sign with those.

use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use crate::auth::token_error::TokenError;

/// Issuers have two or three.
const MOST_KEYS: usize = 64;

/// Keys that may verify tokens.
#[derive(Debug, Default)]
pub struct KeySet(Vec<Key>);

#[derive(Debug)]
struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// # Errors
    /// When it is no key set, or none of its keys can be used.
    pub fn read(text: &str) -> Result<KeySet, String> {
        let document: Document = serde_json::from_str(text)
            .map_err(|error| format!("it is not a JSON Web Key Set: {error}"))?;
        if document.keys.len() > MOST_KEYS {
            return Err(format!("it has more than {MOST_KEYS} keys"));
        }
        // One key of a kind that we do not know must not cost the others.
        let keys: Vec<Key> = document.keys.into_iter().filter_map(usable).collect();
        if keys.is_empty() {
            return Err("none of its keys is a public key for RS256, ES256 or EdDSA".to_owned());
        }
        Ok(KeySet(keys))
    }

    /// The one key that a token names by its id, or means if it names none.
    ///
    /// # Errors
    /// [`TokenError::UnknownKey`], and [`TokenError::Algorithm`] when the key is of another kind.
    pub fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Result<&DecodingKey, TokenError> {
        let mut fitting = self.0.iter().filter(|key| key.algorithm == algorithm);
        let Some(id) = id else {
            let only = fitting.next().ok_or(TokenError::UnknownKey)?;
            // With several, whoever signs has to say with which.
            return if fitting.next().is_some() {
                Err(TokenError::UnknownKey)
            } else {
                Ok(&only.key)
            };
        };
        let named = |key: &&Key| key.id.as_deref() == Some(id);
        match fitting.find(named) {
            Some(key) => Ok(&key.key),
            None if self.0.iter().any(|key| named(&key)) => Err(TokenError::Algorithm),
            None => Err(TokenError::UnknownKey),
        }
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn usable(value: Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            Algorithm::ES256
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            Algorithm::EdDSA
        }
        _ => return None,
    };
    let common = &jwk.common;
    let for_this = match common.key_algorithm {
        None => true,
        Some(KeyAlgorithm::RS256) => algorithm == Algorithm::RS256,
        Some(KeyAlgorithm::ES256) => algorithm == Algorithm::ES256,
        Some(KeyAlgorithm::EdDSA) => algorithm == Algorithm::EdDSA,
        Some(_) => false,
    };
    let signs = common.public_key_use.as_ref().is_none_or(|u| *u == PublicKeyUse::Signature);
    let verifies =
        common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify));
    if !(for_this && signs && verifies) {
        return None;
    }
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    Some(Key { id: jwk.common.key_id, algorithm, key })
}

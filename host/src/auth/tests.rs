//! Tokens and accounts as a whole; each file below looks at one side.
//!
//! Tokens of other issuers are signed here with keys made for it; the RSA key in this folder
//! exists for nothing else, for `ring` makes none.

mod issuer;
mod keys;
mod memory;
mod people;
mod tokens;

use alyx_protocol::worker::Auth;
use serde_json::{Value, json};

use crate::auth::minter::Minter;
use crate::auth::verifier::Verifier;
use crate::config::model::JwtConfig;
use crate::config::secret::Secret;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn config() -> JwtConfig {
    JwtConfig {
        secret: Secret::new(SECRET),
        issuer: "alyx".into(),
        audience: None,
        access_ttl: std::time::Duration::from_secs(900),
        refresh_ttl: std::time::Duration::from_secs(3_600),
        jwks: None,
    }
}

fn verifier() -> Verifier {
    Verifier::new(&config(), None)
}

fn minter() -> Minter {
    Minter::new(&config()).unwrap()
}

fn ann() -> Auth {
    let metadata = json!({"team": {"name": "blue"}});
    Auth {
        id: "u1".into(),
        email: Some("ann@x.org".into()),
        role: "editor".into(),
        verified: true,
        metadata,
    }
}

/// Seconds since 1970, `ahead` of now.
fn at(ahead: i64) -> Value {
    json!(crate::auth::claims::now() as i64 + ahead)
}

/// base64url without padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let group = |group: &[u8]| {
        let all = group.iter().fold(0u32, |sum, byte| sum << 8 | u32::from(*byte))
            << (8 * (3 - group.len()));
        let letter = |at: usize| LETTERS[(all >> (18 - 6 * at)) as usize & 63] as char;
        (0..=group.len()).map(letter).collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}

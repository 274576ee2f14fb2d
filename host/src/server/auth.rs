//! What tells who is calling, built from the configuration.
//!
//! A host that nobody has configured needs none of it and starts; one that would accept tokens
//! that anybody can make does not.

use std::sync::Arc;

use tokio_util::task::AbortOnDropHandle;

use crate::auth::accounts::Accounts;
use crate::auth::key_fetch::Location;
use crate::auth::key_source::KeySource;
use crate::auth::minter::Minter;
use crate::auth::password::{Cost, Passwords};
use crate::auth::secret::{self, SecretProblem};
use crate::auth::verifier::Verifier;
use crate::config::issue::{Issue, Origin};
use crate::config::{Config, defaults};
use crate::db::Store;
use crate::http::auth::Gate;
use crate::server::ServerError;

const SECRET: &str = "auth.jwt.secret";
const JWKS: &str = "auth.jwt.jwks";

/// The keys of an external issuer, if there is one.
///
/// # Errors
/// [`ServerError::Auth`] for a secret that may not sign, for settings that ask for a secret when
/// there is none, and for a file without keys.
pub async fn keys(config: &Config) -> Result<Option<Arc<KeySource>>, ServerError> {
    refuse_unsafe(config)?;
    let Some(jwks) = &config.auth.jwt.jwks else { return Ok(None) };
    let refuse = |complaint| ServerError::Auth(Issue::new(config.origin(JWKS), "", complaint));
    let location = Location::new(jwks).map_err(refuse)?;
    let (is_file, shown) = (location.is_file(), location.to_string());
    let source = KeySource::new(location);
    // A file must be there; an address may answer later.
    if is_file {
        let looked = source.look().await;
        looked.map_err(|problem| refuse(format!("{JWKS}: cannot use '{shown}': {problem}")))?;
    }
    Ok(Some(source))
}

fn refuse_unsafe(config: &Config) -> Result<(), ServerError> {
    let jwt = &config.auth.jwt;
    let complain = |key, complaint: String| {
        // The complaints name their key themselves.
        Err(ServerError::Auth(Issue::new(config.origin(key), "", complaint)))
    };
    match secret::check(&jwt.secret) {
        Ok(()) => return Ok(()),
        Err(problem) if !jwt.secret.is_empty() => return complain(SECRET, problem.to_string()),
        Err(_) if jwt.jwks.is_some() => return Ok(()),
        Err(_) => {}
    }
    if let Some(key) = asks_for_a_secret(config) {
        let complaint = format!("{key} is of no use: {}", SecretProblem::Empty);
        return complain(key, complaint);
    }
    if *config.origin(SECRET) != Origin::Default {
        tracing::warn!("{}; until then accounts and tokens are refused", SecretProblem::Empty);
    }
    Ok(())
}

/// Settings that say nothing new count as not made: the defaults may be written out.
fn asks_for_a_secret(config: &Config) -> Option<&'static str> {
    let (given, usual) = (&config.auth, defaults().auth);
    let changed = [
        ("auth.jwt.issuer", given.jwt.issuer != usual.jwt.issuer),
        ("auth.jwt.audience", given.jwt.audience != usual.jwt.audience),
        ("auth.jwt.access_ttl", given.jwt.access_ttl != usual.jwt.access_ttl),
        ("auth.jwt.refresh_ttl", given.jwt.refresh_ttl != usual.jwt.refresh_ttl),
        ("auth.password.min_length", given.password != usual.password),
    ];
    changed.into_iter().find(|(_, changed)| *changed).map(|(key, _)| key)
}

/// Everything that is configured.
///
/// # Errors
/// [`ServerError::Passwords`]
pub fn gate(
    config: &Config,
    keys: Option<Arc<KeySource>>,
    store: &Store,
) -> Result<Gate, ServerError> {
    let jwt = &config.auth.jwt;
    let verifier = Arc::new(Verifier::new(jwt, keys.clone()));
    let accounts = match Minter::new(jwt) {
        Ok(minter) => {
            let passwords = Passwords::new(Cost::STANDARD).map_err(ServerError::Passwords)?;
            let (store, verifier) = (store.clone(), verifier.clone());
            Some(Accounts::new(store, &config.auth, verifier, minter, passwords))
        }
        Err(_) => None,
    };
    Ok(Gate {
        verifier: (accounts.is_some() || keys.is_some()).then_some(verifier),
        accounts,
        fresh_keys: keys.map(|keys| AbortOnDropHandle::new(tokio::spawn(keys.keep_fresh()))),
    })
}

/// What one call on the command line needs: no accounts, and keys only as they are now.
///
/// # Errors
/// [`ServerError::Auth`]
pub async fn gate_of_one_call(config: &Config) -> Result<Gate, ServerError> {
    let keys = keys(config).await?;
    let verifier = Verifier::new(&config.auth.jwt, keys.clone());
    let configured = verifier.has_secret() || keys.is_some();
    Ok(Gate { verifier: configured.then(|| Arc::new(verifier)), ..Gate::default() })
}

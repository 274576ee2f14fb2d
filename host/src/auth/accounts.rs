//! Accounts with passwords: registering, logging in and out, and staying logged in.
//!
//! Policy alone: what is kept is the store's, what is said to callers the HTTP edge's. Nothing
//! here tells a stranger whether an address has an account, but for registering it again.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use alyx_protocol::worker::Auth;
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::auth::account_error::AccountError;
use crate::auth::bearer::LONGEST_TOKEN;
use crate::auth::claims::{Claims, DEEPEST, is_deeper, now};
use crate::auth::minter::{Minter, RefreshId};
use crate::auth::password::Passwords;
use crate::auth::request::Bodies;
use crate::auth::store::{AccountStore, Created, Exchange, Exchanged, Family, NewUser};
use crate::auth::throttle::{Charge, Refusals, Rule, network};
use crate::auth::token_error::TokenError;
use crate::auth::user::User;
use crate::auth::verifier::Verifier;
use crate::config::model::AuthConfig;
use crate::config::secret::Secret;

/// Failed logins from one place, whoever they are for: many people may share it.
const LOGINS_OF_NETWORK: Rule = Rule { burst: 60, period: Duration::from_secs(6) };
/// Logins for one address from one place: somebody who tries passwords.
const LOGINS_OF_BOTH: Rule = Rule { burst: 10, period: Duration::from_secs(30) };
/// Logins for one address from anywhere: many who try together. High, for it locks out its owner.
const LOGINS_OF_EMAIL: Rule = Rule { burst: 100, period: Duration::from_secs(60) };
const REGISTRATIONS: Rule = Rule { burst: 30, period: Duration::from_secs(30) };

/// Accounts of one host. Shared by all requests.
#[derive(Debug)]
pub struct Accounts<S> {
    store: S,
    verifier: Arc<Verifier>,
    minter: Minter,
    passwords: Passwords,
    bodies: Bodies,
    refusals: Refusals,
    registration_is_open: bool,
}

/// Somebody who has just logged in.
#[derive(Debug)]
pub struct Session {
    pub user: User,
    pub tokens: Tokens,
}

/// As the answer has them.
#[derive(Clone, Serialize)]
pub struct Tokens {
    pub access_token: String,
    pub refresh_token: String,
    token_type: &'static str,
    /// Seconds that the access token is valid.
    pub expires_in: u64,
}

impl<S: AccountStore> Accounts<S> {
    #[must_use]
    pub fn new(
        store: S,
        config: &AuthConfig,
        verifier: Arc<Verifier>,
        minter: Minter,
        passwords: Passwords,
    ) -> Accounts<S> {
        Accounts {
            store,
            verifier,
            minter,
            passwords,
            bodies: Bodies::new(config.password.min_length),
            refusals: Refusals::default(),
            registration_is_open: config.allow_registration,
        }
    }

    /// `{email, password, name?, metadata?}` → a new user, logged in.
    ///
    /// # Errors
    /// [`AccountError`]
    pub async fn register(&self, body: &Bytes, from: IpAddr) -> Result<Session, AccountError> {
        if !self.registration_is_open {
            return Err(AccountError::Closed);
        }
        let wanted = self.bodies.registration(body)?;
        let key = format!("register:{}", network(from));
        self.charge(vec![Charge { key, rule: REGISTRATIONS }]).await?;
        let password_hash = Secret::new(self.passwords.hash(wanted.password).await?);
        let user = NewUser {
            email: wanted.email,
            name: wanted.name,
            metadata: wanted.metadata.unwrap_or_default(),
            password_hash,
        };
        match self.store.create_user(user).await? {
            Created::User(user) => self.open_session(user).await,
            Created::EmailTaken => Err(AccountError::EmailTaken),
        }
    }

    /// `{email, password}` → the user, logged in.
    ///
    /// # Errors
    /// [`AccountError`]
    pub async fn login(&self, body: &Bytes, from: IpAddr) -> Result<Session, AccountError> {
        let given = self.bodies.login(body)?;
        let network = network(from);
        let of_both = format!("login:{network}:{}", given.email);
        let of_email = format!("login:{}", given.email);
        let of_network = Charge { key: format!("login:{network}"), rule: LOGINS_OF_NETWORK };
        self.charge(vec![
            of_network.clone(),
            Charge { key: of_both.clone(), rule: LOGINS_OF_BOTH },
            Charge { key: of_email.clone(), rule: LOGINS_OF_EMAIL },
        ])
        .await?;
        let found = self.store.credentials(&given.email).await?;
        let hash = found.as_ref().map(|found| found.password_hash.expose().to_owned());
        // Also without a hash: a stranger must not learn from the time that there is none.
        let matched = self.passwords.verify(given.password, hash).await?;
        let Some(found) = found.filter(|_| matched) else {
            return Err(AccountError::WrongCredentials);
        };
        // Of the others from there only those who fail count: all may come by one proxy.
        self.store.forgive(vec![of_both, of_email], of_network).await?;
        self.open_session(found.user).await
    }

    /// `{refresh_token}` → newer tokens; the one given is spent. One that was spent already ends
    /// the session it belongs to: either its owner or a thief has a copy.
    ///
    /// # Errors
    /// [`AccountError`]
    pub async fn refresh(&self, body: &Bytes) -> Result<Session, AccountError> {
        let given = self.bodies.refresh(body)?;
        let Presented { user, family, token } = self.presented(given.refresh_token.expose())?;
        let Some(user) = self.store.user(&user).await? else {
            self.store.close_family(&family).await?;
            return Err(AccountError::RefreshSpent);
        };
        let next = Uuid::new_v4().to_string();
        let now = millis();
        let exchange = Exchange {
            family: family.clone(),
            user: user.id().to_owned(),
            presented: digest(&token),
            next: digest(&next),
            expires: self.family_expires(now),
            now,
        };
        match self.store.exchange(exchange).await? {
            Exchanged::Done => Ok(self.session(user, RefreshId { family: &family, token: &next })),
            Exchanged::Unknown => Err(AccountError::RefreshSpent),
            Exchanged::Reused => {
                tracing::warn!(
                    user = user.id(),
                    "a spent refresh token came back; its session is ended"
                );
                Err(AccountError::RefreshSpent)
            }
        }
    }

    /// `{refresh_token}` → the session it belongs to ends, even with a token that is spent.
    ///
    /// # Errors
    /// [`AccountError`]; not for a session that has ended already.
    pub async fn logout(&self, body: &Bytes) -> Result<(), AccountError> {
        let given = self.bodies.refresh(body)?;
        match self.presented(given.refresh_token.expose()) {
            Ok(presented) => Ok(self.store.close_family(&presented.family).await?),
            Err(AccountError::Token(TokenError::Expired)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn open_session(&self, user: User) -> Result<Session, AccountError> {
        let (family, token) = (Uuid::new_v4().to_string(), Uuid::new_v4().to_string());
        let now = millis();
        let opened = Family {
            id: family.clone(),
            user: user.id().to_owned(),
            current: digest(&token),
            expires: self.family_expires(now),
        };
        self.store.open_family(opened, now).await?;
        Ok(self.session(user, RefreshId { family: &family, token: &token }))
    }

    fn session(&self, user: User, id: RefreshId<'_>) -> Session {
        let tokens = Tokens {
            access_token: self.access_token(user.auth()),
            refresh_token: self.minter.refresh(user.id(), id),
            token_type: "Bearer",
            expires_in: self.minter.access_ttl().as_secs(),
        };
        Session { user, tokens }
    }

    /// Functions may write more into `metadata` than a token holds. Rather than a token that
    /// nobody accepts, such a user gets one without it.
    fn access_token(&self, auth: &Auth) -> String {
        let token = self.minter.access(auth);
        if token.len() <= LONGEST_TOKEN && !is_deeper(&auth.metadata, DEEPEST) {
            return token;
        }
        tracing::warn!(user = auth.id, "the user's metadata is too much for a token; left out");
        let metadata = Value::Object(Map::new());
        self.minter.access(&Auth { metadata, ..auth.clone() })
    }

    async fn charge(&self, charges: Vec<Charge>) -> Result<(), AccountError> {
        let now = millis();
        if let Some(wait) = self.refusals.wait(&charges, now) {
            return Err(AccountError::TooMany(wait));
        }
        self.store.charge(charges, now).await?.map_err(|refused| {
            self.refusals.remember(refused.key, refused.wait, now);
            AccountError::TooMany(refused.wait)
        })
    }

    fn presented(&self, token: &str) -> Result<Presented, AccountError> {
        let claims = self.verifier.refresh_claims(token).map_err(AccountError::Token)?;
        let Claims { sub: Some(user), family: Some(family), jti: Some(token), .. } = claims else {
            return Err(AccountError::Token(TokenError::NotRefresh));
        };
        Ok(Presented { user, family, token })
    }

    fn family_expires(&self, now: u64) -> u64 {
        now + self.minter.refresh_ttl().as_millis() as u64
    }
}

/// The user of a token as the database has them; as the token has them when the database does
/// not, for tokens need no row.
///
/// # Errors
/// [`AccountError::Failed`] and [`AccountError::Busy`]
pub async fn me_of<S: AccountStore>(store: &S, auth: &Auth) -> Result<User, AccountError> {
    let found = store.user(&auth.id).await?;
    Ok(found.unwrap_or_else(|| User::of_token(auth)))
}

/// What a refresh token names.
struct Presented {
    user: String,
    family: String,
    token: String,
}

impl Session {
    /// The answer to register, login and refresh.
    #[must_use]
    pub fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Answer<'a> {
            user: &'a RawValue,
            tokens: &'a Tokens,
        }
        let answer = Answer { user: self.user.document(), tokens: &self.tokens };
        serde_json::to_string(&answer).expect("texts, a number and JSON")
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

/// What is kept of a token's id: who reads the database has no tokens from it.
fn digest(id: &str) -> String {
    hex::encode(Sha256::digest(id.as_bytes()))
}

fn millis() -> u64 {
    (now() * 1_000.0) as u64
}

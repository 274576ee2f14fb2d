//! What accounts need of a database. The host's implements it, and tests have one in memory.
//!
//! Each method is one transaction. All times are milliseconds since 1970.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::auth::throttle::Charge;
use crate::auth::user::User;
use crate::config::secret::Secret;

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreFault {
    /// The data breaks a rule of `users`, such as a field of the app that is required.
    #[error("{message}")]
    Rejected { field: Option<String>, message: String },
    /// The same may succeed a moment later.
    #[error("the store is busy")]
    Busy,
    #[error(transparent)]
    Failed(#[from] Box<dyn std::error::Error + Send + Sync>),
}

/// A user to be made, with the default role: nobody becomes an admin here.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// In lower case, as all addresses that come here.
    pub email: String,
    pub name: Option<String>,
    pub metadata: Map<String, Value>,
    pub password_hash: Secret,
}

/// What became of a [`NewUser`].
#[derive(Debug)]
pub enum Created {
    User(User),
    EmailTaken,
}

/// A user and the hash of their password.
#[derive(Debug)]
pub struct Credentials {
    pub user: User,
    pub password_hash: Secret,
}

/// A line of refresh tokens, of which only the newest counts.
#[derive(Debug, Clone)]
pub struct Family {
    pub id: String,
    pub user: String,
    /// SHA-256 of the newest token's id, in hex.
    pub current: String,
    pub expires: u64,
}

/// The exchange of a family's newest token for a newer one.
#[derive(Debug, Clone)]
pub struct Exchange {
    pub family: String,
    pub user: String,
    /// What the caller has, hashed as [`Family::current`].
    pub presented: String,
    pub next: String,
    pub expires: u64,
    pub now: u64,
}

/// What became of an [`Exchange`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exchanged {
    Done,
    /// There is no such family of this user, or it has expired.
    Unknown,
    /// An older token came back: somebody else has it. The family is gone now.
    Reused,
}

/// A try that a limit does not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooMany {
    /// Of the charge that was refused.
    pub key: String,
    pub wait: Duration,
}

/// Users, password hashes, refresh families and throttles.
pub trait AccountStore: Send + Sync + 'static {
    /// Inserts the user and the hash together. Two addresses that differ in case are the same.
    fn create_user(
        &self,
        user: NewUser,
    ) -> impl Future<Output = Result<Created, StoreFault>> + Send;

    /// The user with this address, whatever its case, who has a password.
    fn credentials(
        &self,
        email: &str,
    ) -> impl Future<Output = Result<Option<Credentials>, StoreFault>> + Send;

    fn user(&self, id: &str) -> impl Future<Output = Result<Option<User>, StoreFault>> + Send;

    /// Inserts the family. Takes the chance to remove those that expired before `now`, and the
    /// longest unused of this user beyond [`MOST_FAMILIES`].
    fn open_family(
        &self,
        family: Family,
        now: u64,
    ) -> impl Future<Output = Result<(), StoreFault>> + Send;

    /// If `presented` is the family's newest, puts `next` in its place; if the family is there
    /// and it is not, removes the family. Of two at the same time only one is [`Exchanged::Done`].
    fn exchange(
        &self,
        exchange: Exchange,
    ) -> impl Future<Output = Result<Exchanged, StoreFault>> + Send;

    /// Removes the family, if it is there.
    fn close_family(&self, id: &str) -> impl Future<Output = Result<(), StoreFault>> + Send;

    /// Counts a try under each key by [`crate::auth::throttle::Rule::charge`], or, if one of them
    /// refuses, under none. Takes the chance to remove keys whose credit is whole.
    fn charge(
        &self,
        charges: Vec<Charge>,
        now: u64,
    ) -> impl Future<Output = Result<Result<(), TooMany>, StoreFault>> + Send;

    /// Forgets what was counted under these keys, and takes one charge back.
    fn forgive(
        &self,
        keys: Vec<String>,
        charge: Charge,
    ) -> impl Future<Output = Result<(), StoreFault>> + Send;
}

/// Logins of one user that are kept at once.
pub const MOST_FAMILIES: usize = 50;

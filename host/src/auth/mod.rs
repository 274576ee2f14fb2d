//! Who is calling: tokens are verified and minted here, and accounts with passwords are kept.
//!
//! [`verifier`] turns a bearer token into an [`alyx_protocol::worker::Auth`] from its claims
//! alone; [`accounts`] registers and logs people in through an [`store::AccountStore`]. Knows no
//! HTTP and no database.

pub mod backend;
pub mod secret;
pub mod token_error;
pub mod bearer;
pub mod claims;
pub mod key_set;
pub mod key_fetch;
pub mod key_source;
pub mod token_cache;
pub mod verifier;
pub mod minter;
pub mod throttle;
pub mod password;
pub mod user;
pub mod store;
pub mod account_error;
pub mod request;
pub mod accounts;

#[cfg(test)]
mod tests;

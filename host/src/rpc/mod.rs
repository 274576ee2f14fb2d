//! The wire, seen from the host: one live connection to one shim.
//!
//! Knows frames, ids and answers. Knows nothing of functions, pools or databases: what a shim
//! asks of its host is served by a [`peer::Service`] that is passed in.

pub mod pending;
pub mod outbox;
pub mod peer;
pub mod listener;

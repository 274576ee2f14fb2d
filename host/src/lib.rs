//! Alyx: a function host.
//!
//! The path of one call, top to bottom: [`http`] reads the request and checks the body,
//! [`invoker`] runs the policy of a call, [`pool`] finds or makes a worker and [`pool::lease`]
//! makes the call on it, [`rpc`] carries it to the shim and its answer back. On the way the shim
//! may ask for something: [`rpc`] hands that to [`syscalls`]. [`server`] builds all parts and
//! is the only module that knows them all.
//!
//! The modules stand in the order in which a call meets them; each may use those below it, never
//! those above. `tests/module_order.rs` holds that.

pub mod cli;
pub mod server;
pub mod http;
pub mod dev;
pub mod invoker;
pub mod pool;
pub mod syscalls;
pub mod rpc;
pub mod sandbox;
pub mod images;
pub mod engine;
pub mod deps;
pub mod runtime;
pub mod leash;
pub mod workshop;
pub mod metrics;
pub mod invocation;
pub mod registry;
pub mod db;
pub mod auth;
pub mod schema;
pub mod config;

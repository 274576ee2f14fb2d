//! The program as its users see it: `alyx` itself, real Node.js, Python and Go, nothing mocked.
//!
//! Each test has a project and a host of its own. Names begin with the row of the contract that
//! they check; what holds in every runtime is asked of every runtime.

mod harness;

mod input;
mod result;
mod routes;
mod timeout;
mod crash;
mod scarcity;
mod concurrency;
mod cancel;
mod errors;
mod throws;
mod request;
mod env;
mod logs;
mod node;
mod python;
mod go;
mod folder;
mod manifest;
mod load;
mod deps;
mod dev;
mod cli;
mod config;
mod stop;
mod killed;
mod outside;
mod leaks;
mod auth_issuer;
mod auth_bearer;
mod auth_accounts;
mod auth_sessions;
mod auth_jwks;
mod auth_start;
mod workers;
mod sharing;
mod recycling;
mod fairness;
mod hostile;
mod hostile_memory;
mod network;
mod doctor;
mod containers;
mod images;
mod db;
mod sql;
mod durability;
mod validation;
mod openapi;
mod guide;
mod third_party;

//! The conformance suite of the Alyx protocol: does a shim do what the spec says?
//!
//! It starts a shim, plays the host towards it as a case says, and judges what comes back. It
//! depends on the `alyx-protocol` crate alone, so that it judges without trusting the host.
//!
//! Reading order: a case from YAML to verdict.
//!
//! 1. [`suite`]: the files of cases, and which are chosen
//! 2. [`case`] and [`step`]: what a case is
//! 3. [`generated`], [`outgoing`] and [`answers`]: from what a case says it sends to bytes
//! 4. [`matcher`]: from what it expects to differences
//! 5. [`config`] and [`fixtures`]: how a runtime is run, and the functions it loads
//! 6. [`transport`] and [`starter`]: a process with a connection
//! 7. [`inbox`], [`wire_check`], [`schema_check`], [`transcript`]: what came
//! 8. [`syscalls`] and [`reference_host`]: both directions of one connection
//! 9. [`player`] and [`expectation`]: one case, step by step
//! 10. [`runner`]: all of them
//! 11. [`failure`], [`known`], [`report`], [`console`]: what was found
//! 12. [`requirements`]: the spec's own list
//! 13. [`refshim`]: a shim to test the harness with
//! 14. [`cli`]: the command

pub mod suite;
pub mod case;
pub mod step;
pub mod generated;
pub mod outgoing;
pub mod answers;
pub mod matcher;
pub mod config;
pub mod fixtures;
pub mod transport;
pub mod starter;
pub mod inbox;
pub mod wire_check;
pub mod schema_check;
pub mod transcript;
pub mod syscalls;
pub mod reference_host;
pub mod player;
pub mod expectation;
pub mod runner;
pub mod failure;
pub mod known;
pub mod report;
pub mod console;
pub mod requirements;
pub mod refshim;
pub mod cli;

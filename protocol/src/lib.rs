//! The Alyx protocol: what a function host and a language shim say to each other.
//!
//! This crate is data and bytes only. It knows nothing of sockets, tasks, functions on disk or
//! databases, so that third-party authors, the conformance suite and the fuzzers can use it
//! without the host. The normative text is `protocol/v1/spec.md`; each module names the part it
//! implements.
//!
//! Reading order, bytes first:
//!
//! 1. [`limits`]: every size, with its floor, default and cap
//! 2. [`codec`]: bytes to frames and back
//! 3. [`json`]: one check of foreign JSON before it is spliced into a frame
//! 4. [`message`]: a frame as request, notification, result or error
//! 5. [`error`]: the error object and the registry of codes
//! 6. [`version`]: which versions there are and how one is agreed on
//! 7. [`worker`]: the methods a shim and a host use to run functions
//! 8. [`invocation`]: `invoke` as its receiver reads it
//! 9. [`syscall`]: what a running function may tell and ask its host
//! 10. [`database`]: the params and results of `db.*` and `tx.*`

#![warn(missing_docs)]

pub mod limits;
pub mod codec;
pub mod json;
pub mod message;
pub mod error;
pub mod version;
pub mod worker;
pub mod invocation;
pub mod syscall;
pub mod database;

pub use codec::{CodecError, Decoded, FrameCodec, OutFrame};
pub use error::{ErrorCode, ErrorData, RpcError};
pub use limits::Limits;
pub use message::{Members, Message, ParseError};

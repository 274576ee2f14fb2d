//! Every size of the protocol in one place (spec section "Sizes").
//!
//! Knows nothing of who enforces a limit: the codec, the peers and the shims read it here.

use serde::{Deserialize, Serialize};

/// Largest payload the 24-bit length can name: 16 MiB - 1 bytes.
pub const FRAME_CAP: usize = 0x00ff_ffff;
/// Frame size a peer uses when nothing else was agreed: 8 MiB.
pub const FRAME_DEFAULT: usize = 8 * 1024 * 1024;
/// Smallest frame size a peer may offer: 1 MiB.
pub const FRAME_FLOOR: usize = 1024 * 1024;
/// Largest frame before the handshake is done: 64 KiB.
pub const FRAME_BEFORE_HELLO: usize = 64 * 1024;
/// Deepest nesting of arrays and objects in an input or an output.
pub const DEPTH: usize = 128;
/// Deepest nesting of free content beside a payload: documents, details, fields, schemas.
pub const DATA_DEPTH: usize = 64;
/// Largest id: 2^53 - 1, the largest integer that every language's numbers hold exactly.
pub const ID_MAX: u64 = (1 << 53) - 1;
/// Longest method name in bytes.
pub const METHOD: usize = 64;
/// Longest function name in bytes.
pub const FUNCTION_NAME: usize = 128;
/// Longest error message in bytes.
pub const ERROR_MESSAGE: usize = 4 * 1024;
/// Longest stack in an error, in bytes.
pub const STACK: usize = 16 * 1024;
/// Largest `details` of an error, in bytes of JSON.
pub const DETAILS: usize = 64 * 1024;
/// Longest log message in bytes.
pub const LOG_ENTRY: usize = 16 * 1024;
/// Log bytes one invocation may send.
pub const LOG_BYTES: usize = 256 * 1024;
/// Unanswered calls a shim may have towards its host.
pub const CALLS: usize = 256;
/// Unanswered calls one invocation may have towards its host.
pub const CALLS_PER_INVOCATION: usize = 32;
/// Unanswered invocations a shim may announce that it takes.
pub const CONCURRENCY_CAP: u32 = 1024;
/// Frames of bad JSON in a row after which a connection is closed.
pub const BAD_FRAMES: u32 = 8;
/// Answers to calls that were never made after which a connection is closed.
pub const STRAY_ANSWERS: u32 = 16;

/// The limits a host announces in its answer to `hello`. Sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Limits {
    /// Largest payload of a frame that the host takes.
    pub max_frame: usize,
    /// Deepest nesting of arrays and objects in a value.
    pub max_depth: usize,
    /// Longest message of a log entry.
    pub max_log_entry: usize,
    /// Log bytes one invocation may send.
    pub max_log_bytes: usize,
    /// Unanswered calls the shim may have towards the host.
    pub max_calls: usize,
    /// Of these, for one invocation.
    pub max_calls_per_invocation: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_frame: FRAME_DEFAULT,
            max_depth: DEPTH,
            max_log_entry: LOG_ENTRY,
            max_log_bytes: LOG_BYTES,
            max_calls: CALLS,
            max_calls_per_invocation: CALLS_PER_INVOCATION,
        }
    }
}

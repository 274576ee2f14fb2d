//! What the reference shim writes: whole frames, from any thread.

use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use alyx_protocol::{ErrorCode, RpcError, message};
use serde_json::{Value, json};

use super::start::{Mutant, Output};
use crate::outgoing::frame;

/// The shim's end of the connection.
pub(super) struct Line {
    output: Mutex<Output>,
    mutant: Option<Mutant>,
}

impl Line {
    pub(super) fn new(output: Output, mutant: Option<Mutant>) -> Self {
        Line { output: Mutex::new(output), mutant }
    }

    pub(super) fn mutant(&self) -> Option<Mutant> {
        self.mutant
    }

    pub(super) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    fn output(&self) -> MutexGuard<'_, Output> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn send(&self, message: &Value) -> std::io::Result<()> {
        let mut bytes = frame(message.to_string().as_bytes());
        if self.is(Mutant::LittleEndian) {
            bytes[1..4].reverse();
        }
        let mut output = self.output();
        output.write_all(&bytes)?;
        output.flush()
    }

    pub(super) fn answer(&self, id: u64, result: &Value) -> std::io::Result<()> {
        let written = if self.is(Mutant::IdAsString) { json!(id.to_string()) } else { json!(id) };
        let answer = json!({"jsonrpc": "2.0", "id": written, "result": result});
        if self.is(Mutant::AnswersTwice) {
            self.send(&answer)?;
        }
        self.send(&answer)
    }

    pub(super) fn refuse(
        &self,
        id: Option<u64>,
        code: ErrorCode,
        message: impl std::fmt::Display,
    ) -> std::io::Result<()> {
        self.fail(id, &RpcError::new(code, message))
    }

    pub(super) fn fail(&self, id: Option<u64>, error: &RpcError) -> std::io::Result<()> {
        let error = message::error(id, error).map_err(std::io::Error::other)?;
        let mut output = self.output();
        error.pieces().iter().try_for_each(|piece| output.write_all(piece))?;
        output.flush()
    }
}

//! What a function says of its input and output, enforced in one place for all languages.
//!
//! Text in, verdict out: [`FunctionSchema::read`] compiles what a shim found in the source,
//! [`FunctionSchema::check_input`] and [`FunctionSchema::check_output`] hold values to it, and
//! [`openapi`] shows it to the world. Knows nothing of functions, workers or HTTP.

pub mod format;
pub mod pattern;
pub mod number;
pub mod rules;
pub mod fault;
pub mod violation;
pub mod path;
pub mod members;
pub mod fill;
pub mod check;
pub mod bounds;
pub mod given;
pub mod read;
pub mod json_schema;
pub mod openapi;

use bytes::Bytes;

use crate::schema::check::{Defaults, check};
use crate::schema::fault::SchemaError;
use crate::schema::read::read_schema;
use crate::schema::rules::Fields;
use crate::schema::violation::Violations;

/// One function's compiled schema. Built once per revision; checks share it.
#[derive(Debug, Default)]
pub struct FunctionSchema {
    input: Option<Fields>,
    output: Option<Fields>,
}

impl FunctionSchema {
    /// Compiles `{input?, output?}` as the shim sent it.
    ///
    /// Takes the text, not a parsed value: faults come in the order of the source, which a
    /// sorted map has lost.
    ///
    /// # Errors
    /// [`SchemaError`] with every fault and its place.
    pub fn read(text: &str) -> Result<FunctionSchema, SchemaError> {
        let (input, output) = read_schema(text)?;
        Ok(FunctionSchema { input, output })
    }

    /// The function's input as its handler is to see it: with the defaults filled in.
    ///
    /// `input` is one JSON object that [`alyx_protocol::json::check`] accepted. It comes back as
    /// it is, uncopied, unless a default had to be put in.
    ///
    /// # Errors
    /// [`Violations`] in the order of the schema.
    pub fn check_input(&self, input: &Bytes) -> Result<Bytes, Violations> {
        match &self.input {
            Some(fields) => check(fields, input, "input", Defaults::Fill),
            None => Ok(input.clone()),
        }
    }

    /// Whether a result keeps what the schema promises. Nothing is filled in.
    ///
    /// # Errors
    /// [`Violations`] in the order of the schema.
    pub fn check_output(&self, output: &Bytes) -> Result<(), Violations> {
        match &self.output {
            Some(fields) => check(fields, output, "result", Defaults::Leave).map(|_| ()),
            None => Ok(()),
        }
    }

    /// What the input must be, if anything is said of it.
    #[must_use]
    pub fn input(&self) -> Option<&Fields> {
        self.input.as_ref()
    }

    /// What the output will be, if anything is said of it.
    #[must_use]
    pub fn output(&self) -> Option<&Fields> {
        self.output.as_ref()
    }
}

#[cfg(test)]
mod tests;

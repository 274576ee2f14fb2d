//! The files of `protocol/v1` against each other and against this crate.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod golden;

mod spec;
mod schema;
mod examples;
mod framing;
mod transcripts;
mod codec_props;

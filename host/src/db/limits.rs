//! The sizes that the database is held to.
//!
//! Those of filters stand with what they bound.

/// Longest statement text, in bytes.
pub(super) const LONGEST_SQL: usize = 1 << 20;
/// Longest pattern of LIKE, in bytes.
pub(super) const LONGEST_PATTERN: usize = 4096;
/// Most documents on one page.
pub const MOST_DOCUMENTS: i64 = 1000;
/// Largest answer to one call, in bytes.
pub const LARGEST_ANSWER: usize = 32 << 20;
/// Largest value or row, in bytes.
pub(super) const LARGEST_VALUE: usize = 64 << 20;

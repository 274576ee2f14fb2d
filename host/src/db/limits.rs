//! The sizes that the database is held to.
//!
//! Those of pages, filters and answers stand with what they bound.

/// Longest statement text, in bytes.
pub(super) const LONGEST_SQL: usize = 1 << 20;
/// Longest pattern of LIKE, in bytes.
pub(super) const LONGEST_PATTERN: usize = 4096;
/// Largest value or row, in bytes.
pub(super) const LARGEST_VALUE: usize = 64 << 20;

//! Puts defaults into JSON text without rewriting the rest of it.
//!
//! Knows no rules. The bytes of the caller stay as they came, numbers and order included.

use bytes::Bytes;

/// What to put where.
#[derive(Debug, Default)]
pub struct Fills(Vec<Fill>);

#[derive(Debug)]
struct Fill {
    at: usize,
    /// Bytes of the original that it stands in for.
    replaces: usize,
    text: String,
}

impl Fills {
    /// Puts `text` in the place of `replaces` bytes from `at`.
    pub fn put(&mut self, at: usize, replaces: usize, text: String) {
        self.0.push(Fill { at, replaces, text });
    }

    /// The text with everything in its place; the same bytes when there is nothing to put.
    #[must_use]
    pub fn apply(mut self, original: &Bytes) -> Bytes {
        if self.0.is_empty() {
            return original.clone();
        }
        // The check walks in the order of the schema, the text may have another.
        self.0.sort_by_key(|fill| fill.at);
        let added: usize = self.0.iter().map(|fill| fill.text.len()).sum();
        let mut filled = Vec::with_capacity(original.len() + added);
        let mut copied = 0;
        for fill in &self.0 {
            filled.extend_from_slice(&original[copied..fill.at]);
            filled.extend_from_slice(fill.text.as_bytes());
            copied = fill.at + fill.replaces;
        }
        filled.extend_from_slice(&original[copied..]);
        filled.into()
    }
}

//! Finds the members of a JSON object that a schema speaks of.
//!
//! Builds no tree: a value found is a slice of the text, and the rest is skipped. Knows no rules.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use smallvec::SmallVec;

use crate::schema::rules::Fields;

/// The values of an object, one place for each field of the schema.
#[derive(Debug)]
pub struct Members<'v> {
    /// Of a key that stands twice, the last: that is the one which handlers see.
    pub values: SmallVec<[Option<&'v RawValue>; 8]>,
    /// Whether the object has no members at all.
    pub is_empty: bool,
}

/// Reads the text of one object.
///
/// # Errors
/// serde's, when it is none.
pub fn members<'v>(object: &'v str, fields: &Fields) -> Result<Members<'v>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(object);
    deserializer.deserialize_map(MembersVisitor(fields))
}

struct MembersVisitor<'s>(&'s Fields);

impl<'v> Visitor<'v> for MembersVisitor<'_> {
    type Value = Members<'v>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'v>>(self, mut map: A) -> Result<Members<'v>, A::Error> {
        let mut found =
            Members { values: SmallVec::from_elem(None, self.0.as_slice().len()), is_empty: true };
        while let Some(position) = map.next_key_seed(KeySeed(self.0))? {
            found.is_empty = false;
            match position {
                Some(at) => found.values[at] = Some(map.next_value::<&RawValue>()?),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }
}

/// Reads a key as bytes: JSON allows halves of surrogate pairs in it, and `str` does not.
struct KeySeed<'s>(&'s Fields);

impl<'v> DeserializeSeed<'v> for KeySeed<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'v>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_bytes<E>(self, key: &[u8]) -> Result<Self::Value, E> {
        Ok(self.0.position(key))
    }
}

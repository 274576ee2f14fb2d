//! How deep JSON is nested, by a parser's own account, repeated members included.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Levels of arrays and objects: 0 for a scalar.
pub(crate) struct Deep(pub(crate) usize);

impl<'de> Deserialize<'de> for Deep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Walk)
    }
}

struct Walk;

impl<'de> Visitor<'de> for Walk {
    type Value = Deep;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Deep, A::Error> {
        let mut deepest = 0;
        while let Some(Deep(depth)) = items.next_element()? {
            deepest = deepest.max(depth);
        }
        Ok(Deep(deepest + 1))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Deep, A::Error> {
        let mut deepest = 0;
        while let Some((Deep(_), Deep(depth))) = members.next_entry()? {
            deepest = deepest.max(depth);
        }
        Ok(Deep(deepest + 1))
    }

    fn visit_unit<E: Error>(self) -> Result<Deep, E> {
        Ok(Deep(0))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Deep, E> {
        Ok(Deep(0))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Deep, E> {
        Ok(Deep(0))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Deep, E> {
        Ok(Deep(0))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Deep, E> {
        Ok(Deep(0))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Deep, E> {
        Ok(Deep(0))
    }
}

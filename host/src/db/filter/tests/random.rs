//! Random documents and filters, from small sets of values so that they meet.

use serde_json::{Map, Value, json};

const NAMES: [&str; 12] =
    ["", "a", "A", "ab", "aB", "b%", "b_", "é", "É", "10", "9", "'\"; DROP TABLE t; --"];
const PATTERNS: [&str; 10] = ["", "%", "_", "a%", "%b", "%B%", "b_", "é", "_%_", "'%"];
const MOMENTS: [&str; 5] = [
    "2026-01-01",
    "2026-01-01T00:00:00Z",
    "2025-12-31T23:59:59Z",
    "2026-01-02",
    "1999-12-31T00:00:00Z",
];
/// In the order of what they stand for, which is not that of base64.
pub(super) const BYTES: [&str; 4] = ["", "AA==", "AAE=", "/w=="];
const FIELDS: [&str; 7] = ["name", "count", "price", "open", "seen_at", "extra", "raw"];

/// Sebastiano Vigna's splitmix64: small, and the same everywhere.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    pub(super) fn document(&mut self) -> Map<String, Value> {
        FIELDS
            .iter()
            .map(|field| {
                let value = if self.below(5) == 0 { Value::Null } else { self.value(field) };
                (String::from(*field), value)
            })
            .collect()
    }

    /// A value that the field can hold.
    fn value(&mut self, field: &str) -> Value {
        match field {
            "name" => self.pick(&NAMES).into(),
            "count" => json!(self.pick(&[0_i64, 1, -1, 2, 10, i64::MAX, i64::MIN])),
            "price" => json!(self.pick(&[0.0, 0.5, -1.5, 1.0, 2.0, 1e18])),
            "open" => json!(self.below(2) == 0),
            "seen_at" => self.pick(&MOMENTS).into(),
            "raw" => json!({"$bytes": self.pick(&BYTES)}),
            _ => match self.below(4) {
                0 => json!({"a": [1, "x"]}),
                _ => self.scalar(),
            },
        }
    }

    /// A value that JSON columns may hold and be compared with.
    fn scalar(&mut self) -> Value {
        match self.below(4) {
            0 => json!(self.below(2) == 0),
            1 => json!(self.pick(&[0, 1, 2])),
            2 => json!(self.pick(&[0.5, 1.0])),
            _ => self.pick(&["1", "true", "null", "a"]).into(),
        }
    }

    /// A value that the field can be compared with.
    fn operand(&mut self, field: &str) -> Value {
        match field {
            "extra" => self.scalar(),
            // Integers and floats are compared by value, whatever the field.
            "count" if self.below(4) == 0 => json!(self.pick(&[0.5, 1.0, -1.5])),
            "price" if self.below(4) == 0 => json!(self.pick(&[0, 1, 2])),
            _ => self.value(field),
        }
    }

    pub(super) fn filter(&mut self, depth: usize) -> Value {
        let mut filter = Map::new();
        for _ in 0..=self.below(2) {
            let (name, value) = self.member(depth);
            filter.insert(name, value);
        }
        Value::Object(filter)
    }

    fn member(&mut self, depth: usize) -> (String, Value) {
        if depth > 0 && self.below(3) == 0 {
            let operator = self.pick(&["$and", "$or", "$not"]);
            let value = if operator == "$not" {
                self.filter(depth - 1)
            } else {
                (0..self.below(4)).map(|_| self.filter(depth - 1)).collect()
            };
            return (operator.to_owned(), value);
        }
        let field = self.pick(&FIELDS);
        (field.to_owned(), self.condition(field))
    }

    fn condition(&mut self, field: &str) -> Value {
        match self.below(6) {
            0 => Value::Null,
            1 => self.operand(field),
            _ => {
                let pairs = 1 + self.below(2);
                Value::Object((0..pairs).map(|_| self.operation(field)).collect())
            }
        }
    }

    fn operation(&mut self, field: &str) -> (String, Value) {
        let operators: &[&str] = match field {
            "open" => &["$eq", "$ne", "$in", "$nin"],
            "name" => {
                &["$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$like", "$like"]
            }
            _ => &["$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin"],
        };
        let operator = self.pick(operators);
        let value = match operator {
            "$like" => self.pick(&PATTERNS).into(),
            "$in" | "$nin" => (0..self.below(4)).map(|_| self.nullable(field)).collect(),
            "$eq" | "$ne" => self.nullable(field),
            _ => self.operand(field),
        };
        (operator.to_owned(), value)
    }

    fn nullable(&mut self, field: &str) -> Value {
        if self.below(6) == 0 { Value::Null } else { self.operand(field) }
    }
}

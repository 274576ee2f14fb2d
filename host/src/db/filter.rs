//! Filters of functions as SQL conditions with parameters.
//!
//! Pure: JSON and kinds of columns in, text and values out. Of a filter nothing becomes part of the
//! text but names of columns, once they are known.

mod operand;

use crate::db::datum::{Datum, Kind, quoted};
use crate::db::error::DbError;
use crate::db::limits::LONGEST_PATTERN;
use crate::db::wire::{Wire, is_masked, unmasked};
use operand::Place;
use serde_json::{Map, Value};

/// Conditions in one filter; SQLite's own limit on the depth of an expression is 1000.
const MOST_CONDITIONS: usize = 500;
/// Values in one filter; SQLite takes 32766 parameters.
const MOST_VALUES: usize = 30_000;
/// `$and`, `$or` and `$not` inside each other.
const DEEPEST: usize = 32;
const OPERATORS: &str = "$eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $like";

/// A condition, and the values of its question marks in order.
#[derive(Debug, PartialEq)]
pub(super) struct Condition {
    pub(super) sql: String,
    pub(super) args: Vec<Datum>,
}

/// `kind_of` tells the kind of a column; `no_column` is the error of a name that has none.
pub(super) fn compiled(
    filter: &Map<String, Value>,
    kind_of: &dyn Fn(&str) -> Option<Kind>,
    no_column: &dyn Fn(&str) -> DbError,
) -> Result<Condition, DbError> {
    let mut compiler = Compiler { args: Vec::new(), conditions: 0, kind_of, no_column };
    let sql = compiler.all_of(filter, 0)?;
    Ok(Condition { sql, args: compiler.args })
}

struct Compiler<'a> {
    args: Vec<Datum>,
    conditions: usize,
    kind_of: &'a dyn Fn(&str) -> Option<Kind>,
    no_column: &'a dyn Fn(&str) -> DbError,
}

impl Compiler<'_> {
    fn all_of(&mut self, filter: &Map<String, Value>, depth: usize) -> Result<String, DbError> {
        if depth > DEEPEST {
            return Err(DbError::filter(format!(
                "the filter is nested deeper than {DEEPEST} levels"
            )));
        }
        let mut parts = Vec::with_capacity(filter.len());
        for (name, value) in filter {
            parts.push(match (name.as_str(), value) {
                ("$and", Value::Array(filters)) => {
                    self.several(filters, " AND ", "1", name, depth)?
                }
                ("$or", Value::Array(filters)) => {
                    self.several(filters, " OR ", "0", name, depth)?
                }
                // In SQL, not (null > 1) is null; here it is true.
                ("$not", Value::Object(filter)) => {
                    format!("({}) IS NOT TRUE", self.all_of(filter, depth + 1)?)
                }
                ("$and" | "$or", _) => return Err(wrong(name, "takes a list of filters")),
                ("$not", _) => return Err(wrong(name, "takes a filter")),
                _ if name.starts_with('$') => {
                    let message =
                        format!("unknown operator '{name}'; use $and, $or or $not around fields");
                    return Err(DbError::filter(message).with("operator", name.as_str()));
                }
                _ => self.field(name, value)?,
            });
        }
        Ok(joined(parts, " AND ", "1"))
    }

    fn several(
        &mut self,
        filters: &[Value],
        between: &str,
        none: &str,
        operator: &str,
        depth: usize,
    ) -> Result<String, DbError> {
        let parts = filters.iter().map(|filter| match filter {
            Value::Object(filter) => self.all_of(filter, depth + 1),
            _ => Err(wrong(operator, "takes a list of filters")),
        });
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        self.count()?;
        Ok(joined(parts, between, none))
    }

    fn field(&mut self, name: &str, value: &Value) -> Result<String, DbError> {
        let Some(kind) = (self.kind_of)(name) else {
            return Err((self.no_column)(name));
        };
        let Some(operators) = operators(value) else {
            return self.condition(name, kind, "$eq", value);
        };
        if operators.is_empty() {
            let message =
                format!("field '{name}' is compared with an empty object; use one of {OPERATORS}");
            return Err(DbError::filter(message).of_field(name));
        }
        let parts =
            operators.iter().map(|(operator, value)| self.condition(name, kind, operator, value));
        Ok(joined(parts.collect::<Result<_, _>>()?, " AND ", "1"))
    }

    fn condition(
        &mut self,
        name: &str,
        kind: Kind,
        operator: &str,
        value: &Value,
    ) -> Result<String, DbError> {
        self.count()?;
        let place = Place { name, kind, operator };
        let column = quoted(name);
        let null = value.is_null();
        let sign = match operator {
            "$eq" if null => return Ok(format!("{column} IS NULL")),
            "$ne" if null => return Ok(format!("{column} IS NOT NULL")),
            "$eq" => "=",
            "$ne" => {
                return Ok(format!(
                    "({}) IS NOT TRUE",
                    self.compared(&place, &column, "=", value)?
                ));
            }
            "$gt" => ">",
            "$gte" => ">=",
            "$lt" => "<",
            "$lte" => "<=",
            "$in" => return self.one_of(&place, &column, value),
            "$nin" => return Ok(format!("({}) IS NOT TRUE", self.one_of(&place, &column, value)?)),
            "$like" => return self.like(&place, &column, value),
            _ => {
                let message = format!(
                    "unknown operator '{operator}' on field '{name}'; use one of {OPERATORS}"
                );
                return Err(DbError::filter(message).of_field(name).with("operator", operator));
            }
        };
        self.compared(&place, &column, sign, value)
    }

    fn compared(
        &mut self,
        place: &Place<'_>,
        column: &str,
        sign: &str,
        value: &Value,
    ) -> Result<String, DbError> {
        let (datum, of_type) = place.operand(value)?;
        if place.kind == Kind::Bool && sign != "=" {
            return Err(place.wrong("has no order on true and false; use $eq"));
        }
        self.push(datum)?;
        Ok(match of_type {
            // Other types in a JSON column are neither equal nor ordered.
            Some(types) => format!(
                "CASE WHEN json_valid({column}) AND json_type({column}) IN ({types}) \
                 THEN json_extract({column}, '$') {sign} ? END"
            ),
            None => format!("{column} {sign} ?"),
        })
    }

    fn one_of(
        &mut self,
        place: &Place<'_>,
        column: &str,
        value: &Value,
    ) -> Result<String, DbError> {
        let Value::Array(values) = value else {
            return Err(place.wrong("takes a list"));
        };
        let mut parts = Vec::new();
        let mut marks = 0;
        for value in values {
            if value.is_null() {
                parts.push(format!("{column} IS NULL"));
            } else if place.kind == Kind::Json {
                self.count()?;
                parts.push(self.compared(place, column, "=", value)?);
            } else {
                self.push(place.operand(value)?.0)?;
                marks += 1;
            }
        }
        if marks > 0 {
            let marks = vec!["?"; marks].join(", ");
            parts.push(format!("{column} IN ({marks})"));
        }
        Ok(joined(parts, " OR ", "0"))
    }

    fn like(&mut self, place: &Place<'_>, column: &str, value: &Value) -> Result<String, DbError> {
        if matches!(place.kind, Kind::Blob | Kind::Bool) {
            return Err(place.wrong("is for text"));
        }
        match unmasked(value) {
            Ok(Wire::Text(pattern)) if pattern.len() > LONGEST_PATTERN => {
                let length = pattern.len();
                let complaint = format!("takes {LONGEST_PATTERN} bytes at most, not {length}");
                return Err(place.wrong(&complaint));
            }
            Ok(Wire::Text(pattern)) => self.push(Datum::Text(pattern.to_owned()))?,
            Ok(_) => return Err(place.wrong("takes a string")),
            Err(complaint) => return Err(place.wrong(&complaint)),
        }
        Ok(format!("{column} LIKE ?"))
    }

    fn push(&mut self, datum: Datum) -> Result<(), DbError> {
        self.args.push(datum);
        if self.args.len() > MOST_VALUES {
            return Err(DbError::filter(format!("the filter has over {MOST_VALUES} values")));
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), DbError> {
        self.conditions += 1;
        if self.conditions > MOST_CONDITIONS {
            return Err(DbError::filter(format!(
                "the filter has over {MOST_CONDITIONS} conditions"
            )));
        }
        Ok(())
    }
}

/// The operators on a field; none when the value is to be equalled.
fn operators(value: &Value) -> Option<&Map<String, Value>> {
    value.as_object().filter(|object| !is_masked(object))
}

fn joined(mut parts: Vec<String>, between: &str, none: &str) -> String {
    match parts.len() {
        0 => none.to_owned(),
        1 => parts.remove(0),
        _ => format!("({})", parts.join(between)),
    }
}

fn wrong(operator: &str, complaint: &str) -> DbError {
    DbError::filter(format!("{operator} {complaint}")).with("operator", operator)
}

#[cfg(test)]
mod tests;

//! The probe's operations on the database: from what a case writes to a request, and back.
//!
//! Knows what each method takes and gives; `database` asks.

use alyx_protocol::ErrorCode;
use serde_json::{Map, Value, json};

use super::database::Database;
use super::line::Line;
use super::probe::Outcome;
use super::start::Mutant;
use super::values::{Thrown, Values, coded};

/// Operators that a shim which judges would know.
const KNOWN: &[&str] = &["$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$like"];

/// Does what `op` says on behalf of `inv`.
pub(super) fn perform(database: &Database, line: &Line, inv: u64, op: &Value) -> Outcome {
    let asks = Asks { line, values: Values { mutant: line.mutant() }, op };
    let method = op["op"].as_str().unwrap_or_default();
    let params = asks.params(method)?;
    let answer = database.call(inv, method, params)?;
    asks.result(method, &answer)
}

struct Asks<'a> {
    line: &'a Line,
    values: Values,
    op: &'a Value,
}

impl Asks<'_> {
    fn params(&self, method: &str) -> Outcome {
        let op = self.op;
        match method {
            "db.list" => self.list(),
            "db.query" | "db.exec" => self.statement(op),
            "db.batch" => {
                let statements = op["statements"].as_array().into_iter().flatten();
                let ops = statements
                    .map(|one| Ok(json!({"method": "db.exec", "params": self.statement(one)?})));
                Ok(json!({"ops": ops.collect::<Result<Vec<_>, Thrown>>()?}))
            }
            _ => {
                let mut params = Map::new();
                for name in ["collection", "id"] {
                    params.extend(op.get(name).map(|value| (name.to_owned(), value.clone())));
                }
                if let Some(data) = op.get("data") {
                    params.insert("data".to_owned(), self.values.written(data, "data")?);
                }
                Ok(params.into())
            }
        }
    }

    fn list(&self) -> Outcome {
        let mut params = self.op["options"].as_object().cloned().unwrap_or_default();
        params.insert("collection".to_owned(), self.op["collection"].clone());
        if let Some(filter) = params.get_mut("filter") {
            if self.line.is(Mutant::JudgesFilters) {
                judge(filter)?;
            }
            *filter = if self.line.is(Mutant::WrapsOperators) {
                self.values.written(filter, "filter")?
            } else {
                self.values.filter_written(filter, "filter")?
            };
        }
        Ok(params.into())
    }

    fn statement(&self, statement: &Value) -> Outcome {
        let mut params = json!({"sql": statement["sql"]});
        match statement.get("params") {
            // The names of an object are the statement's, not a value's.
            Some(Value::Object(named)) => {
                for (name, value) in named {
                    params["args"][name] = self.values.written(value, &format!("params.{name}"))?;
                }
            }
            Some(list) => params["args"] = self.values.written(list, "params")?,
            None => {}
        }
        Ok(params)
    }

    fn result(&self, method: &str, answer: &Value) -> Outcome {
        let read = |name: &str| self.values.read(&answer[name]);
        Ok(match method {
            "db.list" => {
                let mut page = json!({"docs": read("docs")});
                if let Some(total) = answer.get("total") {
                    page["total"] = total.clone();
                }
                page
            }
            "db.get" if answer["doc"].is_null() && self.line.is(Mutant::ThrowsOnMissing) => {
                return Err(coded(ErrorCode::DbNotFound, "NOT_FOUND", "no such document"));
            }
            "db.get" | "db.create" | "db.update" => read("doc"),
            "db.query" if self.line.is(Mutant::RowsAsLists) => read("rows"),
            "db.query"
                if answer["truncated"] == true && !self.line.is(Mutant::TakesHalfAnswers) =>
            {
                let what = "the result has more rows than the host sends at once";
                return Err(coded(ErrorCode::DbValidation, "RESULT_TOO_LARGE", what));
            }
            "db.query" => self.rows(answer),
            "db.exec" => self.written(answer),
            "db.batch" => {
                let results = answer["results"].as_array().into_iter().flatten();
                results.map(|one| self.written(one)).collect()
            }
            _ => Value::Null,
        })
    }

    fn rows(&self, answer: &Value) -> Value {
        let columns = answer["columns"].as_array().cloned().unwrap_or_default();
        let names = || columns.iter().map(|name| name.as_str().unwrap_or_default().to_owned());
        let row = |row: &Value| {
            let values = row.as_array().into_iter().flatten().map(|value| self.values.read(value));
            Value::Object(names().zip(values).collect())
        };
        answer["rows"].as_array().into_iter().flatten().map(row).collect()
    }

    fn written(&self, answer: &Value) -> Value {
        let key = answer.get("lastInsertId").filter(|_| !self.line.is(Mutant::ForgetsTheKey));
        let key = key.map_or(Value::Null, |key| self.values.read(key));
        json!({"rows_affected": answer["changes"], "last_insert_id": key})
    }
}

/// What a shim must leave to the host.
fn judge(filter: &Value) -> Result<(), Thrown> {
    for (field, operand) in filter.as_object().into_iter().flatten() {
        let operators = operand.as_object().into_iter().flatten().map(|(name, _)| name);
        let strange = |name: &&String| name.starts_with('$') && !KNOWN.contains(&name.as_str());
        if let Some(name) = operators.into_iter().find(strange) {
            let what = format!("unknown operator '{name}' on field '{field}'");
            return Err(coded(ErrorCode::DbValidation, "INVALID_FILTER", what));
        }
    }
    Ok(())
}

//! What the host answers to a request of the shim: a template of the case, filled from the request.
//!
//! Knows nothing of connections or of who may ask.

use serde_json::{Map, Value, json};

use crate::generated::spelt_out;

/// One answer to `request`: the members of `template`, with `{$param: name}` taken from it.
///
/// # Errors
/// A word that nobody knows.
pub fn answer(template: &Map<String, Value>, request: &Value) -> Result<Value, String> {
    let mut answer = json!({"jsonrpc": "2.0", "id": request["id"]});
    for (name, value) in template {
        answer[name] = filled(value, request)?;
    }
    Ok(answer)
}

/// What the request holds is put in as it is: it may have words of its own.
fn filled(value: &Value, request: &Value) -> Result<Value, String> {
    spelt_out(value, &|value| {
        let name = value.as_object().filter(|all| all.len() == 1)?.get("$param")?;
        let param = name.as_str().and_then(|name| request.get("params")?.get(name));
        Some(Ok(param.cloned().unwrap_or_default()))
    })
}

/// Finds a word that nobody knows before any request is there.
///
/// # Errors
/// The word.
pub fn check(template: &Map<String, Value>) -> Result<(), String> {
    if template.get("result").is_none() && template.get("error").is_none() {
        return Err("an answer needs a `result` or an `error`".into());
    }
    answer(template, &Value::Null).map(drop)
}

/// An error of the host's own.
#[must_use]
pub fn refusal(id: &Value, code: i32, word: &str, message: &str) -> Value {
    let data = json!({"code": word, "retryable": word == "OVERLOADED"});
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message, "data": data}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_filled_from_the_request() {
        let request = json!({"id": 7, "method": "db.get", "params": {"id": "$x", "inv": 3}});
        let template =
            json!({"result": {"doc": {"id": {"$param": "id"}, "$$n": [{"$param": "inv"}]}}});
        let filled = answer(template.as_object().unwrap(), &request);
        let expected =
            json!({"jsonrpc": "2.0", "id": 7, "result": {"doc": {"id": "$x", "$n": [3]}}});
        assert_eq!(filled, Ok(expected));
    }

    #[test]
    fn a_template_with_an_unknown_word_or_without_an_answer_is_refused() {
        let wrong = |template: Value| check(template.as_object().unwrap()).is_err();
        assert!(wrong(json!({"result": {"doc": "$parm"}})));
        assert!(wrong(json!({})));
        assert!(!wrong(json!({"result": 7, "error": null})));
    }
}

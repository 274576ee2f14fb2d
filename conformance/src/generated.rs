//! Values that a case writes in few words: repeated text, long lists, deep nests, numbered rows.
//!
//! Words of what is sent start with `$`, and `$$x` is the text `$x`. Knows nothing of messages.

use serde_json::{Map, Value, json};

/// What a word of the caller's own stands for; none where the value is no such word.
pub type Special<'a> = &'a dyn Fn(&Value) -> Option<Result<Value, String>>;

/// A value as it is sent: generators run, `special` words replaced, `$$` back to `$`.
///
/// # Errors
/// A word that nobody knows.
pub fn spelt_out(value: &Value, special: Special<'_>) -> Result<Value, String> {
    if let Some(replaced) = special(value) {
        return replaced;
    }
    if let Some(generated) = generate(value) {
        // A long text is done; what lists and nests repeat may have words in it.
        return if generated.is_string() { Ok(generated) } else { spelt_out(&generated, special) };
    }
    let name = |key: &str| match key.strip_prefix('$') {
        Some(rest) if rest.starts_with('$') => Ok(rest.to_owned()),
        Some(_) => Err(format!("no word '{key}' in what is sent; write '${key}' for the text")),
        None => Ok(key.to_owned()),
    };
    Ok(match value {
        Value::String(text) => name(text)?.into(),
        Value::Array(items) => {
            items.iter().map(|item| spelt_out(item, special)).collect::<Result<_, _>>()?
        }
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| Ok((name(key)?, spelt_out(value, special)?)))
            .collect::<Result<Map<_, _>, String>>()?
            .into(),
        other => other.clone(),
    })
}

/// `$text: [s, n]` is s n times; `$list: [v, n]` is n times v; `$nest: [n, v]` is v in n arrays;
/// `$each: [from, to, v]` is a list of v, with `$i` and `${i}` in it numbered.
fn generate(value: &Value) -> Option<Value> {
    let members = value.as_object().filter(|members| members.len() == 1)?;
    let (word, argument) = members.iter().next()?;
    let (first, second) = (argument.get(0)?, argument.get(1)?);
    match word.as_str() {
        "$text" => Some(first.as_str()?.repeat(usize::try_from(second.as_u64()?).ok()?).into()),
        "$list" => Some(vec![first.clone(); usize::try_from(second.as_u64()?).ok()?].into()),
        "$nest" => Some((0..first.as_u64()?).fold(second.clone(), |inner, _| json!([inner]))),
        "$each" => {
            let template = argument.get(2)?;
            Some((first.as_i64()?..=second.as_i64()?).map(|i| numbered(template, i)).collect())
        }
        _ => None,
    }
}

/// A pattern with its generators run.
#[must_use]
pub fn with_generated(pattern: &Value) -> Value {
    if let Some(generated) = generate(pattern) {
        return if pattern.get("$each").is_some() { with_generated(&generated) } else { generated };
    }
    match pattern {
        Value::Array(items) => items.iter().map(with_generated).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(k, v)| (k.clone(), with_generated(v)))
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

/// A value with `$i` put in as a number, and `${i}` inside texts.
#[must_use]
pub fn numbered(value: &Value, i: i64) -> Value {
    match value {
        Value::String(text) if text == "$i" => i.into(),
        Value::String(text) => text.replace("${i}", &i.to_string()).into(),
        Value::Array(items) => items.iter().map(|item| numbered(item, i)).collect(),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| (name.clone(), numbered(value, i));
            members.iter().map(member).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_numbers_its_template() {
        let written = json!({"$each": [1, 2, {"id": "p${i}", "n": "$i", "$$op": 1}]});
        let expected = json!([{"id": "p1", "n": 1, "$op": 1}, {"id": "p2", "n": 2, "$op": 1}]);
        assert_eq!(spelt_out(&written, &|_| None), Ok(expected));
        let written = json!({"$nest": [2, {"$$op": 1}]});
        assert_eq!(spelt_out(&written, &|_| None), Ok(json!([[{"$op": 1}]])));
    }

    #[test]
    fn what_a_special_word_stands_for_is_taken_as_it_is() {
        let special = |value: &Value| (value == "$x").then(|| Ok(json!({"$int": "1"})));
        let written = json!({"a": "$x", "b": "$$x"});
        assert_eq!(spelt_out(&written, &special), Ok(json!({"a": {"$int": "1"}, "b": "$x"})));
        assert!(spelt_out(&json!("$y"), &special).is_err());
    }
}

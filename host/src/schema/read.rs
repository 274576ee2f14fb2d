//! Compiles the schema of a source into rules, or says everything that is wrong with it.
//!
//! Takes both spellings of each rule, for a schema looks like the language around it. Knows
//! nothing of values.

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::schema::check::{Defaults, check};
use crate::schema::fault::{Fault, SchemaError};
use crate::schema::given::{Given, Members, unknown};
use crate::schema::rules::{Field, Fields, Presence, Rules, Shape};

/// Objects and arrays inside each other, in a schema.
const DEEPEST: usize = 32;
const MOST_FIELDS: usize = 1_000;
const RULES: [&str; 13] = [
    "type",
    "required",
    "optional",
    "default",
    "enum",
    "min",
    "max",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "items",
    "properties",
];

/// Input and output, where they are given.
///
/// # Errors
/// Every fault, with its place.
pub fn read_schema(text: &str) -> Result<(Option<Fields>, Option<Fields>), SchemaError> {
    let mut reader = Reader { faults: Vec::new(), fields: 0 };
    let sides = reader.sides(text);
    match SchemaError::of(reader.faults) {
        Some(error) => Err(error),
        None => Ok(sides),
    }
}

struct Reader {
    faults: Vec<Fault>,
    fields: usize,
}

impl Reader {
    fn sides(&mut self, text: &str) -> (Option<Fields>, Option<Fields>) {
        let Ok(sides) = serde_json::from_str::<Members<'_>>(text) else {
            self.fault("schema", "must be an object with 'input' and 'output'");
            return (None, None);
        };
        for side in sides.keys().filter(|side| *side != "input" && *side != "output") {
            let complaint = unknown("part", side, &["input", "output"]);
            self.fault(side, complaint);
        }
        let given = |side| sides.get(side).copied().filter(|fields| fields.get() != "null");
        let input = given("input").and_then(|fields| self.fields(fields, "input", 0));
        let output = given("output").and_then(|fields| self.fields(fields, "output", 0));
        (input, output)
    }

    fn fields(&mut self, value: &RawValue, place: &str, depth: usize) -> Option<Fields> {
        let Ok(members) = serde_json::from_str::<Members<'_>>(value.get()) else {
            self.fault(place, "must be an object of fields, such as {title: {type: 'string'}}");
            return None;
        };
        self.fields += members.len();
        if depth > DEEPEST || self.fields > MOST_FIELDS {
            let limits = format!("at most {MOST_FIELDS} fields, {DEEPEST} levels deep");
            self.fault(place, format!("the schema is too large: {limits}"));
            return None;
        }
        let mut fields = Vec::with_capacity(members.len());
        for (name, value) in members {
            let place = format!("{place}.{name}");
            if let Some(rules) = self.rules(value, &place, depth + 1) {
                fields.push(Field { name, rules });
            }
        }
        Some(Fields::new(fields))
    }

    /// The rules of one value. Faults are reported, and none returned only for what is no object.
    fn rules(&mut self, value: &RawValue, place: &str, depth: usize) -> Option<Rules> {
        let Ok(members) = serde_json::from_str::<Members<'_>>(value.get()) else {
            self.fault(place, "must be an object of rules, such as {type: 'string'}");
            return None;
        };
        let faults = self.faults.len();
        let members = self.spelled(members, place);
        let mut given = Given { members, place, faults: &mut self.faults };
        let shape = given.shape();
        let presence = given.presence();
        let choices = given.choices();
        let default = given.take("default").map(|value| value.get().to_owned());
        let mut shape = shape?;
        let inside = given.inside(&shape);
        given.leftovers(&shape);
        if let Some(inside) = inside {
            self.inner(&mut shape, inside, place, depth);
        }
        let rules = Rules { shape, presence, choices, default };
        // Values are held to rules that are whole only.
        if self.faults.len() == faults {
            self.own_values(&rules, place);
        }
        Some(rules)
    }

    /// What an array or an object holds.
    fn inner(&mut self, shape: &mut Shape, inside: &RawValue, place: &str, depth: usize) {
        match shape {
            Shape::Array { items, .. } => {
                *items = self.items(inside, &format!("{place}.items"), depth).map(Box::new);
            }
            Shape::Object(fields) => {
                *fields = self.fields(inside, &format!("{place}.properties"), depth);
            }
            _ => {}
        }
    }

    /// `{type}`, or the type's name alone.
    fn items(&mut self, value: &RawValue, place: &str, depth: usize) -> Option<Rules> {
        let rules = match serde_json::from_str::<String>(value.get()) {
            Ok(name) => {
                let shorthand =
                    serde_json::value::to_raw_value(&serde_json::json!({ "type": name }));
                self.rules(&shorthand.expect("a string is JSON"), place, depth + 1)
            }
            Err(_) if depth > DEEPEST => {
                self.fault(place, format!("is nested deeper than {DEEPEST} levels"));
                None
            }
            Err(_) => self.rules(value, place, depth + 1),
        }?;
        if rules.default.is_some() {
            self.fault(&format!("{place}.default"), "an element that is not there has no default");
        }
        Some(rules)
    }

    /// Rules by their one name; a name in no spelling is a fault.
    fn spelled<'v>(&mut self, members: Members<'v>, place: &str) -> Members<'v> {
        let mut given = Members::new();
        for (spelling, value) in members {
            let rule = match spelling.as_str() {
                "min_length" => "minLength",
                "max_length" => "maxLength",
                other => other,
            };
            let here = format!("{place}.{spelling}");
            if !RULES.contains(&rule) {
                let complaint = unknown("rule", &spelling, &RULES);
                self.fault(&here, complaint);
            } else if given.insert(rule.to_owned(), value).is_some() {
                self.fault(&here, format!("'{rule}' is given in both spellings; keep one"));
            }
        }
        given
    }

    /// A default and the values of an enum must keep the other rules.
    fn own_values(&mut self, rules: &Rules, place: &str) {
        let without = Rules { choices: None, default: None, ..rules.clone() };
        for (at, choice) in rules.choices.iter().flatten().enumerate() {
            if let Err(complaint) = fits(&without, &choice.to_string()) {
                self.fault(&format!("{place}.enum[{at}]"), complaint);
            }
        }
        let rules_of_default = Rules { choices: rules.choices.clone(), ..without };
        if let Some(default) = &rules.default
            && let Err(complaint) = fits(&rules_of_default, default)
        {
            self.fault(&format!("{place}.default"), complaint);
        }
    }

    fn fault(&mut self, place: &str, complaint: impl Into<String>) {
        self.faults.push(Fault { place: place.to_owned(), complaint: complaint.into() });
    }
}

/// Whether a value of the schema itself keeps `rules`.
fn fits(rules: &Rules, value: &str) -> Result<(), String> {
    let name = "value".to_owned();
    let field = Field { name, rules: Rules { presence: Presence::Required, ..rules.clone() } };
    let whole = Bytes::from(format!(r#"{{"value":{value}}}"#));
    match check(&Fields::new(vec![field]), &whole, "schema", Defaults::Leave) {
        Ok(_) => Ok(()),
        Err(broken) => {
            let message = &broken.first().message;
            Err(message.strip_prefix("value ").unwrap_or(message).to_owned())
        }
    }
}

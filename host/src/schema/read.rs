//! Compiles the schema of a source into rules, or says everything that is wrong with it.
//!
//! Takes both spellings of each rule, for a schema looks like the language around it. Knows
//! nothing of values.

use bytes::Bytes;
use indexmap::IndexMap;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::config::suggest::closest;
use crate::schema::check::{Defaults, check};
use crate::schema::fault::{Fault, SchemaError};
use crate::schema::format::{FORMATS, Format};
use crate::schema::number::Number;
use crate::schema::pattern::Pattern;
use crate::schema::rules::{Field, Fields, Length, Presence, Range, Rules, Shape};

/// Objects and arrays inside each other, in a schema.
const DEEPEST: usize = 32;
const MOST_FIELDS: usize = 1_000;
const TYPES: [&str; 7] = ["string", "number", "integer", "boolean", "array", "object", "any"];
const RULES: [&str; 13] = [
    "type", "required", "optional", "default", "enum", "min", "max", "minLength", "maxLength",
    "pattern", "format", "items", "properties",
];

/// Members in the order of the source.
type Members<'v> = IndexMap<String, &'v RawValue>;

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
        let given = self.spelled(members, place);
        let faults = self.faults.len();
        let mut one = Given { members: given, place, reader: self };
        let shape = one.shape(depth)?;
        let presence = one.presence();
        let choices = one.choices();
        let default = one.take("default").map(|value| value.get().to_owned());
        one.leftovers(&shape);
        let rules = Rules { shape, presence, choices, default };
        // Values are held to rules that are whole only.
        if self.faults.len() == faults {
            self.own_values(&rules, place);
        }
        Some(rules)
    }

    /// `{type}`, or the type's name alone.
    fn items(&mut self, value: &RawValue, place: &str, depth: usize) -> Option<Rules> {
        let rules = match serde_json::from_str::<String>(value.get()) {
            Ok(name) => {
                let shorthand = serde_json::value::to_raw_value(&serde_json::json!({ "type": name }));
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

/// The rules of one value that have not been read yet.
struct Given<'v, 'r, 'p> {
    members: Members<'v>,
    place: &'p str,
    reader: &'r mut Reader,
}

impl<'v> Given<'v, '_, '_> {
    fn take(&mut self, rule: &str) -> Option<&'v RawValue> {
        self.members.shift_remove(rule).filter(|value| value.get() != "null")
    }

    fn shape(&mut self, depth: usize) -> Option<Shape> {
        let name = match self.take("type") {
            None => "any".to_owned(),
            Some(value) => serde_json::from_str(value.get()).unwrap_or_else(|_| value.to_string()),
        };
        Some(match name.as_str() {
            "any" => Shape::Any,
            "boolean" => Shape::Boolean,
            "string" => Shape::Text {
                length: self.length(),
                pattern: self.pattern(),
                format: self.format(),
            },
            "number" | "integer" => {
                let range = Range { min: self.number("min"), max: self.number("max") };
                if let Range { min: Some(min), max: Some(max) } = range {
                    self.ordered("min", max.is_less_than(min));
                }
                Shape::Number { whole: name == "integer", range }
            }
            "array" => {
                let place = format!("{}.items", self.place);
                let items = self.take("items");
                let items = items.and_then(|items| self.reader.items(items, &place, depth));
                Shape::Array { length: self.length(), items: items.map(Box::new) }
            }
            "object" => {
                let place = format!("{}.properties", self.place);
                let properties = self.take("properties");
                Shape::Object(properties.and_then(|all| self.reader.fields(all, &place, depth)))
            }
            _ => {
                self.fault("type", unknown("type", &name, &TYPES));
                return None;
            }
        })
    }

    fn presence(&mut self) -> Presence {
        let required = self.switch("required");
        let optional = self.switch("optional");
        match (required, optional) {
            (Some(required), Some(optional)) if required == optional => {
                self.fault("required", "contradicts 'optional'; keep one of them");
                Presence::Unsaid
            }
            (Some(true), _) | (_, Some(false)) => Presence::Required,
            (Some(false), _) | (_, Some(true)) => Presence::Optional,
            (None, None) => Presence::Unsaid,
        }
    }

    fn choices(&mut self) -> Option<Vec<Value>> {
        let choices = self.read::<Vec<Value>>("enum", "a list of values")?;
        if choices.is_empty() {
            self.fault("enum", "is empty: no value could ever pass");
        }
        Some(choices)
    }

    fn length(&mut self) -> Length {
        let wanted = "a whole number from 0 on";
        let min = self.read::<usize>("minLength", wanted);
        let max = self.read::<usize>("maxLength", wanted);
        self.ordered("minLength", min.zip(max).is_some_and(|(min, max)| min > max));
        Length { min, max }
    }

    fn pattern(&mut self) -> Option<Pattern> {
        let source = self.read::<String>("pattern", "a text")?;
        Pattern::new(&source).map_err(|why| self.fault("pattern", why)).ok()
    }

    fn format(&mut self) -> Option<Format> {
        let name = self.read::<String>("format", "a text")?;
        let found = Format::named(&name);
        if found.is_none() {
            let known: Vec<&str> = FORMATS.iter().map(|(known, _)| *known).collect();
            self.fault("format", unknown("format", &name, &known));
        }
        found
    }

    fn number(&mut self, rule: &str) -> Option<Number> {
        let value = self.take(rule)?;
        let number = Number::read(value.get());
        if number.is_none() {
            self.fault(rule, "must be a number");
        }
        number
    }

    fn switch(&mut self, rule: &str) -> Option<bool> {
        self.read(rule, "true or false")
    }

    fn read<T: serde::de::DeserializeOwned>(&mut self, rule: &str, wanted: &str) -> Option<T> {
        let value = self.take(rule)?;
        let read = serde_json::from_str(value.get()).ok();
        if read.is_none() {
            self.fault(rule, format!("must be {wanted}"));
        }
        read
    }

    fn ordered(&mut self, rule: &str, crossed: bool) {
        if crossed {
            self.fault(rule, "is above the upper bound: no value could ever pass");
        }
    }

    /// Rules that exist but say nothing of this type.
    fn leftovers(&mut self, shape: &Shape) {
        let left: Vec<String> = self.members.keys().cloned().collect();
        for rule in left.iter().filter(|rule| self.members[*rule].get() != "null") {
            let wanted = match rule.as_str() {
                "min" | "max" => "number or integer",
                "minLength" | "maxLength" => "string or array",
                "items" => "array",
                "properties" => "object",
                _ => "string",
            };
            let complaint = format!("needs type {wanted}, and this is of type {}", shape.name());
            self.fault(rule, complaint);
        }
    }

    fn fault(&mut self, rule: &str, complaint: impl Into<String>) {
        self.reader.fault(&format!("{}.{rule}", self.place), complaint);
    }
}

fn unknown(what: &str, word: &str, known: &[&str]) -> String {
    match closest(word, known.iter().copied()) {
        Some(meant) => format!("unknown {what} '{word}'; did you mean '{meant}'?"),
        None => format!("unknown {what} '{word}'; known are {}", known.join(", ")),
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

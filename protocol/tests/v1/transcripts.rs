//! Every transcript is a conversation that the spec allows, told message by message.

use std::collections::{BTreeMap, BTreeSet};

use alyx_protocol::Message;
use serde_json::Value;

use crate::golden::{Schema, names, text};

/// What a reader of both directions knows; index 0 is host to shim, 1 is shim to host.
#[derive(Default)]
struct Conversation {
    place: String,
    greeted: bool,
    leaving: bool,
    time: f64,
    /// Requests that wait for an answer, by direction and id.
    open: [BTreeMap<u64, String>; 2],
    used: [BTreeSet<u64>; 2],
    loaded: BTreeSet<String>,
}

impl Conversation {
    fn line(&mut self, schema: &Schema, line: &Value) {
        let faults = schema.faults("transcript.line", line);
        assert_eq!(faults, "", "{}", self.place);
        let time = line["t"].as_f64().unwrap();
        assert!(time >= self.time, "{}: time runs backwards", self.place);
        self.time = time;
        let way = usize::from(line["dir"] == "s2h");
        let payload = line["msg"].to_string();
        match Message::parse(payload.as_bytes()).unwrap() {
            Message::Request { id, method, .. } => {
                assert!(self.used[way].insert(id), "{}: id {id} used twice", self.place);
                self.call(schema, way, &method, &line["msg"]);
                self.open[way].insert(id, method.into_owned());
            }
            Message::Notification { method, .. } => {
                self.call(schema, way, &method, &line["msg"]);
            }
            Message::Result { id, .. } => {
                let method = self.answered(way, id);
                let result = &line["msg"]["result"];
                let faults = schema.faults(&format!("{method}.result"), result);
                assert_eq!(faults, "", "{}", self.place);
                self.greeted |= method == "hello";
            }
            Message::Error { id, .. } => {
                self.answered(way, id.expect("no broken frames in transcripts"));
            }
        }
    }

    /// An answer in direction `way` settles a request of the other direction.
    fn answered(&mut self, way: usize, id: u64) -> String {
        let method = self.open[1 - way].remove(&id);
        method.unwrap_or_else(|| panic!("{}: answer to nothing, id {id}", self.place))
    }

    fn call(&mut self, schema: &Schema, way: usize, method: &str, message: &Value) {
        let place = &self.place;
        let faults = schema.faults("call", message);
        assert_eq!(faults, "", "{place}");
        let side = ["host", "shim"][way];
        let entry = &schema.0["x-methods"][method];
        let may = entry["from"].as_array().is_some_and(|from| from.iter().any(|f| f == side));
        assert!(may, "{place}: {method} from the {side}");
        assert_eq!(self.greeted, method != "hello", "{place}: {method} at the wrong time");
        let params = &message["params"];
        let key = format!("{}@{}", params["function"], params["revision"]);
        match method {
            "load" => drop(self.loaded.insert(key)),
            "invoke" => assert!(self.loaded.contains(&key) && !self.leaving, "{place}: {key}"),
            "shutdown" => self.leaving = true,
            _ => {}
        }
        if let Some(inv) = params["inv"].as_u64() {
            let known = self.open[0].get(&inv).is_some_and(|method| method == "invoke");
            let late = method.starts_with("db.") && self.used[0].contains(&inv);
            assert!(known || late, "{place}: {method} for invocation {inv}");
        }
    }
}

#[test]
fn every_transcript_is_a_conversation_the_spec_allows() {
    let schema = Schema::read();
    let names = names("transcripts");
    for wanted in ["quick-start", "error", "cancel", "interleaved", "database", "shutdown"] {
        assert!(names.contains(&format!("{wanted}.ndjson")), "no transcript '{wanted}'");
    }
    for name in names {
        let mut conversation = Conversation { place: name.clone(), ..Conversation::default() };
        for (at, line) in text(&format!("transcripts/{name}")).lines().enumerate() {
            conversation.place = format!("{name}:{}", at + 1);
            let line = serde_json::from_str(line).unwrap_or_else(|e| panic!("{name}: {e}"));
            conversation.line(&schema, &line);
        }
        assert!(conversation.open.iter().all(BTreeMap::is_empty), "{name} leaves open questions");
    }
}

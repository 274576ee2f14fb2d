//! What a function gets to know of the HTTP request that called it, as the protocol's `trigger`.
//!
//! Knows nothing of functions. Header names are lower case; a header or parameter that came
//! several times keeps all its values.

use std::collections::BTreeMap;
use std::net::IpAddr;

use axum::http::{HeaderMap, Method, Uri};
use percent_encoding::percent_decode_str;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

/// The request as JSON.
pub(crate) fn http(method: &Method, uri: &Uri, headers: &HeaderMap, ip: IpAddr) -> Box<RawValue> {
    let trigger = Http {
        kind: "http",
        method: method.as_str(),
        headers: Headers(headers),
        query: query(uri),
        ip,
    };
    // Strings and maps of strings: nothing here can fail to serialise.
    serde_json::value::to_raw_value(&trigger).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

#[derive(serde::Serialize)]
struct Http<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    method: &'a str,
    headers: Headers<'a>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    query: BTreeMap<String, Vec<String>>,
    ip: IpAddr,
}

struct Headers<'a>(&'a HeaderMap);

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.keys_len()))?;
        for name in self.0.keys() {
            let mut values =
                self.0.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
            let mut joined = values.next().unwrap_or_default();
            for value in values {
                joined.to_mut().push_str(", ");
                joined.to_mut().push_str(&value);
            }
            map.serialize_entry(name.as_str(), &joined)?;
        }
        map.end()
    }
}

fn query(uri: &Uri) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        all.entry(decode(name)).or_default().push(decode(value));
    }
    all
}

fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_and_headers_keep_all_their_values() {
        let mut headers = HeaderMap::new();
        for value in ["a", "b"] {
            headers.append("x-tag", value.parse().unwrap());
        }
        let uri: Uri = "/x?q=a+b%20c&tag=1&tag=%22&empty".parse().unwrap();
        let json = http(&Method::POST, &uri, &headers, "127.0.0.1".parse().unwrap());
        assert_eq!(
            json.get(),
            r#"{"type":"http","method":"POST","headers":{"x-tag":"a, b"},"query":{"empty":[""],"q":["a b c"],"tag":["1","\""]},"ip":"127.0.0.1"}"#
        );
    }
}

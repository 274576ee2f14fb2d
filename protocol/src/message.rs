//! A frame as request, notification, result or error (spec section "JSON-RPC profile").
//!
//! One pass over the payload, nothing copied: `params` and the members of `result` stay slices
//! of the frame. Knows the envelope only; what a method's members mean is in `worker` and
//! `syscall`.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use smallvec::SmallVec;

use crate::codec::{CodecError, OutFrame};
use crate::error::{ErrorCode, RpcError};
use crate::json;
use crate::limits::{ID_MAX, METHOD};

/// More members of a `result` than these are skipped unread.
const MEMBERS: usize = 64;

/// One message, borrowing from its frame.
#[derive(Debug)]
pub enum Message<'a> {
    /// A call that wants an answer.
    Request {
        /// To be echoed in the answer.
        id: u64,
        /// What is asked for.
        method: Cow<'a, str>,
        /// The bytes of an object; absent reads as `{}`.
        params: Option<&'a RawValue>,
    },
    /// A call that is never answered.
    Notification {
        /// What is told.
        method: Cow<'a, str>,
        /// The bytes of an object; absent reads as `{}`.
        params: Option<&'a RawValue>,
    },
    /// A good answer.
    Result {
        /// Of the request it answers.
        id: u64,
        /// The members of its `result`.
        members: Members<'a>,
    },
    /// A bad answer.
    Error {
        /// None for `"id": null`: the sender could not tell which request it answers.
        id: Option<u64>,
        /// What went wrong.
        error: RpcError,
    },
}

/// Why a payload is no message, as it is answered: `code` -32700 or -32600, `id` where known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    /// [`ErrorCode::ParseError`] or [`ErrorCode::InvalidRequest`].
    pub code: ErrorCode,
    /// The id the payload carries, where it is a valid one.
    pub id: Option<u64>,
    /// What is wrong, for the answer and the log.
    pub message: String,
    /// The payload was meant as an answer: nobody answers an answer, but call `id` has failed.
    pub answer: bool,
}

impl ParseError {
    fn bad_json(message: String) -> Self {
        ParseError { code: ErrorCode::ParseError, id: None, message, answer: false }
    }

    fn invalid(id: Option<u64>, message: impl Into<String>) -> Self {
        let message = message.into();
        ParseError { code: ErrorCode::InvalidRequest, id, message, answer: false }
    }

    fn of_answer(self) -> Self {
        ParseError { answer: true, ..self }
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<&'a RawValue>,
    #[serde(borrow, default)]
    result: Option<Members<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

/// What is still worth knowing of a payload that is no [`Envelope`]: whom it concerns.
#[derive(Deserialize)]
struct Address<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(default)]
    method: Option<IgnoredAny>,
}

/// Tells a member that is `null` from one that is absent.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(d: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(d).map(Some)
}

impl<'a> Message<'a> {
    /// Reads one payload.
    ///
    /// # Errors
    /// [`ParseError`], to be answered as it says unless the payload was itself an answer.
    pub fn parse(payload: &'a [u8]) -> Result<Self, ParseError> {
        let text = std::str::from_utf8(payload)
            .map_err(|e| ParseError::bad_json(format!("invalid utf-8: {e}")))?;
        match serde_json::from_str::<Envelope<'a>>(text) {
            Ok(_) if text.trim_start().starts_with('[') => Err(batch()),
            Ok(envelope) => envelope.into_message(),
            Err(fault) => Err(second_look(text, &fault)),
        }
    }
}

fn batch() -> ParseError {
    ParseError::invalid(None, "batches are not part of this protocol")
}

/// A fault as exact as it can be told: bad JSON, or JSON whose id and kind can still be seen.
#[cold]
fn second_look(text: &str, fault: &serde_json::Error) -> ParseError {
    if let Err(e) = serde_json::from_str::<&RawValue>(text) {
        return ParseError::bad_json(e.to_string());
    }
    if text.trim_start().starts_with('[') {
        return batch();
    }
    match serde_json::from_str::<Address<'_>>(text) {
        Ok(Address { id: Some(id), method }) => {
            let known = integer_id(id.get());
            let error = ParseError::invalid(known, fault.to_string());
            if method.is_none() { error.of_answer() } else { error }
        }
        _ => ParseError::invalid(None, fault.to_string()),
    }
}

fn integer_id(text: &str) -> Option<u64> {
    text.parse().ok().filter(|id| (1..=ID_MAX).contains(id))
}

impl<'a> Envelope<'a> {
    fn into_message(self) -> Result<Message<'a>, ParseError> {
        let fault = |fault: ParseError| match self.method {
            Some(_) => fault,
            None => fault.of_answer(),
        };
        let id = match self.id.map(RawValue::get) {
            None => None,
            Some("null") => Some(None),
            Some(text) => match integer_id(text) {
                Some(id) => Some(Some(id)),
                None => {
                    let message = format!("id {text} is no integer from 1 to 2^53 - 1");
                    return Err(fault(ParseError::invalid(None, message)));
                }
            },
        };
        if self.jsonrpc.map(RawValue::get) != Some("\"2.0\"") {
            return Err(fault(ParseError::invalid(id.flatten(), "jsonrpc must be \"2.0\"")));
        }
        match (self.method, id) {
            (Some(method), id) => Self::call(method, self.params, id),
            (None, Some(id)) => {
                Self::answer(id, self.result, self.error).map_err(ParseError::of_answer)
            }
            (None, None) => Err(ParseError::invalid(None, "neither method nor id")),
        }
    }

    fn call(
        method: &'a RawValue,
        params: Option<&'a RawValue>,
        id: Option<Option<u64>>,
    ) -> Result<Message<'a>, ParseError> {
        let known = id.flatten();
        let Ok(Text(method)) = serde_json::from_str(method.get()) else {
            return Err(ParseError::invalid(known, "method is no string"));
        };
        if method.len() > METHOD {
            return Err(ParseError::invalid(
                known,
                format!("method is longer than {METHOD} bytes"),
            ));
        }
        if params.is_some_and(|p| !p.get().starts_with('{')) {
            return Err(ParseError::invalid(known, "params must be an object"));
        }
        match id {
            None => Ok(Message::Notification { method, params }),
            Some(Some(id)) => Ok(Message::Request { id, method, params }),
            Some(None) => Err(ParseError::invalid(None, "a request's id must not be null")),
        }
    }

    fn answer(
        id: Option<u64>,
        result: Option<Members<'a>>,
        error: Option<&'a RawValue>,
    ) -> Result<Message<'a>, ParseError> {
        // `error: null` beside a result is read as no error.
        match (id, result, error.filter(|error| error.get() != "null")) {
            (id, None, Some(error)) => match json::read(error.get()) {
                Ok(error) => Ok(Message::Error { id, error }),
                Err(e) => Err(ParseError::invalid(id, format!("the error cannot be read: {e}"))),
            },
            (Some(id), Some(members), None) => Ok(Message::Result { id, members }),
            (None, Some(_), None) => Err(ParseError::invalid(None, "a result needs an id")),
            (id, Some(_), Some(_)) => Err(ParseError::invalid(id, "both result and error")),
            (id, None, None) => Err(ParseError::invalid(id, "neither result nor error")),
        }
    }
}

/// The members of a `result` object, each a slice of the frame.
#[derive(Debug, Default)]
pub struct Members<'a>(SmallVec<[(Cow<'a, str>, &'a RawValue); 4]>);

impl<'a> Members<'a> {
    /// The bytes of one member.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    /// Name and bytes of each member, in the order of the frame.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(key, value)| (key.as_ref(), *value))
    }

    /// The whole object as a type of `worker` or `syscall`.
    ///
    /// # Errors
    /// serde's, naming the member that does not fit.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        let mut object = serde_json::Map::new();
        for (key, value) in &self.0 {
            object.insert(key.to_string(), json::read(value.get())?);
        }
        serde_json::from_value(serde_json::Value::Object(object))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect<'a>(PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for Collect<'a> {
            type Value = Members<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'a>, A::Error> {
                let mut members = Members::default();
                while let Some(Text(key)) = map.next_key()? {
                    if members.0.len() == MEMBERS {
                        map.next_value::<IgnoredAny>()?;
                    } else {
                        members.0.push((key, map.next_value()?));
                    }
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Collect(PhantomData))
    }
}

/// A string that borrows from the frame unless it holds escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Serialize)]
struct Outgoing<'a, P> {
    jsonrpc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    method: &'a str,
    params: P,
}

#[derive(Serialize)]
struct ResultFrame<R> {
    jsonrpc: &'static str,
    id: u64,
    result: R,
}

#[derive(Serialize)]
struct ErrorFrame<'a> {
    jsonrpc: &'static str,
    id: Option<u64>,
    error: &'a RpcError,
}

fn frame(value: &impl Serialize) -> Result<OutFrame, CodecError> {
    let json = serde_json::to_vec(value).map_err(std::io::Error::from)?;
    OutFrame::whole(&json)
}

/// A request as a frame.
///
/// # Errors
/// [`CodecError::TooLarge`] over 16 MiB - 1.
pub fn request(id: u64, method: &str, params: impl Serialize) -> Result<OutFrame, CodecError> {
    frame(&Outgoing { jsonrpc: "2.0", id: Some(id), method, params })
}

/// A notification as a frame.
///
/// # Errors
/// [`CodecError::TooLarge`] over 16 MiB - 1.
pub fn notification(method: &str, params: impl Serialize) -> Result<OutFrame, CodecError> {
    frame(&Outgoing { jsonrpc: "2.0", id: None, method, params })
}

/// An answer as a frame; `result` must serialise as an object.
///
/// # Errors
/// [`CodecError::TooLarge`] over 16 MiB - 1.
pub fn result(id: u64, result: impl Serialize) -> Result<OutFrame, CodecError> {
    frame(&ResultFrame { jsonrpc: "2.0", id, result })
}

/// An answer as a frame whose `result` is an object that was written before.
///
/// # Errors
/// [`CodecError::TooLarge`] over 16 MiB - 1.
pub fn written_result(id: u64, result: Bytes) -> Result<OutFrame, CodecError> {
    let head = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":");
    OutFrame::spliced(head.as_bytes(), result, b"}")
}

/// An error answer as a frame; `id` none is written as `null`.
///
/// # Errors
/// [`CodecError::TooLarge`] over 16 MiB - 1.
pub fn error(id: Option<u64>, error: &RpcError) -> Result<OutFrame, CodecError> {
    frame(&ErrorFrame { jsonrpc: "2.0", id, error })
}

#[cfg(test)]
mod tests;

//! Any bytes into the codec, each payload into a message, its members into their types.
//!
//! Nothing may panic, and how the stream is cut must not matter.

#![no_main]

mod deep;
mod stream;

use alyx_protocol::codec::HEADER;
use alyx_protocol::database::{
    BatchParams, BatchResult, BeginParams, DocumentParams, DocumentResult, EndParams, ExecResult,
    ListParams, ListResult, QueryResult, SqlParams, WriteParams,
};
use alyx_protocol::invocation::Invocation;
use alyx_protocol::syscall::{self, LogParams, StreamCreditParams, StreamOpenParams};
use alyx_protocol::worker::{
    self, CancelParams, Concurrency, FunctionKey, GoawayParams, HelloParams, HelloResult,
    LoadParams, LoadResult, ShutdownParams, UnloadResult,
};
use alyx_protocol::{Decoded, Members, Message, RpcError, json, message};
use deep::Deep;
use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

const LIMIT: usize = 4096;

fuzz_target!(|data: &[u8]| {
    let whole = stream::decode(data, [].into_iter(), LIMIT);
    // Piece sizes come from the bytes themselves, so that a finding can be replayed.
    let sizes = data.iter().rev().map(|byte| usize::from(*byte) % 23);
    assert_eq!(whole, stream::decode(data, sizes, LIMIT));
    for decoded in whole.found {
        match decoded {
            Decoded::Frame(payload) => read(&payload),
            Decoded::Oversize { length } => assert!(length > LIMIT),
        }
    }
    // Most random bytes are no frame: let them be a payload too.
    read(data);
    check_depth(data);
});

fn read(payload: &[u8]) {
    let checked = json::check(payload, usize::MAX);
    match Message::parse(payload) {
        Ok(parsed) => {
            checked.expect("a message is JSON");
            match parsed {
                Message::Request { id, method, params } => request(id, &method, params),
                Message::Notification { method, params } => {
                    typed_params(&method, params.map_or("{}", RawValue::get));
                }
                Message::Result { members, .. } => results(&members),
                Message::Error { id, error } => error_again(id, &error),
            }
        }
        Err(fault) => assert_eq!(fault.code.number() == -32700, checked.is_err(), "{fault}"),
    }
}

/// The check follows brackets; a parser that recurses must say the same.
fn check_depth(data: &[u8]) {
    if let Ok(Deep(depth)) = serde_json::from_slice(data) {
        for limit in [0, 1, 3] {
            assert_eq!(json::check(data, limit).is_ok(), depth <= limit, "depth {depth}");
        }
    }
}

/// A request that was read can be written and read again.
fn request(id: u64, method: &str, params: Option<&RawValue>) {
    let text = params.map_or("{}", RawValue::get);
    typed_params(method, text);
    let raw: &RawValue = serde_json::from_str(text).expect("it was JSON");
    let frame = message::request(id, method, raw).expect("it fitted into a frame");
    let bytes = frame.pieces().concat();
    match Message::parse(&bytes[HEADER..]) {
        Ok(Message::Request { id: i, method: m, params: Some(p) }) => {
            assert_eq!((i, &*m, p.get()), (id, method, text));
        }
        other => panic!("a request became {other:?}"),
    }
}

fn error_again(id: Option<u64>, error: &RpcError) {
    let bytes = message::error(id, error).expect("it fitted into a frame").pieces().concat();
    match Message::parse(&bytes[HEADER..]) {
        Ok(Message::Error { id: i, error: copy }) => {
            assert_eq!((i, copy.code, &copy.message), (id, error.code, &error.message));
        }
        other => panic!("an error became {other:?}"),
    }
}

/// A value that can be read can be written and read again.
fn value<T: DeserializeOwned + Serialize>(text: &str) {
    if let Ok(value) = json::read::<T>(text) {
        let written = serde_json::to_string(&value).expect("it was JSON");
        json::read::<T>(&written).expect("it was read before");
    }
}

fn typed_params(method: &str, text: &str) {
    use syscall::method as sys;
    use worker::method as work;
    match method {
        work::HELLO => value::<HelloParams>(text),
        work::LOAD => value::<LoadParams>(text),
        work::UNLOAD => value::<FunctionKey>(text),
        work::INVOKE => value::<Invocation>(text),
        work::CANCEL => value::<CancelParams>(text),
        work::CONCURRENCY => value::<Concurrency>(text),
        work::GOAWAY => value::<GoawayParams>(text),
        work::SHUTDOWN => value::<ShutdownParams>(text),
        sys::LOG => value::<LogParams>(text),
        sys::DB_LIST => value::<ListParams>(text),
        sys::DB_GET | sys::DB_DELETE => value::<DocumentParams>(text),
        sys::DB_CREATE | sys::DB_UPDATE => value::<WriteParams>(text),
        sys::DB_QUERY | sys::DB_EXEC => value::<SqlParams>(text),
        sys::DB_BATCH => value::<BatchParams>(text),
        sys::TX_BEGIN => value::<BeginParams>(text),
        sys::TX_COMMIT | sys::TX_ROLLBACK => value::<EndParams>(text),
        sys::STREAM_OPEN => value::<StreamOpenParams>(text),
        sys::STREAM_CREDIT => value::<StreamCreditParams>(text),
        _ => {}
    }
}

fn results(members: &Members<'_>) {
    let _ = members.get("output");
    let _ = members.read::<HelloResult>();
    let _ = members.read::<LoadResult>();
    let _ = members.read::<UnloadResult>();
    let _ = members.read::<ListResult>();
    let _ = members.read::<DocumentResult>();
    let _ = members.read::<QueryResult>();
    let _ = members.read::<ExecResult>();
    let _ = members.read::<BatchResult>();
}

//! A peer and a scripted shim, joined in memory: no process, no socket, no sleep.

use std::sync::Arc;

use alyx_protocol::limits::FRAME_DEFAULT;
use futures_util::SinkExt;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, split};
use tokio_util::codec::Framed;

use super::*;

/// Notes what it is asked for; answers `echo` with its params and leaves `later` open.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Service<&'static str> for Notes {
    fn request(
        &self,
        method: &str,
        params: Option<&RawValue>,
        calls: &Pending<&'static str>,
        reply: Responder,
    ) {
        let of = calls.context(1).unwrap_or("nobody");
        self.0.lock().push(format!("{method} for {of}"));
        match method {
            "echo" => reply.result(json!({"you": params})),
            _ => reply.error(&RpcError::new(ErrorCode::MethodNotFound, method)),
        }
    }

    fn notification(&self, method: &str, _: Option<&RawValue>, _: &Pending<&'static str>) {
        self.0.lock().push(method.to_owned());
    }

    fn violation(&self, what: &str) {
        self.0.lock().push(format!("violation: {what}"));
    }
}

struct Pair {
    peer: Peer<&'static str>,
    closed: oneshot::Receiver<PeerClosed>,
    shim: Framed<DuplexStream, FrameCodec>,
    notes: Notes,
}

fn agreed() -> Agreed {
    let already_read = BytesMut::new();
    Agreed { send_max: FRAME_DEFAULT, receive_max: FRAME_DEFAULT, already_read }
}

fn connected() -> Pair {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let notes = Notes::default();
    let halves: (ReadHalf<_>, WriteHalf<_>) = split(ours);
    let (peer, closed) = Peer::start(halves, agreed(), notes.clone());
    Pair { peer, closed, shim: Framed::new(theirs, FrameCodec::new(FRAME_DEFAULT)), notes }
}

impl Pair {
    fn call(&self, context: &'static str) -> Call {
        self.peer.call(context, |id| message::request(id, "ask", json!({}))).unwrap()
    }

    async fn send(&mut self, message: &Value) {
        self.shim.send(OutFrame::whole(message.to_string().as_bytes()).unwrap()).await.unwrap();
    }

    async fn received(&mut self) -> Value {
        let Some(Ok(Decoded::Frame(frame))) = self.shim.next().await else { panic!("no frame") };
        serde_json::from_slice(&frame).unwrap()
    }
}

#[tokio::test]
async fn answers_find_their_calls_in_any_order() {
    let mut pair = connected();
    let (first, second) = (pair.call("a"), pair.call("b"));
    pair.send(&json!({"jsonrpc": "2.0", "id": second.id, "result": {"output": 2}})).await;
    pair.send(&json!({"jsonrpc": "2.0", "id": first.id, "result": {"output": [1]}})).await;
    let answer = second.answer.await.unwrap().unwrap();
    assert_eq!(answer.member("output").unwrap(), "2");
    let answer = first.answer.await.unwrap().unwrap();
    assert_eq!(answer.member("output").unwrap(), "[1]");
    assert_eq!(pair.peer.unanswered(), 0);
}

#[tokio::test]
async fn a_request_of_the_shim_may_use_the_id_of_a_call() {
    let mut pair = connected();
    let call = pair.call("a");
    let sent = pair.received().await;
    assert_eq!((sent["id"].clone(), sent["method"].clone()), (json!(1), json!("ask")));
    pair.send(&json!({"jsonrpc": "2.0", "id": 1, "method": "echo", "params": {"x": 1}})).await;
    assert_eq!(
        pair.received().await,
        json!({"jsonrpc": "2.0", "id": 1, "result": {"you": {"x": 1}}})
    );
    pair.send(&json!({"jsonrpc": "2.0", "id": 1, "result": {"output": null}})).await;
    assert_eq!(call.answer.await.unwrap().unwrap().member("output").unwrap(), "null");
    assert_eq!(*pair.notes.0.lock(), ["echo for a"]);
}

#[tokio::test]
async fn all_calls_fail_when_the_connection_is_given_up() {
    let pair = connected();
    let call = pair.call("a");
    drop(pair.shim);
    assert!(matches!(pair.closed.await, Ok(PeerClosed::Eof)));
    pair.peer.close();
    assert!(call.answer.await.is_err());
    let refused = pair.peer.call("b", |id| message::request(id, "ask", json!({})));
    assert!(matches!(refused, Err(CallError::Closed)));
}

#[tokio::test]
async fn a_shim_that_dies_in_the_middle_of_a_frame_has_broken_no_rule() {
    let mut pair = connected();
    pair.shim.get_mut().write_all(&[0, 0, 0, 9, b'{']).await.unwrap();
    drop(pair.shim);
    assert!(matches!(pair.closed.await, Ok(PeerClosed::Eof)));
}

#[tokio::test]
async fn stray_answers_are_noted_and_sixteen_end_the_connection() {
    let mut pair = connected();
    for _ in 0..16 {
        pair.send(&json!({"jsonrpc": "2.0", "id": 99, "result": {}})).await;
    }
    assert!(matches!(pair.closed.await, Ok(PeerClosed::Protocol(_))));
    assert_eq!(pair.notes.0.lock()[0], "violation: an answer to a call never made (id 99)");
}

#[tokio::test]
async fn bad_json_is_answered_and_eight_in_a_row_end_the_connection() {
    let mut pair = connected();
    for _ in 0..8 {
        pair.shim.send(OutFrame::whole(b"{").unwrap()).await.unwrap();
    }
    assert_eq!(pair.received().await["error"]["code"], -32700);
    assert!(matches!(pair.closed.await, Ok(PeerClosed::Protocol(_))));
}

#[tokio::test]
async fn an_answer_that_breaks_the_rules_fails_its_call() {
    let mut pair = connected();
    let call = pair.call("a");
    pair.send(&json!({"jsonrpc": "2.0", "id": call.id, "result": 7})).await;
    assert_eq!(call.answer.await.unwrap().unwrap_err().code, -32600);
}

#[tokio::test]
async fn a_frame_over_the_shims_limit_is_not_sent() {
    let (ours, _theirs) = tokio::io::duplex(1024);
    let agreed = Agreed { send_max: 64, ..agreed() };
    let (peer, _closed) = Peer::start(split(ours), agreed, Notes::default());
    let refused = peer.call("a", |id| message::request(id, "ask", json!({"x": "y".repeat(100)})));
    assert!(matches!(refused, Err(CallError::TooLarge { limit: 64, .. })));
    assert_eq!(peer.unanswered(), 0);
}

#[tokio::test]
async fn a_large_body_arrives_as_it_was() {
    let mut pair = connected();
    let body = Bytes::from(format!("{{\"x\":\"{}\"}}", "y".repeat(3_000_000)));
    let spliced = body.clone();
    let sending = pair.peer.call("a", |_| OutFrame::spliced(br#"{"input":"#, spliced, b"}"));
    let received = pair.received().await;
    assert!(sending.is_ok());
    assert_eq!(received["input"], serde_json::from_slice::<Value>(&body).unwrap());
}

//! What `Message::parse` makes of good, odd and broken payloads.

use super::*;

#[test]
fn result_members_are_slices_of_the_frame() {
    let payload = br#"{"jsonrpc":"2.0","id":7,"result":{"stats":{"cpuMs":1},"output": [1, 2] }}"#;
    let Message::Result { id: 7, members } = Message::parse(payload).unwrap() else { panic!() };
    assert_eq!(members.get("output").unwrap().get(), "[1, 2]");
    assert!(members.get("nothing").is_none());
}

#[test]
fn faults_are_told_apart() {
    let code = |text: &str| Message::parse(text.as_bytes()).unwrap_err();
    assert_eq!(code("{").code, ErrorCode::ParseError);
    assert_eq!(code("[]").code, ErrorCode::InvalidRequest);
    assert_eq!(
        code(r#"{"jsonrpc":"2.0","id":1.0,"method":"ping"}"#).code,
        ErrorCode::InvalidRequest
    );
    assert_eq!(code(r#"{"jsonrpc":"1.0","id":4,"method":"ping"}"#).id, Some(4));
    assert_eq!(code(r#"{"jsonrpc":"2.0","id":4,"method":"ping","params":[]}"#).id, Some(4));
    assert_eq!(code(r#"{"jsonrpc":"2.0","ID":4}"#).message, "neither method nor id");
}

#[test]
fn a_null_error_beside_a_result_is_tolerated() {
    let payload = br#"{"jsonrpc":"2.0","id":1,"result":{},"error":null}"#;
    assert!(matches!(Message::parse(payload), Ok(Message::Result { id: 1, .. })));
}

#[test]
fn a_broken_answer_names_its_call_and_is_not_answered() {
    for payload in [
        r#"{"jsonrpc":"2.0","id":3,"result":5}"#,
        r#"{"jsonrpc":"2.0","id":3,"result":null}"#,
        r#"{"jsonrpc":"2.0","id":3,"result":{},"error":{"code":1,"message":"m"}}"#,
        r#"{"jsonrpc":"2.0","id":3,"error":{"code":"x"}}"#,
        r#"{"jsonrpc":"2.0","id":3,"error":"failed"}"#,
        r#"{"jsonrpc":"1.0","id":3,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":3}"#,
    ] {
        let fault = Message::parse(payload.as_bytes()).unwrap_err();
        let expected = (ErrorCode::InvalidRequest, Some(3), true);
        assert_eq!((fault.code, fault.id, fault.answer), expected, "{payload}");
    }
    let fault = Message::parse(br#"{"jsonrpc":"2.0","id":3,"method":7}"#).unwrap_err();
    assert_eq!((fault.id, fault.answer), (Some(3), false));
}

#[test]
fn details_deeper_than_a_parser_goes_cost_only_themselves() {
    for depth in [65, 126, 500] {
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let payload = format!(
            r#"{{"jsonrpc":"2.0","id":3,"error":{{"code":-32020,"message":"no","data":
                {{"code":"MINE","details":{{"x":{deep}}}}}}}}}"#
        );
        let Message::Error { id: Some(3), error } = Message::parse(payload.as_bytes()).unwrap()
        else {
            panic!("depth {depth}")
        };
        assert_eq!((error.text_code(), &*error.message), ("MINE", "no"));
        assert_eq!(error.data.unwrap().details["dropped"], "nested deeper than 64 levels");
    }
}

#[test]
fn details_may_be_null() {
    let payload =
        br#"{"jsonrpc":"2.0","id":3,"error":{"code":-32020,"message":"m","data":{"details":null}}}"#;
    assert!(matches!(Message::parse(payload), Ok(Message::Error { id: Some(3), .. })));
}

#[test]
fn lone_surrogates_in_an_error_become_replacement_characters() {
    let payload = br#"{"jsonrpc":"2.0","id":3,"error":{"code":-32020,"message":"a\ud800b",
        "data":{"details":{"\udc00":"\ud83c\udf89"}}}}"#;
    let Message::Error { id: Some(3), error } = Message::parse(payload).unwrap() else { panic!() };
    assert_eq!(error.message, "a\u{fffd}b");
    assert_eq!(error.data.unwrap().details["\u{fffd}"], "\u{1f389}");
}

"""JSON-RPC as the protocol has it: who is answered, and with what."""

from __future__ import annotations

from typing import Any

import pytest

from conftest import Start
from host import Host, frame, request

MAX_ID = 2**53 - 1


def bare(payload: bytes) -> bytes:
    return len(payload).to_bytes(4, "big") + payload


@pytest.mark.parametrize("id", [1, MAX_ID])
def test_ids_are_echoed_exactly(host: Host, id: int) -> None:
    host.send(request(id, "ping", {}))
    assert host.receive() == {"jsonrpc": "2.0", "id": id, "result": {}}


@pytest.mark.parametrize("id", [0, -1, MAX_ID + 1, 1.0, "1", None, True, [1]])
def test_other_ids_are_refused(host: Host, id: Any) -> None:
    host.send(request(id, "ping", {}))
    answer = host.receive()
    assert (answer["id"], answer["error"]["code"]) == (None, -32600)
    assert host.call("ping")["result"] == {}


@pytest.mark.parametrize(
    ("message", "id", "code", "name"),
    [
        ([], None, -32600, "INVALID_REQUEST"),
        ([request(1, "ping", {})], None, -32600, "INVALID_REQUEST"),
        ("ping", None, -32600, "INVALID_REQUEST"),
        (None, None, -32600, "INVALID_REQUEST"),
        ({"jsonrpc": "2.0"}, None, -32600, "INVALID_REQUEST"),
        ({"jsonrpc": "1.0", "id": 5, "method": "ping"}, 5, -32600, "INVALID_REQUEST"),
        ({"id": 5, "method": "ping"}, 5, -32600, "INVALID_REQUEST"),
        ({"jsonrpc": "2.0", "id": 5, "method": 7}, 5, -32600, "INVALID_REQUEST"),
        (request(5, "x-acme.frob", {}), 5, -32601, "METHOD_NOT_FOUND"),
        (request(5, "PING", {}), 5, -32601, "METHOD_NOT_FOUND"),
        (request(5, "cancel", {}), 5, -32601, "METHOD_NOT_FOUND"),
        (request(5, "ping", []), 5, -32600, "INVALID_REQUEST"),
        (request(5, "p" * 65, {}), 5, -32600, "INVALID_REQUEST"),
        (
            {"jsonrpc": "2.0", "method": "x", "params": []},
            None,
            -32600,
            "INVALID_REQUEST",
        ),
        ({"jsonrpc": "2.0", "method": 7}, None, -32600, "INVALID_REQUEST"),
        (request(5, "p" * 64, {}), 5, -32601, "METHOD_NOT_FOUND"),
        (request(5, "invoke", {}), 5, -32602, "INVALID_PARAMS"),
        (request(5, "invoke", {"function": "f"}), 5, -32602, "INVALID_PARAMS"),
        (request(5, "unload", {"function": []}), 5, -32602, "INVALID_PARAMS"),
        (request(5, "shutdown", {"graceMs": "1"}), 5, -32602, "INVALID_PARAMS"),
        (
            request(5, "load", {"function": "f", "revision": "r", "path": "f.py"}),
            5,
            -32602,
            "INVALID_PARAMS",
        ),
        (
            request(5, "invoke", {"function": "f", "revision": "r"}),
            5,
            -32021,
            "FUNCTION_NOT_FOUND",
        ),
    ],
)
def test_a_request_that_cannot_be_served_is_refused(
    host: Host, message: object, id: int | None, code: int, name: str
) -> None:
    host.send(message)
    answer = host.receive()
    assert answer["id"] == id
    assert (answer["error"]["code"], answer["error"]["data"]["code"]) == (code, name)
    assert host.call("ping")["result"] == {}


@pytest.mark.parametrize(
    "message",
    [
        {"jsonrpc": "2.0", "method": "x-unknown"},
        {"jsonrpc": "2.0", "method": "cancel"},
        {"jsonrpc": "2.0", "method": "cancel", "params": {"id": {}}},
        {"jsonrpc": "2.0", "method": "invoke", "params": {}},
        {"jsonrpc": "2.0", "id": 77, "result": {}},
        {"jsonrpc": "2.0", "id": 77},
        {"id": 77, "result": 5},
        {"jsonrpc": "2.0", "id": "x", "result": {}},
        {"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "no"}},
        {"jsonrpc": "2.0", "id": 77, "error": None, "result": {}},
    ],
)
def test_nobody_answers_notifications_and_answers(host: Host, message: object) -> None:
    host.send(message)
    assert host.call("ping")["result"] == {}
    assert host.strays == []


def test_unknown_members_are_ignored(host: Host) -> None:
    host.send({**request(9, "ping", {"x": 1}), "ID": 3, "METHOD": "no", "result": {}})
    assert host.receive() == {"jsonrpc": "2.0", "id": 9, "result": {}}


@pytest.mark.parametrize(
    "payload", [b"", b"{", b"\xff", b'{"a":NaN}', b"\xef\xbb\xbf{}", b"1},{"]
)
def test_bad_json_is_answered_and_survived(host: Host, payload: bytes) -> None:
    for _ in range(7):
        host.send_bytes(bare(payload))
        answer = host.receive()
        assert (answer["id"], answer["error"]["code"]) == (None, -32700)
    assert host.call("ping")["result"] == {}
    host.send_bytes(bare(payload))  # the count begins anew
    assert host.receive()["error"]["code"] == -32700
    assert host.call("ping")["result"] == {}


def test_eight_bad_frames_in_a_row_end_the_connection(host: Host) -> None:
    host.send_bytes(bare(b"{") * 8)
    with pytest.raises(EOFError):
        for _ in range(9):
            assert host.receive()["error"]["code"] == -32700
    assert host.wait() == 1
    assert "in a row" in host.stderr()


@pytest.mark.parametrize("levels", [128, 3_000, 1_000_000])
def test_deep_nesting_is_survived(host: Host, levels: int) -> None:
    host.load("def handler(ctx):\n    return ctx.input['v']\n")
    nested = b"[" * levels + b"]" * levels
    head = b'{"jsonrpc":"2.0","id":99,"method":"invoke","params":{"function":"f",'
    host.send_bytes(bare(head + b'"revision":"r1","input":{"v":' + nested + b"}}}"))
    answer = host.receive()
    if levels == 128:
        assert answer["id"] == 99
        assert "result" in answer
    else:
        known = answer.get("error", {"code": 0})["code"] in (-32700, -32027)
        assert known or "result" in answer  # later Pythons nest deeper
    assert host.call("ping")["result"] == {}


def test_an_oversize_frame_is_thrown_away(host: Host) -> None:
    size = 8388609
    host.send_bytes(
        size.to_bytes(4, "big") + b" " * size + frame(request(3, "ping", {}))
    )
    refused, answer = host.receive(), host.receive()
    assert (refused["id"], refused["error"]["code"]) == (None, -32028)
    assert refused["error"]["data"]["details"] == {"size": size, "limit": 8388608}
    assert answer == {"jsonrpc": "2.0", "id": 3, "result": {}}


def test_a_frame_of_the_full_size_is_taken(host: Host) -> None:
    host.load("def handler(ctx):\n    return len(ctx.input['v'])\n")
    call = request(3, "invoke", {"function": "f", "revision": "r1", "input": {"v": ""}})
    room = 8388608 - len(frame(call)) + 4
    call["params"]["input"]["v"] = "x" * room
    host.send(call)
    assert host.receive()["result"]["output"] == room


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n\r\n", b'{"jsonrpc"', b"\x01\0\0\0"]
)
def test_an_unknown_kind_ends_the_connection(host: Host, data: bytes) -> None:
    host.send_bytes(frame(request(3, "ping", {})) + data)
    assert host.receive()["id"] == 3
    with pytest.raises(EOFError):
        host.receive()
    assert host.wait() == 1
    assert f"unknown kind {data[0]}" in host.stderr()


def test_frames_may_come_byte_by_byte(host: Host) -> None:
    for byte in frame(request(3, "ping", {"x": "ü"})):
        host.send_bytes(bytes([byte]))
    assert host.receive()["id"] == 3


def test_many_frames_may_come_in_one_write(host: Host) -> None:
    host.send(*(request(id, "ping", {}) for id in range(1, 1001)))
    assert [host.receive()["id"] for _ in range(1000)] == list(range(1, 1001))


def test_both_sides_count_their_ids_alone(host: Host) -> None:
    # 1 is also the id of the worker's own hello.
    host.send(request(1, "ping", {}))
    assert host.receive() == {"jsonrpc": "2.0", "id": 1, "result": {}}


def test_nothing_is_served_before_the_handshake(start: Start) -> None:
    host = start()
    hello = host.receive()
    host.send(request(4, "ping", {}))
    answer = host.receive()
    assert (answer["id"], answer["error"]["data"]["code"]) == (4, "NOT_READY")
    # What follows the reply in the same read is served.
    reply = {"jsonrpc": "2.0", "id": hello["id"], "result": {"limits": {}}}
    host.send(reply, request(5, "ping", {}), request(6, "ping", {"x": "y" * 100_000}))
    assert [host.receive()["id"], host.receive()["id"]] == [5, 6]

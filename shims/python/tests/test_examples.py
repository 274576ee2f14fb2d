"""The golden examples of the protocol, which all four languages read."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from alyx import codec
from conftest import FOLDER, Start, read
from host import Host

FRAMING = read("framing/*.json")
MESSAGES = [
    case for case in read("*/*.json") if isinstance(case.values[0].get("message"), dict)
]
# Each method this worker serves must be among the examples.
FROM_HOST = {
    method: read(f"{method}/*.json")
    for method in ("load", "unload", "invoke", "cancel", "ping", "shutdown")
}


def splits(data: bytes) -> list[list[bytes]]:
    """Whole, byte by byte, and in some random ways."""
    found = [[data], [data[at : at + 1] for at in range(len(data))]]
    chance = random.Random(7)
    for _ in range(20):
        cuts = sorted(chance.choices(range(len(data) + 1), k=chance.randint(1, 9)))
        edges = [0, *cuts, len(data)]
        found.append([data[a:b] for a, b in zip(edges, edges[1:])])
    return found


@pytest.mark.parametrize("case", FRAMING)
def test_framing(case: dict[str, Any]) -> None:
    for pieces in splits(bytes.fromhex(case["hex"])):
        decoder = codec.Decoder(case.get("maxFrame", codec.MAX_LENGTH))
        found = [payload for piece in pieces for payload in decoder.feed(piece)]
        texts = [None if p is None else p.decode() for p in found]
        assert texts == case["frames"], pieces
        assert ending(decoder, texts) == case.get("end"), pieces


def ending(decoder: codec.Decoder, found: list[str | None]) -> str | None:
    if decoder.unknown_kind is not None:
        return "unknown-kind"
    if decoder.missing:
        return "truncated"
    return "oversize" if None in found else None


@pytest.mark.parametrize("case", MESSAGES)
def test_a_message_survives(case: dict[str, Any]) -> None:
    message = case["message"]
    (payload,) = codec.Decoder(codec.MAX_LENGTH).feed(
        codec.frame(codec.encode(message))
    )
    assert payload is not None
    assert codec.decode(payload) == message


def served(method: str, kind: str) -> list[Any]:
    found = [
        case
        for case in FROM_HOST[method]
        if (case.values[0]["from"], case.values[0]["kind"]) == ("host", kind)
    ]
    assert found, f"no {kind} of {method} among the examples"
    return found


REQUESTS = [
    case
    for method in ("load", "unload", "invoke", "ping")
    for case in served(method, "request")
]


@pytest.mark.parametrize("case", REQUESTS)
def test_a_request_of_the_host_is_understood(host: Host, case: dict[str, Any]) -> None:
    message = case["message"]
    host.send(message)
    answer = host.answer(message["id"])
    # The files of the examples do not exist here, so FUNCTION_NOT_FOUND and
    # LOAD_FAILED are right; a refusal of the message itself is not.
    code = answer.get("error", {"data": {"code": None}})["data"]["code"]
    expected: dict[str, list[str | None]] = {
        "ping": [None],
        "load": ["LOAD_FAILED"],
        "unload": ["FUNCTION_NOT_FOUND"],
        "invoke": ["FUNCTION_NOT_FOUND"],
    }
    assert code in expected[message["method"]], answer


@pytest.mark.parametrize("case", served("invoke", "request"))
def test_an_invoke_of_the_host_runs(host: Host, case: dict[str, Any]) -> None:
    message = case["message"]
    params = message["params"]
    loaded = host.load(
        "def handler(ctx):\n    return [ctx.input, ctx.auth, ctx.request.id]\n",
        params["function"],
        revision=params["revision"],
    )
    assert "result" in loaded, loaded
    host.send(message)
    answer = host.answer(message["id"])
    assert answer["result"]["output"] == [
        params.get("input", {}),
        params.get("auth"),
        params.get("requestId", ""),
    ]


NOTIFICATIONS = [
    *served("cancel", "notification"),
    *read("profile/notification-*.json"),
]


@pytest.mark.parametrize("case", NOTIFICATIONS)
def test_a_notification_of_the_host_is_taken(host: Host, case: dict[str, Any]) -> None:
    host.send(case["message"])
    assert host.call("ping")["result"] == {}
    assert host.strays == []


@pytest.mark.parametrize("case", served("shutdown", "request"))
def test_a_shutdown_of_the_host_is_obeyed(host: Host, case: dict[str, Any]) -> None:
    host.send(case["message"])
    assert host.answer(case["message"]["id"])["result"] == {}
    assert host.wait() == 0


@pytest.mark.parametrize(
    "case",
    [
        case
        for case in read("hello/*.json")
        if (case.values[0]["from"], case.values[0]["kind"]) == ("host", "response")
    ],
)
def test_an_answer_to_hello_is_taken(start: Start, case: dict[str, Any]) -> None:
    host = start()
    hello = host.receive()
    host.send({**case["message"], "id": hello["id"]})
    assert host.call("ping")["result"] == {}


def test_hello_has_the_shape_of_the_example(host: Host, start: Start) -> None:
    text = (FOLDER / "hello" / "request-python.json").read_text(encoding="utf-8")
    example = json.loads(text)["message"]
    assert shape(start().receive()) == shape(example)


def test_a_log_has_the_shape_of_the_example(host: Host) -> None:
    host.load("def handler(ctx):\n    ctx.log.info('a', {'b': 1})\n    print('c')\n")
    host.invoke()
    for log, name in zip(host.logs, ("fields", "stdout")):
        text = (FOLDER / "log" / f"{name}.json").read_text(encoding="utf-8")
        example = json.loads(text)["message"]["params"]
        for entry in (log["entries"][0], example["entries"][0]):
            entry.pop("fields", None)
        assert shape(log) == shape(example)


def shape(value: Any) -> Any:
    """Names and types, without the values."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return type(value).__name__

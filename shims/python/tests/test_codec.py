"""Frames and JSON, without a process."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime
from enum import Enum
from typing import Any

import pytest

from alyx import codec


def decode_in(pieces: Iterable[bytes], max_frame: int = 1000) -> list[bytes | None]:
    decoder = codec.Decoder(max_frame)
    return [payload for piece in pieces for payload in decoder.feed(piece)]


@pytest.mark.parametrize("size", [0, 1, 255, 256, 65535, 65536, 65537, 1_000_000])
def test_a_frame_of_any_size_survives_any_split(size: int) -> None:
    payload = b"x" * size
    data = codec.frame("x" * size) * 2
    for step in {1, 3, 4, 5, 4096, len(data)} - ({1, 3} if size > 65537 else set()):
        pieces = [data[at : at + step] for at in range(0, len(data), step)]
        assert decode_in(pieces, 2**24 - 1) == [payload, payload]


def test_the_limit_may_rise_between_two_frames_of_one_read() -> None:
    decoder = codec.Decoder(2)
    found = []
    for payload in decoder.feed(codec.frame("ab") + codec.frame("abc")):
        found.append(payload)
        decoder.max_frame = 3
    assert found == [b"ab", b"abc"]


def test_missing_says_how_much_to_read() -> None:
    decoder = codec.Decoder(100)
    assert list(decoder.feed(codec.frame("x" * 50)[:14])) == []
    assert decoder.missing == 40
    assert list(decoder.feed(b"x" * 40)) == [b"x" * 50]
    assert decoder.missing == 0


@pytest.mark.parametrize(
    "text",
    ["", " ", "{", "{} {}", "[1,]", "NaN", "-Infinity", '{"a":NaN}', "\ufeff{}", "nul"],
)
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        codec.decode(text.encode())


@pytest.mark.parametrize("payload", [b'"\xff"', b'"\xed\xa0\x80"', b'"\xc0\x80"'])
def test_what_is_no_utf8_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError):
        codec.decode(payload)


def test_blanks_around_json_are_fine() -> None:
    assert codec.decode(b' \n{"a": 1}\r\t ') == {"a": 1}


def test_a_number_of_5000_digits_is_no_error() -> None:
    assert codec.decode(b'{"n":%s,"m":7}' % (b"1" * 5000)) == {"n": math.inf, "m": 7}


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "ü🎉\ud800\x00",
        2**70,
        -0.0,
        1.5,
        [],
        {"a": [{}, [1, [2]]]},
        {"": {"": {}}},
    ],
)
def test_a_value_survives_encoding(value: Any) -> None:
    payload = codec.frame(codec.encode(value))[codec.HEADER_SIZE :]
    assert codec.decode(payload) == value


def test_text_takes_no_more_room_than_its_utf8() -> None:
    assert codec.frame(codec.encode("Böcke"))[codec.HEADER_SIZE :] == '"Böcke"'.encode()
    escaped = codec.frame(codec.encode("a\\\ud800"))[codec.HEADER_SIZE :]
    assert escaped == b'"a\\\\\\ud800"'


def cycle() -> list[object]:
    inner: list[object] = []
    inner.append({"again": inner})
    return inner


def deep(levels: int) -> list[object]:
    value: list[object] = []
    for _ in range(levels):
        value = [value]
    return value


class Plain(Enum):
    A = 1


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (math.nan, "r: NaN"),
        ([0, -math.inf], "r[1]: Infinity"),
        ({"a": {"b c": {1, 2}}}, "r.a['b c']: set"),
        ({"a": [1, {"at": datetime(2026, 1, 1)}]}, "r.a[1].at: datetime"),
        ((b"",), "r[0]: bytes"),
        ({(1, 2): 3}, "r: key of type tuple"),
        ({1: {None: 3j}}, "r[1][None]: complex"),
        ({"e": Plain.A}, "r.e: Plain"),
        ({"x": cycle()}, "r.x[0].again: cycle"),
        (deep(100_000), "r: nested too deeply"),
    ],
)
def test_what_json_cannot_carry_is_named(value: object, path: str) -> None:
    with pytest.raises((TypeError, ValueError, RecursionError)):
        codec.encode(value)
    assert codec.find_unencodable(value, "r") == path


def test_one_object_twice_is_no_cycle() -> None:
    shared = [1]
    value = {"a": shared, "b": [shared, shared]}
    assert codec.find_unencodable(value, "r") is None
    assert codec.encode(value) == '{"a":[1],"b":[[1],[1]]}'

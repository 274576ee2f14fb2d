"""Values of the database: what travels how, and what cannot."""

from __future__ import annotations

import enum
import json
import random
import struct
import uuid
from collections import OrderedDict, namedtuple
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from alyx import codec, values

INT = 2**53
Point = namedtuple("Point", "x y")


class Level(enum.IntEnum):
    HIGH = 7


class Word(str, enum.Enum):
    HELLO = "hello"


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        (None, None),
        (True, True),
        (0, 0),
        (INT - 1, INT - 1),
        (1 - INT, 1 - INT),
        (INT, {"$int": "9007199254740992"}),
        (-INT, {"$int": "-9007199254740992"}),
        (2**63 - 1, {"$int": "9223372036854775807"}),
        (1.5, 1.5),
        ("$int", "$int"),
        (b"", {"$bytes": ""}),
        (b"\0\1\2\xff", {"$bytes": "AAEC/w=="}),
        (bytearray(b"\xde\xad"), {"$bytes": "3q0="}),
        (memoryview(b"abcd")[::2], {"$bytes": "YWM="}),
        ((1, (2,)), [1, [2]]),
        (Point(1, 2), [1, 2]),
        ({}, {}),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        ({"$ref": "x"}, {"$lit": {"$ref": "x"}}),
        ({"$ref": "x", "y": 1}, {"$ref": "x", "y": 1}),
        ({"a": {"$lit": {"$x": 1}}}, {"a": {"$lit": {"$lit": {"$lit": {"$x": 1}}}}}),
        ([{"$int": INT}], [{"$lit": {"$int": {"$int": str(INT)}}}]),
        (Level.HIGH, 7),
        (Word.HELLO, "hello"),
        ({Word.HELLO: 1}, {"hello": 1}),
        (date(2026, 1, 24), "2026-01-24"),
        (
            datetime(2026, 1, 24, 10, 30, tzinfo=timezone.utc),
            "2026-01-24T10:30:00.000Z",
        ),
        (
            datetime(26, 1, 24, 1, 0, 0, 123456, timezone(timedelta(hours=2))),
            "0026-01-23T23:00:00.123Z",
        ),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("\ud800", "\ud800"),
    ],
)
def test_how_a_value_travels(value: object, wire: object) -> None:
    assert json.loads(values.encode(value)) == wire


@pytest.mark.parametrize(
    ("found", "wire"),
    [
        ({"n": INT}, {"n": {"$int": str(INT)}}),
        ({"n": {"$gt": INT}}, {"n": {"$gt": {"$int": str(INT)}}}),
        ({"b": {"$in": (b"x", 1)}}, {"b": {"$in": [{"$bytes": "eA=="}, 1]}}),
        ({"$not": {"n": {"$ne": None}}}, {"$not": {"n": {"$ne": None}}}),
        (
            {"$or": [{"$and": [{"$not": {"a": {"$eq": {"$ref": "x"}}}}]}]},
            {"$or": [{"$and": [{"$not": {"a": {"$eq": {"$lit": {"$ref": "x"}}}}}]}]},
        ),
        (
            {"a": {"$odd": 1}, "$odd": 2, "$and": 3},
            {"a": {"$odd": 1}, "$odd": 2, "$and": 3},
        ),
        ({"$not": [{"$x": 1}]}, {"$not": [{"$lit": {"$x": 1}}]}),
    ],
)
def test_a_filter_keeps_its_operators(found: object, wire: object) -> None:
    assert json.loads(values.encode_filter(found)) == wire


def deep(levels: int, name: str = "a") -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {name: value}
    return value


def cycle() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("value", "path", "what"),
    [
        (float("nan"), "v", "NaN"),
        ({"a": [1, float("inf")]}, "v.a[1]", "Infinity"),
        ({"a b": {"c": {1, 2}}}, "v['a b'].c", "set"),
        ({"price": Decimal("1.5")}, "v.price", "Decimal"),
        ({"n": {"$gt": object}}, "v.n.$gt", "type"),
        ([{1: 2}], "v[0]", "a key of type int"),
        ({"x": timedelta(1)}, "v.x", "timedelta"),
        (
            [datetime(2026, 1, 1)],
            "v[0]",
            "a naive datetime; use datetime.now(timezone.utc)",
        ),
        (
            [datetime.min.replace(tzinfo=timezone(timedelta(hours=1)))],
            "v[0]",
            "a datetime out of range",
        ),
        (1j, "v", "complex"),
    ],
)
def test_what_cannot_travel(value: object, path: str, what: str) -> None:
    for encode in (values.encode, values.encode_filter):
        with pytest.raises(values.Unstorable) as caught:
            encode(value)
        assert (caught.value.path("v"), caught.value.what) == (path, what)


@pytest.mark.parametrize("value", [cycle(), deep(101), deep(51, "$a"), deep(100_000)])
def test_cycles_and_depths_end(value: object) -> None:
    with pytest.raises(values.Unstorable) as caught:
        values.encode(value)
    assert caught.value.what == "a cycle, or nested over 100 levels deep"


@pytest.mark.parametrize("name", ["a", "$a"])
def test_what_a_host_takes_may_leave(name: str) -> None:
    text = values.encode(deep(50 if name == "$a" else 64, name))
    assert values.decode(json.loads(text)) == deep(50 if name == "$a" else 64, name)


@pytest.mark.parametrize(
    ("wire", "value"),
    [
        ({"$int": "5"}, 5),
        ({"$int": "-9007199254740993"}, -9007199254740993),
        ({"$int": 5}, {"$int": 5}),
        ({"$int": "x"}, {"$int": "x"}),
        ({"$bytes": "AAEC/w=="}, b"\0\1\2\xff"),
        ({"$bytes": "A"}, {"$bytes": "A"}),
        ({"$bytes": "ü"}, {"$bytes": "ü"}),
        ({"$int": "1", "other": {"$int": "2"}}, {"$int": "1", "other": 2}),
        ({"$lit": {"$int": "x"}}, {"$int": "x"}),
        ({"$lit": {"$lit": {"$x": {"$int": "1"}}}}, {"$lit": {"$x": 1}}),
        ({"$lit": 5}, {"$lit": 5}),
        ({"$new": {"$int": "1"}}, {"$new": 1}),
        ([[{"$int": "1"}], {"a": [{"$bytes": ""}]}], [[1], {"a": [b""]}]),
    ],
)
def test_how_a_value_is_read(wire: object, value: object) -> None:
    assert values.decode(wire) == value


@pytest.mark.parametrize(
    ("payload", "special"),
    [
        (b'{"a":{"$int":"1"}}', True),
        (b'{"a":{"\\u0024int":"1"}}', True),
        (b'{"a":"costs $5"}', False),
    ],
)
def test_who_needs_a_second_look(payload: bytes, special: bool) -> None:
    assert values.may_hold_special(payload) is special


def test_every_value_comes_back() -> None:
    chance = random.Random(11)
    for _ in range(3000):
        value = anything(chance, 4)
        payload = codec.frame(values.encode(value))[codec.HEADER_SIZE :]
        wire = codec.decode(payload)
        assert strict(wire), value
        found = values.decode(wire) if values.may_hold_special(payload) else wire
        assert same(found, value), (found, value)


NAMES = ("a", "$int", "$bytes", "$lit", "$x", "", "ü", "$")


def anything(chance: random.Random, depth: int) -> Any:
    kind = chance.randrange(9 if depth else 7)
    if kind == 0:
        return chance.choice([None, True, False, "", "$int", "日本 🎉", "\ud800", "12"])
    if kind == 1:
        return chance.randrange(-(2**63), 2**63)
    if kind == 2:
        return chance.choice([-1, 1]) * (2**53 + chance.randrange(-3, 4))
    if kind == 3:
        return bytes(chance.randrange(256) for _ in range(chance.randrange(5)))
    if kind == 4:
        (number,) = struct.unpack("d", chance.randbytes(8))
        return 0.5 if number - number != 0 else number
    if kind in (5, 6):
        return chance.randrange(-9, 9)
    size = chance.choice([0, 1, 1, 2, 3])
    if kind == 7:
        return [anything(chance, depth - 1) for _ in range(size)]
    return {chance.choice(NAMES): anything(chance, depth - 1) for _ in range(size)}


def strict(wire: Any) -> bool:
    """Whether every integer is one that each language reads exactly."""
    if isinstance(wire, dict):
        return all(map(strict, wire.values()))
    if isinstance(wire, list):
        return all(map(strict, wire))
    return not isinstance(wire, int) or abs(wire) < INT


def same(a: Any, b: Any) -> bool:
    """Equal, types included: 1, 1.0 and True differ."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[name], b[name]) for name in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)

"""Values of the database as JSON and back: section 13.1 of the protocol.

Knows what JSON cannot carry and how it travels instead; does not know which
call a value belongs to.
"""

from __future__ import annotations

import sys
from binascii import a2b_base64, b2a_base64

from . import codec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_PLAIN_INT = 2**53 - 1
# The host takes documents 64 levels deep and says so itself; what no parser
# takes must not leave, because nobody could tell which call it belonged to.
# It ends cycles too.
MAX_DEPTH = 100

_DIRECT = frozenset((str, bool, type(None)))


class Unstorable(Exception):
    """A value that cannot be sent, and the steps to it, the last one first."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what
        self.steps: list[str | int] = []

    def path(self, root: str) -> str:
        """`data.items[2]`: where the value stands."""
        return root + "".join(
            f".{step}"
            if isinstance(step, str) and step.lstrip("$").isidentifier()
            else f"[{step!r}]"
            for step in reversed(self.steps)
        )


def encode(value: object) -> str:
    """One value as JSON text; raises Unstorable."""
    return codec.encode(_wire(value, 0))


def encode_filter(value: object) -> str:
    """A filter: its operands are values, its operators are not."""
    return codec.encode(_filter(value, 0))


def encode_members(members: dict[str, Any]) -> str:
    """An object that is no value itself, but holds some: named parameters."""
    return codec.encode(_members(members, 1))


def _wire(value: Any, depth: int) -> Any:
    """The JSON that stands for a value."""
    kind = type(value)
    if kind in _DIRECT:
        return value
    if kind is int:
        small = -MAX_PLAIN_INT <= value <= MAX_PLAIN_INT
        return value if small else {"$int": _digits(value)}
    if isinstance(value, dict):
        if len(value) == 1 and str(next(iter(value)))[:1] == "$":
            return {"$lit": _members(value, depth + 2)}
        return _members(value, depth + 1)
    if isinstance(value, (list, tuple)):
        return _items(value, depth + 1)
    return _scalar(value)


def _members(
    value: dict[Any, Any], depth: int, conditions: bool = False
) -> dict[str, Any]:
    _check_depth(depth)
    found = {}
    for name, item in value.items():
        if not isinstance(name, str):
            raise Unstorable(f"a key of type {type(name).__name__}")
        try:
            if conditions:
                found[name] = _condition(name, item, depth)
            else:
                found[name] = _wire(item, depth)
        except Unstorable as error:
            error.steps.append(str(name))
            raise
    return found


def _items(
    value: list[Any] | tuple[Any, ...], depth: int, filters: bool = False
) -> list[Any]:
    _check_depth(depth)
    found = []
    for item in value:
        try:
            found.append(_filter(item, depth) if filters else _wire(item, depth))
        except Unstorable as error:  # noqa: PERF203
            error.steps.append(len(found))
            raise
    return found


def _filter(value: Any, depth: int) -> Any:
    if isinstance(value, dict):
        return _members(value, depth + 1, conditions=True)
    return _wire(value, depth)


def _condition(name: str, item: Any, depth: int) -> Any:
    """One member of a filter; what makes no sense is left to the host."""
    if name in ("$and", "$or") and isinstance(item, (list, tuple)):
        return _items(item, depth + 1, filters=True)
    if name == "$not":
        return _filter(item, depth)
    if isinstance(item, dict):  # operators, and their operands
        return _members(item, depth + 1)
    return _wire(item, depth)


def _check_depth(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise Unstorable(f"a cycle, or nested over {MAX_DEPTH} levels deep")


def _scalar(value: Any) -> Any:
    """What is neither dict nor list, nor of the commonest types."""
    if isinstance(value, float):
        if value - value != 0:
            raise Unstorable("NaN" if value != value else "Infinity")
        return float(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"$bytes": b2a_base64(bytes(value), newline=False).decode()}
    if isinstance(value, str):  # an enum of strings, say
        return str.__str__(value)
    if isinstance(value, int):
        return _wire(int(value), 0)
    return _text(value)


def _digits(value: int) -> str:
    try:
        return str(value)
    except ValueError:  # over sys.get_int_max_str_digits()
        raise Unstorable("an int of thousands of digits") from None


def _text(value: Any) -> str:
    """Dates, times and UUIDs, whose modules are there if one of them is."""
    dates, uuids = sys.modules.get("datetime"), sys.modules.get("uuid")
    if dates is not None and isinstance(value, dates.datetime):
        if value.utcoffset() is None:
            raise Unstorable("a naive datetime; use datetime.now(timezone.utc)")
        try:
            moment = value.astimezone(dates.timezone.utc)
        except OverflowError:
            raise Unstorable("a datetime out of range") from None
        # As the host writes its own, so that they compare as text.
        return f"{moment.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
    if dates is not None and isinstance(value, dates.date):
        return str(value.isoformat())
    if uuids is not None and isinstance(value, uuids.UUID):
        return str(value)
    raise Unstorable(type(value).__name__)


def may_hold_special(payload: bytes) -> bool:
    """Whether JSON can have a member whose name starts with `$`; rarely wrong."""
    # To look for one byte first is a hundred times as fast.
    if b"$" in payload and b'"$' in payload:
        return True
    return b"\\" in payload and b'"\\u0024' in payload


def decode(value: Any) -> Any:
    """The value that JSON stands for; lists and dicts are changed in place."""
    if type(value) is list:
        for index, item in enumerate(value):
            if type(item) is dict or type(item) is list:
                value[index] = decode(item)
        return value
    if type(value) is not dict:
        return value
    if len(value) == 1:
        ((name, inside),) = value.items()
        if name[:1] == "$":
            return _special(name, inside, value)
    return _decode_members(value)


def _decode_members(value: dict[str, Any]) -> dict[str, Any]:
    for name, item in value.items():
        if type(item) is dict or type(item) is list:
            value[name] = decode(item)
    return value


def _special(name: str, inside: Any, whole: dict[str, Any]) -> Any:
    try:
        if name == "$int" and type(inside) is str:
            return int(inside)
        if name == "$bytes" and type(inside) is str:
            return a2b_base64(inside)
    except ValueError:  # not what it says: left as it stands
        return whole
    if name == "$lit" and type(inside) is dict:
        return _decode_members(inside)
    return _decode_members(whole)

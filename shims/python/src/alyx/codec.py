"""Bytes to frames and back, values to JSON text and back.

Knows nothing of methods, sockets or functions.
"""

from __future__ import annotations

import json
from json import encoder as _json_encoder
from struct import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

# A frame is one kind byte (0 = JSON-RPC object) and a 24-bit length. Read as
# one big-endian number the header of kind 0 is the length itself.
_HEADER = Struct(">I")
_read_header = _HEADER.unpack_from
HEADER_SIZE = 4
MAX_LENGTH = 0xFFFFFF


def frame(text: str) -> bytes:
    """Puts a header before one JSON text.

    A lone surrogate has no UTF-8 form, but the error handler's is its JSON escape.
    """
    payload = text.encode("utf-8", "backslashreplace")
    return _HEADER.pack(len(payload)) + payload


class Decoder:
    """Cuts a byte stream into payloads, whatever way the bytes arrive."""

    def __init__(self, max_frame: int) -> None:
        # May be raised between two frames: the handshake does so.
        self.max_frame = max_frame
        # Set once the stream is beyond repair; nothing is decoded after it.
        self.unknown_kind: int | None = None
        # The length of the frame that None stands for.
        self.oversize = 0
        self._parts: list[bytes] = []
        self._have = 0
        self._need = HEADER_SIZE
        self._skip = 0

    @property
    def missing(self) -> int:
        """Bytes still to come of the frame that has begun; 0 between frames."""
        return self._skip or (self._need - self._have if self._parts else 0)

    def feed(self, data: bytes) -> Iterator[bytes | None]:
        """Yields the payloads that `data` completes; None = one over max_frame."""
        if self.unknown_kind is not None:
            return
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
        if self._parts:
            self._parts.append(data)
            self._have += len(data)
            if self._have < self._need:
                return
            data = b"".join(self._parts)
            self._parts = []
        pos, end = 0, len(data)
        while end - pos >= HEADER_SIZE:
            length: int = _read_header(data, pos)[0]
            body = pos + HEADER_SIZE
            if length > MAX_LENGTH:
                self.unknown_kind = length >> 24
                return
            if length > self.max_frame:
                self.oversize = length
                self._skip = max(0, body + length - end)
                yield None
            elif end - body < length:
                self._keep(data[pos:], HEADER_SIZE + length)
                return
            else:
                yield data[body : body + length]
            pos = body + length
        if pos < end:
            if data[pos] != 0:  # the kind alone tells
                self.unknown_kind = data[pos]
            self._keep(data[pos:], HEADER_SIZE)

    def _keep(self, rest: bytes, need: int) -> None:
        self._parts = [rest]
        self._have = len(rest)
        self._need = need


def _refuse_constant(name: str) -> Any:
    raise json.JSONDecodeError(f"{name} is no JSON", name, 0)


def _number(digits: str) -> int | float:
    try:
        return int(digits)
    except ValueError:  # over sys.get_int_max_str_digits(): as Node does
        return float(digits)


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)
_decoder_of_huge_numbers = json.JSONDecoder(
    parse_constant=_refuse_constant, parse_int=_number
)
# What `decode` calls between two regular expressions that we can do without.
_scan = _decoder.scan_once  # type: ignore[attr-defined]


def decode(payload: bytes) -> Any:
    """One JSON text to its value.

    Raises ValueError for anything else, RecursionError when nested too deeply.
    """
    text = payload.decode()
    try:
        value, end = _scan(text, 0)
    except StopIteration:  # blanks before the value, or no value at all
        return _decoder.decode(text)
    except json.JSONDecodeError:
        raise
    except ValueError:
        return _decoder_of_huge_numbers.decode(text)
    if end != len(text) and text[end:].strip(" \t\r\n"):
        raise json.JSONDecodeError("extra data", text, end)
    return value


def _refuse_type(value: object) -> Any:
    raise TypeError(f"{type(value).__name__} is not JSON")


def _build_encoder() -> Callable[[object], str]:
    """The standard encoder, built once: strict numbers, compact.

    Cycles end as RecursionError, which costs nothing while there are none.
    """
    make = getattr(_json_encoder, "c_make_encoder", None)
    if make is None:
        return json.JSONEncoder(
            allow_nan=False,
            check_circular=False,
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode
    escape = _json_encoder.encode_basestring
    chunks = make(None, _refuse_type, escape, None, ":", ",", False, False, False)
    join = "".join

    def encode(value: object) -> str:
        return join(chunks(value, 0))

    return encode


# Raises TypeError, ValueError or RecursionError for what JSON cannot carry.
encode = _build_encoder()

# The same for a string alone, three times as fast.
quote: Callable[[str], str] = _json_encoder.encode_basestring


def find_unencodable(value: object, path: str) -> str | None:
    """Path and type of the first thing inside `value` that `encode` refuses."""
    try:
        return _search(value, path, set())
    except RecursionError:
        return f"{path}: nested too deeply"


def _search(value: object, path: str, above: set[int]) -> str | None:
    if isinstance(value, (dict, list, tuple)):
        if id(value) in above:
            return f"{path}: cycle"
        above.add(id(value))
        found = _search_members(value, path, above)
        above.discard(id(value))
        return found
    if isinstance(value, float) and (value != value or value - value != 0):
        return f"{path}: {'NaN' if value != value else 'Infinity'}"
    try:
        encode(value)
    except (TypeError, ValueError):
        return f"{path}: {type(value).__name__}"
    return None


def _search_members(
    value: dict[Any, Any] | list[Any] | tuple[Any, ...], path: str, above: set[int]
) -> str | None:
    if not isinstance(value, dict):
        for index, item in enumerate(value):
            if (found := _search(item, f"{path}[{index}]", above)) is not None:
                return found
        return None
    for key, item in value.items():
        if not isinstance(key, (str, int, float, type(None))):
            return f"{path}: key of type {type(key).__name__}"
        plain = isinstance(key, str) and key.isidentifier()
        step = f"{path}.{key}" if plain else f"{path}[{key!r}]"
        if (found := _search(item, step, above)) is not None:
            return found
    return None

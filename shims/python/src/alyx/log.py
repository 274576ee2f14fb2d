"""What a function says: log entries, their limits, ctx.log.

Knows the shape of a log notification and one invocation's budget; does not
know who is running or where stdout is.
"""

from __future__ import annotations

from _thread import RLock
from time import time

from . import codec
from .errors import cut

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MAX_FIELD_DEPTH = 32
MAX_REPR = 200
LINES_IN_A_FRAME = 64
# The level of what is printed, by where.
LEVELS = {"stdout": "info", "stderr": "warn"}


class Limits:
    """What the host takes: bytes in one entry, bytes in one invocation."""

    __slots__ = ("entry", "total")

    def __init__(self, entry: int = 16 * 1024, total: int = 256 * 1024) -> None:
        self.entry = entry
        self.total = total


# Set where lines are to be seen on stdout as well.
echo: Callable[[str, str, str], None] | None = None


class Journal:
    """The entries of one invocation, each on the wire before `write` returns."""

    def __init__(
        self, send: Callable[[bytes], None], inv: int | None, limits: Limits
    ) -> None:
        self._send = send
        self._inv = "" if inv is None else f'"inv":{inv},'
        self._limits = limits
        self._left = limits.total
        self._dropped = 0
        self._lines: dict[str, _OpenLine] = {}
        # Reentrant: a finaliser may print while its own thread prints.
        self._lock = RLock()

    def write(self, level: str, message: str, fields: object = None) -> None:
        """One entry of ctx.log."""
        extra = _encode_fields(fields, self._limits.entry) if fields else ""
        with self._lock:
            self._emit([(level, self._cut(message), extra)])

    def print(self, source: str, text: str) -> None:
        """Text on stdout or stderr: an entry a line, once the line ends."""
        with self._lock:
            line = self._lines.get(source)
            if line is None:
                line = self._lines[source] = _OpenLine(self._limits.entry)
            if "\n" not in text:
                line.add(text)
                return
            head, *whole, tail = text.split("\n")
            line.add(head)
            level = LEVELS[source]
            self._emit([(level, line.take(), "")], source)
            for start in range(0, len(whole), LINES_IN_A_FRAME):
                group = whole[start : start + LINES_IN_A_FRAME]
                self._emit([(level, self._cut(part), "") for part in group], source)
            line.add(tail)

    def close(self) -> None:
        """Sends unfinished lines and the count of dropped entries.

        What is written later belongs to no invocation any more.
        """
        with self._lock:
            for source, line in self._lines.items():
                if line:
                    self._emit([(LEVELS[source], line.take(), "")], source)
            if self._dropped:
                self._notify(f'"entries":[],"dropped":{self._dropped}')
                self._dropped = 0
            self._inv = ""

    def _cut(self, text: str) -> str:
        return cut(text, self._limits.entry)

    def _emit(self, entries: list[tuple[str, str, str]], source: str = "") -> None:
        """Sends (level, message, fields as JSON) while the budget lasts."""
        stamp = int(time() * 1000)
        origin = f',"source":"{source}"' if source else ""
        taken = []
        for level, text, fields in entries:
            self._left -= _size(text) + len(fields)
            if self._left < 0:
                # Nothing gets through any more, so what is kept has no holes.
                self._left = 0
                self._dropped += 1
                continue
            extra = f',"fields":{fields}' if fields else ""
            if echo is not None:
                echo(level, text, fields)
            taken.append(
                f'{{"ts":{stamp},"level":"{level}","msg":{codec.encode(text)}'
                f"{extra}{origin}}}"
            )
        if taken:
            self._notify(f'"entries":[{",".join(taken)}]')

    def _notify(self, members: str) -> None:
        self._send(
            codec.frame(
                f'{{"jsonrpc":"2.0","method":"log","params":{{{self._inv}{members}}}}}'
            )
        )


class _OpenLine:
    """A line that has not ended: keeps no more of it than one entry can hold."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[str] = []
        self._room = limit
        self._lost = 0

    def __bool__(self) -> bool:
        return bool(self._parts)

    def add(self, text: str) -> None:
        kept = text[: self._room]
        if kept:
            self._parts.append(kept)
            self._room -= len(kept)
        if len(kept) < len(text):
            self._lost += len(text[len(kept) :].encode("utf-8", "surrogatepass"))

    def take(self) -> str:
        """The line, cut to the limit; it is empty afterwards."""
        text = cut("".join(self._parts), self._limit, self._lost)
        self._parts, self._room, self._lost = [], self._limit, 0
        return text


class Log:
    """ctx.log: `ctx.log.info("Post created", {"postId": post_id})`.

    Each call is on its way to the host before it returns, and none ever raises:
    what JSON cannot carry is replaced by a marker, what is too long is cut.
    """

    __slots__ = ("_journal",)

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def debug(self, message: object, fields: object = None, /, **more: object) -> None:
        """For the author alone."""
        self._write("debug", message, fields, more)

    def info(self, message: object, fields: object = None, /, **more: object) -> None:
        """What happened."""
        self._write("info", message, fields, more)

    def warn(self, message: object, fields: object = None, /, **more: object) -> None:
        """What should be looked at."""
        self._write("warn", message, fields, more)

    warning = warn  # the name in Python's own logging

    def error(self, message: object, fields: object = None, /, **more: object) -> None:
        """What went wrong."""
        self._write("error", message, fields, more)

    def _write(
        self, level: str, message: object, fields: object, more: dict[str, object]
    ) -> None:
        if more:
            fields = {**fields, **more} if isinstance(fields, dict) else more
        text = message if type(message) is str else _say(message, str)
        self._journal.write(level, text, fields)


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _encode_fields(fields: object, limit: int) -> str:
    if not isinstance(fields, dict):
        fields = {"value": fields}
    try:
        text = codec.encode(fields)
    except Exception:
        text = codec.encode(_tame(fields, ()))
    if len(text) <= limit:
        return text
    return codec.encode({"cut": f"[cut, {len(text)} bytes]"})


def _tame(value: object, above: tuple[int, ...]) -> object:
    """A copy that JSON can carry, with a marker for each thing it cannot."""
    if isinstance(value, (dict, list, tuple, set, frozenset)):
        if id(value) in above:
            return "[cycle]"
        if len(above) >= MAX_FIELD_DEPTH:
            return "[nested too deeply]"
        inside = (*above, id(value))
        if isinstance(value, dict):
            return {_say(key, str): _tame(item, inside) for key, item in value.items()}
        return [_tame(item, inside) for item in value]
    try:
        codec.encode(value)
    except Exception:
        return f"[{type(value).__name__}: {_say(value, repr)[:MAX_REPR]}]"
    return value


def _say(value: object, how: Callable[[object], str]) -> str:
    try:
        return how(value)
    except Exception:
        return f"[{type(value).__name__}]"

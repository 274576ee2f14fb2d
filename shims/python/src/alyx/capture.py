"""stdout and stderr of user code: to the log of the invocation that prints.

Knows who is speaking (context) and the real streams; what belongs to nobody
goes to those, unchanged.
"""

from __future__ import annotations

import io
import sys

from .context import current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Capture(io.TextIOBase):
    """Stands for sys.stdout or sys.stderr.

    Bytes written to `.buffer` or `.fileno()`, and what child processes print,
    go to the real stream: nothing tells to which invocation they belong.
    """

    def __init__(self, source: str, real: io.TextIOWrapper) -> None:
        self._source = source
        self._real = real

    def write(self, text: str, /) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() takes str, not {type(text).__name__}")
        speaker = current.get()
        if speaker is None or speaker.ended:
            return self._real.write(text)
        speaker.journal.print(self._source, text)
        return len(text)

    def flush(self) -> None:
        """Nothing to do for an invocation: its lines leave as they end."""
        self._real.flush()

    def close(self) -> None:
        """Left open: the next invocation prints too."""

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._real.isatty()

    def fileno(self) -> int:
        return self._real.fileno()

    @property
    def buffer(self) -> Any:
        return self._real.buffer

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._real.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return self._real.errors

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def install() -> None:
    """Puts a Capture in the place of each standard stream that is open."""
    for source in ("stdout", "stderr"):
        real = getattr(sys, source)
        if isinstance(real, io.TextIOWrapper):
            real.reconfigure(line_buffering=True, errors="backslashreplace")
            setattr(sys, source, Capture(source, real))

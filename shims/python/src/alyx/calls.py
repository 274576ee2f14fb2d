"""The invocations in flight and the one answer that each of them gets.

Knows what an answer looks like; does not know where handlers run.
"""

from __future__ import annotations

import threading

from . import codec
from .context import Invocation, Served
from .errors import BadRequest, thrown, wire_error
from .peer import error_frame
from .syscalls import cancelled, ended

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .log import Limits
    from .peer import Peer


class Calls:
    """Begins, cancels and answers invocations."""

    def __init__(self, peer: Peer, limits: Limits, most: int) -> None:
        self._peer = peer
        self._limits = limits
        # How many the host may have in flight; the shim lowers it.
        self.most = most
        self._in_flight: dict[int, Invocation] = {}
        self._somebody_waits = False
        self._all_answered = threading.Event()

    def begin(self, id: int, served: Served, params: dict[str, Any]) -> None:
        """Makes an invocation and hands it to where its handler runs."""
        if len(self._in_flight) >= self.most:
            what = f"{self.most} invocations are running, which is this shim's limit"
            raise BadRequest("OVERLOADED", what)
        send = self._peer.send_now
        invocation = Invocation(id, served, params, send, self._limits)
        self._in_flight[id] = invocation
        served.add(invocation)

    def mark_cancelled(self, id: int) -> Invocation | None:
        """The invocation to be stopped, unless it is unknown, answered or marked."""
        invocation = self._in_flight.get(id)
        if invocation is None or invocation.cancelled:
            return None
        invocation.cancelled = True
        if invocation.session is not None:
            invocation.session.refuse_waiting(cancelled)
        return invocation

    def ids(self) -> list[int]:
        """Those in flight."""
        return list(self._in_flight)

    def running(self, served: Served) -> int:
        """How many of one function revision are in flight."""
        calls = list(self._in_flight.values())
        return sum(call.served is served for call in calls)

    def wait(self, seconds: float) -> None:
        """Returns when all are answered, or when time is up."""
        self._somebody_waits = True
        self._all_answered.clear()
        if self._in_flight:  # asked after `clear`: the last answer sets it again
            self._all_answered.wait(seconds)

    # -- the answers; see runner.Finish ----------------------------------

    def returned(self, invocation: Invocation, output: object) -> None:
        """The handler returned `output`."""
        try:
            answer = result_frame(invocation.id, f'{{"output":{codec.encode(output)}}}')
        except Exception as error:
            what = codec.find_unencodable(output, "result") or f"result: {error}"
            what = f"{what} cannot be sent as JSON"
            self._fail(invocation, wire_error("RESULT_NOT_SERIALIZABLE", what))
            return
        size, limit = len(answer) - codec.HEADER_SIZE, self._peer.max_frame
        if size > limit:
            what = f"the result is a frame of {size} bytes; the host takes {limit}"
            details = {"size": size, "limit": limit}
            self._fail(invocation, wire_error("FRAME_TOO_LARGE", what, details))
            return
        self._end(invocation, answer)

    def raised(self, invocation: Invocation, error: BaseException) -> None:
        """The handler raised, or stopped because it was cancelled."""
        if invocation.cancelled:
            self.never_ran(invocation)
        else:
            self._fail(invocation, thrown(error))

    def never_ran(self, invocation: Invocation) -> None:
        """Cancelled before the handler began."""
        self._fail(invocation, wire_error("CANCELLED", "cancelled"))

    def flush(self) -> None:
        """Writes the answers of the calls that have ended."""
        self._peer.flush()

    def has_unsent(self) -> bool:
        """Whether answers wait for a `flush`."""
        return self._peer.unsent

    def _fail(self, invocation: Invocation, error: dict[str, Any]) -> None:
        self._end(invocation, error_frame(invocation.id, error))

    def _end(self, invocation: Invocation, answer: bytes) -> None:
        invocation.end()
        if invocation.session is not None:
            invocation.session.refuse_waiting(ended)
            invocation.session = None  # which leads to us: a circle otherwise
        del self._in_flight[invocation.id]
        self._peer.push(answer)
        if self._somebody_waits and not self._in_flight:
            self._all_answered.set()


def result_frame(id: int, result: str) -> bytes:
    """The answer to a request that succeeded; `result` is JSON text."""
    return codec.frame(f'{{"jsonrpc":"2.0","id":{id},"result":{result}}}')

"""Calls of functions to the host: whose, how many at once, and who waits how.

Knows the bounds that the host set and what ends an invocation's calls; does
not know what the methods mean.
"""

from __future__ import annotations

from _thread import allocate_lock
from collections import deque
from time import time

from .codec import HEADER_SIZE
from .errors import DatabaseError
from .values import decode, may_hold_special

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from typing import Any, Protocol

    from .context import Invocation
    from .peer import Peer

    class Threads(Protocol):
        """Where `def` handlers wait."""

        def sleep(self, answered: Any, seconds: float) -> bool: ...

    class Loop(Protocol):
        """Where `async def` handlers wait."""

        def is_here(self) -> bool: ...

        def future(self) -> asyncio.Future[None]: ...

        def resolve(self, future: asyncio.Future[None]) -> None: ...

        def flush_soon(self) -> None: ...


# The host ends a call at the invocation's deadline and the worker one second
# later. This is for a host that does neither.
ANSWER_GRACE = 2.0


class Terms:
    """What the host offers, and how many calls it takes at once."""

    __slots__ = ("calls", "calls_per_invocation", "capabilities")

    def __init__(self) -> None:
        self.capabilities: frozenset[str] = frozenset()
        self.calls = 256
        self.calls_per_invocation = 32


class Syscalls:
    """The calls of all invocations; one that is over a bound waits in line.

    An invocation's calls begin in their order. Invocations that wait for the
    connection's bound take turns.
    """

    def __init__(self, peer: Peer, terms: Terms, threads: Threads, loop: Loop) -> None:
        self.peer = peer
        self.terms = terms
        self.threads = threads
        self.loop = loop
        self._room: int | None = None  # known once the host has said it
        self._turns: deque[Session] = deque()
        self._state = allocate_lock()

    def session(self, invocation: Invocation, deadline: float) -> Session:
        """That of an invocation, made when it is asked for the first time."""
        with self._state:
            if self._room is None:
                self._room = self.terms.calls
            if invocation.session is None:
                invocation.session = Session(self, invocation, deadline)
            return invocation.session

    def begin(self, call: Call) -> None:
        """Sends a call, or lets it wait for its turn."""
        session = call.session
        with self._state:
            if session.waiting or not session.room or not self._room:
                session.waiting.append(call)
                self._line_up(session)
                return
            session.room -= 1
            self._room -= 1
        call.send()

    def answered(self, session: Session) -> None:
        """Lets the next call begin."""
        with self._state:
            session.room += 1
            self._room += 1  # type: ignore[operator]
            if not session.waiting and not self._turns:
                return
            self._line_up(session)
            call = self._next()
        if call is not None:
            call.send()

    def take_waiting(self, session: Session) -> list[Call]:
        """Takes those that wait out of the line."""
        with self._state:
            waiting = list(session.waiting)
            session.waiting.clear()
        return waiting

    def _line_up(self, session: Session) -> None:
        # One that is full lines up with its own next answer.
        if session.waiting and session.room and not session.in_line:
            session.in_line = True
            self._turns.append(session)

    def _next(self) -> Call | None:
        """The call that takes the place of one that was answered."""
        while self._turns:
            session = self._turns.popleft()
            session.in_line = False
            while session.waiting and session.room:
                call = session.waiting.popleft()
                if call.is_wanted():
                    session.room -= 1
                    self._room -= 1  # type: ignore[operator]
                    self._line_up(session)
                    return call
        return None


class Session:
    """What one invocation asks of the host, until it has ended."""

    __slots__ = (
        "in_line",
        "inv",
        "invocation",
        "room",
        "syscalls",
        "until",
        "waiting",
    )

    def __init__(
        self, syscalls: Syscalls, invocation: Invocation, deadline: float
    ) -> None:
        self.syscalls = syscalls
        self.invocation = invocation
        self.inv = invocation.id
        self.until = deadline + ANSWER_GRACE
        self.room = syscalls.terms.calls_per_invocation
        self.in_line = False
        # Bounded by nothing but the handler's own doing.
        self.waiting: deque[Call] = deque()

    def require(self, capability: str) -> None:
        """Raises unless the host offers it."""
        if capability not in self.syscalls.terms.capabilities:
            what = {"db": "database", "batch": "batches"}[capability]
            raise DatabaseError("UNAVAILABLE", f"the host offers no {what}")

    def ask(self, method: str, params: str) -> dict[str, Any]:
        """Calls the host and waits in this thread."""
        if self.invocation.ended:
            raise ended()
        if self.invocation.cancelled:
            # The only way to stop a thread: at its next call.
            raise cancelled()
        lock = allocate_lock()
        lock.acquire()
        call = Call(self, method, params, lock)
        self.syscalls.begin(call)
        if not self.syscalls.threads.sleep(lock, max(0.0, self.until - time())):
            call.wanted = False
            what = f"the host did not answer {method} in time"
            raise DatabaseError("DEADLINE_EXCEEDED", what)
        return call.outcome()

    async def ask_async(self, method: str, params: str) -> dict[str, Any]:
        """Calls the host and waits as a task."""
        if self.invocation.ended:
            raise ended()
        # Carries no error, so that none is left over if the task is cancelled.
        future = self.syscalls.loop.future()
        call = TaskCall(self, method, params, future)
        self.syscalls.begin(call)
        await future
        return call.outcome()

    def refuse_waiting(self, reason: Callable[[], DatabaseError]) -> None:
        """Fails the calls that were not sent yet."""
        for call in self.syscalls.take_waiting(self):
            call.refuse(reason())


class Call:
    """One request to the host, on its way or in line; a thread sleeps until then."""

    __slots__ = ("error", "frame", "id", "result", "session", "waiter", "wanted")

    def __init__(self, session: Session, method: str, params: str, waiter: Any) -> None:
        peer = session.syscalls.peer
        self.session = session
        # Who waits: a lock or a future.
        self.waiter = waiter
        self.wanted = True
        self.result: dict[str, Any] = {}
        self.error: DatabaseError | None = None
        if peer.lost:
            what = "there is no connection to the host; a forked process has none"
            raise DatabaseError("UNAVAILABLE", what)
        self.id, self.frame = peer.request(method, params)
        size = len(self.frame) - HEADER_SIZE
        if size > peer.max_frame:
            what = f"{method} is a frame of {size} bytes; the host takes"
            raise DatabaseError(
                "PAYLOAD_TOO_LARGE",
                f"{what} {peer.max_frame}; send less at once",
                size=size,
                limit=peer.max_frame,
            )

    def send(self) -> None:
        """From any thread."""
        peer = self.session.syscalls.peer
        peer.expect(self.id, self.settle)
        peer.send(self.frame)

    def is_wanted(self) -> bool:
        """Whether somebody waits for it still."""
        return self.wanted

    def wake(self) -> None:
        """Lets whoever waits go on."""
        self.waiter.release()

    def settle(
        self, result: dict[str, Any], error: dict[str, Any] | None, payload: bytes
    ) -> None:
        """Takes the answer; runs where frames are read."""
        if error is not None:
            self.error = DatabaseError.from_wire(error)
        else:
            self.result = decode(result) if may_hold_special(payload) else result
        self.wake()
        self.session.syscalls.answered(self.session)

    def outcome(self) -> dict[str, Any]:
        """The result, or the error raised: once, and kept nowhere.

        An error leads to the frames that it passed; a call that led to it from
        there would be a circle, for the garbage collector to find.
        """
        if self.error is None:
            return self.result
        error, self.error = self.error, None
        try:
            raise error
        finally:
            del error

    def refuse(self, error: DatabaseError) -> None:
        """Fails it before it was sent."""
        self.error = error
        self.wake()


class TaskCall(Call):
    """The same for a task of the event loop."""

    __slots__ = ()

    def send(self) -> None:
        """With all others of this turn, when the loop itself sends."""
        syscalls = self.session.syscalls
        if not syscalls.loop.is_here():
            super().send()
            return
        syscalls.peer.expect(self.id, self.settle)
        syscalls.peer.push(self.frame)
        syscalls.loop.flush_soon()

    def is_wanted(self) -> bool:
        return not self.waiter.done()

    def wake(self) -> None:
        self.session.syscalls.loop.resolve(self.waiter)


def cancelled() -> DatabaseError:
    """For calls of an invocation that is to stop."""
    return DatabaseError("CANCELLED", "the invocation was cancelled")


def ended() -> DatabaseError:
    """For calls of an invocation that was answered."""
    what = "the handler has returned; wait for every ctx.db call before it does"
    return DatabaseError("INVOCATION_ENDED", what)

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
        self._in_flight = 0
        self._turns: deque[Session] = deque()
        self._state = allocate_lock()

    def session(self, invocation: Invocation, deadline: float) -> Session:
        """That of an invocation, made when it is asked for the first time."""
        with self._state:
            if invocation.session is None:
                invocation.session = Session(self, invocation, deadline)
            return invocation.session

    def begin(self, call: Call) -> None:
        """Sends a call, or lets it wait for its turn."""
        session = call.session
        with self._state:
            full = session.in_flight >= self.terms.calls_per_invocation
            if full or self._in_flight >= self.terms.calls or session.waiting:
                session.waiting.append(call)
                if not full:
                    self._line_up(session)
                return
            session.in_flight += 1
            self._in_flight += 1
        call.send()

    def answered(self, session: Session) -> None:
        """Lets the next call begin."""
        with self._state:
            session.in_flight -= 1
            self._in_flight -= 1
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
        if session.waiting and not session.in_line:
            session.in_line = True
            self._turns.append(session)

    def _next(self) -> Call | None:
        """The call that takes the place of one that was answered."""
        while self._turns:
            session = self._turns.popleft()
            session.in_line = False
            # A session that is full comes back with its own next answer.
            if session.in_flight >= self.terms.calls_per_invocation:
                continue
            while session.waiting:
                call = session.waiting.popleft()
                if call.is_wanted():
                    session.in_flight += 1
                    self._in_flight += 1
                    self._line_up(session)
                    return call
        return None


class Session:
    """What one invocation asks of the host, until it has ended."""

    __slots__ = (
        "in_flight",
        "in_line",
        "inv",
        "invocation",
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
        self.in_flight = 0
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
        self._require_open()
        if self.invocation.cancelled:
            # The only way to stop a thread: at its next call.
            raise cancelled()
        call = ThreadCall(self, method, params)
        self.syscalls.begin(call)
        if not call.wait(max(0.0, self.until - time())):
            what = f"the host did not answer {method} in time"
            raise DatabaseError("DEADLINE_EXCEEDED", what)
        return call.outcome()

    async def ask_async(self, method: str, params: str) -> dict[str, Any]:
        """Calls the host and waits as a task."""
        self._require_open()
        call = TaskCall(self, method, params)
        self.syscalls.begin(call)
        await call.future
        return call.outcome()

    def refuse_waiting(self, reason: Callable[[], DatabaseError]) -> None:
        """Fails the calls that were not sent yet."""
        for call in self.syscalls.take_waiting(self):
            call.refuse(reason())

    def _require_open(self) -> None:
        if self.invocation.ended:
            raise ended()


class Call:
    """One request to the host: on its way, or waiting for its turn."""

    __slots__ = ("error", "frame", "id", "result", "session")

    def __init__(self, session: Session, method: str, params: str) -> None:
        peer = session.syscalls.peer
        self.session = session
        self.result: dict[str, Any] = {}
        self.error: DatabaseError | None = None
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
        """From any thread; for a task's call see TaskCall."""
        peer = self.session.syscalls.peer
        peer.expect(self.id, self.settle)
        peer.send(self.frame)

    def is_wanted(self) -> bool:
        """Whether somebody waits for it still."""
        return True

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

    def refuse(self, error: DatabaseError) -> None:
        """Fails it before it was sent."""
        self.error = error
        self.wake()

    def outcome(self) -> dict[str, Any]:
        """The result, once there is an answer; raises the error in it."""
        if self.error is not None:
            raise self.error
        return self.result

    def wake(self) -> None:
        """Lets whoever waits go on."""
        raise NotImplementedError


class ThreadCall(Call):
    """A call whose thread sleeps until it is answered."""

    __slots__ = ("_given_up", "_lock")

    def __init__(self, session: Session, method: str, params: str) -> None:
        super().__init__(session, method, params)
        self._given_up = False
        self._lock = allocate_lock()
        self._lock.acquire()

    def wait(self, seconds: float) -> bool:
        """Whether an answer came in time."""
        answered = self.session.syscalls.threads.sleep(self._lock, seconds)
        self._given_up = not answered
        return answered

    def is_wanted(self) -> bool:
        return not self._given_up

    def wake(self) -> None:
        self._lock.release()


class TaskCall(Call):
    """A call that a task of the event loop awaits."""

    __slots__ = ("future",)

    def __init__(self, session: Session, method: str, params: str) -> None:
        super().__init__(session, method, params)
        # Carries no error, so that none is left over if the task is cancelled.
        self.future = session.syscalls.loop.future()

    def send(self) -> None:
        syscalls = self.session.syscalls
        if not syscalls.loop.is_here():
            super().send()
            return
        syscalls.peer.expect(self.id, self.settle)
        syscalls.peer.push(self.frame)
        syscalls.loop.flush_soon()

    def is_wanted(self) -> bool:
        return not self.future.done()

    def wake(self) -> None:
        self.session.syscalls.loop.resolve(self.future)


def cancelled() -> DatabaseError:
    """For calls of an invocation that is to stop."""
    return DatabaseError("CANCELLED", "the invocation was cancelled")


def ended() -> DatabaseError:
    """For calls of an invocation that was answered."""
    what = "the handler has returned; wait for every ctx.db call before it does"
    return DatabaseError("INVOCATION_ENDED", what)

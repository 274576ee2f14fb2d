"""Where handlers run: eight threads for `def`, one event loop for `async def`.

Knows threads, tasks and cancellation; what an answer looks like and where it
goes is the business of `Finish`.
"""

from __future__ import annotations

import threading
from _thread import allocate_lock
from collections import deque
from contextvars import Context as Variables

from .context import Context, Invocation, current

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from typing import Any, Protocol

    class Finish(Protocol):
        """Answers an invocation; called once for each."""

        def returned(self, invocation: Invocation, output: object) -> None: ...

        def raised(self, invocation: Invocation, error: BaseException) -> None: ...

        def never_ran(self, invocation: Invocation) -> None: ...

        def flush(self) -> None: ...

        def has_unsent(self) -> bool: ...


THREADS = 8


class Threads:
    """Runs `def` handlers.

    The reading thread adds jobs and calls `wake` once a burst. At most one
    sleeping thread is being woken at a time, and whoever takes a job while more
    are left wakes the next one first. So handlers that block get up to eight
    threads, while a burst of quick ones is run by a single thread that answers
    with a single write, without paying for a switch per call.
    """

    def __init__(self, finish: Finish, loop: Loop) -> None:
        self._finish = finish
        self._loop = loop
        # Bounded by the concurrency that the shim offers to the host.
        self._jobs: deque[Invocation] = deque()
        self._idle: list[Any] = []  # the lock that each sleeping thread waits on
        self._started = 0
        self._waking = False
        self._state = allocate_lock()

    def add(self, invocation: Invocation) -> None:
        """Queues a call; a `wake` must follow."""
        self._jobs.append(invocation)

    def wake(self) -> None:
        """Wakes one thread, unless one is waking already or all are busy."""
        if self._waking or not self._jobs:
            return
        with self._state:
            if self._waking:
                return
            if self._idle:
                sleeper = self._idle.pop()
            elif self._started < THREADS:
                self._started += 1
                sleeper = None
            else:
                return
            self._waking = True
        if sleeper is not None:
            sleeper.release()
        else:
            name = f"alyx-call-{self._started}"
            threading.Thread(target=self._work, name=name, daemon=True).start()

    def _work(self) -> None:
        jobs, finish = self._jobs, self._finish
        sleep = allocate_lock()
        sleep.acquire()
        while True:
            self._waking = False
            finish.flush()  # what a thread left behind that is now blocked
            while jobs:
                try:
                    invocation = jobs.popleft()
                except IndexError:
                    break
                if jobs:
                    self.wake()
                # An answer may wait for the end of the burst only while another
                # thread is on its way that sends it if this handler blocks.
                if not self._waking and finish.has_unsent():
                    finish.flush()
                Variables().run(self._call, invocation)
            finish.flush()
            with self._state:
                if jobs:
                    continue
                self._idle.append(sleep)
            sleep.acquire()

    def _call(self, invocation: Invocation) -> None:
        if invocation.cancelled:
            self._finish.never_ran(invocation)
            return
        current.set(invocation)
        try:
            output = invocation.handler(Context(invocation))
        except BaseException as error:
            self._finish.raised(invocation, error)
            return
        if hasattr(output, "__await__"):  # a decorator hid an `async def`
            self._loop.add(invocation, output)
            self._loop.wake()
        else:
            self._finish.returned(invocation, output)


class Loop:
    """Runs `async def` handlers as tasks of one event loop in its own thread.

    asyncio is imported with the first of them: it costs 35 ms.
    """

    def __init__(self, finish: Finish, on_late: Callable[[str], None]) -> None:
        self._finish = finish
        self._on_late = on_late
        self._loop: asyncio.AbstractEventLoop | None = None
        self._starting = allocate_lock()
        self._jobs: deque[tuple[Invocation, Any]] = deque()
        self._waking = False
        self._flushing = False

    def start(self) -> asyncio.AbstractEventLoop:
        """The running loop, started on the first call."""
        with self._starting:
            if self._loop is None:
                import asyncio

                self._loop = asyncio.new_event_loop()
                self._loop.set_exception_handler(self._late)
                threading.Thread(
                    target=self._run, name="alyx-loop", daemon=True
                ).start()
            return self._loop

    def add(self, invocation: Invocation, awaitable: Any = None) -> None:
        """Queues a call, or the awaitable that it has become; `wake` must follow."""
        self._jobs.append((invocation, awaitable))

    def wake(self) -> None:
        """Tells the loop's thread of the queued calls, once for all of them."""
        if self._jobs and not self._waking:
            self._waking = True
            self.start().call_soon_threadsafe(self._begin)

    def cancel(self, invocation: Invocation) -> None:
        """Cancels the task of a running call."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._cancel, invocation)

    def _cancel(self, invocation: Invocation) -> None:
        # A task that is cancelled before its first step never enters `_call`,
        # so nobody would answer; `_call` looks at `cancelled` itself.
        if invocation.begun:
            invocation.task.cancel()

    def _run(self) -> None:
        loop = self.start()
        while not loop.is_closed():
            try:
                loop.run_forever()
            except BaseException as error:  # noqa: PERF203
                # SystemExit in a task that a handler started passes through
                # the loop; it must not take the other calls with it.
                self._on_late(f"{type(error).__name__} outside of a handler: {error}")

    def _begin(self) -> None:
        self._waking = False
        loop = self.start()
        while self._jobs:
            invocation, awaitable = self._jobs.popleft()
            token = current.set(invocation)  # the task copies it
            invocation.task = loop.create_task(self._call(invocation, awaitable))
            current.reset(token)

    async def _call(self, invocation: Invocation, awaitable: Any) -> None:
        invocation.begun = True
        if invocation.cancelled:
            self._finish.never_ran(invocation)
            if awaitable is not None and hasattr(awaitable, "close"):
                awaitable.close()  # a coroutine that nobody awaits would warn
        else:
            await self._run_handler(invocation, awaitable)
        # One write for all the calls that end in this turn of the loop.
        if not self._flushing:
            self._flushing = True
            self.start().call_soon(self._flush)

    async def _run_handler(self, invocation: Invocation, awaitable: Any) -> None:
        try:
            if awaitable is None:
                awaitable = invocation.handler(Context(invocation))
            output = await awaitable
        except BaseException as error:
            self._finish.raised(invocation, error)
        else:
            self._finish.returned(invocation, output)

    def _flush(self) -> None:
        self._flushing = False
        self._finish.flush()

    def _late(self, loop: object, details: dict[str, Any]) -> None:
        error = details.get("exception")
        what = f": {type(error).__name__}: {error}" if error is not None else ""
        self._on_late(f"{details.get('message')}{what}")

"""Where `async def` handlers run: tasks of one event loop.

Knows tasks and cancellation; what an answer looks like and where it goes is the
business of `Finish`.
"""

from __future__ import annotations

import threading
from _thread import allocate_lock, get_ident

from .context import AsyncContext, Invocation, current

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from typing import Any

    from .runner import Finish


class Loop:
    """Runs `async def` handlers as tasks of one event loop in its own thread.

    The loop reads the connection itself, so a call costs no switch of threads,
    and a handler that blocks the loop shows: pings go unanswered. asyncio is
    imported with the first such function: it costs 35 ms.
    """

    def __init__(self, finish: Finish, on_late: Callable[[str], None]) -> None:
        self._finish = finish
        self._on_late = on_late
        self._loop: asyncio.AbstractEventLoop | None = None
        self._create_task: Callable[..., Any]
        self._call_soon: Callable[..., Any]
        # For a task to wait on; see `resolve`.
        self.future: Callable[[], asyncio.Future[None]]
        # What the loop is about to run; another kind of loop may not tell.
        self._ready: Any = (True,)
        self._thread = 0
        self._starting = allocate_lock()
        self._flushing = False

    def start(self) -> asyncio.AbstractEventLoop:
        """The running loop, started on the first call."""
        with self._starting:
            if self._loop is None:
                import asyncio

                self._loop = asyncio.new_event_loop()
                self._loop.set_exception_handler(self._late)
                self._create_task = self._loop.create_task
                self._call_soon = self._loop.call_soon
                self.future = self._loop.create_future
                self._ready = getattr(self._loop, "_ready", self._ready)
                threading.Thread(
                    target=self._run, name="alyx-loop", daemon=True
                ).start()
            return self._loop

    def read_with(self, fd: int, read: Callable[[], bool]) -> None:
        """Reads from now on, in the loop's thread, until `read` returns False."""
        loop = self.start()

        def on_readable() -> None:
            if not read():
                loop.remove_reader(fd)

        loop.call_soon_threadsafe(loop.add_reader, fd, on_readable)

    def add(self, invocation: Invocation, awaitable: Any = None) -> None:
        """Starts a call, or goes on with the awaitable that it has become."""
        if get_ident() == self._thread:
            self._begin(invocation, awaitable)
        else:
            self.start().call_soon_threadsafe(self._begin, invocation, awaitable)

    def cancel(self, invocation: Invocation) -> None:
        """Cancels the task of a running call."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._cancel, invocation)

    def is_here(self) -> bool:
        """Whether the calling thread is the loop's."""
        return get_ident() == self._thread

    def resolve(self, future: asyncio.Future[None]) -> None:
        """Lets go on who waits, from any thread."""
        if get_ident() == self._thread:
            if not future.done():
                future.set_result(None)
        else:
            self.start().call_soon_threadsafe(self.resolve, future)

    def flush_soon(self) -> None:
        """One write for all that is pushed in this turn of the loop."""
        if self._flushing:
            return
        if not self._ready:  # nothing else runs in this turn
            self._finish.flush()
            return
        self._flushing = True
        self._call_soon(self._flush)

    def _cancel(self, invocation: Invocation) -> None:
        # A task that is cancelled before its first step never enters `_call`,
        # so nobody would answer; `_call` looks at `cancelled` itself.
        if invocation.begun and invocation.task is not None:
            invocation.task.cancel()

    def _run(self) -> None:
        self._thread = get_ident()
        loop = self.start()
        while not loop.is_closed():
            try:
                loop.run_forever()
            except BaseException as error:  # noqa: PERF203
                # SystemExit in a task that a handler started passes through
                # the loop; it must not take the other calls with it.
                self._on_late(f"{type(error).__name__} outside of a handler: {error}")

    def _begin(self, invocation: Invocation, awaitable: Any) -> None:
        token = current.set(invocation)  # the task copies it
        invocation.task = self._create_task(self._call(invocation, awaitable))
        current.reset(token)

    async def _call(self, invocation: Invocation, awaitable: Any) -> None:
        invocation.begun = True
        if invocation.cancelled:
            self._finish.never_ran(invocation)
            if awaitable is not None and hasattr(awaitable, "close"):
                awaitable.close()  # a coroutine that nobody awaits would warn
        else:
            try:
                if awaitable is None:
                    awaitable = invocation.served.handler(AsyncContext(invocation))
                output = await awaitable
            except BaseException as error:
                self._finish.raised(invocation, error)
            else:
                self._finish.returned(invocation, output)
        # The task's own variables lead to the invocation: a circle otherwise,
        # for the garbage collector to find.
        invocation.task = None
        self.flush_soon()

    def _flush(self) -> None:
        self._flushing = False
        self._finish.flush()

    def _late(self, loop: object, details: dict[str, Any]) -> None:
        error = details.get("exception")
        what = f": {type(error).__name__}: {error}" if error is not None else ""
        self._on_late(f"{details.get('message')}{what}")

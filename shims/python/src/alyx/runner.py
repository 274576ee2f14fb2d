"""Where handlers run: eight threads for `def`, one event loop for `async def`.

Knows threads, tasks, cancellation and whose turn it is to read; what an answer
looks like and where it goes is the business of `Finish`.
"""

from __future__ import annotations

import threading
from _thread import allocate_lock, get_ident
from collections import deque
from contextvars import Context as Variables

from .context import AsyncContext, Context, Invocation, current

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
# Calls in a row, none of them with all threads busy, that make handlers quick.
QUICK_CALLS = 1000


class Threads:
    """Runs `def` handlers, and reads while no event loop does.

    Whoever reads also runs what it has read: a quick call costs no switch from
    thread to thread. Before it runs a handler it wakes one more thread, which
    reads on if the handler blocks. At most one thread is being woken at a time,
    so handlers that block get up to eight threads, while a burst of quick ones
    is run by one that answers with a single write. The ninth thread is there so
    that somebody reads when eight handlers block.

    `pace` is told when handlers turn out to be quick, so that more of them may be
    on their way than there are threads, and when all threads are busy after all.
    """

    def __init__(
        self,
        finish: Finish,
        loop: Loop,
        read: Callable[[], bool],
        pace: Callable[[bool], None],
    ) -> None:
        self._pace = pace
        self._quick = False
        self._calm_calls = 0
        self._finish = finish
        self._loop = loop
        self._read = read
        # Taken by the thread that reads; kept for good once the loop does.
        self._reading = allocate_lock()
        self._successor: Callable[[], None] | None = None
        # Both bounded by the concurrency that the shim offers to the host.
        self._arriving: list[Invocation] = []
        self._jobs: deque[Invocation] = deque()
        self._slots = deque(range(THREADS))  # one is taken by each running handler
        self._idle: list[Any] = []  # the lock that each sleeping thread waits on
        self._started = 0
        self._waking = False
        self._state = allocate_lock()

    def add(self, invocation: Invocation) -> None:
        """Takes a call that was just read; it waits for the end of the burst."""
        self._arriving.append(invocation)

    def end_burst(self) -> None:
        """Lets the calls of a burst run: a `cancel` may have been in it as well."""
        if self._arriving:
            self._jobs.extend(self._arriving)
            self._arriving.clear()

    def hand_over_reading(self, successor: Callable[[], None]) -> None:
        """Somebody else reads after the next burst: `successor` is told when."""
        self._successor = successor

    def sleep(self, answered: Any, seconds: float) -> bool:
        """Waits in a handler's thread until `answered` is released, or time is up."""
        return bool(answered.acquire(True, seconds))

    def wake(self) -> None:
        """Wakes one thread, unless one is waking already or all are busy."""
        if self._waking or not self._has_work():
            return
        with self._state:
            if self._waking:
                return
            if self._idle:
                self._waking = True
                self._idle.pop().release()
                return
            if self._started > THREADS:
                return
            self._waking = True
            self._started += 1
        name = f"alyx-call-{self._started}"
        try:
            threading.Thread(target=self._work, name=name, daemon=True).start()
        except RuntimeError:  # the sandbox grants no more: go on with what we have
            self._started -= 1
            self._waking = False

    def _has_work(self) -> bool:
        return not self._reading.locked() or bool(self._jobs and self._slots)

    def _work(self) -> None:
        sleep = allocate_lock()
        sleep.acquire()
        while True:
            self._waking = False
            self._serve()
            with self._state:
                if self._has_work():
                    continue
                self._idle.append(sleep)
            sleep.acquire()

    def _serve(self) -> None:
        """Runs what is there, reads when nothing is, until others do both."""
        finish = self._finish
        while True:
            invocation = self._take()
            if invocation is not None:
                self.wake()
                # Answers may wait for the end of the burst only while another
                # thread is on its way that sends them if this handler blocks.
                if not self._waking and finish.has_unsent():
                    finish.flush()
                Variables().run(self._call, invocation)
                self._slots.append(0)
                continue
            finish.flush()
            if not self._reading.acquire(False):
                return
            if not self._read():
                return
            if self._successor is None:
                self._reading.release()
            else:
                self._successor()

    def _take(self) -> Invocation | None:
        if not self._jobs:
            return None
        try:
            self._slots.pop()
        except IndexError:
            return None
        try:
            invocation = self._jobs.popleft()
        except IndexError:
            self._slots.append(0)
            return None
        self._judge()
        return invocation

    def _judge(self) -> None:
        # Races between threads cost a notification too many, or a late one.
        self._calm_calls = self._calm_calls + 1 if self._slots else 0
        quick = self._calm_calls >= QUICK_CALLS
        if quick != self._quick and (quick or not self._calm_calls):
            self._quick = quick
            self._pace(quick)

    def _call(self, invocation: Invocation) -> None:
        if invocation.cancelled:
            self._finish.never_ran(invocation)
            return
        current.set(invocation)
        try:
            output = invocation.served.handler(Context(invocation))
        except BaseException as error:
            self._finish.raised(invocation, error)
            return
        if hasattr(output, "__await__"):  # a decorator hid an `async def`
            self._loop.add(invocation, output)
        else:
            self._finish.returned(invocation, output)


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

    def future(self) -> asyncio.Future[None]:
        """For a task to wait on; see `resolve`."""
        return self.start().create_future()

    def resolve(self, future: asyncio.Future[None]) -> None:
        """Lets go on who waits, from any thread."""
        if get_ident() == self._thread:
            if not future.done():
                future.set_result(None)
        else:
            self.start().call_soon_threadsafe(self.resolve, future)

    def flush_soon(self) -> None:
        """One write for all that is pushed in this turn of the loop."""
        if not self._flushing:
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

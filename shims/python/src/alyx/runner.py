"""Where `def` handlers run: eight threads, one of which also reads.

Knows threads and whose turn it is to read; what an answer looks like and where
it goes is the business of `Finish`.
"""

from __future__ import annotations

import threading
from _thread import allocate_lock
from collections import deque
from contextvars import Context as Variables

from .context import Context, Invocation, current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from .loop import Loop

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
        self._short_of_threads = False
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
        """Waits in a handler's thread until `answered` is released, or time is up.

        Another thread reads, and goes on reading: to read here and to wake a
        successor afterwards takes longer. Only where there may be no other, we do.
        """
        while self._short_of_threads and self._reading.acquire(False):
            if not self._read():
                break
            if self._successor is not None:
                self._successor()
                break
            self._reading.release()
            self.wake()
            if answered.acquire(False):
                return True
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
            self._short_of_threads = True

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

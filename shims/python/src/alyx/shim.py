"""The methods that the host calls, and the life of the worker.

Knows the protocol's methods and puts the parts together; how frames travel is
the peer's business, how handlers run the runner's.
"""

from __future__ import annotations

import os
import threading
from collections import deque

from . import loader
from .calls import Calls, result_frame
from .context import Frozen, Function, Invocation, Served, Speaker, current
from .errors import BadRequest, wire_error
from .handshake import shake_hands
from .log import Journal, Limits
from .loop import Loop
from .peer import Peer, complain
from .runner import THREADS, Threads
from .syscalls import Syscalls, Terms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Params = dict[str, Any]

CONCURRENCY = 64
MAX_WAITING_LOADS = 256
SHUTDOWN_GRACE_MS = 1000
# A worker may live on for one second after the end of the connection: for its
# loop to see the end, for handlers to stop, and the rest of it for atexit.
UNSEEN_END_GRACE = 0.2
CANCEL_GRACE = 0.4
WRITE_GRACE = 0.1


class Shim:
    """One worker: says hello, then serves until `shutdown` or the end."""

    def __init__(self, peer: Peer, token: str, leave: Callable[[int], None]) -> None:
        self._peer = peer
        self._token = token
        self._leave = leave
        self._limits = Limits()
        self._calls = Calls(peer, self._limits, CONCURRENCY)
        self._loop = Loop(self._calls, self._late_failure)
        self._threads = Threads(self._calls, self._loop, self._read, self._set_pace)
        self._terms = Terms()
        self._syscalls = Syscalls(peer, self._terms, self._threads, self._loop)
        self._loop_reads = False
        self._has_threads = False
        self._served: dict[tuple[str, str], Served] = {}
        self._main_jobs: deque[Callable[[], None]] = deque()
        self._main_wake = threading.Semaphore(0)
        self._ending = threading.Lock()
        peer.requests = {
            "ping": lambda id, params: peer.respond(id, {}),
            "load": self._load,
            "unload": self._unload,
            "invoke": self._invoke,
            "shutdown": self._shutdown,
        }
        peer.notifications = {"cancel": lambda params: self._cancel(params.get("id"))}
        peer.after_burst = self._threads.end_burst
        peer.on_stuck = lambda: leave(1)
        os.register_at_fork(after_in_child=self._forked)

    # -- life ------------------------------------------------------------

    def run(self) -> None:
        """Serves in other threads; this one, the main thread, loads code."""
        self._threads.wake()
        problem = shake_hands(
            self._peer, self._token, CONCURRENCY, self._limits, self._terms
        )
        if problem:
            complain(problem)
            self._leave(1)
        while True:
            self._main_wake.acquire()
            self._main_jobs.popleft()()

    def _read(self) -> bool:
        """One burst; at the end of the connection, the end of the worker."""
        go_on = self._peer.read_burst()
        if not go_on:
            threading.Thread(target=self._end, name="alyx-end", daemon=True).start()
        return go_on

    def _end(self) -> None:
        if not self._ending.acquire(False):
            return
        if self._peer.broken:
            complain(f"{self._peer.broken}; closing")
        if self._peer.ready:
            self._peer.close()
        self._refuse_more()
        self._cancel_all()
        self._calls.wait(CANCEL_GRACE)
        self._peer.wait_for_writer(WRITE_GRACE)
        self._leave(1 if self._peer.broken else 0)

    def _shutdown(self, id: int, params: Params) -> None:
        grace = _number(params, "graceMs", SHUTDOWN_GRACE_MS) / 1000

        def drain() -> None:
            self._calls.wait(grace)
            self._cancel_all()
            self._calls.wait(CANCEL_GRACE)
            self._peer.send_now(result_frame(id, "{}"))
            self._leave(0)

        self._refuse_more()
        threading.Thread(target=drain, name="alyx-shutdown", daemon=True).start()

    def _refuse_more(self) -> None:
        def refuse(id: int, params: Params) -> None:
            raise BadRequest("NOT_READY", "the worker is shutting down")

        requests = self._peer.requests
        requests.update({name: refuse for name in requests if name != "ping"})

    def _forked(self) -> None:
        """A child of user code is no worker: what it says is nobody's."""
        current.set(None)
        self._peer.abandon()

    def _late_failure(self, text: str) -> None:
        speaker = current.get()
        inv = None if speaker is None or speaker.ended else speaker.id
        Journal(self._peer.send_now, inv, self._limits).write("error", text)

    # -- load ------------------------------------------------------------

    def _load(self, id: int, params: Params) -> None:
        key = _key(params)
        path = params.get("path")
        if type(path) is not str or not os.path.isabs(path):
            raise BadRequest("INVALID_PARAMS", "load: 'path' must be an absolute path")
        root = params.get("root") or os.path.dirname(path)
        entry = params.get("entry") or "handler"
        if type(root) is not str or type(entry) is not str:
            raise BadRequest("INVALID_PARAMS", "'root' and 'entry' must be strings")
        env = params.get("env", {})
        if type(env) is not dict or {type(value) for value in env.values()} - {str}:
            raise BadRequest("INVALID_PARAMS", "load: 'env' must hold strings")
        paths = params.get("paths", [])
        if type(paths) is not list or {type(folder) for folder in paths} - {str}:
            raise BadRequest(
                "INVALID_PARAMS", "load: 'paths' must be a list of strings"
            )
        if len(self._main_jobs) >= MAX_WAITING_LOADS:
            raise BadRequest("OVERLOADED", f"{MAX_WAITING_LOADS} loads are waiting")
        source = loader.Source(*key, path, root, entry, paths)
        limit = _number(params, "timeoutMs", 0)
        self._main_jobs.append(lambda: self._load_now(id, source, Frozen(env), limit))
        self._main_wake.release()

    def _load_now(
        self, id: int, source: loader.Source, env: Frozen, limit: float
    ) -> None:
        key = (source.function, source.revision)
        if key not in self._served:
            speaker = Speaker(None, self._peer.send_now, self._limits)
            token = current.set(speaker)
            try:
                loaded = loader.load(source, limit)
            except loader.LoadError as error:
                failed = wire_error(
                    "LOAD_FAILED", str(error), error.details, error.stack
                )
                self._peer.respond_error(id, failed)
                return
            finally:
                current.reset(token)
                speaker.end()
            self._served[key] = Served(
                Function(*key),
                loaded.handler,
                env,
                loaded.schema,
                self._prepare(loaded.is_async),
                self._syscalls,
            )
        schema = self._served[key].schema
        self._peer.respond(id, {} if schema is None else {"schema": schema})

    def _prepare(self, is_async: bool) -> Callable[[Invocation], None]:
        """Makes ready for one kind of handler; returns what takes its calls."""
        if not is_async:
            if not self._has_threads:
                self._has_threads = True
                self._calls.most = THREADS
                self._set_pace(False)
            return self._threads.add
        if not self._loop_reads:
            self._loop_reads = True
            self._threads.hand_over_reading(self._let_loop_read)
        return self._loop.add

    def _set_pace(self, quick: bool) -> None:
        """Quick handlers may queue up here; for slow ones other workers are better."""
        # Never less than was ever offered: calls may be on their way already.
        self._calls.most = max(self._calls.most, CONCURRENCY if quick else THREADS)
        self._peer.notify("concurrency", {"max": CONCURRENCY if quick else THREADS})

    def _let_loop_read(self) -> None:
        self._loop.read_with(self._peer.fd, self._read_in_loop)
        threading.Thread(target=self._watch, name="alyx-watch", daemon=True).start()

    def _read_in_loop(self) -> bool:
        go_on = self._read()
        self._threads.wake()
        return go_on

    def _watch(self) -> None:
        """Ends the worker with its host although a handler blocks the loop."""
        self._peer.wait_for_end()
        threading.Event().wait(UNSEEN_END_GRACE)
        self._end()

    def _unload(self, id: int, params: Params) -> None:
        key = _key(params)
        served = self._find(key)
        running = self._calls.running(served)
        if running:
            what = f"{running} invocations of '{key[0]}' are running; unload it later"
            raise BadRequest("OVERLOADED", what)
        del self._served[key]
        # Python gives memory back when it likes; nobody should count on it.
        self._peer.respond(id, {"reclaimed": False})

    # -- invoke ----------------------------------------------------------

    def _invoke(self, id: int, params: Params) -> None:
        served = self._find(_key(params))
        _number(params, "deadlineMs", 0)
        for name in ("trigger", "auth"):
            value = params.get(name)
            if value is not None and type(value) is not dict:
                raise BadRequest("INVALID_PARAMS", f"'{name}' must be an object")
        self._calls.begin(id, served, params)

    def _cancel(self, id: Any) -> None:
        invocation = self._calls.mark_cancelled(id) if type(id) is int else None
        if invocation is not None:
            self._loop.cancel(invocation)

    def _cancel_all(self) -> None:
        for id in self._calls.ids():
            self._cancel(id)

    def _find(self, key: tuple[str, str]) -> Served:
        served = self._served.get(key)
        if served is None:
            what = f"no function '{key[0]}' of revision {key[1]} is loaded here"
            raise BadRequest("FUNCTION_NOT_FOUND", what)
        return served


def _key(params: Params) -> tuple[str, str]:
    function, revision = params.get("function"), params.get("revision")
    if type(function) is not str or type(revision) is not str:
        raise BadRequest("INVALID_PARAMS", "'function' and 'revision' must be strings")
    return function, revision


def _number(params: Params, name: str, default: float) -> float:
    value = params.get(name, default)
    if type(value) not in (int, float) or value < 0:
        raise BadRequest("INVALID_PARAMS", f"'{name}' must be a number, 0 or more")
    return float(value)

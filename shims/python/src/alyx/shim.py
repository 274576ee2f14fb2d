"""The methods that the host calls, and the life of the worker.

Knows the protocol's methods and puts the parts together; how frames travel is
the peer's business, how handlers run the runner's.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque

from . import codec, loader
from .context import Frozen, Function, Invocation
from .errors import BadRequest, thrown, wire_error
from .log import Journal, Limits
from .peer import MAX_FRAME, Peer, error_frame
from .runner import THREADS, Loop, Threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

VERSION = "0.1.0"
CONCURRENCY = 64
HELLO_DEADLINE = 5.0
LOAD_DEADLINE_MS = 30_000
GRACE_MS = 3_000
# After the end of the connection; the rest of the second is for atexit.
CANCEL_GRACE = 0.6


class Served:
    """One function revision that is ready to be called."""

    __slots__ = ("add", "env", "function", "handler", "schema")

    def __init__(
        self,
        function: Function,
        loaded: loader.Loaded,
        env: Frozen,
        add: Callable[[Invocation], None],
    ) -> None:
        self.function = function
        self.handler = loaded.handler
        self.schema = loaded.schema
        self.env = env
        self.add = add


class Shim:
    """One worker: says hello, then serves until `shutdown` or the end."""

    def __init__(self, peer: Peer, token: str, leave: Callable[[int], None]) -> None:
        self._peer = peer
        self._token = token
        self._leave = leave
        self._limits = Limits()
        self._loop = Loop(self, self._late_failure)
        self._threads = Threads(self, self._loop)
        self._served: dict[tuple[str, str], Served] = {}
        self._in_flight: dict[int, Invocation] = {}
        self._offered = CONCURRENCY
        self._main_jobs: deque[Callable[[], None]] = deque()
        self._main_wake = threading.Semaphore(0)
        self._leaving = False
        self._all_answered = threading.Event()
        peer.requests = {
            "ping": lambda id, params: peer.respond(id, {}),
            "load": self._load,
            "unload": self._unload,
            "invoke": self._invoke,
            "shutdown": self._shutdown,
        }
        peer.notifications = {"cancel": self._cancel}
        peer.after_burst = self._after_burst
        peer.on_stuck = lambda: leave(1)

    # -- life ------------------------------------------------------------

    def run(self) -> None:
        """Reads in a thread of its own; this one, the main thread, loads code."""
        threading.Thread(target=self._read, name="alyx-reader", daemon=True).start()
        self._hello()
        while True:
            self._main_wake.acquire()
            self._main_jobs.popleft()()

    def _read(self) -> None:
        sound = self._peer.serve()
        self._leaving = True
        self._cancel_all()
        self._wait_for_answers(CANCEL_GRACE)
        self._leave(0 if sound and self._peer.ready else 1)

    def _hello(self) -> None:
        answered = threading.Event()
        problem = [f"no answer to hello in {HELLO_DEADLINE:.0f} s"]

        def on_reply(result: dict[str, Any], error: dict[str, Any] | None) -> None:
            # Runs in the reading thread: a `load` may be next in the same read.
            if error is None:
                problem.clear()
                self._open(result)
            else:
                problem[:] = [f"the host refused hello: {error.get('message')}"]
            answered.set()

        self._peer.call("hello", self._introduction(), on_reply)
        answered.wait(HELLO_DEADLINE)
        if problem:
            stream = sys.__stderr__
            print(f"alyx-shim-python: {problem[0]}", file=stream, flush=True)
            self._leave(1)

    def _introduction(self) -> dict[str, Any]:
        version = "{}.{}.{}".format(*sys.version_info[:3])
        return {
            "protocolVersions": [1],
            "token": self._token,
            "runtime": {
                "name": "python",
                "version": VERSION,
                "language": "python",
                "languageVersion": version,
            },
            "pid": os.getpid(),
            "concurrency": {"max": CONCURRENCY},
            "capabilities": {"load": {}},
            "limits": {"maxFrame": MAX_FRAME},
        }

    def _open(self, reply: dict[str, Any]) -> None:
        limits = reply.get("limits", {})
        self._limits.entry = limits.get("maxLogEntry", self._limits.entry)
        self._limits.total = limits.get("maxLogBytes", self._limits.total)
        self._peer.open(min(limits.get("maxFrame", MAX_FRAME), MAX_FRAME))

    def _shutdown(self, id: int, params: dict[str, Any]) -> None:
        grace = _number(params, "graceMs", GRACE_MS) / 1000

        def drain() -> None:
            self._wait_for_answers(grace)
            self._cancel_all()
            self._wait_for_answers(CANCEL_GRACE)
            self._peer.flush()
            self._peer.send_now(_answer(id, "{}"))
            self._leave(0)

        self._leaving = True
        threading.Thread(target=drain, name="alyx-shutdown", daemon=True).start()

    def _wait_for_answers(self, seconds: float) -> None:
        # Set by the last answer; asked again because it may have been the last
        # but one when the waiting began.
        self._all_answered.clear()
        if self._in_flight:
            self._all_answered.wait(seconds)

    def _cancel_all(self) -> None:
        for id in list(self._in_flight):
            self._cancel({"id": id})

    def _late_failure(self, text: str) -> None:
        from .context import current

        invocation = current.get()
        inv = invocation.id if invocation is not None else None
        Journal(self._peer.send_now, inv, self._limits).write("error", text)

    # -- load ------------------------------------------------------------

    def _load(self, id: int, params: dict[str, Any]) -> None:
        function, revision = _key(params)
        path, env = params.get("path"), params.get("env", {})
        if type(path) is not str or not os.path.isabs(path):
            raise BadRequest("INVALID_PARAMS", "'path' must be an absolute path")
        if type(env) is not dict:
            raise BadRequest("INVALID_PARAMS", "'env' must be an object")
        root = params.get("root") or os.path.dirname(path)
        entry = params.get("entry") or "handler"
        seconds = _number(params, "timeoutMs", LOAD_DEADLINE_MS) / 1000

        def job() -> None:
            if (function, revision) not in self._served:
                try:
                    loaded = loader.load(function, revision, path, root, entry, seconds)
                except loader.LoadError as error:
                    self._peer.respond_error(
                        id,
                        wire_error(
                            "LOAD_FAILED", str(error), error.details, error.stack
                        ),
                    )
                    return
                self._serve(Function(function, revision), loaded, Frozen(env))
            schema = self._served[function, revision].schema
            self._peer.respond(id, {} if schema is None else {"schema": schema})

        self._main_jobs.append(job)
        self._main_wake.release()

    def _serve(self, function: Function, loaded: loader.Loaded, env: Frozen) -> None:
        if loaded.is_async:
            self._loop.start()
            add: Callable[[Invocation], None] = self._loop.add
        else:
            add = self._threads.add
            if self._offered > THREADS:
                self._offered = THREADS
                self._peer.notify("concurrency", {"max": THREADS})
        served = Served(function, loaded, env, add)
        self._served[function.name, function.revision] = served

    def _unload(self, id: int, params: dict[str, Any]) -> None:
        key = _key(params)
        served = self._served.get(key)
        if served is None:
            raise _not_loaded(key)
        running = sum(
            invocation.function is served.function
            for invocation in list(self._in_flight.values())
        )
        if running:
            what = f"{running} invocations of '{key[0]}' are running; unload it later"
            raise BadRequest("OVERLOADED", what)
        del self._served[key]
        # Python gives memory back when it likes; the host had better not count on it.
        self._peer.respond(id, {"reclaimed": False})

    # -- invoke ----------------------------------------------------------

    def _invoke(self, id: int, params: dict[str, Any]) -> None:
        key = _key(params)
        served = self._served.get(key)
        if served is None:
            raise _not_loaded(key)
        if type(params.get("input", {})) is not dict:
            raise BadRequest("INVALID_PARAMS", "'input' must be an object")
        if self._leaving:
            raise BadRequest("NOT_READY", "the worker is shutting down")
        if len(self._in_flight) >= CONCURRENCY:
            what = f"{CONCURRENCY} invocations are running, which is the limit"
            raise BadRequest("OVERLOADED", what)
        invocation = Invocation(
            id,
            served.function,
            served.handler,
            served.env,
            params,
            self._peer.send_now,
            self._limits,
        )
        self._in_flight[id] = invocation
        served.add(invocation)

    def _after_burst(self) -> None:
        self._threads.wake()
        self._loop.wake()

    def _cancel(self, params: dict[str, Any]) -> None:
        invocation = self._in_flight.get(params.get("id", 0))
        if invocation is not None and not invocation.cancelled:
            invocation.cancelled = True
            self._loop.cancel(invocation)

    # -- Finish: how an invocation is answered ---------------------------

    def returned(self, invocation: Invocation, output: object) -> None:
        """The handler returned `output`."""
        try:
            answer = _answer(invocation.id, f'{{"output":{codec.encode(output)}}}')
        except Exception as error:
            what = codec.find_unencodable(output, "result") or f"result: {error}"
            self._refuse(
                invocation, "RESULT_NOT_SERIALIZABLE", f"{what} cannot be sent as JSON"
            )
            return
        size, limit = len(answer) - codec.HEADER_SIZE, self._peer.max_frame
        if size > limit:
            what = f"the result is a frame of {size} bytes; the host takes {limit}"
            details = {"size": size, "limit": limit}
            self._refuse(invocation, "FRAME_TOO_LARGE", what, details)
            return
        self._end(invocation, answer)

    def raised(self, invocation: Invocation, error: BaseException) -> None:
        """The handler raised, or was cancelled."""
        if invocation.cancelled:
            self.never_ran(invocation)
        else:
            self._end(invocation, error_frame(invocation.id, thrown(error)))

    def never_ran(self, invocation: Invocation) -> None:
        """Cancelled before the handler began, or while it ran."""
        self._refuse(invocation, "CANCELLED", "cancelled")

    def flush(self) -> None:
        """Writes the answers of the calls that have ended."""
        self._peer.flush()

    def has_unsent(self) -> bool:
        """Whether answers wait for a `flush`."""
        return self._peer.unsent

    def _refuse(
        self,
        invocation: Invocation,
        code: str,
        message: str,
        details: dict[str, Any] | None = None,
    ) -> None:
        error = wire_error(code, message, details)
        self._end(invocation, error_frame(invocation.id, error))

    def _end(self, invocation: Invocation, answer: bytes) -> None:
        invocation.end()
        del self._in_flight[invocation.id]
        self._peer.push(answer)
        if self._leaving and not self._in_flight:
            self._all_answered.set()


def _answer(id: int, result: str) -> bytes:
    return codec.frame(f'{{"jsonrpc":"2.0","id":{id},"result":{result}}}')


def _key(params: dict[str, Any]) -> tuple[str, str]:
    function, revision = params.get("function"), params.get("revision")
    if type(function) is not str or type(revision) is not str:
        raise BadRequest("INVALID_PARAMS", "'function' and 'revision' must be strings")
    return function, revision


def _not_loaded(key: tuple[str, str]) -> BadRequest:
    what = f"no function '{key[0]}' of revision {key[1]} is loaded here"
    return BadRequest("FUNCTION_NOT_FOUND", what)


def _number(params: dict[str, Any], name: str, default: float) -> float:
    value = params.get(name, default)
    if type(value) not in (int, float) or value < 0:
        raise BadRequest("INVALID_PARAMS", f"'{name}' must be a positive number")
    return float(value)

"""One connection to the host: reads frames, answers, calls, keeps the order.

Knows JSON-RPC and nothing of functions: methods come in as two tables. One
thread reads; whoever has something to say writes, or leaves it to the thread
that is writing already.
"""

from __future__ import annotations

import os
import sys
from _thread import allocate_lock, get_ident
from collections import deque
from itertools import count

from . import codec
from .errors import BadRequest, wire_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Params = dict[str, Any]
    Request = Callable[[int, Params], None]
    Notification = Callable[[Params], None]
    # A result, or an error; and the payload that it was read from.
    OnReply = Callable[[dict[str, Any], "dict[str, Any] | None", bytes], None]
    Write = Callable[[bytes], None]

MAX_ID = 2**53 - 1
MAX_METHOD = 64
MAX_FRAME_BEFORE_HELLO = 64 * 1024
MAX_FRAME = 0xFFFFFF
BAD_FRAMES_IN_A_ROW = 8
READ_MIN = 16 * 1024
READ_MAX = 256 * 1024
WRITE_BATCH = 256 * 1024
WRITE_DEADLINE = 10.0


class Peer:
    """One connection; safe to use from every thread, read by one at a time."""

    def __init__(self, read_fd: int, write: Write) -> None:
        self.fd = read_fd
        self._write = write
        self._reader = 0
        # Why the connection cannot go on, once the host broke the framing.
        self.broken = ""
        self._decoder = codec.Decoder(MAX_FRAME_BEFORE_HELLO)
        self._bad_in_a_row = 0
        # Requests are answered NOT_READY until the handshake is done.
        self.ready = False
        self.max_frame = MAX_FRAME_BEFORE_HELLO
        self.requests: dict[str, Request] = {}
        self.notifications: dict[str, Notification] = {}
        # Runs after every burst of frames, when no more can be had at once.
        self.after_burst: Callable[[], None] = lambda: None
        # Runs once if the host does not take what it is sent.
        self.on_stuck: Callable[[], None] = lambda: None
        self._pending: dict[int, OnReply] = {}
        self._ids = count(1)  # `next` on it is atomic
        self._out: deque[bytes] = deque()
        self._writing = allocate_lock()
        self._writer = 0
        # Nothing that is sent arrives any more.
        self.lost = False

    def open(self, max_frame: int) -> None:
        """Ends the handshake: larger frames both ways, requests are served."""
        self.max_frame = self._decoder.max_frame = max_frame
        self.ready = True

    # -- reading ---------------------------------------------------------

    def read_burst(self) -> bool:
        """Waits for bytes and serves the frames in them; False at the end.

        For one thread at a time, which is the same as to say: whoever reads.
        """
        decoder = self._decoder
        try:
            data = os.read(self.fd, min(max(decoder.missing, READ_MIN), READ_MAX))
        except OSError:
            data = b""
        if not data:
            return False
        self._reader = get_ident()
        for payload in decoder.feed(data):
            try:
                self._receive(payload)
            except Exception as error:  # noqa: PERF203
                # Our mistake must not end the worker.
                complain(f"cannot handle {payload!r:.200}: {error!r}")
        self._reader = 0
        self.after_burst()
        self.flush()
        if decoder.unknown_kind is not None:
            self.broken = f"frame of unknown kind {decoder.unknown_kind}"
        elif self._bad_in_a_row >= BAD_FRAMES_IN_A_ROW:
            self.broken = f"{self._bad_in_a_row} frames in a row are no JSON"
        return not self.broken

    def wait_for_end(self) -> None:
        """Returns when the host has closed its end, read or unread."""
        import select

        ending = select.poll()
        ending.register(self.fd, getattr(select, "POLLRDHUP", 0))
        ending.poll()

    def close(self) -> None:
        """Tells those who wait for an answer that none will come."""
        gone = wire_error("INTERNAL_ERROR", "the host closed the connection")
        while self._pending:
            self._pending.popitem()[1]({}, gone, b"")

    def _receive(self, payload: bytes | None) -> None:
        if payload is None:
            self._fail_too_large(self._decoder.oversize, self._decoder.max_frame)
            return
        try:
            message = codec.decode(payload)
        except (ValueError, RecursionError) as error:
            self._bad_in_a_row += 1
            self._fail(None, "PARSE_ERROR", f"invalid JSON: {error}")
            return
        self._bad_in_a_row = 0
        if type(message) is not dict:
            self._fail(None, "INVALID_REQUEST", "a frame holds one JSON object")
        elif "method" in message:
            self._receive_call(message)
        elif message.keys() & {"id", "result", "error"}:
            self._receive_reply(message, payload)
        else:
            self._fail(None, "INVALID_REQUEST", "no method, and no answer either")

    def _receive_call(self, message: dict[str, Any]) -> None:
        id = message.get("id")
        # In the type the rest goes by: None = no id that could be answered.
        known: int | None = id if type(id) is int and 0 < id <= MAX_ID else None
        method, params = message["method"], message.get("params", {})
        problem = None
        if message.get("jsonrpc") != "2.0":
            problem = 'jsonrpc must be "2.0"'
        elif type(method) is not str or len(method) > MAX_METHOD:
            problem = f"method must be a string of at most {MAX_METHOD} bytes"
        elif type(params) is not dict:
            problem = "params must be an object"
        elif known is None and "id" in message:
            problem = f"id must be an integer from 1 to {MAX_ID}"
        if problem is not None:
            self._fail(known, "INVALID_REQUEST", problem)
        elif known is not None:
            self._serve_request(known, method, params)
        elif self.ready and method in self.notifications:
            self.notifications[method](params)

    def _serve_request(self, id: int, method: str, params: Params) -> None:
        serve = self.requests.get(method)
        if not self.ready:
            self._fail(id, "NOT_READY", "the handshake is not done")
        elif serve is None:
            self._fail(id, "METHOD_NOT_FOUND", f"unknown method '{method}'")
        else:
            try:
                serve(id, params)
            except BadRequest as error:
                self.respond_error(id, error.answer)
            except Exception as error:
                self._fail(id, "INTERNAL_ERROR", f"'{method}' failed: {error!r}")

    def _receive_reply(self, message: dict[str, Any], payload: bytes) -> None:
        id = message.get("id")
        on_reply = self._pending.pop(id, None) if type(id) is int else None
        if on_reply is not None:  # nobody answers a response, not even a stray one
            result, error = message.get("result"), message.get("error")
            if type(result) is not dict:
                what = "the host's answer has neither a result nor an error"
                error = error or wire_error("INTERNAL_ERROR", what)
                result = {}
            on_reply(result, error, payload)

    # -- calling ---------------------------------------------------------

    def request(self, method: str, params: str) -> tuple[int, bytes]:
        """Id and frame of a request, to be sent later; `params` is JSON text."""
        id = next(self._ids)
        call = f'{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}'
        return id, codec.frame(call)

    def expect(self, id: int, on_reply: OnReply) -> None:
        """Before a request is sent: `on_reply` runs in the reading thread."""
        self._pending[id] = on_reply

    def call(self, method: str, params: Params, on_reply: OnReply) -> None:
        """Sends a request."""
        id, request = self.request(method, codec.encode(params))
        self.expect(id, on_reply)
        self.send(request)

    def notify(self, method: str, params: Params) -> None:
        """Sends a notification, before anything that is sent later."""
        call = {"jsonrpc": "2.0", "method": method, "params": params}
        self.send(codec.frame(codec.encode(call)))

    def respond(self, id: int, result: dict[str, Any]) -> None:
        """Answers a request."""
        answer = {"jsonrpc": "2.0", "id": id, "result": result}
        self.send(codec.frame(codec.encode(answer)))

    def respond_error(self, id: int | None, error: dict[str, Any]) -> None:
        """Answers a request with an error; None = one whose id is unknown."""
        self.send(error_frame(id, error))

    def _fail(self, id: int | None, code: str, message: str) -> None:
        self.respond_error(id, wire_error(code, message))

    def _fail_too_large(self, size: int, limit: int) -> None:
        text = f"frame of {size} bytes is over the limit of {limit}"
        details = {"size": size, "limit": limit}
        self.respond_error(None, wire_error("FRAME_TOO_LARGE", text, details))

    # -- writing ---------------------------------------------------------

    def push(self, data: bytes) -> None:
        """Queues a frame; a `flush` must follow.

        The queue is bounded by what may be in flight: one answer a call.
        """
        self._out.append(data)

    @property
    def unsent(self) -> bool:
        """Whether frames wait for a `flush`."""
        return bool(self._out)

    def send(self, data: bytes) -> None:
        """Queues a frame and sees to it that somebody writes it."""
        self._out.append(data)
        if self._reader != get_ident():  # else at the end of the burst
            self.flush()

    def flush(self) -> None:
        """Writes the queue, unless another thread does: it takes ours along.

        Never blocks on a lock, so a finaliser that prints in the middle of a
        write only adds to the queue. The loop covers the moment between that
        thread's last look at the queue and its letting go of the lock.
        """
        while self._out and self._writing.acquire(False):
            try:
                self._drain()
            finally:
                self._writing.release()

    def wait_for_writer(self, seconds: float) -> None:
        """Waits a moment for the thread that took our frames along."""
        if self._writing.acquire(True, seconds):
            self._writing.release()
            self.flush()

    def send_now(self, data: bytes) -> None:
        """Returns when the frame has left, so that even a crash cannot lose it."""
        if self.lost:
            return
        self._out.append(data)
        if self._writer == get_ident():
            return  # called by a finaliser inside our own write
        if self._writing.acquire(True, WRITE_DEADLINE):
            try:
                self._drain()
            finally:
                self._writing.release()
            self.flush()

    def abandon(self) -> None:
        """Leaves the connection to the process that we were forked from."""
        self.lost = True
        self._out.clear()
        self._writing = allocate_lock()  # its owner may not exist here
        os.close(self.fd)

    def _drain(self) -> None:
        self._writer = get_ident()
        out = self._out
        try:
            while out:
                batch = [out.popleft()]
                size = len(batch[0])
                while out and size < WRITE_BATCH:
                    batch.append(out.popleft())
                    size += len(batch[-1])
                if not self.lost:
                    self._write(b"".join(batch) if len(batch) > 1 else batch[0])
        except TimeoutError:
            self.lost = True
            complain(f"the host took no bytes for {WRITE_DEADLINE:.0f} s; leaving")
            self.on_stuck()
        except OSError:  # closed: the reading thread learns of it by itself
            self.lost = True
        finally:
            self._writer = 0


def error_frame(id: int | None, error: dict[str, Any]) -> bytes:
    """The answer to a request that failed."""
    answer = {"jsonrpc": "2.0", "id": id, "error": error}
    return codec.frame(codec.encode(answer))


def complain(text: str) -> None:
    """One line for whoever reads the worker's own stderr."""
    stream = sys.__stderr__
    if stream is not None:
        stream.write(f"alyx-shim-python: {text}\n")
        stream.flush()

"""A host for tests: starts a real worker and speaks frames with it.

Sees the wire only; imports nothing of the package under test.
"""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SHIM = Path(__file__).parent.parent / "bin" / "alyx-shim-python"
DEADLINE = 10.0
LIMITS = {"maxFrame": 8388608, "maxLogEntry": 16384, "maxLogBytes": 262144}

Message = dict[str, Any]
# Answers a syscall: a result, an error (`{"code", …}`), or None = not now.
Database = Callable[[Message], "Message | None"]


class Host:
    """One worker process and the connection to it."""

    def __init__(self, folder: Path, transport: str = "unix", **env: str) -> None:
        self.folder = folder
        self.logs: list[Message] = []
        self.notifications: list[Message] = []
        self.strays: list[Message] = []
        self.syscalls: list[Message] = []
        self.database: Database = lambda call: None
        self._next_id = 1
        self._rest = b""
        self._read_out: dict[str, str] = {}
        command = [sys.executable, "-I", str(SHIM)]
        if transport == "stdio":
            self._ours, theirs = socket.socketpair()
            address, stdin, stdout = "stdio", theirs.fileno(), theirs.fileno()
        else:
            listener, address = _listen(transport, folder)
            stdin, stdout = subprocess.DEVNULL, subprocess.PIPE
        self.process = subprocess.Popen(
            command,
            env={"ALYX_ADDR": address, "ALYX_TOKEN": "secret", **env},
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
        )
        if transport == "stdio":
            theirs.close()
        else:
            listener.settimeout(DEADLINE)
            with listener:
                self._ours, _ = listener.accept()
        self._ours.settimeout(DEADLINE)

    # -- frames ----------------------------------------------------------

    def send(self, *messages: object) -> None:
        """Several messages in one write."""
        self.send_bytes(b"".join(map(frame, messages)))

    def send_bytes(self, data: bytes) -> None:
        self._ours.sendall(data)

    def receive(self) -> Message:
        """The next message of any kind."""
        header = self._read(4)
        assert header[0] == 0, f"kind {header[0]}"
        message = json.loads(self._read(int.from_bytes(header, "big")))
        assert isinstance(message, dict)
        assert message["jsonrpc"] == "2.0"
        return message

    def _read(self, size: int) -> bytes:
        while len(self._rest) < size:
            data = self._ours.recv(262144)
            if not data:
                raise EOFError(f"the worker closed; stderr: {self.stderr()!r}")
            self._rest += data
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def quiet(self, seconds: float = 0.0) -> bool:
        """Whether nothing is there to be read."""
        return not self._rest and not select.select([self._ours], [], [], seconds)[0]

    # -- calls -----------------------------------------------------------

    def hello(self, *capabilities: str, **limits: int) -> Message:
        """Does the handshake; returns what the worker said of itself."""
        hello = self.receive()
        reply = {"protocolVersion": 1, "session": "s", "limits": {**LIMITS, **limits}}
        reply["capabilities"] = {name: {} for name in capabilities}
        self.send({"jsonrpc": "2.0", "id": hello["id"], "result": reply})
        return hello

    def start_call(self, method: str, params: object = None) -> int:
        id, self._next_id = self._next_id, self._next_id + 1
        self.send(request(id, method, {} if params is None else params))
        return id

    def answer(self, *ids: int) -> Message:
        """The answer to one of `ids`; logs before it are kept in `logs`."""
        while True:
            message = self.receive()
            if message.get("method") == "log":
                self.logs.append(message["params"])
            elif "method" in message and "id" in message:
                self._serve(message)
            elif "method" in message:
                self.notifications.append(message)
            elif message["id"] in ids:
                return message
            else:
                self.strays.append(message)

    def syscall(self) -> Message:
        """The next message, which must be a syscall; nobody answers it."""
        message = self.receive()
        assert "method" in message, message
        assert "id" in message, message
        self.syscalls.append(message)
        return message

    def reply(self, call: Message, answer: Message) -> None:
        """Answers a syscall; an `answer` with a code is an error."""
        self.send(reply(call["id"], answer))

    def _serve(self, call: Message) -> None:
        self.syscalls.append(call)
        answer = self.database(call)
        if answer is not None:
            self.reply(call, answer)

    def call(self, method: str, params: object = None) -> Message:
        return self.answer(self.start_call(method, params))

    # -- functions -------------------------------------------------------

    def load(
        self, source: str, name: str = "f", file: str = "", **more: object
    ) -> Message:
        """Writes a function and loads it; returns the whole answer."""
        path = self.folder / (file or f"{name}.py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
        params = {"function": name, "revision": "r1", "path": str(path), "env": {}}
        return self.call("load", {**params, "root": str(self.folder), **more})

    def start(self, input: object = None, name: str = "f", **more: object) -> int:
        params = {"function": name, "revision": "r1", "requestId": "q", "input": input}
        params["input"] = {} if input is None else input
        return self.start_call("invoke", {**params, **more})

    def invoke(self, input: object = None, name: str = "f", **more: object) -> Message:
        return self.answer(self.start(input, name, **more))

    def output(self, input: object = None, name: str = "f", **more: object) -> Any:
        answer = self.invoke(input, name, **more)
        assert "result" in answer, answer
        return answer["result"]["output"]

    def error(self, input: object = None, name: str = "f", **more: object) -> Message:
        answer = self.invoke(input, name, **more)
        assert "error" in answer, answer
        error = answer["error"]
        assert isinstance(error, dict)
        return error

    def run(self, source: str, input: object = None) -> Any:
        """Loads and calls in one go."""
        answer = self.load(source)
        assert answer["result"] == {}, answer
        return self.output(input)

    def entries(self, id: int | None = None) -> list[Message]:
        """The log entries received so far, of one invocation or of all."""
        return [
            entry
            for log in self.logs
            if id is None or log.get("inv") == id
            for entry in log["entries"]
        ]

    def lines(self) -> list[str]:
        return [entry["msg"] for entry in self.entries()]

    # -- the end ---------------------------------------------------------

    def close(self) -> None:
        """Ends the connection, as a host does that dies."""
        self._ours.close()

    def wait(self) -> int:
        """The exit code."""
        return self.process.wait(DEADLINE)

    def exit_time(self) -> float:
        began = time.monotonic()
        self.wait()
        return time.monotonic() - began

    def stderr(self) -> str:
        """All of it; waits for the end of the process."""
        return self._all_of("stderr")

    def stdout(self) -> str:
        return self._all_of("stdout")

    def _all_of(self, name: str) -> str:
        if name not in self._read_out:
            self.wait()
            self._read_out[name] = getattr(self.process, name).read().decode()
        return self._read_out[name]

    def end(self) -> None:
        """Leaves nothing behind, whatever the test did."""
        self._ours.close()
        self.process.kill()
        self.process.wait(DEADLINE)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


def frame(message: object) -> bytes:
    payload = json.dumps(message).encode()
    return struct.pack(">I", len(payload)) + payload


def request(id: object, method: str, params: object) -> Message:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


def reply(id: int, answer: Message) -> Message:
    kind = "error" if "code" in answer else "result"
    return {"jsonrpc": "2.0", "id": id, kind: answer}


def cancel(id: int) -> Message:
    params = {"id": id, "reason": "client"}
    return {"jsonrpc": "2.0", "method": "cancel", "params": params}


def _listen(transport: str, folder: Path) -> tuple[socket.socket, str]:
    if transport == "tcp":
        listener = socket.create_server(("127.0.0.1", 0))
        return listener, f"tcp:127.0.0.1:{listener.getsockname()[1]}"
    path = os.path.relpath(folder / "s") if len(str(folder)) > 90 else str(folder / "s")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    return listener, f"unix:{path}"

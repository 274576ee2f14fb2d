"""Starts a worker: address and token from the environment, then the shim.

Knows sockets and file descriptors, so that nothing else has to.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading

from . import capture
from .peer import WRITE_DEADLINE, Peer
from .shim import Shim

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from .peer import Write

CONNECT_DEADLINE = 5.0
EXIT_DEADLINE = 0.3
# A pipe that polls as writable takes this much without blocking.
PIPE_CHUNK = 4096
USAGE = (
    "usage: ALYX_ADDR=unix:/path|tcp:host:port|stdio ALYX_TOKEN=... alyx-shim-python"
    " (the alyx host starts it and sets both)"
)


def main() -> None:
    """Leaves with 0 after its service, 1 when that failed, 2 when misused."""
    # Functions must not see how we are reached.
    address = os.environ.pop("ALYX_ADDR", "")
    token = os.environ.pop("ALYX_TOKEN", "")
    if os.environ.pop("ALYX_ECHO", ""):
        from . import echo, log

        log.echo = echo.line
    if proxy := os.environ.pop("ALYX_PROXY", ""):
        from . import forward

        forward.start(proxy.removeprefix("unix:"))
    # In a terminal Ctrl-C reaches every process; the host decides when we end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        read_fd, write = _connect(address)
    except ValueError:
        _exit_with(2, USAGE)
    except OSError as error:
        _exit_with(1, f"alyx-shim-python: cannot connect to '{address}': {error}")
    capture.install()
    # Ours are written by now. Functions lie in folders that are watched or
    # read-only, and a stale .pyc would hide an edit.
    sys.dont_write_bytecode = True
    Shim(Peer(read_fd, write), token, _leave).run()


def _connect(address: str) -> tuple[int, Write]:
    kind, _, rest = address.partition(":")
    if kind == "stdio":
        return _take_stdio()
    if kind == "unix":
        return _connect_socket("AF_UNIX", rest)
    if kind == "tcp":
        host, _, port = rest.rpartition(":")
        return _connect_socket("AF_INET", (host.strip("[]"), int(port)))
    raise ValueError(address)


def _connect_socket(family: str, where: str | tuple[str, int]) -> tuple[int, Write]:
    import socket  # 4 ms that stdio does not need
    from struct import pack

    if family == "AF_UNIX":
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(CONNECT_DEADLINE)
        sock.connect(where)
    else:
        sock = socket.create_connection(where, CONNECT_DEADLINE)  # type: ignore[arg-type]
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.settimeout(None)
    seconds = pack("ll", int(WRITE_DEADLINE), 0)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, seconds)
    fd = sock.detach()

    def write(data: bytes) -> None:
        try:
            sent = os.write(fd, data)
            while sent < len(data):
                data = data[sent:]
                sent = os.write(fd, data)
        except BlockingIOError:  # what SO_SNDTIMEO ends in
            raise TimeoutError from None

    return fd, write


def _take_stdio() -> tuple[int, Write]:
    """Keeps the connection to ourselves: print goes to stderr, input() ends."""
    from select import POLLOUT, poll

    read_fd, write_fd = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    ready = poll()
    ready.register(write_fd, POLLOUT)

    def write(data: bytes) -> None:
        view = memoryview(data)
        while view:
            if not ready.poll(WRITE_DEADLINE * 1000):
                raise TimeoutError
            view = view[os.write(write_fd, view[:PIPE_CHUNK]) :]

    return read_fd, write


def _leave(code: int) -> NoReturn:
    """Ends the process from any thread, whatever user code is still doing."""
    killer = threading.Timer(EXIT_DEADLINE, os._exit, [code])
    killer.daemon = True
    killer.start()
    # Python's own way out would wait for threads that never end.
    atexit._run_exitfuncs()
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None:
            try:
                stream.flush()
            except (OSError, ValueError):
                pass  # nobody reads it any more
    os._exit(code)


def _exit_with(code: int, line: str) -> NoReturn:
    print(line, file=sys.stderr, flush=True)
    os._exit(code)


if __name__ == "__main__":
    main()

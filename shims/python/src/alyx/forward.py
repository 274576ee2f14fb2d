"""The way to the host's proxy in a container without a network: a loopback port.

Only passes bytes on; what may be reached is for the host to say.
"""

from __future__ import annotations

import socket
import threading

ADDRESS = ("127.0.0.1", 3128)
CHUNK = 64 * 1024
CONNECTIONS = 128


def start(path: str) -> None:
    """Listens and passes on for as long as the process lives."""
    listener = socket.create_server(ADDRESS, backlog=CONNECTIONS)
    threading.Thread(target=_accept, args=(listener, path), daemon=True).start()


def _accept(listener: socket.socket, path: str) -> None:
    free = threading.BoundedSemaphore(CONNECTIONS)
    while True:
        free.acquire()
        program, _ = listener.accept()
        threading.Thread(target=_join, args=(program, path, free), daemon=True).start()


def _join(program: socket.socket, path: str, free: threading.BoundedSemaphore) -> None:
    try:
        with program, socket.socket(socket.AF_UNIX) as proxy:
            proxy.connect(path)
            back = threading.Thread(target=_copy, args=(proxy, program), daemon=True)
            back.start()
            _copy(program, proxy)
            back.join()
    except OSError:
        pass  # one of the two hung up
    finally:
        free.release()


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(CHUNK):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass

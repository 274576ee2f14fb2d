"""Workers for tests, ended with the test that asked for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from host import Host

Start = Callable[..., Host]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a worker that has not been greeted yet."""
    hosts: list[Host] = []

    def start(transport: str = "unix", **env: str) -> Host:
        folder = tmp_path / f"worker{len(hosts)}"
        folder.mkdir()
        hosts.append(Host(folder, transport, **env))
        return hosts[-1]

    yield start
    for host in hosts:
        host.end()


@pytest.fixture
def host(start: Start) -> Host:
    """A worker that is ready to load functions."""
    host = start()
    host.hello()
    return host


@pytest.fixture
def db_host(start: Start) -> Host:
    """A worker that is offered a database."""
    host = start()
    host.hello("db", "batch")
    return host

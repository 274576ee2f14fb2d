"""Workers for tests, ended with the test that asked for them; the golden examples."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from database import KINDS
from host import Host

Start = Callable[..., Host]
FOLDER = Path(__file__).parents[3] / "protocol" / "v1" / "examples"


def read(pattern: str) -> list[Any]:
    """Fails where the tests are collected if the examples are not there."""
    paths = sorted(FOLDER.glob(pattern))
    assert paths, f"no examples match '{FOLDER / pattern}'"
    return [
        pytest.param(json.loads(path.read_text(encoding="utf-8")), id=path.stem)
        for path in paths
    ]


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


@pytest.fixture(params=KINDS)
def db(request: pytest.FixtureRequest, db_host: Host) -> Host:
    """A worker with a handler that evaluates `use`."""
    assert db_host.load(KINDS[request.param])["result"] == {}
    return db_host

"""The servers of the comparison: how each is started, asked for a first answer, and ended.

Those of one workload do the same work at the same kind of path, each on a free port of its own.
"""

from __future__ import annotations

import http.client
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from install import FOLDER, ROOT, Installed

# How long a server may take to start, a first Go build included.
START = 240
STOP = 40

FUNCTIONS = ROOT / "bench" / "functions"

# One worker each, as the others have one process each.
PROJECT = """\
server: {port: 0}
functions:
  pool: {min_warm: 1, max_instances: 1}
collections:
  posts:
    fields:
      title: {type: string}
      body: {type: text}
      published: {type: bool}
      views: {type: int}
"""


@dataclass(frozen=True)
class Contestant:
    name: str
    command: list[str]
    folder: Path = ROOT
    function: str = "hello"
    # Files of an Alyx project, by where they go.
    files: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return f"/api/functions/{self.function}"


@dataclass(frozen=True)
class Running:
    contestant: Contestant
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.contestant.path}"


@dataclass(frozen=True)
class Task:
    """One request, and whether an answer to it is right."""

    body: str
    right: Callable[[object], bool]


def of_hello(at: Installed) -> list[Contestant]:
    starlette = str(ROOT / "bench" / "peers" / "starlette_app.py")
    return [
        alyx(at, "Alyx, Node", ROOT / "functions" / "hello.js"),
        Contestant("node:http", [str(at.node), "node_http.js"], at.node_peers),
        Contestant("Fastify", [str(at.node), "fastify.js"], at.node_peers),
        alyx(at, "Alyx, Python", ROOT / "functions" / "hello_py.py"),
        alyx(at, "Alyx, Python async", FUNCTIONS / "hello_async.py"),
        Contestant("uvicorn + Starlette", [str(at.python), starlette]),
        alyx(at, "Alyx, Go", ROOT / "functions" / "hello_go.go"),
        Contestant("Go net/http", [str(at.net_http)]),
    ]


def of_database(at: Installed) -> list[Contestant]:
    file = FOLDER / "node-sqlite" / "posts.db"
    file.parent.mkdir(parents=True, exist_ok=True)
    return [
        alyx(at, "Alyx, Node", FUNCTIONS / "posts.js"),
        Contestant("better-sqlite3", [str(at.node), "node_sqlite.js", str(file)], at.node_peers),
        alyx(at, "Alyx, Python", FUNCTIONS / "posts_py.py"),
        alyx(at, "Alyx, Python async", FUNCTIONS / "posts_async.py"),
        alyx(at, "Alyx, Go", FUNCTIONS / "posts_go.go"),
    ]


def alyx(at: Installed, name: str, source: Path) -> Contestant:
    folder = FOLDER / f"{re.sub(r'[^a-z]+', '-', name.lower())}-{source.stem}"
    files = {"alyx.yaml": PROJECT, f"functions/{source.name}": source.read_text()}
    return Contestant(name, [str(at.alyx), "serve"], folder, source.stem, files)


@contextmanager
def started(all_of_them: list[Contestant], first: Task) -> Iterator[list[Running]]:
    """All servers at once; they idle while another is measured. Ends what it started."""
    with ExitStack() as stack:
        running = [stack.enter_context(serving(one)) for one in all_of_them]
        for one in running:
            wait_for(one, first)
        yield running


@contextmanager
def serving(contestant: Contestant) -> Iterator[Running]:
    if contestant.files:
        # The database of an earlier run is none of this one's.
        shutil.rmtree(contestant.folder, ignore_errors=True)
    for name, text in contestant.files.items():
        file = contestant.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    said = FOLDER / (re.sub(r"\W+", "-", contestant.name.lower()) + ".log")
    with said.open("wb") as output:
        process = subprocess.Popen(
            contestant.command,
            cwd=contestant.folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield Running(contestant, port_of(contestant, process, said))
    finally:
        process.terminate()
        try:
            process.wait(STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def port_of(contestant: Contestant, process: subprocess.Popen[bytes], said: Path) -> int:
    """The port that the server names once it listens."""
    deadline = time.monotonic() + START
    while time.monotonic() < deadline and process.poll() is None:
        text = said.read_text(errors="replace")
        found = re.search(r"^port (\d+)$|serving .* at http://[\d.]+:(\d+)/", text, re.M)
        if found:
            return int(found[1] or found[2])
        time.sleep(0.05)
    raise SystemExit(f"bench: {contestant.name} does not start; see {said}")


def wait_for(running: Running, task: Task) -> None:
    """Asks until the answer is the right one; a wrong one after the start is an error."""
    deadline = time.monotonic() + START
    while True:
        answer = ask(running, task)
        if answer is None:
            return
        if time.monotonic() > deadline:
            raise SystemExit(f"bench: {running.contestant.name} answers {answer}")
        time.sleep(0.2)


def ask(running: Running, task: Task) -> str | None:
    """What is wrong with the answer to one call, None if nothing is."""
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=START)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", running.contestant.path, task.body, headers)
        response = connection.getresponse()
        text = response.read()
    except OSError as error:
        return str(error)
    finally:
        connection.close()
    kind = response.headers.get_content_type()
    if response.status != 200 or kind != "application/json":
        return f"{response.status} {kind}: {text[:200]!r}"
    answer = json.loads(text)
    return None if task.right(answer) else repr(answer)[:200]

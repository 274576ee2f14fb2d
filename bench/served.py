"""One Alyx host in a project of its own, called over kept connections and watched from outside.

For loads that wrk cannot make: so many calls a second of many functions, and callers who leave.
What is told of the host's processes is read from /proc, not asked of the host.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START = 240
STOP = 45
# An answer takes no longer than the longest timeout of a function and its grace.
ANSWER = 60
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Answer:
    status: int
    body: bytes
    seconds: float
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def code(self) -> str:
        """The code of an error; nothing for a success."""
        if self.status < 400:
            return ""
        try:
            return str(json.loads(self.body)["error"]["code"])
        except (ValueError, KeyError, TypeError):
            return "(no code)"


class Broken(Exception):
    """A call that was not answered."""


class Client:
    """Connections that are kept and used again, as many as calls run at a time."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def call(self, function: str, value: object = None) -> Answer:
        body = json.dumps({} if value is None else value).encode()
        return await self.request("POST", f"/api/functions/{function}", body)

    async def request(self, method: str, path: str, body: bytes = b"") -> Answer:
        began = time.perf_counter()
        try:
            async with asyncio.timeout(ANSWER):
                status, headers, answer = await self.exchange(method, path, body)
        except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError) as why:
            raise Broken(f"{method} {path}: {why!r}") from why
        return Answer(status, answer, time.perf_counter() - began, headers)

    async def exchange(self, method: str, path: str, body: bytes) -> tuple[int, dict, bytes]:
        reader, writer = await self.connection()
        try:
            writer.write(head(method, path, body) + body)
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            pairs = (line.split(": ", 1) for line in lines if line)
            headers = {name.lower(): value for name, value in pairs}
            answer = await reader.readexactly(int(headers["content-length"]))
        except BaseException:
            writer.close()
            raise
        if headers.get("connection") == "close":
            writer.close()
        else:
            self.free.append((reader, writer))
        return int(first.split()[1]), headers, answer

    async def connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """One that is free, and that the host has not closed for want of calls."""
        while self.free:
            reader, writer = self.free.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return await self.connect()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)

    async def leave(self, function: str, value: object, after: float) -> None:
        """Calls, and hangs up before the answer."""
        _, writer = await self.connect()
        body = json.dumps(value).encode()
        writer.write(head("POST", f"/api/functions/{function}", body) + body)
        await asyncio.sleep(after)
        writer.close()

    def close(self) -> None:
        for _, writer in self.free:
            writer.close()
        self.free.clear()


def head(method: str, path: str, body: bytes) -> bytes:
    length = f"Content-Length: {len(body)}\r\n"
    return f"{method} {path} HTTP/1.1\r\nHost: bench\r\n{length}\r\n".encode()


@dataclass
class Host:
    process: subprocess.Popen[bytes]
    folder: Path
    port: int

    @property
    def log(self) -> Path:
        return self.folder / "host.log"

    def workers(self) -> list[int]:
        """Its children that lead a session of their own; what it builds with does not."""
        mine = (stat for stat in stats() if stat.parent == self.process.pid)
        return [stat.pid for stat in mine if stat.session == stat.pid]

    def tree(self) -> list[Stat]:
        """The host and all that descends from it."""
        children: dict[int, list[Stat]] = {}
        found = []
        for stat in stats():
            children.setdefault(stat.parent, []).append(stat)
            if stat.pid == self.process.pid:
                found.append(stat)
        for stat in found:
            found.extend(children.get(stat.pid, []))
        return found

    def stop(self) -> None:
        """Ends it as an administrator would; it has to end well."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise SystemExit("bench: the host does not stop") from None
        if code != 0:
            raise SystemExit(f"bench: the host ended with {code}")

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def temporary(self) -> int:
        """Files and folders below the host's temporary folder."""
        return sum(len(folders) + len(files) for _, folders, files in os.walk(self.folder / "tmp"))


@dataclass(frozen=True)
class Stat:
    pid: int
    parent: int
    session: int
    resident: int
    name: str


def stats() -> Iterator[Stat]:
    """All processes that are not dead."""
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            text = Path(f"/proc/{entry}/stat").read_text()
        except OSError:
            continue
        name, _, rest = text.partition("(")[2].rpartition(") ")
        values = rest.split()
        if values[0] not in "ZX":
            resident = int(values[21]) * PAGE
            yield Stat(int(entry), int(values[1]), int(values[3]), resident, name)


@contextmanager
def serve(
    alyx: Path, files: dict[str, str], config: dict[str, object], verb: str = "serve"
) -> Iterator[Host]:
    """Runs a host until the end of the block; it has to end well."""
    with tempfile.TemporaryDirectory(prefix="alyx-bench-") as name:
        folder = Path(name)
        for path in ("functions", "tmp"):
            (folder / path).mkdir()
        for path, text in files.items():
            (folder / path).write_text(text)
        # JSON is YAML.
        (folder / "alyx.yaml").write_text(json.dumps(config))
        # Workers may have a user of their own.
        folder.chmod(0o755)
        host = start(alyx, folder, verb)
        try:
            yield host
        finally:
            host.stop()


def start(alyx: Path, folder: Path, verb: str) -> Host:
    environment = {**os.environ, "TMPDIR": str(folder / "tmp"), "NO_COLOR": "1"}
    with (folder / "host.log").open("wb") as log:
        process = subprocess.Popen(
            [str(alyx), verb, "--port", "0"], cwd=folder, env=environment, stderr=log
        )
    deadline = time.monotonic() + START
    while time.monotonic() < deadline:
        said = re.search(r"serving .* at http://[^:]*:(\d+)", (folder / "host.log").read_text())
        if said:
            return Host(process, folder, int(said[1]))
        if process.poll() is not None:
            break
        time.sleep(0.05)
    process.kill()
    raise SystemExit(f"bench: the host does not serve:\n{(folder / 'host.log').read_text()}")


def built() -> Path:
    """The program, freshly built."""
    subprocess.run(
        ["cargo", "build", "--quiet", "--release", "--package", "alyx"], cwd=ROOT, check=True
    )
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return target / "release" / "alyx"


def quantile(values: list[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)] if ordered else 0.0

"""Calls per second through the shim; run by hand, no part of the tests.

    python tests/bench.py [seconds] [echo] [db]

`echo` is a handler that returns at once, `db` one that reads a document first;
the round trip is that of one of many reads in a row within one call. The host's
side is raw bytes, so that the figures are the shim's alone.
"""

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from struct import pack

SHIM = Path(__file__).parent.parent / "bin" / "alyx-shim-python"
REPLY = (
    b'{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":1,'
    b'"limits":{"maxFrame":8388608},"capabilities":{"db":{}}}}'
)
LOAD = (
    '{"jsonrpc":"2.0","id":1,"method":"load","params":'
    '{"function":"echo","revision":"r","path":"%s","env":{}}}'
)
INVOKE = (
    b'{"jsonrpc":"2.0","id":%d,"method":"invoke","params":{"function":"echo",'
    b'"revision":"r","requestId":"01JX0000000000000000000000","deadlineMs":30000,'
    b'"attempt":1,"trigger":{"type":"http","method":"POST","headers":{"host":'
    b'"127.0.0.1:8090","content-type":"application/json","content-length":"98"},'
    b'"query":{},"ip":"127.0.0.1"},"auth":null,"input":{"name":"Alyx","text":"'
    + b"x" * 60
    + b'"}}}'
)
ANSWER = "    return {'message': 'Hello, ' + ctx.input['name'], 'n': 1}\n"
ID = "0190a1b2-0000-7000-8000-000000000001"
READS = 500
SOURCES = {
    "echo": "KIND handler(ctx):\n" + ANSWER,
    "db": "KIND handler(ctx):\n    if 'reads' in ctx.input:\n"
    "        posts = ctx.db.posts\n        for _ in range(ctx.input['reads']):\n"
    f"            WAIT posts.get('{ID}')\n        return 1\n"
    f"    doc = WAIT ctx.db.posts.get('{ID}')\n"
    "    assert doc['published'] is True\n" + ANSWER,
}
DOCUMENT = (
    b'{"jsonrpc":"2.0","id":%b,"result":{"doc":{"id":"' + ID.encode() + b'",'
    b'"created_at":"2026-01-24T10:30:00.000Z","updated_at":"2026-01-24T10:30:00.000Z",'
    b'"title":"Hello","slug":"hello","published":true,"tags":["a","b"]}}}'
)


def frame(payload: bytes) -> bytes:
    return pack(">I", len(payload)) + payload


class Worker:
    def __init__(self, folder: Path, source: str) -> None:
        path = folder / "s"
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            began = time.perf_counter()
            env = {"ALYX_ADDR": f"unix:{path}", "ALYX_TOKEN": "t"}
            self.process = subprocess.Popen([sys.executable, "-I", SHIM], env=env)
            self.sock, _ = listener.accept()
        self.sock.recv(65536)
        self.start_ms = (time.perf_counter() - began) * 1000
        file = folder / "echo.py"
        file.write_text(source)
        began = time.perf_counter()
        self.sock.sendall(frame(REPLY) + frame((LOAD % file).encode()))
        while b'"result":{}' not in self.sock.recv(65536):
            pass
        self.load_ms = (time.perf_counter() - began) * 1000
        self.next_id = 1
        self.rest = b""

    def run(self, in_flight: int, seconds: float) -> float:
        """Keeps `in_flight` calls in the air; returns calls per second."""
        done = sent = 0
        began = time.perf_counter()
        free = in_flight
        while time.perf_counter() - began < seconds:
            ids = range(self.next_id + sent, self.next_id + sent + free)
            if ids:
                self.sock.sendall(b"".join(frame(INVOKE % id) for id in ids))
            sent += free
            free = self.receive()
            done += free
        rate = done / (time.perf_counter() - began)
        while done < sent:
            done += self.receive()
        self.next_id += sent
        return rate

    def round_trip(self) -> float:
        """Microseconds of one read among many."""
        call = re.sub(rb'"input":.*', b'"input":{"reads":%d}}}' % READS, INVOKE)
        began = time.perf_counter()
        self.sock.sendall(frame(call % self.next_id))
        while not self.receive():
            pass
        self.next_id += 1
        return (time.perf_counter() - began) / READS * 1e6

    def receive(self) -> int:
        """Answers what is asked; returns how many calls were answered."""
        self.rest += self.sock.recv(262144)
        answers, out, self.rest = cut(self.rest)
        if out:
            self.sock.sendall(b"".join(out))
        return answers

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().split()
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        self.sock.close()
        self.process.wait(5)


def cut(data: bytes) -> tuple[int, list[bytes], bytes]:
    """Counts answers, makes those to db.get, and leaves half a frame over."""
    count = pos = 0
    out = []
    while len(data) - pos >= 4:
        end = pos + 4 + int.from_bytes(data[pos : pos + 4], "big")
        if len(data) < end:
            break
        if b'"method":"db.get"' in data[pos:end]:
            at = data.index(b'"id":', pos) + 5
            out.append(frame(DOCUMENT % data[at : data.index(b",", at)]))
        elif b'"result"' in data[pos:end]:
            count += 1
        elif b'"concurrency"' not in data[pos:end]:
            raise SystemExit(f"unexpected: {data[pos:end]!r}")
        pos = end
    return count, out, data[pos:]


def measure(folder: Path, what: str, kind: str, seconds: float) -> str:
    wait, most = ("", 8) if kind == "def" else ("await", 64)
    source = SOURCES[what].replace("KIND", kind).replace("WAIT ", f"{wait} ".lstrip())
    worker = Worker(folder, source)
    rates: dict[int, list[float]] = {n: [] for n in (1, 8, 64) if n <= most}
    trips = []
    for _ in range(5):
        for n, found in rates.items():
            found.append(worker.run(n, seconds / 3))
        if what == "db":
            trips.append(worker.round_trip())
    before, count = worker.cpu_seconds(), worker.next_id
    worker.run(most, seconds)
    cpu = (worker.cpu_seconds() - before) / (worker.next_id - count) * 1e6
    status = Path(f"/proc/{worker.process.pid}/smaps_rollup").read_text()
    pss = int(re.findall(r"Pss:\s+(\d+)", status)[0]) / 1024
    worker.close()
    text = "  ".join(
        f"{n:2d}: {sorted(r)[2]:8,.0f}/s ({min(r):,.0f}..{max(r):,.0f})"
        for n, r in rates.items()
    )
    text += f"  start {worker.start_ms:.0f} ms load {worker.load_ms:.1f} ms"
    text += f"  pss {pss:.1f} MB  cpu {cpu:.1f} us/call"
    if trips:
        text += f"  db.get {sorted(trips)[2]:.1f} us"
    return f"{what:4s} {kind:9s} {text}"


def main() -> None:
    words = sys.argv[1:]
    seconds = float(words.pop(0)) if words and words[0][:1].isdigit() else 1.5
    with tempfile.TemporaryDirectory() as name:
        for what in words or SOURCES:
            for kind in ("def", "async def"):
                print(measure(Path(name), what, kind, seconds), flush=True)


if __name__ == "__main__":
    main()

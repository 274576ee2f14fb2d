"""Echo calls per second through the shim; run by hand, no part of the tests.

    python tests/bench.py [seconds]

The host's side is raw bytes, so that the figure is the shim's alone.
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
    b'"limits":{"maxFrame":8388608}}}'
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
BODY = "handler(ctx):\n    return {'message': 'Hello, ' + ctx.input['name'], 'n': 1}\n"


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

    def run(self, in_flight: int, seconds: float) -> float:
        """Keeps `in_flight` calls in the air; returns calls per second."""
        done = sent = 0
        began = time.perf_counter()
        free = in_flight
        rest = b""
        while time.perf_counter() - began < seconds:
            ids = range(self.next_id + sent, self.next_id + sent + free)
            self.sock.sendall(b"".join(frame(INVOKE % id) for id in ids))
            sent += free
            rest += self.sock.recv(262144)
            answers, rest = cut(rest)
            done += answers
            free = answers
        rate = done / (time.perf_counter() - began)
        while done < sent:
            rest += self.sock.recv(262144)
            answers, rest = cut(rest)
            done += answers
        self.next_id += sent
        return rate

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().split()
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        self.sock.close()
        self.process.wait(5)


def cut(data: bytes) -> tuple[int, bytes]:
    count = pos = 0
    while len(data) - pos >= 4:
        length = int.from_bytes(data[pos : pos + 4], "big")
        if len(data) - pos - 4 < length:
            break
        if b'"result"' not in data[pos : pos + length]:
            raise SystemExit(f"unexpected answer: {data[pos : pos + length]!r}")
        pos += 4 + length
        count += 1
    return count, data[pos:]


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.5
    with tempfile.TemporaryDirectory() as name:
        for kind in ("def", "async def"):
            worker = Worker(Path(name), f"{kind} {BODY}")
            rates: dict[int, list[float]] = {
                n: [] for n in ((1, 8) if kind == "def" else (1, 8, 64))
            }
            for _ in range(5):
                for n, found in rates.items():
                    found.append(worker.run(n, seconds / 3))
            before, count = worker.cpu_seconds(), worker.next_id
            worker.run(64 if kind != "def" else 8, seconds)
            cpu = (worker.cpu_seconds() - before) / (worker.next_id - count) * 1e6
            status = Path(f"/proc/{worker.process.pid}/smaps_rollup").read_text()
            pss = int(re.findall(r"Pss:\s+(\d+)", status)[0]) / 1024
            worker.close()
            text = "  ".join(
                f"{n:2d}: {sorted(r)[2]:8,.0f}/s ({min(r):,.0f}..{max(r):,.0f})"
                for n, r in rates.items()
            )
            print(
                f"{kind:9s} {text}  start {worker.start_ms:.0f} ms"
                f" load {worker.load_ms:.1f} ms  pss {pss:.1f} MB  cpu {cpu:.1f} us/call"
            )


if __name__ == "__main__":
    main()

"""Builds Alyx and the servers it is compared with, under target/bench.

Knows how each is made; nothing of how they are run or measured.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "bench" / "peers"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
FOLDER = TARGET / "bench"

# Generous: a first build on a slow machine.
PATIENCE = 1800

NEEDED = {
    "cargo": "Rust: see https://rustup.rs",
    "node": "Node.js 20 or newer",
    "npm": "npm, which comes with Node.js",
    "go": "Go 1.22 or newer",
}


@dataclass(frozen=True)
class Installed:
    """Where everything is that a contestant starts with."""

    alyx: Path
    node: Path
    node_peers: Path
    python: Path
    net_http: Path
    wrk: Path


def install() -> Installed:
    missing = [hint for tool, hint in NEEDED.items() if shutil.which(tool) is None]
    if missing:
        sys.exit(f"bench: missing: {'; '.join(missing)}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    return Installed(
        alyx=alyx(),
        node=tool("node"),
        node_peers=node_peers(),
        python=python(),
        net_http=net_http(),
        wrk=wrk(),
    )


def tool(name: str) -> Path:
    found = shutil.which(name)
    assert found is not None, f"{name} was there a moment ago"
    return Path(found)


def run(*command: str | Path, cwd: Path = ROOT) -> None:
    done = subprocess.run(command, cwd=cwd, timeout=PATIENCE, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        sys.exit(f"bench: '{' '.join(map(str, command))}' failed")


def alyx() -> Path:
    run("cargo", "build", "--locked", "--release", "--quiet", "--bin", "alyx")
    return TARGET / "release" / "alyx"


def node_peers() -> Path:
    folder = FOLDER / "node"
    folder.mkdir(exist_ok=True)
    for file in PEERS.glob("*.js*"):
        shutil.copy(file, folder)
    lock = (folder / "package-lock.json").read_bytes()
    if is_new("node", lock):
        # Where the headers lie beside Node.js, nothing of it has to be fetched to compile.
        prefix = tool("node").resolve().parent.parent
        headers = [f"--nodedir={prefix}"] if (prefix / "include" / "node").is_dir() else []
        run("npm", "ci", "--silent", "--no-audit", "--no-fund", *headers, cwd=folder)
        remember("node", lock)
    return folder


def commits() -> dict[str, int]:
    """Documents created per second by 64 writers, with shared commits and with one for each."""
    bench = ["cargo", "bench", "--locked", "--quiet", "--package", "alyx", "--bench", "commits"]
    done = subprocess.run(bench, cwd=ROOT, timeout=PATIENCE, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"bench: '{' '.join(bench)}' failed: {done.stderr.strip()}")
    said: dict[str, int] = json.loads(done.stdout.strip().splitlines()[-1])
    return said


def python() -> Path:
    folder = FOLDER / "python"
    program = folder / "bin" / "python"
    pins = (PEERS / "requirements.txt").read_bytes() + sys.version.encode()
    if is_new("python", pins):
        run(sys.executable, "-m", "venv", "--clear", folder)
        pip = (program, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        run(*pip, "-r", PEERS / "requirements.txt")
        remember("python", pins)
    return program


def net_http() -> Path:
    program = FOLDER / "net_http"
    run("go", "build", "-o", program, ".", cwd=PEERS / "net_http")
    return program


def wrk() -> Path:
    if shutil.which("wrk") is None and shutil.which("apt-get") and os.getuid() == 0:
        print("installing wrk", flush=True)
        run("apt-get", "-qq", "update")
        run("apt-get", "-qq", "install", "-y", "--no-install-recommends", "wrk")
    if shutil.which("wrk") is None:
        sys.exit("bench: missing: wrk; as root: apt-get update && apt-get install wrk")
    return tool("wrk")


def is_new(name: str, content: bytes) -> bool:
    stamp = FOLDER / f"{name}.stamp"
    return not stamp.is_file() or stamp.read_text() != digest(content)


def remember(name: str, content: bytes) -> None:
    (FOLDER / f"{name}.stamp").write_text(digest(content))


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

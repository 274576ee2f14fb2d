"""Runs wrk against each server in turn, round after round.

All servers meet the same minute of the same machine: what disturbs one round disturbs all of it,
so ratios are taken within a round.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from contestants import Running, ask
from workloads import Workload

CONNECTIONS = (1, 64)
SCRIPT = Path(__file__).with_name("post.lua")


@dataclass(frozen=True)
class Slot:
    """One server in one round."""

    workload: str
    name: str
    round: int
    connections: int
    per_second: float
    p50_ms: float
    p99_ms: float


def measure(
    wrk: Path, workload: Workload, servers: list[Running], rounds: int, seconds: int
) -> Iterator[Slot]:
    body = workload.task.body
    for server in servers:
        run_wrk(wrk, server, body, max(CONNECTIONS), 1)
    for number in range(rounds):
        # Each round begins with another server, so that none is always first.
        first = number % len(servers)
        for connections in CONNECTIONS:
            for server in servers[first:] + servers[:first]:
                said = run_wrk(wrk, server, body, connections, seconds)
                yield Slot(
                    workload=workload.name,
                    name=server.contestant.name,
                    round=number,
                    connections=connections,
                    per_second=said["requests"] / said["seconds"],
                    p50_ms=said["p50_ms"],
                    p99_ms=said["p99_ms"],
                )
    for server in servers:
        wrong = ask(server, workload.task)
        if wrong:
            raise SystemExit(f"bench: {server.contestant.name} answers {wrong} at the end")


def run_wrk(
    wrk: Path, server: Running, body: str, connections: int, seconds: int
) -> dict[str, float]:
    threads = 2 if connections > 1 and (os.cpu_count() or 1) >= 4 else 1
    load = [f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--timeout", "5s"]
    done = subprocess.run(
        [str(wrk), *load, "-s", str(SCRIPT), server.url, "--", body],
        capture_output=True,
        text=True,
        timeout=seconds + 30,
    )
    if done.returncode != 0:
        raise SystemExit(f"bench: wrk failed: {done.stderr.strip()}")
    said: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    if said["refused"] or said["broken"] or not said["requests"]:
        what = f"{said['refused']:.0f} answers of status 400 and over, {said['broken']:.0f} broken"
        raise SystemExit(f"bench: {server.contestant.name}, {connections} connections: {what}")
    return said

"""Turns measured slots into the Markdown of docs/performance.md.

Knows figures alone: nothing of servers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from statistics import median

from measure import CONNECTIONS, Slot
from workloads import GROUPS, Workload

PAGE = """\
# Performance

Written by `bench/run`; do not edit by hand.

Every server does the same work. Alyx has one worker of the language (`max_instances: 1`); the
others have one process. wrk measures all of them in one run, in turn, {rounds} rounds with
{seconds} s for each server and number of connections.

Machine: {machine}.

{tables}
A ratio is taken within one round, where both servers met the same conditions; the table has the
median of the rounds and the range. Requests per second and latencies are medians of the rounds.

How to read it: Alyx is two processes, the host and the worker, so it gets more than one processor
where there is one to get; a server that is one process cannot. With one connection nothing runs
side by side, and the way through the host shows as added latency. A Python `def` handler runs in
a pool of 8 threads, an `async def` handler inline. The Go worker has `GOMAXPROCS=1`, after
`functions.pool.cpu_limit`; net/http has all processors.

To measure on another machine: `bench/run`, about {minutes} minutes and the time of the builds;
`bench/run --quick` for a glance.
"""


def page(slots: list[Slot], writes: dict[str, int], machine: str, rounds: int, seconds: int) -> str:
    servers = len({(slot.workload, slot.name) for slot in slots})
    minutes = round(servers * (1 + rounds * seconds * len(CONNECTIONS)) / 60) + 1
    text = tables(slots, writes)
    return PAGE.format(
        rounds=rounds, seconds=seconds, machine=machine, tables=text, minutes=minutes
    )


def tables(slots: list[Slot], writes: dict[str, int]) -> str:
    workloads = [workload for group in GROUPS for workload in group.workloads]
    measured = {slot.workload for slot in slots}
    parts = [of_workload(one, slots) for one in workloads if one.name in measured]
    return "\n".join([*parts, of_commits(writes)])


def of_workload(workload: Workload, slots: list[Slot]) -> str:
    own = [slot for slot in slots if slot.workload == workload.name]
    parts = [f"## {workload.name[0].upper()}{workload.name[1:]}\n\n{workload.about}\n"]
    for connections in sorted(CONNECTIONS, reverse=True):
        of_these = [slot for slot in own if slot.connections == connections]
        title = f"{connections} connection{'s' if connections > 1 else ''}"
        parts.append(f"{title}:\n\n{figures(of_these)}\n{ratios(of_these, workload.pairs)}")
    return "\n".join(parts)


def of_commits(writes: dict[str, int]) -> str:
    rows = [
        ("all that wait, up to 256", f"{writes['together']:,}"),
        ("one", f"{writes['alone']:,}"),
    ]
    text = "64 writers that create documents in the host's database, with no function between.\n"
    return f"## Group commit\n\n{text}\n{table(('writes in a commit', 'writes/s'), rows)}"


def figures(slots: list[Slot]) -> str:
    rows = []
    for name in dict.fromkeys(slot.name for slot in slots):
        own = [slot for slot in slots if slot.name == name]
        rate = median(slot.per_second for slot in own)
        p50 = median(slot.p50_ms for slot in own)
        p99 = median(slot.p99_ms for slot in own)
        rows.append((name, f"{rate:,.0f}", f"{p50:.3f}", f"{p99:.3f}"))
    return table(("server", "requests/s", "p50 ms", "p99 ms"), rows)


def ratios(slots: list[Slot], pairs: tuple[tuple[str, str], ...]) -> str:
    rows = []
    for ours, theirs in pairs:
        throughput = ratio(slots, ours, theirs, lambda slot: slot.per_second)
        latency = ratio(slots, ours, theirs, lambda slot: slot.p50_ms)
        rows.append((f"{ours} / {theirs}", throughput, latency))
    return table(("ratio", "requests/s", "p50"), rows)


def ratio(slots: list[Slot], ours: str, theirs: str, figure: Callable[[Slot], float]) -> str:
    of_round = {(slot.round, slot.name): figure(slot) for slot in slots}
    rounds = sorted({slot.round for slot in slots})
    all_of_them = [of_round[number, ours] / of_round[number, theirs] for number in rounds]
    return f"{median(all_of_them):.2f} [{min(all_of_them):.2f}..{max(all_of_them):.2f}]"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---", *("---:" for _ in head[1:])), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)

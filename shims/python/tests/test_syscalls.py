"""Calls to the host side by side: who gets what, and how many at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest

from alyx.runner import Threads
from conftest import Start
from database import GATHER, POOL, echo
from host import Host, Message, reply


@pytest.mark.parametrize("source", [GATHER, POOL])
@pytest.mark.parametrize("n", [50, 2000])
def test_parallel_calls_each_get_their_own(db_host: Host, source: str, n: int) -> None:
    db_host.load(source)
    db_host.database = echo
    assert db_host.output({"n": n}) is True
    assert len(db_host.syscalls) == n


def test_ten_thousand_at_once(db_host: Host) -> None:
    db_host.load(GATHER)
    db_host.database = echo
    assert db_host.output({"n": 10_000}) is True


@pytest.mark.parametrize("source", [GATHER, POOL])
def test_answers_may_come_in_any_order(db_host: Host, source: str) -> None:
    db_host.load(source)
    id = db_host.start({"n": 30})
    calls = [db_host.syscall() for _ in range(30)]
    db_host.send(*(reply(call["id"], echo(call)) for call in reversed(calls)))
    assert db_host.answer(id)["result"]["output"] is True


@pytest.mark.parametrize("source", [GATHER, POOL])
def test_an_invocation_has_so_many_at_once(start: Start, source: str) -> None:
    host = start()
    host.hello("db", maxCallsPerInvocation=5)
    host.load(source)
    id = host.start({"n": 12})
    calls = [host.syscall() for _ in range(5)]
    ping(host)
    for left in range(7, 0, -1):
        call = calls.pop(left % 5)
        host.reply(call, echo(call))
        calls.append(host.syscall())
        ping(host)
    for call in calls:
        host.reply(call, echo(call))
    assert host.answer(id)["result"]["output"] is True


def ping(host: Host) -> None:
    """Nothing else is on its way: pings overtake no calls."""
    id = host.start_call("ping")
    assert host.receive()["id"] == id


def test_a_connection_has_so_many_at_once_and_turns_are_taken(start: Start) -> None:
    host = start()
    host.hello("db", maxCalls=4, maxCallsPerInvocation=3)
    host.load(GATHER)
    invocations = [host.start({"n": 8}) for _ in range(3)]
    held = [host.syscall() for _ in range(4)]
    served: list[int] = []
    while invocations:
        for message in until_quiet(host):
            if "method" in message:
                held.append(message)
            else:
                assert message["result"]["output"] is True
                invocations.remove(message["id"])
        assert min(3, 24 - len(served)) <= len(held) <= 4
        owners = [call["params"]["inv"] for call in held]
        assert max(map(owners.count, owners), default=0) <= 3
        if held:
            call = held.pop(0)
            served.append(call["params"]["inv"])
            host.reply(call, echo(call))
    # Nobody waits until another invocation has had all of its turns.
    assert {served.index(id) for id in served} <= set(range(8))


def until_quiet(host: Host) -> Iterator[Message]:
    """All that was on its way."""
    id = host.start_call("ping")
    while True:
        message = host.receive()
        if message["id"] == id and "method" not in message:
            return
        yield message


def test_sync_and_async_functions_in_one_worker(db_host: Host) -> None:
    db_host.database = echo
    db_host.load(POOL, "pool")
    db_host.load(GATHER, "gather")
    db_host.load(POOL, "more")
    ids = [db_host.start({"n": 40}, name) for name in ("pool", "gather", "more") * 2]
    for _ in ids:
        assert db_host.answer(*ids)["result"]["output"] is True


HIDDEN = """
import asyncio, functools
def hide(handler):
    @functools.wraps(handler)
    def call(ctx):
        return handler(ctx)
    return call
def in_thread(ctx):
    return ctx.db.posts.get("thread")["id"]
@hide
async def handler(ctx):
    doc, other = await asyncio.gather(
        ctx.db.posts.get("task"), asyncio.to_thread(in_thread, ctx))
    task = asyncio.create_task(ctx.db.posts.get("own"))
    return [doc["id"], other, (await task)["id"]]
"""


@pytest.mark.parametrize("source", [HIDDEN, HIDDEN.replace("@hide", "")])
def test_tasks_await_and_threads_block(db_host: Host, source: str) -> None:
    db_host.load(source)
    db_host.database = echo
    assert db_host.output() == ["task", "thread", "own"]


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_waiting_handler_holds_nobody_up(db_host: Host, kind: str) -> None:
    wait = "await " if kind != "def" else ""
    db_host.load(
        f"{kind} handler(ctx):\n    if 'id' in ctx.input:\n"
        f"        return {wait}ctx.db.posts.get(ctx.input['id'])\n    return 1\n"
    )
    waiting = {db_host.start({"id": str(n)}): str(n) for n in range(7)}
    calls = [db_host.syscall() for _ in range(7)]
    for _ in range(20):
        assert db_host.output() == 1
        ping(db_host)
    for call in calls:
        db_host.reply(call, echo(call))
    for _ in calls:
        answer = db_host.answer(*waiting)
        assert answer["result"]["output"] == {"id": waiting[answer["id"]]}


def test_all_threads_may_wait_at_once(db_host: Host) -> None:
    db_host.load("def handler(ctx):\n    return ctx.db.posts.get('x')['id']\n")
    ids = [db_host.start() for _ in range(8)]
    for _ in range(8):
        ping_and_logs(db_host)
    calls = db_host.syscalls
    assert len(calls) == 8
    db_host.send(*(reply(call["id"], echo(call)) for call in calls))
    assert [db_host.answer(*ids)["result"]["output"] for _ in ids] == ["x"] * 8


def ping_and_logs(host: Host) -> None:
    while len(host.syscalls) < 8:
        host.syscall()
    ping(host)


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_database_calls_leave_no_garbage(db_host: Host, kind: str) -> None:
    wait = "await " if kind != "def" else ""
    db_host.load(
        f"import gc\n{kind} handler(ctx):\n    gc.disable()\n"
        "    if ctx.input.get('count'):\n        return gc.collect()\n"
        f"    {wait}ctx.db.posts.get('x')\n    {wait}ctx.db['posts'].get('y')\n"
        f"    try:\n        {wait}ctx.db.posts.get('')\n"
        "    except Exception as error:\n        return error.code\n"
    )
    wrong = {"code": -32042, "message": "empty", "data": {"code": "WRONG"}}
    db_host.database = lambda call: echo(call) if call["params"]["id"] else wrong
    db_host.output({"count": True})
    for _ in range(100):
        assert db_host.output() == "WRONG"
    assert db_host.output({"count": True}) < 50


def test_many_callers_and_random_answers(db_host: Host) -> None:
    """Whatever the order, each thread and task gets what it asked for."""
    import random

    chance = random.Random(5)
    held: list[Message] = []

    def database(call: Message) -> Any:
        held.append(call)
        chance.shuffle(held)
        while len(held) > chance.randrange(4):
            next_one = held.pop()
            db_host.reply(next_one, echo(next_one))

    source = "    for n in range(20):\n        id = f\"{ctx.input['n']}-{n}\"\n" + (
        "        assert (WAITctx.db.posts.get(id))['id'] == id\n    return 1\n"
    )
    db_host.load("def handler(ctx):\n" + source.replace("WAIT", ""), "sync")
    db_host.load("async def handler(ctx):\n" + source.replace("WAIT", "await "), "task")
    db_host.database = database
    ids = [db_host.start({"n": n}, ("sync", "task")[n % 2]) for n in range(8)]
    left = set(ids)
    while left:
        while held and chance.random() < 0.5:
            call = held.pop()
            db_host.reply(call, echo(call))
        if db_host.quiet(0.001):
            while held:
                call = held.pop()
                db_host.reply(call, echo(call))
            continue
        message = db_host.receive()
        if "method" in message and "id" in message:
            db_host.syscalls.append(message)
            database(message)
        elif message.get("id") in left:
            assert message["result"]["output"] == 1
            left.discard(message["id"])


def test_where_no_thread_can_be_had_a_waiting_one_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(**options: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading, "Thread", refuse)
    answered = threading.Lock()
    answered.acquire()
    left = [1, 2, 3]

    def read() -> bool:
        left.pop()
        if not left:
            answered.release()
        return True

    threads = Threads(Mock(), Mock(), read, Mock())
    threads.wake()
    assert threads.sleep(answered, 1.0) is True
    assert left == []

"""Calls to the host side by side: bounds, the end of an invocation, cancelling."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from conftest import Start
from host import Host, Message, cancel, reply

GATHER = """
import asyncio
async def handler(ctx):
    ids = [str(n) for n in range(ctx.input["n"])]
    docs = await asyncio.gather(*(ctx.db.posts.get(id) for id in ids))
    return [doc["id"] for doc in docs] == ids
"""
POOL = """
from concurrent.futures import ThreadPoolExecutor
def handler(ctx):
    ids = [str(n) for n in range(ctx.input["n"])]
    with ThreadPoolExecutor(50) as pool:
        docs = list(pool.map(lambda id: ctx.db.posts.get(id), ids))
    return [doc["id"] for doc in docs] == ids
"""


def echo(call: Message) -> Message:
    return {"doc": {"id": call["params"]["id"]}}


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


# -- the end of the invocation ---------------------------------------------

AFTER = """
import alyx, threading
KEPT = []
KIND handler(ctx):
    if ctx.input.get("after"):
        old = KEPT.pop()
        try:
            return WAIT old.db.posts.get("x")
        except alyx.DatabaseError as error:
            return [error.code, error.message]
    KEPT.append(ctx)
    if ctx.input.get("use"):
        ctx.db.posts
"""


@pytest.mark.parametrize(("kind", "wait"), [("def", ""), ("async def", "await")])
@pytest.mark.parametrize("use", [True, False])
def test_a_call_after_the_answer_is_refused_here(
    db_host: Host, kind: str, wait: str, use: bool
) -> None:
    db_host.load(AFTER.replace("KIND", kind).replace("WAIT ", f"{wait} ".lstrip()))
    db_host.output({"use": use})
    assert db_host.output({"after": True}) == [
        "INVOCATION_ENDED",
        "the handler has returned; wait for every ctx.db call before it does",
    ]
    assert db_host.syscalls == []


ENDED = {
    "code": -32029,
    "message": "invocation 2 has ended",
    "data": {"code": "INVOCATION_ENDED"},
}


def test_calls_left_behind_harm_nothing(start: Start) -> None:
    """Those on their way are the host's to refuse, those in line are ours."""
    host = start()
    host.hello("db", maxCallsPerInvocation=2)
    host.load(
        "import asyncio\nTASKS = set()\nasync def handler(ctx):\n"
        "    if ctx.input:\n        done, _ = await asyncio.wait(TASKS)\n"
        "        return sorted(str(task.exception()) for task in done)\n"
        "    for n in range(4):\n"
        "        TASKS.add(asyncio.ensure_future(ctx.db.posts.get(str(n))))\n"
        "    await asyncio.sleep(0)\n"
    )
    id = host.start()
    calls = [host.syscall() for _ in range(2)]
    assert "result" in host.answer(id)
    second = host.start({"look": True})
    for call in calls:
        host.reply(call, ENDED)
    ours = "the handler has returned; wait for every ctx.db call before it does"
    assert host.answer(second)["result"]["output"] == [
        *[ENDED["message"]] * 2,
        *[ours] * 2,
    ]
    assert host.entries() == []


def test_an_error_that_nobody_sees_is_logged(db_host: Host) -> None:
    db_host.load(
        "import asyncio, gc\nasync def handler(ctx):\n    if ctx.input:\n"
        "        gc.collect()\n        return 1\n"
        "    asyncio.ensure_future(ctx.db.posts.get('x'))\n    await asyncio.sleep(0)\n"
    )
    id = db_host.start()
    call = db_host.syscall()
    db_host.answer(id)
    db_host.reply(call, ENDED)
    assert db_host.output({"again": 1}) == 1
    ping_until_logged(db_host)
    assert "invocation 2 has ended" in db_host.lines()[0]
    assert "goaway" not in [note["method"] for note in db_host.notifications]


def ping_until_logged(host: Host) -> None:
    while not host.entries():
        assert host.call("ping")["result"] == {}


def test_threads_left_behind_are_refused(start: Start) -> None:
    host = start()
    host.hello("db", maxCallsPerInvocation=2)
    host.load(
        "import threading\nTHREADS, FOUND = [], []\ndef look(ctx):\n    try:\n"
        "        ctx.db.posts.get('x')\n    except Exception as error:\n"
        "        FOUND.append(error.code)\n"
        "def handler(ctx):\n    if ctx.input.get('look'):\n"
        "        for thread in THREADS:\n            thread.join()\n        return FOUND\n"
        "    for _ in range(5):\n"
        "        THREADS.append(threading.Thread(target=look, args=(ctx,)))\n"
        "        THREADS[-1].start()\n    ctx.db.posts.get('mine')\n"
    )
    id = host.start()
    mine = ["mine"]
    while mine:
        call = host.syscall()
        found = call["params"]["id"]
        if found in mine:
            mine.remove(found)
            host.reply(call, echo(call))
        elif len(host.syscalls) < 5:
            host.reply(call, echo(call))
    while True:
        message = host.receive()
        if message.get("id") == id and "result" in message:
            break
        host.syscalls.append(message)
        host.reply(message, ENDED)
    for call in host.syscalls[-2:]:
        host.reply(call, ENDED)
    assert set(host.output({"look": True})) <= {"INVOCATION_ENDED"}


# -- cancelling ---------------------------------------------------------------


def test_a_cancelled_task_stops_waiting(db_host: Host) -> None:
    db_host.load(
        "async def handler(ctx):\n    try:\n        await ctx.db.posts.get('x')\n"
        "    finally:\n        print((await ctx.db.locks.get('lock'))['id'])\n"
    )
    id = db_host.start()
    late = db_host.syscall()
    db_host.send(cancel(id))
    cleaning = db_host.syscall()  # is allowed to tidy up
    db_host.reply(cleaning, echo(cleaning))
    assert db_host.answer(id)["error"]["code"] == -32024
    assert db_host.lines() == ["lock"]
    db_host.reply(late, echo(late))
    assert db_host.call("ping")["result"] == {}


def test_a_cancelled_call_in_line_is_never_sent(start: Start) -> None:
    host = start()
    host.hello("db", maxCallsPerInvocation=1)
    host.load(
        "import asyncio\nasync def handler(ctx):\n"
        "    first = asyncio.ensure_future(ctx.db.posts.get('1'))\n"
        "    try:\n        await asyncio.wait_for(ctx.db.posts.create(n=2), 0.01)\n"
        "    except asyncio.TimeoutError:\n        print('given up')\n"
        "    third = await ctx.db.posts.get('3')\n    return [await first, third]\n"
    )
    id = host.start()
    call = host.syscall()
    log = host.receive()
    assert log["params"]["entries"][0]["msg"] == "given up"
    host.reply(call, echo(call))
    host.database = echo
    assert host.answer(id)["result"]["output"] == [{"id": "1"}, {"id": "3"}]
    assert [call["params"]["id"] for call in host.syscalls] == ["1", "3"]


@pytest.mark.parametrize("source", [GATHER, POOL])
def test_cancelling_refuses_what_is_in_line(start: Start, source: str) -> None:
    host = start()
    host.hello("db", maxCallsPerInvocation=3)
    host.load(source)
    id = host.start({"n": 40})
    calls = [host.syscall() for _ in range(3)]
    host.send(cancel(id))
    for call in calls:
        host.reply(call, {"code": -32025, "message": "cut off"})
    assert host.answer(id)["error"]["code"] == -32024
    assert host.call("ping")["result"] == {}
    assert len(host.syscalls) == 3
    assert host.entries() == []


def test_a_cancelled_thread_stops_at_its_next_call(db_host: Host) -> None:
    db_host.load(
        "import alyx\ndef handler(ctx):\n    found = []\n    for n in range(100):\n"
        "        try:\n            found.append(ctx.db.posts.get(str(n))['id'])\n"
        "        except alyx.DatabaseError as error:\n"
        "            return [*found, error.code]\n"
    )
    id = db_host.start()
    call = db_host.syscall()
    db_host.send(cancel(id), reply(call["id"], echo(call)))
    assert db_host.answer(id)["result"]["output"] == ["0", "CANCELLED"]


@pytest.mark.parametrize(("kind", "wait"), [("def", ""), ("async def", "await ")])
def test_the_end_of_the_connection_ends_what_waits(
    start: Start, kind: str, wait: str
) -> None:
    host = start()
    host.hello("db", maxCallsPerInvocation=1)
    host.load(f"{kind} handler(ctx):\n    {wait}ctx.db.posts.get('x')\n")
    for _ in range(5):
        host.start()
    for _ in range(5):
        host.syscall()
    host.close()
    assert host.exit_time() < 1.0


def test_a_host_that_never_answers_is_given_up(db_host: Host) -> None:
    db_host.load("def handler(ctx):\n    ctx.db.posts.get('x')\n")
    id = db_host.start(deadlineMs=0)
    call = db_host.syscall()
    error = db_host.answer(id)["error"]
    assert error["data"]["code"] == "DEADLINE_EXCEEDED"
    assert error["message"] == "the host did not answer db.get in time"
    db_host.reply(call, echo(call))
    assert db_host.call("ping")["result"] == {}


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_database_calls_leave_no_garbage(db_host: Host, kind: str) -> None:
    wait = "await " if kind != "def" else ""
    db_host.load(
        f"import gc\n{kind} handler(ctx):\n    gc.disable()\n"
        "    if ctx.input.get('count'):\n        return gc.collect()\n"
        f"    {wait}ctx.db.posts.get('x')\n    {wait}ctx.db['posts'].get('y')\n"
    )
    db_host.database = echo
    db_host.output({"count": True})
    for _ in range(100):
        db_host.output()
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

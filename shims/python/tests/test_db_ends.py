"""Calls to the host that outlive something: their invocation, a cancel, the host."""

from __future__ import annotations

import pytest

from conftest import Start
from database import GATHER, POOL, echo
from host import Host, cancel, reply

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
    gate = host.folder / "gate"
    host.hello("db", maxCallsPerInvocation=2)
    host.load(
        "import os, threading, time\nTHREADS, FOUND = [], []\ndef look(ctx):\n    try:\n"
        "        ctx.db.posts.get('x')\n    except Exception as error:\n"
        "        FOUND.append(error.code)\n"
        "def handler(ctx):\n    if ctx.input.get('look'):\n"
        "        for thread in THREADS:\n            thread.join()\n        return FOUND\n"
        "    for _ in range(5):\n"
        "        THREADS.append(threading.Thread(target=look, args=(ctx,)))\n"
        "        THREADS[-1].start()\n"
        f"    while not os.path.exists({str(gate)!r}):\n        time.sleep(0.001)\n"
    )
    id = host.start()
    calls = [host.syscall() for _ in range(2)]
    gate.touch()
    assert "result" in host.answer(id)
    for call in calls:
        host.reply(call, ENDED)
    assert host.output({"look": True}) == ["INVOCATION_ENDED"] * 5
    assert len(host.syscalls) == 2


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
        "    await asyncio.sleep(0)\n"
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


def test_a_forked_process_has_no_database(db_host: Host) -> None:
    db_host.load(
        "import alyx, os\ndef handler(ctx):\n    pid = os.fork()\n    if pid == 0:\n"
        "        try:\n            ctx.db.posts.get('x')\n"
        "        except alyx.DatabaseError as error:\n"
        "            os._exit(7 if error.code == 'UNAVAILABLE' else 8)\n"
        "        os._exit(9)\n    return os.waitpid(pid, 0)[1] >> 8\n"
    )
    assert db_host.output() == 7
    assert db_host.syscalls == []

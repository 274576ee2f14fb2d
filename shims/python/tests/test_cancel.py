"""Stopping what runs: each invocation is answered once, when it has stopped."""

from __future__ import annotations

import pytest

from host import Host, cancel, request

SLEEPER = """
import asyncio
async def handler(ctx):
    try:
        print("begun")
        await asyncio.sleep(60)
    finally:
        ctx.log.info("cleaned up")
"""


def begun(host: Host, id: int) -> None:
    """Waits for the handler's first line."""
    while not host.entries(id):
        message = host.receive()
        assert message.get("method") == "log", message
        host.logs.append(message["params"])


def test_an_async_handler_is_cancelled(host: Host) -> None:
    host.load(SLEEPER)
    id = host.start()
    begun(host, id)
    host.send(cancel(id), cancel(id))
    assert host.answer(id)["error"] == {
        "code": -32024,
        "message": "cancelled",
        "data": {"code": "CANCELLED"},
    }
    assert host.lines() == ["begun", "cleaned up"]
    host.send(cancel(id))
    assert host.call("ping")["result"] == {}
    assert host.strays == []


def test_other_calls_go_on(host: Host) -> None:
    host.load(
        "import asyncio\nGATE = asyncio.Event()\nasync def handler(ctx):\n"
        "    if ctx.input.get('open'):\n        GATE.set()\n"
        "    await GATE.wait()\n    return 1\n"
    )
    first, second = host.start(), host.start()
    host.send(cancel(first))
    assert host.answer(first, second)["id"] == first
    third = host.start({"open": True})
    assert {host.answer(second, third)["id"] for _ in range(2)} == {second, third}


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_cancel_in_the_same_read_is_not_lost(host: Host, kind: str) -> None:
    host.load(
        f"import asyncio, time\n{kind} handler(ctx):\n    time.sleep(0)\n"
        + ("    await asyncio.sleep(60)\n" if kind != "def" else "    time.sleep(60)\n")
    )
    params = {"function": "f", "revision": "r1", "input": {}}
    for id in range(100, 120):
        host.send(request(id, "invoke", params), cancel(id))
        assert host.answer(id)["error"]["code"] == -32024


@pytest.mark.parametrize(
    ("ending", "output"),
    [("return 'late'", "late"), ("raise ValueError('late')", None)],
)
def test_a_handler_that_goes_on_answers_when_it_ends(
    host: Host, ending: str, output: str | None
) -> None:
    host.load(
        "import asyncio\nasync def handler(ctx):\n    print('begun')\n    try:\n"
        "        await asyncio.sleep(60)\n    except asyncio.CancelledError:\n"
        f"        await asyncio.sleep(0)\n        {ending}\n"
    )
    id = host.start()
    begun(host, id)
    host.send(cancel(id))
    answer = host.answer(id)
    if output is not None:
        assert answer["result"]["output"] == output
    else:
        assert answer["error"]["code"] == -32024


@pytest.mark.parametrize("ending", ["return 1", "raise ValueError"])
def test_a_sync_handler_answers_late(host: Host, ending: str) -> None:
    gate = host.folder / "gate"
    host.load(
        "import os, time\ndef handler(ctx):\n    print('begun')\n"
        f"    while not os.path.exists({str(gate)!r}):\n        time.sleep(0.001)\n"
        f"    {ending}\n"
    )
    id = host.start()
    begun(host, id)
    host.send(cancel(id))
    assert host.call("ping")["result"] == {}
    assert host.strays == []
    gate.touch()
    answer = host.answer(id)
    if ending == "return 1":
        assert answer["result"]["output"] == 1
    else:
        assert answer["error"]["code"] == -32024


def test_cancelling_what_a_decorator_hid(host: Host) -> None:
    host.load(
        "import asyncio\ndef handler(ctx):\n    print('begun')\n"
        "    return asyncio.sleep(60)\n"
    )
    id = host.start()
    begun(host, id)
    host.send(cancel(id))
    assert host.answer(id)["error"]["code"] == -32024


def test_cancel_while_the_loop_is_busy(host: Host) -> None:
    """The start of a call and its cancel are found together, later."""
    gate = host.folder / "gate"
    host.load(
        "import asyncio, os, time\nasync def handler(ctx):\n"
        "    if ctx.input.get('block'):\n        print('begun')\n"
        f"        while not os.path.exists({str(gate)!r}):\n"
        "            time.sleep(0.001)\n        return 1\n"
        "    print('ran')\n    await asyncio.sleep(60)\n"
    )
    first = host.start({"block": True})
    begun(host, first)
    ids = []
    for _ in range(10):
        ids.append(host.start())
        host.send(cancel(ids[-1]))
    gate.touch()
    answers = [host.answer(first, *ids) for _ in range(11)]
    assert {a["id"] for a in answers if "error" in a} == set(ids)
    assert "ran" not in host.lines()


def test_cancel_races_with_the_end(host: Host) -> None:
    """Whoever wins, there is one answer, and the worker serves on."""
    host.load(
        "import asyncio\nasync def handler(ctx):\n"
        "    for _ in range(ctx.input['turns']):\n        await asyncio.sleep(0)\n"
        "    return 1\n"
    )
    for turns in range(200):
        id = host.start({"turns": turns % 20})
        host.send(cancel(id))
        answer = host.answer(id)
        assert "result" in answer or answer["error"]["code"] == -32024
    assert host.strays == []

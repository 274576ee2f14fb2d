"""What a handler gets and what comes of what it returns."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import pytest

from host import Host

ECHO = "def handler(ctx):\n    return ctx.input['v']\n"
ASYNC_ECHO = "async " + ECHO


@pytest.mark.parametrize("source", [ECHO, ASYNC_ECHO])
@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -1.5,
        2**63,
        "",
        "日本語 🎉 \x00\u2028",
        [],
        {},
        [{"a": [None, {"b": {}}]}],
        "\ud800 alone",
        "x" * 1_000_000,
    ],
)
def test_every_json_value_comes_back(host: Host, source: str, value: Any) -> None:
    host.load(source)
    assert host.output({"v": value}) == value


def test_nothing_returned_is_null(host: Host) -> None:
    host.load("def handler(ctx):\n    pass\n")
    answer = host.invoke()
    assert answer["result"] == {"output": None}


@pytest.mark.parametrize(
    ("expression", "what"),
    [
        ("float('nan')", "result: NaN"),
        ("{'a': [1, float('inf')]}", "result.a[1]: Infinity"),
        ("__import__('datetime').datetime.now()", "result: datetime"),
        ("{'items': [1, 2, {3}]}", "result.items[2]: set"),
        ("b'x'", "result: bytes"),
        ("(x := [], x.append(x))[0]", "result[0]: cycle"),
        ("{(1, 2): 3}", "result: key of type tuple"),
        ("handler", "result: function"),
        ("(i for i in [])", "result: generator"),
        ("10 ** 5000", "result: int"),
        ("ctx", "result: Context"),
        ("deep()", "result: nested too deeply"),
    ],
)
def test_what_json_cannot_carry(host: Host, expression: str, what: str) -> None:
    if what == "result: int" and not hasattr(sys, "get_int_max_str_digits"):
        expression, what = "1j", "result: complex"  # this Python has no such limit
    host.load(
        f"def handler(ctx):\n    return 1 if ctx.input else {expression}\n"
        "def deep():\n    v = []\n    for _ in range(200000):\n        v = [v]\n"
        "    return v\n"
    )
    error = host.error()
    assert (error["code"], error["data"]["code"]) == (-32027, "RESULT_NOT_SERIALIZABLE")
    assert error["message"] == f"{what} cannot be sent as JSON"
    assert host.output({"again": True}) == 1


def test_keys_become_strings_as_json_has_it(host: Host) -> None:
    assert host.run("def handler(ctx):\n    return {1: 2, None: 3, True: 4}\n") == {
        "1": 4,
        "null": 3,
    }


def test_a_result_over_the_limit_is_refused(host: Host) -> None:
    host.load("def handler(ctx):\n    return 'x' * ctx.input['n']\n")
    error = host.error({"n": 9_000_000})
    assert (error["code"], error["data"]["code"]) == (-32028, "FRAME_TOO_LARGE")
    assert error["data"]["details"]["limit"] == 8388608
    assert len(host.output({"n": 8_000_000})) == 8_000_000


TOUR = """
{kind} handler(ctx):
    return {{
        "input": ctx.input,
        "auth": ctx.auth and [ctx.auth.id, ctx.auth["role"], ctx.auth.get("no")],
        "env": [ctx.env["A"], ctx.env.get("B"), "B" in ctx.env, ctx.env],
        "function": [ctx.function.name, ctx.function.revision],
        "request": [ctx.request.id, ctx.request.method, ctx.request.ip],
        "headers": ctx.request.headers,
        "query": ctx.request.query,
        "deadline": ctx.deadline,
    }}
"""


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_the_context(host: Host, kind: str) -> None:
    host.load(TOUR.format(kind=kind), env={"A": "1"})
    before = time.time()
    found = host.output(
        {"x": 1},
        requestId="req-1",
        deadlineMs=5000,
        auth={"id": "u1", "email": "a@b.c", "role": "user", "metadata": {}},
        trigger={
            "type": "http",
            "method": "POST",
            "headers": {"x-a": "b"},
            "query": {"one": ["1"], "two": ["1", "2"], "none": [""]},
            "ip": "::1",
        },
    )
    assert before + 5 <= found.pop("deadline") <= time.time() + 5
    assert found == {
        "input": {"x": 1},
        "auth": ["u1", "user", None],
        "env": ["1", None, False, {"A": "1"}],
        "function": ["f", "r1"],
        "request": ["req-1", "POST", "::1"],
        "headers": {"x-a": "b"},
        "query": {"one": "1", "two": ["1", "2"], "none": ""},
    }


def test_members_that_are_missing_have_defaults(host: Host) -> None:
    host.load(TOUR.format(kind="def"), env={"A": "1"})
    answer = host.call("invoke", {"function": "f", "revision": "r1"})
    found = answer["result"]["output"]
    assert abs(found["deadline"] - time.time() - 30) < 5
    assert (found["input"], found["auth"]) == ({}, None)
    assert found["request"] == ["", "", ""]
    assert (found["headers"], found["query"]) == ({}, {})


def test_env_is_read_only_and_no_part_of_the_process(host: Host) -> None:
    host.load(
        "import os\ndef handler(ctx):\n"
        "    for change in (lambda: ctx.env.update(A='2'), ctx.env.clear,\n"
        "                   lambda: ctx.env.__setitem__('A', '2'),\n"
        "                   lambda: ctx.env.pop('A')):\n"
        "        try:\n            change()\n            return 'changed'\n"
        "        except TypeError:\n            pass\n"
        "    return [dict(ctx.env), sorted(k for k in os.environ if k[:1] != 'L')]\n",
        env={"A": "1"},
    )
    # LC_CTYPE is what Python itself sets.
    assert host.output() == [{"A": "1"}, []]


@pytest.mark.parametrize(
    "source",
    [
        "import functools\n"
        "def deco(f):\n    @functools.wraps(f)\n    def call(ctx):\n        return f(ctx)\n"
        "    return call\n"
        "@deco\nasync def handler(ctx):\n    print('in')\n    return ctx.input['v']\n",
        "class H:\n    async def __call__(self, ctx):\n        return ctx.input['v']\n"
        "handler = H()\n",
        "class H:\n    def run(self, ctx):\n        return ctx.input['v']\n"
        "handler = H().run\n",
        "import functools\nasync def f(x, ctx):\n    return ctx.input['v']\n"
        "handler = functools.partial(f, 1)\n",
        "handler = lambda ctx: ctx.input['v']\n",
    ],
)
def test_handlers_of_every_make(host: Host, source: str) -> None:
    host.load(source)
    assert [host.output({"v": v}) for v in (1, [2])] == [1, [2]]


@pytest.mark.parametrize(
    ("kind", "pause", "most"),
    [
        ("def", "time.sleep", 8),
        ("async def", "await asyncio.sleep", 64),
    ],
)
def test_calls_run_side_by_side(host: Host, kind: str, pause: str, most: int) -> None:
    # Each call waits until as many others have begun: alone none would end.
    host.load(
        f"import asyncio, time\nBEGUN = []\n{kind} handler(ctx):\n"
        f"    BEGUN.append(ctx.input['n'])\n    while len(BEGUN) < {most}:\n"
        f"        {pause}(0.001)\n    return ctx.input['n']\n"
    )
    ids = {host.start({"n": n}): n for n in range(most)}
    answers = [host.answer(*ids) for _ in ids]
    assert {a["id"]: a["result"]["output"] for a in answers} == ids


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_500_calls_each_get_their_own_answer(host: Host, kind: str) -> None:
    host.load(
        f"import alyx\n{kind} handler(ctx):\n    n = ctx.input['n']\n"
        "    if n % 3 == 0:\n        raise alyx.Error('N', str(n))\n    return n\n"
    )
    window = 8 if kind == "def" else 64
    waiting: dict[int, int] = {}
    left = list(range(500))
    while waiting or left:
        while left and len(waiting) < window:
            n = left.pop()
            waiting[host.start({"n": n})] = n
        answer = host.answer(*waiting)
        n = waiting.pop(answer["id"])
        if n % 3:
            assert answer["result"]["output"] == n
        else:
            assert answer["error"]["message"] == str(n)
    assert host.strays == []


def test_a_blocked_handler_holds_no_answer_back(host: Host) -> None:
    """Quick calls in one burst with slow ones are answered at once."""
    gate = host.folder / "gate"
    host.load(
        "import os, time\ndef handler(ctx):\n    while ctx.input['wait'] and not "
        f"os.path.exists({str(gate)!r}):\n        time.sleep(0.001)\n    return 1\n"
    )
    for _ in range(20):
        params = {"function": "f", "revision": "r1"}
        plan = [False, True, False, True, False, False, True, False]
        messages = [
            {
                "jsonrpc": "2.0",
                "id": 1000 + n,
                "method": "invoke",
                "params": {**params, "input": {"wait": wait}},
            }
            for n, wait in enumerate(plan)
        ]
        host.send(*messages)
        quick = {1000 + n for n, wait in enumerate(plan) if not wait}
        slow = {1000 + n for n, wait in enumerate(plan) if wait}
        assert {host.answer(*quick)["id"] for _ in quick} == quick
        gate.touch()
        assert {host.answer(*slow)["id"] for _ in slow} == slow
        gate.unlink()


def test_more_calls_than_offered_are_refused(host: Host) -> None:
    host.load("import asyncio\nasync def handler(ctx):\n    await asyncio.sleep(60)\n")
    for _ in range(64):
        host.start()
    error = host.error()
    assert (error["code"], error["data"]["retryable"]) == (-32026, True)


def test_context_variables_do_not_cross(host: Host) -> None:
    host.load(
        "from contextvars import ContextVar\nV = ContextVar('v', default=0)\n"
        "def handler(ctx):\n    V.set(V.get() + 1)\n    return V.get()\n"
    )
    assert [host.output() for _ in range(5)] == [1] * 5


def test_the_token_and_the_address_are_hidden(host: Host) -> None:
    source = "import os\ndef handler(ctx):\n    return [k for k in os.environ if 'ALYX' in k]\n"
    assert host.run(source) == []


def test_children_inherit_no_connection(host: Host) -> None:
    host.load(
        "import subprocess, sys\ndef handler(ctx):\n    return subprocess.check_output("
        "['ls', '-l', '/proc/self/fd'], text=True)\n"
    )
    assert "socket" not in host.output()
    assert os.path.exists("/proc/self/fd")


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_calls_leave_no_garbage(host: Host, kind: str) -> None:
    """What needs the collector costs memory and time at every call."""
    host.load(
        f"import gc, alyx\n{kind} handler(ctx):\n    gc.disable()\n"
        "    if ctx.input.get('count'):\n        return gc.collect()\n"
        "    ctx.log.info('x', {'a': 1})\n    print('y', ctx.request.ip, ctx.env)\n"
        "    return [ctx.input]\n"
    )
    host.output({"count": True})
    for _ in range(100):
        host.output()
    assert host.output({"count": True}) < 50

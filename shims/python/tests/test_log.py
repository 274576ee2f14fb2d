"""What functions say: ctx.log, print, logging; order, limits and ownership."""

from __future__ import annotations

import time
from typing import Any

import pytest

from host import Host


def said(host: Host, body: str, input: object = None) -> list[dict[str, Any]]:
    """Runs a `def` handler and returns its entries without their time."""
    indented = "".join(f"    {line}\n" for line in body.splitlines())
    host.load(f"import sys\ndef handler(ctx):\n{indented}")
    host.invoke(input)
    entries = host.entries()
    for entry in entries:
        assert abs(entry.pop("ts") - time.time() * 1000) < 60_000
    return entries


def test_levels_and_fields(host: Host) -> None:
    entries = said(
        host,
        "ctx.log.debug('d')\nctx.log.info('i', {'a': [1, None]})\n"
        "ctx.log.warn('w', b=2)\nctx.log.error('e', {'a': 1}, b=2)\n"
        "ctx.log.warning(5, 'text')\nctx.log.info('', {})",
    )
    assert entries == [
        {"level": "debug", "msg": "d"},
        {"level": "info", "msg": "i", "fields": {"a": [1, None]}},
        {"level": "warn", "msg": "w", "fields": {"b": 2}},
        {"level": "error", "msg": "e", "fields": {"a": 1, "b": 2}},
        {"level": "warn", "msg": "5", "fields": {"value": "text"}},
        {"level": "info", "msg": ""},
    ]


def test_what_json_cannot_carry_is_marked(host: Host) -> None:
    entries = said(
        host,
        "import datetime\ncycle = {}\ncycle['self'] = cycle\ndeep = []\n"
        "for _ in range(100_000):\n    deep = [deep]\n"
        "class Bad:\n    def __repr__(self):\n        raise ValueError\n"
        "    __str__ = __repr__\n"
        "ctx.log.info('a', {'at': datetime.date(2026, 1, 2), 'nan': float('nan'),\n"
        "    'cycle': cycle, 'set': {1}, (1, 2): b'x', 'bad': Bad(), 'good': 1})\n"
        "ctx.log.info(Bad(), deep=deep)\n"
        "ctx.log.info('\\ud800', s='\\udfff')",
    )
    assert entries[0]["fields"] == {
        "at": "[date: datetime.date(2026, 1, 2)]",
        "nan": "[float: nan]",
        "cycle": {"self": "[cycle]"},
        "set": [1],
        "(1, 2)": "[bytes: b'x']",
        "bad": "[Bad: [Bad]]",
        "good": 1,
    }
    assert entries[1]["msg"] == "[Bad]"
    assert "[nested too deeply]" in str(entries[1]["fields"])
    assert entries[2] == {"level": "info", "msg": "\ud800", "fields": {"s": "\udfff"}}


def test_print_is_an_entry_a_line(host: Host) -> None:
    entries = said(
        host,
        "print('one', 2)\nprint('a\\nb\\n\\nc')\nprint('no ', end='')\n"
        "print('end', end='', flush=True)\nprint('!')\nprint('err', file=sys.stderr)\n"
        "sys.stdout.writelines(['x', 'y\\n'])\nsys.stderr.write('open')",
    )
    assert [e["msg"] for e in entries] == [
        *("one 2", "a", "b", "", "c", "no end!", "err", "xy", "open")
    ]
    assert {(e["source"], e["level"]) for e in entries} == {
        ("stdout", "info"),
        ("stderr", "warn"),
    }


def test_logging_and_warnings_find_their_way(host: Host) -> None:
    entries = said(
        host,
        "import logging, warnings\nlogging.basicConfig(format='%(levelname)s %(message)s')\n"
        "logging.getLogger('x').error('bad %d', 7)\nwarnings.warn('old')",
    )
    assert entries[0]["msg"] == "ERROR bad 7"
    assert entries[0]["source"] == "stderr"
    assert "UserWarning: old" in entries[1]["msg"]


def test_a_long_message_is_cut(host: Host) -> None:
    entries = said(
        host,
        "ctx.log.info('x' * 1_000_000)\nprint('ü' * 500_000)\n"
        "for _ in range(1000):\n    sys.stdout.write('y' * 1000)\nprint()\n"
        "ctx.log.info('f', {'big': 'z' * 20_000})",
    )
    for entry, size in zip(entries, (1_000_000, 1_000_000, 1_000_000)):
        kept, _, count = entry["msg"].partition(" …[cut, ")
        assert count == f"{size - len(kept.encode())} bytes]"
        assert 16_000 < len(entry["msg"].encode()) <= 16384
    assert entries[3]["fields"] == {"cut": "[cut, 20010 bytes]"}


def test_the_hosts_limits_are_kept(start: Any) -> None:
    host = start()
    host.hello(maxLogEntry=100, maxLogBytes=1000)
    host.load(
        "def handler(ctx):\n    for n in range(50):\n        ctx.log.info('x' * 90)\n"
        "    print('tail', end='')\n"
    )
    answer = host.invoke()
    assert answer["result"] == {"output": None}
    entries = host.entries()
    assert len(entries) == 11
    assert {e["msg"] for e in entries} == {"x" * 90}
    # One marker counts the rest, the line without an end too.
    assert host.logs[-1] == {
        "inv": host.logs[0]["inv"],
        "entries": [],
        "dropped": 51 - len(entries),
    }
    host.logs.clear()
    host.invoke()
    assert host.logs[-1]["dropped"] == 51 - len(entries)


def test_a_flood_does_not_drown_the_worker(host: Host) -> None:
    host.load(
        "def handler(ctx):\n    for n in range(100_000):\n        print('line', n)\n"
    )
    host.invoke()
    entries = host.entries()
    assert sum(log.get("dropped", 0) for log in host.logs) == 100_000 - len(entries)
    assert [e["msg"] for e in entries[:2]] == ["line 0", "line 1"]
    assert 262_000 < sum(len(e["msg"]) for e in entries) <= 262_144


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_lines_belong_to_their_invocation(host: Host, kind: str) -> None:
    pause = "await asyncio.sleep(0)" if kind != "def" else "time.sleep(0.0001)"
    host.load(
        f"import asyncio, time\n{kind} handler(ctx):\n    n = ctx.input['n']\n"
        f"    for step in range(20):\n        print(n, end='')\n        {pause}\n"
        "        print(':', step)\n        ctx.log.info(str(n))\n"
    )
    ids = {host.start({"n": n}): n for n in range(8)}
    for _ in ids:
        host.answer(*ids)
    for id, n in ids.items():
        lines = [e["msg"] for e in host.entries(id)]
        assert lines == [text for s in range(20) for text in (f"{n}: {s}", str(n))]


def test_tasks_and_to_thread_carry_the_invocation(host: Host) -> None:
    host.load(
        "import asyncio, contextvars, threading\nasync def part(n):\n    print('task', n)\n"
        "async def handler(ctx):\n    await asyncio.gather(part(1), part(2))\n"
        "    await asyncio.get_running_loop().run_in_executor(\n"
        "        None, contextvars.copy_context().run, print, 'copied')\n"
        "    t = threading.Thread(target=print, args=('bare',))\n"
        "    t.start()\n    t.join()\n"
    )
    host.invoke()
    assert host.lines() == ["task 1", "task 2", "copied"]
    host.close()
    assert host.stdout() == "bare\n"


def test_output_of_nobody_goes_to_the_real_streams(host: Host) -> None:
    host.load(
        "import asyncio, sys, os, threading\nt = threading.Thread(target=print, args=('bare',))\n"
        "t.start()\nt.join()\n"
        "async def later():\n    await asyncio.sleep(0)\n    print('after')\n"
        "async def handler(ctx):\n    global T\n    T = asyncio.ensure_future(later())\n"
        "    sys.stdout.buffer.write(b'bytes\\n')\n    sys.stdout.buffer.flush()\n"
        "    os.write(sys.stdout.fileno(), b'fd\\n')\n"
    )
    host.invoke()
    assert host.lines() == []
    host.output()
    host.call("shutdown", {"graceMs": 1000})
    assert host.stdout() == "bare\nbytes\nfd\nafter\nbytes\nfd\nafter\n"


def test_output_while_loading_belongs_to_no_invocation(host: Host) -> None:
    host.load(
        "import sys\nprint('one')\nprint('two', file=sys.stderr)\nprint('open', end='')\n"
        "def handler(ctx): pass\n"
    )
    assert all("inv" not in log for log in host.logs)
    assert [(e["msg"], e["source"]) for e in host.entries()] == [
        ("one", "stdout"),
        ("two", "stderr"),
        ("open", "stdout"),
    ]


def test_the_streams_look_like_streams(host: Host) -> None:
    source = """
import io, sys
def handler(ctx):
    s = sys.stdout
    assert isinstance(s, io.TextIOBase)
    s.flush()
    s.close()
    s.reconfigure(line_buffering=True)
    assert s.writable() and not s.readable() and not s.closed
    try:
        s.write(b"bytes")
    except TypeError:
        pass
    return [s.fileno(), s.isatty(), s.encoding.lower(), s.name, s.write("four")]
"""
    assert host.run(source) == [1, False, "utf-8", "<stdout>", 4]
    assert host.lines() == ["four"]


def test_log_lines_are_out_before_a_crash(host: Host) -> None:
    host.load(
        "import os\ndef handler(ctx):\n    ctx.log.info('one')\n    print('two')\n"
        "    os._exit(7)\n"
    )
    host.start()
    with pytest.raises(EOFError):
        host.answer(-1)
    assert host.lines() == ["one", "two"]
    assert host.wait() == 7


def test_log_lines_are_out_before_a_busy_loop(host: Host) -> None:
    host.load("def handler(ctx):\n    ctx.log.info('one')\n    while True: pass\n")
    host.start()
    assert host.receive()["params"]["entries"][0]["msg"] == "one"


def test_a_log_after_the_answer_harms_nothing(host: Host) -> None:
    host.load(
        "import asyncio\nasync def later(ctx):\n    await asyncio.sleep(0)\n"
        "    ctx.log.info('late')\nasync def handler(ctx):\n    global T\n"
        "    T = asyncio.ensure_future(later(ctx))\n"
    )
    host.invoke()
    late = host.receive()["params"]
    assert late["entries"][0]["msg"] == "late"
    assert "inv" not in late
    assert host.call("ping")["result"] == {}


def test_late_failures_are_logged(host: Host) -> None:
    host.load(
        "import asyncio, gc\nasync def fails():\n    raise ValueError('late')\n"
        "async def handler(ctx):\n    if ctx.input:\n        gc.collect()\n        return 1\n"
        "    asyncio.ensure_future(fails())\n    def boom():\n        1 / 0\n"
        "    asyncio.get_running_loop().call_soon(boom)\n"
    )
    host.invoke()
    assert host.output({"again": 1}) == 1
    host.call("ping")
    errors = {e["msg"] for e in host.entries() if e["level"] == "error"}
    assert any("ValueError: late" in text for text in errors), host.logs
    assert any("ZeroDivisionError" in text for text in errors), host.logs


def test_sys_exit_in_a_task_does_not_stop_the_loop(host: Host) -> None:
    host.load(
        "import asyncio, sys\nasync def leave():\n    sys.exit(4)\n"
        "async def handler(ctx):\n    if not ctx.input:\n"
        "        asyncio.ensure_future(leave())\n    await asyncio.sleep(0.01)\n"
        "    return 1\n"
    )
    assert host.output() == 1
    assert any("SystemExit" in e["msg"] for e in host.entries())
    assert host.output({"again": 1}) == 1


def test_a_finaliser_that_prints_blocks_nothing(host: Host) -> None:
    host.load(
        "import gc\nclass Noisy:\n    def __init__(self):\n        self.me = self\n"
        "    def __del__(self):\n        print('gone')\n"
        "def handler(ctx):\n    for _ in range(300):\n        Noisy()\n"
        "        print('here', {'a': [Noisy()]} and '')\n    gc.collect()\n    return 1\n"
    )
    assert host.output() == 1
    # A finaliser may run in the middle of a line.
    text = "".join(host.lines())
    assert (text.count("here"), text.count("gone")) == (300, 600)

"""How a worker begins and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Start
from host import SHIM, Host

PACKAGE = Path(__file__).parent.parent
SLEEP = "import asyncio\nasync def handler(ctx):\n    await asyncio.sleep(60)\n"
FINISH = """
import os, time
def handler(ctx):
    print("begun")
    while not os.path.exists(ctx.input["gate"]):
        time.sleep(0.001)
    return "done"
"""


def test_hello_says_who_we_are(start: Start) -> None:
    host = start()
    hello = host.receive()
    params = hello["params"]
    assert (hello["id"], hello["method"]) == (1, "hello")
    assert params["token"] == "secret"
    assert params["pid"] == host.process.pid
    assert params["protocolVersions"] == [1]
    assert params["concurrency"] == {"max": 64}
    assert params["capabilities"] == {"load": {}}
    assert params["limits"] == {"maxFrame": 16777215}
    assert params["runtime"]["languageVersion"] == ".".join(
        map(str, sys.version_info[:3])
    )


@pytest.mark.parametrize("transport", ["unix", "tcp", "stdio"])
def test_every_transport_serves(start: Start, transport: str) -> None:
    host = start(transport)
    host.hello()
    host.load(
        "print('loading')\ndef handler(ctx):\n    print('hi')\n"
        "    return [ctx.input, 'x' * 300_000]\n"
    )
    big = {"text": "y" * 2_000_000}
    assert host.output(big) == [big, "x" * 300_000]
    assert host.lines() == ["loading", "hi"]
    assert host.call("shutdown", {"graceMs": 100})["result"] == {}
    assert host.wait() == 0


def test_stdio_belongs_to_the_protocol_alone(start: Start) -> None:
    host = start("stdio")
    host.hello()
    host.load(
        "import os, subprocess\nos.write(1, b'raw\\n')\n"
        "def handler(ctx):\n    subprocess.run(['echo', 'child'])\n"
        "    try:\n        input()\n    except EOFError:\n        return 'no input'\n"
    )
    assert host.output() == "no input"
    host.close()
    assert host.stderr() == "raw\nchild\n"


def test_without_an_address_there_is_a_usage_line() -> None:
    for env in ({}, {"ALYX_ADDR": "x"}, {"ALYX_ADDR": "tcp:1:x"}):
        found = subprocess.run(
            [sys.executable, "-I", SHIM], env=env, capture_output=True, text=True
        )
        assert found.returncode == 2
        assert found.stderr.startswith("usage: ALYX_ADDR=")
        assert found.stderr.count("\n") == 1


def test_nobody_listens(tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-I", SHIM],
        env={"ALYX_ADDR": f"unix:{tmp_path}/nope"},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 1
    assert found.stderr.startswith("alyx-shim-python: cannot connect to 'unix:")
    assert found.stderr.count("\n") == 1


def test_a_refused_hello_ends_the_worker(start: Start) -> None:
    host = start()
    hello = host.receive()
    error = {
        "code": -32031,
        "message": "bad token",
        "data": {"code": "UNAUTHENTICATED"},
    }
    host.send({"jsonrpc": "2.0", "id": hello["id"], "error": error})
    assert host.wait() == 1
    assert host.stderr() == "alyx-shim-python: the host refused hello: bad token\n"


def test_a_version_that_was_not_offered_ends_the_worker(start: Start) -> None:
    host = start()
    hello = host.receive()
    host.send({"jsonrpc": "2.0", "id": hello["id"], "result": {"protocolVersion": 2}})
    assert host.wait() == 1
    assert host.stderr() == "alyx-shim-python: the host wants version 2, not 1\n"


def test_a_host_that_leaves_before_hello_is_answered(start: Start) -> None:
    host = start()
    host.receive()
    host.close()
    assert host.wait() == 0
    assert host.stderr() == ""


def test_a_host_that_does_not_answer_hello(start: Start) -> None:
    host = start()
    assert 4 < host.exit_time() < 9
    assert host.wait() == 1
    assert host.stderr() == "alyx-shim-python: no answer to hello in 5 s\n"


def test_shutdown_of_an_idle_worker(host: Host) -> None:
    assert host.call("shutdown", {"graceMs": 3000})["result"] == {}
    # Our end stays open: the worker does not wait for it to close.
    assert host.exit_time() < 1
    assert host.wait() == 0


def test_shutdown_lets_running_calls_end(host: Host) -> None:
    gate = host.folder / "gate"
    host.load(FINISH)
    call = host.start({"gate": str(gate)})
    stop = host.start_call("shutdown", {"graceMs": 60_000})
    refused = host.answer(host.start())
    assert refused["error"]["data"]["code"] == "NOT_READY"
    assert host.call("ping")["result"] == {}
    gate.touch()
    assert host.answer(call, stop)["id"] == call
    assert host.answer(stop)["result"] == {}
    assert host.wait() == 0


@pytest.mark.parametrize("grace", [0, 50])
def test_shutdown_cancels_what_does_not_end(host: Host, grace: int) -> None:
    host.load(SLEEP)
    call = host.start()
    stop = host.start_call("shutdown", {"graceMs": grace})
    assert host.answer(call, stop)["error"]["code"] == -32024
    assert host.answer(stop)["result"] == {}
    assert host.wait() == 0


def test_shutdown_leaves_what_cannot_be_cancelled(host: Host) -> None:
    host.load("def handler(ctx):\n    print('begun')\n    while True: pass\n")
    host.start()
    assert host.call("shutdown", {"graceMs": 0})["result"] == {}
    assert host.wait() == 0


@pytest.mark.parametrize(
    "handler",
    [
        "def handler(ctx):\n    print('begun')\n",
        "def handler(ctx):\n    print('begun')\n    while True: pass\n",
        "import time\ndef handler(ctx):\n    print('begun')\n    time.sleep(60)\n",
        "import threading\ndef handler(ctx):\n    print('begun')\n"
        "    threading.Thread(target=threading.Event().wait).start()\n",
        "import atexit, time\ndef handler(ctx):\n    print('begun')\n"
        "    atexit.register(time.sleep, 60)\n",
        "async def handler(ctx):\n    print('begun')\n    while True: pass\n",
        "import asyncio\nasync def handler(ctx):\n    print('begun')\n"
        "    while True:\n        try:\n            await asyncio.sleep(1)\n"
        "        except asyncio.CancelledError:\n            pass\n",
    ],
)
def test_the_end_of_the_connection_ends_the_worker(host: Host, handler: str) -> None:
    host.load(handler)
    host.start()
    assert host.receive()["method"] == "log"
    host.close()
    assert host.exit_time() < 1.5
    assert host.wait() == 0


def test_the_end_of_the_connection_cancels_tasks(host: Host) -> None:
    mark = host.folder / "mark"
    host.load(
        "import asyncio\nasync def handler(ctx):\n    print('begun')\n    try:\n"
        "        await asyncio.sleep(60)\n    finally:\n"
        f"        open({str(mark)!r}, 'w').close()\n"
    )
    host.start()
    assert host.receive()["method"] == "log"
    host.close()
    assert host.wait() == 0
    assert mark.exists()


def test_atexit_runs(host: Host) -> None:
    host.load("import atexit\natexit.register(print, 'bye')\ndef handler(ctx): pass\n")
    host.call("shutdown", {"graceMs": 0})
    assert host.stdout() == "bye\n"


@pytest.mark.parametrize(
    ("crash", "code"),
    [
        ("os._exit(3)", 3),
        ("os.kill(os.getpid(), 9)", -9),
        ("ctypes.string_at(0)", -signal.SIGSEGV),
    ],
)
def test_a_crash_stays_a_crash(host: Host, crash: str, code: int) -> None:
    host.load(f"import ctypes, os\ndef handler(ctx):\n    {crash}\n")
    host.start()
    with pytest.raises(EOFError):
        host.answer(-1)
    assert host.wait() == code


def test_ctrl_c_is_left_to_the_host(host: Host) -> None:
    host.load("def handler(ctx):\n    return 1\n")
    os.kill(host.process.pid, signal.SIGINT)
    assert host.output() == 1


def test_pings_are_answered_while_eight_handlers_block(host: Host) -> None:
    host.load(
        "import time\ndef handler(ctx):\n    print('begun')\n    time.sleep(60)\n"
    )
    for _ in range(8):
        host.start()
    for _ in range(8):
        assert host.receive()["method"] == "log"
    assert host.call("ping")["result"] == {}
    assert host.error()["data"]["code"] == "OVERLOADED"


def test_quick_handlers_may_queue_up_until_all_threads_are_busy(host: Host) -> None:
    host.load(
        "import time\ndef handler(ctx):\n"
        "    if ctx.input:\n        print('begun')\n        time.sleep(60)\n"
    )
    host.notifications.clear()  # the credit of eight that came before the answer
    for _ in range(5000):
        host.invoke()
        if host.notifications:
            break
    assert [n["params"] for n in host.notifications] == [{"max": 64}]
    for _ in range(8):
        host.start({"wait": True})
    told = [host.receive() for _ in range(9)]
    assert {"max": 8} in [message["params"] for message in told]


def test_a_blocked_loop_shows(host: Host) -> None:
    """Pings go unanswered, so that the host sends no more calls there."""
    gate = host.folder / "gate"
    host.load(
        "import os, time\nasync def handler(ctx):\n    print('begun')\n"
        f"    while not os.path.exists({str(gate)!r}):\n        time.sleep(0.001)\n"
    )
    call = host.start()
    assert host.receive()["method"] == "log"
    ping = host.start_call("ping")
    assert host.quiet(0.1)
    gate.touch()
    assert {host.answer(call, ping)["id"] for _ in range(2)} == {call, ping}


def test_sync_and_async_functions_in_one_worker(host: Host) -> None:
    host.load("def handler(ctx):\n    return 's'\n", "s")
    host.load("async def handler(ctx):\n    return 'a'\n", "a")
    for _ in range(50):
        ids = [host.start(name=name) for name in "sasa"]
        assert {host.answer(*ids)["id"] for _ in ids} == set(ids)


def test_a_host_that_reads_slowly_loses_nothing(host: Host) -> None:
    host.load("def handler(ctx):\n    return 'x' * 1_000_000\n")
    ids = [host.start() for _ in range(8)]
    for _ in ids:
        assert len(host.answer(*ids)["result"]["output"]) == 1_000_000


def test_the_start_is_quick_and_light(host: Host) -> None:
    """No import that a blank worker does not need."""
    source = (
        "import sys\nFOUND = [m for m in ('asyncio', 'socketserver', 'logging', 'inspect',"
        " 'traceback', 'subprocess', 'queue') if m in sys.modules]\n"
        "def handler(ctx):\n    return FOUND\n"
    )
    assert host.run(source) == []


def test_the_package_is_typed_and_exported() -> None:
    import alyx

    assert (PACKAGE / "src" / "alyx" / "py.typed").exists()
    assert set(alyx.__all__) >= {"Error", "Context"}


def test_a_forked_child_leaves_the_connection_alone(host: Host) -> None:
    host.load(
        "import os\ndef handler(ctx):\n    print('parent')\n    pid = os.fork()\n"
        "    if pid == 0:\n        print('child', flush=True)\n"
        "        ctx.log.info('child')\n        os._exit(5)\n"
        "    return os.waitpid(pid, 0)[1] >> 8\n"
    )
    assert host.output() == 5
    assert "parent" in host.lines()
    assert "child" not in host.lines()
    host.call("shutdown", {"graceMs": 0})
    assert host.stdout() == "child\n"


def test_a_strange_answer_to_hello_is_no_hang(start: Start) -> None:
    host = start()
    hello = host.receive()
    host.send({"jsonrpc": "2.0", "id": hello["id"], "result": {"limits": [1]}})
    assert host.wait() == 1

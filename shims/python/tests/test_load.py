"""From a file to a function, and every way in which that fails."""

from __future__ import annotations

import time
from typing import Any

import pytest

from host import Host

OK = "def handler(ctx):\n    return 'ok'\n"


def failure(answer: dict[str, Any]) -> dict[str, Any]:
    error = answer["error"]
    assert (error["code"], error["data"]["code"]) == (-32023, "LOAD_FAILED")
    assert isinstance(error, dict)
    return error


@pytest.mark.parametrize(
    ("source", "message", "details"),
    [
        (
            "x = 1\ny = 1 +* 2\n",
            "SyntaxError: ",
            {"kind": "syntax", "line": 2, "column": 8},
        ),
        (
            "def handler(ctx):\n    pass\n   return 1\n",
            "IndentationError: ",
            {"kind": "syntax", "line": 3},
        ),
        ("x = '\0'\n", "", {"kind": "syntax"}),
        (
            "import os\n\nimport nope_pil\n",
            "ModuleNotFoundError: No module named 'nope_pil'",
            {"kind": "import", "line": 3},
        ),
        (
            "from os import nope\n",
            "ImportError: cannot import name 'nope' from 'os'",
            {"kind": "import", "line": 1},
        ),
        (
            "def f():\n    return 1 / 0\n\n\nf()\n",
            "ZeroDivisionError: division by zero",
            {"kind": "throw", "line": 2},
        ),
        (
            "import sys\nsys.exit(3)\n",
            "the module called sys.exit(3) while it was loaded",
            {"kind": "throw", "line": 2},
        ),
        ("eval('1 +')\n", "SyntaxError", {"kind": "throw", "line": 1}),
        (
            "raise KeyboardInterrupt\n",
            "KeyboardInterrupt",
            {"kind": "throw", "line": 1},
        ),
        ("", "'f.py' has no 'handler'; write def handler(ctx)", {"kind": "no_handler"}),
        (
            "handler = 5\n",
            "'handler' in 'f.py' is no function but of type 'int'",
            {"kind": "no_handler"},
        ),
        ("class handler: pass\n", "but of type 'class'", {"kind": "no_handler"}),
        ("def Handler(ctx): pass\n", "rename 'Handler'", {"kind": "no_handler"}),
        (OK + "SCHEMA = [1]\n", "SCHEMA must be a dict", {"kind": "schema"}),
        (
            OK + "SCHEMA = {'input': {'a': {'type': str}}}\n",
            "SCHEMA.input.a.type: type is not JSON",
            {"kind": "schema"},
        ),
    ],
)
def test_a_file_that_is_no_function(
    host: Host, source: str, message: str, details: dict[str, Any]
) -> None:
    error = failure(host.load(source))
    found = error["data"]["details"]
    assert message in error["message"]
    assert found["file"] == str(host.folder / "f.py")
    assert {name: found[name] for name in details} == details
    # Mending the file mends the function, in the same revision even.
    assert host.load(OK)["result"] == {}
    assert host.output() == "ok"


def test_the_stack_begins_with_the_authors_code(host: Host) -> None:
    stack = failure(host.load("def f():\n    1 / 0\n\nf()\n"))["data"]["stack"]
    assert stack.splitlines()[1].startswith(f'  File "{host.folder / "f.py"}", line 4')
    assert "alyx" not in stack
    assert stack.endswith("ZeroDivisionError: division by zero")


def test_a_file_that_is_not_there(host: Host) -> None:
    path = str(host.folder / "nope.py")
    params = {"function": "f", "revision": "r1", "path": path, "env": {}}
    error = failure(host.call("load", params))
    assert "FileNotFoundError" in error["message"]
    assert error["data"]["details"]["file"] == path


def test_an_error_in_shared_code_names_that_file(host: Host) -> None:
    shared = host.folder / "_shared"
    shared.mkdir()
    (shared / "broken.py").write_text("def f(:\n")
    details = failure(host.load("from _shared import broken\n" + OK))["data"]["details"]
    assert details["file"] == str(shared / "broken.py")
    assert (details["kind"], details["line"]) == ("syntax", 1)


@pytest.mark.parametrize(
    "body", ["import time\ntime.sleep(60)\n", "while True:\n    pass\n"]
)
def test_loading_that_takes_too_long_is_stopped(host: Host, body: str) -> None:
    began = time.monotonic()
    error = failure(host.load(body, timeoutMs=200))
    assert time.monotonic() - began < 5
    assert error["message"] == "loading took longer than 200 ms"
    details = error["data"]["details"]
    assert (details["kind"], details["file"]) == ("timeout", str(host.folder / "f.py"))
    assert host.load(OK)["result"] == {}
    assert host.output() == "ok"


def test_the_worker_answers_while_it_loads(host: Host) -> None:
    path = host.folder / "f.py"
    gate = host.folder / "gate"
    path.write_text(
        f"import os, time\nwhile not os.path.exists({str(gate)!r}):\n"
        f"    time.sleep(0.001)\n{OK}"
    )
    params = {"function": "f", "revision": "r1", "path": str(path), "env": {}}
    load = host.start_call("load", params)
    assert host.call("ping")["result"] == {}
    gate.touch()
    assert host.answer(load)["result"] == {}


def test_the_schema_is_passed_on_as_it_is(host: Host) -> None:
    schema = {"input": {"t": {"type": "string", "max_length": 9, "x": [None, 1.5]}}}
    answer = host.load(f"{OK}\nSCHEMA = {schema!r}\n")
    assert answer["result"] == {"schema": schema}


def test_loading_twice_imports_once(host: Host) -> None:
    source = "import itertools\nN = itertools.count()\ndef handler(ctx):\n    return next(N)\n"
    for expected in range(3):
        assert host.load(source)["result"] == {}
        assert host.output() == expected


def test_two_revisions_side_by_side(host: Host) -> None:
    shared = host.folder / "_shared" / "part.py"
    shared.parent.mkdir()
    source = "from _shared.part import N\ndef handler(ctx):\n    return N\n"
    for revision in ("r1", "r2"):
        shared.write_text(f"N = {revision!r}\n")
        assert host.load(source, revision=revision)["result"] == {}
    assert [host.output(revision=r) for r in ("r1", "r2", "r1")] == ["r1", "r2", "r1"]


def test_unload_forgets_one_revision(host: Host) -> None:
    for revision in ("r1", "r2"):
        host.load(OK, revision=revision)
    params = {"function": "f", "revision": "r1"}
    assert host.call("unload", params)["result"] == {"reclaimed": False}
    assert host.error()["data"]["code"] == "FUNCTION_NOT_FOUND"
    assert host.output(revision="r2") == "ok"
    assert host.call("unload", params)["error"]["data"]["code"] == "FUNCTION_NOT_FOUND"


def test_unload_waits_for_no_running_call(host: Host) -> None:
    host.load("import asyncio\nasync def handler(ctx):\n    await asyncio.sleep(60)\n")
    host.start()
    error = host.call("unload", {"function": "f", "revision": "r1"})["error"]
    assert (error["data"]["code"], error["data"]["retryable"]) == ("OVERLOADED", True)


def test_equal_names_beside_two_functions(host: Host) -> None:
    source = "from part import N\ndef handler(ctx):\n    return N\n"
    for name in ("one", "two"):
        (host.folder / name).mkdir()
        (host.folder / name / "part.py").write_text(f"N = {name!r}\n")
        assert host.load(source, name, f"{name}/main.py")["result"] == {}
    assert [host.output(name=name) for name in ("one", "two")] == ["one", "two"]


def test_relative_imports_within_a_folder(host: Host) -> None:
    (host.folder / "x").mkdir()
    (host.folder / "x" / "part.py").write_text("N = 5\n")
    source = (
        "from .part import N\nfrom . import part\ndef handler(ctx):\n    return N\n"
    )
    assert host.load(source, "x", "x/main.py")["result"] == {}
    assert host.output(name="x") == 5


def test_a_function_may_be_named_like_a_library(host: Host) -> None:
    # asyncio imports signal, ssl and more; json is what the worker itself uses.
    for name in ("json", "signal", "asyncio", "traceback", "alyx"):
        assert (
            host.load(f"def handler(ctx):\n    return {name!r}\n", name)["result"] == {}
        )
    source = "import asyncio, json, alyx\nasync def handler(ctx):\n    return json.dumps([1])\n"
    assert host.load(source)["result"] == {}
    assert host.output() == "[1]"
    assert host.output(name="json") == "json"


def test_nothing_is_written_beside_the_code(host: Host) -> None:
    (host.folder / "_shared").mkdir()
    (host.folder / "_shared" / "part.py").write_text("")
    host.load("import _shared.part\n" + OK)
    assert list(host.folder.rglob("*.pyc")) == []


def test_a_stale_pyc_is_not_believed(host: Host) -> None:
    import os
    import py_compile

    path = host.folder / "f.py"
    path.write_text("def handler(ctx):\n    return 'old'\n")
    py_compile.compile(str(path))
    stamp = path.stat().st_mtime
    path.write_text("def handler(ctx):\n    return 'new'\n")
    os.utime(path, (stamp, stamp))
    params = {"function": "f", "revision": "r1", "path": str(path), "env": {}}
    assert host.call("load", params)["result"] == {}
    assert host.output() == "new"


def test_entry_names_another_handler(host: Host) -> None:
    assert host.load("def run(ctx):\n    return 1\n", entry="run")["result"] == {}
    assert host.output() == 1


def test_modules_that_insist_on_the_main_thread(host: Host) -> None:
    source = "import signal\nsignal.signal(signal.SIGUSR1, signal.SIG_IGN)\n" + OK
    assert host.load(source)["result"] == {}


def test_dataclasses_and_pickle_find_the_module(host: Host) -> None:
    source = """
from __future__ import annotations
import pickle
from dataclasses import asdict, dataclass

@dataclass
class Point:
    x: int

def handler(ctx):
    return asdict(pickle.loads(pickle.dumps(Point(3))))
"""
    assert host.run(source) == {"x": 3}


def test_sync_handlers_lower_the_credit_once(host: Host) -> None:
    host.load("async def handler(ctx):\n    return 1\n", "a")
    assert host.notifications == []
    host.load(OK, "b")
    host.load(OK, "c")
    assert [n["method"] for n in host.notifications] == ["concurrency"]
    assert host.notifications[0]["params"] == {"max": 8}

"""What a handler raises, and what the host is told."""

from __future__ import annotations

from typing import Any

import pytest

import alyx
from alyx import errors
from host import Host

PRELUDE = """
import alyx, asyncio, sys, urllib.error
class Coded(Exception):
    code = "NOT_FOUND"
    status = 404
class Own(Exception):
    def __init__(self, code, message, **extra):
        self.code, self.message = code, message
        self.__dict__.update(extra)
class Worse(Exception):
    @property
    def code(self):
        raise ValueError("no")
class Hostile(Exception):
    def __str__(self):
        raise ValueError("no")
def with_fields(error, **fields):
    error.__dict__.update(fields)
    return error
"""


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize(
    ("raised", "code", "message", "details"),
    [
        ("ValueError('bad')", "FUNCTION_ERROR", "bad", None),
        ("ValueError()", "FUNCTION_ERROR", "function failed", None),
        ("KeyError('x')", "FUNCTION_ERROR", "'x'", None),
        ("alyx.Error('CODE', 'm')", "CODE", "m", None),
        ("alyx.Error('CODE')", "CODE", "CODE", None),
        ("alyx.Error(404, 'gone')", "404", "gone", None),
        ("alyx.Error('', 'm')", "FUNCTION_ERROR", "m", None),
        (
            "alyx.Error('VALIDATION_ERROR', 'Email is required', field='email')",
            "VALIDATION_ERROR",
            "Email is required",
            {"field": "email"},
        ),
        (
            "alyx.Error('C', 'm', status=418, n={'a': [None]})",
            "C",
            "m",
            {"status": 418, "n": {"a": [None]}},
        ),
        ("alyx.Error('C', 'm', code='D', message='n')", "C", "m", None),
        ("alyx.Error('C', 'm', a=1, b={2}, c=float('nan'))", "C", "m", {"a": 1}),
        ("alyx.Error('CANCELLED', 'm')", "CANCELLED", "m", None),
        ("Coded('no such post')", "NOT_FOUND", "no such post", {"status": 404}),
        ("Coded()", "NOT_FOUND", "NOT_FOUND", {"status": 404}),
        ("Own('A', 'text', field='f', _h=1)", "A", "text", {"field": "f"}),
        ("Own(7, 'text')", "7", "text", None),
        ("Own(True, 'text')", "FUNCTION_ERROR", "text", None),
        ("with_fields(ValueError('m'), x=[1])", "FUNCTION_ERROR", "m", {"x": [1]}),
        ("Hostile()", "FUNCTION_ERROR", "Hostile whose message cannot be read", None),
        ("Worse('x')", "FUNCTION_ERROR", "function failed", None),
        ("FileNotFoundError(2, 'No', 'secret')", "FUNCTION_ERROR", None, None),
        (
            "urllib.error.HTTPError('u', 404, 'm', {}, None)",
            "FUNCTION_ERROR",
            None,
            None,
        ),
        ("MemoryError()", "OUT_OF_MEMORY", "out of memory", None),
        ("SystemExit(3)", "FUNCTION_ERROR", "the handler called sys.exit(3)", None),
        ("KeyboardInterrupt", "FUNCTION_ERROR", "function failed", None),
        ("asyncio.CancelledError('own')", "FUNCTION_ERROR", "own", None),
        ("GeneratorExit('g')", "FUNCTION_ERROR", "g", None),
    ],
)
def test_what_is_raised_is_told(
    host: Host, kind: str, raised: str, code: str, message: str | None, details: Any
) -> None:
    host.load(
        f"{PRELUDE}\n{kind} handler(ctx):\n    if not ctx.input:\n        raise {raised}\n"
    )
    error = host.error()
    assert error["code"] == -32020
    assert error["data"]["code"] == code
    assert message is None or error["message"] == message
    assert error["data"].get("details") == details
    assert f'File "{host.folder / "f.py"}"' in error["data"]["stack"]
    assert "/alyx/" not in error["data"]["stack"]
    assert host.output({"again": 1}) is None


def test_sys_exit_in_a_handler_is_an_error(host: Host) -> None:
    host.load("import sys\ndef handler(ctx):\n    sys.exit('bye')\n")
    assert host.error()["message"] == "the handler called sys.exit('bye')"


def test_endless_recursion_is_an_error(host: Host) -> None:
    host.load("def handler(ctx):\n    return handler(ctx)\n")
    error = host.error()
    assert "recursion" in error["message"]
    assert "repeated" in error["data"]["stack"]
    assert host.call("ping")["result"] == {}


def test_long_texts_are_cut(host: Host) -> None:
    host.load(
        "import alyx\ndef handler(ctx):\n"
        "    raise alyx.Error('C', 'ü' * 100_000, status=400, big='x' * 70_000)\n"
    )
    error = host.error()
    assert len(error["message"].encode()) <= 4096
    kept = error["message"].partition(" …[cut, ")[0]
    assert error["message"].endswith(f" …[cut, {200_000 - len(kept.encode())} bytes]")
    assert len(error["data"]["stack"].encode()) <= 16384
    reason = "extra fields of 70023 bytes are over the limit of 65536"
    assert error["data"]["details"] == {"dropped": reason}


def test_the_end_of_a_long_stack_is_kept() -> None:
    try:
        raise ValueError("x" * 50_000 + " the end")
    except ValueError as error:
        stack = errors.stack_of(error)
    assert len(stack.encode()) <= 16384
    assert stack.startswith("…[cut, ")
    assert stack.endswith("the end")


@pytest.mark.parametrize("text", ["", "ü" * 50, "x" * 100, "🎉" * 25])
def test_cut_leaves_short_texts_alone(text: str) -> None:
    assert errors.cut(text, 100) == text


@pytest.mark.parametrize("text", ["x" * 101, "ü" * 51, "🎉" * 1000, "\ud800" * 40])
def test_cut_counts_what_it_leaves_out(text: str) -> None:
    found = errors.cut(text, 100)
    kept, marker, count = found.partition(" …[cut, ")
    assert len(found.encode("utf-8", "surrogatepass")) <= 100
    whole = len(text.encode("utf-8", "surrogatepass"))
    assert (marker, count) == (" …[cut, ", f"{whole - len(kept.encode())} bytes]")


def test_an_error_can_be_copied_and_printed() -> None:
    import copy

    error = copy.copy(alyx.Error("C", "m", status=400, field="x"))
    assert (error.code, error.message, str(error)) == ("C", "m", "m")
    assert (error.status, error.fields) == (400, {"field": "x"})

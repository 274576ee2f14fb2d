"""What goes wrong with ctx.db: refused here, or by the host."""

from __future__ import annotations

from typing import Any

import pytest

import alyx
from conftest import Start
from database import KINDS
from host import Host, Message

NAIVE = "a naive datetime cannot be sent to the database"


@pytest.mark.parametrize(
    ("use", "code", "message"),
    [
        (
            "db.posts.list(filtre={})",
            "INVALID_QUERY",
            "list has no option 'filtre'; use filter, sort, limit, offset, fields, count",
        ),
        (
            "db.posts.list({'where': {}})",
            "INVALID_QUERY",
            "list has no option 'where'; use filter, sort, limit, offset, fields, count",
        ),
        (
            "db.posts.list([])",
            "INVALID_QUERY",
            "the options of list must be a dict, not list",
        ),
        (
            "db.posts.list(filter=[])",
            "INVALID_FILTER",
            "filter must be a dict, not list",
        ),
        (
            "db.posts.list(sort=1)",
            "INVALID_QUERY",
            "sort must be a string, or a list of strings",
        ),
        (
            "db.posts.list(sort=[1])",
            "INVALID_QUERY",
            "sort must be a string, or a list of strings",
        ),
        (
            "db.posts.list(filter={'a': {'$in': {1}}})",
            "VALIDATION_ERROR",
            "filter.a.$in: set cannot be sent to the database; use a list",
        ),
        (
            "db.posts.list(limit=float('nan'))",
            "VALIDATION_ERROR",
            "limit: NaN cannot be sent to the database",
        ),
        ("db.posts.get(5)", "VALIDATION_ERROR", "id must be a string, not int"),
        (
            "db.posts.update(None, {})",
            "VALIDATION_ERROR",
            "id must be a string, not NoneType",
        ),
        ("db.posts.delete(b'x')", "VALIDATION_ERROR", "id must be a string, not bytes"),
        ("db.posts.create([])", "VALIDATION_ERROR", "data must be a dict, not list"),
        (
            "db.posts.create({'a': 1}, b=2)",
            "VALIDATION_ERROR",
            "give the fields as one dict or as keywords, not both",
        ),
        (
            "db.posts.create(at={'x': [datetime.datetime(2026, 1, 1)]})",
            "VALIDATION_ERROR",
            f"data.at.x[0]: {NAIVE}; use datetime.now(timezone.utc)",
        ),
        (
            "db.posts.create(price=Decimal('1'))",
            "VALIDATION_ERROR",
            "data.price: Decimal cannot be sent to the database; use str(value) or float(value)",
        ),
        ("db.query(5)", "INVALID_QUERY", "sql must be a string, not int"),
        (
            "db.query('?', 'u1')",
            "INVALID_QUERY",
            "params must be a list or a dict, not str",
        ),
        (
            "db.exec('?', [1, 1j])",
            "VALIDATION_ERROR",
            "params[1]: complex cannot be sent to the database",
        ),
        (
            "db.batch('A')",
            "INVALID_QUERY",
            "a batch must be a list of statements, not str",
        ),
        ("db.batch(['A'])", "INVALID_QUERY", "batch[0] must be a dict, not str"),
        (
            "db.batch([{'sql': 'A'}, {'sql': 'B', 'args': []}])",
            "INVALID_QUERY",
            "batch[1] has 'args'; a statement is sql and params",
        ),
        (
            "db.batch([{'params': []}])",
            "INVALID_QUERY",
            "batch[0].sql must be a string, not NoneType",
        ),
        (
            "db.batch([{'sql': 'A', 'params': [{1}]}])",
            "VALIDATION_ERROR",
            "batch[0].params[0]: set cannot be sent to the database; use a list",
        ),
        ("db[5]", "INVALID_QUERY", "a collection's name is a string, not int"),
    ],
)
def test_what_is_refused_here(db: Host, use: str, code: str, message: str) -> None:
    assert db.output({"use": use})[:2] == [code, message]
    assert db.syscalls == []


def test_a_refusal_names_the_field(db: Host) -> None:
    found = db.output({"use": "db.posts.create(price={'net': [1j]})"})
    assert found[2] == "price"


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_without_the_capability_nothing_is_sent(start: Start, kind: str) -> None:
    host = start()
    host.hello()
    host.load(KINDS[kind])
    assert host.output({"use": "repr(db)[:5]"}) == "<alyx"
    for use in (
        "db.posts",
        "db['posts']",
        "db.query('')",
        "db.exec('')",
        "db.batch([])",
    ):
        found = host.output({"use": use})
        assert found[:2] == ["UNAVAILABLE", "the host offers no database"]
    assert host.syscalls == []


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_batch_is_a_capability_of_its_own(start: Start, kind: str) -> None:
    host = start()
    host.hello("db")
    host.load(KINDS[kind])
    found = host.output({"use": "db.batch([{'sql': 'A'}])"})
    assert found[:2] == ["UNAVAILABLE", "the host offers no batches"]


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_call_over_the_frame_limit_is_an_error(start: Start, kind: str) -> None:
    host = start()
    host.hello("db", maxFrame=1048576)
    host.load(KINDS[kind])
    host.database = lambda call: {"doc": {"size": len(call["params"]["data"]["x"])}}
    code, message, _ = host.output({"use": "db.posts.create(x='x' * 1_100_000)"})
    assert code == "PAYLOAD_TOO_LARGE"
    assert message.startswith("db.create is a frame of 1100")
    assert message.endswith("; the host takes 1048576; send less at once")
    assert host.output({"use": "db.posts.create(x='x' * 1_000_000)"}) == {
        "size": 1_000_000
    }


@pytest.mark.parametrize(
    "use", ["db.c.get('x')", "db.c.list()", "db.exec('')", "db.c.create()"]
)
def test_an_answer_that_cannot_be_read_fails_its_call_alone(db: Host, use: str) -> None:
    answers: list[Message] = [{}, {"result": 7}, {"result": None, "error": None}]
    for answer in [*answers, {"error": 7}, {"result": {}}]:
        id = db.start({"use": use})
        db.send({"jsonrpc": "2.0", "id": db.syscall()["id"], **answer})
        assert db.answer(id)["result"]["output"][0] == "INTERNAL_ERROR"
    assert db.call("ping")["result"] == {}
    assert db.strays == []


ERRORS = """
import alyx
KIND handler(ctx):
    try:
        WAIT ctx.db.posts.create(slug="hello")
    except alyx.DatabaseError as error:
        assert isinstance(error, alyx.Error)
        if ctx.input.get("catch"):
            return [error.code, error.message, str(error), error.field, error.fields,
                    error.retryable, error.collection, hasattr(error, "no")]
        raise
"""
UNIQUE = {
    "code": -32041,
    "message": "posts.slug 'hello' exists already",
    "data": {
        "code": "UNIQUE_VIOLATION",
        "retryable": True,
        "details": {"collection": "posts", "field": "slug"},
    },
}


@pytest.mark.parametrize(("kind", "wait"), [("def", ""), ("async def", "await")])
def test_an_error_of_the_host_can_be_caught(
    db_host: Host, kind: str, wait: str
) -> None:
    db_host.load(ERRORS.replace("KIND", kind).replace("WAIT ", f"{wait} ".lstrip()))
    db_host.database = lambda call: UNIQUE
    message, details = UNIQUE["message"], {"collection": "posts", "field": "slug"}
    assert db_host.output({"catch": True}) == [
        *("UNIQUE_VIOLATION", message, message, "slug", details),
        *(True, "posts", False),
    ]
    error = db_host.error()
    stack = error["data"].pop("stack")
    assert error == {
        "code": -32020,
        "message": message,
        "data": {"code": "UNIQUE_VIOLATION", "details": details},
    }
    assert "ctx.db.posts.create" in stack
    assert "/alyx/" not in stack
    assert stack.endswith(f"DatabaseError: {message}")


@pytest.mark.parametrize(
    ("wire", "code", "message", "status"),
    [
        ({"code": -32601, "message": "m"}, "METHOD_NOT_FOUND", "m", None),
        ({"code": -32044, "message": "m"}, "DB_SQL", "m", None),
        ({"code": -1, "message": "m", "data": None}, "INTERNAL_ERROR", "m", None),
        ({"code": -1, "data": {"code": "X", "details": 5}}, "X", "", None),
        ({"data": {"code": "X", "details": {"status": 418}}}, "X", "", 418),
        (
            {"data": {"code": "X", "details": {"code": "Y", "message": "n"}}},
            "X",
            "",
            None,
        ),
        ("odd", "INTERNAL_ERROR", "", None),
    ],
)
def test_an_error_answer_may_lack_anything(
    wire: Any, code: str, message: str, status: int | None
) -> None:
    error = alyx.DatabaseError.from_wire(wire)
    assert (error.code, error.message, error.status) == (code, message, status)
    assert not error.retryable


def test_a_database_error_can_be_copied() -> None:
    import copy
    import pickle

    error = alyx.DatabaseError("C", "m", retryable=True, field="f", op=1)
    for found in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (found.code, found.message, found.field) == ("C", "m", "f")
        assert (found.op, found.retryable) == (1, True)

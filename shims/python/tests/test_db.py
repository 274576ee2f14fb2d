"""ctx.db: what each method asks of the host, and what comes back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from host import Host, Message

DOC = {"id": "p1", "title": "Hello"}


def asks(host: Host, use: str, result: Message) -> tuple[str, Message, Any]:
    """Method and params that an expression comes to, and its value."""
    host.syscalls.clear()
    host.database = lambda call: result
    id = host.start({"use": use})
    answer = host.answer(id)
    assert "result" in answer, answer
    (call,) = host.syscalls
    assert call["params"].pop("inv") == id
    return call["method"], call["params"], answer["result"]["output"]


@pytest.mark.parametrize(
    ("use", "method", "params"),
    [
        ("db.posts.list()", "list", {}),
        ("db.posts.list({})", "list", {}),
        ("db.posts.list(filter=None, limit=None)", "list", {}),
        ("db.posts.list(filter={'a': None})", "list", {"filter": {"a": None}}),
        (
            "db.posts.list({'filter': {'n': {'$in': (1, 2)}}, 'sort': '-a'}, limit=5)",
            "list",
            {"filter": {"n": {"$in": [1, 2]}}, "sort": "-a", "limit": 5},
        ),
        (
            "db.posts.list(sort=['a', '-b'], offset=3, fields=('id', 'a'), count=False)",
            "list",
            {"sort": "a,-b", "offset": 3, "fields": ["id", "a"], "count": False},
        ),
        ("db.posts.get('p1')", "get", {"id": "p1"}),
        ("db['posts'].get('ü\"')", "get", {"id": 'ü"'}),
        (
            "db.collection('posts').get(uuid.UUID(int=1))",
            "get",
            {"id": "00000000-0000-0000-0000-000000000001"},
        ),
        ("db.posts.create({'title': 'T'})", "create", {"data": {"title": "T"}}),
        ("db.posts.create(id='i', self=1)", "create", {"data": {"id": "i", "self": 1}}),
        ("db.posts.create()", "create", {"data": {}}),
        ("db.posts.update('p1', {'n': 1})", "update", {"id": "p1", "data": {"n": 1}}),
        ("db.posts.update('p1', n=1)", "update", {"id": "p1", "data": {"n": 1}}),
        ("db.posts.delete('p1')", "delete", {"id": "p1"}),
    ],
)
def test_what_a_collection_asks(
    db: Host, use: str, method: str, params: Message
) -> None:
    asked = asks(db, use, {"doc": DOC})
    assert asked[:2] == (f"db.{method}", {"collection": "posts", **params})


@pytest.mark.parametrize(
    ("use", "method", "params"),
    [
        ("db.query('SELECT 1')", "query", {"sql": "SELECT 1"}),
        ("db.query('?', [True, 2**60])", "query", {"sql": "?", "args": [True, 2**60]}),
        ("db.query(sql='?', params=())", "query", {"sql": "?", "args": []}),
        ("db.query(':a', {'a': b'x'})", "query", {"sql": ":a", "args": {"a": b"x"}}),
        ("db.exec(':$', {'$': 1})", "exec", {"sql": ":$", "args": {"$": 1}}),
        (
            "db.exec('?', [{'$a': 1}])",
            "exec",
            {"sql": "?", "args": [{"$lit": {"$a": 1}}]},
        ),
        (
            "db.batch([{'sql': 'A'}, {'sql': 'B', 'params': [1]}])",
            "batch",
            {
                "ops": [
                    {"method": "db.exec", "params": {"sql": "A"}},
                    {"method": "db.exec", "params": {"sql": "B", "args": [1]}},
                ]
            },
        ),
    ],
)
def test_what_sql_asks(db: Host, use: str, method: str, params: Message) -> None:
    wire = {2**60: {"$int": str(2**60)}, b"x": {"$bytes": "eA=="}}
    args = params.get("args", [])
    for key, value in args.items() if isinstance(args, dict) else enumerate(args):
        if isinstance(value, (int, bytes)) and value in wire:
            args[key] = wire[value]
    assert asks(db, use, {})[:2] == (f"db.{method}", params)


@pytest.mark.parametrize(
    ("use", "result", "value"),
    [
        ("db.posts.list()", {"docs": [DOC], "total": 42}, {"docs": [DOC], "total": 42}),
        ("db.posts.list()", {"docs": [], "total": 0, "x": 1}, {"docs": [], "total": 0}),
        ("db.posts.list(count=False)", {"docs": [DOC]}, {"docs": [DOC]}),
        ("db.posts.get('p1')", {"doc": DOC}, DOC),
        ("db.posts.get('p1')", {"doc": None}, None),
        ("db.posts.create(DOC)".replace("DOC", repr(DOC)), {"doc": DOC}, DOC),
        ("db.posts.update('p1', {})", {"doc": DOC}, DOC),
        ("db.posts.delete('p1')", {"deleted": True}, None),
        (
            "db.query('')",
            {"columns": ["a", "b"], "rows": [[1, None], [2, {"$int": "3"}]]},
            [{"a": 1, "b": None}, {"a": 2, "b": 3}],
        ),
        ("db.query('')", {"columns": ["a", "a"], "rows": [[1, 2]]}, [{"a": 2}]),
        ("db.query('')", {"columns": ["a"], "rows": []}, []),
        ("db.exec('')", {"changes": 2}, {"rows_affected": 2, "last_insert_id": None}),
        (
            "db.exec('')",
            {"changes": 1, "lastInsertId": {"$int": str(2**62)}},
            {"rows_affected": 1, "last_insert_id": 2**62},
        ),
        (
            "db.batch([{'sql': 'A'}])",
            {"results": [{"changes": 1, "lastInsertId": 7}]},
            [{"rows_affected": 1, "last_insert_id": 7}],
        ),
    ],
)
def test_what_comes_back(db: Host, use: str, result: Message, value: object) -> None:
    assert asks(db, use, result)[2] == value


@pytest.mark.parametrize(
    ("use", "value"),
    [
        ("db.posts.get(None)", None),
        ("db.batch([])", []),
        ("repr(db)[:5]", "<alyx"),
        ("hasattr(db, '__len__')", False),
        ("db.posts is ctx.db['posts'] is ctx.db.collection('posts')", True),
        ("db._odd is ctx.db['_odd']", True),
    ],
)
def test_what_needs_no_host(db: Host, use: str, value: object) -> None:
    assert db.output({"use": use}) == value
    assert db.syscalls == []


README = Path(__file__).parent.parent / "README.md"


@pytest.mark.parametrize("sample", [1, 2])
def test_the_samples_of_the_readme_run(db_host: Host, sample: int) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 3
    assert db_host.load(blocks[sample])["result"] == {}
    exists = {"message": "exists", "data": {"code": "UNIQUE_VIOLATION"}, "code": -32041}
    answers: Message = {
        "list": {"docs": [DOC], "total": 1},
        "get": {"doc": None},
        "create": {"doc": DOC} if sample == 1 else exists,
        "update": {"doc": DOC},
        "query": {"columns": ["title"], "rows": [["Hello"]]},
        "exec": {"changes": 1},
        "batch": {"results": [{"changes": 1}, {"changes": 2}]},
    }
    db_host.database = lambda call: answers[call["method"][3:]]
    expected = [
        {"total": 1, "titles": [{"title": "Hello"}]},
        {"author": None, "posts": [DOC]},
    ]
    assert db_host.output({"id": "x", "author": "u1"}) == expected[sample - 1]

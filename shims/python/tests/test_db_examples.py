"""The golden examples of the database: what we ask, and what we make of answers.

Transactions are no part of this client, so `tx` is left out of the requests.
"""

from __future__ import annotations

from typing import Any

import pytest

from conftest import FOLDER, read
from host import Host, Message

ID = "0190a1b2-0000-7000-8000-000000000001"
PRICE = "{'$gte': 10, '$lt': 99.5}"
# The expression that must lead to each request.
REQUESTS = {
    "list": {
        "request": "db.posts.list()",
        "request-full": "db.posts.list(filter={'published': True, 'price': PRICE,"
        " 'slug': {'$like': 'hello%'}, 'category': {'$in': ['tech', 'science']},"
        " 'deleted_at': None}, sort=['-created_at', 'title'], limit=20, offset=40,"
        " fields=['id', 'title'], count=False)".replace("PRICE", PRICE),
        "request-operators": "db.posts.list({'filter': {'$or': [{'a': {'$eq': 1}},"
        " {'$and': [{'b': {'$ne': None}}, {'$not': {'c': {'$nin': [1, 2]}}}]}],"
        " 'n': {'$gt': 9007199254740993}}})",
    },
    "get": {"request": f"db.posts.get('{ID}')"},
    "create": {
        "request": "db.posts.create(title='Hello', slug='hello', tags=('a', 'b'))",
        "request-values": "db.files.create({'size': 2**53, 'body': b'\\0\\1\\2\\xff',"
        " 'meta': {'$ref': 'x'}})",
    },
    "update": {"request": f"db.posts.update('{ID}', {{'title': 'Updated Title'}})"},
    "delete": {"request": f"db.posts.delete('{ID}')"},
    "query": {
        "request": "db.query('SELECT id, title FROM posts WHERE author_id = ?"
        " AND published = ?', ['u1', True])",
        "request-named": "db.query('SELECT count(*) AS n FROM posts"
        " WHERE author_id = :author', {'author': 'u1'})",
        "request-no-args": "db.query('SELECT 1 AS one')",
    },
    "exec": {
        "request": "db.exec('UPDATE posts SET view_count = view_count + 1"
        " WHERE id = ?', ['p1'])",
        "request-values": "db.exec('INSERT INTO blobs (n, body, flag)"
        " VALUES (?, ?, ?)', [-2**63, b'\\xde\\xad\\xbe\\xef', False])",
    },
}
# What is not asked of the host: None has no document, no statements do nothing,
# and a batch holds statements only.
NEVER_SENT = {
    ("get", "request-null-id"),
    ("batch", "request"),
    ("batch", "request-empty"),
}
METHODS = (*REQUESTS, "batch")
# What each answer is given to, and what comes of it.
CALLS = {
    "list": "db.posts.list()",
    "get": "db.posts.get('x')",
    "create": "db.posts.create({})",
    "update": "db.posts.update('x', {})",
    "delete": "db.posts.delete('x')",
    "query": "db.query('')",
    "exec": "db.exec('')",
    "batch": "db.batch([{'sql': ''}])",
}


def examples(kind: str) -> list[Any]:
    found = [
        pytest.param(
            method, case.id, case.values[0]["message"], id=f"{method}-{case.id}"
        )
        for method in METHODS
        for case in read(f"db.{method}/*.json")
        if case.values[0]["kind"] == kind and (method, case.id) not in NEVER_SENT
    ]
    assert found, f"no {kind} among the examples"
    return found


def test_the_database_methods_are_these() -> None:
    assert {f"db.{method}" for method in METHODS} == {
        path.name for path in FOLDER.glob("db.*")
    }


@pytest.mark.parametrize(("method", "name", "message"), examples("request"))
def test_a_request(db: Host, method: str, name: str, message: Message) -> None:
    id = db.start({"use": REQUESTS[method][name]})
    asked = db.syscall()
    expected = {**message["params"], "inv": id}
    expected.pop("tx", None)
    assert asked == {**message, "id": asked["id"], "params": expected}
    assert next(iter(asked["params"])) == "inv"
    db.reply(asked, {"doc": None})
    db.answer(id)


EXPECTED = {
    "get-result-values": {
        "id": ID,
        "views": 2**63 - 1,
        "debt": -(2**53) - 1,
        "small": 2**53 - 1,
        "photo": "iVBORw0KGgo=",
        "empty": "",
        "meta": {"$int": "not a number"},
        "plain": {"$int": "1", "other": 2},
        "nested": {"list": [{"$lit": {"$x": 1}}]},
    },
    "query-result": [{"id": "p1", "title": "Hello"}, {"id": "p2", "title": None}],
    "query-result-empty": [],
    "exec-result": {"rows_affected": 1, "last_insert_id": None},
    "exec-result-insert": {"rows_affected": 1, "last_insert_id": 7},
    "exec-result-large-key": {"rows_affected": 1, "last_insert_id": 2**63 - 1},
    "batch-result": [{"rows_affected": 1, "last_insert_id": 1}],
    "batch-result-empty": [],
    "delete-result": None,
}
# Bytes are no result; as base64 they can be compared.
AS_TEXT = """
import base64
def text(v):
    if isinstance(v, bytes):
        return base64.b64encode(v).decode()
    if isinstance(v, dict):
        return {name: text(item) for name, item in v.items()}
    return [text(item) for item in v] if isinstance(v, list) else v
KIND handler(ctx):
    db = ctx.db
    return text(WAIT eval(ctx.input["use"]))
"""


@pytest.mark.parametrize(("kind", "wait"), [("def", ""), ("async def", "await ")])
@pytest.mark.parametrize(("method", "name", "message"), examples("response"))
def test_a_result(
    db_host: Host, kind: str, wait: str, method: str, name: str, message: Message
) -> None:
    db_host.load(AS_TEXT.replace("KIND", kind).replace("WAIT ", wait))
    result = message["result"]
    if method == "batch":  # the example mixes methods, of which we send but one
        result = {"results": result["results"][:1]}
    db_host.database = lambda call: result
    if "truncated" in result:  # half an answer is none
        error = db_host.error({"use": CALLS[method]})
        assert error["data"]["code"] == "RESULT_TOO_LARGE"
        return
    found = db_host.output({"use": CALLS[method]})
    expected = EXPECTED.get(f"{method}-{name}", result if method == "list" else None)
    assert found == (result.get("doc") if expected is None else expected)


@pytest.mark.parametrize(("method", "name", "message"), examples("error"))
def test_an_error(db: Host, method: str, name: str, message: Message) -> None:
    error = message["error"]
    db.database = lambda call: error
    use = CALLS[method]
    code, text, field = db.output({"use": use})
    assert (code, text) == (error["data"]["code"], error["message"])
    assert field == error["data"].get("details", {}).get("field")

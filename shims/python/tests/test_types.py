"""What editors and type checkers know: mypy reads these handlers, nobody runs them.

An `ignore` that is not needed fails the check, so each is a test as well.
"""

from __future__ import annotations

import asyncio

import alyx


def blocking(ctx: alyx.Context) -> object:
    posts: alyx.Collection = ctx.db.posts
    page: alyx.Page = posts.list(filter={"n": {"$gt": 1}}, sort=["-n"], limit=5)
    total: int = page["total"]
    missing: alyx.Document | None = ctx.db["posts"].get("id")
    document: alyx.Document = posts.create(title="Hello", n=total)
    document = posts.update("id", {"title": "Hello"})
    posts.delete("id")
    rows: list[alyx.Document] = ctx.db.query("SELECT ?", [1])
    written: alyx.Written = ctx.db.exec("UPDATE a SET n = :n", {"n": 1})
    statements: list[alyx.Statement] = [{"sql": "A"}, {"sql": "B", "params": [1]}]
    results: list[alyx.Written] = ctx.db.batch(statements)
    posts.list(filtre={})  # type: ignore[call-arg]
    posts.get(5)  # type: ignore[arg-type]
    ctx.db.query("", "u1", 5)  # type: ignore[call-arg]
    return [missing, document, rows, written, results]


async def awaited(ctx: alyx.AsyncContext) -> object:
    posts: alyx.AsyncCollection = ctx.db.posts
    page: alyx.Page = await posts.list({"filter": {}}, count=False)
    both = await asyncio.gather(posts.get("a"), ctx.db["users"].get("b"))
    first: alyx.Document | None = both[0]
    task: asyncio.Task[alyx.Document] = asyncio.create_task(posts.create({"n": 1}))
    key: int | None = (await ctx.db.exec("INSERT"))["last_insert_id"]
    page = posts.list()  # type: ignore[assignment]
    return [page, first, await task, key, await ctx.db.query("SELECT 1")]


def catching(ctx: alyx.Context) -> str | None:
    try:
        ctx.db.posts.create()
    except alyx.DatabaseError as error:
        again: bool = error.retryable
        return f"{error.code} {error.message} {again} {error.op}"
    return None


def test_every_name_is_there_for_hints_that_are_evaluated() -> None:
    assert [name for name in alyx.__all__ if not hasattr(alyx, name)] == []
    assert callable(blocking) and callable(awaited) and callable(catching)

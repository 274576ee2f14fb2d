"""Functions that use ctx.db, and a database that knows every id."""

from __future__ import annotations

from host import Message

# Evaluates one expression, `use`.
RUN = """
import alyx, datetime, uuid
from decimal import Decimal
KIND handler(ctx):
    db = ctx.db
    try:
        return eval(compile(ctx.input["use"], "f", "eval"))
    except alyx.DatabaseError as error:
        return [error.code, error.message, error.field]
"""
# `eval` cannot hold an await, but what it returns can be awaited.
ASYNC_RUN = RUN.replace("return eval", "result = eval").replace(
    "    except",
    "        return await result if hasattr(result, '__await__') else result\n    except",
)
KINDS = {
    "def": RUN.replace("KIND", "def"),
    "async def": ASYNC_RUN.replace("KIND", "async def"),
}

# Reads `n` documents at once and tells whether each is the right one.
GATHER = """
import asyncio
async def handler(ctx):
    ids = [str(n) for n in range(ctx.input["n"])]
    docs = await asyncio.gather(*(ctx.db.posts.get(id) for id in ids))
    return [doc["id"] for doc in docs] == ids
"""
POOL = """
from concurrent.futures import ThreadPoolExecutor
def handler(ctx):
    ids = [str(n) for n in range(ctx.input["n"])]
    with ThreadPoolExecutor(50) as pool:
        docs = list(pool.map(lambda id: ctx.db.posts.get(id), ids))
    return [doc["id"] for doc in docs] == ids
"""


def echo(call: Message) -> Message:
    return {"doc": {"id": call["params"]["id"]}}

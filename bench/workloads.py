"""What is measured: the request, the right answer, and who is set beside whom.

Knows nothing of how servers are started or measured.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from contestants import Contestant, Task, of_database, of_hello
from install import Installed

ROWS = 1000


@dataclass(frozen=True)
class Workload:
    name: str
    # One sentence for the page.
    about: str
    task: Task
    # Which server is set beside which.
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Group:
    """Workloads that the same servers do, started once."""

    contestants: Callable[[Installed], list[Contestant]]
    # Asked of each server until it is answered rightly.
    first: Task
    workloads: tuple[Workload, ...]


def is_hello(answer: object) -> bool:
    if not isinstance(answer, dict) or answer.keys() != {"message", "timestamp"}:
        return False
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    return answer["message"] == "Hello, Alyx!" and bool(re.fullmatch(stamp, answer["timestamp"]))


def is_post(answer: object) -> bool:
    members = {"id", "title", "body", "published", "views", "created_at", "updated_at"}
    return isinstance(answer, dict) and answer.keys() == members and answer["published"] is True


def is_ten(answer: object) -> bool:
    return isinstance(answer, list) and len(answer) == 10 and all(map(is_post, answer))


def is_page(answer: object) -> bool:
    if not isinstance(answer, dict) or answer.keys() != {"docs", "total"}:
        return False
    return len(answer["docs"]) == ROWS <= answer["total"] and all(map(is_post, answer["docs"]))


def do(what: str, right: Callable[[object], bool]) -> Task:
    return Task(json.dumps({"do": what}), right)


OF_DATABASE = (
    ("Alyx, Node", "better-sqlite3"),
    ("Alyx, Python", "better-sqlite3"),
    ("Alyx, Python async", "better-sqlite3"),
    ("Alyx, Go", "better-sqlite3"),
)

HELLO = Task(json.dumps({"name": "Alyx", "padding": "x" * 69}), is_hello)

GROUPS = (
    Group(
        of_hello,
        HELLO,
        (
            Workload(
                "hello",
                "A POST with 100 bytes of JSON to the hello of the sample project: parse the body,"
                " build the message and the timestamp, answer JSON.",
                HELLO,
                (
                    ("Alyx, Node", "node:http"),
                    ("Alyx, Node", "Fastify"),
                    ("Alyx, Python", "uvicorn + Starlette"),
                    ("Alyx, Python async", "uvicorn + Starlette"),
                    ("Alyx, Go", "Go net/http"),
                ),
            ),
        ),
    ),
    Group(
        of_database,
        do("seed", lambda answer: answer is None),
        (
            Workload(
                "one read",
                "The handler gets one of 1,000 documents by its id and returns it.",
                do("get", is_post),
                OF_DATABASE,
            ),
            Workload(
                "ten reads",
                "The handler gets ten documents, in parallel where the language has that.",
                do("get_ten", is_ten),
                OF_DATABASE,
            ),
            Workload(
                "1,000 rows",
                "The handler lists 1,000 documents with their total and returns them.",
                do("list", is_page),
                OF_DATABASE,
            ),
            # Last, for it makes the table grow.
            Workload(
                "one write",
                "The handler creates a document and returns it as stored. Every server answers"
                " after the write has reached the disk (`synchronous: full`).",
                do("create", is_post),
                OF_DATABASE,
            ),
        ),
    ),
)

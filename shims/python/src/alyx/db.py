"""ctx.db: collections by name, and SQL.

Knows which calls there are; how one reaches the host is the session's business.
"""

from __future__ import annotations

from . import params as wire
from .collection import AsyncCollection, Collection
from .errors import DatabaseError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, TypedDict, Union

    from .params import Document, Written
    from .syscalls import Session

    Params = Union[Sequence[Any], Mapping[str, Any]]

    class _Sql(TypedDict):
        sql: str

    class Statement(_Sql, total=False):
        """One statement of a batch."""

        params: Params
else:
    Statement = dict


class _Collections:
    """Makes each collection once."""

    _kind: Any

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[str, Any] = {}

    def _get(self, name: str) -> Any:
        found = self._known.get(name)
        if found is None:
            found = self._known[name] = self._kind(self._session, name)
        return found

    __getitem__ = collection = _get

    def __getattr__(self, name: str) -> Any:
        # Python itself asks for such names, to copy or to print a value.
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        found = self._get(name)
        if name[:1] != "_":
            self.__dict__[name] = found  # found without us the next time
        return found

    def _query(self, sql: str, params: Params | None) -> str:
        self._session.require("db")
        return f'{{"inv":{self._session.inv},{wire.sql_members(sql, params)}}}'

    def _rows(self, result: dict[str, Any]) -> list[Document]:
        if result.get("truncated"):
            # Half an answer must not look like a whole one.
            count = len(result["rows"])
            raise DatabaseError(
                "RESULT_TOO_LARGE",
                f"the result has more than the {count} rows that the host sends"
                " at once; ask for fewer",
            )
        return wire.rows(result)

    def _batch(self, statements: Sequence[Statement]) -> str:
        self._session.require("db")
        self._session.require("batch")
        return wire.batch_ops(statements)


class DB(_Collections):
    """ctx.db in `def` handlers; safe to use from several threads at once."""

    _kind = Collection

    if TYPE_CHECKING:

        def collection(self, name: str) -> Collection:
            """As `ctx.db[name]`."""

        def __getitem__(self, name: str) -> Collection: ...

        def __getattr__(self, name: str) -> Collection: ...

    def query(self, sql: str, params: Params | None = None) -> list[Document]:
        """Reads by SQL: `?` and a list, or `:name` and a dict; a dict for each row."""
        call = self._query(sql, params)
        return self._rows(self._session.ask("db.query", call))

    def exec(self, sql: str, params: Params | None = None) -> Written:
        """Writes by SQL."""
        call = self._query(sql, params)
        return wire.written(self._session.ask("db.exec", call))

    def batch(self, statements: Sequence[Statement]) -> list[Written]:
        """Writes by several statements: all of them or none."""
        ops = self._batch(statements)
        if not ops:
            return []
        call = f'{{"inv":{self._session.inv},"ops":[{ops}]}}'
        return wire.all_written(self._session.ask("db.batch", call))


class AsyncDB(_Collections):
    """ctx.db in `async def` handlers: every call is awaited."""

    _kind = AsyncCollection

    if TYPE_CHECKING:

        def collection(self, name: str) -> AsyncCollection:
            """As `ctx.db[name]`."""

        def __getitem__(self, name: str) -> AsyncCollection: ...

        def __getattr__(self, name: str) -> AsyncCollection: ...

    async def query(self, sql: str, params: Params | None = None) -> list[Document]:
        """Reads by SQL: `?` and a list, or `:name` and a dict; a dict for each row."""
        call = self._query(sql, params)
        return self._rows(await self._session.ask_async("db.query", call))

    async def exec(self, sql: str, params: Params | None = None) -> Written:
        """Writes by SQL."""
        call = self._query(sql, params)
        return wire.written(await self._session.ask_async("db.exec", call))

    async def batch(self, statements: Sequence[Statement]) -> list[Written]:
        """Writes by several statements: all of them or none."""
        ops = self._batch(statements)
        if not ops:
            return []
        call = f'{{"inv":{self._session.inv},"ops":[{ops}]}}'
        return wire.all_written(await self._session.ask_async("db.batch", call))

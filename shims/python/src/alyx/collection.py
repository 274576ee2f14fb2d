"""ctx.db.posts: the documents of one collection, for threads and for tasks.

Knows the methods and what they take; the same twice, because one blocks and
the other is awaited.
"""

from __future__ import annotations

from . import params
from .codec import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from .params import Document, Page
    from .syscalls import Session


class Collection:
    """The documents of one collection; each method waits for the host."""

    __slots__ = ("_ask", "_head")

    def __init__(self, session: Session, name: str) -> None:
        self._ask = session.ask
        self._head = _head(session, name)

    if TYPE_CHECKING:

        def list(
            self,
            options: Mapping[str, Any] | None = None,
            /,
            *,
            filter: Mapping[str, Any] | None = None,
            sort: str | Sequence[str] | None = None,
            limit: int | None = None,
            offset: int | None = None,
            fields: Sequence[str] | None = None,
            count: bool | None = None,
        ) -> Page:
            """`{"docs", "total"}`: documents that match, and how many there are."""

    else:

        def list(self, options=None, /, **more):
            """`{"docs", "total"}`: documents that match, and how many there are."""
            members = params.list_members(options, more)
            return params.page(self._ask("db.list", f"{self._head}{members}}}"))

    def get(self, id: str | None, /) -> Document | None:
        """The document, or None."""
        if id is None:
            return None
        call = f"{self._head}{params.id_member(id)}}}"
        return params.doc(self._ask("db.get", call))  # type: ignore[no-any-return]

    def create(
        self, data: Mapping[str, Any] | None = None, /, **fields: Any
    ) -> Document:
        """Stores a document, given as one dict or as keywords; returns it whole."""
        call = f"{self._head}{params.data_member(data, fields)}}}"
        return params.doc(self._ask("db.create", call))  # type: ignore[no-any-return]

    def update(
        self, id: str, data: Mapping[str, Any] | None = None, /, **fields: Any
    ) -> Document:
        """Changes the given fields; returns the whole document."""
        members = params.id_member(id) + params.data_member(data, fields)
        call = f"{self._head}{members}}}"
        return params.doc(self._ask("db.update", call))  # type: ignore[no-any-return]

    def delete(self, id: str, /) -> None:
        """Deletes a document; NOT_FOUND when there is none."""
        self._ask("db.delete", f"{self._head}{params.id_member(id)}}}")


class AsyncCollection:
    """The documents of one collection; each method is awaited."""

    __slots__ = ("_ask", "_head")

    def __init__(self, session: Session, name: str) -> None:
        self._ask = session.ask_async
        self._head = _head(session, name)

    if TYPE_CHECKING:

        async def list(
            self,
            options: Mapping[str, Any] | None = None,
            /,
            *,
            filter: Mapping[str, Any] | None = None,
            sort: str | Sequence[str] | None = None,
            limit: int | None = None,
            offset: int | None = None,
            fields: Sequence[str] | None = None,
            count: bool | None = None,
        ) -> Page:
            """`{"docs", "total"}`: documents that match, and how many there are."""

    else:

        async def list(self, options=None, /, **more):
            """`{"docs", "total"}`: documents that match, and how many there are."""
            members = params.list_members(options, more)
            return params.page(await self._ask("db.list", f"{self._head}{members}}}"))

    async def get(self, id: str | None, /) -> Document | None:
        """The document, or None."""
        if id is None:
            return None
        call = f"{self._head}{params.id_member(id)}}}"
        return params.doc(await self._ask("db.get", call))  # type: ignore[no-any-return]

    async def create(
        self, data: Mapping[str, Any] | None = None, /, **fields: Any
    ) -> Document:
        """Stores a document, given as one dict or as keywords; returns it whole."""
        call = f"{self._head}{params.data_member(data, fields)}}}"
        return params.doc(await self._ask("db.create", call))  # type: ignore[no-any-return]

    async def update(
        self, id: str, data: Mapping[str, Any] | None = None, /, **fields: Any
    ) -> Document:
        """Changes the given fields; returns the whole document."""
        members = params.id_member(id) + params.data_member(data, fields)
        call = f"{self._head}{members}}}"
        return params.doc(await self._ask("db.update", call))  # type: ignore[no-any-return]

    async def delete(self, id: str, /) -> None:
        """Deletes a document; NOT_FOUND when there is none."""
        await self._ask("db.delete", f"{self._head}{params.id_member(id)}}}")


def _head(session: Session, name: str) -> str:
    """What the params of every call to one collection begin with."""
    session.require("db")
    if not isinstance(name, str):
        found = type(name).__name__
        raise params.invalid_query(f"a collection's name is a string, not {found}")
    return f'{{"inv":{session.inv},"collection":{quote(name)}'

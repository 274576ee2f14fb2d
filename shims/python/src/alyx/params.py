"""What functions give to ctx.db, as JSON; what the host answers, as they get it.

Knows the members of the db.* methods; does not know who asks or how the
answer comes. Names and filters pass unjudged: the host knows the collections.
"""

from __future__ import annotations

import sys

from . import values
from .codec import quote
from .errors import DatabaseError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypedDict

    Document = dict[str, Any]

    class Page(TypedDict):
        """What `list` returns; no `total` with count=False."""

        docs: list[Document]
        total: int

    class Written(TypedDict):
        """What `exec` returns."""

        rows_affected: int
        last_insert_id: int | None
else:
    Document = Page = Written = dict  # for the hints of functions

LIST_OPTIONS = ("filter", "sort", "limit", "offset", "fields", "count")
HINTS = {
    "Decimal": "; use str(value) or float(value)",
    "set": "; use a list",
    "frozenset": "; use a list",
}


def list_members(options: Any, more: dict[str, Any]) -> str:
    """The options of `list`, given as a dict, as keywords, or both."""
    if options is not None:
        if not isinstance(options, dict):
            found = type(options).__name__
            raise invalid_query(f"the options of list must be a dict, not {found}")
        more = {**options, **more}
    text = ""
    for name, value in more.items():
        if name not in LIST_OPTIONS:
            known = ", ".join(LIST_OPTIONS)
            raise invalid_query(f"list has no option '{name}'; use {known}")
        if value is None:
            continue
        if name == "filter":
            text += f',"filter":{_filter(value)}'
        else:
            if name == "sort" and not isinstance(value, str):
                value = _joined(value)
            text += f',"{name}":{_encoded(name, values.encode, value)}'
    return text


def _filter(value: Any) -> str:
    if not isinstance(value, dict):
        what = f"filter must be a dict, not {type(value).__name__}"
        raise DatabaseError("INVALID_FILTER", what)
    return _encoded("filter", values.encode_filter, value)


def _joined(sort: Any) -> str:
    if isinstance(sort, (list, tuple)) and all(isinstance(name, str) for name in sort):
        return ",".join(sort)
    raise invalid_query("sort must be a string, or a list of strings")


def id_member(id: Any) -> str:
    """The id of a document."""
    if type(id) is not str:
        uuids = sys.modules.get("uuid")
        if uuids is not None and isinstance(id, uuids.UUID):
            id = str(id)
        elif not isinstance(id, str):
            what = f"id must be a string, not {type(id).__name__}"
            raise DatabaseError("VALIDATION_ERROR", what, field="id")
    return f',"id":{quote(id)}'


def data_member(data: Any, fields: dict[str, Any]) -> str:
    """The fields of a document, given as a dict or as keywords."""
    if data is None:
        data = fields
    elif fields:
        what = "give the fields as one dict or as keywords, not both"
        raise DatabaseError("VALIDATION_ERROR", what)
    elif not isinstance(data, dict):
        what = f"data must be a dict, not {type(data).__name__}"
        raise DatabaseError("VALIDATION_ERROR", what)
    return f',"data":{_encoded("data", values.encode, data)}'


def sql_members(sql: Any, params: Any, where: str = "") -> str:
    """A statement and its parameters; `where` goes before their names in errors."""
    if not isinstance(sql, str):
        raise invalid_query(f"{where}sql must be a string, not {type(sql).__name__}")
    text = f'"sql":{quote(sql)}'
    if params is None:
        return text
    if isinstance(params, (list, tuple)):
        return f'{text},"args":{_encoded(f"{where}params", values.encode, params)}'
    if isinstance(params, dict):
        members = _encoded(f"{where}params", values.encode_members, params)
        return f'{text},"args":{members}'
    found = type(params).__name__
    raise invalid_query(f"{where}params must be a list or a dict, not {found}")


def batch_ops(statements: Any) -> str:
    """The statements of a batch, each a dict of `sql` and `params`."""
    if not isinstance(statements, (list, tuple)):
        found = type(statements).__name__
        raise invalid_query(f"a batch must be a list of statements, not {found}")
    return ",".join(
        f'{{"method":"db.exec","params":{{{_statement(statement, index)}}}}}'
        for index, statement in enumerate(statements)
    )


def _statement(statement: Any, index: int) -> str:
    if not isinstance(statement, dict):
        found = type(statement).__name__
        raise invalid_query(f"batch[{index}] must be a dict, not {found}", op=index)
    unknown = [name for name in statement if name not in ("sql", "params")]
    if unknown:
        what = f"batch[{index}] has '{unknown[0]}'; a statement is sql and params"
        raise invalid_query(what, op=index)
    where = f"batch[{index}]."
    return sql_members(statement.get("sql"), statement.get("params"), where)


def doc(result: dict[str, Any]) -> Any:
    """A document, or None where there may be none."""
    return _member(result, "doc")


def page(result: dict[str, Any]) -> Page:
    """What `list` returns: documents, and how many match in all."""
    docs = _member(result, "docs")
    if "total" not in result:
        return {"docs": docs}  # type: ignore[typeddict-item]  # count=False
    return {"docs": docs, "total": result["total"]}


def rows(result: dict[str, Any]) -> list[Document]:
    """What `query` returns. Of two columns with one name the last one wins."""
    columns = _member(result, "columns")
    return [dict(zip(columns, row)) for row in _member(result, "rows")]


def written(result: dict[str, Any]) -> Written:
    """What `exec` returns."""
    return {
        "rows_affected": _member(result, "changes"),
        "last_insert_id": result.get("lastInsertId"),
    }


def all_written(result: dict[str, Any]) -> list[Written]:
    """What `batch` returns."""
    return [written(each) for each in _member(result, "results")]


def _member(result: dict[str, Any], name: str) -> Any:
    try:
        return result[name]
    except KeyError:
        what = f"the host's answer has no '{name}'"
        raise DatabaseError("INTERNAL_ERROR", what) from None


def invalid_query(message: str, **fields: Any) -> DatabaseError:
    """An argument that no host could understand."""
    return DatabaseError("INVALID_QUERY", message, **fields)


def _encoded(root: str, encode: Callable[[Any], str], value: Any) -> str:
    try:
        return encode(value)
    except values.Unstorable as error:
        name, _, hint = error.what.partition("; ")
        hint = f"; {hint}" if hint else HINTS.get(name, "")
        what = f"{error.path(root)}: {name} cannot be sent to the database{hint}"
        fields = {"field": error.steps[-1]} if root == "data" and error.steps else {}
        raise DatabaseError("VALIDATION_ERROR", what, **fields) from None  # type: ignore[arg-type]

"""What Python functions of Alyx can import: `alyx.Error`, and types for hints.

    import alyx

    def handler(ctx: alyx.Context) -> object:
        if "email" not in ctx.input:
            raise alyx.Error("VALIDATION_ERROR", "Email is required", field="email")
        return {"ok": True}

The rest of the package is the worker that runs them.
"""

from .collection import AsyncCollection, Collection
from .context import AsyncContext, Auth, Context, Function, Request
from .db import DB, AsyncDB, Statement
from .errors import DatabaseError, Error
from .log import Log
from .params import Document, Page, Written

__all__ = [
    "DB",
    "AsyncCollection",
    "AsyncContext",
    "AsyncDB",
    "Auth",
    "Collection",
    "Context",
    "DatabaseError",
    "Document",
    "Error",
    "Function",
    "Log",
    "Page",
    "Request",
    "Statement",
    "Written",
]

"""ctx.db: what stands there while the host offers no database.

Knows nothing of the wire yet; the methods come with the host's `db` capability.
"""

from __future__ import annotations

from .errors import Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn


class Database:
    """Collections by name: `ctx.db.posts` or `ctx.db["posts"]`."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        # Python itself asks for such names, to copy or to print a value.
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        _refuse()

    def __getitem__(self, name: str) -> Any:
        _refuse()


def _refuse() -> NoReturn:
    raise Error("UNAVAILABLE", "the host offers no database")

"""ctx, the one argument of a handler, and the invocation behind it.

Knows what a handler may see; does not know how or where the handler runs.
"""

from __future__ import annotations

from contextvars import ContextVar
from time import time

from .db import DB, AsyncDB
from .log import Journal, Limits, Log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from .syscalls import Session, Syscalls

DEFAULT_DEADLINE_MS = 30_000


class Frozen(dict[str, str]):
    """ctx.env: a dict of strings that nothing can change."""

    __slots__ = ()

    def _refuse(self, *args: object, **kwargs: object) -> NoReturn:
        raise TypeError("ctx.env is read-only; copy it with dict(ctx.env)")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse


class Function:
    """ctx.function: which function runs, in which revision."""

    __slots__ = ("name", "revision")

    def __init__(self, name: str, revision: str) -> None:
        self.name = name
        self.revision = revision


class Served:
    """One function revision that is ready to be called."""

    __slots__ = ("add", "env", "function", "handler", "schema", "syscalls")

    def __init__(
        self,
        function: Function,
        handler: Callable[[Context], Any],
        env: Frozen,
        schema: dict[str, Any] | None,
        add: Callable[[Invocation], None],
        syscalls: Syscalls,
    ) -> None:
        self.function = function
        self.handler = handler
        self.env = env
        self.schema = schema
        # Takes an invocation to where this handler runs.
        self.add = add
        self.syscalls = syscalls


class Auth(dict[str, "Any"]):
    """ctx.auth: the user; `ctx.auth.id` and `ctx.auth["id"]` are the same."""

    __slots__ = ()

    if TYPE_CHECKING:
        id: str
        email: str
        role: str
        metadata: dict[str, Any]
        verified: bool

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"ctx.auth has no '{name}'") from None


class Request:
    """ctx.request: the HTTP request that caused the invocation."""

    __slots__ = ("headers", "id", "ip", "method", "query")

    def __init__(self, id: str, trigger: dict[str, Any]) -> None:
        self.id = id
        self.method: str = trigger.get("method") or ""
        # Names in lower case.
        self.headers: dict[str, str] = trigger.get("headers") or {}
        # A list where a name was given more than once.
        self.query: dict[str, str | list[str]] = {
            name: values[0] if len(values) == 1 else values
            for name, values in (trigger.get("query") or {}).items()
        }
        self.ip: str = trigger.get("ip") or ""


class Speaker:
    """Whose output it is that is printed: that of an invocation, or of a load."""

    __slots__ = ("_journal", "_limits", "_send", "ended", "id")

    def __init__(
        self, id: int | None, send: Callable[[bytes], None], limits: Limits
    ) -> None:
        self.id = id
        self.ended = False
        self._send = send
        self._limits = limits
        self._journal: Journal | None = None

    @property
    def journal(self) -> Journal:
        """Made when something is said for the first time."""
        if self._journal is None:
            id = None if self.ended else self.id
            self._journal = Journal(self._send, id, self._limits)
        return self._journal

    def end(self) -> None:
        """Sends the last of the log; what is printed later is nobody's."""
        if self._journal is not None:
            self._journal.close()
        self.ended = True


# Whose code is running. Tasks, asyncio.to_thread and contextvars.copy_context()
# carry it on; a bare threading.Thread does not.
current: ContextVar[Speaker | None] = ContextVar("alyx_speaker", default=None)


class Invocation(Speaker):
    """One call of one function, from its request to its answer."""

    __slots__ = ("begun", "cancelled", "params", "served", "session", "task")

    id: int

    def __init__(
        self,
        id: int,
        served: Served,
        params: dict[str, Any],
        send: Callable[[bytes], None],
        limits: Limits,
    ) -> None:
        super().__init__(id, send, limits)
        self.served = served
        self.params = params
        self.cancelled = False
        # Its calls to the host, once there are some.
        self.session: Session | None = None
        # The asyncio task of an `async def` handler, and whether it runs yet.
        self.task: Any = None
        self.begun = False


class Context:
    """What a handler gets: `def handler(ctx: alyx.Context)`.

    For `async def` handlers see AsyncContext.
    """

    __slots__ = (
        "_async_db",
        "_db",
        "_invocation",
        "_log",
        "_request",
        "auth",
        "deadline",
        "input",
    )

    # Made when they are asked for; most calls ask for none.
    _db: DB
    _async_db: AsyncDB

    def __init__(self, invocation: Invocation) -> None:
        params = invocation.params
        auth = params.get("auth")
        remaining = params.get("deadlineMs", DEFAULT_DEADLINE_MS)
        self._invocation = invocation
        self._log: Log | None = None
        self._request: Request | None = None
        # The body of the request, always a dict.
        self.input: dict[str, Any] = params.get("input", {})
        # The signed-in user, or None.
        self.auth: Auth | None = None if auth is None else Auth(auth)
        # When time is up, in seconds since the epoch, as time.time().
        self.deadline: float = time() + remaining / 1000

    @property
    def env(self) -> dict[str, str]:
        """The function's environment variables; read-only."""
        return self._invocation.served.env

    @property
    def function(self) -> Function:
        """The function's name and revision."""
        return self._invocation.served.function

    @property
    def log(self) -> Log:
        """The logger of this invocation."""
        if self._log is None:
            self._log = Log(self._invocation.journal)
        return self._log

    @property
    def request(self) -> Request:
        """The HTTP request behind the call."""
        if self._request is None:
            params = self._invocation.params
            self._request = Request(
                params.get("requestId") or "", params.get("trigger") or {}
            )
        return self._request

    @property
    def db(self) -> DB:
        """The database client: its methods block, or are awaited in `async def`."""
        syscalls = self._invocation.served.syscalls
        # Not asked of the handler: a decorator may hide an `async def`, and what
        # asyncio.to_thread runs has to block.
        here = syscalls.loop.is_here()
        try:
            return self._async_db if here else self._db  # type: ignore[return-value]
        except AttributeError:
            session = syscalls.session(self._invocation, self.deadline)
        if here:
            self._async_db = AsyncDB(session)
            return self._async_db  # type: ignore[return-value]
        self._db = DB(session)
        return self._db


class AsyncContext(Context):
    """What an `async def` handler gets: the same, but that ctx.db is awaited."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def db(self) -> AsyncDB:  # type: ignore[override]
            """The database client: `await ctx.db.posts.get(id)`."""

"""Thrown values and broken promises as JSON-RPC error objects.

Knows the registry of numbers and the size limits; sends nothing itself.
"""

from __future__ import annotations

import os

from . import codec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

MAX_MESSAGE = 4 * 1024
MAX_STACK = 16 * 1024
MAX_DETAILS = 64 * 1024
MAX_CODE = 128

FUNCTION_ERROR = "FUNCTION_ERROR"
# The host knows what the limit is, and tells.
OUT_OF_MEMORY = ("OUT_OF_MEMORY", "out of memory")

NUMBERS = {
    "PARSE_ERROR": -32700,
    "INVALID_REQUEST": -32600,
    "METHOD_NOT_FOUND": -32601,
    "INVALID_PARAMS": -32602,
    "INTERNAL_ERROR": -32603,
    FUNCTION_ERROR: -32020,
    "FUNCTION_NOT_FOUND": -32021,
    "NOT_READY": -32022,
    "LOAD_FAILED": -32023,
    "CANCELLED": -32024,
    "DEADLINE_EXCEEDED": -32025,
    "OVERLOADED": -32026,
    "RESULT_NOT_SERIALIZABLE": -32027,
    "FRAME_TOO_LARGE": -32028,
    "INVOCATION_ENDED": -32029,
}
# What the host alone says; its errors need not say it in words.
_NAMES = {number: name for name, number in NUMBERS.items()}
_NAMES.update(
    {
        -32040: "DB_NOT_FOUND",
        -32041: "DB_CONFLICT",
        -32042: "DB_VALIDATION",
        -32043: "DB_FORBIDDEN",
        -32044: "DB_SQL",
        -32045: "DB_BUSY",
        -32048: "DB_OUTCOME_UNKNOWN",
    }
)


class Error(Exception):
    """An error with a code of its own, for functions to raise.

    >>> raise alyx.Error("VALIDATION_ERROR", "Email is required", field="email")

    The caller gets `{"error": {"code", "message", ...fields}}`. `status` sets
    the HTTP status (400 to 599); without it the code decides.
    """

    def __init__(
        self,
        code: str | int,
        message: str = "",
        /,
        *,
        status: int | None = None,
        **fields: Any,
    ) -> None:
        super().__init__(code, message)
        self.code = str(code)
        self.message = message
        self.status = status
        self.fields = fields

    def __str__(self) -> str:
        return self.message or self.code


class DatabaseError(Error):
    """What ctx.db raises: `error.code`, `error.message`, `error.field`.

    >>> except alyx.DatabaseError as error:
    ...     if error.code == "UNIQUE_VIOLATION": ...

    More of what the host said, such as `collection` or a batch's `op`, is in
    `error.fields` and can be read as an attribute.
    """

    def __init__(
        self,
        code: str | int,
        message: str = "",
        /,
        *,
        status: int | None = None,
        retryable: bool = False,
        **fields: Any,
    ) -> None:
        super().__init__(code, message, status=status, **fields)
        # The same call may succeed a little later.
        self.retryable = retryable

    @property
    def field(self) -> str | None:
        """The field it is about, if it is about one."""
        return self.fields.get("field")

    def __getattr__(self, name: str) -> Any:
        fields = self.__dict__.get("fields", {})
        if name in fields:
            return fields[name]
        raise AttributeError(f"this database error has no '{name}'")

    @classmethod
    def from_wire(cls, error: Any) -> DatabaseError:
        """An error answer of the host; whatever is missing has a default."""
        error = error if isinstance(error, dict) else {}
        data = error.get("data")
        data = data if isinstance(data, dict) else {}
        details = data.get("details")
        details = dict(details) if isinstance(details, dict) else {}
        status = details.pop("status", None)
        details.pop("retryable", None)
        return cls(
            data.get("code") or _NAMES.get(error.get("code"), "INTERNAL_ERROR"),
            str(error.get("message") or ""),
            status=status if type(status) is int else None,
            retryable=data.get("retryable") is True,
            **details,
        )


class BadRequest(Exception):
    """A request that cannot be served: one of the names in NUMBERS, and why."""

    def __init__(
        self, code: str, message: str, details: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.answer = wire_error(code, message, details)


def wire_error(
    code: str, message: str, details: dict[str, Any] | None = None, stack: str = ""
) -> dict[str, Any]:
    """An error object of the protocol; `code` is one of NUMBERS."""
    error = _error_object(NUMBERS[code], code, message, details, stack)
    if code == "OVERLOADED":
        error["data"]["retryable"] = True
    return error


def thrown(error: BaseException) -> dict[str, Any]:
    """What a handler raised, as the error object that answers its invocation."""
    try:
        code, message, details = _describe(error)
    except Exception:  # attributes can be properties that raise
        code, message, details = FUNCTION_ERROR, "function failed", {}
    # The number is the same for every code, also for a function's "CANCELLED".
    number = NUMBERS[FUNCTION_ERROR]
    answer = _error_object(number, code, message, _fitting(details), stack_of(error))
    if isinstance(error, MemoryError):
        _let_go(error)
    return answer


def _let_go(error: BaseException) -> None:
    """Frees what the handler held: its frames keep it for as long as the error lives.

    The next call needs the memory.
    """
    import gc
    import traceback

    traceback.clear_frames(error.__traceback__)
    gc.collect()


def _error_object(
    number: int, code: str, message: str, details: dict[str, Any] | None, stack: str
) -> dict[str, Any]:
    data: dict[str, Any] = {"code": code}
    if details:
        data["details"] = details
    if stack:
        data["stack"] = stack
    return {"code": number, "message": cut(message, MAX_MESSAGE), "data": data}


def _describe(error: BaseException) -> tuple[str, str, dict[str, Any]]:
    if isinstance(error, SystemExit):
        return FUNCTION_ERROR, f"the handler called sys.exit({error.code!r})", {}
    if isinstance(error, MemoryError):
        return (*OUT_OF_MEMORY, {})
    # The system's own errors carry file names, addresses and `code`s that were
    # never meant for a caller (urllib's HTTPError is one of them).
    if isinstance(error, OSError):
        return FUNCTION_ERROR, _text(error) or "function failed", {}
    code = _code(getattr(error, "code", None))
    status = getattr(error, "status", None)
    if isinstance(error, Error):
        message, extras = error.message, dict(error.fields)
    else:
        own = getattr(error, "message", None)
        message = own if isinstance(own, str) else _text(error)
        extras = dict(getattr(error, "__dict__", {}))
    details = {
        key: value
        for key, value in extras.items()
        if key not in ("code", "message") and key[:1] != "_" and _is_json(value)
    }
    if isinstance(status, int) and not isinstance(status, bool):
        details["status"] = int(status)
    return code or FUNCTION_ERROR, str(message) or code or "function failed", details


def _code(value: object) -> str:
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return str(value)[:MAX_CODE]
    return ""


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return f"{type(error).__name__} whose message cannot be read"


def _is_json(value: object) -> bool:
    try:
        codec.encode(value)
    except Exception:
        return False
    return True


def _fitting(details: dict[str, Any]) -> dict[str, Any]:
    size = len(codec.encode(details))
    if size <= MAX_DETAILS:
        return details
    marker = f"extra fields of {size} bytes are over the limit of {MAX_DETAILS}"
    return {"dropped": marker}


def cut(text: str, limit: int, lost: int = 0) -> str:
    """`text` in at most `limit` bytes of UTF-8, saying how many were left out.

    `lost` bytes after `text` were thrown away before.
    """
    if len(text) * 4 + lost <= limit:
        return text
    data = text.encode("utf-8", "surrogatepass")
    if len(data) + lost <= limit:
        return text
    # The marker's own length depends on the number in it; 40 bytes hold any.
    kept = data[: limit - 40].decode("utf-8", "ignore")
    return f"{kept} …[cut, {len(data) - len(kept.encode()) + lost} bytes]"


def stack_of(error: BaseException) -> str:
    """The traceback from the user's first frame to the last; its end if it is long."""
    import traceback  # 4 ms of start that only a failure has to pay

    try:
        trace = _outside_shim(error.__traceback__)
        lines = traceback.format_exception(
            type(error), error, trace, _frames_before_shim(trace)
        )
        stack = "".join(lines).rstrip("\n")
    except Exception:  # a hostile __str__, a source file that is no text
        return type(error).__name__
    data = stack.encode("utf-8", "replace")
    if len(data) <= MAX_STACK:
        return data.decode()
    marker = f"…[cut, {len(data) - MAX_STACK + 64} bytes]\n"
    return marker + data[64 - MAX_STACK :].decode("utf-8", "ignore")


_SHIM_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep


def is_shim_file(path: str) -> bool:
    """True for frames that mean nothing to the author of a function."""
    return path.startswith((_SHIM_FOLDER, "<frozen importlib"))


def _outside_shim(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and is_shim_file(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return trace


def _frames_before_shim(trace: TracebackType | None) -> int | None:
    """Where to stop when the end is ours, as in every error of ctx.db."""
    last = count = 0
    while trace is not None:
        count += 1
        if not is_shim_file(trace.tb_frame.f_code.co_filename):
            last = count
        trace = trace.tb_next
    return last if last < count else None

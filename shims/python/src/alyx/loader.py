"""User code from disk: a file to its handler and schema, or what is wrong.

Knows modules, paths and Python's ways to fail; does not run handlers and does
not know the wire.
"""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import sys
from importlib.machinery import SourceFileLoader

from . import codec
from .errors import is_shim_file, stack_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType, ModuleType
    from typing import Any

CO_COROUTINE = 0x80  # inspect.CO_COROUTINE, without importing inspect
PREFIX = "alyx_function_"
NEAR_MISSES = ("Handler", "HANDLER", "handle", "main", "default", "lambda_handler")


class Source:
    """Where a function's code is, and what it is called."""

    __slots__ = ("entry", "function", "path", "paths", "revision", "root")

    def __init__(
        self,
        function: str,
        revision: str,
        path: str,
        root: str,
        entry: str,
        paths: list[str],
    ) -> None:
        self.function = function
        self.revision = revision
        self.path = path
        self.root = root
        self.entry = entry
        self.paths = paths  # of installed packages


class Loaded:
    """A function that can be called."""

    __slots__ = ("handler", "is_async", "schema")

    def __init__(
        self, handler: Callable[..., Any], is_async: bool, schema: dict[str, Any] | None
    ) -> None:
        self.handler = handler
        self.is_async = is_async
        self.schema = schema


class LoadError(Exception):
    """Why a file is no function: `kind`, and where it says so."""

    def __init__(
        self,
        kind: str,
        message: str,
        file: str,
        line: int | None = None,
        column: int | None = None,
        stack: str = "",
    ) -> None:
        super().__init__(message)
        self.details: dict[str, Any] = {"kind": kind, "file": file}
        if line:
            self.details["line"] = line
        if column:
            self.details["column"] = column
        self.stack = stack


class _OutOfTime(BaseException):
    """Raised inside the module that takes too long; no `except Exception` stops it."""


class _FromSource(SourceFileLoader):
    """Always compiles: a .pyc is trusted by the second, an editor is faster."""

    def get_code(self, fullname: str) -> CodeType | None:
        path = self.get_filename(fullname)
        try:
            return self.source_to_code(self.get_data(path), path)
        except (SyntaxError, ValueError) as error:
            if getattr(error, "filename", None) == path:
                raise
            # A null byte: some Pythons say ValueError, none says where.
            raise SyntaxError(str(error), (path, None, None, None)) from None


def load(source: Source, milliseconds: float) -> Loaded:
    """Imports the file and takes its handler; raises LoadError.

    Runs in the main thread: signals work there, for the time limit (0 = none)
    and for the modules that insist on it.
    """
    path, folder = source.path, os.path.dirname(source.path)
    _forget_local_modules(source.root)
    _search_first_in([folder, source.root, *source.paths])
    unique = re.sub(r"\W", "_", f"{source.function}_{source.revision}")
    name = PREFIX + unique
    try:
        module = _within(milliseconds, lambda: _import(name, path, folder))
    except BaseException as error:
        sys.modules.pop(name, None)
        raise _load_error(error, source, milliseconds) from error
    handler = _find_handler(module, source.entry, path)
    return Loaded(handler, _is_async(handler), _find_schema(module, path))


def _import(name: str, path: str, folder: str) -> ModuleType:
    """Runs the file as a package of its own, so that `from .part import x` works.

    The name holds the revision: two revisions share no submodules that way.
    """
    spec = importlib.util.spec_from_file_location(
        name, path, loader=_FromSource(name, path), submodule_search_locations=[folder]
    )
    if spec is None or spec.loader is None:  # cannot be with a loader given
        raise ImportError(f"cannot load '{path}'")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look there
    spec.loader.exec_module(module)
    return module


def _within(milliseconds: float, job: Callable[[], ModuleType]) -> ModuleType:
    """Interrupts `job` when time is up, unless it hangs inside of C code; 0 = never."""
    running = True

    def stop(number: int, frame: FrameType | None) -> None:
        if running:
            raise _OutOfTime

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, milliseconds / 1000)
    try:
        return job()
    finally:
        running = False
        signal.setitimer(signal.ITIMER_REAL, 0)


def _forget_local_modules(root: str) -> None:
    """Makes shared code new for each load, as the function itself is.

    Modules of an earlier revision, or a `part.py` beside another function,
    would be taken for this function's otherwise. What pip put below the
    folder stays: extension modules cannot be imported twice.
    """
    inside = root + os.sep
    for name, module in list(sys.modules.items()):
        if name.startswith(PREFIX):
            continue
        origin = getattr(module, "__file__", None) or _namespace_folder(module)
        if origin.startswith(inside) and "-packages" + os.sep not in origin:
            del sys.modules[name]
    # Files may be newer than the listing of their folder. For these folders
    # only: importlib.invalidate_caches() imports half of the library.
    for path in list(sys.path_importer_cache):
        if path == root or path.startswith(inside):
            del sys.path_importer_cache[path]


def _namespace_folder(module: object) -> str:
    """Where a package without __init__.py lies, such as `_shared`; else ""."""
    try:
        return str(next(iter(getattr(module, "__path__", ())), ""))
    except Exception:  # a stranger in sys.modules whose __path__ is no path
        return ""


_searched: list[str] = []


def _search_first_in(folders: list[str]) -> None:
    """Puts folders after the standard library and before installed packages.

    A function may be called `email` or `token` without breaking the library,
    while the author's own modules win over what pip installed.
    """
    for folder in _searched:
        if folder in sys.path:
            sys.path.remove(folder)
    _searched[:] = dict.fromkeys([*folders, *_searched])
    installed = (
        index for index, path in enumerate(sys.path) if path.endswith("-packages")
    )
    at = next(installed, len(sys.path))
    sys.path[at:at] = _searched


def _find_handler(module: ModuleType, entry: str, path: str) -> Callable[..., Any]:
    found = getattr(module, entry, None)
    if callable(found) and not isinstance(found, type):
        return found  # type: ignore[no-any-return]
    file = os.path.basename(path)
    if found is not None:
        kind = "class" if isinstance(found, type) else type(found).__name__
        problem = f"'{entry}' in '{file}' is no function but of type '{kind}'"
    else:
        problem = f"'{file}' has no '{entry}'"
        near = [name for name in NEAR_MISSES if callable(getattr(module, name, None))]
        if near:
            problem += f"; rename '{near[0]}'"
    raise LoadError("no_handler", f"{problem}; write def {entry}(ctx): ...", path)


def _is_async(handler: Any) -> bool:
    """Whether calling it only makes a coroutine.

    What hides that (a decorator) runs as a `def` and is awaited afterwards.
    """
    while hasattr(handler, "func"):  # functools.partial
        handler = handler.func
    if not hasattr(handler, "__code__"):
        handler = getattr(type(handler), "__call__", None)  # noqa: B004
    code = getattr(handler, "__code__", None)
    return code is not None and bool(code.co_flags & CO_COROUTINE)


def _find_schema(module: ModuleType, path: str) -> dict[str, Any] | None:
    schema = getattr(module, "SCHEMA", None)
    if schema is None:
        return None
    if not isinstance(schema, dict):
        found = type(schema).__name__
        raise LoadError("schema", f"SCHEMA must be a dict, not a {found}", path)
    try:
        codec.encode(schema)
    except Exception as error:
        where = codec.find_unencodable(schema, "SCHEMA") or f"SCHEMA: {error}"
        raise LoadError("schema", f"{where} is not JSON", path) from None
    return schema


def _load_error(error: BaseException, source: Source, milliseconds: float) -> LoadError:
    path, root = source.path, source.root
    stack = stack_of(error)
    if isinstance(error, SyntaxError) and os.path.isfile(error.filename or ""):
        message = f"{type(error).__name__}: {error.msg}"
        file = os.path.abspath(error.filename or path)
        return LoadError("syntax", message, file, error.lineno, error.offset, stack)
    file, line = _last_user_line(error, path, root)
    if isinstance(error, _OutOfTime):
        message = f"loading took longer than {milliseconds:.0f} ms"
        return LoadError("timeout", message, file, line, None, stack)
    if isinstance(error, SystemExit):
        message = f"the module called sys.exit({error.code!r}) while it was loaded"
        return LoadError("throw", message, file, line, None, stack)
    kind = "import" if isinstance(error, ImportError) else "throw"
    message = f"{type(error).__name__}: {error}".removesuffix(": ")
    return LoadError(kind, message, file, line, None, stack)


def _last_user_line(
    error: BaseException, path: str, root: str
) -> tuple[str, int | None]:
    """Where the author can look: the innermost line below the functions folder."""
    found: tuple[str, int | None] = (path, None)
    trace = error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        mine = file == path or file.startswith(root + os.sep)
        if mine and not is_shim_file(file):
            found = (file, trace.tb_lineno)
        trace = trace.tb_next
    return found

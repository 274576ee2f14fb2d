"""What Python functions of Alyx can import: `alyx.Error`, and types for hints.

    import alyx

    def handler(ctx: alyx.Context) -> object:
        if "email" not in ctx.input:
            raise alyx.Error("VALIDATION_ERROR", "Email is required", field="email")
        return {"ok": True}

The rest of the package is the worker that runs them.
"""

from .context import Auth, Context, Function, Request
from .errors import Error
from .log import Log

__all__ = ["Auth", "Context", "Error", "Function", "Log", "Request"]

# functions/hello_py.py
from datetime import datetime, timezone


def handler(ctx):
    name = ctx.input.get("name") or "World"
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")

    return {
        "message": f"Hello, {name}!",
        "timestamp": now.replace("+00:00", "Z"),
    }

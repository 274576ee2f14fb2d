# functions/hello_py.py as an `async def`, which runs inline and not in a thread.
from datetime import datetime, timezone


async def handler(ctx):
    name = ctx.input.get("name") or "World"
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")

    return {
        "message": f"Hello, {name}!",
        "timestamp": now.replace("+00:00", "Z"),
    }

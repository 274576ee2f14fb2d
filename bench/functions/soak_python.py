"""Does what a soak asks of it; the same in every runtime."""

import asyncio
import contextlib
import os
import time

import alyx


async def handler(ctx):
    act, ms = ctx.input.get("act"), ctx.input.get("ms", 0)
    if act == "hold":
        await asyncio.sleep(ms / 1000)
    elif act == "deaf":
        end = time.monotonic() + ms / 1000
        while time.monotonic() < end:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(end - time.monotonic())
    elif act == "block":
        time.sleep(ms / 1000)
    elif act == "crash":
        os._exit(3)
    elif act == "throw":
        raise alyx.Error("TOLD_TO", "as it was told")
    for i in range(ctx.input.get("lines", 0)):
        print("line", i) if i % 2 else ctx.log.info(f"line {i}")
    return {"act": act, "text": "x" * (ctx.input.get("kib", 0) * 1024)}

"""Log lines on the real stdout as well, for the log of the worker's engine.

A line begins with its time, by which the host knows what it has got already.
"""

from __future__ import annotations

import os
from time import gmtime, strftime, time


def line(level: str, text: str, fields: str) -> None:
    """Writes one line; fields are JSON, or nothing."""
    now = time()
    second = strftime("%Y-%m-%dT%H:%M:%S", gmtime(now))
    stamp = f"{second}.{int(now * 1000) % 1000:03}Z"
    whole = f"{stamp} {level.upper()} {text} {fields}".rstrip()
    whole = whole.replace("\r", "").replace("\n", "\\n") + "\n"
    try:
        os.write(1, whole.encode("utf-8", "replace"))
    except OSError:
        pass  # nobody reads; the host has the line

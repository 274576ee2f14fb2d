"""The first exchange: what we say of ourselves, what we accept of the host.

Knows the hello message; does not know what is served afterwards.
"""

from __future__ import annotations

import os
import sys
import threading

from .peer import MAX_FRAME, Peer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .log import Limits
    from .syscalls import Terms

VERSION = "0.1.0"
PROTOCOL_VERSION = 1
DEFAULT_MAX_FRAME = 8 * 1024 * 1024
HELLO_DEADLINE = 5.0


def shake_hands(
    peer: Peer, token: str, concurrency: int, limits: Limits, terms: Terms
) -> str:
    """Opens `peer`, fills in what the host said; returns what went wrong if it did."""
    answered = threading.Event()
    problem = f"no answer to hello in {HELLO_DEADLINE:.0f} s"

    def on_reply(
        result: dict[str, Any], error: dict[str, Any] | None, payload: bytes
    ) -> None:
        # Runs where frames are read: a `load` may be next in the same read.
        nonlocal problem
        version = result.get("protocolVersion", PROTOCOL_VERSION)
        if error is not None:
            problem = f"the host refused hello: {error.get('message')}"
        elif version != PROTOCOL_VERSION:
            problem = f"the host wants version {version}, not {PROTOCOL_VERSION}"
        else:
            problem = _accept(peer, limits, terms, result)
        answered.set()

    peer.call("hello", _introduction(token, concurrency), on_reply)
    answered.wait(HELLO_DEADLINE)
    return problem


def _accept(peer: Peer, limits: Limits, terms: Terms, result: dict[str, Any]) -> str:
    offered, capabilities = result.get("limits", {}), result.get("capabilities")
    try:
        terms.calls = max(1, int(offered.get("maxCalls", terms.calls)))
        terms.calls_per_invocation = max(
            1, int(offered.get("maxCallsPerInvocation", terms.calls_per_invocation))
        )
        limits.entry = int(offered.get("maxLogEntry", limits.entry))
        limits.total = int(offered.get("maxLogBytes", limits.total))
        max_frame = int(offered.get("maxFrame", DEFAULT_MAX_FRAME))
    except (AttributeError, TypeError, ValueError):
        return "the limits in the answer to hello are no numbers"
    if isinstance(capabilities, dict):
        terms.capabilities = frozenset(capabilities)
    peer.open(min(max_frame, MAX_FRAME))
    return ""


def _introduction(token: str, concurrency: int) -> dict[str, Any]:
    return {
        "protocolVersions": [PROTOCOL_VERSION],
        "token": token,
        "runtime": {
            "name": "python",
            "version": VERSION,
            "language": "python",
            "languageVersion": "{}.{}.{}".format(*sys.version_info[:3]),
        },
        "pid": os.getpid(),
        "concurrency": {"max": concurrency},
        "capabilities": {"load": {}},
        "limits": {"maxFrame": MAX_FRAME},
    }

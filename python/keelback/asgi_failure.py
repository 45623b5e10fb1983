"""Requests that end badly: what the client gets, what the log says, and what needs no saying."""

from __future__ import annotations

import asyncio
from typing import Any

from .errors import ClientDisconnected
from .loader import app_traceback

ERROR_BODY = b"Internal Server Error"
ERROR_HEADERS = [
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"content-length", str(len(ERROR_BODY)).encode()),
]

CHAIN_MAX = 20
"""Exceptions looked at: a chain may be long, and groups may nest."""


_LEFT = ("ClientDisconnect", "WebSocketDisconnect")
"""Names of Starlette's exceptions."""


def caused_by_leaving(error: BaseException) -> bool:
    """For a request whose client has left: True where nothing needs to be logged.

    Frameworks wrap our OSError in their own exception (Starlette's, which it also raises by itself
    when `receive` says that the client has left), or in groups.
    """
    queue: list[BaseException | None] = [error]
    for _ in range(CHAIN_MAX):
        if not queue:
            break
        one = queue.pop()
        if one is None:
            continue
        if isinstance(one, (ClientDisconnected, asyncio.CancelledError)):
            return True
        if type(one).__name__ in _LEFT:
            return True
        queue += (one.__cause__, one.__context__, *getattr(one, "exceptions", ()))
    return False


def failure_text(
    scope: dict[str, Any], error: BaseException | None, idle: bool, timed_out: bool = False
) -> str:
    """For the log: the app raised, or returned before its response was complete."""
    where = f"{scope.get('method', 'WebSocket')} {ascii(scope['path'])[1:-1]}"
    if error is not None and timed_out:
        return f"interrupted after its timeout: {where}\n{app_traceback(error)}"
    if error is not None:
        return f"the app failed in {where}\n{app_traceback(error)}"
    if idle:
        return f"the app returned without a response in {where}"
    return f"the app returned in the middle of its response in {where}"

"""A fast ASGI route, and /block, which blocks the event loop for 50 ms."""

from __future__ import annotations

import time
from typing import Any

START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/plain"), (b"content-length", b"2")],
}
END = {"type": "http.response.body", "body": b"ok"}
BLOCK_SECONDS = 0.05


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer, at once or late."""
    if scope["type"] != "http":
        raise RuntimeError(scope["type"])
    if scope["path"] == "/block":
        time.sleep(BLOCK_SECONDS)
    await send(START)
    await send(END)

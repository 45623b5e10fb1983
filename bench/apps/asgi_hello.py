"""The smallest ASGI app."""

from __future__ import annotations

from typing import Any

BODY = b"Hello, World!"
START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/plain"), (b"content-length", b"13")],
}
END = {"type": "http.response.body", "body": BODY}


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer hello; no lifespan."""
    if scope["type"] != "http":
        raise RuntimeError(scope["type"])
    await send(START)
    await send(END)

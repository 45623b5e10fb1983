"""Streaming over ASGI: PUT counts what arrives, GET /?bytes=N sends N bytes."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

CHUNK = bytes(64 * 1024)


async def count(receive: Any, send: Any) -> None:
    """Read all of the body, keeping none of it."""
    length = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        length += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    body = str(length).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def produce(left: int, send: Any) -> None:
    """Send `left` bytes."""
    headers = [(b"content-length", str(left).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    while left > 0:
        chunk = CHUNK[: min(left, len(CHUNK))]
        left -= len(chunk)
        await send({"type": "http.response.body", "body": chunk, "more_body": left > 0})


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """PUT counts, GET produces."""
    if scope["type"] != "http":
        raise RuntimeError(scope["type"])
    if scope["method"] == "PUT":
        await count(receive, send)
        return
    asked = parse_qs(scope["query_string"].decode())
    await produce(int(asked.get("bytes", ["65536"])[0]), send)

"""The ASGI app of the scenarios that need a special one: as compare_wsgi, and a WebSocket echo."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from urllib.parse import parse_qs

from compare_wsgi import CHUNK, HELLO, WAIT_SECONDS, compute


async def answer(send: Any, body: bytes) -> None:
    """Send a whole response."""
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def count(receive: Any) -> bytes:
    """Read all of the body, keeping none of it."""
    length = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        length += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    return str(length).encode()


async def produce(left: int, send: Any) -> None:
    """Send `left` bytes."""
    headers = [
        (b"content-type", b"application/octet-stream"),
        (b"content-length", str(left).encode()),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    while left > 0:
        chunk = CHUNK[: min(left, len(CHUNK))]
        left -= len(chunk)
        await send({"type": "http.response.body", "body": chunk, "more_body": left > 0})


async def echo(receive: Any, send: Any) -> None:
    """Send each message back."""
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        text = message.get("text")
        if text is not None:
            await send({"type": "websocket.send", "text": text})
        else:
            await send({"type": "websocket.send", "bytes": message["bytes"]})


async def lifespan(receive: Any, send: Any) -> None:
    """Nothing to prepare."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer by path."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    if scope["type"] == "websocket":
        await echo(receive, send)
        return
    path = scope["path"]
    if path == "/download":
        asked = parse_qs(scope["query_string"].decode())
        await produce(int(asked.get("bytes", ["65536"])[0]), send)
    elif path == "/upload":
        await answer(send, await count(receive))
    elif path == "/cpu":
        await answer(send, compute())
    else:
        if path == "/wait":
            await asyncio.sleep(WAIT_SECONDS)
        elif path == "/block":
            time.sleep(WAIT_SECONDS)  # what a view must not do, and does
        await answer(send, HELLO)

"""WebSocket echo over raw ASGI; over HTTP hello, so that the harness sees when the server is up."""

from __future__ import annotations

from typing import Any

START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/plain"), (b"content-length", b"13")],
}
END = {"type": "http.response.body", "body": b"Hello, World!"}


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Echo each message with its type."""
    if scope["type"] == "http":
        await send(START)
        await send(END)
        return
    if scope["type"] != "websocket":
        raise RuntimeError(scope["type"])
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

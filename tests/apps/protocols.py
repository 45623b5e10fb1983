"""What a protocol client can try.

GET / says how it was asked, POST /upload gives the body's SHA-256, GET /download?pieces=N streams
N pieces of 64 KiB that begin with their number, WebSockets are echoed.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.parse import parse_qs

from echo_websocket import Receive, Send, echo

FILLING = bytes(range(256)) * 256


async def answer(send: Send, content: dict[str, Any]) -> None:
    body = json.dumps(content).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"x-served-by", b"protocols"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def upload(receive: Receive, send: Send) -> None:
    digest, length, more = hashlib.sha256(), 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body = message.get("body", b"")
        digest.update(body)
        length += len(body)
        more = message.get("more_body", False)
    await answer(send, {"bytes": length, "sha256": digest.hexdigest()})


async def download(scope: dict[str, Any], send: Send) -> None:
    pieces = int(parse_qs(scope["query_string"].decode())["pieces"][0])
    headers = [(b"content-type", b"application/octet-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for number in range(pieces):
        piece = number.to_bytes(8, "big") + FILLING[8:]
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await echo(scope, receive, send)
    elif scope["type"] != "http":
        raise RuntimeError(scope["type"])
    elif scope["path"] == "/upload":
        await upload(receive, send)
    elif scope["path"] == "/download":
        await download(scope, send)
    else:
        fields = ("http_version", "scheme", "method", "path")
        await answer(send, {name: scope[name] for name in fields})

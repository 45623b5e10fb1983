"""The app under chaos: each answer carries a checksum of its request; a mixed-up one is seen.

A request that changes something notes its id before it does anything: one id twice would mean that
it was run twice. BROKEN in the place makes the import fail, as a bad release would.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from typing import Any

PLACE = os.environ["PLACE"]

if os.path.exists(os.path.join(PLACE, "BROKEN")):
    raise RuntimeError("this release is broken")

BLOCK = 64 * 1024
HOARD: list[bytes] = []


def note(name: str, line: str) -> None:
    fd = os.open(os.path.join(PLACE, name), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(fd, f"{line}\n".encode())
    os.close(fd)


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "websocket":
        await echo(receive, send)
    else:
        await VIEWS[scope["path"].split("/")[1]](scope, receive, send)


async def lifespan(receive: Any, send: Any) -> None:
    for event in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{event}.complete"})


async def echo(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def answer(send: Any, body: bytes, kind: bytes = b"text/plain") -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def digest_of(scope: dict[str, Any]) -> Any:
    return hashlib.sha256(scope["method"].encode() + scope["raw_path"] + scope["query_string"])


async def checksum(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["method"] == "POST":
        note("begun", scope["path"])
    digest = digest_of(scope)
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        digest.update(message["body"])
        more = message.get("more_body", False)
    await answer(send, digest.hexdigest().encode())


async def download(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """/download/<id>/<blocks>: blocks of 64 KiB, made of the checksum."""
    count = int(scope["path"].split("/")[3])
    block = digest_of(scope).hexdigest().encode() * (BLOCK // 64)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(count):
        await send({"type": "http.response.body", "body": block, "more_body": True})
    await send({"type": "http.response.body"})


async def events(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Server-sent events, numbered, ten a second, each with the checksum."""
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    number = 0
    digest = digest_of(scope).hexdigest()
    while True:
        number += 1
        data = f"data: {number} {digest}\n\n".encode()
        try:
            await send({"type": "http.response.body", "body": data, "more_body": True})
        except OSError:
            return
        await asyncio.sleep(0.1)


async def hang(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Never comes back, and lets nobody else run."""
    note("hung", str(os.getpid()))
    while True:
        time.sleep(0.05)


async def leak(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """/leak/<MiB>"""
    HOARD.append(b"x" * (int(scope["path"].split("/")[2]) << 20))
    await answer(send, b"leaked")


VIEWS = {
    "sum": checksum,
    "download": download,
    "events": events,
    "hang": hang,
    "leak": leak,
}

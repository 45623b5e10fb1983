"""Large bodies whose bytes can be checked: PUT answers the SHA-256 of what came;
GET /?parts=N sends N parts of 100 kB, each filled with its own number, with ?length=1 under a
Content-Length."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs

PART_BYTES = 100_000


def parts(query: str) -> tuple[int, list[tuple[str, str]]]:
    """How many parts are asked for, and the fields of their head."""
    asked = parse_qs(query)
    number = int(asked.get("parts", ["1"])[0])
    fields = [("content-length", str(number * PART_BYTES))] if "length" in asked else []
    return number, fields


def part(number: int) -> bytes:
    """Bytes that no other part has."""
    return number.to_bytes(4, "big") * (PART_BYTES // 4)


async def asgi(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The ASGI one."""
    if scope["type"] != "http":
        raise RuntimeError(scope["type"])
    if scope["method"] == "PUT":
        digest = hashlib.sha256()
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            digest.update(message.get("body", b""))
            more = message.get("more_body", False)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": digest.hexdigest().encode()})
        return
    number, fields = parts(scope["query_string"].decode())
    headers = [(name.encode(), value.encode()) for name, value in fields]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for i in range(number):
        await send({"type": "http.response.body", "body": part(i), "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def produce(number: int) -> Iterator[bytes]:
    """All parts."""
    for i in range(number):
        yield part(i)


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
    """The WSGI one."""
    if environ["REQUEST_METHOD"] == "PUT":
        digest = hashlib.sha256()
        while chunk := environ["wsgi.input"].read(65536):
            digest.update(chunk)
        start_response("200 OK", [])
        return [digest.hexdigest().encode()]
    number, fields = parts(environ["QUERY_STRING"])
    start_response("200 OK", fields)
    return produce(number)

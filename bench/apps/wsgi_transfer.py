"""Streaming over WSGI: PUT counts what arrives, GET /?bytes=N sends N bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs

CHUNK = bytes(64 * 1024)


def produce(left: int) -> Iterator[bytes]:
    """Yield `left` bytes."""
    while left > 0:
        chunk = CHUNK[: min(left, len(CHUNK))]
        left -= len(chunk)
        yield chunk


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
    """PUT counts, GET produces."""
    if environ["REQUEST_METHOD"] == "PUT":
        length = 0
        while chunk := environ["wsgi.input"].read(len(CHUNK)):
            length += len(chunk)
        body = str(length).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]
    asked = parse_qs(environ["QUERY_STRING"])
    left = int(asked.get("bytes", ["65536"])[0])
    start_response("200 OK", [("Content-Length", str(left))])
    return produce(left)

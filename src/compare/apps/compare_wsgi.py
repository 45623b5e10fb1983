"""The WSGI app of special scenarios: hello, views that wait, block or compute, and transfers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs

HELLO = b"Hello, World!"
CHUNK = bytes(64 * 1024)
WAIT_SECONDS = 0.05
CPU_ROUNDS = 20_000


def compute() -> bytes:
    """Keep a core busy for some milliseconds, in pure Python."""
    total = 0
    for number in range(CPU_ROUNDS):
        total = (total * 31 + number) % 1_000_003
    return str(total).encode()


def produce(left: int) -> Iterator[bytes]:
    """Yield `left` bytes."""
    while left > 0:
        chunk = CHUNK[: min(left, len(CHUNK))]
        left -= len(chunk)
        yield chunk


def count(environ: dict[str, Any]) -> bytes:
    """Read all of the body, keeping none of it."""
    left = int(environ.get("CONTENT_LENGTH") or 0)
    length = 0
    while left > 0 and (chunk := environ["wsgi.input"].read(min(left, len(CHUNK)))):
        length += len(chunk)
        left -= len(chunk)
    return str(length).encode()


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
    """Answer by path."""
    path = environ.get("PATH_INFO") or "/"
    if path == "/download":
        asked = parse_qs(environ.get("QUERY_STRING", ""))
        left = int(asked.get("bytes", ["65536"])[0])
        kind = ("Content-Type", "application/octet-stream")
        start_response("200 OK", [kind, ("Content-Length", str(left))])
        return produce(left)
    if path in ("/wait", "/block"):
        time.sleep(WAIT_SECONDS)
    body = HELLO
    if path == "/cpu":
        body = compute()
    elif path == "/upload":
        body = count(environ)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]

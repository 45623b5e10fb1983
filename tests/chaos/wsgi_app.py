"""The same as app.py, of WSGI: each answer carries a checksum of its request.

Its WebSockets are sockets (environ["werkzeug.socket"]), on which it speaks the protocol itself.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import chaos_websocket

PLACE = os.environ["PLACE"]

if os.path.exists(os.path.join(PLACE, "BROKEN")):
    raise RuntimeError("this release is broken")

BLOCK = 64 * 1024
PIECE = 64 * 1024
HOARD: list[bytes] = []

Start = Callable[..., Any]


def note(name: str, line: str) -> None:
    fd = os.open(os.path.join(PLACE, name), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(fd, f"{line}\n".encode())
    os.close(fd)


def app(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    return VIEWS[environ["PATH_INFO"].split("/")[1]](environ, start_response)


def answer(start_response: Start, body: bytes) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def digest_of(environ: dict[str, Any]) -> Any:
    asked = environ["REQUEST_METHOD"] + environ["PATH_INFO"] + environ["QUERY_STRING"]
    return hashlib.sha256(asked.encode())


def checksum(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    if environ["REQUEST_METHOD"] == "POST":
        note("begun", environ["PATH_INFO"])
    digest = digest_of(environ)
    while piece := environ["wsgi.input"].read(PIECE):
        digest.update(piece)
    return answer(start_response, digest.hexdigest().encode())


def download(environ: dict[str, Any], start_response: Start) -> Iterator[bytes]:
    """/download/<id>/<blocks>: blocks of 64 KiB, made of the checksum."""
    count = int(environ["PATH_INFO"].split("/")[3])
    block = digest_of(environ).hexdigest().encode() * (BLOCK // 64)
    start_response("200 OK", [("Content-Type", "text/plain")])
    for _ in range(count):
        yield block


def events(environ: dict[str, Any], start_response: Start) -> Iterator[bytes]:
    """Server-sent events, numbered, ten a second, each with the checksum."""
    digest = digest_of(environ).hexdigest()
    start_response("200 OK", [("Content-Type", "text/event-stream")])
    number = 0
    while True:
        number += 1
        yield f"data: {number} {digest}\n\n".encode()
        time.sleep(0.1)


def hang(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    """Never comes back, whatever it is told."""
    note("hung", str(os.getpid()))
    while True:
        try:
            time.sleep(0.05)
        except BaseException:
            continue


def leak(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    """/leak/<MiB>"""
    HOARD.append(b"x" * (int(environ["PATH_INFO"].split("/")[2]) << 20))
    return answer(start_response, b"leaked")


def echo(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    chaos_websocket.echo(environ["werkzeug.socket"], environ["HTTP_SEC_WEBSOCKET_KEY"])
    return []


VIEWS: dict[str, Callable[[dict[str, Any], Start], Iterable[bytes]]] = {
    "sum": checksum,
    "download": download,
    "events": events,
    "hang": hang,
    "leak": leak,
    "ws": echo,
}

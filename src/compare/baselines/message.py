"""
One HTTP request as bytes in, one WSGI response as bytes out: what all the designs share, so that
they differ in nothing but how they wait.

A connection carries one request (Connection: close), and a response is whole before any of it is
sent. Bodies need a Content-Length.
"""

from __future__ import annotations

import sys
import traceback
from io import BytesIO
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Optional
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

App = Callable[[dict[str, Any], Callable[..., Any]], "Iterable[bytes]"]

# A head longer than this is no request of a load generator.
HEAD_BYTES_MAX = 65_536
END_OF_HEAD = b"\r\n\r\n"


class Server(NamedTuple):
    """What an app learns about the server that calls it."""

    app: App
    host: str
    port: int
    multithread: bool = False
    multiprocess: bool = False


class Request(NamedTuple):
    """A whole request."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class BadRequest(Exception):
    """What was sent is no request that these servers can answer; its text is the status line's."""


def parse(received: bytes) -> Optional[Request]:
    """Give the request that these bytes are, or None while some of it is missing."""
    end = received.find(END_OF_HEAD)
    if end < 0:
        if len(received) > HEAD_BYTES_MAX:
            raise BadRequest("431 Request Header Fields Too Large")
        return None
    first, *lines = received[:end].decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise BadRequest("400 Bad Request")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise BadRequest("400 Bad Request")
        key, value = name.lower(), value.strip()
        headers[key] = f"{headers[key]},{value}" if key in headers else value
    if "transfer-encoding" in headers:
        raise BadRequest("411 Length Required")
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise BadRequest("400 Bad Request")
    body = received[end + len(END_OF_HEAD) :]
    if len(body) < int(length):
        return None
    return Request(words[0], words[1], headers, body[: int(length)])


def environ_of(request: Request, server: Server, client: str) -> dict[str, Any]:
    """Give the environment of PEP 3333."""
    path, _, query = request.target.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": server.host,
        "SERVER_PORT": str(server.port),
        "SERVER_PROTOCOL": "HTTP/1.0",
        "REMOTE_ADDR": client,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": server.multithread,
        "wsgi.multiprocess": server.multiprocess,
        "wsgi.run_once": False,
    }
    for name, value in request.headers.items():
        key = name.upper().replace("-", "_")
        plain = key in ("CONTENT_TYPE", "CONTENT_LENGTH")
        environ[key if plain else f"HTTP_{key}"] = value
    return environ


def respond(request: Request, server: Server, client: str) -> bytes:
    """Call the app and give its whole response; an exception becomes status 500."""
    try:
        return _call(request, server, client)
    except Exception:
        traceback.print_exc()
        return error_response("500 Internal Server Error")


def _call(request: Request, server: Server, client: str) -> bytes:
    begun: list[Any] = []
    written: list[bytes] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        if begun and exc_info is None:
            raise AssertionError("start_response was called twice")
        begun[:] = [status, headers]
        return written.append

    result = server.app(environ_of(request, server, client), start_response)
    try:
        written.extend(result)
    finally:
        close = getattr(result, "close", None)
        if close is not None:
            close()
    status, headers = begun
    body = b"" if request.method == "HEAD" else b"".join(written)
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers)]
    if not any(name.lower() == "content-length" for name, _ in headers):
        lines.append(f"Content-Length: {sum(map(len, written))}")
    lines.append("Connection: close")
    return "\r\n".join(lines).encode("latin-1") + END_OF_HEAD + body


def error_response(status: str) -> bytes:
    """Give a response without the app."""
    text = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    return text.encode("latin-1")


def answer(received: bytes, server: Server, client: str) -> Optional[bytes]:
    """Give the response to what was received, or None while some of the request is missing."""
    try:
        request = parse(received)
    except BadRequest as problem:
        return error_response(str(problem))
    return None if request is None else respond(request, server, client)

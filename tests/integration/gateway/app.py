"""What a web server's request looks like to an app; the same for WSGI and ASGI."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any

NAMES = (
    "REQUEST_METHOD",
    "SCRIPT_NAME",
    "PATH_INFO",
    "QUERY_STRING",
    "CONTENT_TYPE",
    "CONTENT_LENGTH",
    "REMOTE_ADDR",
    "SERVER_NAME",
    "SERVER_PORT",
    "HTTP_HOST",
    "HTTP_COOKIE",
    "HTTP_X_PROBE",
    "HTTP_PROXY",
    "REMOTE_USER",
    "wsgi.url_scheme",
)


def wsgi(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    digest = hashlib.sha256()
    while block := environ["wsgi.input"].read(65536):
        digest.update(block)
    headers = [("Content-Type", "text/plain"), ("X-Multi", "a"), ("X-Multi", "b")]
    if path == "/large":
        start_response("200 OK", headers)
        return pieces(int(environ["QUERY_STRING"]))
    if path == "/cut":
        start_response("200 OK", [*headers, ("Content-Length", "1000000")])
        return cut()
    if path == "/fail":
        raise RuntimeError("as asked")
    if path == "/none":
        start_response("204 No Content", [])
        return []
    seen = {name: environ[name] for name in NAMES if name in environ}
    seen["body"] = digest.hexdigest()
    body = json.dumps(seen).encode()
    start_response("201 Made", [*headers, ("Content-Length", str(len(body)))])
    return [body]


def pieces(count: int) -> Iterator[bytes]:
    for number in range(count):
        yield bytes([number % 256]) * 65536


def cut() -> Iterator[bytes]:
    yield b"x" * 100_000
    raise RuntimeError("half way")


async def asgi(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        raise RuntimeError("http only")
    digest = hashlib.sha256()
    more = True
    while more:
        message = await receive()
        digest.update(message["body"])
        more = message["more_body"]
    seen = {name: scope[name] for name in ("method", "path", "root_path", "scheme", "http_version")}
    seen["client"], seen["server"] = scope["client"], scope["server"]
    seen["query"] = scope["query_string"].decode()
    seen["headers"] = [[name.decode(), value.decode()] for name, value in scope["headers"]]
    seen["body"] = digest.hexdigest()
    body = json.dumps(seen).encode()
    await send({"type": "http.response.start", "status": 201, "headers": []})
    await send({"type": "http.response.body", "body": body})

"""Apps that answer with what they were told about TLS, as JSON; `/digest` with the SHA-256 of the
request's body, `/large?N` with N bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any, Callable

PIECE = 65536


def large(query: str) -> bytes:
    return b"x" * int(query)


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    fields = [("Content-Type", "text/plain")]
    path = environ["PATH_INFO"]
    if path == "/digest":
        digest = hashlib.sha256()
        while piece := environ["wsgi.input"].read(PIECE):
            digest.update(piece)
        body = digest.hexdigest().encode()
    elif path == "/large":
        body = large(environ["QUERY_STRING"])
    elif path == "/own-hsts":
        fields.append(("Strict-Transport-Security", "max-age=1"))
        body = b"own"
    else:
        body = json.dumps({k: v for k, v in environ.items() if isinstance(v, str)}).encode()
    start_response("200 OK", [*fields, ("Content-Length", str(len(body)))])
    return [body]


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        raise RuntimeError(f"this app does not know {scope['type']}")
    fields = [(b"content-type", b"text/plain")]
    if scope["path"] == "/digest":
        digest = hashlib.sha256()
        more = True
        while more:
            event = await receive()
            digest.update(event["body"])
            more = event["more_body"]
        body = digest.hexdigest().encode()
    elif scope["path"] == "/large":
        body = large(scope["query_string"].decode())
    elif scope["path"] == "/own-hsts":
        fields.append((b"strict-transport-security", b"max-age=1"))
        body = b"own"
    else:
        facts = {"scheme": scope["scheme"], "tls": scope["extensions"].get("tls")}
        body = json.dumps(facts).encode()
    fields.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": body})

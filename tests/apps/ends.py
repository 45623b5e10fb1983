"""What apps see of who is at the other end, the same words for WSGI and ASGI."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Callable


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    seen = {
        "client": environ["REMOTE_ADDR"],
        "port": int(environ["REMOTE_PORT"] or 0),
        "scheme": environ["wsgi.url_scheme"],
        "https": environ.get("HTTPS", ""),
        "host": environ.get("HTTP_HOST", ""),
        "server": [environ["SERVER_NAME"], int(environ["SERVER_PORT"])],
        "root": environ["SCRIPT_NAME"],
        "path": environ["SCRIPT_NAME"] + environ["PATH_INFO"],
        "fields": sorted(
            [name[5:].replace("_", "-").lower(), value]
            for name, value in environ.items()
            if name.startswith("HTTP_")
        ),
    }
    body = json.dumps(seen).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def _seen(scope: dict[str, Any]) -> bytes:
    client, server = scope["client"] or ("", 0), scope["server"]
    fields = [[name.decode(), value.decode("latin-1")] for name, value in scope["headers"]]
    seen = {
        "client": client[0],
        "port": client[1],
        "scheme": scope["scheme"],
        "https": "",
        "host": dict(fields).get("host", ""),
        "server": list(server),
        "root": scope["root_path"],
        "path": scope["path"],
        "raw": scope["raw_path"].decode(),
        "fields": sorted(fields),
    }
    return json.dumps(seen).encode()


async def asgi(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": _seen(scope).decode()})
        await send({"type": "websocket.close"})
        return
    assert scope["type"] == "http"
    body = _seen(scope)
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})

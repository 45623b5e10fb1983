"""A fast ASGI route that says which process it is; /spin never ends, /deadlock waits in C."""

from __future__ import annotations

import ctypes
import os
from typing import Any


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer, or never."""
    if scope["type"] != "http":
        raise RuntimeError(scope["type"])
    if scope["path"] == "/spin":
        while True:
            pass
    if scope["path"] == "/deadlock":
        ctypes.PyDLL(None).pause()
    body = str(os.getpid()).encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})

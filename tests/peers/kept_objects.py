"""Counts what lives in this process: the path names a type."""

from __future__ import annotations

import gc
import os
from typing import Any


def counted(name: str) -> bytes:
    """How many of that name, how many descriptors, and how many objects at all."""
    gc.collect()
    objects = gc.get_objects()
    count = sum(type(thing).__name__ == name for thing in objects)
    return f"{count} {len(os.listdir('/proc/self/fd'))} {len(objects)}".encode()


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        raise RuntimeError("http only")
    name = scope["path"].strip("/")
    body = counted(name) if name else b"nothing"
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})

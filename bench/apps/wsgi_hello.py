"""The smallest WSGI app."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

BODY = b"Hello, World!"
HEADERS = [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))]


def app(_: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Answer hello."""
    start_response("200 OK", HEADERS)
    return [BODY]

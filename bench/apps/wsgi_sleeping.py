"""A fast WSGI route, and /sleep, which waits 50 ms as a view with a database call does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

HEADERS = [("Content-Type", "text/plain"), ("Content-Length", "2")]
SLEEP_SECONDS = 0.05


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Answer, at once or late."""
    if environ["PATH_INFO"] == "/sleep":
        time.sleep(SLEEP_SECONDS)
    start_response("200 OK", HEADERS)
    return [b"ok"]

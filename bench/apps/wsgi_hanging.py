"""A fast WSGI route that says which process it is; /spin never ends, /deadlock waits in C."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from typing import Any


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Answer, or never."""
    if environ["PATH_INFO"] == "/spin":
        while True:
            pass
    if environ["PATH_INFO"] == "/deadlock":
        ctypes.PyDLL(None).pause()
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]

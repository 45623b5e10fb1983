"""A WSGI app that keeps memory: /leak/<MiB> as much more, /wait/<gate> holds a request.

All answer with the process.
"""

from __future__ import annotations

import os
from typing import Any, Callable

import place

kept: list[bytearray] = []


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    _, what, rest = (environ["PATH_INFO"] + "/").split("/", 2)
    rest = rest.rstrip("/")
    if what == "leak":
        # Written to, so that the pages are there.
        kept.append(bytearray(b"x") * (int(rest) << 20))
    elif what == "wait":
        place.note(f"{rest}.begun", os.getpid())
        place.wait(rest)
    body = b"%d" % os.getpid()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]

"""A WSGI app that keeps memory: /leak/<MiB> as much more, /child/<MiB> in a process that it forks,
/wait/<gate> holds a request.

All answer with the process.
"""

from __future__ import annotations

import os
import time
from typing import Any, Callable

import place

kept: list[bytearray] = []


def _start_child(megabytes: int) -> None:
    """Returns when it has the memory. It ends with the worker, whose process group it is in."""
    there, ours = os.pipe()
    if os.fork() == 0:
        taken = bytearray(b"x") * (megabytes << 20)
        os.write(ours, b"%d" % len(taken))
        while True:
            time.sleep(60)
    os.close(ours)
    os.read(there, 16)
    os.close(there)


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    _, what, rest = (environ["PATH_INFO"] + "/").split("/", 2)
    rest = rest.rstrip("/")
    if what == "leak":
        # Written to, so that the pages are there.
        kept.append(bytearray(b"x") * (int(rest) << 20))
    elif what == "child":
        _start_child(int(rest))
    elif what == "wait":
        place.note(f"{rest}.begun", os.getpid())
        place.wait(rest)
    body = b"%d" % os.getpid()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]

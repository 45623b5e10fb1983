"""Hello, which notes the request's number in $BENCH_RECORD first: who was begun, how often."""

from __future__ import annotations

import os
from typing import Any

BODY = b"Hello, World!"
START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/plain"), (b"content-length", b"13")],
}
END = {"type": "http.response.body", "body": BODY}
RECORD = os.open(os.environ["BENCH_RECORD"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Note, read the body, answer; no lifespan."""
    if scope["type"] != "http":
        raise RuntimeError(scope["type"])
    os.write(RECORD, scope["query_string"] + b"\n")
    while (await receive()).get("more_body"):
        pass
    await send(START)
    await send(END)

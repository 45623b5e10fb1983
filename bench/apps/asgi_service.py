"""An ASGI view that costs what $BENCH_SERVICE says: "P50 P99 SHARE" (ms, lognormal, computing)."""

from __future__ import annotations

import asyncio
import math
import random
from typing import Any

from wsgi_service import MEDIAN, SHARE, SIGMA, compute

START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/plain"), (b"content-length", b"2")],
}
END = {"type": "http.response.body", "body": b"ok"}


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Compute, wait, compute, answer."""
    if scope["type"] != "http":
        raise RuntimeError(scope["type"])
    seconds = random.lognormvariate(math.log(MEDIAN / 1000), SIGMA)
    compute(seconds * SHARE / 2)
    if SHARE < 1:
        await asyncio.sleep(seconds * (1 - SHARE))
    compute(seconds * SHARE / 2)
    await send(START)
    await send(END)

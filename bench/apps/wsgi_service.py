"""A WSGI view that costs what $BENCH_SERVICE says: "P50 P99 SHARE" (ms, lognormal, computing)."""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Callable
from typing import Any

MEDIAN, TAIL, SHARE = map(float, os.environ["BENCH_SERVICE"].split())
SIGMA = math.log(TAIL / MEDIAN) / 2.3263478740408408


def compute(seconds: float) -> None:
    """On a core, however many others want it."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def app(_: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Compute, wait, compute, answer."""
    seconds = random.lognormvariate(math.log(MEDIAN / 1000), SIGMA)
    compute(seconds * SHARE / 2)
    if SHARE < 1:
        time.sleep(seconds * (1 - SHARE))
    compute(seconds * SHARE / 2)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]

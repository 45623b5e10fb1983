"""What one ASGI hello costs in the worker: frames in, app, frames out, over a socketpair.

    python bench/micro/worker/asgi_call.py [asyncio|uvloop ...]

A batch of 64 requests is written to the worker's socket, the loop turns until all replies are
there. The figure is the CPU time of the loop's thread for one request (so that the machine's other
work counts little), the median of the rounds; making and reading the frames is outside of it.
"""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import sys
import tempfile
import time
from typing import Any

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../python"))

from keelback import _wire, frames
from keelback.asgi import AsyncioRunner, make_loop
from keelback.board import Board
from keelback.settings import Settings

BATCH = 64
BATCHES = 200
ROUNDS = 7

FIELDS_FEW = {"host": "127.0.0.1:8000", "accept": "*/*"}
FIELDS_BROWSER = {
    "host": "127.0.0.1:8000",
    "connection": "keep-alive",
    "cache-control": "max-age=0",
    "sec-ch-ua": '"Chromium";v="140", "Not=A?Brand";v="24"',
    "sec-ch-ua-mobile": "?0",
    "sec-ch-ua-platform": '"Linux"',
    "upgrade-insecure-requests": "1",
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0",
    "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
    "sec-fetch-site": "none",
    "sec-fetch-mode": "navigate",
    "accept-encoding": "gzip, deflate, br, zstd",
    "accept-language": "en-GB,en;q=0.9",
    "cookie": "session=0123456789abcdef0123456789abcdef; theme=dark",
}


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"text/plain"), (b"content-length", b"13")],
        }
    )
    await send({"type": "http.response.body", "body": b"Hello, world!"})


def head_block(fields: dict[str, str]) -> bytes:
    parts = ["GET", "/", "", "", "http", "127.0.0.1 40000", "127.0.0.1 8000"]
    for pair in fields.items():
        parts += pair
    return "\0".join(parts).encode()


def receive(sock: socket.socket) -> int:
    try:
        return len(sock.recv(1 << 20))
    except BlockingIOError:
        return 0


def measure(kind: str, fields: dict[str, str]) -> float:
    loop = make_loop(kind)
    settings = Settings(app="bench:hello", directory="", lifespan="off", loop=kind)
    runner = AsyncioRunner(hello, settings, loop, print)
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    block = head_block(fields)
    numbers = iter(range(1, 1 << 31))

    def batch() -> bytes:
        return b"".join(
            frames.pack(next(numbers), _wire.REQUEST, _wire.FLAG_END, 11, block)
            for _ in range(BATCH)
        )

    costs: list[float] = []

    async def drive() -> None:
        usual = 0
        for _ in range(ROUNDS):
            spent = counted = 0.0
            for _ in range(BATCHES):
                ours.sendall(batch())
                start = time.thread_time()
                got = 0
                while not got:
                    await asyncio.sleep(0)
                    got = receive(ours)
                usual = usual or got
                if got == usual:
                    spent += time.thread_time() - start
                    counted += BATCH
                while runner.links[0].pending:  # interrupted: the monitor gave some back
                    await asyncio.sleep(0)
                receive(ours)
            costs.append(spent / counted)
        runner.stop()

    with tempfile.TemporaryDirectory() as folder:

        def started() -> None:
            runner.add_link(theirs, Board.open(os.path.join(folder, "board")))
            keep.append(loop.create_task(drive()))

        keep: list[asyncio.Task[None]] = []
        runner.run(started)
    return statistics.median(costs) * 1e6


def main() -> None:
    for kind in sys.argv[1:] or ["asyncio", "uvloop"]:
        for name, fields in (("2 fields", FIELDS_FEW), ("14 fields", FIELDS_BROWSER)):
            cost = measure(kind, fields)
            version = ".".join(map(str, sys.version_info[:3]))
            print(f"{version} {kind:8} {name:10} {cost:6.2f} us a request")


if __name__ == "__main__":
    main()

"""What one WSGI request costs in the worker, edge and kernel left out as far as can be.

`python bench/micro/worker/wsgi_call.py` prints microseconds of a request, best of the rounds:
- call: the leader's loop over a batch that is in the queue already, replies into the out list;
- new: the same where no client comes twice, so that no environ is known;
- socket: the same through a socketpair, batches of 64 requests, with the process's CPU time
  divided by the requests (the fake edge's side of it included);
- parts: decoding frames, a head from the table and one that is new.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import tempfile
import threading
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3] / "python"))

from keelback import _wire
from keelback.board import Board
from keelback.frames import FrameReader, pack
from keelback.responses import Heads
from keelback.threads import RunnerSettings, Seat, ThreadsRunner

BATCH = 64
OWN = ("REQUEST_METHOD", "GET", "PATH_INFO", "/", "QUERY_STRING", "", "REQUEST_URI", "/")
FIELDS = {"HTTP_HOST": "127.0.0.1:8000", "HTTP_ACCEPT": "*/*"}
BROWSER_FIELDS = {
    "HTTP_HOST": "127.0.0.1:8000",
    "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "HTTP_ACCEPT": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "HTTP_ACCEPT_LANGUAGE": "en-GB,en;q=0.5",
    "HTTP_ACCEPT_ENCODING": "gzip, deflate, br, zstd",
    "HTTP_REFERER": "http://127.0.0.1:8000/articles/2026/what-a-request-costs",
    "HTTP_COOKIE": "sessionid=1b0yjq2zf7vl0rqsn8kbx2ihzl2u7p5c; csrftoken=Zu0kq1wY3fN6",
    "HTTP_UPGRADE_INSECURE_REQUESTS": "1",
    "HTTP_SEC_FETCH_DEST": "document",
    "HTTP_SEC_FETCH_MODE": "navigate",
    "HTTP_SEC_FETCH_SITE": "same-origin",
    "HTTP_SEC_FETCH_USER": "?1",
    "HTTP_PRIORITY": "u=0, i",
    "HTTP_CACHE_CONTROL": "max-age=0",
}
HELLO = [b"Hello, world!"]
HELLO_HEADERS = [("Content-Type", "text/plain"), ("Content-Length", "13")]


def hello(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", HELLO_HEADERS)
    return HELLO


def json_like(environ: dict[str, Any], start_response: Any) -> Any:
    """As frameworks do it: headers made anew, an iterator with a close method."""
    body = b'{"hello": "world", "path": "' + environ["PATH_INFO"].encode() + b'"}'
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [body]


def streaming(environ: dict[str, Any], start_response: Any) -> Any:
    start_response("200 OK", HELLO_HEADERS)
    return iter(HELLO)


def block(fields: dict[str, str], port: int) -> bytes:
    connection = ("REMOTE_ADDR", "127.0.0.1", "REMOTE_PORT", str(port), "SERVER_NAME", "127.0.0.1")
    server = ("SERVER_PORT", "8000", "wsgi.url_scheme", "http")
    pairs = [part for pair in fields.items() for part in pair]
    parts = (*OWN, "SERVER_PROTOCOL", "HTTP/1.1", *connection, *server, *pairs)
    return "\0".join(parts).encode("latin-1")


def requests(fields: dict[str, str], first_port: int = 40000) -> bytes:
    """A batch of as many connections."""
    frames = []
    for n in range(BATCH):
        head = block(fields, first_port + n)
        frames.append(pack(n + 1, _wire.REQUEST, _wire.FLAG_END, 11, head))
    return b"".join(frames)


class Bench:
    def __init__(self, app: Any) -> None:
        self.near, self.far = socket.socketpair()
        with tempfile.TemporaryDirectory() as directory:
            board = Board.open(os.path.join(directory, "board"))
        self.runner = ThreadsRunner(app, RunnerSettings())
        self.runner.add_link(self.near, board)

    def in_process(self, batches: list[bytes], rounds: int) -> float:
        """The leader's loop, without sockets: it ends when the queue is empty."""
        runner = self.runner
        link = runner.links.all[0]
        batch: list[Any] = [link]
        runner._next_batch = lambda: batch.pop() if batch else None  # type: ignore[method-assign]
        seat = Seat(runner)
        reader = FrameReader()
        best = 1.0
        for n in range(rounds):
            frames = reader.feed(batches[n % len(batches)])
            link.queue.extend(frames)
            batch.append(link)
            began = perf_counter()
            runner._lead(seat)
            best = min(best, perf_counter() - began)
            link.out.clear()
        return best / BATCH * 1e6

    def through_socket(self, data: bytes, rounds: int) -> float:
        thread = threading.Thread(target=self.runner.run)
        thread.start()
        far = self.far
        reader = FrameReader()
        best = 1.0
        for _ in range(rounds):
            began = process_time()
            for _ in range(10):
                far.sendall(data)
                answers = 0
                while answers < BATCH:
                    answers += len(reader.feed(far.recv(65536)))
            best = min(best, (process_time() - began) / 10)
        self.runner.stop()
        thread.join()
        return best / BATCH * 1e6


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=2000)
    rounds = parser.parse_args().rounds
    print(f"Python {sys.version.split()[0]}, microseconds of a request")
    for name, app in (("hello", hello), ("json", json_like), ("iterator", streaming)):
        for fields in (FIELDS, BROWSER_FIELDS):
            data = requests(fields)
            strangers = [requests(fields, 1 + n * BATCH) for n in range(200)]
            call = Bench(app).in_process([data], rounds)
            new = Bench(app).in_process(strangers, rounds)
            through = Bench(app).through_socket(data, rounds // 10)
            title = f"{name:9} {len(fields):2} headers"
            print(f"{title}   call {call:5.2f}   new {new:5.2f}   socket {through:5.2f}")
    reader = FrameReader()
    heads = Heads("keelback", True)
    data = requests(BROWSER_FIELDS)
    for name, function in (
        ("decode 64 frames", lambda: reader.feed(data)),
        ("head, known", lambda: heads.lines("200 OK", HELLO_HEADERS)),
        ("head, new", lambda: heads._make("200 OK", HELLO_HEADERS)),
    ):
        best = 1.0
        for _ in range(rounds):
            began = perf_counter()
            function()
            best = min(best, perf_counter() - began)
        print(f"{name:20} {best * 1e6:6.2f}")


if __name__ == "__main__":
    main()

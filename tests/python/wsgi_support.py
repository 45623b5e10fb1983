"""A fake edge for the threads runner: frames over a socketpair, no server and no process.

Everything waits with a deadline, so that a test that would hang fails instead.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from keelback import _wire
from keelback.board import Board
from keelback.frames import FrameReader, pack
from keelback.threads import RunnerSettings, ThreadsRunner

DEADLINE = 20.0
END = _wire.FLAG_END


def block(
    path: str = "/", method: str = "GET", query: str = "", fields: dict[str, str] | None = None
) -> bytes:
    parts = ["REQUEST_METHOD", method, "PATH_INFO", path, "QUERY_STRING", query]
    parts += ["REQUEST_URI", path + ("?" + query if query else ""), "SERVER_PROTOCOL", "HTTP/1.1"]
    parts += ["REMOTE_ADDR", "127.0.0.1", "REMOTE_PORT", "4711", "SERVER_NAME", "localhost"]
    parts += ["SERVER_PORT", "8000", "wsgi.url_scheme", "http"]
    for name, value in {"HTTP_HOST": "localhost", **(fields or {})}.items():
        parts += [name, value]
    return "\0".join(parts).encode("latin-1")


@dataclass
class Answer:
    status: int = 0
    head: bytes = b""
    body: bytes = b""
    flags: int = 0
    frames: list[Any] = field(default_factory=list)
    informational: list[tuple[int, bytes]] = field(default_factory=list)
    reset: int | None = None
    accepted: int | None = None
    given_back: bool = False
    ended: bool = False

    @property
    def headers(self) -> dict[str, str]:
        lines = self.head.decode("latin-1").split("\r\n")[1:-2]
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


class Edge:
    """One link; `with Edge(app) as edge` runs the runner in a thread and stops it at the end."""

    def __init__(self, app: Any, kind: str = "threads", give_credit: bool = True, **settings: Any):
        self.reports: list[tuple[str, str]] = []
        self.runner = ThreadsRunner(app, RunnerSettings(**settings), kind, self._report)
        self.give_credit = give_credit
        self.answers: dict[int, Answer] = {}
        self.pongs: list[bytes] = []
        self.credit: dict[int, int] = {}
        self._reader = FrameReader()
        self._stream = 0
        self._outgoing = bytearray()
        self._pushing = False
        self.sock, worker = socket.socketpair()
        self.sock.settimeout(DEADLINE)
        self.directory = tempfile.TemporaryDirectory()
        self.board_path = os.path.join(self.directory.name, "board")
        self.runner.add_link(worker, Board.open(self.board_path))
        self.thread = threading.Thread(target=self.runner.run, daemon=True)

    def _report(self, level: str, message: str) -> None:
        self.reports.append((level, message))

    def __enter__(self) -> Edge:
        self.thread.start()
        return self

    def second_link(self) -> Edge:
        """Another edge of the same worker. Its link ends with the runner, or when it is closed."""
        other = object.__new__(Edge)
        other.__dict__.update(
            self.__dict__, answers={}, pongs=[], credit={}, _stream=0, _outgoing=bytearray()
        )
        other._reader = FrameReader()
        other.sock, worker = socket.socketpair()
        other.sock.settimeout(DEADLINE)
        other.board_path = self.board_path + "-2"
        self.runner.add_link(worker, Board.open(other.board_path))
        return other

    def __exit__(self, *_: Any) -> None:
        self.stop()
        self.sock.close()
        self.directory.cleanup()

    def stop(self) -> None:
        self.runner.stop()
        self.thread.join(DEADLINE)
        assert not self.thread.is_alive(), "the runner did not stop"

    # --- to the worker

    def head(self, *args: Any, flags: int = END, **kwargs: Any) -> tuple[int, bytes]:
        self._stream += 1
        self.answers[self._stream] = Answer()
        head = block(*args, **kwargs)
        return self._stream, pack(self._stream, _wire.REQUEST, flags, 11, head)

    def push(self, data: bytes) -> None:
        """Sends as a real edge does: reading goes on while the worker does not take more, and what
        the frames that are read call for (credit) is sent behind."""
        self._outgoing += data
        if self._pushing:
            return
        self._pushing = True
        while self._outgoing:
            readable, writable, _ = select.select([self.sock], [self.sock], [], DEADLINE)
            assert readable or writable
            if readable:
                self.step()
            if writable:
                part = bytes(self._outgoing[:65536])
                del self._outgoing[: self.sock.send(part, socket.MSG_DONTWAIT)]
        self._pushing = False

    def request(self, *args: Any, body: bytes | None = None, **kwargs: Any) -> int:
        if body is not None:
            kwargs.setdefault("method", "POST")
            kwargs.setdefault("fields", {"CONTENT_LENGTH": str(len(body))})
            kwargs["flags"] = kwargs.get("flags", 0) & ~END
        stream, frame = self.head(*args, **kwargs)
        if body is not None:
            frame += pack(stream, _wire.BODY, END, 0, body)
        self.push(frame)
        return stream

    def start(self, *args: Any, **kwargs: Any) -> int:
        """A request that has begun. One may be given back while the thread of the call before,
        whose answer is here already, is not scheduled: it is sent anew, as edges do."""
        stream = self.request(*args, **kwargs)
        deadline = time.monotonic() + DEADLINE
        while self.begun() != stream:
            assert time.monotonic() < deadline
            if select.select([self.sock], [], [], 0.001)[0]:
                self.step()
            if self.answers[stream].given_back:
                return self.start(*args, **kwargs)
        return stream

    def send(self, stream: int, kind: int, flags: int = 0, aux: int = 0, data: bytes = b"") -> None:
        self.push(pack(stream, kind, flags, aux, data))

    def cancel(self, stream: int, reason: int) -> None:
        self.send(stream, _wire.CANCEL, 0, reason)

    # --- from the worker

    def step(self) -> None:
        """Reads once."""
        data = self.sock.recv(262144)
        assert data, "the worker has closed the link"
        for frame in self._reader.feed(data):
            self._frame(*frame)
        self.push(b"")

    def until(self, condition: Any) -> None:
        while not condition():
            self.step()

    def answer(self, stream: int) -> Answer:
        answer = self.answers[stream]
        self.until(lambda: answer.ended)
        return answer

    def get(self, *args: Any, **kwargs: Any) -> Answer:
        """What a busy worker gives back is sent anew, as edges do."""
        answer = self.answer(self.request(*args, **kwargs))
        return self.get(*args, **kwargs) if answer.given_back else answer

    def computing(self) -> bool:
        """What the board says."""
        with open(self.board_path, "rb") as board:
            board.seek(4 * _wire.BOARD_COMPUTING)
            return board.read(4) != bytes(4)

    def begun(self) -> int:
        with open(self.board_path, "rb") as file:
            return struct.unpack("<I", file.read(4))[0]

    def _frame(self, stream: int, kind: int, flags: int, aux: int, payload: bytes) -> None:
        if kind == _wire.GIVE_BACK:
            assert stream == 0
            for (number,) in struct.iter_unpack("<I", payload):
                self._open(number).given_back = True
                self.answers[number].ended = True
            return
        if kind == _wire.WORKER_PONG:
            self.pongs.append(payload)
            return
        if kind == _wire.WORKER_CREDIT:
            self.credit[stream] = self.credit.get(stream, 0) + struct.unpack("<I", payload)[0]
            return
        answer = self._open(stream)
        answer.frames.append((kind, flags, aux, payload))
        if kind == _wire.RESPONSE:
            assert not answer.head, "two heads"
            (size,) = struct.unpack_from("<I", payload)
            answer.status, answer.flags = aux, flags
            answer.head, data = payload[4 : 4 + size], payload[4 + size :]
        elif kind == _wire.ACCEPT:
            assert not answer.head
            assert answer.accepted is None
            answer.accepted = aux
            return
        elif kind == _wire.DATA:
            assert answer.head or answer.accepted is not None
            data = payload
        elif kind == _wire.INFORMATIONAL:
            assert not answer.head, "the edge refuses this"
            answer.informational.append((aux, payload))
            return
        elif kind == _wire.RESET:
            answer.reset = aux
            answer.ended = True
            return
        else:
            assert kind == _wire.FILE
            data = b""
        answer.body += data
        answer.ended = flags & END != 0
        if data and self.give_credit and not answer.ended:
            credit = struct.pack("<I", len(data))
            self._outgoing += pack(stream, _wire.CREDIT, 0, 0, credit)

    def _open(self, stream: int) -> Answer:
        answer = self.answers[stream]
        assert not answer.ended, f"a frame on stream {stream}, which had ended"
        return answer


def text(start_response: Any, body: bytes | str = b"ok", status: str = "200 OK") -> list[bytes]:
    start_response(status, [("Content-Type", "text/plain")])
    return [body.encode() if isinstance(body, str) else body]


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.001)


class Blocking:
    """`/block` waits until `release`; `/wait/x` until the event x; everything else is quick."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.begun = threading.Semaphore(0)
        self.order: list[str] = []
        self.threads: set[int] = set()

    def __call__(self, environ: Any, start: Any) -> Any:
        path = environ["PATH_INFO"]
        self.order.append(path)
        self.threads.add(threading.get_ident())
        if path.startswith("/block"):
            self.begun.release()
            assert self.release.wait(DEADLINE)
        return text(start, path)

    def wait_begun(self) -> None:
        assert self.begun.acquire(timeout=DEADLINE)

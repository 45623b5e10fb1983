"""A fake edge for the asyncio runner: it speaks frames over a socketpair, in the test's thread.

The runner has the event loop in a thread of its own here, so that a test reads like a client: it
sends requests, waits for the frames that answer them, and looks.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import struct
import threading
import time
from typing import Any, Callable, Optional, Union

from keelback import _wire, frames
from keelback.asgi import AsyncioRunner, make_loop
from keelback.board import Board
from keelback.settings import Settings

WAIT_SECONDS = 30
FINAL = (_wire.RESET, _wire.RESPONSE_TRAILERS, _wire.WORKER_WS_CLOSE)

Frame = tuple[int, int, int, int, bytes]


def head_block(method: str = "GET", path: bytes = b"/", **more: Any) -> bytes:
    parts = [
        method.encode(),
        path,
        more.get("raw_path", b""),
        more.get("query", b""),
        more.get("scheme", b"http"),
        more.get("client", b"127.0.0.1 40000"),
        more.get("server", b"127.0.0.1 8000"),
    ]
    for name, value in more.get("headers", [(b"host", b"localhost")]):
        parts += (name, value)
    return b"\0".join(parts)


def handshake(more: dict[str, Any]) -> dict[str, Any]:
    return {"path": b"/chat", **more, "flags": _wire.FLAG_END | _wire.FLAG_UPGRADE}


class Answer:
    """The frames of one stream, put together."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self._text = False
        self.given_back = False
        self._final = False

    def add(self, frame: Frame) -> None:
        self.frames.append(frame)
        self._final = self._final or frame[1] in FINAL or frame[2] & _wire.FLAG_END != 0

    @property
    def ended(self) -> bool:
        return self.given_back or self._final

    def of(self, kind: int) -> list[Frame]:
        return [f for f in self.frames if f[1] == kind]

    @property
    def status(self) -> int:
        return self.of(_wire.RESPONSE)[0][3]

    @property
    def head(self) -> bytes:
        payload = self.of(_wire.RESPONSE)[0][4]
        return payload[4 : 4 + struct.unpack_from("<I", payload)[0]]

    @property
    def headers(self) -> dict[str, str]:
        lines = self.head.decode().split("\r\n")[1:-2]
        return dict(line.lower().split(": ", 1) for line in lines)

    @property
    def body(self) -> bytes:
        whole = b""
        for frame in self.frames:
            if frame[1] == _wire.RESPONSE:
                whole += frame[4][4 + len(self.head) :]
            elif frame[1] == _wire.DATA:
                whole += frame[4]
        return whole

    @property
    def messages(self) -> list[Union[str, bytes]]:
        """Of a WebSocket, put together from their parts."""
        found: list[Union[str, bytes]] = []
        parts = b""
        for _, kind, flags, aux, payload in self.frames:
            text = aux == _wire.WS_KIND_TEXT
            if kind == _wire.DATA:
                text = flags != _wire.FLAG_BINARY
                assert not parts or text == self._text, "a message of two kinds"
                self._text = text
                parts += payload
            elif kind == _wire.WORKER_MESSAGE:
                assert flags == 0
                assert not parts or text == self._text
                found.append((parts + payload).decode() if text else parts + payload)
                parts = b""
        return found

    @property
    def accepted(self) -> Optional[dict[str, str]]:
        found = self.of(_wire.ACCEPT)
        if not found:
            return None
        lines = found[0][4].decode().split("\r\n")
        assert lines.pop() == ""
        return dict(line.lower().split(": ", 1) for line in lines)

    @property
    def reset(self) -> Optional[int]:
        resets = self.of(_wire.RESET)
        return resets[0][3] if resets else None


class FakeEdge:
    """One end of a link."""

    def __init__(self, sock: socket.socket, board: Optional[Board]) -> None:
        sock.settimeout(WAIT_SECONDS)
        self.sock = sock
        self.board = board
        self.answers: dict[int, Answer] = {}
        self.board_path = ""
        self.pings = 0
        self.pongs: list[bytes] = []
        self._reader = frames.FrameReader()
        self._last = 0

    def send(self, *pieces: bytes) -> None:
        self.sock.sendall(b"".join(pieces))

    def frame(self, **more: Any) -> tuple[int, bytes]:
        """A REQUEST frame, not yet sent; its stream is the next."""
        self._last += 1
        self.answers[self._last] = Answer()
        flags = more.pop("flags", _wire.FLAG_END)
        version = more.pop("version", 11)
        block = more.pop("block", None) or head_block(
            more.pop("method", "GET"), more.pop("path", b"/"), **more
        )
        return self._last, frames.pack(self._last, _wire.REQUEST, flags, version, block)

    def request(self, **more: Any) -> int:
        stream, frame = self.frame(**more)
        self.send(frame)
        return stream

    def body(self, stream: int, data: bytes, end: bool = False) -> None:
        self.send(frames.pack(stream, _wire.BODY, _wire.FLAG_END if end else 0, 0, data))

    def part(self, stream: int, data: Union[str, bytes]) -> None:
        """An earlier part of a message."""
        text = isinstance(data, str)
        payload = data.encode() if isinstance(data, str) else data
        flags = 0 if text else _wire.FLAG_BINARY
        self.send(frames.pack(stream, _wire.BODY, flags, 0, payload))

    def credit(self, stream: int, count: int) -> None:
        self.send(frames.pack(stream, _wire.CREDIT, 0, 0, struct.pack("<I", count)))

    def begun(self, **more: Any) -> int:
        """A request that the app has begun: not even a busy worker gives it back any more."""
        stream = self.request(**more)
        deadline = time.monotonic() + WAIT_SECONDS
        while self._newest() != stream:
            assert time.monotonic() < deadline, "the app has not begun"
            if select.select([self.sock], [], [], 0.001)[0]:
                self._read()
            if self.answers[stream].given_back:
                return self.begun(**more)
        return stream

    def _newest(self) -> int:
        """The newest request that has begun."""
        with open(self.board_path, "rb") as board:
            return int.from_bytes(board.read(4), "little")

    def answered(self, **more: Any) -> int:
        """A request and its answer. What a busy worker gives back is sent anew, as edges do; a
        worker whose loop a busy machine has paused is no other."""
        stream = self.request(**more)
        return self.answered(**more) if self.answer(stream).given_back else stream

    def websocket(self, **more: Any) -> int:
        """A handshake."""
        return self.request(**handshake(more))

    def handshake(self, **more: Any) -> int:
        """A handshake that the app has begun."""
        return self.begun(**handshake(more))

    def accepted(self, **more: Any) -> int:
        """A handshake that the app has accepted."""
        stream = self.handshake(**more)
        answer = self.answers[stream]
        self.until(lambda: answer.ended or answer.accepted is not None)
        assert answer.accepted is not None, answer.frames
        return stream

    def message(self, stream: int, data: Union[str, bytes]) -> None:
        text = isinstance(data, str)
        payload = data.encode() if isinstance(data, str) else data
        kind = _wire.WS_KIND_TEXT if text else _wire.WS_KIND_BINARY
        self.send(frames.pack(stream, _wire.MESSAGE, 0, kind, payload))

    def ws_close(self, stream: int, code: int, reason: str = "") -> None:
        self.send(frames.pack(stream, _wire.WS_CLOSE, 0, code, reason.encode()))

    def messages(self, stream: int, count: int) -> list[Union[str, bytes]]:
        """The app's, once there are so many."""
        answer = self.answers[stream]
        self.until(lambda: len(answer.messages) >= count)
        return answer.messages

    def closed(self, stream: int) -> tuple[int, str]:
        """Code and reason of the worker's close, after which nothing comes."""
        (frame,) = self.answer(stream).of(_wire.WORKER_WS_CLOSE)
        return frame[3], frame[4].decode()

    def cancel(self, stream: int, reason: int) -> None:
        self.send(frames.pack(stream, _wire.CANCEL, 0, reason))

    def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._read()

    def _read(self) -> None:
        data = self.sock.recv(1 << 20)
        if not data:
            raise EOFError("the worker closed the link")
        for frame in self._reader.feed(data):
            self._arrived(frame)

    def _arrived(self, frame: Frame) -> None:
        if frame[1] == _wire.GIVE_BACK:
            for (stream,) in struct.iter_unpack("<I", frame[4]):
                self.answers[stream].given_back = True
        elif frame[1] == _wire.WORKER_PONG:
            self.pongs.append(frame[4])
        elif frame[1] == _wire.WORKER_PING:
            self.pings += 1
        else:
            answer = self.answers[frame[0]]
            assert not answer.ended, "a frame after the final one"
            answer.add(frame)

    def get_pong(self) -> None:
        """Everything sent before has been looked at."""
        count = len(self.pongs)
        self.send(frames.pack(0, _wire.PING))
        self.until(lambda: len(self.pongs) > count)

    def first_frame(self) -> Frame:
        """The HELLO of a worker that has connected."""
        while not (got := self._reader.feed(self.sock.recv(65536))):
            pass
        assert len(got) == 1
        self.board_path = got[0][4].decode().split("\0")[5]
        return got[0]

    def answer(self, stream: int) -> Answer:
        answer = self.answers[stream]
        self.until(lambda: answer.ended)
        return answer

    def get(self, **more: Any) -> Answer:
        return self.answers[self.answered(**more)]

    def until_eof(self) -> None:
        while self.sock.recv(1 << 20):
            pass


class Gate:
    """What an app waits for; `open` is called on its loop. (An asyncio.Event of Python 3.9 must be
    made in the loop's thread.)"""

    def __init__(self) -> None:
        self._open = False
        self._event: Optional[asyncio.Event] = None

    async def wait(self) -> None:
        if not self._open:
            self._event = asyncio.Event()
            await self._event.wait()

    def open(self) -> None:
        self._open = True
        if self._event is not None:
            self._event.set()


class Server:
    """A runner in a thread, with one edge."""

    latest: Server
    """The newest, for a test that needs it before its startup has ended."""

    def __init__(self, app: Any, folder: str, **settings: Any) -> None:
        self.reports: list[tuple[str, str]] = []
        self.error: Optional[BaseException] = None
        self.status: Optional[int] = None
        self._folder = folder
        self._app = app
        self._settings = Settings(app="test:app", directory=folder, **settings)
        self._ready = threading.Event()
        self._edges: list[FakeEdge] = []
        Server.latest = self
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(WAIT_SECONDS)

    def _run(self) -> None:
        try:
            loop = make_loop(self._settings.loop)
            self.runner = AsyncioRunner(
                self._app, self._settings, loop, lambda *report: self.reports.append(report)
            )
            self.status = self.runner.run(self._started)
        except BaseException as error:
            self.error = error
        finally:
            self._ready.set()

    def _started(self) -> None:
        self.edge = self._connect()
        self._ready.set()

    def _connect(self) -> FakeEdge:
        ours, theirs = socket.socketpair()
        path = os.path.join(self._folder, f"board-1-{len(self._edges)}")
        board = Board.open(path)
        self.runner.add_link(theirs, board)
        self._edges.append(FakeEdge(ours, board))
        self._edges[-1].board_path = path
        return self._edges[-1]

    def second_edge(self) -> FakeEdge:
        found: list[FakeEdge] = []
        done = threading.Event()

        def connect() -> None:
            found.append(self._connect())
            done.set()

        self.call(connect)
        assert done.wait(WAIT_SECONDS)
        return found[0]

    def call(self, function: Callable[[], Any]) -> None:
        self.runner.loop.call_soon_threadsafe(function)

    def stop(self) -> None:
        if self._thread.is_alive():
            try:
                self.call(self.runner.stop)
            except RuntimeError:
                pass  # it has closed its loop since
        self.join()
        for edge in self._edges:
            edge.sock.close()

    def join(self) -> None:
        self._thread.join(WAIT_SECONDS)
        assert not self._thread.is_alive(), "the runner did not stop"

    @property
    def log(self) -> str:
        return "\n".join(f"{level}: {text}" for level, text in self.reports)


async def respond(send: Any, body: bytes = b"ok", status: int = 200, headers: Any = ()) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


def message(body: bytes, more: bool = False) -> Any:
    return {"type": "http.response.body", "body": body, "more_body": more}


START = {"type": "http.response.start", "status": 200, "headers": []}


def start_with_length(length: int) -> Any:
    return {**START, "headers": [(b"content-length", str(length).encode())]}

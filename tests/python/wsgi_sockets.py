"""What the tests of WSGI apps' WebSockets share: handshakes, and apps that take the socket."""

from __future__ import annotations

import socket
import threading
from typing import Any, Callable

from wsgi_support import DEADLINE, END, Answer, Edge, text

from keelback import _wire

KEY = "werkzeug.socket"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


def upgrade(edge: Edge, path: str = "/ws") -> int:
    return edge.request(path, flags=END | _wire.FLAG_UPGRADE)


def accepted(edge: Edge, path: str = "/ws", greeting: bytes = SWITCH) -> tuple[int, Answer]:
    stream = upgrade(edge, path)
    answer = edge.answers[stream]
    edge.until(lambda: len(answer.body) >= len(greeting))
    assert answer.accepted == _wire.ACCEPT_TUNNEL
    assert answer.frames[0][0] == _wire.ACCEPT
    return stream, answer


def echo(environ: Any, start: Any) -> Any:
    """Until it reads EOF, which it answers by closing."""
    sock = environ.get(KEY)
    if sock is None:
        return text(start, environ["PATH_INFO"])
    sock.sendall(SWITCH)
    while data := sock.recv(4096):
        sock.sendall(data)
    sock.close()
    return []


class Held:
    """Takes the socket, tells about it, and returns when the test says so."""

    def __init__(self, run: Callable[[socket.socket], Any] = lambda sock: None) -> None:
        self.run = run
        self.release = threading.Event()
        self.ended = threading.Event()
        self.result: Any = None

    def __call__(self, environ: Any, start: Any) -> Any:
        sock = environ.get(KEY)
        if sock is None:
            return text(start, environ["PATH_INFO"])
        sock.sendall(SWITCH)
        try:
            self.result = self.run(sock)
            assert self.release.wait(DEADLINE)
            return text(start, "dropped")
        finally:
            sock.close()
            self.ended.set()

"""The control channel: JSON objects, one a line, over a unix stream socket to the supervisor.

Contract: `send` writes one whole line and is safe from any thread; `receive` returns the commands
that one read brought, and None at end of file. The first object sent says who speaks.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from typing import Any

LINE_BYTES_MAX = 1024 * 1024
"""A command is a few hundred bytes; more without a newline means that the peer is not ours."""


class Control:
    """One connection to control.sock."""

    def __init__(self, directory: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connect_unix(self._socket, os.path.join(directory, "control.sock"))
        self._partial = b""
        self._lock = threading.Lock()

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, message: dict[str, Any]) -> None:
        """A supervisor that is gone is not an error here: the lifeline ends this process."""
        line = json.dumps(message).encode() + b"\n"
        try:
            with self._lock:
                self._socket.sendall(line)
        except OSError:
            pass

    def receive(self) -> list[dict[str, Any]] | None:
        """Blocks until something arrives."""
        try:
            data = self._socket.recv(65536)
        except OSError:
            return None
        if not data:
            return None
        *lines, self._partial = (self._partial + data).split(b"\n")
        if len(self._partial) > LINE_BYTES_MAX:
            return None
        return [json.loads(line) for line in lines if line]

    def close(self) -> None:
        self._socket.close()


def connect_unix(sock: socket.socket, path: str) -> None:
    """Connects also where the path is longer than sun_path (108 bytes on Linux, 104 elsewhere):
    then through the directory's descriptor, which Linux can name."""
    if len(os.fsencode(path)) < 100 or not os.path.isdir("/proc/self/fd"):
        sock.connect(path)
        return
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
    try:
        sock.connect(f"/proc/self/fd/{folder}/{os.path.basename(path)}")
    finally:
        os.close(folder)

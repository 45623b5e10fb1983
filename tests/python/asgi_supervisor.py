"""A fake supervisor: the private directory with its sockets and FIFO, and a real zygote in it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from typing import Any

from asgi_support import WAIT_SECONDS, FakeEdge

import keelback

MAIN = os.path.join(os.path.dirname(keelback.__file__), "__main__.py")


class Peer:
    """One connection that the fake supervisor has accepted: lines in, lines out."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(WAIT_SECONDS)
        self.sock = sock
        self._data = b""

    def line(self) -> str:
        """The next line; "" at end of file."""
        while b"\n" not in self._data:
            data = self.sock.recv(65536)
            if not data:
                return ""
            self._data += data
        line, _, self._data = self._data.partition(b"\n")
        return line.decode()

    def message(self) -> dict[str, Any]:
        line = self.line()
        assert line, "the connection ended"
        return json.loads(line)

    def until(self, kind: str) -> dict[str, Any]:
        while (message := self.message())["t"] != kind:
            assert message["t"] != "failed", message
        return message

    def until_eof(self) -> str:
        while data := self.sock.recv(65536):
            self._data += data
        whole, self._data = self._data.decode(), b""
        return whole

    def send(self, **message: Any) -> None:
        self.sock.sendall(json.dumps(message).encode() + b"\n")


class Supervisor:
    """Starts one zygote; `close` ends everything by cutting the lifeline."""

    def __init__(self, app_folder: str, **settings: Any) -> None:
        self.directory = tempfile.mkdtemp(prefix="kb-")
        self._listeners = {name: self._listen(name) for name in ("control.sock", "log.sock")}
        self._edge_listener = self._listen("edge-0.sock")
        fifo = os.path.join(self.directory, "lifeline")
        os.mkfifo(fifo, 0o600)
        both = os.open(fifo, os.O_RDWR)
        self._lifeline: int | None = os.open(fifo, os.O_WRONLY)
        os.close(both)
        self._peers: list[Peer] = []
        config = {
            "app": "main:app",
            "chdir": app_folder,
            "directory": self.directory,
            "edges": [self.edge_path(0)],
            "interface": "asgi",
            "loop": "asyncio",
            **settings,
        }
        self.process = subprocess.Popen(
            [sys.executable, MAIN],
            env={**os.environ, "KEELBACK_ZYGOTE": json.dumps(config), "PYTHONWARNINGS": ""},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self.zygote = self.accept("control.sock")
        self.hello = self.zygote.message()

    def edge_path(self, index: int) -> str:
        return os.path.join(self.directory, f"edge-{index}.sock")

    def _listen(self, name: str) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.bind(os.path.join(self.directory, name))
        sock.listen()
        sock.settimeout(WAIT_SECONDS)
        return sock

    def accept(self, name: str) -> Peer:
        sock, _ = self._listeners[name].accept()
        self._peers.append(Peer(sock))
        return self._peers[-1]

    def fork(self, number: int = 1, slot: int = 0) -> FakeWorker:
        self.zygote.send(t="fork", worker=number, slot=slot, name=f"worker-{number}")
        forked = self.zygote.until("forked")
        assert forked["worker"] == number
        return FakeWorker(self, forked["pid"], number)

    def accept_edge(self, listener: socket.socket | None = None) -> FakeEdge:
        sock, _ = (listener or self._edge_listener).accept()
        self._peers.append(Peer(sock))
        return FakeEdge(sock, None)

    def second_edge(self) -> socket.socket:
        self._listeners["edge-1.sock"] = self._listen("edge-1.sock")
        return self._listeners["edge-1.sock"]

    def cut_lifeline(self) -> None:
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None

    def close(self) -> None:
        self.cut_lifeline()
        self.process.wait(WAIT_SECONDS)
        assert self.process.stderr is not None
        self.process.stderr.close()
        for peer in self._peers:
            peer.sock.close()
        for listener in (*self._listeners.values(), self._edge_listener):
            listener.close()
        shutil.rmtree(self.directory)


class FakeWorker:
    """What the supervisor sees of one worker."""

    def __init__(self, supervisor: Supervisor, pid: int, number: int) -> None:
        self.pid = pid
        self.number = number
        self.supervisor = supervisor
        self.log = supervisor.accept("log.sock")
        self.control = supervisor.accept("control.sock")
        assert self.control.message() == {"t": "worker", "worker": number, "pid": pid}

    def exit_status(self) -> int:
        report = self.supervisor.zygote.until("exit")
        assert (report["worker"], report["pid"]) == (self.number, self.pid)
        return report["status"]

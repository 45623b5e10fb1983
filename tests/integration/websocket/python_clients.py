"""Clients in Python, which print what they saw as JSON.

`python_clients.py websockets URL`: echoes over `websockets`, with compression.
`python_clients.py socketio URL TRANSPORT...`: events over python-socketio, two clients.
"""

from __future__ import annotations

import json
import sys
from queue import Queue
from typing import Any

MEGABYTE = 1024 * 1024
TIMEOUT_SECONDS = 15


def with_websockets(url: str) -> dict[str, Any]:
    from websockets.sync.client import connect

    seen: dict[str, Any] = {}
    with connect(url, max_size=None, open_timeout=TIMEOUT_SECONDS) as socket:
        seen["compressed"] = len(socket.protocol.extensions) == 1
        for name, message in (("text", "grün"), ("binary", bytes(range(256)))):
            socket.send(message)
            seen[name] = socket.recv(TIMEOUT_SECONDS) == message
        text, data = "ü" * (MEGABYTE // 2), bytes(range(256)) * (MEGABYTE // 256)
        for name, large in (("large text", text), ("large binary", data)):
            socket.send(large)
            seen[name] = socket.recv(TIMEOUT_SECONDS) == large
        socket.send("part " for _ in range(100))
        seen["fragmented"] = socket.recv(TIMEOUT_SECONDS) == "part " * 100
        pong = socket.ping()
        seen["pong"] = pong.wait(TIMEOUT_SECONDS)
        socket.close(4321, "bye")
        seen["close"] = [socket.close_code, socket.close_reason]
    return seen


def with_socketio(url: str, transports: list[str]) -> dict[str, Any]:
    import socketio

    heard: Queue[Any] = Queue()
    clients = [socketio.Client(reconnection=False) for _ in range(2)]
    for client in clients:
        client.on("shouted", heard.put)
        client.connect(url, transports=transports, wait_timeout=TIMEOUT_SECONDS)
    seen: dict[str, Any] = {"transport": clients[0].transport()}
    for name, value in (("text", "grün"), ("binary", b"\0\1\xff"), ("large", "x" * 500_000)):
        seen[name] = clients[0].call("echo", value, timeout=TIMEOUT_SECONDS) == value
    numbers = [clients[0].call("echo", n, timeout=TIMEOUT_SECONDS) for n in range(100)]
    seen["many"] = numbers == list(range(100))
    clients[0].emit("shout", "all")
    seen["broadcast"] = [heard.get(timeout=TIMEOUT_SECONDS) for _ in clients]
    for client in clients:
        client.disconnect()
        client.wait()
    return seen


if __name__ == "__main__":
    kind, url, *rest = sys.argv[1:]
    print(json.dumps(with_websockets(url) if kind == "websockets" else with_socketio(url, rest)))

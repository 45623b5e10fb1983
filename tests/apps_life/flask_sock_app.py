"""WebSockets of Flask-Sock: simple-websocket on the raw socket of the environ."""

from __future__ import annotations

import threading
from typing import Any

import place
from flask import Flask, request
from flask_sock import Sock

app = Flask(__name__)
sock = Sock(app)

SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


@app.get("/hello")
def hello() -> str:
    return "hello"


@app.get("/threads")
def threads() -> list[str]:
    return sorted(thread.name for thread in threading.enumerate())


@sock.route("/echo/<name>")
def echo(ws: Any, name: str) -> None:
    place.note(name, "open")
    try:
        while True:
            ws.send(ws.receive())
    finally:
        place.note(name, f"closed {int(ws.close_reason)} {ws.close_message or ''}".rstrip())


@sock.route("/close/<int:code>")
def close(ws: Any, code: int) -> None:
    ws.receive()
    ws.close(code, "so it is")


@sock.route("/fail")
def fail(ws: Any) -> None:
    raise LookupError(f"after {ws.receive()}")


@app.get("/burst", websocket=True)
def burst() -> str:
    with request.environ["werkzeug.socket"] as raw:
        raw.sendall(SWITCHING + b"x" * 500_000)
    return ""


@app.get("/count/<name>", websocket=True)
def count(name: str) -> str:
    """The socket as it is: reads once the gate is open, and answers with what it has read."""
    raw = request.environ["werkzeug.socket"]
    raw.sendall(SWITCHING)
    place.wait(f"{name}.read")
    total = 0
    while piece := raw.recv(65536):
        total += len(piece)
    raw.sendall(b"x" * total)
    raw.close()
    return ""

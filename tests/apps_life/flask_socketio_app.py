"""Flask-SocketIO with threads: its WebSockets are those of simple-websocket.

simple-websocket closes its socket in one thread while another may be about to write to it, and has
no lock: then its close() fails with EBADF, in a thread that ends anyway, under every server.
"""

from __future__ import annotations

import errno
import threading
from typing import Any

import place
from flask import Flask, request
from flask_socketio import SocketIO, emit

app = Flask(__name__)
socketio = SocketIO(app, async_mode="threading")

report = threading.excepthook


def unless_closed_twice(args: Any) -> None:
    trace = args.exc_traceback
    while trace.tb_next is not None:
        trace = trace.tb_next
    late = isinstance(args.exc_value, OSError) and args.exc_value.errno == errno.EBADF
    if not (late and trace.tb_frame.f_globals["__name__"] == "simple_websocket.ws"):
        report(args)


threading.excepthook = unless_closed_twice


@app.get("/hello")
def hello() -> str:
    return "hello"


@socketio.on("connect")
def connect() -> None:
    place.note("log", f"connect {request.args['transport']}")


@socketio.on("disconnect")
def disconnect(_reason: str) -> None:
    place.note("log", "disconnect")


@socketio.on("echo")
def echo(value: Any) -> Any:
    """Its result is the acknowledgement."""
    return value


@socketio.on("shout")
def shout(value: Any) -> None:
    emit("shouted", value, broadcast=True)

"""WebSockets of apps and edges that break the rules, and the end of the worker."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from asgi_support import Gate
from test_asgi_websocket import Recorder, text, until_disconnect

from keelback.errors import ClientDisconnected

MISPLACED = [
    (False, text("x"), "before websocket.accept"),
    (True, {"type": "websocket.accept"}, "'websocket.accept' was sent after websocket.accept"),
    (True, {"type": "websocket.http.response.start", "status": 200}, "after websocket.accept"),
    (True, {"type": "websocket.send"}, "needs bytes, or text"),
    (True, {"type": "websocket.send", "text": b"x"}, "needs bytes, or text"),
    (True, {"type": "websocket.send", "bytes": 3}, "needs bytes, not int"),
    (False, {"type": "http.response.start", "status": 200}, "unknown ASGI message"),
]


@pytest.mark.parametrize(("accept", "message", "why"), MISPLACED)
def test_a_misplaced_message_raises(serve: Any, accept: bool, message: Any, why: str) -> None:
    async def steps(seen: Any, receive: Any, send: Any) -> None:
        await send(message)

    app = Recorder(steps, accept)
    server = serve(app)
    server.edge.answer(server.edge.handshake())
    assert why in str(app.seen[0])


def test_sending_to_a_client_that_has_left_raises(serve: Any) -> None:
    async def steps(seen: Any, receive: Any, send: Any) -> None:
        seen.append(await receive())
        await send(text("anybody?"))

    app = Recorder(steps)
    server = serve(app)
    stream = server.edge.accepted()
    server.edge.ws_close(stream, 1001)
    assert app.ended.wait(10)
    assert isinstance(app.seen[1], ClientDisconnected)
    assert server.log == ""


def test_buffers_are_copied(serve: Any) -> None:
    async def steps(seen: Any, receive: Any, send: Any) -> None:
        buffer = bytearray(b"one")
        await send({"type": "websocket.send", "bytes": buffer})
        buffer[:] = b"two"
        await send({"type": "websocket.send", "bytes": memoryview(buffer)})
        buffer[:] = b"xxx"

    edge = serve(Recorder(steps)).edge
    assert edge.messages(edge.accepted(), 2) == [b"one", b"two"]


def test_frames_for_a_request_that_is_no_websocket_end_the_link(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    server = serve(app)
    stream = server.edge.begun()
    server.edge.message(stream, "x")
    server.edge.until_eof()
    assert f"stream {stream} is no WebSocket" in server.log


@pytest.mark.parametrize("early", ["message", "ws_close"])
def test_nothing_comes_before_the_accept(serve: Any, early: str) -> None:
    server = serve(Recorder(until_disconnect, accept=False))
    stream = server.edge.handshake()
    getattr(server.edge, early)(stream, "x" if early == "message" else 1000)
    server.edge.until_eof()
    assert "not allowed" in server.log


def test_the_edge_goes(serve: Any) -> None:
    app = Recorder(until_disconnect)
    edge = serve(app).edge
    edge.accepted()
    edge.sock.close()
    assert app.ended.wait(10)
    assert [message["code"] for message in app.seen] == [1006]


def test_a_worker_that_stops_closes_with_1012(serve: Any) -> None:
    app = Recorder(until_disconnect)
    server = serve(app)
    edge = server.edge
    stream = edge.accepted()
    server.call(server.runner.stop)
    assert edge.closed(stream) == (1012, "")
    assert app.ended.wait(10)
    assert app.seen == [{"type": "websocket.disconnect", "code": 1012, "reason": ""}]


def test_an_app_that_does_not_end_at_the_stop(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        started.set()
        await stopping.wait()
        await send({"type": "websocket.accept"})
        await asyncio.Event().wait()

    started = threading.Event()
    stopping = Gate()
    server = serve(app, graceful_ms=100)
    stream = server.edge.handshake()
    assert started.wait(10)
    server.call(lambda: (server.runner.stop(), stopping.open()))
    assert server.edge.closed(stream) == (1012, "")

"""WebSockets of Starlette, FastAPI and Django Channels, whose use of ASGI is what most apps are
made of."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

pytest.importorskip("fastapi")

from fastapi import FastAPI, WebSocket, WebSocketException
from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.responses import JSONResponse
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocketDisconnect


async def echo(websocket: WebSocket) -> None:
    await websocket.accept(subprotocol="chat", headers=[(b"x-seen", b"yes")])
    async for text in websocket.iter_text():
        await websocket.send_json({"echo": text, "query": dict(websocket.query_params)})


async def careless(websocket: WebSocket) -> None:
    """Does not expect its client to leave."""
    await websocket.accept()
    await websocket.receive_text()


async def deny(websocket: WebSocket) -> None:
    await websocket.send_denial_response(JSONResponse({"why": "closed"}, 401))


class Upper(WebSocketEndpoint):
    encoding = "bytes"
    left: ClassVar[list[int]] = []

    async def on_receive(self, websocket: WebSocket, data: bytes) -> None:
        await websocket.send_bytes(data.upper())

    async def on_disconnect(self, websocket: WebSocket, close_code: int) -> None:
        self.left.append(close_code)


starlette = Starlette(
    routes=[
        WebSocketRoute("/echo", echo),
        WebSocketRoute("/careless", careless),
        WebSocketRoute("/deny", deny),
        WebSocketRoute("/upper", Upper),
    ]
)


def make_fastapi() -> FastAPI:
    app = FastAPI()

    @app.websocket("/items/{item}")
    async def items(websocket: WebSocket, item: int, page: int = 1) -> None:
        await websocket.accept()
        try:
            while True:
                command = await websocket.receive_json()
                await websocket.send_json({"item": item, "page": page, "command": command})
        except WebSocketDisconnect as gone:
            left.append((gone.code, gone.reason))

    @app.websocket("/policy")
    async def policy(websocket: WebSocket) -> None:
        await websocket.accept()
        raise WebSocketException(code=1008, reason="not you")

    left: list[Any] = []
    app.state.left = left
    return app


def test_starlette(serve: Any) -> None:
    server = serve(starlette)
    edge = server.edge
    stream = edge.accepted(path=b"/echo", query=b"a=b")
    assert edge.answers[stream].accepted["sec-websocket-protocol"] == "chat"
    assert edge.answers[stream].accepted["x-seen"] == "yes"
    edge.message(stream, "grüß")
    assert edge.messages(stream, 1) == ['{"echo":"grüß","query":{"a":"b"}}']
    edge.ws_close(stream, 1000)
    assert edge.closed(stream) == (1000, "")
    other = edge.accepted(path=b"/upper")
    edge.message(other, b"abc")
    assert edge.messages(other, 1) == [b"ABC"]
    edge.cancel(other, 1)
    assert edge.closed(other) == (1006, "")
    server.stop()
    assert Upper.left.pop() == 1006
    assert server.log == ""


def test_a_starlette_app_that_denies_or_has_no_such_route(serve: Any) -> None:
    edge = serve(starlette).edge
    answer = edge.answer(edge.handshake(path=b"/deny"))
    assert (answer.status, answer.body) == (401, b'{"why":"closed"}')
    assert edge.answer(edge.handshake(path=b"/missing")).status in (403, 404)


def test_an_exception_about_a_client_that_has_left_is_not_logged(serve: Any) -> None:
    server = serve(starlette)
    stream = server.edge.accepted(path=b"/careless")
    server.edge.ws_close(stream, 1001, "away")
    assert server.edge.closed(stream) == (1001, "away")
    server.stop()
    assert server.log == ""


def test_fastapi(serve: Any) -> None:
    app = make_fastapi()
    server = serve(app)
    edge = server.edge
    stream = edge.accepted(path=b"/items/7", query=b"page=2")
    edge.message(stream, '{"do": "it"}')
    assert edge.messages(stream, 1) == ['{"item":7,"page":2,"command":{"do":"it"}}']
    edge.ws_close(stream, 4000, "bye")
    edge.closed(stream)
    assert edge.closed(edge.accepted(path=b"/policy")) == (1008, "not you")
    assert edge.answer(edge.handshake(path=b"/items/no")).status == 403
    server.stop()
    assert app.state.left == [(4000, "bye")]
    assert server.log == ""


def test_django_channels(serve: Any) -> None:
    pytest.importorskip("channels")
    from channels.generic.websocket import AsyncJsonWebsocketConsumer
    from django.conf import settings

    if not settings.configured:
        settings.configure(USE_TZ=True)

    class Consumer(AsyncJsonWebsocketConsumer):
        async def connect(self) -> None:
            if self.scope["path"] == "/closed":
                await self.close()
            else:
                await self.accept(self.scope["subprotocols"][0])

        async def receive_json(self, content: Any, **_: Any) -> None:
            await self.send_json({"got": content})
            if content == "end":
                await self.close(4001)

        async def disconnect(self, code: int) -> None:
            left.append(code)

    left: list[int] = []
    server = serve(Consumer.as_asgi())
    edge = server.edge
    stream = edge.accepted(headers=[(b"sec-websocket-protocol", b"v1, v2")])
    assert edge.answers[stream].accepted["sec-websocket-protocol"] == "v1"
    edge.message(stream, '"hello"')
    edge.message(stream, '"end"')
    assert edge.closed(stream)[0] == 4001
    assert edge.answers[stream].messages == ['{"got": "hello"}', '{"got": "end"}']
    assert edge.answer(edge.handshake(path=b"/closed")).status == 403
    gone = edge.accepted(headers=[(b"sec-websocket-protocol", b"v1")])
    edge.cancel(gone, 1)
    edge.closed(gone)
    server.stop()
    assert 1006 in left
    assert server.log == ""

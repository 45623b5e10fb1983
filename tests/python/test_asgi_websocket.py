"""WebSockets through the asyncio runner, as the edge sees them: docs/protocol.md, "WebSocket"."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from keelback import _wire
from keelback.errors import ClientDisconnected


async def echo(scope: Any, receive: Any, send: Any) -> None:
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


class Recorder:
    """Accepts, then does what `steps` says, and keeps what happened."""

    def __init__(self, steps: Any, accept: bool = True) -> None:
        self.steps = steps
        self.accept = accept
        self.scope: dict[str, Any] = {}
        self.seen: list[Any] = []
        self.ended = threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope = scope
        try:
            await receive()
            if self.accept:
                await send({"type": "websocket.accept"})
            await self.steps(self.seen, receive, send)
        except Exception as error:
            self.seen.append(error)
            raise
        finally:
            self.ended.set()


async def until_disconnect(seen: Any, receive: Any, send: Any) -> None:
    while True:
        seen.append(await receive())
        if seen[-1]["type"] == "websocket.disconnect":
            return


def text(data: str) -> dict[str, Any]:
    return {"type": "websocket.send", "text": data}


def test_scope_of_a_handshake(serve: Any) -> None:
    app = Recorder(until_disconnect)
    edge = serve(app).edge
    edge.accepted(
        path=b"/chat",
        query=b"a=b",
        scheme=b"https",
        version=20,
        headers=[
            (b"host", b"h"),
            (b"sec-websocket-protocol", b"chat, v2"),
            (b"sec-websocket-protocol", b"v3"),
        ],
    )
    scope = app.scope
    assert scope["type"] == "websocket"
    assert scope["scheme"] == "wss"
    assert scope["http_version"] == "2"
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.5"}
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/chat", b"/chat", b"a=b")
    assert scope["subprotocols"] == ["chat", "v2", "v3"]
    assert scope["extensions"] == {"websocket.http.response": {}}
    assert scope["client"] == ("127.0.0.1", 40000)
    assert scope["state"] == {}
    assert "method" not in scope
    edge.accepted()
    assert app.scope["scheme"] == "ws"
    assert app.scope["subprotocols"] == []


def test_messages_of_both_kinds_are_echoed(serve: Any) -> None:
    edge = serve(echo).edge
    stream = edge.accepted()
    sent: list[Any] = ["hello", "grüß", b"\0\xff", "", b"", "x" * 20_000, b"y" * 300_000]
    for data in sent:
        edge.message(stream, data)
    assert edge.messages(stream, len(sent)) == sent
    edge.ws_close(stream, 1000)
    assert edge.closed(stream) == (1000, "")
    assert edge.board.words[0] == stream


def test_accept_with_subprotocol_and_headers(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"x-a", b"b"), (b"Sec-WebSocket-Protocol", b"other"), (b"set-cookie", b"c=d")]
        await send({"type": "websocket.accept", "subprotocol": "chat", "headers": headers})

    edge = serve(app).edge
    answer = edge.answer(edge.handshake())
    accepted = answer.accepted
    assert accepted.pop("date")
    assert accepted == {
        "x-a": "b",
        "set-cookie": "c=d",
        "sec-websocket-protocol": "chat",
        "server": "keelback",
    }
    assert [f[1] for f in answer.frames] == [_wire.ACCEPT, _wire.WORKER_WS_CLOSE]


@pytest.mark.parametrize(
    "message",
    [
        {"headers": [(b"sec-websocket-accept", b"x")]},
        {"headers": [(b"Sec-WebSocket-Extensions", b"permessage-deflate")]},
        {"headers": [(b"Connection", b"close")]},
        {"headers": [(b"content-length", b"3")]},
        {"headers": [(b"a b", b"c")]},
        {"headers": [(b"a", b"b\r\nc: d")]},
        {"subprotocol": "a\nb"},
    ],
)
def test_a_bad_accept_is_refused(serve: Any, message: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept", **message})

    server = serve(app)
    answer = server.edge.answer(server.edge.handshake())
    assert answer.status == 500
    assert "the app failed in WebSocket /chat" in server.log


def test_close_before_accept_is_403(serve: Any) -> None:
    async def steps(seen: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.close"})
        seen.append(await receive())

    app = Recorder(steps, accept=False)
    server = serve(app)
    answer = server.edge.answer(server.edge.handshake())
    assert answer.status == 403
    assert answer.headers["content-length"] == "0"
    assert app.ended.wait(10)
    assert app.seen == [{"type": "websocket.disconnect", "code": 1006, "reason": ""}]
    assert server.log == ""


def test_a_handshake_may_be_answered_with_a_response(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"www-authenticate", b"basic")]
        await send({"type": "websocket.http.response.start", "status": 401, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": b"who ", "more_body": True})
        await send({"type": "websocket.http.response.body", "body": b"are you?"})

    answer = serve(app).edge
    answer = answer.answer(answer.handshake())
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "basic"
    assert answer.body == b"who are you?"


@pytest.mark.parametrize(("code", "reason"), [(1000, "bye"), (1001, ""), (1005, ""), (1006, "")])
def test_the_client_closes(serve: Any, code: int, reason: str) -> None:
    app = Recorder(until_disconnect)
    server = serve(app)
    edge = server.edge
    stream = edge.accepted()
    edge.message(stream, "last words")
    edge.ws_close(stream, code, reason)
    assert edge.closed(stream) == (code, reason)
    assert app.ended.wait(10)
    assert app.seen == [
        {"type": "websocket.receive", "text": "last words"},
        {"type": "websocket.disconnect", "code": code, "reason": reason},
    ]
    assert server.log == ""


@pytest.mark.parametrize(
    ("reason", "code"),
    [(_wire.CANCEL_REASON_CLIENT_GONE, 1006), (_wire.CANCEL_REASON_SHUTDOWN, 1012)],
)
def test_a_cancelled_socket_is_closed(serve: Any, reason: int, code: int) -> None:
    app = Recorder(until_disconnect)
    edge = serve(app).edge
    stream = edge.accepted()
    edge.cancel(stream, _wire.CANCEL_REASON_HALF_CLOSED)
    edge.cancel(stream, reason)
    assert edge.closed(stream) == (code, "")
    assert app.ended.wait(10)
    assert [message["code"] for message in app.seen] == [code]


def test_a_websocket_app_is_told_of_the_end_once(serve: Any) -> None:
    async def steps(seen: Any, receive: Any, send: Any) -> None:
        seen.append(await receive())
        await receive()

    app = Recorder(steps)
    server = serve(app)
    stream = server.edge.accepted()
    server.edge.ws_close(stream, 1001)
    assert app.ended.wait(10)
    assert app.seen[0]["code"] == 1001
    assert isinstance(app.seen[1], ClientDisconnected)
    assert isinstance(app.seen[1], OSError)
    assert server.log == ""


def test_a_client_that_leaves_before_the_accept(serve: Any) -> None:
    async def steps(seen: Any, receive: Any, send: Any) -> None:
        seen.append(await receive())
        await send({"type": "websocket.accept"})

    app = Recorder(steps, accept=False)
    server = serve(app)
    stream = server.edge.handshake()
    server.edge.cancel(stream, _wire.CANCEL_REASON_CLIENT_GONE)
    assert server.edge.answer(stream).reset == _wire.RESET_REASON_CANCELLED
    assert app.ended.wait(10)
    assert app.seen[0] == {"type": "websocket.disconnect", "code": 1006, "reason": ""}
    assert isinstance(app.seen[1], ClientDisconnected)
    assert server.log == ""


def test_a_handshake_that_takes_too_long(serve: Any) -> None:
    async def steps(seen: Any, receive: Any, send: Any) -> None:
        begun.set()
        await asyncio.Event().wait()

    begun = threading.Event()
    app = Recorder(steps, accept=False)
    server = serve(app)
    stream = server.edge.handshake()
    assert begun.wait(10)
    server.edge.cancel(stream, _wire.CANCEL_REASON_TIMEOUT)
    assert server.edge.answer(stream).reset == _wire.RESET_REASON_TIMEOUT
    assert app.ended.wait(10)


def test_the_app_closes(serve: Any) -> None:
    async def steps(seen: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.close", "code": 4001, "reason": "enough ü"})
        seen.append(await receive())
        try:
            await send(text("late"))
        except OSError as error:
            seen.append(str(error))
        await send({"type": "websocket.close"})

    app = Recorder(steps)
    server = serve(app)
    stream = server.edge.handshake()
    assert server.edge.closed(stream) == (4001, "enough ü")
    assert app.ended.wait(10)
    assert app.seen[0] == {"type": "websocket.disconnect", "code": 4001, "reason": "enough ü"}
    assert app.seen[1] == "'websocket.send' was sent after the WebSocket was closed"
    assert isinstance(app.seen[2], ClientDisconnected)
    server.edge.get_pong()
    assert "the app failed in WebSocket /chat" in server.log


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2000, 5000])
def test_codes_that_cannot_be_sent(serve: Any, code: int) -> None:
    async def steps(seen: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.close", "code": code})

    server = serve(Recorder(steps))
    assert server.edge.closed(server.edge.handshake()) == (1011, "")
    assert f"can't be closed with the code {code}" in server.log


def test_the_app_returns_without_closing(serve: Any) -> None:
    async def steps(seen: Any, receive: Any, send: Any) -> None:
        await send(text("bye"))

    server = serve(Recorder(steps))
    stream = server.edge.handshake()
    assert server.edge.closed(stream) == (1000, "")
    assert server.edge.answers[stream].messages == ["bye"]
    assert server.log == ""


def test_the_app_fails(serve: Any) -> None:
    async def steps(seen: Any, receive: Any, send: Any) -> None:
        raise ValueError("broken")

    server = serve(Recorder(steps))
    assert server.edge.closed(server.edge.handshake()) == (1011, "")
    assert "the app failed in WebSocket /chat" in server.log
    assert "ValueError: broken" in server.log


@pytest.mark.parametrize("fails", [True, False])
def test_an_app_that_never_answers_the_handshake(serve: Any, fails: bool) -> None:
    async def steps(seen: Any, receive: Any, send: Any) -> None:
        if fails:
            raise ValueError("broken")

    server = serve(Recorder(steps, accept=False))
    assert server.edge.answer(server.edge.handshake()).status == 500
    wanted = "ValueError: broken" if fails else "returned without a response in WebSocket /chat"
    assert wanted in server.log

"""Responses of ASGI apps through the asyncio runner, as the edge sees them."""

from __future__ import annotations

import asyncio
import os
import struct
from typing import Any

import pytest
from asgi_support import START, message, respond, start_with_length

from keelback import _wire


def test_streaming_uses_credit_and_waits_for_more(serve: Any) -> None:
    total = 5_000_000

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(message(b"y" * total))

    edge = serve(app).edge
    stream = edge.begun()
    answer = edge.answers[stream]
    edge.until(lambda: len(answer.body) >= _wire.RESPONSE_WINDOW_BYTES)
    given = _wire.RESPONSE_WINDOW_BYTES
    while not answer.ended:
        assert len(answer.body) <= given
        edge.credit(stream, 500_000)
        given += 500_000
        wanted = min(given, total)
        edge.until(lambda wanted=wanted: answer.ended or len(answer.body) >= wanted)
    assert len(answer.body) == total
    assert answer.headers["content-length"] == str(total)


def test_streaming_without_length(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        for part in (b"a", b"b", b""):
            await send(message(part, True))
        await send({"type": "http.response.body"})

    answer = serve(app).edge.get()
    assert answer.body == b"ab"
    assert not answer.frames[0][2] & _wire.FLAG_LENGTH
    assert "content-length" not in answer.headers


def test_head_is_held_until_the_first_body_message(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        raise RuntimeError("late, but nothing has left")

    server = serve(app)
    answer = server.edge.get()
    assert answer.status == 500
    assert "RuntimeError: late, but nothing has left" in server.log


def test_bytearray_body_is_copied(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        data = bytearray(b"before")
        await send(START)
        await send(message(data, True))
        data[:] = b"after!"
        await send(message(memoryview(data)))

    assert serve(app).edge.get().body == b"beforeafter!"


@pytest.mark.parametrize("status", [204, 304])
def test_no_body_for_status(serve: Any, status: int) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, b"not allowed", status)

    answer = serve(app).edge.get()
    assert (answer.status, answer.body) == (status, b"")
    assert "content-length" not in answer.headers
    assert answer.frames[0][2] & _wire.FLAG_END


def test_head_has_length_and_no_body(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/stream":
            await send(START)
            await send(message(b"abc", True))
            await send(message(b"def"))
        elif scope["path"] == "/lies":
            await send(start_with_length(99))
            await send(message(b""))
        else:
            await respond(send, b"hello")

    server = serve(app)
    answer = server.edge.get(method="HEAD")
    assert (answer.headers["content-length"], answer.body) == ("5", b"")
    assert server.edge.get(method="HEAD", path=b"/lies").headers["content-length"] == "99"
    assert server.edge.get(method="HEAD", path=b"/stream").body == b""
    assert server.log == ""


@pytest.mark.parametrize("parts", [[b"12345"], [b"123", b"45"]])
def test_body_longer_than_content_length(serve: Any, parts: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start_with_length(4))
        for part in parts[:-1]:
            await send(message(part, True))
        await send(message(parts[-1]))

    server = serve(app)
    answer = server.edge.get()
    assert answer.reset == _wire.RESET_REASON_BODY_LONG
    assert len(answer.body if answer.of(_wire.RESPONSE) else b"") <= 4
    server.stop()
    assert "longer than its Content-Length of 4" in server.log


@pytest.mark.parametrize("parts", [[b"123"], [b"1", b"23"]])
def test_body_shorter_than_content_length(serve: Any, parts: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start_with_length(4))
        for part in parts[:-1]:
            await send(message(part, True))
        await send(message(parts[-1]))

    server = serve(app)
    assert server.edge.get().reset == _wire.RESET_REASON_BODY_SHORT
    server.stop()
    assert "shorter than its Content-Length of 4" in server.log


def test_app_error_before_start_is_500_with_the_apps_traceback(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("no luck")

    server = serve(app)
    answer = server.edge.get(path=b"/a\nb")
    assert (answer.status, answer.body) == (500, b"Internal Server Error")
    assert "the app failed in GET /a\\nb" in server.log
    assert "ValueError: no luck" in server.log
    assert "keelback/asgi_http.py" not in server.log


def test_app_error_after_start_cuts_the_stream(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(message(b"a", True))
        raise ValueError("halfway")

    server = serve(app)
    assert server.edge.get().reset == _wire.RESET_REASON_APP_ERROR
    assert "halfway" in server.log


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError()])
def test_no_exception_of_an_app_ends_the_loop(serve: Any, error: BaseException) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/bad":
            raise error
        await respond(send)

    edge = serve(app).edge
    assert edge.get(path=b"/bad").status == 500
    assert edge.get().status == 200


def test_app_that_returns_early(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/half":
            await send(START)
            await send(message(b"a", True))

    server = serve(app)
    assert server.edge.get().status == 500
    assert "returned without a response in GET /" in server.log
    assert server.edge.get(path=b"/half").reset == _wire.RESET_REASON_APP_ERROR
    assert "returned in the middle of its response in GET /half" in server.log


def test_bad_head_is_500(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, headers=[(b"x", b"a\r\nset-cookie: b")])

    server = serve(app)
    assert server.edge.get().status == 500
    assert "BadResponse" in server.log


@pytest.mark.parametrize(
    "wrong",
    [
        [message(b"first")],
        [START, START],
        [START, message(b""), message(b"again")],
        [{"type": "http.response.push", "path": "/", "headers": []}],
        [{"type": "websocket.accept"}],
    ],
)
def test_wrong_messages_raise(serve: Any, wrong: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for one in wrong:
            await send(one)

    server = serve(app)
    server.edge.get()
    server.stop()
    assert "RuntimeError" in server.log


def test_debug_message_is_ignored(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.debug", "info": {}})
        await respond(send)

    assert serve(app).edge.get().status == 200


def test_pathsend(serve: Any, tmp_path: Any) -> None:
    file = tmp_path / "f\u00fc.txt"
    file.write_bytes(b"content")
    empty = tmp_path / "empty"
    empty.touch()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        name = empty if scope["path"] == "/empty" else file
        await send(START)
        await send({"type": "http.response.pathsend", "path": str(name)})

    edge = serve(app).edge
    answer = edge.get()
    assert [f[1] for f in answer.frames] == [_wire.RESPONSE, _wire.FILE]
    assert struct.unpack_from("<QQ", answer.frames[1][4]) == (0, 7)
    assert answer.frames[1][4][16:] == os.fsencode(str(file))
    assert answer.headers["content-length"] == "7"
    assert edge.get(method="HEAD").headers["content-length"] == "7"
    assert edge.get(path=b"/empty").headers["content-length"] == "0"


def test_pathsend_of_a_missing_file_is_500(serve: Any, tmp_path: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send({"type": "http.response.pathsend", "path": str(tmp_path / "gone")})

    server = serve(app)
    assert server.edge.get().status == 500
    assert "FileNotFoundError" in server.log


def test_trailers(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({**START, "trailers": True})
        await send(message(b"body"))
        for more in (True, False):
            await send(
                {
                    "type": "http.response.trailers",
                    "headers": [(b"X-Sum", b"1"), (b"content-length", b"3")],
                    "more_trailers": more,
                }
            )

    edge = serve(app).edge
    answer = edge.get(flags=_wire.FLAG_END | _wire.FLAG_TRAILERS_OK)
    assert answer.of(_wire.RESPONSE_TRAILERS)[0][4] == b"x-sum\x001\x00x-sum\x001"
    assert answer.body == b"body"
    plain = edge.get()
    assert not plain.of(_wire.RESPONSE_TRAILERS)
    assert plain.headers["content-length"] == "4"


def test_early_hints_before_and_after_start(serve: Any) -> None:
    hint = {"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(hint)
        await send(START)
        await send(hint)
        await send(message(b"", True))
        await send(hint)
        await send(message(b""))

    answer = serve(app).edge.get()
    hints = answer.of(_wire.INFORMATIONAL)
    assert [(f[3], f[4]) for f in hints] == [(103, b"link: </a.css>; rel=preload\r\n")] * 2
    assert answer.frames[2][1] == _wire.RESPONSE


def test_early_hint_that_injects_is_refused(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.early_hint", "links": [b"a\r\nb: c"]})

    assert serve(app).edge.get().status == 500


def test_continue_is_sent_when_the_body_is_wanted(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != "/refuse":
            await receive()
        await respond(send)

    edge = serve(app).edge
    stream = edge.begun(method="POST", flags=_wire.FLAG_EXPECT)
    answer = edge.answers[stream]
    edge.until(lambda: bool(answer.of(_wire.INFORMATIONAL)))
    assert answer.of(_wire.INFORMATIONAL)[0][3:] == (100, b"")
    edge.body(stream, b"x", end=True)
    assert len(edge.answer(stream).of(_wire.INFORMATIONAL)) == 1
    refused = edge.get(method="POST", flags=_wire.FLAG_EXPECT, path=b"/refuse")
    assert not refused.of(_wire.INFORMATIONAL)

"""HTTP requests through the asyncio runner, as the edge sees them."""

from __future__ import annotations

import asyncio
import os
import struct
import threading
from typing import Any

from asgi_support import START, message, respond

from keelback import _wire, frames


def test_small_response_is_one_frame_with_length(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, b"hello", headers=[(b"x-a", b"b")])

    answer = serve(app).edge.get()
    assert [f[1] for f in answer.frames] == [_wire.RESPONSE]
    assert answer.frames[0][2] == _wire.FLAG_END | _wire.FLAG_LENGTH
    assert answer.status == 200
    assert answer.headers["content-length"] == "5"
    assert answer.headers["x-a"] == "b"
    assert answer.body == b"hello"


def test_board_names_the_newest_begun_request(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await respond(send)

    edge = serve(app).edge
    edge.get()
    stream = edge.answered()
    assert edge.board.words[0] == stream == max(edge.answers) > 1


def test_scope(serve: Any) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)
        await respond(send)

    edge = serve(app).edge
    edge.get(
        method="POST",
        path="/caf\u00e9 x".encode(),
        raw_path=b"/caf%C3%A9%20x",
        query=b"a=%20",
        scheme=b"https",
        client=b"2001:db8::1 55",
        server=b"/run/keelback.sock",
        headers=[(b"host", b"h"), (b"cookie", b"a=1"), (b"cookie", b"b=2")],
        version=20,
    )
    edge.get(client=b"", method="PURGE", headers=[])
    scope = seen[0]
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.5"}
    assert scope["http_version"] == "2"
    assert scope["method"] == "POST"
    assert scope["path"] == "/caf\u00e9 x"
    assert scope["raw_path"] == b"/caf%C3%A9%20x"
    assert scope["query_string"] == b"a=%20"
    assert scope["scheme"] == "https"
    assert scope["client"] == ("2001:db8::1", 55)
    assert scope["server"] == ("/run/keelback.sock", None)
    assert scope["headers"] == [(b"host", b"h"), (b"cookie", b"a=1"), (b"cookie", b"b=2")]
    assert scope["root_path"] == ""
    assert "http.response.pathsend" in scope["extensions"]
    assert "http.response.trailers" not in scope["extensions"]
    assert seen[1]["client"] is None
    assert seen[1]["method"] == "PURGE"
    assert seen[1]["raw_path"] == b"/"
    assert seen[1]["headers"] == []
    assert seen[1]["server"] == ("127.0.0.1", 8000)


def test_scopes_share_nothing_that_apps_write_to(serve: Any) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["asgi"]["mine"] = scope["extensions"]["mine"] = scope["state"]["mine"] = 1
        seen.append(scope)
        await respond(send)

    edge = serve(app).edge
    edge.get()

    async def look(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError

    edge.get()
    first, second = seen
    for key in ("asgi", "extensions", "state", "headers"):
        assert first[key] is not second[key]


def test_path_that_is_not_utf8_keeps_its_bytes(serve: Any) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["path"])
        await respond(send)

    serve(app).edge.get(path=b"/\xff")
    assert os.fsencode(seen[0]) == b"/\xff"


def test_root_path_is_part_of_path(serve: Any) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope["root_path"], scope["path"], scope["raw_path"]))
        await respond(send)

    edge = serve(app, root_path="/api").edge
    edge.get(path=b"/items")
    edge.get(path=b"/api/items")
    assert seen == [("/api", "/api/items", b"/api/items")] * 2


def test_pipelined_batch_is_answered_in_one_write(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, scope["path"].encode())

    edge = serve(app).edge
    paths = [b"/%d" % n for n in range(50)]
    made = [edge.frame(path=path) for path in paths]
    edge.send(*(frame for _, frame in made))
    answers = [edge.answer(stream) for stream, _ in made]
    assert all(a.given_back or a.body == path for a, path in zip(answers, paths))
    assert not all(answer.given_back for answer in answers)


def test_request_body_arrives_and_credit_goes_back(serve: Any) -> None:
    got: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while True:
            event = await receive()
            got.append(event)
            if not event["more_body"]:
                break
        await respond(send)

    edge = serve(app).edge
    stream = edge.begun(method="POST", flags=0)
    answer = edge.answers[stream]
    sent = 0
    part = _wire.REQUEST_WINDOW_BYTES // 5
    while sent < 20 * part:
        edge.body(stream, b"x" * part)
        sent += part
        needed = sent - 3 * part

        def credited(needed: int = needed) -> bool:
            given = sum(struct.unpack("<I", f[4])[0] for f in answer.of(_wire.WORKER_CREDIT))
            return given >= needed

        edge.until(credited)
    edge.body(stream, b"end", end=True)
    edge.answer(stream)
    assert sum(len(e["body"]) for e in got) == 20 * part + 3
    assert [e["more_body"] for e in got][-1] is False


def test_more_request_body_than_credit_closes_the_link(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    server = serve(app, graceful_ms=10)
    stream = server.edge.begun(method="POST", flags=0)
    for _ in range(6):
        server.edge.body(stream, b"x" * (_wire.REQUEST_WINDOW_BYTES // 5))
    server.edge.until_eof()
    assert "a body that was not allowed" in server.log


def test_receive_without_body_then_blocks_until_disconnect(serve: Any) -> None:
    events: list[Any] = []
    waiting = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        events.append(await receive())
        asyncio.get_running_loop().call_soon(waiting.set)
        events.append(await receive())
        await respond(send)

    edge = serve(app).edge
    stream = edge.begun()
    assert waiting.wait(10)
    assert events == [{"type": "http.request", "body": b"", "more_body": False}]
    edge.cancel(stream, _wire.CANCEL_REASON_CLIENT_GONE)
    answer = edge.answer(stream)
    assert events[1] == {"type": "http.disconnect"}
    assert answer.reset == _wire.RESET_REASON_CANCELLED
    assert not answer.of(_wire.RESPONSE)


def test_receive_says_disconnect_after_the_response(serve: Any) -> None:
    events: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        watcher = asyncio.ensure_future(watch(receive))
        await asyncio.sleep(0)
        await respond(send)
        await watcher
        events.append(await receive())

    async def watch(receive: Any) -> None:
        while (event := await receive())["type"] != "http.disconnect":
            pass
        events.append(event)

    server = serve(app)
    server.edge.get()
    server.stop()
    assert events == [{"type": "http.disconnect"}] * 2


def test_half_close_ends_receive_but_not_the_response(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(message(b"a", True))
        await receive()
        event = await receive()
        await send(message(event["type"].encode()))

    edge = serve(app).edge
    stream = edge.begun()
    edge.until(lambda: bool(edge.answers[stream].frames))
    edge.cancel(stream, _wire.CANCEL_REASON_HALF_CLOSED)
    answer = edge.answer(stream)
    assert answer.body == b"ahttp.disconnect"
    assert answer.reset is None


def test_send_to_a_client_that_left_raises_oserror_and_is_not_logged(serve: Any) -> None:
    raised: list[BaseException] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        try:
            while True:
                await send(message(b"x" * 100_000, True))
        except OSError as error:
            raised.append(error)
            raise

    server = serve(app)
    edge = server.edge
    stream = edge.begun()
    edge.until(lambda: len(edge.answers[stream].body) >= 1024 * 1024)
    edge.cancel(stream, _wire.CANCEL_REASON_CLIENT_GONE)
    assert edge.answer(stream).reset == _wire.RESET_REASON_CANCELLED
    server.stop()
    assert len(raised) == 1
    assert server.log == ""


def test_request_trailers_reach_the_app(serve: Any) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while True:
            seen.append(await receive())
            if not seen[-1]["more_body"]:
                break
        await respond(send)

    edge = serve(app).edge
    stream = edge.begun(method="POST", flags=0)
    edge.body(stream, b"body")
    edge.send(frames.pack(stream, _wire.TRAILERS, 0, 0, b"x-sum\x001\0x-sum\x002"))
    assert edge.answer(stream).body == b"ok"
    assert b"".join(message["body"] for message in seen) == b"body"
    assert seen[-1]["trailers"] == [(b"x-sum", b"1"), (b"x-sum", b"2")]
    assert not any("trailers" in message for message in seen[:-1])
    second = edge.begun(method="POST", flags=0)
    edge.body(second, b"body", end=True)
    edge.answer(second)
    assert "trailers" not in seen[-1]

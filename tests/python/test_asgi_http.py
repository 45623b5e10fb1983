"""HTTP requests through the asyncio runner, as the edge sees them."""

from __future__ import annotations

import asyncio
import contextvars
import os
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from asgi_support import Server, respond

from keelback import _wire

LOOPS = ["asyncio", "uvloop"]


@pytest.fixture(params=LOOPS)
def serve(request: Any, tmp_path: Any) -> Iterator[Any]:
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    servers = []

    def start(app: Any, **settings: Any) -> Server:
        folder = tmp_path / str(len(servers))
        folder.mkdir()
        server = Server(app, str(folder), **{"loop": request.param, "lifespan": "off", **settings})
        servers.append(server)
        assert server.error is None
        return server

    yield start
    for server in servers:
        server.stop()


def message(body: bytes, more: bool = False) -> Any:
    return {"type": "http.response.body", "body": body, "more_body": more}


START = {"type": "http.response.start", "status": 200, "headers": []}


def start_with_length(length: int) -> Any:
    return {**START, "headers": [(b"content-length", str(length).encode())]}


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
    stream = edge.request()
    edge.answer(stream)
    assert edge.board.words[0] == stream == 2


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
    made = [edge.frame(path=b"/%d" % n) for n in range(50)]
    edge.send(*(frame for _, frame in made))
    assert [edge.answer(s).body for s, _ in made] == [b"/%d" % n for n in range(50)]


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
    stream = edge.request(method="POST", flags=0)
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
    stream = server.edge.request(method="POST", flags=0)
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
    stream = edge.request()
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
    stream = edge.request()
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
    stream = edge.request()
    edge.until(lambda: len(edge.answers[stream].body) >= 1024 * 1024)
    edge.cancel(stream, _wire.CANCEL_REASON_CLIENT_GONE)
    assert edge.answer(stream).reset == _wire.RESET_REASON_CANCELLED
    server.stop()
    assert len(raised) == 1
    assert server.log == ""


def test_streaming_uses_credit_and_waits_for_more(serve: Any) -> None:
    total = 5_000_000

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(message(b"y" * total))

    edge = serve(app).edge
    stream = edge.request()
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
    stream = edge.request(method="POST", flags=_wire.FLAG_EXPECT)
    answer = edge.answers[stream]
    edge.until(lambda: bool(answer.of(_wire.INFORMATIONAL)))
    assert answer.of(_wire.INFORMATIONAL)[0][3:] == (100, b"")
    edge.body(stream, b"x", end=True)
    assert len(edge.answer(stream).of(_wire.INFORMATIONAL)) == 1
    refused = edge.get(method="POST", flags=_wire.FLAG_EXPECT, path=b"/refuse")
    assert not refused.of(_wire.INFORMATIONAL)


def test_timeout_cancels_the_task(serve: Any) -> None:
    ends: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/":
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                ends.append("cancelled")
                raise
        await respond(send)

    server = serve(app)
    stream = server.edge.request()
    assert server.edge.get(path=b"/ok").status == 200
    server.edge.cancel(stream, _wire.CANCEL_REASON_TIMEOUT)
    assert server.edge.answer(stream).reset == _wire.RESET_REASON_TIMEOUT
    server.stop()
    assert ends == ["cancelled"]
    assert server.log == ""


VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")


def test_each_request_has_its_own_context(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        before = VARIABLE.get()
        VARIABLE.set(scope["path"])
        await respond(send, before.encode())

    edge = serve(app).edge
    made = [edge.frame() for _ in range(3)]
    edge.send(*(frame for _, frame in made))
    assert [edge.answer(s).body for s, _ in made] == [b"unset"] * 3


def test_current_task_is_the_requests_own(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        await asyncio.wait_for(asyncio.sleep(0), 5)
        assert asyncio.current_task() is task
        await respond(send)

    assert serve(app).edge.get().status == 200


def test_background_work_goes_on_and_is_awaited_at_stop(serve: Any) -> None:
    go = threading.Event()
    done: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await respond(send)
        await asyncio.get_running_loop().run_in_executor(None, go.wait)
        done.append("background")

    server = serve(app)
    assert server.edge.get().status == 200
    server.call(server.runner.stop)
    go.set()
    server.join()
    assert done == ["background"]


def test_stop_cancels_what_does_not_end(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await respond(send)
        await asyncio.Event().wait()

    server = serve(app, graceful_ms=20)
    server.edge.get()
    server.stop()
    assert "1 tasks did not end in time" in server.log
    assert server.status == 0


def test_requests_while_stopping_go_back(serve: Any) -> None:
    inside = threading.Event()
    release = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        inside.set()
        await asyncio.get_running_loop().run_in_executor(None, release.wait)
        await respond(send, b"finished")

    server = serve(app)
    first = server.edge.request()
    assert inside.wait(10)
    refusing = threading.Event()
    server.call(lambda: (server.runner.stop(), server.runner.loop.call_later(0, refusing.set)))
    assert refusing.wait(10)
    second = server.edge.request()
    assert server.edge.answer(second).given_back
    release.set()
    assert server.edge.answer(first).body == b"finished"


def test_lost_edge_is_a_disconnect_and_others_go_on(serve: Any) -> None:
    events: list[Any] = []
    waiting = threading.Event()
    gone = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/wait":
            await receive()
            asyncio.get_running_loop().call_soon(waiting.set)
            events.append(await receive())
            gone.set()
        await respond(send)

    server = serve(app)
    other = server.second_edge()
    server.edge.request(path=b"/wait")
    assert waiting.wait(10)
    server.edge.sock.close()
    assert gone.wait(10)
    assert events == [{"type": "http.disconnect"}]
    assert other.get().status == 200
    assert len(server.runner.links) == 1


def test_ping_is_answered(serve: Any) -> None:
    from keelback import frames

    async def app(scope: Any, receive: Any, send: Any) -> None: ...

    edge = serve(app).edge
    edge.send(frames.pack(0, _wire.PING, 0, 0, b"hello"))
    edge.until(lambda: edge.pongs == [b"hello"])


@pytest.mark.parametrize("bad", [b"\xff" * 12, struct.pack("<IIBBH", 0, 1, _wire.REQUEST, 1, 11)])
def test_broken_frames_close_the_link_only(serve: Any, bad: bytes) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await respond(send)

    server = serve(app)
    other = server.second_edge()
    server.edge.send(bad)
    server.edge.until_eof()
    assert "the link to an edge is closed" in server.log
    assert other.get().status == 200

"""Flow control of WebSockets: credit of both directions, the rings, cancelled sends."""

from __future__ import annotations

import asyncio
import struct
import sys
from typing import Any

import pytest
from asgi_support import Answer, Gate
from test_asgi_websocket import Recorder, echo, until_disconnect

from keelback import _wire, frames
from keelback.asgi_parts import Rest, utf8_of

WINDOW = _wire.WS_WINDOW_BYTES
RESPONSE_WINDOW = _wire.WS_WINDOW_BYTES
COST = _wire.WS_MESSAGE_COST_BYTES


def credited(answer: Answer) -> int:
    return sum(struct.unpack("<I", frame[4])[0] for frame in answer.of(_wire.WORKER_CREDIT))


def used(answer: Answer) -> int:
    """Of the response window."""
    sizes = [len(f[4]) for f in answer.of(_wire.DATA)]
    return sum(sizes) + sum(len(f[4]) + COST for f in answer.of(_wire.WORKER_MESSAGE))


def test_credit_comes_as_the_app_takes(serve: Any) -> None:
    wait = Gate()

    async def steps(seen: Any, receive: Any, send: Any) -> None:
        await wait.wait()
        await until_disconnect(seen, receive, send)

    server = serve(Recorder(steps))
    edge = server.edge
    stream = edge.accepted()
    answer = edge.answers[stream]
    count = WINDOW // (1000 + COST)
    for _ in range(count):
        edge.message(stream, b"x" * 1000)
    edge.get_pong()
    assert credited(answer) == 0
    server.call(wait.open)
    edge.until(lambda: credited(answer) > WINDOW * 3 // 4)
    assert credited(answer) <= count * (1000 + COST)
    edge.ws_close(stream, 1000)
    edge.closed(stream)


def test_an_edge_that_sends_more_than_its_credit_loses_the_link(serve: Any) -> None:
    async def steps(seen: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0)
        await stop.wait()

    stop = Gate()
    server = serve(Recorder(steps))
    edge = server.edge
    stream = edge.accepted()
    for _ in range(WINDOW // COST + 1):
        edge.message(stream, b"")
    edge.until_eof()
    assert "a message that was not allowed" in server.log
    server.call(stop.open)


def test_a_message_longer_than_the_window(serve: Any) -> None:
    app = Recorder(until_disconnect)
    server = serve(app)
    edge = server.edge
    stream = edge.accepted()
    answer = edge.answers[stream]
    part = b"0123456789abcdef" * 4096
    for count in range(1, 41):
        needed = count * len(part) - WINDOW
        edge.until(lambda needed=needed: credited(answer) >= needed)
        edge.part(stream, part)
    edge.until(lambda: credited(answer) >= 40 * len(part) + 3 + COST - WINDOW)
    edge.message(stream, b"end")
    edge.ws_close(stream, 1000)
    assert edge.closed(stream)[0] == 1000
    assert app.ended.wait(10)
    assert app.seen[0]["bytes"] == part * 40 + b"end"


def test_parts_behind_a_message_that_the_app_has_not_taken_are_not_credited(serve: Any) -> None:
    wait = Gate()

    async def steps(seen: Any, receive: Any, send: Any) -> None:
        await wait.wait()
        await until_disconnect(seen, receive, send)

    app = Recorder(steps)
    server = serve(app)
    edge = server.edge
    stream = edge.accepted()
    answer = edge.answers[stream]
    edge.message(stream, "first")
    edge.part(stream, b"x" * 200_000)
    edge.part(stream, b"y" * 200_000)
    edge.get_pong()
    assert credited(answer) == 0
    server.call(wait.open)
    edge.until(lambda: credited(answer) == 400_000 + 5 + COST)
    edge.message(stream, b"z")
    edge.ws_close(stream, 1000)
    edge.closed(stream)
    assert app.ended.wait(10)
    assert app.seen[1]["bytes"] == b"x" * 200_000 + b"y" * 200_000 + b"z"


def test_a_send_waits_for_credit(serve: Any) -> None:
    sent: list[int] = []

    async def steps(seen: Any, receive: Any, send: Any) -> None:
        for number in range(3):
            await send({"type": "websocket.send", "bytes": bytes(600_000)})
            sent.append(number)

    edge = serve(Recorder(steps)).edge
    stream = edge.accepted()
    answer = edge.answers[stream]
    edge.until(lambda: used(answer) == RESPONSE_WINDOW)
    edge.get_pong()
    assert sent == [0]
    edge.credit(stream, 400_000)
    edge.until(lambda: len(answer.messages) == 2)
    edge.until(lambda: used(answer) == RESPONSE_WINDOW + 400_000)
    edge.credit(stream, 1_000_000)
    assert edge.closed(stream)[0] == 1000
    assert answer.messages == [bytes(600_000)] * 3
    assert used(answer) == 3 * (600_000 + COST)


def test_empty_messages_cost_credit_too(serve: Any) -> None:
    async def steps(seen: Any, receive: Any, send: Any) -> None:
        for _ in range(RESPONSE_WINDOW // COST + 1):
            await send({"type": "websocket.send", "text": ""})

    edge = serve(Recorder(steps)).edge
    stream = edge.accepted()
    answer = edge.answers[stream]
    edge.until(lambda: used(answer) == RESPONSE_WINDOW)
    edge.get_pong()
    assert not answer.ended
    edge.credit(stream, COST)
    assert edge.closed(stream)[0] == 1000


def test_a_cancelled_send_cuts_no_websocket_message(serve: Any) -> None:
    async def steps(seen: Any, receive: Any, send: Any) -> None:
        big = asyncio.ensure_future(send({"type": "websocket.send", "bytes": b"b" * 2_000_000}))
        await asyncio.sleep(0)
        behind = asyncio.ensure_future(send({"type": "websocket.send", "text": "behind"}))
        await asyncio.sleep(0)
        big.cancel()
        await receive()
        await behind

    edge = serve(Recorder(steps)).edge
    stream = edge.accepted()
    answer = edge.answers[stream]
    edge.until(lambda: used(answer) == RESPONSE_WINDOW)
    edge.message(stream, "go on")
    edge.credit(stream, RESPONSE_WINDOW)
    assert edge.closed(stream)[0] == 1000
    assert answer.messages == [b"b" * 2_000_000, "behind"]


def test_a_client_that_leaves_ends_a_send_that_waits(serve: Any) -> None:
    async def steps(seen: Any, receive: Any, send: Any) -> None:
        try:
            await send({"type": "websocket.send", "bytes": bytes(2_000_000)})
        except OSError as error:
            seen.append(error)
        seen.append(await receive())

    app = Recorder(steps)
    edge = serve(app).edge
    stream = edge.accepted()
    edge.until(lambda: used(edge.answers[stream]) == RESPONSE_WINDOW)
    edge.cancel(stream, _wire.CANCEL_REASON_CLIENT_GONE)
    assert edge.closed(stream)[0] == 1006
    assert app.ended.wait(10)
    assert isinstance(app.seen[0], OSError)
    assert app.seen[1]["code"] == 1006


def test_large_parts_go_through_the_rings(serve: Any) -> None:
    edge = serve(echo).edge
    rings = edge.board.rings
    if not rings.path:
        return
    words = edge.board.words
    words[_wire.BOARD_RINGS_MAPPED] = 1
    stream = edge.accepted()
    answer = edge.answers[stream]
    data = bytes(range(256)) * 1000
    view = rings._view
    view[_wire.RING_BYTES + 16 : _wire.RING_BYTES + 16 + len(data)] = data
    part = struct.pack("<III", 16, len(data), len(data) + 32)
    shared = _wire.FLAG_SHARED
    edge.send(frames.pack(stream, _wire.MESSAGE, shared, _wire.WS_KIND_BINARY, part))
    edge.until(lambda: bool(answer.of(_wire.WORKER_MESSAGE)))
    assert words[_wire.BOARD_REQUEST_READ] == len(data) + 32
    _, _, flags, aux, payload = answer.of(_wire.WORKER_MESSAGE)[0]
    assert (flags, aux) == (shared, _wire.WS_KIND_BINARY)
    offset, count, _ = struct.unpack("<III", payload)
    assert bytes(view[offset : offset + count]) == data
    edge.ws_close(stream, 1000)
    edge.closed(stream)
    edge.send(frames.pack(stream, _wire.MESSAGE, shared, _wire.WS_KIND_BINARY, part))
    edge.get_pong()


def test_a_long_message_waits_for_room_in_the_ring(serve: Any) -> None:
    edge = serve(echo).edge
    rings = edge.board.rings
    if not rings.path:
        return
    words = edge.board.words
    words[_wire.BOARD_RINGS_MAPPED] = 1
    words[_wire.BOARD_RESPONSE_READ] = 2**32 - _wire.RING_BYTES  # nothing of a full ring was read
    stream = edge.accepted()
    answer = edge.answers[stream]
    text = "\u00e9" * 100_000
    edge.message(stream, text)
    edge.until(lambda: edge.pings == 1)
    assert not answer.of(_wire.WORKER_MESSAGE)
    words[_wire.BOARD_RESPONSE_READ] = 0
    edge.send(frames.pack(0, _wire.PONG, 0, 0, b""))
    edge.until(lambda: bool(answer.of(_wire.WORKER_MESSAGE)))
    offset, count, _ = struct.unpack("<III", answer.of(_wire.WORKER_MESSAGE)[0][4])
    assert str(rings._view[offset : offset + count], "utf-8") == text


def test_parts_of_a_text_may_cut_its_characters(serve: Any) -> None:
    edge = serve(echo).edge
    stream = edge.accepted()
    text = "a\u00e9\u20ac\U0001f600" * 3
    encoded = text.encode()
    for size in range(1, 6):
        pieces = [encoded[at : at + size] for at in range(0, len(encoded), size)]
        for piece in pieces[:-1]:
            edge.send(frames.pack(stream, _wire.BODY, 0, 0, piece))
        edge.send(frames.pack(stream, _wire.MESSAGE, 0, _wire.WS_KIND_TEXT, pieces[-1]))
        assert edge.messages(stream, size)[-1] == text


def test_parts_of_two_kinds_cost_the_link(serve: Any) -> None:
    server = serve(echo)
    edge = server.edge
    stream = edge.accepted()
    edge.part(stream, b"\xff")
    edge.message(stream, "text")
    edge.until_eof()
    assert "not of one kind" in server.log


@pytest.mark.parametrize("text", ["a" * 200_000, "\u00e9" * 200_000, "\U0001f600" * 200_000])
def test_the_bytes_of_a_long_text(text: str) -> None:
    rest = Rest(text, _wire.WS_KIND_TEXT)
    assert bytes(rest.data) == text.encode()


def test_thousands_of_open_sockets(serve: Any) -> None:
    edge = serve(echo).edge
    for _ in range(2000):
        edge.websocket()
    all_of = edge.answers.values()
    edge.until(lambda: all(one.given_back or one.accepted is not None for one in all_of))
    streams = [stream for stream, one in edge.answers.items() if not one.given_back]
    assert len(streams) > 100
    for stream in streams:
        edge.message(stream, f"hello {stream}")
    edge.until(lambda: all(edge.answers[stream].messages for stream in streams))
    assert edge.answers[streams[-1]].messages == [f"hello {streams[-1]}"]


@pytest.mark.parametrize("text", ["", "plain", "x" * 300_000, "caf\u00e9", "\U0001f600" * 1000])
@pytest.mark.parametrize("ctypes", [True, False])
def test_the_bytes_of_a_text(text: str, ctypes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keelback.asgi_parts._view_functions", [])
    if not ctypes:
        monkeypatch.setitem(sys.modules, "ctypes", None)
    assert bytes(utf8_of(text)) == text.encode()

"""The tasks of the asyncio runner: timeouts, contexts, background work, the end."""

from __future__ import annotations

import asyncio
import contextvars
import struct
import threading
from typing import Any

import pytest
from asgi_support import respond

from keelback import _wire


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
    stream = server.edge.begun()
    assert server.edge.get(path=b"/ok").status == 200
    server.edge.cancel(stream, _wire.CANCEL_REASON_TIMEOUT)
    assert server.edge.answer(stream).reset == _wire.RESET_REASON_TIMEOUT
    server.stop()
    assert ends == ["cancelled"]
    assert server.log.startswith("error: interrupted after its timeout: GET /\nTraceback")
    assert "in app" in server.log


VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")


def test_each_request_has_its_own_context(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        before = VARIABLE.get()
        VARIABLE.set(scope["path"])
        await respond(send, before.encode())

    edge = serve(app).edge
    made = [edge.frame() for _ in range(3)]
    edge.send(*(frame for _, frame in made))
    answers = [edge.answer(stream) for stream, _ in made]
    answers.append(edge.get())
    assert {answer.body for answer in answers if not answer.given_back} == {b"unset"}


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
    first = server.edge.begun()
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
    server.edge.begun(path=b"/wait")
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

"""The threads runner: credit, clients that leave, and timeouts."""

from __future__ import annotations

import struct
import threading
import time
from typing import Any

import pytest
from wsgi_support import DEADLINE, Blocking, Edge, text

from keelback import _wire
from keelback.frames import pack

WINDOW = _wire.RESPONSE_WINDOW_BYTES


@pytest.fixture
def app() -> Any:
    app = Blocking()
    yield app
    app.release.set()


# --- flow control


@pytest.mark.parametrize("kind", ["threads", "sync"])
def test_without_credit_the_response_waits(kind: str) -> None:
    total = 3 * WINDOW + 1000

    def app(environ: Any, start: Any) -> Any:
        if environ["PATH_INFO"] == "/list":
            start("200 OK", [])
            return [b"x" * total]
        start("200 OK", [])
        return (b"x" * 100_000 for _ in range(total // 100_000))

    with Edge(app, kind, give_credit=False) as edge:
        for path in ("/list", "/iterator"):
            stream = edge.start(path)
            answer = edge.answers[stream]
            edge.until(lambda answer=answer: len(answer.body) == WINDOW)
            edge.send(0, _wire.PING, data=path.encode())
            edge.until(lambda path=path: path.encode() in edge.pongs)
            assert len(answer.body) == WINDOW
            edge.send(stream, _wire.CREDIT, data=struct.pack("<I", 10))
            edge.until(lambda answer=answer: len(answer.body) == WINDOW + 10)
            edge.send(stream, _wire.CREDIT, data=struct.pack("<I", 4 * WINDOW))
            size = total if path == "/list" else total // 100_000 * 100_000
            assert len(edge.answer(stream).body) == size
            assert len(answer.frames) > 40


def test_a_response_that_waits_holds_up_nobody() -> None:
    def app(environ: Any, start: Any) -> Any:
        if environ["PATH_INFO"] == "/big":
            start("200 OK", [])
            return [b"x" * (2 * WINDOW)]
        return text(start)

    with Edge(app, threads=3, give_credit=False) as edge:
        big = [edge.request("/big") for _ in range(2)]
        for stream in big:
            answer = edge.answers[stream]
            edge.until(lambda answer=answer: len(answer.body) == WINDOW)
        assert edge.get().body == b"ok"
        for stream in big:
            edge.send(stream, _wire.CREDIT, data=struct.pack("<I", 2 * WINDOW))
            assert len(edge.answer(stream).body) == 2 * WINDOW


class Endless:
    def __init__(self) -> None:
        self.closed = threading.Event()
        self.error: BaseException | None = None

    def __call__(self, environ: Any, start: Any) -> Any:
        start("200 OK", [])
        try:
            while True:
                yield b"x" * 10_000
        finally:
            self.closed.set()


@pytest.mark.parametrize("kind", ["threads", "sync"])
def test_a_client_that_leaves_ends_the_response(kind: str) -> None:
    endless = Endless()
    with Edge(endless, kind, give_credit=False) as edge:
        stream = edge.request()
        edge.until(lambda: len(edge.answers[stream].body) == WINDOW)
        edge.cancel(stream, _wire.CANCEL_REASON_CLIENT_GONE)
        assert edge.answer(stream).reset == _wire.RESET_REASON_CANCELLED
        assert endless.closed.wait(DEADLINE)
        edge.stop()
        assert edge.reports == []


def test_a_half_closed_client_gets_its_response(app: Blocking) -> None:
    with Edge(app) as edge:
        stream = edge.request("/block")
        app.wait_begun()
        edge.cancel(stream, _wire.CANCEL_REASON_HALF_CLOSED)
        assert edge.get("/other").status == 200
        app.release.set()
        assert edge.answer(stream).body == b"/block"


def test_a_request_cancelled_in_the_queue_is_not_begun(app: Blocking) -> None:
    with Edge(app, "sync") as edge:
        first, one = edge.head("/a")
        second, two = edge.head("/b")
        cancel = pack(second, _wire.CANCEL, 0, _wire.CANCEL_REASON_CLIENT_GONE)
        edge.sock.sendall(one + two + cancel)
        assert edge.answer(second).reset == _wire.RESET_REASON_CANCELLED
        edge.answer(first)
        assert app.order == ["/a"]


# --- timeouts


class Stuck:
    def __init__(self) -> None:
        self.begun = threading.Event()
        self.raised: list[BaseException] = []
        self.late = threading.Event()

    def __call__(self, environ: Any, start: Any) -> Any:
        if environ["PATH_INFO"] == "/stuck":
            self.begun.set()
            try:
                while not self.late.is_set():
                    time.sleep(0)  # the app blocks
            except BaseException as error:
                self.raised.append(error)
                raise
        return text(start)


@pytest.mark.parametrize("kind", ["threads", "sync"])
def test_a_timeout_interrupts_the_app(kind: str) -> None:
    app = Stuck()
    with Edge(app, kind) as edge:
        for _ in range(3):
            app.begun.clear()
            stream = edge.start("/stuck")
            assert app.begun.wait(DEADLINE)
            edge.cancel(stream, _wire.CANCEL_REASON_TIMEOUT)
            assert edge.answer(stream).reset == _wire.RESET_REASON_TIMEOUT
            assert edge.get().body == b"ok"
        assert [type(error).__name__ for error in app.raised] == ["RequestTimeout"] * 3
        assert len(edge.reports) == 3
        assert "interrupted after its timeout: GET /stuck" in edge.reports[0][1]


@pytest.mark.parametrize("kind", ["threads", "sync"])
def test_a_timeout_reaches_an_app_that_waits_for_the_client(kind: str) -> None:
    errors: list[str] = []

    def app(environ: Any, start: Any) -> Any:
        try:
            if environ["PATH_INFO"] == "/read":
                environ["wsgi.input"].read()
            else:
                start("200 OK", [])(b"x" * (2 * WINDOW))
        except BaseException as error:
            errors.append(type(error).__name__)
            raise
        return text(start)

    with Edge(app, kind, give_credit=False) as edge:
        stream, head = edge.head("/read", method="POST", flags=0)
        edge.sock.sendall(head)
        edge.cancel(stream, _wire.CANCEL_REASON_TIMEOUT)
        assert edge.answer(stream).reset == _wire.RESET_REASON_TIMEOUT
        stream = edge.start("/write")
        edge.until(lambda: len(edge.answers[stream].body) == WINDOW)
        edge.cancel(stream, _wire.CANCEL_REASON_TIMEOUT)
        assert edge.answer(stream).reset == _wire.RESET_REASON_TIMEOUT
    assert errors in (["RequestTimeout"] * 2, ["RequestTimeout"])


def test_a_late_timeout_does_not_hit_the_next_request() -> None:
    """Timeouts at every moment around a call's end: each request gets exactly one answer, and no
    request that was not cancelled is interrupted."""
    victims: list[str] = []

    def app(environ: Any, start: Any) -> Any:
        try:
            if environ["PATH_INFO"] == "/slow":
                end = time.perf_counter() + 0.003
                while time.perf_counter() < end:
                    pass
            else:
                for _ in range(200):
                    pass
        except BaseException:
            victims.append(environ["PATH_INFO"])
            raise
        return text(start)

    with Edge(app, threads=2) as edge:
        for n in range(150):
            slow, one = edge.head("/slow")
            others = [edge.head("/quick") for _ in range(10)]
            edge.sock.sendall(one + b"".join(frame for _, frame in others))
            end = time.perf_counter() + n % 50 / 10_000
            while time.perf_counter() < end:
                pass
            edge.cancel(slow, _wire.CANCEL_REASON_TIMEOUT)
            edge.answer(slow)
            for stream, _ in others:
                answer = edge.answer(stream)
                assert answer.given_back or answer.status == 200
        assert edge.get("/quick").status == 200
    assert set(victims) <= {"/slow"}
    assert all("/slow" in message for _, message in edge.reports)

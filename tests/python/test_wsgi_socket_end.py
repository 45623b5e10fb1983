"""WebSockets of WSGI apps: flow control, and every way in which they end."""

from __future__ import annotations

import os
import socket
import struct
import threading
from typing import Any, Callable

import pytest
from wsgi_sockets import KEY, SWITCH, Held, accepted, echo, upgrade
from wsgi_support import DEADLINE, END, Edge, text

from keelback import _wire
from keelback.errors import RequestTimeout
from keelback.frames import pack

WINDOW = _wire.RESPONSE_WINDOW_BYTES
REQUEST_WINDOW = _wire.REQUEST_WINDOW_BYTES


# --- flow control


def test_without_credit_the_app_waits() -> None:
    total = 3 * WINDOW
    app = Held(lambda sock: sock.sendall(b"x" * total))
    with Edge(app, give_credit=False) as edge:
        app.release.set()
        stream, answer = accepted(edge)
        edge.until(lambda: len(answer.body) == WINDOW)
        edge.send(0, _wire.PING, data=b"1")
        edge.until(lambda: edge.pongs)
        assert len(answer.body) == WINDOW
        assert not app.ended.is_set()
        for _ in range(2):
            edge.send(stream, _wire.CREDIT, data=struct.pack("<I", WINDOW))
        edge.send(stream, _wire.CREDIT, data=struct.pack("<I", len(SWITCH)))
        edge.answer(stream)
        assert answer.body == SWITCH + b"x" * total
        assert edge.get("/after").body == b"/after"


def test_an_app_that_does_not_read_is_not_credited() -> None:
    read = threading.Event()

    def run(sock: socket.socket) -> int:
        assert read.wait(DEADLINE)
        count = 0
        while count < 3 * REQUEST_WINDOW:
            count += len(sock.recv(65536))
        return count

    app = Held(run)
    with Edge(app) as edge:
        stream, _ = accepted(edge)
        left = REQUEST_WINDOW
        while left:
            edge.send(stream, _wire.BODY, data=b"y" * 8192)
            left -= 8192
        assert edge.get("/beside").body == b"/beside"
        # No more than what lies in the socket's own buffers.
        held = edge.credit.get(stream, 0)
        assert held < REQUEST_WINDOW
        read.set()
        sent = REQUEST_WINDOW
        while sent < 3 * REQUEST_WINDOW:
            edge.until(lambda s=sent: edge.credit.get(stream, 0) + REQUEST_WINDOW >= s + 8192)
            edge.send(stream, _wire.BODY, data=b"y" * 8192)
            sent += 8192
        app.release.set()
        edge.answer(stream)
    assert app.result == 3 * REQUEST_WINDOW


def test_an_edge_that_sends_more_than_it_may_is_dropped() -> None:
    app = Held()
    with Edge(app) as edge:
        stream, _ = accepted(edge)
        for _ in range(3):
            edge.sock.sendall(pack(stream, _wire.BODY, 0, 0, b"z" * (REQUEST_WINDOW // 2)))
        with pytest.raises((AssertionError, ConnectionError)):
            edge.until(lambda: False)
        app.release.set()
        assert app.ended.wait(DEADLINE)
    assert any("not allowed" in message for _, message in edge.reports)


# --- the end


def test_the_client_finishes_and_the_app_reads_eof() -> None:
    app = Held(lambda sock: sock.recv(100) + sock.recv(100))
    app.release.set()
    with Edge(app) as edge:
        stream, _ = accepted(edge)
        edge.send(stream, _wire.BODY, END, data=b"last words")
        edge.answer(stream)
    assert app.result == b"last words"


@pytest.mark.parametrize("reason", [_wire.CANCEL_REASON_CLIENT_GONE, _wire.CANCEL_REASON_SHUTDOWN])
def test_a_cancelled_socket_is_closed(reason: int) -> None:
    app = Held(lambda sock: sock.recv(100))
    app.release.set()
    with Edge(app, threads=1) as edge:
        stream, answer = accepted(edge)
        edge.cancel(stream, reason)
        edge.answer(stream)
        assert answer.reset == _wire.RESET_REASON_CANCELLED
        assert edge.get("/after").body == b"/after"
    assert app.result == b""
    assert edge.reports == []


def test_writing_to_a_client_that_has_gone_is_not_an_error_in_the_log() -> None:
    def run(sock: socket.socket) -> None:
        assert sock.recv(10) == b""
        sock.sendall(b"too late")

    with Edge(Held(run)) as edge:
        stream, answer = accepted(edge)
        edge.cancel(stream, _wire.CANCEL_REASON_CLIENT_GONE)
        edge.answer(stream)
    assert answer.reset == _wire.RESET_REASON_CANCELLED
    assert edge.reports == []


def test_a_client_that_leaves_before_the_choice() -> None:
    begun = threading.Event()

    def app(environ: Any, start: Any) -> Any:
        begun.set()
        assert environ[KEY].recv(10) == b""
        environ[KEY].sendall(SWITCH)

    with Edge(app) as edge:
        stream = upgrade(edge)
        assert begun.wait(DEADLINE)
        edge.cancel(stream, _wire.CANCEL_REASON_CLIENT_GONE)
        answer = edge.answer(stream)
    assert answer.reset == _wire.RESET_REASON_CANCELLED
    assert edge.reports == []


@pytest.mark.parametrize("kind", ["threads", "sync"])
def test_the_response_after_it_is_dropped(kind: str) -> None:
    results: list[Callable[[Any], Any]] = [
        lambda start: text(start, "dropped"),
        lambda start: [b"dropped", b"too"],
        lambda start: iter([b"", b"dropped"]),
        lambda start: (start("200 OK", []), start.__self__.write(b"dropped"), [])[2],
        lambda start: [],
    ]

    def app(environ: Any, start: Any) -> Any:
        sock = environ[KEY]
        sock.sendall(SWITCH)
        sock.close()
        return results[int(environ["PATH_INFO"][1:])](start)

    with Edge(app, kind) as edge:
        for number in range(len(results)):
            answer = edge.answer(edge.start(f"/{number}", flags=END | _wire.FLAG_UPGRADE))
            assert (answer.body, answer.head) == (SWITCH, b"")
            assert [frame[0] for frame in answer.frames] == [_wire.ACCEPT, _wire.DATA, _wire.DATA]
    assert edge.reports == []


def test_early_hints_after_it_are_dropped() -> None:
    def app(environ: Any, start: Any) -> Any:
        with environ[KEY] as sock:
            sock.sendall(SWITCH)
            assert sock.recv(1) == b"x"
            environ["wsgi.early_hints"]([("Link", "</style.css>")])
        return []

    with Edge(app) as edge:
        stream, answer = accepted(edge)
        edge.send(stream, _wire.BODY, data=b"x")
        edge.answer(stream)
    assert answer.informational == []


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_an_app_may_return_at_once() -> None:
    """All that it has written arrives, and nothing lingers: nobody has kept the socket."""

    def app(environ: Any, start: Any) -> Any:
        environ[KEY].sendall(SWITCH + b"x" * 100_000)
        return []

    with Edge(app) as edge:
        answer = edge.answer(upgrade(edge))
    assert answer.body == SWITCH + b"x" * 100_000


def test_a_thread_of_the_apps_may_have_the_last_word() -> None:
    """What simple-websocket does: its thread answers the close while the app returns."""
    threads: list[threading.Thread] = []

    def app(environ: Any, start: Any) -> Any:
        sock = environ[KEY]
        sock.sendall(SWITCH)

        def last() -> None:
            assert sock.recv(10) == b""  # the app has returned
            sock.sendall(b"goodbye")
            sock.close()

        threads.append(threading.Thread(target=last))
        threads[0].start()
        return []

    with Edge(app) as edge:
        answer = edge.answer(upgrade(edge))
        threads[0].join(DEADLINE)
    assert answer.body == SWITCH + b"goodbye"
    assert answer.reset is None


def test_a_socket_that_is_left_open_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keelback.wsgi_socket.LINGER_SECONDS", 0.05)
    kept: list[socket.socket] = []

    def app(environ: Any, start: Any) -> Any:
        kept.append(environ[KEY])
        kept[-1].sendall(SWITCH)
        return []

    with Edge(app) as edge:
        answer = edge.answer(upgrade(edge))
        assert answer.frames[-1][:2] == (_wire.DATA, END)
        assert kept[0].recv(10) == b""
        kept[0].close()
    assert answer.body == SWITCH


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize(
    ("error", "logged"),
    [(ConnectionError(), False), (BrokenPipeError(), False), (ValueError("bad"), True)],
)
def test_an_exception_after_it_ends_the_stream(error: Exception, logged: bool) -> None:
    def app(environ: Any, start: Any) -> Any:
        environ[KEY].sendall(SWITCH)
        raise error

    with Edge(app) as edge:
        answer = edge.answer(upgrade(edge))
    assert answer.body == SWITCH
    assert answer.frames[-1][:2] == (_wire.DATA, END)
    assert [level for level, _ in edge.reports] == (["error"] if logged else [])


def test_a_reader_of_the_body_is_not_the_socket() -> None:
    def app(environ: Any, start: Any) -> Any:
        return text(start, environ["wsgi.input"].read())

    with Edge(app) as edge:
        assert edge.answer(upgrade(edge)).body == b""


def test_a_lost_edge_closes_the_socket() -> None:
    app = Held(lambda sock: sock.recv(10))
    app.release.set()
    with Edge(app) as edge:
        accepted(edge)
        edge.sock.close()
        assert app.ended.wait(DEADLINE)
    assert app.result == b""


def test_a_stop_waits_for_what_is_open() -> None:
    app = Held(lambda sock: sock.recv(10))
    app.release.set()
    with Edge(app) as edge:
        stream, _ = accepted(edge)
        edge.runner.stop()
        edge.send(0, _wire.PING, data=b"1")
        edge.until(lambda: edge.pongs)
        edge.cancel(stream, _wire.CANCEL_REASON_SHUTDOWN)
        edge.answer(stream)
    assert app.result == b""


def test_no_descriptor_is_left() -> None:
    def count() -> int:
        return len(os.listdir("/dev/fd"))

    with Edge(echo) as edge:
        stream, _ = accepted(edge)
        edge.send(stream, _wire.BODY, END)
        edge.answer(stream)
        edge.get("/settle")
        before = count()
        for _ in range(20):
            stream, _ = accepted(edge)
            edge.send(stream, _wire.BODY, END)
            edge.answer(stream)
        edge.get("/settle")
        assert count() <= before + 2


def test_a_timeout_before_the_choice_interrupts() -> None:
    begun = threading.Event()
    raised: list[BaseException] = []

    def app(environ: Any, start: Any) -> Any:
        begun.set()
        try:
            while environ[KEY].recv(10) == b"":
                pass
        except BaseException as error:
            raised.append(error)
            raise

    with Edge(app) as edge:
        stream = upgrade(edge)
        assert begun.wait(DEADLINE)
        edge.cancel(stream, _wire.CANCEL_REASON_TIMEOUT)
        answer = edge.answer(stream)
    assert answer.reset == _wire.RESET_REASON_TIMEOUT
    assert [type(error) for error in raised] == [RequestTimeout]


def test_the_end_does_not_wait_long_for_the_app_to_return() -> None:
    release = threading.Event()

    def app(environ: Any, start: Any) -> Any:
        with environ[KEY] as sock:
            sock.sendall(SWITCH)
        assert release.wait(DEADLINE)
        return []

    with Edge(app) as edge:
        stream = upgrade(edge)
        answer = edge.answer(stream)
        assert answer.frames[-1][:2] == (_wire.DATA, END)
        edge.cancel(stream, _wire.CANCEL_REASON_CLIENT_GONE)
        release.set()

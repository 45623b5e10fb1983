"""WebSockets of WSGI apps: who gets a socket, what decides, and the bytes that go through it."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest
from wsgi_sockets import KEY, SWITCH, accepted, echo, upgrade
from wsgi_support import END, Edge, text

from keelback import _wire

# --- the choice


def test_only_a_handshake_has_a_socket() -> None:
    seen: list[Any] = []

    def app(environ: Any, start: Any) -> Any:
        assert type(environ) is dict
        sock = environ.get(KEY)
        seen.append(sock if sock is None else (sock.gettimeout(), sock.fileno() >= 0))
        return text(start, "plain")

    socket.setdefaulttimeout(5.0)
    try:
        with Edge(app) as edge:
            assert edge.get("/").body == b"plain"
            stream = upgrade(edge)
            answer = edge.answer(stream)
            assert edge.get("/").body == b"plain"
    finally:
        socket.setdefaulttimeout(None)
    assert (answer.status, answer.body, answer.accepted) == (200, b"plain", None)
    assert seen == [None, (None, True), None]


def respond_list(start: Any) -> Any:
    return text(start, "no", "403 Forbidden")


def respond_parts(start: Any) -> Any:
    start("403 Forbidden", [])
    return [b"n", b"o"]


def respond_generator(start: Any) -> Any:
    start("403 Forbidden", [("Content-Length", "2")])
    return (part for part in [b"no"])


def respond_write(start: Any) -> Any:
    start("403 Forbidden", [])(b"no")
    return []


@pytest.mark.parametrize("respond", [respond_list, respond_parts, respond_generator, respond_write])
def test_an_app_may_answer_as_usual(respond: Any) -> None:
    sockets: list[socket.socket] = []

    def app(environ: Any, start: Any) -> Any:
        sockets.append(environ[KEY])
        return respond(start)

    with Edge(app) as edge:
        answer = edge.answer(upgrade(edge))
    assert (answer.status, answer.body, answer.accepted) == (403, b"no", None)
    assert [sock.fileno() for sock in sockets] == [-1]
    assert edge.reports == []


def test_a_failure_without_a_word_is_a_500() -> None:
    def app(environ: Any, start: Any) -> Any:
        raise ConnectionError("of the app's own")

    with Edge(app) as edge:
        answer = edge.answer(upgrade(edge))
    assert (answer.status, answer.accepted) == (500, None)
    assert [level for level, _ in edge.reports] == ["error"]


def test_a_socket_that_was_closed_unused_is_no_websocket() -> None:
    def app(environ: Any, start: Any) -> Any:
        environ[KEY].close()
        return text(start, "no", "404 Not Found")

    with Edge(app) as edge:
        answer = edge.answer(upgrade(edge))
    assert (answer.status, answer.accepted) == (404, None)


def test_what_comes_first_decides() -> None:
    def app(environ: Any, start: Any) -> Any:
        sock = environ[KEY]
        start("200 OK", [])(b"first")
        assert sock.fileno() == -1
        return [b" last"]

    with Edge(app) as edge:
        answer = edge.answer(upgrade(edge))
    assert (answer.body, answer.accepted) == (b"first last", None)


def test_without_descriptors_the_app_gets_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Any:
        raise OSError(24, "Too many open files")

    with Edge(echo) as edge:
        monkeypatch.setattr(socket, "socketpair", refuse)
        answer = edge.answer(upgrade(edge, "/nothing"))
        assert edge.get("/after").body == b"/after"
    assert (answer.status, answer.body) == (200, b"/nothing")
    assert len(edge.reports) == 1


# --- both ways


@pytest.mark.parametrize("kind", ["threads", "sync"])
def test_bytes_go_both_ways(kind: str) -> None:
    with Edge(echo, kind) as edge:
        stream, answer = accepted(edge)
        for message in (b"one", b"two" * 5000, bytes(range(256)) * 200):
            before = len(answer.body)
            edge.send(stream, _wire.BODY, data=message)
            edge.until(lambda m=message, b=before: len(answer.body) == b + len(m))
            assert answer.body[before:] == message
        edge.send(stream, _wire.BODY, END)
        edge.answer(stream)
        assert answer.reset is None
        assert edge.get("/after").body == b"/after"
    assert answer.frames[-1][:2] == (_wire.DATA, END)
    assert edge.reports == []


def test_others_go_on_beside_it() -> None:
    with Edge(echo, threads=3) as edge:
        streams = [accepted(edge, f"/{name}")[0] for name in "ab"]
        for number in range(50):
            assert edge.get(f"/{number}").body == f"/{number}".encode()
        for stream in streams:
            edge.send(stream, _wire.BODY, data=b"still here")
            edge.until(lambda s=stream: edge.answers[s].body.endswith(b"still here"))
        for stream in streams:
            edge.send(stream, _wire.BODY, END)
            edge.answer(stream)


@pytest.mark.parametrize("threads", [1, 2])
def test_beyond_the_threads_requests_are_given_back(threads: int) -> None:
    with Edge(echo, threads=threads) as edge:
        streams = [accepted(edge)[0] for _ in range(threads)]
        for stream in (upgrade(edge), edge.request("/plain")):
            assert edge.answer(stream).given_back
        for stream in streams:
            edge.send(stream, _wire.BODY, data=b"ping")
            edge.until(lambda s=stream: edge.answers[s].body == SWITCH + b"ping")
            edge.send(stream, _wire.BODY, END)
            edge.answer(stream)
        assert edge.get("/plain").body == b"/plain"


def test_one_thread_pumps_all_sockets() -> None:
    with Edge(echo, threads=12) as edge:
        before = threading.active_count()
        streams = [accepted(edge)[0] for _ in range(10)]
        # Ten with a socket, one that reads the link, and the pump.
        assert threading.active_count() <= before + 11
        for stream in streams:
            edge.send(stream, _wire.BODY, data=b"x" * 10_000)
        for stream in streams:
            edge.until(lambda s=stream: len(edge.answers[s].body) == len(SWITCH) + 10_000)
            edge.send(stream, _wire.BODY, END)
            edge.answer(stream)

"""wsgi.input: request bodies through the wire."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsgi_support import END, Edge, text

from keelback import _wire
from keelback.errors import ClientDisconnected
from keelback.frames import pack
from keelback.wsgi_input import EmptyInput, RequestInput

WINDOW = _wire.REQUEST_WINDOW_BYTES
EXPECT = _wire.FLAG_EXPECT


class NoCall:
    """For an input whose body is there: nothing has to be waited for."""

    shielded = False
    timed_out = False

    def send_credit(self, count: int) -> None:
        pass


def whole(*pieces: bytes) -> Any:
    call: Any = NoCall()
    source = RequestInput(call, False)
    for piece in pieces:
        assert source.arrived(piece, False)
    assert source.arrived(b"", True)
    return source


READS = st.one_of(
    st.tuples(st.just("read"), st.one_of(st.none(), st.integers(-1, 40))),
    st.tuples(st.just("readline"), st.one_of(st.none(), st.integers(-1, 40))),
    st.tuples(st.just("readlines"), st.one_of(st.none(), st.integers(-1, 40))),
    st.tuples(st.just("__next__"), st.none()),
)


@given(
    st.lists(st.text("a\n", max_size=20).map(str.encode), max_size=8), st.lists(READS, max_size=12)
)
def test_input_reads_like_a_file(pieces: list[bytes], reads: list[Any]) -> None:
    import io

    source = whole(*pieces)
    model = io.BytesIO(b"".join(pieces))

    def value(of: Any, name: str, size: Any) -> Any:
        if name == "__next__":
            return next(of, None)
        return getattr(of, name)(size)

    for name, size in reads:
        assert value(source, name, size) == value(model, name, size)
    assert list(source) == list(model)
    assert source.read() == source.read(5) == source.readline() == b""


def test_the_empty_input_reads_like_an_empty_file() -> None:
    source = EmptyInput()
    for size in (None, -1, 0, 5):
        assert source.read(size) == source.readline(size) == b""
        assert source.readlines(size) == []
    assert list(source) == []
    assert next(source, None) is None
    source.close()


def test_more_than_the_window_is_refused() -> None:
    source: Any = RequestInput(NoCall(), False)  # type: ignore[arg-type]
    assert source.arrived(b"x" * WINDOW, False)
    assert not source.arrived(b"x", False)
    ended = whole()
    assert not ended.arrived(b"late", False)


def app_with(read: Callable[[Any], bytes]) -> Any:
    return lambda environ, start: text(start, read(environ["wsgi.input"]))


@pytest.mark.parametrize("kind", ["threads", "sync"])
def test_a_body_is_read_as_it_comes_and_credit_goes_back(kind: str) -> None:
    total = 4 * WINDOW

    def app(environ: Any, start: Any) -> Any:
        stream = environ["wsgi.input"]
        size = 0
        while block := stream.read(10_000):
            size += len(block)
        return text(start, str(size))

    with Edge(app, kind) as edge:
        stream, head = edge.head(method="POST", flags=0)
        edge.sock.sendall(head)
        allowed = WINDOW
        sent = 0
        while sent < total:
            while allowed + edge.credit.get(stream, 0) == sent:
                edge.step()
            count = min(allowed + edge.credit.get(stream, 0) - sent, 30_000, total - sent)
            sent += count
            edge.send(stream, _wire.BODY, END if sent == total else 0, data=b"x" * count)
        assert edge.answer(stream).body == str(total).encode()


def test_unread_bodies_hurt_nobody() -> None:
    with Edge(lambda environ, start: text(start)) as edge:
        stream, head = edge.head(method="POST", flags=0)
        edge.sock.sendall(head)
        assert edge.answer(stream).body == b"ok"
        edge.send(stream, _wire.BODY, 0, data=b"late")
        edge.send(stream, _wire.TRAILERS)
        assert edge.get().body == b"ok"
        assert edge.get(body=b"x" * 1000).body == b"ok"
        assert not edge.runner.links.all[0].calls


def test_trailers_end_the_body() -> None:
    with Edge(app_with(lambda source: source.read())) as edge:
        stream, head = edge.head(method="POST", flags=0)
        edge.sock.sendall(head)
        edge.send(stream, _wire.BODY, 0, data=b"body")
        edge.send(stream, _wire.TRAILERS, 0, data=b"x\0y")
        assert edge.answer(stream).body == b"body"


def test_100_continue_is_asked_for_at_the_first_read_and_once() -> None:
    def app(environ: Any, start: Any) -> Any:
        source = environ["wsgi.input"]
        return text(start, source.read(1) + source.read(1) if environ["QUERY_STRING"] else b"no")

    with Edge(app) as edge:
        stream, head = edge.head(method="POST", query="1", flags=EXPECT)
        edge.sock.sendall(head)
        edge.until(lambda: edge.answers[stream].informational == [(100, b"")])
        edge.send(stream, _wire.BODY, 0, data=b"a")
        edge.send(stream, _wire.BODY, END, data=b"b")
        answer = edge.answer(stream)
        assert (answer.body, answer.informational) == (b"ab", [(100, b"")])
        stream, head = edge.head(method="POST", flags=EXPECT)
        edge.sock.sendall(head)
        assert edge.answer(stream).informational == []


@pytest.mark.parametrize("kind", ["threads", "sync"])
@pytest.mark.parametrize("how", ["cancel", "eof"])
def test_a_client_that_leaves_raises_in_the_read(kind: str, how: str) -> None:
    begun = threading.Event()
    errors: list[BaseException] = []
    done = threading.Event()

    def app(environ: Any, start: Any) -> Any:
        begun.set()
        try:
            environ["wsgi.input"].read()
        except OSError as error:
            errors.append(error)
            raise
        finally:
            done.set()

    with Edge(app, kind) as edge:
        stream, head = edge.head(method="POST", flags=0)
        edge.sock.sendall(head)
        assert begun.wait(20)
        edge.send(stream, _wire.BODY, 0, data=b"half")
        if how == "cancel":
            edge.cancel(stream, _wire.CANCEL_REASON_CLIENT_GONE)
            assert edge.answer(stream).reset == _wire.RESET_REASON_CANCELLED
        else:
            edge.sock.close()
        assert done.wait(20)
        assert isinstance(errors[0], ClientDisconnected)
        edge.stop()
        assert edge.reports == []


def test_an_input_that_the_app_keeps_does_not_hang() -> None:
    kept: list[Any] = []

    def app(environ: Any, start: Any) -> Any:
        kept.append(environ["wsgi.input"])
        return text(start)

    with Edge(app) as edge:
        stream, head = edge.head(method="POST", flags=0)
        edge.sock.sendall(head)
        edge.answer(stream)
        edge.get()
        with pytest.raises(ClientDisconnected):
            kept[0].read()
        assert edge.get().body == b"ok"


def test_request_trailers_reach_the_app() -> None:
    seen = []

    def app(environ: Any, start: Any) -> Any:
        trailers = environ["keelback.trailers"]
        seen.append(environ["wsgi.input"].read(3))
        body = environ["wsgi.input"].read()
        seen.append((body, list(trailers)))
        return text(start)

    with Edge(app) as edge:
        stream, frame = edge.head(flags=0, method="POST")
        edge.push(frame + pack(stream, _wire.BODY, 0, 0, b"body"))
        edge.send(stream, _wire.TRAILERS, data=b"x-sum\x001\0x-note\0gr\xfc\xdf")
        assert edge.answer(stream).body == b"ok"
    assert seen == [b"bod", (b"y", [("x-sum", "1"), ("x-note", "grüß")])]

"""PEP 3333 through the wire: each test runs an app behind a fake edge."""

from __future__ import annotations

import threading
from typing import Any
from wsgiref.validate import validator

import pytest
from wsgi_support import END, Edge, text

from keelback import _wire
from keelback.wsgi_environ import Environs, inside

SPLIT = 64 * 1024


def seen(edge: Edge, text: str) -> list[str]:
    return [message for _, message in edge.reports if text in message]


def test_a_small_response_is_one_frame_with_its_length() -> None:
    with Edge(lambda environ, start: text(start, "hello")) as edge:
        for _ in range(3):
            answer = edge.get()
            assert len(answer.frames) == 1
            assert answer.flags == END | _wire.FLAG_LENGTH
            assert (answer.status, answer.body) == (200, b"hello")
            assert answer.headers["content-length"] == "5"
            assert answer.headers["server"] == "keelback"
            assert "date" in answer.headers


def test_environ() -> None:
    taken: dict[str, Any] = {}

    def app(environ: Any, start: Any) -> Any:
        taken.update(environ)
        environ.clear()
        return text(start)

    with Edge(app, root_path="/api/", threads=3) as edge:
        edge.get("/api/\xe9", query="a=1", fields={"HTTP_COOKIE": "a=\xfc", "CONTENT_TYPE": "x"})
        first = dict(taken)
        edge.get("/api/\xe9", query="a=2", fields={"HTTP_COOKIE": "a=\xfc", "CONTENT_TYPE": "x"})
    assert taken["QUERY_STRING"] == "a=2"
    assert first["REQUEST_METHOD"] == "GET"
    assert (first["SCRIPT_NAME"], first["PATH_INFO"]) == ("/api", "/\xe9")
    assert first["QUERY_STRING"] == "a=1"
    assert first["RAW_URI"] == first["REQUEST_URI"] == "/api/\xe9?a=1"
    assert first["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert (first["REMOTE_ADDR"], first["SERVER_PORT"]) == ("127.0.0.1", "8000")
    assert (first["HTTP_COOKIE"], first["CONTENT_TYPE"]) == ("a=\xfc", "x")
    assert first["wsgi.version"] == (1, 0)
    assert first["wsgi.url_scheme"] == "http"
    assert first["wsgi.input_terminated"] is True
    assert first["wsgi.multithread"] is True
    assert first["wsgi.multiprocess"] is True
    assert first["wsgi.run_once"] is False
    assert first["wsgi.input"].read() == b""


def test_sync_says_that_it_is_not_multithreaded() -> None:
    with Edge(lambda environ, start: text(start, str(environ["wsgi.multithread"])), "sync") as edge:
        assert edge.get().body == b"False"


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/api/x", "/x"), ("/api", ""), ("/apix", "/apix"), ("/", "/"), ("/api//", "//")],
)
def test_root_path_is_taken_off_at_segments_only(path: str, expected: str) -> None:
    assert inside("/api", path) == expected


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_wsgiref_validator_is_content(method: str) -> None:
    def app(environ: Any, start: Any) -> Any:
        stream = environ["wsgi.input"]
        data = stream.readline() + stream.read(5) + b"".join(stream) + stream.read(1)
        start("200 OK", [("Content-Type", "text/plain")])
        return [data, b"!"]

    with Edge(validator(app)) as edge:
        for _ in range(2):
            stream = edge.request(method=method, body=b"a\nbcd\nefg" if method == "POST" else None)
            answer = edge.answer(stream)
            assert answer.status == 200
            assert answer.body == {"GET": b"!", "POST": b"a\nbcd\nefg!", "HEAD": b""}[method]
        assert not edge.reports


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ([], b""),
        ([b""], b""),
        ((b"a", b"b"), b"ab"),
        ([b"a", b"", b"b"], b"ab"),
        ([b"x" * SPLIT, b"y"], b"x" * SPLIT + b"y"),
        ([b"z" * (SPLIT + 1)], b"z" * (SPLIT + 1)),
        ([b"z" * 3_000_000], b"z" * 3_000_000),
    ],
)
def test_lists_have_a_length(result: Any, expected: bytes) -> None:
    def app(environ: Any, start: Any) -> Any:
        start("200 OK", [])
        return result

    with Edge(app) as edge:
        answer = edge.get()
        assert answer.body == expected
        assert answer.headers["content-length"] == str(len(expected))
        assert answer.flags & _wire.FLAG_LENGTH
        assert max(len(frame[3]) for frame in answer.frames) < SPLIT + 300
        head = edge.get(method="HEAD")
        assert (head.body, len(head.frames)) == (b"", 1)
        assert head.headers.get("content-length", "0") == str(len(expected))


def test_each_piece_leaves_before_the_next_is_asked_for() -> None:
    go_on = threading.Semaphore(0)
    closed = threading.Event()

    def app(environ: Any, start: Any) -> Any:
        try:
            start("200 OK", [])
            yield b""
            yield b"one"
            assert go_on.acquire(timeout=20)
            yield b"two"
            assert go_on.acquire(timeout=20)
        finally:
            closed.set()

    with Edge(app) as edge:
        stream = edge.request()
        answer = edge.answers[stream]
        edge.until(lambda: answer.body == b"one")
        assert not answer.flags & _wire.FLAG_LENGTH
        go_on.release()
        edge.until(lambda: answer.body == b"onetwo")
        assert not answer.ended
        go_on.release()
        assert edge.answer(stream).body == b"onetwo"
        assert closed.is_set()


class Parts:
    """An iterable with a close method, as frameworks return it."""

    def __init__(self, *parts: Any) -> None:
        self.parts = iter(parts)
        self.closed = 0

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        part = next(self.parts)
        if isinstance(part, BaseException):
            raise part
        return part

    def close(self) -> None:
        self.closed += 1


def run(parts: Parts, *headers: tuple[str, str], status: str = "200 OK", **request: Any) -> Any:
    def app(environ: Any, start: Any) -> Any:
        start(status, list(headers))
        return parts

    with Edge(app) as edge:
        answer = edge.get("/p\n", **request)
        edge.stop()
        assert parts.closed == 1
        return answer, [message for _, message in edge.reports]


def test_an_iterable_of_the_promised_length_is_one_frame() -> None:
    answer, reports = run(Parts(b"", b"hello"), ("Content-Length", "5"))
    assert (answer.body, len(answer.frames), reports) == (b"hello", 1, [])


def test_a_body_longer_than_its_content_length_is_cut_and_logged() -> None:
    for parts in (Parts(b"hel", b"lo!", b"!"), Parts(b"hello", b"!"), Parts(b"hello!")):
        answer, reports = run(parts, ("Content-Length", "5"))
        assert (answer.body, answer.reset) == (b"hello", None)
        assert len(reports) == 1
        assert "longer than its Content-Length of 5 in GET /p\\n" in reports[0]


def test_a_body_shorter_than_its_content_length_is_reset_and_logged() -> None:
    for parts in (Parts(b"hel"), Parts(b"he", b"l"), Parts()):
        answer, reports = run(parts, ("Content-Length", "5"))
        assert answer.reset == _wire.RESET_REASON_BODY_SHORT
        assert len(reports) == 1
        assert "shorter than its Content-Length of 5" in reports[0]


def test_lists_of_the_wrong_length() -> None:
    def app(environ: Any, start: Any) -> Any:
        start("200 OK", [("Content-Length", "5")])
        return [b"hello!" if environ["PATH_INFO"] == "/long" else b"hell"]

    with Edge(app) as edge:
        assert edge.get("/long").body == b"hello"
        assert edge.get("/short").reset == _wire.RESET_REASON_BODY_SHORT
        assert len(edge.reports) == 2


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_statuses_without_a_body_have_none(status: str) -> None:
    answer, reports = run(Parts(b"a", b"b"), status=status)
    assert (answer.body, len(answer.frames), reports) == (b"", 1, [])
    assert "content-length" not in answer.headers

    def app(environ: Any, start: Any) -> Any:
        return text(start, "body", status)

    with Edge(app) as edge:
        assert edge.get().body == b""


def test_head_has_the_length_and_no_body() -> None:
    parts = Parts(b"a" * 10, AssertionError("not asked for more"))
    answer, reports = run(parts, ("Content-Length", "20"), method="HEAD")
    assert (answer.body, len(answer.frames), reports) == (b"", 1, [])
    assert answer.headers["content-length"] == "20"


def test_write_sends_at_once() -> None:
    go_on = threading.Event()

    def app(environ: Any, start: Any) -> Any:
        write = start("200 OK", [])
        write(b"one")
        assert go_on.wait(20)
        write(b"two")
        return [b"three"]

    with Edge(app) as edge:
        stream = edge.request()
        edge.until(lambda: edge.answers[stream].body == b"one")
        go_on.set()
        assert edge.answer(stream).body == b"onetwothree"


def test_an_exception_before_the_start_is_a_500_logged_once() -> None:
    def app(environ: Any, start: Any) -> Any:
        kind = environ["PATH_INFO"]
        if kind == "/exit":
            raise SystemExit(3)
        if kind == "/started":
            start("200 OK", [("X-Secret", "1")])
        raise LookupError("secret")

    with Edge(app) as edge:
        for number, path in enumerate(("/", "/started", "/exit", "/", "/"), 1):
            answer = edge.get(path)
            assert (answer.status, len(answer.frames)) == (500, 1)
            assert answer.body == b"Internal Server Error"
            assert "x-secret" not in answer.headers
            assert len(edge.reports) == number
            level, message = edge.reports[-1]
            assert level == "error"
            assert f"GET {path}" in message
        assert len(seen(edge, "LookupError: secret")) == 4
        assert len(seen(edge, "SystemExit: 3")) == 1
        assert edge.get(method="HEAD").body == b""


def test_an_exception_after_the_start_resets_the_stream() -> None:
    answer, reports = run(Parts(b"part", LookupError("late")))
    assert (answer.status, answer.body) == (200, b"part")
    assert answer.reset == _wire.RESET_REASON_APP_ERROR
    assert "LookupError: late" in reports[0]


def test_an_exception_after_the_end_is_only_logged() -> None:
    answer, reports = run(Parts(b"part", LookupError("late")), ("Content-Length", "4"))
    assert (answer.body, answer.reset) == (b"part", None)
    assert len(reports) == 1
    assert "LookupError: late" in reports[0]


def test_an_exception_of_close_is_logged() -> None:
    class Broken(Parts):
        def close(self) -> None:
            super().close()
            raise LookupError("close")

    answer, reports = run(Broken(b"part"))
    assert (answer.body, answer.reset) == (b"part", None)
    assert len(reports) == 1
    assert "LookupError: close" in reports[0]


@pytest.mark.parametrize(
    "result", [None, 5, ["text"], [b"a", "b"], "text", [bytearray(b"x")], [b"a", None]]
)
def test_bodies_that_are_not_bytes_are_a_500(result: Any) -> None:
    def app(environ: Any, start: Any) -> Any:
        start("200 OK", [])
        return result

    with Edge(app) as edge:
        assert edge.get().status == 500
        assert len(edge.reports) == 1


def test_a_body_without_start_response_is_a_500() -> None:
    for result in ([b"x"], Parts(b"x"), []):
        with Edge(lambda environ, start, result=result: result) as edge:
            assert edge.get().status == 500
            assert seen(edge, "start_response")


def test_bad_heads_raise_in_start_response() -> None:
    def app(environ: Any, start: Any) -> Any:
        try:
            start("200 OK", [("x", "a\r\nb: c")])
        except ValueError:
            return text(start, "caught")
        raise AssertionError

    with Edge(app) as edge:
        assert edge.get().body == b"caught"


def test_start_response_again_needs_exc_info() -> None:
    def app(environ: Any, start: Any) -> Any:
        start("200 OK", [])
        try:
            if environ["PATH_INFO"] == "/":
                raise LookupError("own")
            start("201 Created", [])
        except LookupError:
            import sys

            start("503 Down", [], sys.exc_info())
        return [b"error page"]

    with Edge(app) as edge:
        answer = edge.get("/")
        assert (answer.status, answer.body) == (503, b"error page")
        assert not edge.reports
        assert edge.get("/twice").status == 500
        assert seen(edge, "start_response was called twice")


def test_exc_info_after_the_start_raises_it() -> None:
    import sys

    def app(environ: Any, start: Any) -> Any:
        start("200 OK", [])
        yield b"part"
        try:
            raise LookupError("own")
        except LookupError:
            start("503 Down", [], sys.exc_info())

    with Edge(app) as edge:
        answer = edge.get()
        assert (answer.body, answer.reset) == (b"part", _wire.RESET_REASON_APP_ERROR)
        assert seen(edge, "LookupError: own")


def test_early_hints() -> None:
    def app(environ: Any, start: Any) -> Any:
        hints = environ["wsgi.early_hints"]
        with pytest.raises(ValueError, match="control"):
            hints([("Link", "a\nb")])
        hints([("Link", "</a.css>; rel=preload"), ("X", "y")])
        write = start("200 OK", [])
        write(b"a")
        hints([("Link", "late")])
        return []

    with Edge(app) as edge:
        answer = edge.get()
        assert answer.informational == [(103, b"Link: </a.css>; rel=preload\r\nX: y\r\n")]


def test_a_malformed_head_closes_the_link_only() -> None:
    with Edge(lambda environ, start: text(start)) as edge:
        edge.send(1, _wire.REQUEST, END, 11, b"GET\0/")
        assert edge.sock.recv(1) == b""
        assert "no proper head" in edge.reports[0][1]


def test_environs_of_many_clients_are_bounded_and_never_mixed() -> None:
    environs = Environs({"base": 1})
    for n in range(20 * Environs.TAILS_MAX):
        environ = environs.learn(f"REMOTE_PORT\0{n}\0HTTP_X\0{n}", n + 1)
        assert environ == {"base": 1, "REMOTE_PORT": str(n), "HTTP_X": str(n)}
        assert len(environs.tails) <= Environs.TAILS_MAX
    assert len(environs.tails) < Environs.TAILS_MAX // 2

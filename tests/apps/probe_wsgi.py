"""A WSGI app that does what a test tells it to. Its routes are those of probe_asgi.py."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from typing import Any, Callable

from probe import PIECE, SECRET, Journal, Query

JOURNAL = Journal()
CHANGED = threading.Condition()
GLANCE_SECONDS = 0.02
"""An interrupt reaches a thread between two bytecodes: waits look up this often."""


def _notify() -> None:
    with CHANGED:
        CHANGED.notify_all()


JOURNAL.changed = _notify


def wait_for(key: str, word: str) -> None:
    with CHANGED:
        while not JOURNAL.holds(key, word):
            CHANGED.wait(GLANCE_SECONDS)


class Call:
    """One request and how to answer it."""

    def __init__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> None:
        self.environ = environ
        self.query = Query(environ["QUERY_STRING"])
        self.key = self.query.get("key")
        self._start_response = start_response

    def begin(self, *, length: int | None = None) -> None:
        code, reason = self.query.status()
        fields = [("Content-Type", "text/plain"), *self.query.headers()]
        if length is not None:
            fields.append(("Content-Length", str(length)))
        self._start_response(f"{code} {reason}", fields)

    def text(self, body: bytes) -> Iterable[bytes]:
        self.begin(length=len(body))
        return [body]

    def journal(self, word: str) -> None:
        JOURNAL.write(self.key, word)

    def wait(self, word: str = "go") -> None:
        wait_for(self.key, word)


def root(call: Call) -> Iterable[bytes]:
    return call.text(b"ok\n")


def say(call: Call) -> Iterable[bytes]:
    return call.text(b"said\n")


def wait_word(call: Call) -> Iterable[bytes]:
    wait_for(call.query.get("of"), call.query.get("word"))
    return call.text(b"ok\n")


def words(call: Call) -> Iterable[bytes]:
    return call.text(json.dumps(JOURNAL.words(call.query.get("of"))).encode())


def progress(call: Call) -> Iterable[bytes]:
    return call.text(str(JOURNAL.number(call.query.get("of"))).encode())


def wait(call: Call) -> Iterable[bytes]:
    call.wait()
    return call.text(b"waited\n")


def dump(call: Call) -> Iterable[bytes]:
    environ = call.environ
    body = environ["wsgi.input"].read()
    past = environ["wsgi.input"].read() + environ["wsgi.input"].read(9)
    fields = [
        [name[5:].replace("_", "-").lower(), value]
        for name, value in environ.items()
        if name.startswith("HTTP_")
    ]
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            fields.append([name.replace("_", "-").lower(), environ[name]])
    path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "surrogateescape")
    seen = {
        "method": environ["REQUEST_METHOD"],
        "path": path,
        "raw_path": environ["REQUEST_URI"].partition("?")[0],
        "query": environ["QUERY_STRING"],
        "version": environ["SERVER_PROTOCOL"][5:],
        "scheme": environ["wsgi.url_scheme"],
        "root": environ["SCRIPT_NAME"],
        "client": environ["REMOTE_ADDR"],
        "terminated": environ["wsgi.input_terminated"],
        "past": past.decode("latin-1"),
        "headers": fields,
        "body": body.decode("latin-1"),
    }
    return call.text(json.dumps(seen).encode())


def read(call: Call) -> Iterable[bytes]:
    source = call.environ["wsgi.input"]
    body = b""
    call.journal("before")
    call.wait("go")
    if call.query.get("some"):
        body = source.read(call.query.number("some"))
        call.journal("some")
        call.wait("on")
    body += source.read()
    call.journal("read")
    return call.text(body)


def echo(call: Call) -> Iterable[bytes]:
    return call.text(call.environ["wsgi.input"].read())


def count(call: Call) -> Iterable[bytes]:
    total = 0
    while True:
        piece = call.environ["wsgi.input"].read(65536)
        if not piece:
            return call.text(str(total).encode())
        total += len(piece)
        JOURNAL.count(call.key, len(piece))


def respond(call: Call) -> Iterable[bytes]:
    call.begin()
    return [part.encode("latin-1") for part in call.query.all("part")]


def answer_then_read(call: Call) -> Iterable[bytes]:
    call.begin()
    yield b"answer;"
    call.wait()
    yield call.environ["wsgi.input"].read()


def stream(call: Call) -> Iterator[bytes]:
    call.begin()
    yield b"first;"
    call.journal("first")
    call.wait()
    yield b"last;"


def big(call: Call) -> Iterator[bytes]:
    left = call.query.number("size")
    call.begin(length=left)
    try:
        while left > 0:
            piece = PIECE[:left]
            yield piece
            left -= len(piece)
            JOURNAL.count(call.key, len(piece))
        call.journal("sent")
    finally:
        call.journal("closed")


class After:
    """Its close() goes on when the response is complete."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"after\n"])

    def close(self) -> None:
        self._call.journal("answered")
        self._call.wait()
        self._call.journal("ended")


def after(call: Call) -> Iterable[bytes]:
    call.begin(length=6)
    return After(call)


def fail(call: Call) -> Iterable[bytes]:
    raise ValueError(SECRET)


def fail_late(call: Call) -> Iterator[bytes]:
    call.begin()
    yield b"first;"
    call.wait()
    raise ValueError(SECRET)


def silent(call: Call) -> Iterable[bytes]:
    return []


def hang(call: Call) -> Iterable[bytes]:
    try:
        call.wait("never")
    except BaseException as error:
        call.journal(type(error).__name__)
        raise
    return call.text(b"never\n")


def stubborn(call: Call) -> Iterable[bytes]:
    while True:
        try:
            call.wait("never")
        except BaseException:
            call.journal("refused to end")


ROUTES: dict[str, Callable[[Call], Iterable[bytes]]] = {
    "/": root,
    "/say": say,
    "/await": wait_word,
    "/words": words,
    "/progress": progress,
    "/wait": wait,
    "/dump": dump,
    "/read": read,
    "/echo": echo,
    "/count": count,
    "/respond": respond,
    "/answer-then-read": answer_then_read,
    "/stream": stream,
    "/big": big,
    "/after": after,
    "/fail": fail,
    "/fail-late": fail_late,
    "/silent": silent,
    "/hang": hang,
    "/stubborn": stubborn,
}


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    call = Call(environ, start_response)
    call.journal(call.query.get("word", "begun"))
    return ROUTES.get(environ["PATH_INFO"], dump)(call)

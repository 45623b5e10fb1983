"""The corners of PEP 3333: iterables and close(), write(), exc_info, the input, file_wrapper."""

from __future__ import annotations

import json
import os
import sys

import place

PLAIN = [("Content-Type", "text/plain")]


class Closing:
    """An iterable that writes down that it was closed."""

    def __init__(self, name, parts, gate=None):
        self.name = name
        self.parts = iter(parts)
        self.gate = gate

    def __iter__(self):
        return self

    def __next__(self):
        if self.gate is not None and place.is_open(self.gate):
            raise StopIteration
        part = next(self.parts)
        if isinstance(part, BaseException):
            raise part
        return part

    def close(self):
        place.note(f"{self.name}.closed", os.getpid())


def forever(part):
    while True:
        yield part


def app(environ, start_response):
    name, _, rest = environ["PATH_INFO"].strip("/").partition("/")
    return VIEWS[name](environ, start_response, rest)


def close_normal(environ, start_response, name):
    start_response("200 OK", PLAIN)
    return Closing(name, [b"one,", b"", b"two"])


def close_failing(environ, start_response, name):
    start_response("200 OK", PLAIN)
    return Closing(name, [b"one,", RuntimeError("in the middle")])


def close_failing_first(environ, start_response, name):
    start_response("200 OK", PLAIN)
    return Closing(name, [RuntimeError("at once")])


def close_endless(environ, start_response, name):
    """Ends only when the server stops asking for more."""
    start_response("200 OK", PLAIN)
    place.note(f"{name}.begun", os.getpid())
    return Closing(name, forever(b"x" * 65536))


def close_raises(environ, start_response, name):
    start_response("200 OK", [*PLAIN, ("Content-Length", "2")])

    class Raising(Closing):
        def close(self):
            super().close()
            raise RuntimeError("close() failed")

    return Raising(name, [b"ok"])


def close_not_iterated(environ, start_response, name):
    """HEAD: the server may leave out the iteration, never close()."""
    start_response("200 OK", PLAIN)
    return Closing(name, [b"body"])


def restart_before(environ, start_response, rest):
    start_response("200 OK", [*PLAIN, ("X-First", "1")])
    try:
        raise ValueError("found out late")
    except ValueError:
        start_response("503 Replaced", [*PLAIN, ("X-Second", "2")], sys.exc_info())
    return [b"replaced"]


def restart_after(environ, start_response, name):
    start_response("200 OK", PLAIN)
    yield b"begun"
    place.wait(name)
    try:
        raise ValueError("too late to replace")
    except ValueError as error:
        try:
            start_response("500 Oops", PLAIN, sys.exc_info())
        except ValueError as raised:
            place.note(f"{name}.raised", "same" if raised is error else repr(raised))
            raise
    yield b"never"


def restart_without(environ, start_response, rest):
    start_response("200 OK", PLAIN)
    try:
        start_response("200 OK", PLAIN)
    except Exception as error:
        return [type(error).__name__.encode()]
    return [b"accepted"]


def late_start(environ, start_response, rest):
    """start_response may wait until the first part is asked for."""
    start_response("201 Created", PLAIN)
    yield b"late"


def never_start(environ, start_response, rest):
    return [b"no head"]


def write_parts(environ, start_response, gate):
    write = start_response("200 OK", PLAIN)
    write(b"written,")
    place.wait(gate)
    write(b"again,")
    return [b"returned"]


def read_input(environ, start_response, how):
    """The body by the means that the path names, as JSON."""
    stream = environ["wsgi.input"]
    read = {
        "read": lambda: [stream.read(), stream.read(), stream.read(10)],
        "pieces": lambda: list(iter(lambda: stream.read(5), b"")),
        "negative": lambda: [stream.read(-1), stream.read(-1)],
        "none": lambda: [stream.read(0), stream.read()],
        "readline": lambda: list(iter(stream.readline, b"")),
        "readline-3": lambda: list(iter(lambda: stream.readline(3), b"")),
        "readlines": stream.readlines,
        "readlines-hint": lambda: [*stream.readlines(1), b"|", *stream.readlines()],
        "iterate": lambda: list(stream),
        "mixed": lambda: [stream.readline(), stream.read(2), next(iter(stream)), stream.read()],
    }[how]()
    shown = {
        "parts": [part.decode("latin-1") for part in read],
        "length": environ.get("CONTENT_LENGTH"),
        "terminated": environ.get("wsgi.input_terminated"),
    }
    start_response("200 OK", PLAIN)
    return [json.dumps(shown).encode()]


def count_input(environ, start_response, rest):
    """How much came, and what this process needed for it at the most (KiB)."""
    import resource

    total = 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    while True:
        part = environ["wsgi.input"].read(65536)
        if not part:
            break
        total += len(part)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start_response("200 OK", PLAIN)
    return [json.dumps({"total": total, "grown": after - before}).encode()]


def unread_input(environ, start_response, rest):
    start_response("200 OK", [*PLAIN, ("Content-Length", "6")])
    return [b"unread"]


def wrapped_file(environ, start_response, name):
    """The file by wsgi.file_wrapper; `?from=N` begins there, `?length` announces the size."""
    opened = open(place.path(name), "rb")  # noqa: SIM115
    query = environ["QUERY_STRING"]
    headers = list(PLAIN)
    if query.startswith("from="):
        opened.seek(int(query[5:]))
    if query == "length":
        headers.append(("Content-Length", str(os.fstat(opened.fileno()).st_size)))
    start_response("200 OK", headers)
    return environ["wsgi.file_wrapper"](opened, 8192)


def wrapped_object(environ, start_response, rest):
    """Something with read() that is no file of the system."""
    import io

    class Source(io.BytesIO):
        def close(self):
            place.note("object.closed", os.getpid())
            super().close()

    start_response("200 OK", PLAIN)
    return environ["wsgi.file_wrapper"](Source(b"from memory"), 4)


def pid(environ, start_response, rest):
    start_response("200 OK", PLAIN)
    return [str(os.getpid()).encode()]


VIEWS = {
    view.__name__: view
    for view in (
        *(close_normal, close_failing, close_failing_first, close_endless, close_raises),
        *(close_not_iterated, restart_before, restart_after, restart_without, late_start),
        *(never_start, write_parts, read_input, count_input, unread_input, wrapped_file),
        *(wrapped_object, pid),
    )
}

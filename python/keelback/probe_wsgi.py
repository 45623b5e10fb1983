"""The probe around a WSGI app: a call lasts from the app's call to the end of its body.

What is iterated over by the server is timed piece by piece: the time between pieces is the
client's.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from time import perf_counter_ns, thread_time_ns
from typing import Any, Callable, Optional

from . import probe_routes
from .errors import ClientDisconnected
from .probe_book import Book, Call, current
from .probe_clock import waited_ns
from .probe_sampler import Sampler
from .wsgi_file import FileWrapper


class WsgiProbe:
    def __init__(self, app: Callable[..., Any], book: Book, sampler: Sampler) -> None:
        self._app = app
        self._book = book
        self.sampler = sampler
        probe_routes.watch_django(name_route)

    def app(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        target = str(environ.get("RAW_URI") or environ.get("PATH_INFO", ""))
        call = self._book.begin(environ["REQUEST_METHOD"], target.partition("?")[0])
        current.set(call)

        def started(status: str, headers: Any, exc_info: Any = None) -> Any:
            call.status = int(status[:3])
            if call.route is None:  # at its end Flask takes the request out of the environ
                call.route = probe_routes.of_wsgi(environ)
            try:
                return start_response(status, headers, exc_info)
            finally:
                exc_info = None

        span = Span(self.sampler, call)
        try:
            result = self._app(environ, started)
        except BaseException as error:
            span.end()
            call.failed = not isinstance(error, ClientDisconnected)
            self.end(call)
            raise
        span.end()
        kind: Any = result.__class__
        if kind is FileWrapper or (
            (kind is list or kind is tuple) and not hasattr(result, "close")
        ):
            if kind is not FileWrapper:
                call.sent = sum(map(len, result))
            self.end(call)
            return result
        return Body(self, call, result)

    def end(self, call: Call) -> None:
        self._book.finish(call)
        current.set(None)


class Span:
    """A stretch of time in which a thread works for a call."""

    __slots__ = ("_call", "_core", "_cpu", "_ident", "_outer", "_sampler")

    def __init__(self, sampler: Sampler, call: Call) -> None:
        self._sampler = sampler
        self._call = call
        self._ident = threading.get_ident()
        self._core = waited_ns()
        self._cpu = thread_time_ns()
        self._outer = sampler.enter(self._ident, call, perf_counter_ns())

    def end(self) -> None:
        self._call.cpu_ns += thread_time_ns() - self._cpu
        self._call.core_ns += waited_ns() - self._core
        self._sampler.leave(self._ident, self._outer)


class Body:
    """What the app gave, with its time counted; ends the call when it ends."""

    def __init__(self, probe: WsgiProbe, call: Call, inner: Any) -> None:
        self._probe = probe
        self._call = call
        self._open = True
        self._inner = inner
        self._parts: Optional[Iterator[bytes]] = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        current.set(self._call)
        span = Span(self._probe.sampler, self._call)
        try:
            if self._parts is None:
                self._parts = iter(self._inner)
            part = next(self._parts)
        except StopIteration:
            raise
        except BaseException as error:
            self._call.failed = not isinstance(error, ClientDisconnected)
            raise
        finally:
            span.end()
        self._call.sent += len(part)
        return part

    def close(self) -> None:
        span = Span(self._probe.sampler, self._call)
        try:
            close = getattr(self._inner, "close", None)
            if close is not None:
                close()
        finally:
            span.end()
            if self._open:
                self._open = False
                self._probe.end(self._call)


def name_route(route: str) -> None:
    call = current.get(None)
    if call is not None:
        call.route = route

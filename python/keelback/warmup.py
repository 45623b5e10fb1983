"""Warm-up requests: what a worker answers itself, before any client's, so that no client waits for
what the app does only once (imports in views, connection pools, template caches).

Contract: an app that raises, or answers 500 or above, raises LoadError: the worker does not come
up, and a reload keeps the old ones. Other statuses from 400 on are reported: the path may be wrong.
"""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, Any, Callable
from urllib.parse import unquote_to_bytes

from .loader import LoadError, app_traceback
from .wsgi_environ import base_environ
from .wsgi_file import FileWrapper

if TYPE_CHECKING:
    import contextvars

    from .asgi_scope import ScopeFactory

Report = Callable[[str, str], None]

_HINT = "requests of --warmup must succeed: see the app's output above, or change the path"
_HTTP_1_1 = 11


def warm_wsgi(
    app: Callable[..., Any], paths: list[str], root: str, threads: int, report: Report
) -> None:
    """One request after the other, in the calling thread. `root` is SCRIPT_NAME."""
    for path in paths:
        statuses: list[int] = []

        def start_response(
            status: str, headers: object, exc_info: object = None, statuses: list[int] = statuses
        ) -> Callable[[bytes], object]:
            statuses.append(int(status[:3]))
            return lambda data: None

        try:
            result = app(_environ(path, root, threads), start_response)
            try:
                if not isinstance(result, FileWrapper):
                    for _part in result:
                        pass
            finally:
                if hasattr(result, "close"):
                    result.close()
        except BaseException as error:
            raise _raised(path, error) from None
        _judge(path, statuses[-1] if statuses else None, report)


def _environ(path: str, root: str, threads: int) -> dict[str, Any]:
    raw, _, query = path.partition("?")
    return base_environ(
        root,
        {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": unquote_to_bytes(raw).decode("latin-1"),
            "QUERY_STRING": query,
            "REQUEST_URI": path,
            "RAW_URI": path,
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "REMOTE_ADDR": "127.0.0.1",
            "REMOTE_PORT": "0",
            "HTTP_HOST": "localhost",
            "HTTP_USER_AGENT": "keelback-warmup",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(),
            "wsgi.multithread": threads > 1,
            "wsgi.multiprocess": True,
        },
    )


async def warm_asgi(
    app: Callable[..., Any],
    paths: list[str],
    scopes: ScopeFactory,
    context: contextvars.Context,
    report: Report,
) -> None:
    """One request after the other, each in a copy of `context` and without extensions."""
    for path in paths:
        cycle = _Cycle()
        scope = scopes.make(_block(path), _HTTP_1_1, 0)
        scope["extensions"] = {}
        task = context.copy().run(_task, app(scope, cycle.receive, cycle.send))
        try:
            await task
        except BaseException as error:
            raise _raised(path, error) from None
        _judge(path, cycle.status, report)


def _task(coroutine: Any) -> asyncio.Task[None]:
    return asyncio.get_running_loop().create_task(coroutine)


def _block(path: str) -> bytes:
    """The head block of docs/protocol.md, form `asgi`."""
    target = path.encode()
    raw, _, query = target.partition(b"?")
    addresses = (b"http", b"127.0.0.1 0", b"127.0.0.1 80")
    fields = (b"host", b"localhost", b"user-agent", b"keelback-warmup")
    return b"\0".join((b"GET", unquote_to_bytes(raw), raw, query, *addresses, *fields))


class _Cycle:
    """A client that sends an empty body, and leaves when it has the whole response."""

    def __init__(self) -> None:
        self.status: int | None = None
        self._asked = False
        self._complete = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._complete.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
        elif message["type"] == "http.response.body" and not message.get("more_body", False):
            self._complete.set()


def _raised(path: str, error: BaseException) -> LoadError:
    return LoadError(
        f"the warm-up request for {path} failed: {type(error).__name__}: {error}",
        _HINT,
        app_traceback(error),
        stage="warmup",
    )


def _judge(path: str, status: int | None, report: Report) -> None:
    if status is None or status >= 500:
        text = "no response" if status is None else f"status {status}"
        raise LoadError(f"the warm-up request for {path} got {text}", _HINT, stage="warmup")
    if status >= 400:
        report("warning", f"the warm-up request for {path} got status {status}: is the path right?")

"""The probe around an ASGI app: the steps that a request's tasks take on the event loop are timed
one by one, and what it has done in threads is added.

A request is over when its response is; what the app does afterwards in the same task (background
work) still counts as its processor time. WebSockets and lifespan pass by unmeasured.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import sys
import threading
from collections.abc import Coroutine, Generator
from time import perf_counter_ns, thread_time_ns
from typing import Any, Callable, Optional

from . import probe_routes
from .errors import ClientDisconnected
from .probe_book import Book, Call, current
from .probe_clock import waited_ns
from .probe_sampler import Sampler, timed
from .probe_wsgi import name_route


class AsgiProbe:
    def __init__(self, app: Callable[..., Any], book: Book, sampler: Sampler) -> None:
        self._app = app
        self._book = book
        self._sampler = sampler
        probe_routes.watch_django(name_route)
        _watch_executors(sampler)
        _watch_anyio(sampler)

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            self._tend_loop()
            await self._app(scope, receive, send)
            return
        if self._sampler.loop is None:
            self._tend_loop()
        raw = scope.get("raw_path") or scope["path"].encode()
        call = self._book.begin(scope["method"], raw.decode("latin-1"))
        root = str(scope.get("root_path", ""))
        current.set(call)

        left = False

        async def sends(message: Any) -> None:
            nonlocal left
            try:
                await sends_on(message)
            except ClientDisconnected:
                left = True
                raise

        async def sends_on(message: Any) -> None:
            kind = message["type"]
            if kind == "http.response.start":
                call.status = message["status"]
            elif kind == "http.response.body":
                call.sent += len(message.get("body", b""))
                if not message.get("more_body", False):
                    await send(message)
                    call.responded = perf_counter_ns()
                    return
            elif kind == "http.response.pathsend":
                call.responded = perf_counter_ns()
            await send(message)

        coroutine = self._app(scope, receive, sends)
        call.coroutine = coroutine
        self._sampler.waiting[call] = None
        try:
            await Stepped(coroutine, call, self._sampler)
        except asyncio.CancelledError:
            raise
        except BaseException:
            call.failed = not left  # else it is the client's doing, whatever was made of it
            raise
        finally:
            self._sampler.waiting.pop(call, None)
            call.coroutine = None
            if call.route is None:
                call.route = probe_routes.of_asgi(scope, root)
            self._book.finish(call)

    def _tend_loop(self) -> None:
        """Tasks that a request starts are timed too; a factory of the app's own is left alone."""
        loop = asyncio.get_running_loop()
        self._sampler.loop = loop
        self._sampler.loop_thread = threading.get_ident()
        if loop.get_task_factory() is None:
            loop.set_task_factory(_task_factory(self._sampler))


class Stepped:
    """Awaits a coroutine, and counts what each of its steps holds the event loop for."""

    __slots__ = ("_call", "_coroutine", "_sampler")

    def __init__(self, coroutine: Any, call: Call, sampler: Sampler) -> None:
        self._coroutine = coroutine
        self._call = call
        self._sampler = sampler

    def __await__(self) -> Generator[Any, Any, Any]:
        inner = self._coroutine
        if not hasattr(inner, "send"):
            inner = inner.__await__()
        call = self._call
        sampler = self._sampler
        ident = threading.get_ident()
        step, value = inner.send, None
        while True:
            core = waited_ns()
            began = perf_counter_ns()
            cpu = thread_time_ns()
            outer = sampler.enter(ident, call, began)
            try:
                waited_for = step(value)
            except StopIteration as end:
                return end.value
            finally:
                held = perf_counter_ns() - began
                cpu = thread_time_ns() - cpu
                core = waited_ns() - core
                call.cpu_ns += cpu
                call.core_ns += core
                call.held_ns += held
                call.blocked_ns += max(0, held - cpu - core)
                call.longest_ns = max(call.longest_ns, held)
                sampler.leave(ident, outer)
            try:
                value = yield waited_for
                step = inner.send
            except GeneratorExit:
                inner.close()
                raise
            except BaseException as error:
                step, value = inner.throw, error


async def _step(coroutine: Any, call: Call, sampler: Sampler) -> Any:
    return await Stepped(coroutine, call, sampler)


def _task_factory(sampler: Sampler) -> Any:
    def make(
        loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any
    ) -> Any:
        context = options.get("context")
        call: Optional[Call] = current.get(None) if context is None else context.get(current, None)
        # Work outside of requests may hold the loop too; it has one name for all of it.
        owner = sampler.background if call is None else call
        if asyncio.iscoroutine(coroutine):
            coroutine = _step(coroutine, owner, sampler)
        if sys.version_info < (3, 11):
            options.pop("context", None)
        return asyncio.Task(coroutine, loop=loop, **options)

    return make


def _watch_executors(sampler: Sampler) -> None:
    """loop.run_in_executor and asyncio.to_thread, and what is built on them (asgiref)."""
    pool: Any = concurrent.futures.ThreadPoolExecutor
    inner = pool.submit
    if hasattr(inner, "keelback_probe"):
        return

    def submit(self: Any, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return inner(self, timed(current.get(None), fn, sampler), *args, **kwargs)

    vars(submit)["keelback_probe"] = True
    pool.submit = submit


def _watch_anyio(sampler: Sampler) -> None:
    """What Starlette and FastAPI run `def` views with."""
    module: Any = sys.modules.get("anyio.to_thread")
    inner = getattr(module, "run_sync", None)
    if inner is None or hasattr(inner, "keelback_probe"):
        return

    async def run_sync(func: Callable[..., Any], *args: Any, **options: Any) -> Any:
        return await inner(timed(current.get(None), func, sampler), *args, **options)

    vars(run_sync)["keelback_probe"] = True
    module.run_sync = run_sync

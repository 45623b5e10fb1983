"""The asyncio runner: one event loop that runs an ASGI 3 app for all edges.

Contract: `run(started)` runs the app's startup, calls `started` (which adds the links and tells the
supervisor), serves until `stop()`, finishes what runs, runs the app's shutdown and returns an exit
status. LifespanFailed comes out of `run` when the app does not start. All other methods belong to
the loop's thread; `stop` may also be called before `run` and from a signal handler of the loop.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import TYPE_CHECKING, Any, Callable

from .asgi_link import EdgeLink
from .asgi_monitor import Monitor
from .asgi_scope import ScopeFactory
from .farewell import CANCEL_SECONDS, StopTimes
from .lifespan import Lifespan
from .loader import LoadError
from .responses import Heads

if TYPE_CHECKING:
    from .asgi_http import HttpCycle
    from .board import Board
    from .settings import Settings

REST_SECONDS = 0.2
"""What is left of the stop's time for each of the last steps, where the others have used it up."""

SWITCH_SECONDS = 0.001
"""Interpreter switch interval: how long a view that computes can keep the monitor from looking."""


def make_loop(choice: str) -> asyncio.AbstractEventLoop:
    """Made, and made current, before the app is imported: what apps create at import time
    (asyncio.Lock() before Python 3.10) binds itself to the current loop."""
    loop: asyncio.AbstractEventLoop | None = None
    if choice != "asyncio":
        try:
            import uvloop
        except ImportError as error:
            if choice == "uvloop":
                raise LoadError(
                    f"uvloop can't be imported: {error}",
                    f"install it for {sys.executable}, or set the loop to auto",
                    stage="config",
                ) from None
        else:
            loop = uvloop.new_event_loop()
    if loop is None:
        loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop


class AsyncioRunner:
    """Runs one app on one loop."""

    def __init__(
        self,
        app: Callable[..., Any],
        settings: Settings,
        loop: asyncio.AbstractEventLoop,
        report: Callable[[str, str], None],
    ) -> None:
        self.app = app
        self.loop = loop
        self.report = report
        self.heads = Heads(
            settings.server_header,
            settings.date_header,
            hsts_seconds=settings.hsts_seconds,
            alt_svc=settings.alt_svc,
        )
        self.active: set[HttpCycle] = set()
        self.links: list[EdgeLink] = []
        self._lifespan = Lifespan(app, settings.lifespan, report)
        self._times = StopTimes(settings.graceful_ms / 1000)
        self._stopped_at = 0.0
        self._root_path = settings.root_path
        self._warmup = settings.warmup
        self._monitor = Monitor(AsyncioRunner.run.__code__)
        self._stopping: asyncio.Future[None] = loop.create_future()
        self._status = 0

    @property
    def loop_name(self) -> str:
        return "uvloop" if type(self.loop).__module__.startswith("uvloop") else "asyncio"

    def run(self, started: Callable[[], None]) -> int:
        sys.setswitchinterval(SWITCH_SECONDS)
        try:
            self.loop.run_until_complete(self._serve(started))
        finally:
            self._close()
        return self._status

    def stop(self, times: StopTimes | None = None) -> None:
        """By the graceful timeout, where nobody says how long the steps may take."""
        if self._stopping.done():
            return
        if times is not None:
            self._times = times
        self._stopped_at = self.loop.time()
        self._stopping.set_result(None)

    def add_link(self, sock: socket.socket, board: Board) -> EdgeLink:
        link = EdgeLink(self, sock, board)
        self.links.append(link)
        self._monitor.watch(link)
        if self._stopping.done():
            link.refuse()
        return link

    def link_closed(self, link: EdgeLink) -> None:
        self.links.remove(link)
        self._monitor.forget(link)

    async def _serve(self, started: Callable[[], None]) -> None:
        self._lifespan.died = self._died
        await self._lifespan.startup()
        self.scopes = ScopeFactory(self._root_path, self._lifespan.state)
        self.context = self._lifespan.context
        self._monitor.start()
        try:
            await self._warm()
            if not self._stopping.done():
                started()
            await self._stopping
            await self._finish()
            times = self._times
            await self._lifespan.shutdown(max(times.shutdown, self._left(times.all)))
            await self._flush()
        finally:
            self._monitor.stop()

    async def _warm(self) -> None:
        if not self._warmup or self._stopping.done():
            return
        from .warmup import warm_asgi

        try:
            await warm_asgi(self.app, self._warmup, self.scopes, self.context, self.report)
        except LoadError:
            await self._lifespan.shutdown()
            raise

    def _died(self) -> None:
        self._status = 1
        self.stop()

    def _left(self, seconds: float) -> float:
        """Of the so many seconds since the stop began."""
        return self._stopped_at + seconds - self.loop.time()

    async def _finish(self) -> None:
        """Requests that run, and what apps do after their response, are waited for."""
        for link in self.links:
            link.refuse()
        while self.active and (left := self._left(self._times.finish)) > 0:
            await asyncio.wait([cycle.task for cycle in self.active], timeout=left)
        if self.active:
            self.report("warning", f"{len(self.active)} tasks did not end in time: cancelled")
            tasks = [cycle.task for cycle in self.active]
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=self._times.cancel)

    async def _flush(self) -> None:
        for link in list(self.links):
            link.flush()
            if link.backlog:
                drained = self.loop.create_task(link.drained())
                await asyncio.wait([drained], timeout=self._rest())
            link.close()

    def _rest(self) -> float:
        return min(CANCEL_SECONDS, max(REST_SECONDS, self._left(self._times.all)))

    def _close(self) -> None:
        """As asyncio.run() does, and what the app left running gets its cancellation."""
        loop = self.loop
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=self._rest()))
        loop.run_until_complete(loop.shutdown_asyncgens())
        asyncio.set_event_loop(None)
        loop.close()

"""The ASGI lifespan: one task that runs the app's startup and, much later, its shutdown.

Contract: `await startup()` returns when the app is ready (or doesn't speak lifespan, in mode auto)
and raises LifespanFailed when it refuses to start. `await shutdown()` runs in that same task's life
and never raises. `state` is copied into each request's scope; `context` holds the variables that
the app had set when it said that its startup is complete: each request starts from a copy of it.
"""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any, Callable

from .loader import app_traceback

END_SECONDS = 1
"""What an app gets to leave its lifespan after its last message."""


class LifespanFailed(Exception):
    """Startup failed: `traceback` is empty where the app only sent startup.failed."""

    def __init__(self, message: str, trace: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.traceback = trace


class Lifespan:
    """Modes: auto (an app that raises has no lifespan: go on), on (it must have one), off."""

    def __init__(
        self, app: Callable[..., Any], mode: str, report: Callable[[str, str], None]
    ) -> None:
        self.state: dict[str, Any] = {}
        self.context = contextvars.copy_context()
        self.died: Callable[[], None] = _ignore
        self._app = app
        self._mode = mode
        self._report = report
        self._task: asyncio.Task[None] | None = None
        self._phase = "startup"
        self._failure: LifespanFailed | None = None

    async def startup(self) -> None:
        if self._mode == "off":
            return
        loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._started: asyncio.Future[None] = loop.create_future()
        self._stopped: asyncio.Future[None] = loop.create_future()
        self._events.put_nowait({"type": "lifespan.startup"})
        self._task = loop.create_task(self._run())
        await self._started
        if self._failure is not None:
            await asyncio.wait([self._task], timeout=END_SECONDS)
            raise self._failure

    async def shutdown(self, seconds: float | None = None) -> None:
        """What has not ended in so many seconds is left to be cancelled with everything else."""
        if self._task is None or self._task.done():
            return
        self._phase = "shutdown"
        self._events.put_nowait({"type": "lifespan.shutdown"})
        done, _ = await asyncio.wait([self._stopped], timeout=seconds)
        if done:
            await asyncio.wait([self._task], timeout=END_SECONDS)
        else:
            self._report("error", "the app's shutdown did not end in time: cancelled")

    async def _run(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        try:
            await self._app(scope, self._events.get, self._send)
        except BaseException as error:
            self._raised(error)
        else:
            if self._phase == "startup" and self._mode == "on" and not self._started.done():
                self._failure = LifespanFailed("the app returned before lifespan.startup.complete")
        finally:
            for future in (self._started, self._stopped):
                if not future.done():
                    future.set_result(None)

    def _raised(self, error: BaseException) -> None:
        """Where it raised decides: before an answer it may only mean that the app has no lifespan;
        after startup.failed it is how frameworks end; later, the app has lost what it runs on."""
        trace = app_traceback(error)
        if self._failure is not None:
            self._failure.traceback = self._failure.traceback or trace
        elif self._phase == "startup":
            if self._mode == "on":
                self._failure = LifespanFailed(f"{type(error).__name__}: {error}", trace)
            else:
                self._report("debug", f"the app has no lifespan: {type(error).__name__}: {error}")
        elif self._phase == "shutdown":
            self._report("error", f"the app's shutdown failed\n{trace}")
        else:
            self._report("error", f"the app's lifespan died: this worker stops\n{trace}")
            self.died()

    async def _send(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "lifespan.startup.complete" and self._phase == "startup":
            self._phase = "serving"
            self.context = contextvars.copy_context()
            self._started.set_result(None)
        elif kind == "lifespan.startup.failed" and self._phase == "startup":
            text = str(message.get("message", "")).strip()
            # Starlette sends its formatted traceback here: the last line is the exception.
            last = text.splitlines()[-1] if text else "the app sent lifespan.startup.failed"
            self._failure = LifespanFailed(last, text if "\n" in text else "")
            self._started.set_result(None)
        elif kind == "lifespan.shutdown.complete" and self._phase == "shutdown":
            self._phase = "done"
            self._stopped.set_result(None)
        elif kind == "lifespan.shutdown.failed" and self._phase == "shutdown":
            self._phase = "done"
            self._report("error", f"the app's shutdown failed: {message.get('message', '')}")
            self._stopped.set_result(None)
        else:
            raise RuntimeError(f"{kind!r} can't be sent in the lifespan's phase {self._phase!r}")


def _ignore() -> None:
    pass

"""Startup and shutdown of ASGI apps, with every way in which they can go wrong."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from asgi_support import Server, respond

from keelback.lifespan import LifespanFailed

COMPLETE = {"type": "lifespan.startup.complete"}
VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")


@pytest.fixture
def serve(tmp_path: Any) -> Iterator[Any]:
    servers = []

    def start(app: Any, **settings: Any) -> Server:
        folder = tmp_path / str(len(servers))
        folder.mkdir()
        servers.append(Server(app, str(folder), **settings))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


class App:
    """Records the lifespan's events, then does as the test says."""

    def __init__(self, **behaviour: Any) -> None:
        self.events: list[str] = []
        self.tasks: list[Any] = []
        self.behaviour = behaviour

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            seen = f"{scope['state'].get('db')} {VARIABLE.get()}"
            scope["state"]["db"] = "overwritten"
            await respond(send, seen.encode())
            return
        while True:
            event = await receive()
            self.events.append(event["type"])
            self.tasks.append(asyncio.current_task())
            action = self.behaviour.get(event["type"].rpartition(".")[2])
            if action is not None:
                await action(scope, send)
            else:
                await send({"type": event["type"] + ".complete"})
            if event["type"] == "lifespan.shutdown":
                return


async def fail(scope: Any, send: Any) -> None:
    raise RuntimeError("no database")


async def say_failed(scope: Any, send: Any) -> None:
    await send({"type": "lifespan.startup.failed", "message": "no disk"})


def test_startup_and_shutdown_run_in_one_task(serve: Any) -> None:
    app = App()
    server = serve(app)
    assert server.edge.get().status == 200
    server.stop()
    assert app.events == ["lifespan.startup", "lifespan.shutdown"]
    assert app.tasks[0] is app.tasks[1]
    assert server.status == 0


def test_state_is_copied_and_context_is_inherited(serve: Any) -> None:
    async def startup(scope: Any, send: Any) -> None:
        scope["state"]["db"] = "pool"
        VARIABLE.set("from lifespan")
        await send(COMPLETE)

    server = serve(App(startup=startup))
    assert server.edge.get().body == b"pool from lifespan"
    assert server.edge.get().body == b"pool from lifespan"


def test_auto_goes_on_without_a_lifespan(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await respond(send)

    server = serve(app)
    assert server.edge.get().status == 200
    assert "error" not in server.log


def test_on_demands_a_lifespan(serve: Any) -> None:
    server = serve(App(startup=fail), lifespan="on")
    assert isinstance(server.error, LifespanFailed)
    assert server.error.message == "RuntimeError: no database"
    assert "in fail" in server.error.traceback

    async def silent(scope: Any, receive: Any, send: Any) -> None: ...

    assert isinstance(serve(silent, lifespan="on").error, LifespanFailed)
    assert serve(silent).error is None


def test_off_never_calls_it(serve: Any) -> None:
    app = App()
    server = serve(app, lifespan="off")
    assert server.edge.get().status == 200
    server.stop()
    assert app.events == []


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_startup_failed(serve: Any, mode: str) -> None:
    server = serve(App(startup=say_failed, shutdown=fail), lifespan=mode, graceful_ms=10)
    assert isinstance(server.error, LifespanFailed)
    assert server.error.message == "no disk"


def test_startup_failed_of_starlette_has_the_traceback(serve: Any) -> None:
    starlette = pytest.importorskip("starlette.applications")

    def lifespan(app: Any) -> Any:
        raise LookupError("no such table")

    server = serve(starlette.Starlette(lifespan=lifespan))
    assert isinstance(server.error, LifespanFailed)
    assert server.error.message == "LookupError: no such table"
    assert "in lifespan" in server.error.traceback


def test_stop_during_startup_still_runs_shutdown(serve: Any, tmp_path: Any) -> None:
    inside = threading.Event()
    go = threading.Event()

    async def startup(scope: Any, send: Any) -> None:
        inside.set()
        await asyncio.get_running_loop().run_in_executor(None, go.wait)
        await send(COMPLETE)

    app = App(startup=startup)
    box: list[Server] = []

    def start() -> None:
        box.append(serve(app))

    thread = threading.Thread(target=start)
    thread.start()
    assert inside.wait(10)
    runner = Server.latest.runner
    runner.loop.call_soon_threadsafe(runner.stop)
    go.set()
    thread.join(10)
    box[0].join()
    assert app.events == ["lifespan.startup", "lifespan.shutdown"]
    assert box[0].status == 0


def test_failing_shutdown_is_logged(serve: Any) -> None:
    server = serve(App(shutdown=fail))
    server.stop()
    assert "the app's shutdown failed" in server.log
    assert "no database" in server.log


def test_lifespan_that_dies_later_stops_the_worker(serve: Any) -> None:
    die = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await respond(send)
            return
        await send(COMPLETE)
        await asyncio.get_running_loop().run_in_executor(None, die.wait)
        raise RuntimeError("lost the broker")

    server = serve(app)
    assert server.edge.get().status == 200
    die.set()
    server.join()
    assert server.status == 1
    assert "lost the broker" in server.log


def test_wrong_message_raises_in_the_app(serve: Any) -> None:
    async def startup(scope: Any, send: Any) -> None:
        await send({"type": "lifespan.shutdown.complete"})

    server = serve(App(startup=startup), lifespan="on")
    assert isinstance(server.error, LifespanFailed)
    assert "RuntimeError" in server.error.message

"""Starlette and FastAPI, whose use of ASGI is what most apps are made of."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asgi_support import FakeEdge, Server

from keelback import _wire

pytest.importorskip("fastapi")

from fastapi import BackgroundTasks, FastAPI, Request
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import FileResponse, StreamingResponse

background: list[str] = []
ended = threading.Event()


@asynccontextmanager
async def lifespan(app: FastAPI) -> Any:
    yield {"pool": "open"}


async def pass_through(request: Request, call_next: Any) -> Any:
    response = await call_next(request)
    response.headers["x-middleware"] = "yes"
    return response


def make_app() -> FastAPI:
    app = FastAPI(lifespan=lifespan)
    app.add_middleware(BaseHTTPMiddleware, dispatch=pass_through)

    @app.get("/items/{number}")
    async def item(number: int, request: Request) -> Any:
        return {"number": number, "pool": request.state.pool, "url": str(request.url)}

    @app.get("/threaded")
    def threaded() -> Any:
        return {"thread": threading.current_thread() is threading.main_thread()}

    @app.post("/echo")
    async def echo(request: Request) -> Any:
        return {"length": len(await request.body())}

    @app.get("/task")
    async def task(tasks: BackgroundTasks) -> Any:
        tasks.add_task(background.append, "done")
        return {}

    @app.get("/events")
    async def events() -> Any:
        async def numbers() -> Any:
            try:
                while True:
                    yield "data: more\n\n"
                    await asyncio.sleep(0)
            finally:
                ended.set()

        return StreamingResponse(numbers(), media_type="text/event-stream")

    @app.get("/file")
    async def file() -> Any:
        return FileResponse(__file__)

    @app.get("/fail")
    async def fail() -> Any:
        raise LookupError("not there")

    return app


@pytest.fixture(params=["asyncio", "uvloop"])
def server(request: Any, tmp_path: Any) -> Iterator[Server]:
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    background.clear()
    ended.clear()
    server = Server(make_app(), str(tmp_path), loop=request.param)
    assert server.error is None
    yield server
    server.stop()


def get_json(edge: FakeEdge, **more: Any) -> Any:
    answer = edge.get(**more)
    assert answer.status == 200
    assert answer.headers["x-middleware"] == "yes"
    return json.loads(answer.body)


def test_json_and_state(server: Server) -> None:
    assert get_json(server.edge, path=b"/items/3", query=b"a=1") == {
        "number": 3,
        "pool": "open",
        "url": "http://localhost/items/3?a=1",
    }
    assert server.edge.get(path=b"/items/x").status == 422


def test_thread_pool(server: Server) -> None:
    assert get_json(server.edge, path=b"/threaded") == {"thread": False}


def test_upload(server: Server) -> None:
    edge = server.edge
    stream = edge.begun(method="POST", path=b"/echo", flags=0)
    edge.body(stream, b"x" * 100_000)
    edge.body(stream, b"x" * 100_000, end=True)
    assert json.loads(edge.answer(stream).body) == {"length": 200_000}


def test_background_task_runs_after_the_response(server: Server) -> None:
    get_json(server.edge, path=b"/task")
    server.stop()
    assert background == ["done"]


def test_event_stream_ends_when_the_client_leaves(server: Server) -> None:
    edge = server.edge
    stream = edge.begun(path=b"/events")
    answer = edge.answers[stream]
    edge.until(lambda: len(answer.frames) > 100)
    edge.cancel(stream, _wire.CANCEL_REASON_CLIENT_GONE)
    assert edge.answer(stream).reset == _wire.RESET_REASON_CANCELLED
    assert ended.wait(10)
    assert server.log == ""


def test_file_is_sent_by_the_edge_or_streamed(server: Server) -> None:
    answer = server.edge.get(path=b"/file")
    with open(__file__, "rb") as file:
        size = len(file.read())
    assert answer.headers["content-length"] == str(size)
    assert answer.of(_wire.FILE) or len(answer.body) == size


def test_failing_view(server: Server) -> None:
    answer = server.edge.get(path=b"/fail")
    assert answer.status == 500
    server.stop()
    assert "LookupError: not there" in server.log
    assert server.log.count("the app failed in GET /fail") == 1

"""A Starlette app: streaming in both directions, disconnects, files, lifespan state."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import (
    FileResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

HERE = Path(__file__).parent
trace: contextvars.ContextVar[str] = contextvars.ContextVar("trace", default="none")


@contextlib.asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[dict[str, Any]]:
    """State that every request sees."""
    yield {"seen": [], "left": []}


async def index(request: Request) -> JSONResponse:
    """What there is."""
    paths = [route.path for route in request.app.routes]
    return JSONResponse({"app": "starlette example", "routes": paths})


async def text(_: Request) -> PlainTextResponse:
    """The smallest answer."""
    return PlainTextResponse("hello from starlette\n")


async def count(request: Request) -> JSONResponse:
    """Reads the body as it arrives, without keeping it."""
    length = 0
    async for chunk in request.stream():
        length += len(chunk)
    return JSONResponse({"bytes": length})


async def numbers(request: Request) -> StreamingResponse:
    """A streamed answer without a length."""
    last = int(request.query_params.get("to", "10"))

    async def lines() -> AsyncIterator[str]:
        for number in range(1, last + 1):
            yield f"{number}\n"

    return StreamingResponse(lines(), media_type="text/plain")


async def context(request: Request) -> JSONResponse:
    """A context variable set here is not seen by any other request."""
    before = trace.get()
    trace.set(request.query_params.get("set", "set"))
    await asyncio.sleep(0)
    return JSONResponse({"before": before, "after": trace.get()})


async def wait(request: Request) -> Response:
    """Waits for the client to leave, and remembers that it did."""
    try:
        await request.body()
        while not await request.is_disconnected():
            await asyncio.sleep(0.01)
    except ClientDisconnect:
        pass
    request.state.left.append(request.query_params.get("name", "somebody"))
    return Response(status_code=204)


async def left(request: Request) -> JSONResponse:
    """Who left during /wait."""
    return JSONResponse(request.state.left)


async def later(request: Request) -> JSONResponse:
    """A background task that writes into the lifespan's state."""
    name = request.query_params.get("name", "task")
    task = BackgroundTask(request.state.seen.append, name)
    return JSONResponse({"queued": name}, background=task)


async def seen(request: Request) -> JSONResponse:
    """What the background tasks wrote."""
    return JSONResponse(request.state.seen)


async def source(_: Request) -> FileResponse:
    """A file, with its length, ETag and ranges."""
    return FileResponse(HERE / "main.py", media_type="text/x-python")


async def elsewhere(request: Request) -> RedirectResponse:
    """A redirect to the first route."""
    return RedirectResponse(request.url_for("index"))


async def broken(_: Request) -> Response:
    """Fails before it has answered."""
    raise RuntimeError("broken on purpose")


async def teapot(_: Request) -> Response:
    """Fails politely."""
    raise HTTPException(418, "short and stout")


app = Starlette(
    routes=[
        Route("/", index),
        Route("/text", text),
        Route("/count", count, methods=["POST", "PUT"]),
        Route("/numbers", numbers),
        Route("/context", context),
        Route("/wait", wait),
        Route("/left", left),
        Route("/later", later, methods=["POST"]),
        Route("/seen", seen),
        Route("/source", source),
        Route("/elsewhere", elsewhere),
        Route("/broken", broken),
        Route("/teapot", teapot),
    ],
    middleware=[Middleware(GZipMiddleware, minimum_size=2000)],
    lifespan=lifespan,
)

"""One small app for each framework of the examples' environment."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from flask import Flask, Response, request
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, PlainTextResponse
from starlette.routing import Route

fastapi_app = FastAPI()
flask_app = Flask(__name__)


class Item(BaseModel):
    name: str
    count: int


@fastapi_app.post("/items")
async def items(item: Item) -> dict[str, object]:
    return {"name": item.name, "total": item.count * 2}


@fastapi_app.get("/events")
async def events() -> StreamingResponse:
    async def stream():
        for number in range(3):
            yield f"data: {number}\n\n"
            await asyncio.sleep(0)

    return StreamingResponse(stream(), media_type="text/event-stream")


def announce() -> None:
    print("the background task ran")


async def background(request):
    return PlainTextResponse("accepted", background=BackgroundTask(announce))


async def file(request):
    return FileResponse(__file__)


async def state(request):
    return PlainTextResponse(request.state.word)


@asynccontextmanager
async def lifespan(app):
    yield {"word": "from lifespan"}


starlette_app = Starlette(
    lifespan=lifespan,
    routes=[
        Route("/background", background),
        Route("/file", file),
        Route("/state", state),
    ],
)


@flask_app.post("/form")
def form():
    answer = Response(",".join(request.form.getlist("name")))
    answer.set_cookie("seen", "yes")
    return answer


@flask_app.get("/stream")
def stream():
    return Response((str(number) for number in range(3)), mimetype="text/plain")


@flask_app.get("/fail")
def fail():
    return str(1 // 0)

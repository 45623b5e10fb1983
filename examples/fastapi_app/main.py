"""A FastAPI app: validation, uploads, server-sent events, a background task, lifespan state."""

from __future__ import annotations

import asyncio
import hashlib
import os
import platform
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Optional

from fastapi import BackgroundTasks, FastAPI, File, Request, UploadFile
from fastapi.responses import HTMLResponse, StreamingResponse
from pydantic import BaseModel, Field

HERE = Path(__file__).parent
CHUNK_BYTES = 64 * 1024


class Item(BaseModel):
    """What /items takes and gives."""

    name: str = Field(min_length=1, max_length=80)
    price: float = Field(gt=0)
    tags: list[str] = Field(default_factory=list, max_length=10)
    note: Optional[str] = None


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """What is yielded here is `request.state` in every view."""
    yield {"started": time.time(), "journal": []}


app = FastAPI(title="Keelback example", lifespan=lifespan)


@app.get("/", response_class=HTMLResponse, include_in_schema=False)
async def index() -> str:
    """The page for people."""
    return (HERE / "index.html").read_text(encoding="utf-8")


@app.get("/api/where")
async def where(request: Request) -> dict[str, Any]:
    """Which worker answers, and what it knows about the request."""
    client = request.client
    return {
        "worker": os.getpid(),
        "python": platform.python_version(),
        "loop": type(asyncio.get_running_loop()).__module__.split(".")[0],
        "http": request.scope["http_version"],
        "client": None if client is None else client.host,
        "up_seconds": round(time.time() - request.state.started, 1),
    }


@app.post("/items", status_code=201)
async def create_item(item: Item) -> Item:
    """Answers 422 with the reasons when the body does not fit."""
    return item


@app.get("/items/{number}")
async def read_item(number: int, q: Optional[str] = None) -> dict[str, Any]:
    """A path parameter and a query parameter."""
    return {"number": number, "q": q}


@app.post("/upload")
async def upload(file: Annotated[UploadFile, File()]) -> dict[str, Any]:
    """A multipart upload of any size: its length and SHA-256."""
    digest = hashlib.sha256()
    length = 0
    while chunk := await file.read(CHUNK_BYTES):
        digest.update(chunk)
        length += len(chunk)
    return {"name": file.filename, "bytes": length, "sha256": digest.hexdigest()}


@app.put("/echo")
async def echo(request: Request) -> StreamingResponse:
    """Sends the body back while it arrives.

    It needs a server of ASGI 2.4 or newer, as Keelback is: on older ones Starlette waits for the
    disconnect with receive() while it streams, and so takes the body's messages away.
    """
    kind = request.headers.get("content-type", "application/octet-stream")
    return StreamingResponse(request.stream(), media_type=kind)


@app.get("/events")
async def events(request: Request, count: int = 0, every_ms: int = 1000) -> StreamingResponse:
    """Server-sent events: `count` of them, or until the client leaves."""

    async def stream() -> AsyncIterator[str]:
        number = 0
        while count == 0 or number < count:
            number += 1
            yield f"id: {number}\nevent: tick\ndata: {time.strftime('%H:%M:%S')}\n\n"
            await asyncio.sleep(every_ms / 1000)
        request.state.journal.append("events done")

    return StreamingResponse(stream(), media_type="text/event-stream")


async def write_journal(journal: list[str], text: str) -> None:
    """The background task: runs after the answer has left."""
    await asyncio.sleep(0)
    journal.append(text)


@app.post("/journal", status_code=202)
async def add_to_journal(
    request: Request, tasks: BackgroundTasks, text: str = "hello"
) -> dict[str, str]:
    """Answers at once and does the work afterwards."""
    tasks.add_task(write_journal, request.state.journal, text)
    return {"accepted": text}


@app.get("/journal")
async def read_journal(request: Request) -> dict[str, Any]:
    """What the background tasks of this worker have written."""
    return {"worker": os.getpid(), "journal": list(request.state.journal)}


@app.get("/slow")
def slow(ms: int = 500) -> dict[str, int]:
    """A view that blocks its thread; the others do not feel it."""
    time.sleep(min(ms, 10_000) / 1000)
    return {"slept_ms": ms}

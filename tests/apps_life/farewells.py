"""Apps with requests that do not end, which write down what becomes of them at a stop."""

from __future__ import annotations

import asyncio
import atexit
import os
import time

import place

FOREVER = 60


def stopped() -> None:
    """The hook of --on-worker-stop; exit functions come after it."""
    place.note("life", f"hook {os.getpid()}")


def exits() -> None:
    atexit.register(lambda: place.note("life", f"exit {os.getpid()}"))


def note(what: str) -> None:
    place.note("life", f"{what} {os.getpid()}")


async def go_on():
    note("begun")
    try:
        await asyncio.sleep(FOREVER)
    except asyncio.CancelledError:
        note("cancelled")
        raise


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["path"] == "/forever":
        await go_on()
    elif scope["path"] == "/background":
        await answer(send)
        await go_on()
    elif scope["path"] == "/deaf":
        note("begun")
        while True:
            try:
                await asyncio.sleep(FOREVER)
            except asyncio.CancelledError:
                note("cancelled")
    elif scope["path"] == "/thread":
        note("begun")
        await asyncio.get_running_loop().run_in_executor(None, time.sleep, FOREVER)
    else:
        await answer(send)


async def answer(send):
    head = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
    await send(head)
    await send({"type": "http.response.body", "body": b"ok"})


async def lifespan(receive, send):
    exits()
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    note("shutdown")
    if place.is_open("endless"):
        await asyncio.sleep(FOREVER)
    await send({"type": "lifespan.shutdown.complete"})


def wsgi(environ, start_response):
    if environ["PATH_INFO"] == "/forever":
        note("begun")
        time.sleep(FOREVER)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]


def started() -> None:
    """The hook of --on-worker-start, for the app that has no lifespan."""
    exits()

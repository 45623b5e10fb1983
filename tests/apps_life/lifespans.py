"""ASGI apps that differ in their lifespan. Each writes down what happened to it."""

from __future__ import annotations

import asyncio
import contextvars
import json
import os

import place

SET_AT_STARTUP = contextvars.ContextVar("SET_AT_STARTUP", default="unset")
SET_BY_REQUEST = contextvars.ContextVar("SET_BY_REQUEST", default="unset")


async def reply(send, text):
    start = {"type": "http.response.start", "status": 200}
    await send({**start, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": text.encode()})


async def opened(gate):
    while not place.is_open(gate):
        await asyncio.sleep(0.002)


async def serve_lifespan(scope, receive, send, on_startup=None):
    task = asyncio.current_task()
    message = await receive()
    place.note("life", f"{message['type']} {os.getpid()}")
    if on_startup is not None:
        await on_startup(scope)
    await send({"type": "lifespan.startup.complete"})
    message = await receive()
    same = "same task" if asyncio.current_task() is task else "another task"
    place.note("life", f"{message['type']} {os.getpid()}")
    place.note("tasks", same)
    await send({"type": "lifespan.shutdown.complete"})


async def good(scope, receive, send):
    """Sets up state and a context variable; shows both."""
    if scope["type"] == "lifespan":

        async def set_up(scope):
            SET_AT_STARTUP.set("set at startup")
            scope["state"]["shared"] = ["from startup"]
            scope["state"]["plain"] = "from startup"

        await serve_lifespan(scope, receive, send, set_up)
        return
    path = scope["path"]
    if path == "/state":
        seen = json.dumps([scope["state"]["plain"], len(scope["state"]["shared"])])
        scope["state"]["plain"] = "overwritten"
        scope["state"]["shared"].append("more")
        await reply(send, seen)
    elif path == "/context":
        seen = json.dumps([SET_AT_STARTUP.get(), SET_BY_REQUEST.get()])
        SET_AT_STARTUP.set("overwritten")
        SET_BY_REQUEST.set(scope["query_string"].decode())
        await asyncio.sleep(0)
        after = SET_BY_REQUEST.get()
        await reply(send, json.dumps([seen, after == scope["query_string"].decode()]))
    elif path.startswith("/wait/"):
        place.note("life", f"request {os.getpid()}")
        await opened(path[6:])
        await reply(send, "waited")
        place.note("life", f"answered {os.getpid()}")
    else:
        await reply(send, str(os.getpid()))


async def unaware(scope, receive, send):
    """An app that does not know lifespan."""
    if scope["type"] != "http":
        raise AssertionError("only http is known here")
    await reply(send, "state" if "state" in scope else "no state")


async def returns(scope, receive, send):
    """Ignores the lifespan scope without a word."""
    if scope["type"] == "http":
        await reply(send, "served")


async def refuses(scope, receive, send):
    if scope["type"] == "lifespan":
        place.note("life", f"refused {os.getpid()}")
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "the database is away"})
        return
    await reply(send, "never")


async def raises(scope, receive, send):
    """Fails before it has answered; with lifespan `on` that is a failed start."""
    if scope["type"] == "lifespan":
        await receive()
        raise RuntimeError("startup blew up")
    await reply(send, "served without")


async def dies_later(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        shutdown = asyncio.ensure_future(receive())
        while not shutdown.done():
            if place.is_open("die"):
                os.unlink(place.path("die"))
                raise RuntimeError("the background task fell over")
            await asyncio.sleep(0.002)
        await send({"type": "lifespan.shutdown.complete"})
        return
    await reply(send, str(os.getpid()))


async def slow_start(scope, receive, send):
    if scope["type"] == "lifespan":

        async def set_up(scope):
            await opened("started")

        await serve_lifespan(scope, receive, send, set_up)
        return
    await reply(send, str(os.getpid()))


async def bad_shutdown(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        raise RuntimeError("shutdown blew up")
    await reply(send, "served")


class Double:
    """ASGI 2: called with the scope, then with receive and send."""

    def __init__(self, scope):
        self.scope = scope

    async def __call__(self, receive, send):
        if self.scope["type"] == "lifespan":
            await serve_lifespan(self.scope, receive, send)
            return
        message = await receive()
        await reply(send, f"{self.scope['method']} {message['body'].decode()}")

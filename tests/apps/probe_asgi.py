"""An ASGI app that does what a test tells it to. Its routes are those of probe_wsgi.py."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable
from typing import Any, Callable

from probe import PIECE, SECRET, Journal, Query

JOURNAL = Journal()
WAITERS: list[asyncio.Future[None]] = []


def _notify() -> None:
    for waiter in WAITERS:
        if not waiter.done():
            waiter.set_result(None)
    WAITERS.clear()


JOURNAL.changed = _notify


async def wait_for(key: str, word: str) -> None:
    while not JOURNAL.holds(key, word):
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        WAITERS.append(waiter)
        await waiter


class Call:
    """One request and how to answer it."""

    def __init__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        self.scope = scope
        self.query = Query(scope["query_string"].decode("latin-1"))
        self.key = self.query.get("key")
        self.receive = receive
        self.send = send
        self._left = b""
        self._ended = False

    async def begin(self, *, length: int | None = None) -> None:
        fields = [("content-type", "text/plain"), *self.query.headers()]
        if length is not None:
            fields.append(("content-length", str(length)))
        await self.send(
            {
                "type": "http.response.start",
                "status": self.query.status()[0],
                "headers": [(n.encode("latin-1"), v.encode("latin-1")) for n, v in fields],
                "trailers": bool(self.query.get("trailer")),
            }
        )

    async def body(self, data: bytes, more: bool = False) -> None:
        await self.send({"type": "http.response.body", "body": data, "more_body": more})

    async def text(self, data: bytes) -> None:
        await self.begin(length=len(data))
        await self.body(data)

    async def read(self, size: int = -1) -> bytes:
        """At most `size` bytes of the request body, all of it by default."""
        while not self._ended and (size < 0 or len(self._left) < size):
            message = await self.receive()
            if message["type"] != "http.request":
                self.journal("disconnected")
                raise ConnectionResetError("the client left")
            self._left += message.get("body", b"")
            self._ended = not message.get("more_body", False)
        end = len(self._left) if size < 0 else size
        data, self._left = self._left[:end], self._left[end:]
        return data

    def journal(self, word: str) -> None:
        JOURNAL.write(self.key, word)

    async def wait(self, word: str = "go") -> None:
        await wait_for(self.key, word)


async def root(call: Call) -> None:
    await call.text(b"ok\n")


async def say(call: Call) -> None:
    await call.text(b"said\n")


async def wait_word(call: Call) -> None:
    await wait_for(call.query.get("of"), call.query.get("word"))
    await call.text(b"ok\n")


async def words(call: Call) -> None:
    await call.text(json.dumps(JOURNAL.words(call.query.get("of"))).encode())


async def progress(call: Call) -> None:
    await call.text(str(JOURNAL.number(call.query.get("of"))).encode())


async def wait(call: Call) -> None:
    await call.wait()
    await call.text(b"waited\n")


async def dump(call: Call) -> None:
    scope = call.scope
    body = await call.read()
    seen = {
        "method": scope["method"],
        "path": scope["path"],
        "raw_path": scope["raw_path"].decode("latin-1"),
        "query": scope["query_string"].decode("latin-1"),
        "version": scope["http_version"],
        "scheme": scope["scheme"],
        "root": scope["root_path"],
        "client": scope["client"][0],
        "headers": [[n.decode("latin-1"), v.decode("latin-1")] for n, v in scope["headers"]],
        "body": body.decode("latin-1"),
    }
    await call.text(json.dumps(seen).encode())


async def read(call: Call) -> None:
    body = b""
    call.journal("before")
    await call.wait("go")
    if call.query.get("some"):
        body = await call.read(call.query.number("some"))
        call.journal("some")
        await call.wait("on")
    body += await call.read()
    call.journal("read")
    await call.text(body)


async def echo(call: Call) -> None:
    await call.text(await call.read())


async def count(call: Call) -> None:
    total = 0
    more = True
    while more:
        message = await call.receive()
        total += len(message.get("body", b""))
        JOURNAL.count(call.key, len(message.get("body", b"")))
        more = message.get("more_body", False)
    await call.text(str(total).encode())


async def respond(call: Call) -> None:
    await call.begin()
    parts = call.query.all("part") or [""]
    for part in parts[:-1]:
        await call.body(part.encode("latin-1"), more=True)
    await call.body(parts[-1].encode("latin-1"))
    if call.query.get("trailer"):
        name, _, value = call.query.get("trailer").encode("latin-1").partition(b":")
        await call.send({"type": "http.response.trailers", "headers": [(name, value)]})


async def answer_then_read(call: Call) -> None:
    await call.begin()
    await call.body(b"answer;", more=True)
    await call.wait()
    await call.body(await call.read())


async def stream(call: Call) -> None:
    await call.begin()
    await call.body(b"first;", more=True)
    call.journal("first")
    await call.wait()
    await call.body(b"last;")


async def big(call: Call) -> None:
    left = call.query.number("size")
    await call.begin(length=left)
    try:
        while left > 0:
            piece = PIECE[:left]
            left -= len(piece)
            await call.body(piece, more=left > 0)
            JOURNAL.count(call.key, len(piece))
        call.journal("sent")
    finally:
        call.journal("closed")


async def after(call: Call) -> None:
    await call.text(b"after\n")
    call.journal("answered")
    await call.wait()
    call.journal("ended")


async def fail(call: Call) -> None:
    raise ValueError(SECRET)


async def fail_late(call: Call) -> None:
    await call.begin()
    await call.body(b"first;", more=True)
    await call.wait()
    raise ValueError(SECRET)


async def silent(call: Call) -> None:
    return


async def silent_late(call: Call) -> None:
    await call.begin()
    await call.body(b"first;", more=True)


async def hang(call: Call) -> None:
    try:
        await call.wait("never")
    except BaseException as error:
        call.journal(type(error).__name__)
        raise


async def stubborn(call: Call) -> None:
    while True:
        try:
            time.sleep(0.02)
        except BaseException:
            call.journal("refused to end")


async def hint(call: Call) -> None:
    links = [link.encode("latin-1") for link in call.query.all("link")]
    await call.send({"type": "http.response.early_hint", "links": links})
    await call.begin()
    await call.body(b"hinted;", more=True)
    await call.send({"type": "http.response.early_hint", "links": links})
    await call.body(b"too late")


ROUTES: dict[str, Callable[[Call], Awaitable[None]]] = {
    "/": root,
    "/say": say,
    "/await": wait_word,
    "/words": words,
    "/progress": progress,
    "/wait": wait,
    "/dump": dump,
    "/read": read,
    "/echo": echo,
    "/count": count,
    "/respond": respond,
    "/answer-then-read": answer_then_read,
    "/stream": stream,
    "/big": big,
    "/after": after,
    "/fail": fail,
    "/fail-late": fail_late,
    "/silent": silent,
    "/hang": hang,
    "/stubborn": stubborn,
    "/hint": hint,
    "/silent-late": silent_late,
}


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        raise RuntimeError(f"this app does not know {scope['type']}")
    call = Call(scope, receive, send)
    call.journal(call.query.get("word", "begun"))
    await ROUTES.get(scope["path"], dump)(call)

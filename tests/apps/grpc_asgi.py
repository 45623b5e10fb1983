"""A gRPC service on ASGI alone: length-prefixed messages in the body, the status in trailers.

Messages are bytes and mean nothing. /probe.Probe/Unary and /BothWays answer each one reversed,
/Down a number with as many messages, /Up all with their count and length, /Fail fails.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Awaitable
from typing import Any, Callable

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

PREFIX = struct.Struct("!BI")
INVALID_ARGUMENT = 3
UNIMPLEMENTED = 12


async def messages(receive: Receive) -> AsyncIterator[bytes]:
    """The messages as they arrive, however the body was cut."""
    buffer = bytearray()
    more = True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise ConnectionError("the client is gone")
        buffer += event.get("body", b"")
        more = event.get("more_body", False)
        while len(buffer) >= PREFIX.size:
            _, length = PREFIX.unpack_from(buffer)
            if len(buffer) < PREFIX.size + length:
                break
            yield bytes(buffer[PREFIX.size : PREFIX.size + length])
            del buffer[: PREFIX.size + length]


class Answer:
    """One response: its head with the first message, each message at once, then the status."""

    def __init__(self, send: Send) -> None:
        self.send = send
        self.begun = False

    async def begin(self) -> None:
        if not self.begun:
            self.begun = True
            headers = [(b"content-type", b"application/grpc"), (b"x-served-by", b"asgi")]
            start = {"type": "http.response.start", "status": 200, "headers": headers}
            await self.send({**start, "trailers": True})

    async def message(self, payload: bytes) -> None:
        await self.begin()
        body = PREFIX.pack(0, len(payload)) + payload
        await self.send({"type": "http.response.body", "body": body, "more_body": True})

    async def end(self, status: int = 0, text: bytes = b"") -> None:
        await self.begin()
        await self.send({"type": "http.response.body", "body": b""})
        trailers = [(b"grpc-status", b"%d" % status), (b"x-checked", b"yes")]
        if text:
            trailers.append((b"grpc-message", text))
        await self.send({"type": "http.response.trailers", "headers": trailers})


async def unary(asked: AsyncIterator[bytes], answer: Answer) -> None:
    async for message in asked:
        await answer.message(message[::-1])


async def down(asked: AsyncIterator[bytes], answer: Answer) -> None:
    async for message in asked:
        for number in range(int(message)):
            await answer.message(b"%d" % number)


async def up(asked: AsyncIterator[bytes], answer: Answer) -> None:
    lengths = [len(message) async for message in asked]
    await answer.message(b"%d %d" % (len(lengths), sum(lengths)))


METHODS: dict[str, Callable[[AsyncIterator[bytes], Answer], Awaitable[None]]] = {
    "/probe.Probe/Unary": unary,
    "/probe.Probe/BothWays": unary,
    "/probe.Probe/Down": down,
    "/probe.Probe/Up": up,
}


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        raise RuntimeError(scope["type"])
    answer = Answer(send)
    asked = messages(receive)
    work = METHODS.get(scope["path"])
    if work is not None:
        await work(asked, answer)
        await answer.end()
    elif scope["path"] == "/probe.Probe/Fail":
        async for _ in asked:
            pass
        await answer.end(INVALID_ARGUMENT, b"wrong on purpose")
    else:
        await answer.end(UNIMPLEMENTED)

"""An ASGI app for the tests of workers and of the server's life.

Each path does what the function of its name does.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from typing import Any

import place


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        raise RuntimeError("http only")
    name, _, rest = scope["path"].strip("/").partition("/")
    view = VIEWS.get(name)
    if view is None:
        await reply(send, "no such view", 404)
    else:
        await view(scope, receive, send, rest)


async def start(send: Any, status: int = 200, headers: Any = ()) -> None:
    fields = [(b"content-type", b"text/plain"), *headers]
    await send({"type": "http.response.start", "status": status, "headers": fields})


async def reply(send: Any, text: str, status: int = 200) -> None:
    await start(send, status)
    await send({"type": "http.response.body", "body": text.encode()})


async def part(send: Any, data: Any, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": more})


async def opened(gate: str) -> None:
    while not place.is_open(gate):
        await asyncio.sleep(0.002)


async def whole_body(receive: Any) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ConnectionError("the client left in the middle of the body")
        body += message["body"]
        if not message["more_body"]:
            return bytes(body)


async def hello(scope, receive, send, rest):
    await reply(send, "hello")


async def pid(scope, receive, send, rest):
    await reply(send, str(os.getpid()))


async def version(scope, receive, send, rest):
    await reply(send, f"{sys.version_info[0]}.{sys.version_info[1]}")


async def loop(scope, receive, send, rest):
    await reply(send, type(asyncio.get_running_loop()).__module__.partition(".")[0])


async def show_scope(scope, receive, send, rest):
    await reply(send, json.dumps(scope, default=lambda value: value.decode("latin-1")))


async def types(scope, receive, send, rest):
    """The types, as the specification has them."""
    shown = {name: type(value).__name__ for name, value in scope.items()}
    shown["header"] = [type(part).__name__ for part in scope["headers"][0]]
    await reply(send, json.dumps(shown))


async def taint(scope, receive, send, rest):
    """Writes into its scope, and shows whether somebody has before."""
    seen = [scope.get("tainted"), scope["state"].get("tainted"), scope["asgi"].get("tainted")]
    scope["tainted"] = scope["state"]["tainted"] = scope["asgi"]["tainted"] = "yes"
    scope["extensions"].clear()
    scope["headers"].clear()
    await reply(send, json.dumps(seen))


async def echo(scope, receive, send, rest):
    await reply(send, (await whole_body(receive)).decode("latin-1"))


async def wait(scope, receive, send, gate):
    await whole_body(receive)
    place.note(f"{gate}.begun", os.getpid())
    await opened(gate)
    await reply(send, f"waited for {gate}")


async def stream(scope, receive, send, gate):
    await start(send)
    await part(send, b"first,")
    place.note(f"{gate}.begun", os.getpid())
    await opened(gate)
    await part(send, b"last", False)


async def count(scope, receive, send, name):
    await whole_body(receive)
    place.note(name, scope["query_string"].decode() or os.getpid())
    await reply(send, "counted")


async def count_and_wait(scope, receive, send, name):
    await whole_body(receive)
    place.note(f"{name}.begun", os.getpid())
    await opened(name)
    await reply(send, f"{os.getpid()}")


async def nap(scope, receive, send, rest):
    await asyncio.sleep(float(rest) / 1000)
    await reply(send, "rested")


async def block(scope, receive, send, gate):
    """Blocks the event loop, as a view that is wrongly async does."""
    place.note(f"{gate}.begun", os.getpid())
    place.wait(gate)
    await reply(send, f"blocked for {gate}")


async def block_after(scope, receive, send, milliseconds):
    """Answers, and only then blocks the event loop, as a background task that is wrongly async."""
    await reply(send, "answered")
    await asyncio.sleep(0)
    time.sleep(float(milliseconds) / 1000)


async def background(scope, receive, send, gate):
    """Goes on after its response."""
    await reply(send, "answered")
    await opened(gate)
    message = await receive()
    place.note(f"{gate}.ran", message["type"])


async def disconnect(scope, receive, send, name):
    """Waits for the client to leave, and says what it was told, twice."""
    await whole_body(receive)
    place.note(f"{name}.begun", os.getpid())
    for _ in range(2):
        place.note(f"{name}.told", json.dumps(await receive()))


async def compute(scope, receive, send, name):
    """Works piece by piece, as an app that looks for the client in between."""
    await whole_body(receive)
    left = asyncio.ensure_future(receive())
    place.note(f"{name}.begun", os.getpid())
    steps = 0
    while not left.done():
        steps += 1
        await asyncio.sleep(0)
    place.note(f"{name}.told", left.result()["type"])


async def receive_again(scope, receive, send, name):
    """After the body and until the client leaves, receive() must neither return nor spin."""
    await whole_body(receive)
    again = asyncio.ensure_future(receive())
    before = time.process_time()
    await opened(name)
    await reply(send, json.dumps({"done": again.done(), "cpu": time.process_time() - before}))
    place.note(f"{name}.after", (await again)["type"])


async def cancelled_receive(scope, receive, send, rest):
    """A cancelled receive() must let the cancellation through."""
    await whole_body(receive)
    task = asyncio.ensure_future(receive())
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        await reply(send, "cancelled")
    else:
        await reply(send, "swallowed")


async def send_until_error(scope, receive, send, name):
    """Streams to a client that leaves; writes down what send() raised."""
    await start(send)
    try:
        while True:
            await part(send, b"x" * 1024)
            place.note(f"{name}.begun", os.getpid())
            await asyncio.sleep(0.001)
    except BaseException as error:
        kinds = [kind.__name__ for kind in type(error).__mro__]
        place.note(f"{name}.raised", "OSError" if "OSError" in kinds else kinds)
        raise


async def flood(scope, receive, send, name):
    """As much as the client takes; each part that was taken is written down."""
    size, parts = 256 * 1024, 64
    await start(send, 200, [(b"content-length", str(size * parts).encode())])
    try:
        for index in range(parts):
            await part(send, b"x" * size, index < parts - 1)
            place.note(f"{name}.sent", index)
    except OSError:
        place.note(f"{name}.released", "OSError")
        raise
    place.note(f"{name}.complete", parts)


async def slow_reader(scope, receive, send, name):
    """Reads nothing of the body until the gate is open."""
    place.note(f"{name}.begun", os.getpid())
    await opened(name)
    await reply(send, str(len(await whole_body(receive))))


async def borrowed(scope, receive, send, rest):
    """Sends a buffer, and uses it again at once."""
    buffer = bytearray(b"first part,")
    await start(send)
    await part(send, buffer)
    buffer[:] = b"XXXXXXXXXXX"
    view = memoryview(bytearray(b"second part"))
    await part(send, view)
    view[:] = b"YYYYYYYYYYY"
    await part(send, b"", False)


async def pathsend(scope, receive, send, name):
    if "http.response.pathsend" not in scope["extensions"]:
        raise RuntimeError("no pathsend here")
    await start(send)
    await send({"type": "http.response.pathsend", "path": place.path(name)})


async def trailers(scope, receive, send, rest):
    offered = "http.response.trailers" in scope["extensions"]
    begin = {"type": "http.response.start", "status": 200, "trailers": offered}
    await send({**begin, "headers": [(b"trailer", b"checksum")]})
    await part(send, b"body", False)
    if offered:
        await send(
            {
                "type": "http.response.trailers",
                "headers": [(b"checksum", b"42")],
                "more_trailers": True,
            }
        )
        await send({"type": "http.response.trailers", "headers": [(b"second", b"2")]})


async def hints(scope, receive, send, order):
    """103 before the response's start, or after it, which the specification's text allows too."""
    hint = {"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload"]}
    if order == "before":
        await send(hint)
    await start(send)
    if order == "after":
        await send(hint)
    await part(send, b"hinted", False)


async def unknown_message(scope, receive, send, rest):
    try:
        await send({"type": "http.response.made_up"})
    except Exception as error:
        await reply(send, type(error).__name__)


async def spin(scope, receive, send, name):
    """Never lets the event loop go on."""
    place.note(f"{name}.begun", os.getpid())
    while True:
        pass


async def match_long(scope, receive, send, name):
    """In C code that keeps the interpreter lock."""
    place.note(f"{name}.begun", os.getpid())
    re.match(r"(a|a)*$", "a" * 64 + "b")


async def await_long(scope, receive, send, name):
    """Waits for what never comes; says what ended that."""
    place.note(f"{name}.begun", os.getpid())
    try:
        await asyncio.sleep(3600)
    except BaseException as error:
        place.note(f"{name}.ended", type(error).__name__)
        raise


async def die(scope, receive, send, name):
    place.note(name, os.getpid())
    os._exit(7)


async def say(scope, receive, send, rest):
    print(f"printed {rest}")
    print(f"complained {rest}", file=sys.stderr)
    await reply(send, "said")


async def fail(scope, receive, send, rest):
    raise RuntimeError(f"on purpose {rest}")


async def fail_late(scope, receive, send, gate):
    await start(send, 200)
    await part(send, b"begun")
    await opened(gate)
    raise RuntimeError(f"late {gate}")


VIEWS = {
    view.__name__: view
    for view in (
        *(hello, pid, version, loop, show_scope, types, taint, echo, wait, stream, count),
        *(count_and_wait, nap, block, block_after, background, disconnect, compute, receive_again),
        *(cancelled_receive, send_until_error, flood, slow_reader, borrowed, pathsend, trailers),
        *(hints, unknown_message, spin, match_long, await_long, die, say, fail, fail_late),
    )
}

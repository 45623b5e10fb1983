"""An ASGI app whose WebSockets do what the first part of their path names.

The second part is the name under which it notes what it sees (place.py). Over HTTP: its process,
a page whose script talks with /echo and /scope, or a greeting.
"""

from __future__ import annotations

import json
import os
from typing import Any, Callable
from urllib.parse import parse_qs

import place
from asgi_app import opened

PIECE = 64 * 1024
PAGE = """<!doctype html>
<title>WebSocket</title>
<link rel="icon" href="data:,">
<ul></ul>
<script>
const origin = location.origin.replace("http", "ws");
const say = (line) => {
  document.querySelector("ul").append(Object.assign(document.createElement("li"), {
    textContent: line,
  }));
};
const facts = new WebSocket(origin + "/scope");
facts.onmessage = ({ data }) => {
  const { http_version, scheme } = JSON.parse(data);
  say(`${scheme} over ${http_version}`);
};
const socket = new WebSocket(origin + "/echo", ["one", "two"]);
socket.binaryType = "arraybuffer";
const bytes = new Uint8Array(1_000_000).map((_, at) => at);
socket.onopen = () => {
  say(`protocol ${socket.protocol} ${socket.extensions.split(";")[0]}`);
  socket.send("grüß dich");
  socket.send(bytes);
};
socket.onmessage = ({ data }) => {
  if (typeof data === "string") return say(`text ${data}`);
  const same = new Uint8Array(data).every((byte, at) => byte === bytes[at]);
  say(`bytes ${data.byteLength} ${same}`);
  socket.close(1000);
};
socket.onclose = ({ code, wasClean }) => say(`closed ${code} ${wasClean}`);
</script>
"""


class Socket:
    """One WebSocket, and the words of its path."""

    def __init__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self.scope = scope
        self.receive = receive
        self._send = send
        self.view, _, self.name = scope["path"].strip("/").partition("/")
        self.query = {k: v[0] for k, v in parse_qs(scope["query_string"].decode()).items()}

    def note(self, line: object) -> None:
        place.note(self.name, line)

    async def send(self, kind: str, **fields: Any) -> None:
        await self._send({"type": f"websocket.{kind}", **fields})

    async def accept(self, **fields: Any) -> None:
        await self.send("accept", **fields)

    async def message(self) -> str | bytes | None:
        """The next one; the disconnect is noted, and None."""
        event = await self.receive()
        if event["type"] == "websocket.disconnect":
            self.note(f"disconnect {event['code']} {event['reason']}".strip())
            return None
        text = event.get("text")
        return event["bytes"] if text is None else text

    async def reply(self, message: str | bytes) -> None:
        if isinstance(message, str):
            await self.send("send", text=message)
        else:
            await self.send("send", bytes=message)

    async def echo(self) -> None:
        message = await self.message()
        while message is not None:
            await self.reply(message)
            message = await self.message()


async def echo(socket: Socket) -> None:
    offered = socket.scope["subprotocols"]
    await socket.accept(subprotocol=offered[-1] if offered else None)
    if socket.name:
        socket.note("accepted")
    await socket.echo()


async def echo_later(socket: Socket) -> None:
    socket.note("asked")
    await opened(f"{socket.name}.accept")
    await echo(socket)


async def hesitate(socket: Socket) -> None:
    """Accepts only when the client has gone."""
    socket.note("asked")
    await socket.message()
    try:
        await socket.accept()
        socket.note("accepted")
    except OSError as error:
        socket.note(type(error).__name__)


async def pid(socket: Socket) -> None:
    await socket.accept()
    await socket.send("send", text=str(os.getpid()))
    await socket.echo()


async def scope(socket: Socket) -> None:
    shown = ("type", "scheme", "http_version", "path", "raw_path", "root_path", "subprotocols")
    facts = {name: socket.scope[name] for name in shown}
    facts["raw_path"] = facts["raw_path"].decode()
    facts["extensions"] = sorted(socket.scope["extensions"])
    facts["headers"] = [[n.decode(), v.decode("latin-1")] for n, v in socket.scope["headers"]]
    await socket.accept()
    await socket.send("send", text=json.dumps(facts))


async def headers(socket: Socket) -> None:
    fields = [(b"X-Answer", b"42"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
    await socket.accept(headers=fields)
    await socket.echo()


async def wrong_header(socket: Socket) -> None:
    await socket.accept(headers=[(b"sec-websocket-accept", b"mine")])


async def refuse(socket: Socket) -> None:
    await socket.send("close", code=4000, reason="not you")
    socket.note((await socket.receive())["type"])


async def respond(socket: Socket) -> None:
    fields = [(b"content-type", b"text/plain"), (b"x-why", b"tea")]
    await socket.send("http.response.start", status=418, headers=fields)
    await socket.send("http.response.body", body=b"first,", more_body=True)
    await opened(f"{socket.name}.more")
    await socket.send("http.response.body", body=b"second")


async def fail_first(socket: Socket) -> None:
    raise LookupError("before accept")


async def fail_then(socket: Socket) -> None:
    await socket.accept()
    await socket.message()
    raise LookupError("after accept")


async def leave_first(socket: Socket) -> None:
    """Returns without an answer."""


async def leave_then(socket: Socket) -> None:
    await socket.accept()
    await socket.message()


async def close(socket: Socket) -> None:
    await socket.accept()
    code = int(socket.query["code"])
    await socket.send("close", code=code, reason=socket.query.get("reason"))
    await socket.message()
    try:
        await socket.send("send", text="too late")
    except OSError as error:
        socket.note(type(error).__name__)


async def hold(socket: Socket) -> None:
    """Takes nothing before the gate opens, then notes the size of each message."""
    await socket.accept()
    socket.note("accepted")
    await opened(f"{socket.name}.read")
    message = await socket.message()
    while message is not None:
        socket.note(len(message))
        message = await socket.message()


async def flood(socket: Socket) -> None:
    """Sends pieces until it cannot, and notes how many."""
    await socket.accept()
    try:
        for number in range(int(socket.query["pieces"])):
            await socket.send("send", bytes=bytes(PIECE))
            socket.note(f"sent {number + 1}")
        socket.note("done")
    except OSError as error:
        socket.note(type(error).__name__)
    await socket.message()


VIEWS: dict[str, Callable[[Socket], Any]] = {
    view.__name__: view
    for view in (
        *(
            echo,
            echo_later,
            hesitate,
            pid,
            scope,
            headers,
            wrong_header,
            refuse,
            respond,
            fail_first,
        ),
        *(fail_then, leave_first, leave_then, close, hold, flood),
    )
}


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        socket = Socket(scope, receive, send)
        await receive()  # websocket.connect
        await VIEWS[socket.view](socket)
    elif scope["type"] == "http":
        page = scope["path"] == "/page"
        fields = [(b"content-type", b"text/html; charset=utf-8" if page else b"text/plain")]
        body = PAGE if page else str(os.getpid()) if scope["path"] == "/pid" else "hello"
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": body.encode()})
    else:
        raise RuntimeError(scope["type"])

"""One WebSocket as an ASGI app sees it: its `receive` and `send`, and how it ends.

The edge speaks WebSocket with the client; here go whole messages. Until the app accepts, this is a
request like others (asgi_http.py), which the app may also answer with a response.

Contract: an accepted WebSocket ends with exactly one WS_CLOSE frame, whoever closed, also when the
app fails. The app is told once: what came before the client's close is received first, then
websocket.disconnect.

Strategy of both directions: what the app has not taken is not credited, so a slow app slows its
client down; but parts of a message that it can't have yet are credited while it has nothing else
to take, so a message may be longer than the window. A message of the app's that is longer than the
credit goes on by itself as credit comes: a cancelled `send` leaves no message cut in two.
"""

from __future__ import annotations

import asyncio
from collections import deque
from struct import Struct
from typing import TYPE_CHECKING, Any

from . import _wire
from .allocator import LARGE_BYTES, keep_freed_memory
from .asgi_failure import failure_text
from .asgi_http import COMPLETE, HALF_CLOSED, IDLE, LEFT, HttpCycle
from .asgi_parts import Parts, Rest
from .errors import BadResponse, ClientDisconnected, ProtocolError
from .ring import PART_BYTES_MIN

if TYPE_CHECKING:
    from .asgi_link import EdgeLink

OPEN = 4
"""The phase of an accepted WebSocket; the others are those of HttpCycle."""

NORMAL, NO_CODE, LOST, INTERNAL_ERROR = 1000, 1005, 1006, 1011
SERVICE_RESTART = 1012

PART_BYTES = 512 * 1024
"""The longest part of a message: a quarter of a ring."""

_WINDOW = _wire.WS_WINDOW_BYTES
_CREDIT_STEP_BYTES = _WINDOW // 4
_COST = _wire.WS_MESSAGE_COST_BYTES
_TEXT = _wire.WS_KIND_TEXT
_BINARY = _wire.WS_KIND_BINARY
_MESSAGE = _wire.WORKER_MESSAGE
_HEADER = Struct("<IIBBH").pack
_CREDIT = Struct("<IIBBHI").pack

_OWN_FIELDS = frozenset(
    (
        b"connection",
        b"content-length",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
"""Fields of an accepted handshake that are the server's."""
_BUFFERS: Any = (bytes, bytearray, memoryview)
_PROTOCOL = b"sec-websocket-protocol"
_REFUSED = [(b"content-length", b"0")]


def websocket_scope(scope: dict[str, Any]) -> None:
    """Makes one out of the http scope of a handshake."""
    del scope["method"]
    scope["type"] = "websocket"
    scope["scheme"] = "wss" if scope["scheme"] == "https" else "ws"
    offered = [value for name, value in scope["headers"] if name == b"sec-websocket-protocol"]
    names = [name.strip(" \t") for name in b",".join(offered).decode("latin-1").split(",")]
    scope["subprotocols"] = [name for name in names if name]
    extensions = scope["extensions"]
    scope["extensions"] = {"websocket.http.response": {}}
    if "tls" in extensions:
        scope["extensions"]["tls"] = extensions["tls"]


def can_be_sent(code: int) -> bool:
    """RFC 6455 section 7.4, and its registry."""
    return (1000 <= code <= 1014 and code not in (1004, 1005, 1006)) or 3000 <= code <= 4999


class WebsocketCycle(HttpCycle):
    """One WebSocket. Methods are called on the loop's thread only."""

    __slots__ = (
        "_code",
        "_held",
        "_messages",
        "_outstanding",
        "_owed",
        "_parts",
        "_reason",
        "_rest",
        "_told",
    )

    def __init__(self, link: EdgeLink, stream: int, flags: int) -> None:
        super().__init__(link, stream, flags, False)
        # Most sockets are idle most of the time: what they need then only is made then.
        self._messages: deque[tuple[str | bytes, int]] | None = None
        """Whole messages that the app has not taken, and what each will be credited."""
        self._parts: Parts | None = None
        """Of a message whose end has not come."""
        self._held = 0
        """Bytes of these parts that wait to be credited."""
        self._outstanding = 0
        """What has arrived and was not credited, the edge's view."""
        self._owed = 0
        """What is to be credited with the next step."""
        self._rest: Rest | None = None
        self._code = LOST
        self._reason = ""
        self._told = False

    # --- events from the edge

    def part_arrived(self, data: bytes | memoryview, flags: int) -> bool:
        """An earlier part of a message, only lent. False where the edge may not send it."""
        if self.phase != OPEN or flags & _wire.FLAG_END:
            return False
        size = len(data)
        self._outstanding += size
        if self._outstanding > _WINDOW:
            return False
        if self._parts is None:
            self._parts = Parts(_BINARY if flags & _wire.FLAG_BINARY else _TEXT)
            if size >= LARGE_BYTES:
                keep_freed_memory()
        self._parts.add(data)
        if self._messages is None:
            self._owe(size)
        else:
            self._held += size
        return True

    def message_arrived(self, data: bytes | memoryview, kind: int) -> None:
        """The last part of a message, mostly all of it; only lent."""
        cost = len(data) + _COST
        self._outstanding += cost
        if self.phase != OPEN or self._outstanding > _WINDOW:
            raise ProtocolError(f"stream {self.stream}: a message that was not allowed")
        message: str | bytes
        if self._parts is not None:
            message = self._parts.finish(data, kind)
            self._parts = None
            cost += self._held
            self._held = 0
        elif kind == _TEXT:
            message = str(data, "utf-8")
        else:
            message = bytes(data)
        if self._messages is None:
            self._messages = deque()
        self._messages.append((message, cost))
        if self.waiters is not None:
            self._wake()

    def room_came(self) -> None:
        """The response ring has room again."""
        if self._rest is not None:
            self._go_on(self._rest)

    def credit_arrived(self, count: int) -> None:
        self.credit += count
        if self._rest is not None:
            self._go_on(self._rest)
        self._wake()

    def closed(self, code: int, reason: str) -> None:
        """The client has closed the WebSocket, or was lost, or the server closes it."""
        if self.phase != OPEN:
            raise ProtocolError(f"stream {self.stream}: a close that was not allowed")
        self.client = LEFT
        self._end(code, reason)

    def cancelled(self, reason: int) -> None:
        if self.phase != OPEN:
            super().cancelled(reason)
        elif reason != _wire.CANCEL_REASON_HALF_CLOSED:
            shutdown = reason == _wire.CANCEL_REASON_SHUTDOWN
            self.closed(SERVICE_RESTART if shutdown else LOST, "")

    # --- receive

    async def receive(self) -> dict[str, Any]:
        if not self.asked:
            self.asked = True
            return {"type": "websocket.connect"}
        while True:
            if self._messages is not None:
                return self._take(self._messages)
            if self.client == LEFT or self.phase == COMPLETE:
                break
            if self.client == HALF_CLOSED and self.phase != OPEN:
                break
            await self._event()
        if self._told:
            raise ClientDisconnected("receive() was called after websocket.disconnect")
        self._told = True
        return {"type": "websocket.disconnect", "code": self._code, "reason": self._reason}

    def _take(self, messages: deque[tuple[str | bytes, int]]) -> dict[str, Any]:
        data, cost = messages.popleft()
        if not messages:
            self._messages = None
            cost += self._held
            self._held = 0
        self._owe(cost)
        if isinstance(data, str):
            return {"type": "websocket.receive", "text": data}
        return {"type": "websocket.receive", "bytes": data}

    def _owe(self, cost: int) -> None:
        self._owed += cost
        if self._owed >= _CREDIT_STEP_BYTES and self.phase == OPEN:
            self._emit(_CREDIT(4, self.stream, _wire.WORKER_CREDIT, 0, 0, self._owed))
            self._outstanding -= self._owed
            self._owed = 0

    # --- send

    async def send(self, message: dict[str, Any]) -> None:
        kind: str = message["type"]
        if kind == "websocket.send":
            await self._send_message(message)
        elif self.client == LEFT:
            self._left()
        elif self.phase == OPEN or kind == "websocket.close":
            self._control(kind, message)
        elif kind == "websocket.accept":
            self._accept(message)
        elif kind in ("websocket.http.response.start", "websocket.http.response.body"):
            await super().send({**message, "type": kind[len("websocket.") :]})
        else:
            raise RuntimeError(f"unknown ASGI message {kind!r}")

    async def _send_message(self, message: dict[str, Any]) -> None:
        data: Any = message.get("bytes")
        kind = _BINARY
        if data is None:
            kind = _TEXT
            text = message.get("text")
            if not isinstance(text, str):
                raise TypeError("websocket.send needs bytes, or text as a string")
            data = text if len(text) >= LARGE_BYTES else text.encode()
        elif type(data) is not bytes:
            if not isinstance(data, _BUFFERS):
                raise TypeError(f"websocket.send needs bytes, not {type(data).__name__}")
            data = bytes(data)  # the app may reuse its buffer before we have sent it
        size = len(data)
        link = self.link
        if (
            size < PART_BYTES_MIN
            and size + _COST <= self.credit
            and self._rest is None
            and self.phase == OPEN
        ):
            self.credit -= size + _COST
            link.out += (_HEADER(size, self.stream, _MESSAGE, 0, kind), data)
            if not link.scheduled:
                link.schedule()
        else:
            await self._send_long(data, kind)
        while len(link.backlog) and link.congested() and self.phase == OPEN:
            await link.drained()

    async def _send_long(self, data: str | bytes, kind: int) -> None:
        self._check_open("websocket.send")
        while self._rest is not None:  # another task's
            await self._event()
            self._check_open("websocket.send")
        if len(data) >= LARGE_BYTES:
            keep_freed_memory()
        rest = self._rest = Rest(data, kind)
        self._go_on(rest)
        while self._rest is rest:
            await self._event()
            self._check_open("websocket.send")

    def _go_on(self, rest: Rest) -> None:
        """Sends what credit and the ring allow."""
        size = len(rest.data)
        while True:
            left = size - rest.offset
            last = left <= PART_BYTES and left + _COST <= self.credit
            count = left if last else min(left, self.credit, PART_BYTES)
            if count == 0 and not last:
                return
            if not self._put(rest.data[rest.offset : rest.offset + count], rest.kind, last):
                return
            rest.offset += count
            if last:
                self._rest = None
                self._wake()
                return

    def _put(self, part: memoryview, kind: int, last: bool) -> bool:
        """A part of a message, or the last one. False: it must wait for room in the ring."""
        size = len(part)
        link = self.link
        frame = _wire.DATA
        flags = aux = 0
        if last:
            frame = _MESSAGE
            aux = kind
        elif kind == _BINARY:
            flags = _wire.FLAG_BINARY
        shared = None
        if size >= PART_BYTES_MIN:
            rings = link.board.rings
            in_ring = frame if last else _wire.SHARED_DATA
            shared = rings.put(part, self.stream, flags, in_ring, aux)
            if shared is None and rings.mapped:
                link.want_room(self)
                return False
        self.credit -= size + _COST if last else size
        if shared is None:
            link.out += (_HEADER(size, self.stream, frame, flags, aux), bytes(part))
        else:
            link.out.append(shared)
        link.schedule()
        return True

    def _control(self, kind: str, message: dict[str, Any]) -> None:
        if kind != "websocket.close":
            raise RuntimeError(f"{kind!r} was sent after websocket.accept")
        if self.phase == IDLE:
            self._start({"status": 403, "headers": _REFUSED})
            self._respond(b"")
            return
        self._check_open(kind)
        code = message.get("code")
        code = NORMAL if code is None else int(code)
        if not can_be_sent(code):
            raise ValueError(f"a WebSocket can't be closed with the code {code}")
        self._end(code, message.get("reason") or "")

    def _accept(self, message: dict[str, Any]) -> None:
        if self.phase != IDLE:
            raise RuntimeError("websocket.accept was sent after the handshake was answered")
        fields = [(bytes(field[0]), bytes(field[1])) for field in message.get("headers") or ()]
        protocol = message.get("subprotocol")
        if protocol is not None:
            fields = [field for field in fields if field[0].lower() != _PROTOCOL]
            fields.append((_PROTOCOL, protocol.encode("latin-1")))
        for name, _ in fields:
            lower = name.lower()
            own = lower.startswith(b"sec-websocket-") and lower != _PROTOCOL
            if own or lower in _OWN_FIELDS:
                raise BadResponse(f"an accepted WebSocket can't have the header {name!r}")
        head, _, _ = self.link.build_head(200, fields)
        lines = head[head.index(b"\n") + 1 : -2]
        self.phase = OPEN
        self.credit += _WINDOW - _wire.RESPONSE_WINDOW_BYTES
        self._emit(_HEADER(len(lines), self.stream, _wire.ACCEPT, 0, 0) + lines)

    def _check_open(self, kind: str) -> None:
        if self.phase == OPEN:
            return
        if self.client == LEFT:
            self._left()
        if self.phase == COMPLETE:
            raise ClientDisconnected(f"{kind!r} was sent after the WebSocket was closed")
        raise RuntimeError(f"{kind!r} was sent before websocket.accept")

    # --- the end

    def _end(self, code: int, reason: str) -> None:
        self._code = code
        self._reason = reason
        self._rest = None
        self._parts = None
        if self.client != LEFT:
            self._messages = None  # it has closed by itself: it wants nothing more
        text = reason.encode()
        self._emit(_HEADER(len(text), self.stream, _wire.WORKER_WS_CLOSE, 0, code) + text)
        self._completed()

    def _ended_badly(self, scope: dict[str, Any], error: BaseException | None) -> None:
        if self.phase != OPEN:
            super()._ended_badly(scope, error)
            return
        if error is None:
            self._end(NORMAL, "")
            return
        self.link.report("error", failure_text(scope, error, False))
        stopped = isinstance(error, asyncio.CancelledError)
        self._end(SERVICE_RESTART if stopped else INTERNAL_ERROR, "")

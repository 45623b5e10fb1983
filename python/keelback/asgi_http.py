"""One HTTP request as an ASGI app sees it: its `receive` and `send`, and how it ends.

Contract: every request ends with exactly one final frame (RESPONSE, DATA or FILE with END,
RESPONSE_TRAILERS, or RESET), also when the app fails, goes on after its response, or returns
without one. The response head is held back until the first part of the body, as ASGI asks for: a
small response is one frame, and a failure before the body can still become a 500.

Phases: IDLE -> HELD (start sent by the app, head not yet on the wire) -> STREAMING -> COMPLETE.
Nobody allocates a future unless somebody has to wait; then all who wait on this request are woken
by any event on it and look again.
"""

from __future__ import annotations

import asyncio
import os
from struct import Struct
from typing import TYPE_CHECKING, Any, Callable

from . import _wire
from ._wire import FLAG_END, RESPONSE
from .asgi_body import RequestBody
from .asgi_failure import ERROR_BODY, ERROR_HEADERS, caused_by_leaving, failure_text
from .errors import ClientDisconnected
from .responses import check_field
from .ring import PART_BYTES_MIN

if TYPE_CHECKING:
    from .asgi_link import EdgeLink

IDLE, HELD, STREAMING, COMPLETE = range(4)

# Why the client no longer matters: LEFT also forbids sending, HALF_CLOSED only ends `receive`.
PRESENT, HALF_CLOSED, LEFT = range(3)

BODYLESS = (204, 304)
"""Statuses without a body and without a Content-Length of ours."""
SPLIT_BYTES = 256 * 1024
"""Longest body part of one frame, so that a big body does not hold up other streams' frames."""

_HEADER = Struct("<IIBBH").pack
_RESPONSE = Struct("<IIBBHI").pack
_FILE = Struct("<IIBBHQQ").pack

_TRAILERS_FORBIDDEN = frozenset(
    (b"transfer-encoding", b"content-length", b"host", b"trailer", b"connection", b"upgrade")
)


class HttpCycle:
    """One request. Methods are called on the loop's thread only."""

    __slots__ = (
        "asked",
        "body",
        "bodyless",
        "client",
        "credit",
        "flags",
        "head",
        "is_head",
        "length",
        "link",
        "phase",
        "remaining",
        "status",
        "stream",
        "task",
        "timed_out",
        "trailers",
        "trailers_ok",
        "waiters",
    )

    credit: int
    head: bytes
    length: int | None
    remaining: int
    status: int
    flags: int
    bodyless: bool
    trailers: list[bytes] | None
    task: asyncio.Task[None]

    def __init__(self, link: EdgeLink, stream: int, flags: int, is_head: bool) -> None:
        self.link = link
        self.stream = stream
        self.is_head = is_head
        self.trailers_ok = flags & _wire.FLAG_TRAILERS_OK
        self.phase = IDLE
        self.client = PRESENT
        self.asked = False
        self.timed_out = False
        self.credit = _wire.RESPONSE_WINDOW_BYTES
        self.waiters: list[asyncio.Future[None]] | None = None
        self.body = None if flags & FLAG_END else RequestBody(flags & _wire.FLAG_EXPECT != 0)

    async def run(self, app: Callable[..., Any], scope: dict[str, Any]) -> None:
        """The request's task. Never raises: SystemExit out of a task would end the loop."""
        try:
            await app(scope, self.receive, self.send)
        except BaseException as error:
            self._ended_badly(scope, error)
        else:
            if self.phase != COMPLETE:
                self._ended_badly(scope, None)
        finally:
            self.link.active.discard(self)

    async def run_waiting(self, app: Callable[..., Any], scope: dict[str, Any]) -> None:
        """`run` without an eager start (before Python 3.12): the request begins only here, and
        until then the monitor may have given it back."""
        if self.link.claim(self.stream):
            await self.run(app, scope)

    # --- events from the edge

    def body_arrived(self, data: bytes, ended: bool) -> bool:
        """False where the edge sent more than it had credit for."""
        allowed = self.body is not None and self.body.arrived(data, ended)
        self._wake()
        return allowed

    def credit_arrived(self, count: int) -> None:
        self.credit += count
        self._wake()

    def cancelled(self, reason: int) -> None:
        if reason == _wire.CANCEL_REASON_HALF_CLOSED:
            self.client = max(self.client, HALF_CLOSED)
        elif reason == _wire.CANCEL_REASON_CLIENT_GONE:
            self.client = LEFT
        else:
            self.client = LEFT
            late = self.timed_out = reason == _wire.CANCEL_REASON_TIMEOUT
            self._reset(_wire.RESET_REASON_TIMEOUT if late else _wire.RESET_REASON_CANCELLED)
            self.link.cancel_task(self)
        self._wake()

    def _wake(self) -> None:
        waiters = self.waiters
        if waiters is not None:
            self.waiters = None
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    async def _event(self) -> None:
        waiter = self.link.loop.create_future()
        if self.waiters is None:
            self.waiters = [waiter]
        else:
            self.waiters.append(waiter)
        await waiter

    # --- receive

    async def receive(self) -> dict[str, Any]:
        while True:
            if self.client == LEFT or self.phase == COMPLETE:
                return {"type": "http.disconnect"}
            if not self.asked:
                body = self.body
                if body is None:
                    self.asked = True
                    return {"type": "http.request", "body": b"", "more_body": False}
                message, frame = body.take(self.stream)
                # A 100 after the response has begun would be a second answer.
                if frame and (message is not None or self.phase < STREAMING):
                    self._emit(frame)
                if message is not None:
                    self.asked = body.ended
                    return message
            if self.client != PRESENT:
                return {"type": "http.disconnect"}
            await self._event()

    # --- send

    async def send(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if self.client == LEFT:
            self._left()
        if kind == "http.response.start":
            if self.phase != IDLE:
                raise RuntimeError("http.response.start was sent twice")
            self._start(message)
        elif kind == "http.response.body":
            phase = self.phase
            if not HELD <= phase <= STREAMING:
                raise RuntimeError(self._misplaced(kind))
            body = message.get("body", b"")
            if type(body) is not bytes:
                body = bytes(body)  # the app may reuse its buffer before we have sent it
            more = message.get("more_body", False)
            if more or phase != HELD or self.trailers is not None or len(body) > SPLIT_BYTES:
                await self._stream(body, more)
            else:
                self._respond(body)
        elif kind == "http.response.pathsend":
            if self.phase != HELD:
                raise RuntimeError(self._misplaced(kind))
            self._send_path(message["path"])
        else:
            self._send_rare(kind, message)

    def _start(self, message: dict[str, Any]) -> None:
        self.status = status = message["status"]
        self.head, self.length, self.flags = self.link.build_head(
            status, message.get("headers", ())
        )
        self.bodyless = self.is_head or status in BODYLESS
        self.trailers = [] if self.trailers_ok and message.get("trailers") else None
        self.phase = HELD

    def _respond(self, body: bytes) -> None:
        """The whole response in one frame: nearly all of them come by here."""
        head = self.head
        size = len(body)
        if self.length != size or self.bodyless:
            if self.length is None:
                head = self._with_length(size)
            elif not self.bodyless:
                self._mismatch(size > self.length)
                return
            if self.bodyless:
                body = b""
                size = 0
        stream = self.stream
        link = self.link
        count = len(head)
        link.out += (
            _RESPONSE(
                4 + count + size, stream, RESPONSE, self.flags | FLAG_END, self.status, count
            ),
            head,
            body,
        )
        self.phase = COMPLETE
        link.cycles.pop(stream, None)
        if not link.scheduled:
            link.schedule()
        if self.waiters is not None:
            self._wake()

    def _with_length(self, size: int) -> bytes:
        """The head with the Content-Length that the app left out, where the status allows one."""
        if self.status in BODYLESS:
            return self.head
        self.flags |= _wire.FLAG_LENGTH
        return b"%scontent-length: %d\r\n\r\n" % (self.head[:-2], size)

    async def _stream(self, body: bytes, more: bool) -> None:
        if self.phase == HELD:
            self.remaining = -1 if self.length is None or self.bodyless else self.length
            if not more and self.length is None and self.trailers is None:
                self.head = self._with_length(len(body))
        if self.remaining >= 0:
            if len(body) > self.remaining:
                self._mismatch(True)
            self.remaining -= len(body)
            if self.remaining and not more:
                self._mismatch(False)
                return
        if self.bodyless:
            body = b""
        ends = not more and self.trailers is None
        offset = 0
        while True:
            count = min(len(body) - offset, self.credit, SPLIT_BYTES)
            last = offset + count == len(body)
            if count or last:
                part = body if count == len(body) else body[offset : offset + count]
                self.credit -= count
                self._part(part, ends and last)
                offset += count
            if last:
                break
            if self.credit <= 0:
                await self._event()
            if self.client == LEFT:
                self._left()
        if not ends:
            # Bytes on their way that the edge does not take: then all its streams wait here.
            while self.link.congested() and self.client != LEFT:
                await self.link.drained()

    def _part(self, part: bytes, end: bool) -> None:
        """One RESPONSE or DATA frame."""
        flag = FLAG_END if end else 0
        if self.phase == HELD and len(part) >= PART_BYTES_MIN:
            self._part(b"", False)  # the head alone: the part may go through shared memory
        if self.phase == HELD:
            self.phase = STREAMING
            head = self.head
            size = 4 + len(head) + len(part)
            self.link.out += (
                _RESPONSE(size, self.stream, RESPONSE, self.flags | flag, self.status, len(head)),
                head,
                part,
            )
        elif len(part) >= PART_BYTES_MIN and (
            shared := self.link.board.rings.put(part, self.stream, flag)
        ):
            self.link.out.append(shared)
        elif part or end:
            self.link.out += (_HEADER(len(part), self.stream, _wire.DATA, flag, 0), part)
        if end:
            self._completed()
        else:
            self.link.schedule()

    def _send_path(self, path: str) -> None:
        name = os.fsencode(os.path.abspath(path))
        size = os.stat(name).st_size if self.length is None else self.length
        if self.length is None:
            self.head = self._with_length(size)
        if self.bodyless or size == 0:
            self._part(b"", True)
            return
        self._part(b"", False)
        self.link.out += (
            _FILE(16 + len(name), self.stream, _wire.FILE, FLAG_END, 0, 0, size),
            name,
        )
        self._completed()

    def _send_rare(self, kind: str, message: dict[str, Any]) -> None:
        if kind == "http.response.early_hint":
            if self.phase <= HELD:
                links = [(b"link", bytes(link)) for link in message.get("links", ())]
                lines = b"".join(b"%s: %s\r\n" % check_field(*link) for link in links)
                self._emit(_HEADER(len(lines), self.stream, _wire.INFORMATIONAL, 0, 103) + lines)
        elif kind == "http.response.trailers":
            if self.phase == COMPLETE and self.trailers is None:
                return  # the client did not ask for them: the body's end was the response's
            if self.phase != STREAMING or self.trailers is None:
                raise RuntimeError(self._misplaced(kind))
            for field in message.get("headers", ()):
                name, value = check_field(bytes(field[0]).lower(), bytes(field[1]))
                if name not in _TRAILERS_FORBIDDEN:
                    self.trailers += (name, value)
            if not message.get("more_trailers", False):
                block = b"\0".join(self.trailers)
                self._emit(_HEADER(len(block), self.stream, _wire.RESPONSE_TRAILERS, 0, 0) + block)
                self._completed()
        elif kind != "http.response.debug":
            raise RuntimeError(f"unknown ASGI message {kind!r}")

    def _misplaced(self, kind: str) -> str:
        if self.phase == COMPLETE:
            return f"{kind!r} was sent after the response was complete"
        return f"{kind!r} was sent " + ("before" if self.phase == IDLE else "after") + " its turn"

    # --- the end

    def _emit(self, frame: bytes) -> None:
        self.link.out.append(frame)
        self.link.schedule()

    def _completed(self) -> None:
        self.phase = COMPLETE
        link = self.link
        link.cycles.pop(self.stream, None)
        if not link.scheduled:
            link.schedule()
        if self.waiters is not None:
            self._wake()

    def _reset(self, reason: int) -> None:
        if self.phase != COMPLETE:
            self._emit(_HEADER(0, self.stream, _wire.RESET, 0, reason))
            self._completed()

    def _left(self) -> None:
        self._reset(_wire.RESET_REASON_CANCELLED)
        raise ClientDisconnected("the client has disconnected")

    def _mismatch(self, longer: bool) -> None:
        what = "longer" if longer else "shorter"
        self._reset(_wire.RESET_REASON_BODY_LONG if longer else _wire.RESET_REASON_BODY_SHORT)
        text = f"the response body is {what} than its Content-Length of {self.length}"
        if longer:
            raise RuntimeError(text)
        self.link.report("error", text)

    def _ended_badly(self, scope: dict[str, Any], error: BaseException | None) -> None:
        """The app raised, or returned before its response was complete. A 500 while nothing has
        left, else the stream is cut so that the client can tell."""
        if self.client == LEFT:
            self._reset(_wire.RESET_REASON_CANCELLED)
            if error is None or (caused_by_leaving(error) and not self.timed_out):
                return
        idle = self.phase == IDLE
        self.link.report("error", failure_text(scope, error, idle, self.timed_out))
        if self.phase == STREAMING:
            self._reset(_wire.RESET_REASON_APP_ERROR)
        elif self.phase != COMPLETE:
            self._start({"status": 500, "headers": ERROR_HEADERS})
            self._respond(ERROR_BODY)

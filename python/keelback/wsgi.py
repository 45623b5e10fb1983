"""One WSGI call (PEP 3333): start_response, and the frames of what the app gives.

Contract: every call ends with exactly one final frame: RESPONSE or DATA with END, FILE with END, or
RESET. Each non-empty piece leaves before the app is asked for the next one; what is complete
in one piece is one frame, which waits for the others of its batch (threads.py flushes it).

A call runs in one thread. What arrives for it from the edge (credit, cancellation) is set by the
thread that reads the link, which then wakes it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from struct import Struct
from typing import TYPE_CHECKING, Any, Callable, ClassVar

from . import _wire
from .errors import ClientDisconnected, Reporter, RequestTimeout
from .interrupt import conclude, lower_shield, raise_shield
from .loader import app_traceback
from .responses import ONE_FRAME_BYTES, Heads, Lines, field_lines
from .ring import PART_BYTES_MIN
from .wsgi_environ import where
from .wsgi_file import FileWrapper, send_file
from .wsgi_input import RequestInput

if TYPE_CHECKING:
    from .threads_link import WsgiLink
    from .threads_seat import Seat

SPLIT_BYTES = ONE_FRAME_BYTES
"""Longest body part of one frame, so that a big body does not hold up other streams' frames."""

_STREAM = Struct("<I").pack
_HEADER = Struct("<IIBBH")
_WITH_U32 = Struct("<IIBBHI")

_ERROR_BODY = b"Internal Server Error"
_ERROR_HEADERS = [("content-type", "text/plain; charset=utf-8")]
_END = _wire.FLAG_END


class WsgiCall:
    """The state of one call. There is no __init__: what most calls never change are class
    attributes, and a runner sets its own (`heads`, `known`, `reporter`) in a subclass."""

    heads: ClassVar[Heads]
    known: ClassVar[dict[Any, Lines]]
    reporter: ClassVar[Reporter]

    link: WsgiLink
    seat: Seat
    stream: int

    in_place = True
    """A usual small response is sent by threads.py, without another call."""
    lines: Lines | None = None
    head_only = False
    started = False
    """The head is on its way: the status can't be changed any more."""
    complete = False
    """The final frame is on its way: nothing more may be sent."""
    remaining: int | None = None
    sent: int = 0
    allowed = _wire.RESPONSE_WINDOW_BYTES
    """Body bytes; `allowed` is counted by the thread that reads the link."""
    input: RequestInput | None = None
    too_long = False

    listed = False
    """The link knows this call: it hands over what arrives for it."""
    cancelled = 0
    timed_out = False
    displaced = False
    """It runs in a thread that has lost the baton (threads.py)."""
    file_errno: int | None = None
    gate: threading.Lock | None = None
    shielded = False
    interrupted = False

    # --- for the app

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        if self.lines is not None or exc_info is not None:
            self._check_restart(exc_info)
            self.lines = None
        try:
            fields = tuple(headers)
            self.lines = self.known.get((status, fields))
        except TypeError:
            self.lines = self.heads.lines(status, headers)
        else:
            if self.lines is None:
                self.lines = self.heads.lines(status, fields)
        return self.write

    def _check_restart(self, exc_info: Any) -> None:
        try:
            if exc_info is None:
                raise AssertionError("start_response was called twice without exc_info")
            if self.started:
                raise exc_info[1].with_traceback(exc_info[2])
        finally:
            exc_info = None  # no cycle through the traceback's frames

    def write(self, data: bytes) -> None:
        """The imperative way to send the body, for old apps."""
        self._check_bytes(data)
        self._send(data, False)

    def early_hints(self, headers: Iterable[tuple[str, str]]) -> None:
        """103 with these fields, as long as the response has not started."""
        self._inform(103, field_lines(headers))

    # --- for the input and the file wrapper; these stand behind the shield

    def send_continue(self) -> None:
        if not self.started and not self.complete:
            self.link.send(_HEADER.pack(0, self.stream, _wire.INFORMATIONAL, 0, 100))

    def send_credit(self, count: int) -> None:
        if not self.complete:
            self.link.send(_WITH_U32.pack(4, self.stream, _wire.WORKER_CREDIT, 0, 0, count))

    def check(self) -> None:
        if self.timed_out:
            self.interrupted = True
            raise RequestTimeout("the request took too long")
        if self.cancelled:
            raise ClientDisconnected("the client has disconnected")

    def wait(self, ready: Callable[[], bool]) -> None:
        """Until something has happened to this call; the caller looks what, and may wait again."""
        self.seat.runner.wait(self, ready)

    def wake(self) -> None:
        """By the thread that reads the link."""
        gate = self.gate
        if gate is not None:
            self.gate = None
            gate.release()

    def prepare(self, environ: dict[str, Any]) -> None:
        """Only where more than a head belongs to the request."""
        if self.input is not None:
            self.input.offer(environ)

    def body_arrived(self, data: bytes, ended: bool) -> bool:
        """False where the edge may not send it."""
        return self.input is not None and self.input.arrived(data, ended)

    # --- the response

    def respond(self, result: Any, environ: dict[str, Any]) -> None:
        """Everything but the common case: a list of one small part, which threads.py does
        itself."""
        try:
            kind = result.__class__
            if kind is list or kind is tuple:
                self._respond_parts(result)
            elif kind is not FileWrapper or not send_file(self, result):
                self._respond_iterable(result)
            if self.too_long or (self.remaining and not self.head_only):
                self._mismatch(environ)
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                self._close(close, environ)

    def _respond_parts(self, parts: Any) -> None:
        """The length is known."""
        for part in parts:
            self._check_bytes(part)
        total = sum(map(len, parts))
        if total <= SPLIT_BYTES:
            self._send(b"".join(parts), True, total)
            return
        for part in parts:
            if part:
                self._send(part, False, total)
        if not self.complete:
            self._send(b"", True)

    def _respond_iterable(self, result: Iterable[bytes]) -> None:
        for part in result:
            if type(part) is not bytes:
                self._check_bytes(part)
            if not part:
                continue
            if self.complete and not self.head_only:
                self.too_long = True
            elif self.started or not self._whole(part):
                self._send(part, False)
            if self.head_only:
                return  # the app need not make what nobody gets
        if not self.complete:
            self._send(b"", True)

    def _whole(self, body: bytes) -> bool:
        """One frame, where the first part is as long as the app said the body is: what frameworks
        do."""
        lines = self.lines
        if lines is None or lines.length != len(body) or self.head_only:
            return False
        tail = self.heads.tails()[lines.tail]
        frame = lines.sized
        if frame is None or frame[0] != len(body):
            frame = lines.frame_of(len(body), tail)
            if frame is None:
                return False
        raise_shield(self)  # and it stays: a complete response is not interrupted any more
        if self.cancelled:
            return False
        self.started = True
        self.complete = True
        self.link.out += (frame[1], _STREAM(self.stream), frame[2], tail, body)
        return True

    def _check_bytes(self, part: Any) -> None:
        if not isinstance(part, bytes):
            raise TypeError(f"the response body must be bytes, not {type(part).__name__}")

    def _close(self, close: Callable[[], Any], environ: dict[str, Any]) -> None:
        try:
            close()
        except RequestTimeout:
            raise
        except BaseException as error:
            if not self.complete:
                raise
            self._log(f"closing the response failed in {where(environ)}", error)

    def _send(self, data: bytes, last: bool, total: int | None = None) -> None:
        """A piece of the body; `last` ends it, `total` is the length of the body if it is known."""
        raise_shield(self)
        try:
            if not self.complete:
                self.check()
            if not self.started and not self.complete:
                self._start(data, last, total)
            else:
                self._go_on(data, last)
        finally:
            lower_shield(self)

    def _start(self, data: bytes, last: bool, total: int | None) -> None:
        lines = self.lines
        if lines is None:
            raise RuntimeError("the app has sent a body before it called start_response")
        if last and total is None and not self.head_only:
            total = len(data)
        added = None
        if lines.length is None and not lines.bodyless and (total or not self.head_only):
            added = total
        head = lines.data_for(added) + self.heads.tails()[lines.tail]
        flags = lines.flags
        if added is not None:
            flags |= _wire.FLAG_LENGTH
        if self.head_only or lines.bodyless:
            self.head_only = True
            part = b""
            end = True
        else:
            self.remaining = lines.length if lines.length is not None else added
            if self.remaining is not None and len(data) > self.remaining:
                self.too_long = True
                data = data[: self.remaining]
            if len(data) >= PART_BYTES_MIN and not (last and len(data) <= SPLIT_BYTES):
                part = b""  # the head alone: the body may go through shared memory
            else:
                part = data[: min(SPLIT_BYTES, self.allowed - self.sent)]
            self._account(len(part))
            end = self.remaining == 0
            if last and not end and len(part) == len(data):
                self.reset(_wire.RESET_REASON_BODY_SHORT)
                return
        if end:
            flags |= _END
            self.complete = True
        self.started = True
        self.in_place = False
        self.link.out += (
            _WITH_U32.pack(
                4 + len(head) + len(part),
                self.stream,
                _wire.RESPONSE,
                flags,
                lines.status,
                len(head),
            ),
            head,
            part,
        )
        if not end:
            self._go_on(data[len(part) :] if len(part) < len(data) else b"", last)

    def _go_on(self, data: bytes, last: bool) -> None:
        """DATA frames, as credit allows. The final one may wait for the end of the leader's
        batch."""
        remaining = self.remaining
        if self.complete:
            if data and not self.head_only:
                self.too_long = True
            return
        if remaining is not None and len(data) > remaining:
            self.too_long = True
            data = data[:remaining]
        offset = 0
        size = len(data)
        while offset < size:
            count = min(size - offset, self.allowed - self.sent, SPLIT_BYTES)
            if count <= 0:
                self.link.flush()
                self.wait(self._has_credit)
                self.check()
                continue
            part = data if count == size else data[offset : offset + count]
            offset += count
            self._account(count)
            end = self.remaining == 0 or (last and offset == size and self.remaining is None)
            self._data(part, end)
        if last and not self.complete:
            if self.remaining:
                self.reset(_wire.RESET_REASON_BODY_SHORT)
            else:
                self._data(b"", True)
        if self.displaced or not self.complete:
            self.link.flush()

    def _account(self, count: int) -> None:
        self.sent += count
        if self.remaining is not None:
            self.remaining -= count

    def _data(self, part: bytes, end: bool) -> None:
        self.complete = end
        flags = _END if end else 0
        if len(part) >= PART_BYTES_MIN and self.link.share(part, self.stream, flags):
            return
        header = _HEADER.pack(len(part), self.stream, _wire.DATA, flags, 0)
        self.link.out += (header, part)

    def _has_credit(self) -> bool:
        return self.allowed > self.sent

    def send_head(self, total: int) -> None:
        """For a body of `total` bytes that does not come by here."""
        if not self.started:
            self._start(b"", False, total)

    def _mismatch(self, environ: dict[str, Any]) -> None:
        what = "longer" if self.too_long else "shorter"
        length = self.lines.length if self.lines is not None else 0
        self.reporter.report(
            "error",
            f"the response body is {what} than its Content-Length of {length} in {where(environ)}",
        )

    def reset(self, reason: int) -> None:
        self.complete = True
        self.link.out.append(_HEADER.pack(0, self.stream, _wire.RESET, 0, reason))

    def _inform(self, status: int, lines: bytes) -> None:
        raise_shield(self)
        try:
            if not self.started and not self.complete:
                self.link.send(
                    _HEADER.pack(len(lines), self.stream, _wire.INFORMATIONAL, 0, status) + lines
                )
        finally:
            lower_shield(self)

    # --- the end

    def failed(self, error: BaseException, environ: dict[str, Any]) -> None:
        """The app has raised; nothing of it runs any more. Never raises."""
        conclude(self)
        if self.cancelled or self.timed_out:
            if self.timed_out:
                self._log(f"interrupted after its timeout: {where(environ)}", error)
            elif not isinstance(error, ClientDisconnected):
                self._log(f"the app failed in {where(environ)}", error)
            if not self.complete:
                timeout, gone = _wire.RESET_REASON_TIMEOUT, _wire.RESET_REASON_CANCELLED
                self.reset(timeout if self.timed_out else gone)
            return
        self._log(f"the app failed in {where(environ)}", error)
        if self.complete:
            return
        if self.started:
            self.reset(_wire.RESET_REASON_APP_ERROR)
            return
        self.lines = self.heads.lines("500 Internal Server Error", _ERROR_HEADERS)
        self._start(_ERROR_BODY, True, len(_ERROR_BODY))

    def _log(self, message: str, error: BaseException) -> None:
        self.reporter.report("error", f"{message}\n{app_traceback(error)}")

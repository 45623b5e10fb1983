"""`wsgi.input`: the request body as a file, read from the wire as the app reads.

Contract: reads block until they have what was asked for or the body has ended
(`wsgi.input_terminated`); then they return b"". Memory is bounded by the credit that the edge
has, unless the app itself asks for everything at once. A client that goes away raises
ClientDisconnected. The first read that has to wait makes the edge send "100 Continue" if the
client waits for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from . import _wire
from .interrupt import lower_shield, raise_shield

if TYPE_CHECKING:
    from .wsgi import WsgiCall

CREDIT_STEP_BYTES = _wire.REQUEST_WINDOW_BYTES // 4
"""Credit goes back in steps of this size, not for each small read."""


class EmptyInput:
    """The body of a request without one. It has no state: all such requests share one object."""

    __slots__ = ()

    def read(self, size: int | None = -1) -> bytes:
        return b""

    def readline(self, size: int | None = -1) -> bytes:
        return b""

    def readlines(self, hint: int | None = -1) -> list[bytes]:
        return []

    def __iter__(self) -> Iterator[bytes]:
        return iter(())

    def __next__(self) -> bytes:
        raise StopIteration

    def close(self) -> None:
        """Some frameworks close what they were given."""


class RequestInput:
    """`arrived` is called by whoever reads the link, everything else by the app."""

    __slots__ = (
        "_at",
        "_chunk",
        "_chunks",
        "_credited",
        "_ended",
        "_received",
        "_taken",
        "_wants_continue",
        "call",
        "trailers",
    )

    def __init__(self, call: WsgiCall, wants_continue: bool) -> None:
        self.call = call
        self.trailers: list[tuple[str, str]] = []
        """Fields that came behind the body: there once it has been read to its end."""
        self._chunks: deque[bytes] = deque()
        self._chunk = b""  # being read, from _at on
        self._at = 0
        # Bytes, each counter written by one side only.
        self._received = 0
        self._taken = 0
        self._credited = 0
        self._ended = False
        self._wants_continue = wants_continue

    # --- the wire's side

    def arrived(self, data: bytes, ended: bool) -> bool:
        """False where the edge sent more than it may."""
        if self._ended:
            return False
        if data:
            self._received += len(data)
            self._chunks.append(data)
        self._ended = ended
        return self._received - self._credited <= _wire.REQUEST_WINDOW_BYTES

    def trailers_arrived(self, block: bytes) -> None:
        """They end the body; `arrived` says so next."""
        strings = iter(block.decode("latin-1").split("\0"))
        self.trailers += zip(strings, strings)

    # --- the app's side

    def offer(self, environ: dict[str, Any]) -> None:
        environ["wsgi.input"] = self
        environ["keelback.trailers"] = self.trailers

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            size = -1
        parts: list[bytes] = []
        missing = size
        while missing and self._fill():
            part = self._take(missing)
            parts.append(part)
            if missing > 0:
                missing -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def readline(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            size = -1
        parts: list[bytes] = []
        missing = size
        while missing and self._fill():
            end = self._chunk.find(b"\n", self._at)
            if end >= 0:
                wanted = end + 1 - self._at
                if missing < 0 or wanted <= missing:
                    parts.append(self._take(wanted))
                    break
            part = self._take(missing)
            parts.append(part)
            if missing > 0:
                missing -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def readlines(self, hint: int | None = -1) -> list[bytes]:
        lines: list[bytes] = []
        total = 0
        while line := self.readline():
            lines.append(line)
            total += len(line)
            if hint is not None and 0 < hint <= total:
                break
        return lines

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    def close(self) -> None:
        """Some frameworks close what they were given; what is unread is dropped in any case."""

    def _take(self, count: int) -> bytes:
        """At most `count` bytes (-1: all) of the current chunk."""
        chunk = self._chunk
        at = self._at
        if at == 0 and (count < 0 or count >= len(chunk)):
            self._chunk = b""
            return chunk
        end = len(chunk) if count < 0 else min(len(chunk), at + count)
        part = chunk[at:end]
        if end == len(chunk):
            self._chunk = b""
            self._at = 0
        else:
            self._at = end
        return part

    def _fill(self) -> bool:
        """Makes the current chunk non-empty; False at the end of the body."""
        if self._chunk:
            return True
        if not self._chunks and not self._ended:
            self._wait()
        if not self._chunks:  # `arrived` appends before it sets _ended
            return False
        self._chunk = chunk = self._chunks.popleft()
        self._at = 0
        self._taken += len(chunk)
        if self._taken - self._credited >= CREDIT_STEP_BYTES and not self._ended:
            self._give_credit()
        return True

    def _give_credit(self) -> None:
        call = self.call
        raise_shield(call)
        try:
            count = self._taken - self._credited
            # Counted first: the body it allows may arrive before the call that sends it returns.
            self._credited = self._taken
            call.send_credit(count)
        finally:
            lower_shield(call)

    def _wait(self) -> None:
        call = self.call
        raise_shield(call)
        try:
            if self._wants_continue:
                self._wants_continue = False
                call.send_continue()
            while not (self._chunks or self._ended):
                call.check()
                call.wait(self._arrived_or_ended)
        finally:
            lower_shield(call)

    def _arrived_or_ended(self) -> bool:
        return bool(self._chunks) or self._ended

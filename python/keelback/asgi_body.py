"""The request body of one ASGI request: what has arrived and has not yet been received by the app.

Contract: never more than REQUEST_WINDOW_BYTES are held. Credit goes back to the edge as the app
receives, in steps, and small frames reach the app as one message.
"""

from __future__ import annotations

from collections import deque
from struct import Struct
from typing import Any

from . import _wire

CREDIT_STEP_BYTES = _wire.REQUEST_WINDOW_BYTES // 4
"""Credit for a request body goes back in steps of this size, not for each small read."""

MESSAGE_BYTES = 64 * 1024
"""Small parts become one message as long as they are no more than this."""

_HEADER = Struct("<IIBBH").pack
_CREDIT = Struct("<IIBBHI").pack


class RequestBody:
    """Only made for requests that have a body."""

    __slots__ = (
        "_arrived_all",
        "_buffered",
        "_chunks",
        "_owed",
        "_wants_continue",
        "ended",
        "trailers",
    )

    def __init__(self, wants_continue: bool) -> None:
        self.ended = False
        """The app has received all of it."""
        self.trailers: list[tuple[bytes, bytes]] | None = None
        """Fields that came behind it."""
        self._arrived_all = False
        self._chunks: deque[bytes] = deque()
        self._buffered = 0
        self._owed = 0
        self._wants_continue = wants_continue

    def arrived(self, data: bytes, ended: bool) -> bool:
        """False where the edge sent more than it had credit for."""
        if self._arrived_all:
            return False
        if data:
            self._chunks.append(data)
            self._buffered += len(data)
        self._arrived_all = ended
        return self._buffered + self._owed <= _wire.REQUEST_WINDOW_BYTES

    def take(self, stream: int) -> tuple[dict[str, Any] | None, bytes]:
        """A message for the app, if there is one yet, and a frame for the edge."""
        frame = b""
        chunks = self._chunks
        if not chunks and not self._arrived_all:
            if self._wants_continue:
                self._wants_continue = False
                frame = _HEADER(0, stream, _wire.INFORMATIONAL, 0, 100)
            return None, frame
        if len(chunks) > 1 and self._buffered > MESSAGE_BYTES:
            # Large parts one by one: putting them together would copy them once more.
            data = chunks.popleft()
        else:
            data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            chunks.clear()
        self._buffered -= len(data)
        self._wants_continue = False
        if not self._arrived_all:
            self._owed += len(data)
            if self._owed >= CREDIT_STEP_BYTES:
                frame = _CREDIT(4, stream, _wire.WORKER_CREDIT, 0, 0, self._owed)
                self._owed = 0
        self.ended = self._arrived_all and not chunks
        message: dict[str, Any] = {
            "type": "http.request",
            "body": data,
            "more_body": not self.ended,
        }
        if self.ended and self.trailers is not None:
            message["trailers"] = self.trailers
        return message, frame


def pairs_of(block: bytes) -> list[tuple[bytes, bytes]]:
    """Trailer fields, as the wire has them."""
    strings = iter(block.split(b"\0"))
    return list(zip(strings, strings))

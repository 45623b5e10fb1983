"""The request body of one ASGI request: what has arrived and has not yet been received by the app.

Contract: never more than REQUEST_WINDOW_BYTES are held. Credit goes back to the edge as the app
receives, in steps, and small frames reach the app as one message.
"""

from __future__ import annotations

from struct import Struct
from typing import Any

from . import _wire

CREDIT_STEP_BYTES = _wire.REQUEST_WINDOW_BYTES // 4
"""Credit for a request body goes back in steps of this size, not for each small read."""

_HEADER = Struct("<IIBBH").pack
_CREDIT = Struct("<IIBBHI").pack


class RequestBody:
    """Only made for requests that have a body."""

    __slots__ = ("_buffered", "_chunks", "_owed", "_wants_continue", "ended")

    def __init__(self, wants_continue: bool) -> None:
        self.ended = False
        self._chunks: list[bytes] = []
        self._buffered = 0
        self._owed = 0
        self._wants_continue = wants_continue

    def arrived(self, data: bytes, ended: bool) -> bool:
        """False where the edge sent more than it had credit for."""
        if self.ended:
            return False
        if data:
            self._chunks.append(data)
            self._buffered += len(data)
        self.ended = ended
        return self._buffered + self._owed <= _wire.REQUEST_WINDOW_BYTES

    def take(self, stream: int) -> tuple[dict[str, Any] | None, bytes]:
        """A message for the app, if there is one yet, and a frame for the edge."""
        frame = b""
        chunks = self._chunks
        if not chunks and not self.ended:
            if self._wants_continue:
                self._wants_continue = False
                frame = _HEADER(0, stream, _wire.INFORMATIONAL, 0, 100)
            return None, frame
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self._chunks = []
        self._buffered = 0
        self._wants_continue = False
        if not self.ended:
            self._owed += len(data)
            if self._owed >= CREDIT_STEP_BYTES:
                frame = _CREDIT(4, stream, _wire.WORKER_CREDIT, 0, 0, self._owed)
                self._owed = 0
        return {"type": "http.request", "body": data, "more_body": not self.ended}, frame

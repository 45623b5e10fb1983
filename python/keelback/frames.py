"""The codec of the wire (docs/protocol.md), sans-IO: bytes to frames and back.

Contract: `FrameReader.feed` returns every complete frame and keeps what is cut off for the next
call; the result does not depend on how the bytes were split. It raises ProtocolError and nothing
else, and goes on raising it: nothing is decoded behind an error. At most one incomplete frame is
kept, which is bounded by FRAME_BYTES_MAX, and its pieces are joined once.
"""

from __future__ import annotations

from struct import Struct

from . import _wire
from .errors import ProtocolError

HEADER = Struct("<IIBBH")
"""length of the payload, stream, type, flags, aux."""

Frame = tuple[int, int, int, int, bytes]
"""stream, type, flags, aux, payload."""

KNOWN_TYPES = frozenset(range(_wire.REQUEST, _wire.WS_CLOSE + 1)) | frozenset(
    range(_wire.HELLO, _wire.WORKER_WS_CLOSE + 1)
)

_HEADER_BYTES = _wire.FRAME_HEADER_BYTES
_REQUEST = _wire.REQUEST
_END = _wire.FLAG_END
_PAYLOAD_MAX = _wire.FRAME_BYTES_MAX


class FrameReader:
    """One direction of one link."""

    __slots__ = ("_failed", "_kept", "_needed", "_pieces", "only_requests")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._kept = 0
        self._needed = 0  # bytes that must be there before another look is worth it
        self._failed = ""
        self.only_requests = True
        """The frames of the last call to `feed` were all REQUESTs without a body."""

    def feed(self, data: bytes) -> list[Frame]:
        if self._kept or self._failed:
            if self._failed:
                raise ProtocolError(self._failed)
            self._pieces.append(data)
            self._kept += len(data)
            if self._kept < self._needed:
                return []
            data = b"".join(self._pieces)
            self._pieces.clear()
            self._kept = 0
        frames: list[Frame] = []
        append = frames.append
        unpack = HEADER.unpack_from
        known = KNOWN_TYPES
        only_requests = True
        at = 0
        total = len(data)
        last = total - _HEADER_BYTES
        while at <= last:
            length, stream, kind, flags, aux = unpack(data, at)
            if length > _PAYLOAD_MAX:
                return self._fail(frames, f"a frame of {length} bytes")
            if kind != _REQUEST or not flags & _END:
                if kind not in known:
                    return self._fail(frames, f"a frame of the unknown type {kind}")
                only_requests = False
            start = at + 12
            at = start + length
            if at > total:
                at = start - 12
                self._needed = 12 + length
                break
            append((stream, kind, flags, aux, data[start:at]))
        else:
            if at == total:
                self.only_requests = only_requests
                return frames
            self._needed = _HEADER_BYTES
        self.only_requests = only_requests
        self._pieces.append(data[at:])
        self._kept = total - at
        return frames

    def _fail(self, frames: list[Frame], what: str) -> list[Frame]:
        """The frames in front of the error still count; the next call raises."""
        self._failed = what
        if not frames:
            raise ProtocolError(what)
        self.only_requests = False
        return frames


def pack(stream: int, kind: int, flags: int = 0, aux: int = 0, payload: bytes = b"") -> bytes:
    """One whole frame: for what is not on the hot path."""
    return HEADER.pack(len(payload), stream, kind, flags, aux) + payload

"""The rings of one link: shared memory for large parts of bodies (docs/protocol.md, "The rings").

Contract: `put` copies a part into the response ring and gives its frame, or None where the part
does not fit or the edge has no rings; `take` gives the part that a frame names, `look` lends it
until `done`. The
order of the frames on the link must be the order of the `put` calls.
"""

from __future__ import annotations

import mmap
import os
from struct import Struct

from . import _wire
from .allocator import keep_freed_memory
from .errors import ProtocolError

PART_BYTES_MIN = _wire.RING_PART_BYTES_MIN

_SIZE = _wire.RING_BYTES
_MARGIN = _wire.RING_MARGIN_BYTES
_PART = Struct("<III")
_SHARED_PART = Struct("<IIBBHIII")


class Rings:
    """Owns the memory file and its mapping. `words` are the board's counters."""

    __slots__ = ("_fd", "_map", "_used", "_view", "_words", "path")

    def __init__(self, words: memoryview) -> None:
        self._words = words
        self._used = 0
        self._map: mmap.mmap | None = None
        self.path = ""
        make = getattr(os, "memfd_create", None)
        if make is None:
            return
        try:
            self._fd: int = make("keelback-rings")
        except OSError:
            return
        try:
            os.truncate(self._fd, 2 * _SIZE)
            self._map = mmap.mmap(self._fd, 2 * _SIZE)
        except OSError:
            os.close(self._fd)  # no room: parts of bodies go through the socket, which is slower
            return
        self._view = memoryview(self._map)
        self.path = f"/proc/{os.getpid()}/fd/{self._fd}"

    def put(
        self,
        part: bytes | memoryview,
        stream: int,
        flags: int,
        kind: int = _wire.SHARED_DATA,
        aux: int = 0,
    ) -> bytes | None:
        """`kind`: SHARED_DATA, or that of a message, which then has the flag SHARED."""
        words = self._words
        if not words[_wire.BOARD_RINGS_MAPPED] or self._map is None:
            return None
        count = len(part)
        size = count + 2 * _MARGIN
        free = _SIZE - ((self._used - words[_wire.BOARD_RESPONSE_READ]) & 0xFFFFFFFF)
        at = self._used % _SIZE
        skipped = _SIZE - at if at + size > _SIZE else 0
        if skipped + size > free:
            return None
        self._used = (self._used + skipped + size) & 0xFFFFFFFF
        at = _MARGIN if skipped else at + _MARGIN
        self._map[at : at + count] = part
        if kind != _wire.SHARED_DATA:
            flags |= _wire.FLAG_SHARED
        return _SHARED_PART.pack(_PART.size, stream, kind, flags, aux, at, count, self._used)

    @property
    def mapped(self) -> bool:
        """Both sides use them."""
        return self._map is not None and bool(self._words[_wire.BOARD_RINGS_MAPPED])

    def look(self, payload: bytes) -> memoryview:
        """The part where it lies; it must be released, then `done` called."""
        if len(payload) != _PART.size or self._map is None:
            raise ProtocolError("a part of a body without a ring")
        offset, count, _ = _PART.unpack(payload)
        if offset + count > _SIZE:
            raise ProtocolError("a part of a body outside of the ring")
        keep_freed_memory()
        return self._view[_SIZE + offset : _SIZE + offset + count]

    def done(self, payload: bytes) -> None:
        """The edge may overwrite the part."""
        self._words[_wire.BOARD_REQUEST_READ] = _PART.unpack(payload)[2]

    def take(self, payload: bytes) -> bytes:
        with self.look(payload) as view:
            part = bytes(view)
        self.done(payload)
        return part

    def close(self) -> None:
        if self._map is not None:
            self._view.release()
            self._map.close()
            os.close(self._fd)
            self._map = None

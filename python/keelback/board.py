"""The board of one link: 64 mapped bytes that tell the edge which request the worker has begun, and
whether a view computes.

Contract: `begin(stream)` is one store of an aligned u32, which the edge can read at any time, also
after this process was killed. It is called before the app is, in the order of the streams.
"""

from __future__ import annotations

import mmap
import os
import sys

from . import _wire
from .ring import Rings


class Board:
    """Owns the mapping, not the file: the edge and the private directory's owner remove that."""

    __slots__ = ("_map", "_words", "rings")

    def __init__(self, mapping: mmap.mmap) -> None:
        self._map = mapping
        self._words = memoryview(mapping).cast("I")
        self.rings = Rings(self._words)

    @classmethod
    def open(cls, path: str) -> Board:
        """Makes the file, which must not exist, and maps it."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            # Written, not only made longer: on a full disk this fails, a store later would kill.
            os.write(fd, bytes(_wire.BOARD_BYTES))
            return cls(mmap.mmap(fd, _wire.BOARD_BYTES))
        finally:
            os.close(fd)

    if sys.byteorder == "little":

        def begin(self, stream: int) -> None:
            self._words[0] = stream

    else:

        def begin(self, stream: int) -> None:
            self._words[0] = int.from_bytes(stream.to_bytes(4, "little"), "big")

    def computing(self, late: bool) -> None:
        """By a thread that does not own the link, which may be closed by now."""
        try:
            self._words[_wire.BOARD_COMPUTING] = late
        except ValueError:
            pass

    @property
    def words(self) -> memoryview:
        """For a hot loop that stores by itself: `words[0] = stream` (little-endian machines)."""
        return self._words

    def close(self) -> None:
        self.rings.close()
        self._words.release()
        self._map.close()

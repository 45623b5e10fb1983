"""Which thread works for which path at this moment, in a file that the audit reads: it looks at the
threads from outside, where nobody needs the GIL to see who waits for it (src/audit/gil.ts).

Contract: a slot is 16 bytes, the thread's number of the kernel and the number of the path (0: none)
in little endian; a thread keeps its slot. Threads beyond the last slot are not told.
"""

from __future__ import annotations

import mmap
import os
import threading
from struct import Struct
from typing import Optional

SLOTS = 256
_SLOT = Struct("<QQ")


class Slots:
    def __init__(self, folder: str) -> None:
        self._offsets: dict[int, int] = {}
        self._map: Optional[mmap.mmap] = None
        try:
            with open(os.path.join(folder, f"slots-{os.getpid()}"), "w+b") as file:
                file.truncate(SLOTS * _SLOT.size)
                self._map = mmap.mmap(file.fileno(), SLOTS * _SLOT.size)
        except OSError:
            pass  # what nobody can look at is left out

    def set(self, ident: int, number: int) -> None:
        """By the thread itself."""
        offset = self._offsets.get(ident)
        if offset is None:
            offset = self._offsets[ident] = len(self._offsets) * _SLOT.size
        if self._map is not None and offset < SLOTS * _SLOT.size:
            _SLOT.pack_into(self._map, offset, threading.get_native_id(), number)

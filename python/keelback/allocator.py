"""The C library's allocator, where large messages pass.

glibc gives memory at the end of its heap back to the system as soon as it is free, and maps large
blocks one by one: messages of a megabyte then cost more for pages that are taken, cleared and
given back than for all their copies.
"""

from __future__ import annotations

LARGE_BYTES = 128 * 1024
"""From here on glibc maps a block by itself."""

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_KEPT_BYTES = 8 * 1024 * 1024
_MAPPED_BYTES = 4 * 1024 * 1024

_asked: list[bool] = []


def keep_freed_memory() -> None:
    """Lets the process keep a little of what it has freed. Only the first call does anything."""
    if _asked:
        return
    _asked.append(True)
    try:
        import ctypes

        mallopt = ctypes.CDLL(None).mallopt
    except (ImportError, OSError, AttributeError):
        return  # another C library, or an interpreter without ctypes
    mallopt(_M_MMAP_THRESHOLD, _MAPPED_BYTES)
    mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)

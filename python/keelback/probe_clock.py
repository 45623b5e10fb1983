"""How long a thread was ready to run and had no core: what a busy machine adds to every time.

Contract: `waited_ns` is of the calling thread, 0 where the kernel does not say (no Linux, no
schedstat). The descriptors of threads that have ended are closed when their numbers come again.
"""

from __future__ import annotations

import os
import threading

_files: dict[int, tuple[int, int]] = {}


def waited_ns() -> int:
    ident = threading.get_ident()
    native, file = _files.get(ident, (0, -1))
    if native != threading.get_native_id():
        file = _open(ident, file)
    if file < 0:
        return 0
    return int(os.pread(file, 64, 0).split()[1])


def _open(ident: int, old: int) -> int:
    if old >= 0:
        os.close(old)
    try:
        file = os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        len(os.pread(file, 64, 0).split()[1])
    except (OSError, IndexError):
        file = -1
    _files[ident] = (threading.get_native_id(), file)
    return file

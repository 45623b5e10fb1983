"""The lifeline: this process ends when the supervisor does, however the supervisor ended.

The supervisor holds a FIFO open for writing and never writes. Each process opens it for reading by
itself: the owner that the kernel signals belongs to the open file description, which a fork shares.
On Linux the kernel is asked to send SIGKILL when the last writer is gone, so that it works while
Python is stuck in C code or has signals blocked; elsewhere a daemon thread waits for end of file.
"""

from __future__ import annotations

import os
import sys


class Lifeline:
    """An armed lifeline; it stays armed without a reference. `close()` disarms it: a forked child
    drops its parent's before it opens its own."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        if _kernel_signals_last_writer():
            _arm_signal(self._fd)
        else:
            _arm_thread(self._fd)
        # The writer may have gone between our start and the arming: then nothing will signal us.
        # With a writer an empty FIFO says EAGAIN, without one it says end of file.
        try:
            gone = os.read(self._fd, 1) == b""
        except BlockingIOError:
            gone = False
        if gone:
            os._exit(1)

    def close(self) -> None:
        os.close(self._fd)


def _kernel_signals_last_writer() -> bool:
    """Linux before 5.6 signals all readers whenever any end is closed: one worker's exit would
    end the others, so that these kernels get the thread."""
    if sys.platform != "linux":
        return False
    numbers = os.uname().release.split(".")
    try:
        return (int(numbers[0]), int(numbers[1])) >= (5, 6)
    except (IndexError, ValueError):
        return False


def _arm_signal(fd: int) -> None:
    import fcntl
    import signal

    fcntl.fcntl(fd, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_ASYNC)


def _arm_thread(fd: int) -> None:
    import select
    import threading

    def wait() -> None:
        poller = select.poll()
        poller.register(fd, select.POLLIN)
        poller.poll()
        os._exit(1)

    threading.Thread(target=wait, name="keelback-lifeline", daemon=True).start()

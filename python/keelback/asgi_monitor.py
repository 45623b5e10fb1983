"""The monitor thread of the asyncio runner: nobody is parked behind a call that blocks the loop.

While requests come in it looks at the loop every millisecond, less often where views compute (see
Pace). The loop is stuck when no link made progress (a read, a begun request, a flush) since the
last look and its thread is in the middle of a callback. Then the replies of what has ended leave,
and the requests that the app has not begun go back to the edge; those unread in the socket too,
where it was readable at the last look already or that look was long ago. All other frames are kept
for the loop, in order.

Without traffic the thread sleeps in poll() on the links' sockets: an idle worker uses no CPU.
"""

from __future__ import annotations

import os
import select
import selectors
import struct
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Callable

from . import _wire
from .errors import ProtocolError

if TYPE_CHECKING:
    from types import CodeType, FrameType

    from .asgi_link import EdgeLink

LOOK_SECONDS = 0.001
LOOK_SECONDS_MAX = 0.004
LATE_SECONDS = 0.0005
"""Half of the interpreter's switch interval (asgi.py): nobody waits so long but for a lock."""
QUIET_LOOKS = 8
"""Looks without progress and without anything stuck before the thread goes to sleep."""

_frames_of_threads: Callable[[], dict[int, FrameType]] = vars(sys)["_current_frames"]
_HEADER = struct.Struct("<IIBBH")


class Pace:
    """How long the monitor sleeps between two looks.

    It looks with the interpreter's lock. Where it comes late to that, a view computes, and each
    look takes the processor away from it twice: then there are fewer. A loop that blocks in a call
    has let go of the lock, so that it is looked at as often as ever."""

    def __init__(self) -> None:
        self.seconds = LOOK_SECONDS

    @property
    def slow(self) -> bool:
        return self.seconds > LOOK_SECONDS

    def woke(self, late: float) -> None:
        """So many seconds after the sleep was over."""
        if late > LATE_SECONDS:
            self.seconds = min(self.seconds * 2, LOOK_SECONDS_MAX)
        else:
            self.seconds = max(self.seconds / 2, LOOK_SECONDS)


class Monitor:
    """`watch` and `forget` are called by the loop's thread; the rest is the monitor's own.

    `resting` is the code in which the loop's thread is while it waits for events: the selector's,
    or the function that runs a loop written in C."""

    def __init__(self, resting: CodeType) -> None:
        self._resting = {resting, getattr(selectors.DefaultSelector.select, "__code__", resting)}
        self._loop_thread = threading.get_ident()
        self._links: tuple[EdgeLink, ...] = ()
        self._suspects: frozenset[int] = frozenset()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="keelback-monitor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def watch(self, link: EdgeLink) -> None:
        self._links += (link,)
        self._wake()

    def forget(self, link: EdgeLink) -> None:
        self._links = tuple(other for other in self._links if other is not link)
        self._wake()

    def stop(self) -> None:
        self._stopping = True
        self._wake()
        self._thread.join()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _wake(self) -> None:
        try:
            os.write(self._wake_write, b"\0")
        except BlockingIOError:
            pass  # the pipe is full of wake-ups already

    def _run(self) -> None:
        seen = -1
        quiet = QUIET_LOOKS
        pace = Pace()
        while not self._stopping:
            if quiet >= QUIET_LOOKS:
                self._suspects = self._readable(None)
                quiet = 0
                pace = Pace()
            due = time.monotonic() + pace.seconds
            time.sleep(pace.seconds)
            long_ago = pace.slow
            pace.woke(time.monotonic() - due)
            ticks = 0
            for link in self._links:
                ticks += link.ticks
            if ticks != seen:
                seen = ticks
                quiet = 0
                if self._suspects:
                    self._suspects = frozenset()
            elif self._in_callback():
                quiet = 0 if self._relieve(long_ago) else quiet + 1
            else:
                quiet += 1

    def _in_callback(self) -> bool:
        frame = _frames_of_threads().get(self._loop_thread)
        return frame is not None and frame.f_code not in self._resting

    def _relieve(self, long_ago: bool) -> bool:
        """False where nothing waits behind what the loop is stuck in, since `long_ago` or not."""
        readable = self._readable(0)
        found = bool(readable)
        for link in self._links:
            fd = link.fd
            if link.pending or link.waiting or link.out or fd in readable:
                found = True
                relieve(link, fd in readable and (long_ago or fd in self._suspects))
        self._suspects = readable
        return found

    def _readable(self, timeout_ms: int | None) -> frozenset[int]:
        """The links that have something to read; without a timeout it sleeps until there is one,
        or until the set of links changes."""
        poller = select.poll()
        poller.register(self._wake_read, select.POLLIN)
        for link in self._links:
            poller.register(link.fd, select.POLLIN)
        ready = {fd for fd, event in poller.poll(timeout_ms) if event & select.POLLIN}
        if self._wake_read in ready:
            ready.discard(self._wake_read)
            try:
                os.read(self._wake_read, 4096)
            except BlockingIOError:
                pass
        return frozenset(ready)


def relieve(link: EdgeLink, unread: bool) -> None:
    """Takes from a stuck loop what others can do; `unread`: also what it has not read."""
    try:
        link.token.pop()
    except IndexError:
        return  # the loop is reading: not stuck
    try:
        frames = _read(link) if unread else []
        if _give_back(link, frames):
            link.loop.call_soon_threadsafe(link.resume)
    finally:
        link.token.append(None)
    with link.lock:
        link.write_out()


def _read(link: EdgeLink) -> list[Any]:
    from .asgi_link import READ_BYTES_MAX

    try:
        return link.reader.feed(link.sock.recv(READ_BYTES_MAX))
    except ProtocolError as error:
        link.loop.call_soon_threadsafe(link.fail, str(error))
    except OSError:
        pass  # nothing there, or the end: the loop sees that by itself
    return []


def _give_back(link: EdgeLink, frames: list[Any]) -> bool:
    """Newest first: should the loop go on at this moment, it goes on from the oldest. True where
    frames are left that the loop must look at."""
    given: set[int] = set()
    kept: list[Any] = []
    while True:
        try:
            frame = link.pending.pop()
        except IndexError:
            break
        if frame[1] == _wire.REQUEST:
            given.add(frame[0])
        else:
            kept.append(frame)
    kept.reverse()
    while True:
        try:
            stream, _ = link.waiting.popitem()
        except KeyError:
            break
        given.add(stream)
        link.active.discard(link.cycles.pop(stream))
    for frame in frames:
        if frame[1] == _wire.REQUEST:
            given.add(frame[0])
        elif frame[1] == _wire.PING:
            payload = frame[4]
            link.out.append(_HEADER.pack(len(payload), 0, _wire.WORKER_PONG, 0, 0) + payload)
        else:
            kept.append(frame)
    if given:
        link.out.append(give_back_frame(sorted(given)))
    # The rest of a request given back is dropped, but for parts in the ring: reading them frees it.
    link.pending.extend(
        frame for frame in kept if frame[0] not in given or frame[1] == _wire.SHARED_BODY
    )
    return bool(link.pending) or bool(link.backlog)


def give_back_frame(streams: list[int]) -> bytes:
    numbers = struct.pack(f"<{len(streams)}I", *streams)
    return _HEADER.pack(len(numbers), 0, _wire.GIVE_BACK, 0, 0) + numbers

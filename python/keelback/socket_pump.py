"""The pump of the sockets that a worker's apps have (wsgi_socket.py): one thread for all of them.

It waits until an app has written, or has room again, and lets the call do what is to be done then,
which never blocks. The selector is the pump's own; other threads leave their calls in a list.
"""

from __future__ import annotations

import os
import selectors
import threading
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .wsgi_socket import SocketCall

READ = selectors.EVENT_READ
WRITE = selectors.EVENT_WRITE
OVER = -1
"""What a call wants whose socket is to be closed."""
RETURN_SECONDS = 0.05
"""How long an app that has closed its end may take to return before the edge is told of the end. It
mostly does so at once, and then its thread is free before the edge sends it the next request."""


class SocketPump:
    """One thread for the sockets of a worker; it runs once the first one is there. Anyone may
    `start` and `attend`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._changed: deque[SocketCall] = deque()
        self._ending: deque[tuple[float, SocketCall]] = deque()
        self._woken = False
        self._stopping = False

    def start(self) -> None:
        with self._lock:
            if self._thread is not None:
                return
            self._selector = selectors.DefaultSelector()
            self._wake_read, self._wake_write = os.pipe()
            self._selector.register(self._wake_read, READ, None)
            thread = threading.Thread(target=self._run, name="keelback-sockets", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the system has no more threads for us
                self._close()
                raise
            self._thread = thread

    def stop(self) -> None:
        """The run is over, all calls have ended."""
        if self._thread is not None:
            self._stopping = True
            self._wake()
            self._thread.join()

    def attend(self, call: SocketCall) -> None:
        """What this call waits for may have changed."""
        self._changed.append(call)
        if not self._woken:
            self._woken = True
            self._wake()

    def _wake(self) -> None:
        try:
            os.write(self._wake_write, b"\0")
        except OSError:
            pass  # the run is over

    def _run(self) -> None:
        changed = self._changed
        ending = self._ending
        while not self._stopping:
            calls: set[SocketCall] = set()
            timeout = max(0.0, ending[0][0] - monotonic()) if ending else None
            for key, events in self._selector.select(timeout):
                call = key.data
                if call is None:
                    os.read(self._wake_read, 4096)
                    self._woken = False  # before `changed` is looked at
                    continue
                if events & WRITE:
                    call.on_writable()
                if events & READ:
                    call.on_readable()
                calls.add(call)
            while changed:
                calls.add(changed.popleft())
            for link in {call.link for call in calls}:
                if link.out:
                    link.flush()
            for call in calls:
                self._arrange(call)
            while ending and ending[0][0] <= monotonic():
                call = ending.popleft()[1]
                call.end()
                call.link.flush()
        self._close()

    def _arrange(self, call: SocketCall) -> None:
        if call.over.is_set():
            return
        events = call.wants()
        before = call.interest
        if events == before:
            return
        call.interest = events
        # One without interest is taken out: a closed end is reported always.
        if before == 0:
            if events != OVER:
                self._selector.register(call.ours, events, call)
        elif events > 0:
            self._selector.modify(call.ours, events, call)
        else:
            self._selector.unregister(call.ours)
        if events == OVER:
            call.close()
            if call.finished:
                self._ending.append((monotonic() + RETURN_SECONDS, call))

    def _close(self) -> None:
        self._selector.close()
        os.close(self._wake_read)
        wake, self._wake_write = self._wake_write, -1  # a late `wake` must not hit a new descriptor
        os.close(wake)

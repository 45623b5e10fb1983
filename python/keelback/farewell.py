"""How a worker ends in time: what each step of its stop gets, and the last steps of all.

What runs may finish, then it is cancelled, then the app shuts down; the supervisor says how long
each of these may take (src/supervisor/departures.ts), as it kills who is there after all of them.
Last come the hook, exit functions and the end of the process. They belong to the main thread, but
where an app holds that up (a view that does not end; a thread that the interpreter waits for)
another thread takes them before the time is over.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from typing import Any, Callable, NamedTuple, NoReturn

CANCEL_SECONDS = 1.0
SHUTDOWN_SECONDS = 2.0
LAST_SECONDS = 0.4
"""For the interpreter's end, which waits for threads that are no daemons."""


class StopTimes(NamedTuple):
    """Seconds; each step begins when the one before is over, and what that leaves is added."""

    finish: float
    """For running requests, and what apps do after their responses."""
    cancel: float = CANCEL_SECONDS
    """For what is cancelled then."""
    shutdown: float = SHUTDOWN_SECONDS
    """For the app's own shutdown."""

    @property
    def all(self) -> float:
        return self.finish + self.cancel + self.shutdown

    def told(self, command: dict[str, Any]) -> StopTimes:
        """These, but for what the supervisor's `stop` says."""
        named = {name: command.get(f"{name}Ms") for name in self._fields}
        return self._replace(**{name: ms / 1000 for name, ms in named.items() if ms is not None})


class Farewell:
    """The last steps of a process, taken once."""

    def __init__(self, last: Callable[[], None], report: Callable[[str, str], None]) -> None:
        self._last = last
        self._report = report
        self._taken = threading.Lock()
        self._exiting = False

    def within(self, patience: float, end: float) -> None:
        """Takes the last steps in `patience` seconds, where the main thread has not begun to; ends
        what is left of the process in `end` seconds. Not to be called by a signal handler."""
        threading.Thread(
            target=self._watch, args=(patience, end), name="keelback-farewell", daemon=True
        ).start()

    def conclude(self) -> None:
        """By the main thread, before it returns."""
        if not self._taken.acquire(blocking=False):
            _wait_forever()  # the other thread ends the process
        self._last()
        atexit.register(self._exit_begins)  # the newest is the first to run

    def _exit_begins(self) -> None:
        self._exiting = True

    def _watch(self, patience: float, end: float) -> None:
        time.sleep(patience)
        if self._taken.acquire(blocking=False):
            self._report("warning", "the app does not end in time: what still runs is left behind")
            self._last()
        else:
            time.sleep(max(0, end - patience))
            if self._exiting:
                return
        getattr(atexit, "_run_exitfuncs", _nothing)()
        leave_now(0)


def leave_now(status: int) -> NoReturn:
    """Without finalising: threads of the app could hold that up for ever."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass
    os._exit(status)


def _wait_forever() -> None:
    threading.Event().wait()


def _nothing() -> None:
    """For a Python that keeps its exit functions elsewhere."""

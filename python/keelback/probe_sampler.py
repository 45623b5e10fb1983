"""The sampler: a thread that looks every few milliseconds where the app's calls are.

Each thread that runs a call, and an event loop in one of its steps, is in `running`. What is there
for longer than LOOK_NS is looked at: its stack, and whether its thread used the processor since the
last look (kinds: `cpu`, `wait`; `run` where that is not known, `pool` for a wait in a thread
beside an event loop). Calls of an event loop that wait are looked at less often, in the chain
of their awaits (`await`).

It needs the interpreter to look: what holds the GIL in C code is seen when it lets go, and its time
is counted for the line that is seen then.
"""

from __future__ import annotations

import asyncio
import sys
import sysconfig
import threading
import time
from time import perf_counter_ns
from types import FrameType
from typing import Any, Callable, Optional

from . import probe_db
from .probe_book import BACKGROUND, Book, Call
from .probe_clock import waited_ns
from .probe_slots import Slots
from .probe_stacks import Places, places_of, places_of_coroutine

LOOK_SECONDS = 0.004
LOOK_NS = 2_000_000
CPU_PART = 8
"""What used so much of the time computes: on a busy machine it has a core for a part of it only."""
WAIT_LOOKS = 5
"""Every so many looks the waiting ones are looked at too."""
WAITING_MAX = 32
"""Of them at most so many at once."""
WEIGH_LOOKS = 100
WRITE_LOOKS = 2_500
LAG_LOOKS = 12
LAGS_MAX = 5_000

_frames_of_threads: Callable[[], dict[int, FrameType]] = vars(sys)["_current_frames"]
_clock_of: Optional[Callable[[int], int]] = (
    None if sysconfig.get_config_var("Py_GIL_DISABLED") else vars(time).get("pthread_getcpuclockid")
)
"""Without the GIL a thread could end while it is asked for its clock."""


class Sampler(threading.Thread):
    """`running`, `waiting` and `loop` are set by the app's threads, the rest is its own."""

    def __init__(self, book: Book) -> None:
        super().__init__(name="keelback-probe", daemon=True)
        self.book = book
        self.running: dict[int, tuple[Call, int]] = {}
        self.waiting: dict[Call, None] = {}
        self.loop: Optional[asyncio.AbstractEventLoop] = None
        self.loop_thread: Optional[int] = None
        self.background = Call("", BACKGROUND)
        self._seen: dict[int, tuple[int, int, Optional[int]]] = {}
        self._slots = Slots(book.folder)
        self._over = threading.Event()

    def stop(self) -> None:
        self._over.set()

    def enter(self, ident: int, call: Call, began: int) -> Optional[tuple[Call, int]]:
        """This thread works for the call from now on; gives what it did before, for `leave`."""
        outer = self.running.get(ident)
        self.running[ident] = (call, began)
        self._slots.set(ident, call.number)
        return outer

    def leave(self, ident: int, outer: Optional[tuple[Call, int]]) -> None:
        if outer is None:
            self.running.pop(ident, None)
            self._slots.set(ident, 0)
        else:
            self.running[ident] = outer
            self._slots.set(ident, outer[0].number)

    def run(self) -> None:
        count = 0
        last = perf_counter_ns()
        while not self._over.wait(LOOK_SECONDS):
            now = perf_counter_ns()
            count += 1
            try:
                if self.running:
                    self._look(now)
                elif self._seen:
                    self._seen.clear()
                if count % WAIT_LOOKS == 0:
                    self._look_at_waiting(now - last)
                    last = now
                if count % LAG_LOOKS == 0:
                    self._ask_loop(now)
                if count % WEIGH_LOOKS == 1:
                    self.book.weigh()
                    probe_db.install()
                if count % WRITE_LOOKS == 0:
                    self.book.write()
            except Exception as error:
                print(f"keelback: probe: {type(error).__name__}: {error}", file=sys.stderr)
                return

    def _look(self, now: int) -> None:
        frames: Optional[dict[int, FrameType]] = None
        seen: dict[int, tuple[int, int, Optional[int]]] = {}
        for ident, entry in list(self.running.items()):
            call, since = entry
            if now - since < LOOK_NS:
                continue
            if frames is None:
                frames = _frames_of_threads()
            frame = frames.get(ident)
            if frame is None or self.running.get(ident) is not entry:
                continue
            cpu = _cpu_of(ident)
            before = self._seen.get(ident)
            if before is None or before[0] != since:
                before = (since, since, None)
            spent = now - before[1]
            kind = "run"
            if cpu is not None and before[2] is not None:
                kind = "cpu" if (cpu - before[2]) * CPU_PART > spent else "wait"
            if kind != "cpu" and self.loop_thread not in (None, ident):
                kind = "pool"
            self._note(call, kind, places_of(frame), spent)
            seen[ident] = (since, now, cpu)
        self._seen = seen

    def _look_at_waiting(self, spent: int) -> None:
        if not self.waiting:
            return
        running = {call for call, _ in list(self.running.values())}
        for call in list(self.waiting)[:WAITING_MAX]:
            if call not in running and call.coroutine is not None:
                places = places_of_coroutine(call.coroutine)
                if places:
                    self._note(call, "await", places, spent)

    def _note(self, call: Call, kind: str, places: Places, ns: int) -> None:
        """A call's route is known when it is over; only background work has a name before."""
        if call is self.background:
            self.book.stacks.add(BACKGROUND, kind, places, ns, 1)
        else:
            call.note(kind, places, ns)

    def _ask_loop(self, now: int) -> None:
        """How long the event loop takes to get to what is ready."""
        loop = self.loop
        if loop is None or len(self.book.lags) >= LAGS_MAX:
            return
        lags = self.book.lags
        try:
            loop.call_soon_threadsafe(lambda: lags.append(perf_counter_ns() - now))
        except RuntimeError:
            self.loop = None  # closed


def _cpu_of(ident: int) -> Optional[int]:
    if _clock_of is None:
        return None
    try:
        return time.clock_gettime_ns(_clock_of(ident))
    except OSError:
        return None


def timed(call: Optional[Call], function: Callable[..., Any], sampler: Sampler) -> Any:
    """`function`, whose time in the thread it runs in is counted for the call."""
    if call is None:
        return function
    asked = perf_counter_ns()

    def job(*args: Any, **kwargs: Any) -> Any:
        ident = threading.get_ident()
        began = perf_counter_ns()
        cpu = time.thread_time_ns()
        core = waited_ns()
        outer = sampler.enter(ident, call, began)
        book = sampler.book
        book.pool_active += 1
        book.pool_max = max(book.pool_max, book.pool_active)
        call.pool_jobs += 1
        call.pool_wait_ns += began - asked
        try:
            return function(*args, **kwargs)
        finally:
            call.cpu_ns += time.thread_time_ns() - cpu
            call.core_ns += waited_ns() - core
            call.pool_ns += perf_counter_ns() - began
            book.pool_active -= 1
            sampler.leave(ident, outer)

    return job

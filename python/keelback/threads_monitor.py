"""The monitor thread of the threads runner: takes the baton from a leader that is stuck in the app.

While requests come in it looks at every millisecond. The leader is stuck when it is still in the
call of the look before. Then replies that wait behind it leave; and when requests wait too, read
or unread, the baton goes to a follower. Where all threads are taken, the monitor itself answers
the edges and gives the waiting requests back (ThreadsRunner.tend).

Without traffic it sleeps on a lock, and next to a stuck call that nobody waits behind it sleeps in
poll(): an idle worker uses no CPU.

It looks with the interpreter's lock. Where it comes late to that, a view computes, and whatever
else runs here takes as long for each step: the edge reads that from the board.
"""

from __future__ import annotations

import select
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .threads import ThreadsRunner
    from .threads_seat import Seat
    from .wsgi import WsgiCall

LOOK_SECONDS = 0.001
LATE_SECONDS = 0.003
"""More than half of the interpreter's usual switch interval: nobody waits so long but for a lock.
Where the app has made that interval shorter, a view that computes holds others up as much less."""
QUIET_LOOKS = 16
"""Looks at a leader that is not in the app and begins nothing before the monitor goes to sleep."""
WATCH_MS = 50
"""How long it waits for something to read, next to a stuck call; then the Date is renewed."""


class Monitor:
    """`asleep` and `wake` are the leader's; `links_changed` and `stop` may be called by anyone."""

    def __init__(self, runner: ThreadsRunner) -> None:
        self._runner = runner
        self._gate = threading.Lock()
        self._gate.acquire()
        self.asleep = False
        self._poller: select.poll | None = None
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="keelback-monitor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self.wake()
        self._thread.join()

    def links_changed(self) -> None:
        self._poller = None

    def wake(self) -> None:
        """The leader is about to work. The Date may be old: the monitor has not looked after it."""
        self._runner.heads.tails()
        self.asleep = False
        try:
            self._gate.release()
        except RuntimeError:
            pass  # it was not asleep, or somebody else was quicker

    def _run(self) -> None:
        runner = self._runner
        heads = runner.heads
        seen: object = None
        flushes = -1
        quiet = 0
        while not self._stopping:
            if quiet >= QUIET_LOOKS:
                seen = None
                self._sleep()
                quiet = 0
            before = time.monotonic()
            time.sleep(LOOK_SECONDS)
            late = time.monotonic() - before > LOOK_SECONDS + LATE_SECONDS
            for link in runner.links.all:
                link.board.computing(late)
            heads.tails()
            seat = runner.seat
            if not seat.busy:
                quiet += 1
                continue
            quiet = 0
            call = seat.call
            now = 0
            for link in runner.links.all:
                now += link.flushes
            if now == flushes:
                for link in runner.links.all:
                    if link.out:
                        link.flush()
            flushes = now
            if call is not None and call is seen and seat.table:
                self._relieve(seat, call)
            seen = call

    def _sleep(self) -> None:
        for link in self._runner.links.all:
            link.board.computing(False)  # the last look may have come late, and the next is far off
        self.asleep = True
        # A leader that began its batch before it could see the flag is seen here.
        if not self._runner.seat.busy and not self._stopping:
            self._gate.acquire()
        self.asleep = False

    def _relieve(self, seat: Seat, stuck: WsgiCall) -> None:
        """Somebody may be waiting behind a stuck call."""
        runner = self._runner
        if not any(link.queue for link in runner.links.all) and not self._readable():
            return
        with runner.lock:
            if seat.call is not stuck:
                return
            try:
                seat.table.pop()
            except IndexError:
                return  # the call has just ended
            # From here on its thread can't go on to another call, if it has meanwhile.
            runner.displace(seat.call or stuck)
            if runner.pass_on():
                return
        runner.tend()

    def _readable(self) -> bool:
        poller = self._poller
        if poller is None:
            poller = select.poll()
            for link in self._runner.links.all:
                poller.register(link.fd, select.POLLIN)
            self._poller = poller
        return bool(poller.poll(WATCH_MS))

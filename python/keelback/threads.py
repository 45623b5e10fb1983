"""The runner for WSGI apps: adaptive threads, or one (`sync`). See DESIGN.md, "Worker kinds".

The baton is the right to read the links, to touch their queues, and to begin requests. One thread
has it, the leader: it reads a batch, runs the requests one after another in place, and sends all
replies in one write. That costs nothing over a single-threaded server.

While the app runs, the leader leaves the baton on the table: `seat.table` holds one item.
Afterwards it takes it back by list.pop, which is atomic: either the leader gets it, or the
monitor (threads_monitor.py) had taken it before because the app was stuck and others were
waiting. Then the monitor has passed it to a follower, and the displaced leader sends its own
reply and becomes a follower. Each tenure has a seat of its own, so that nobody can take a later
leader's baton.

An app call that waits (for its body, for credit) reads the links itself while it has the baton.
"""

from __future__ import annotations

import threading
from struct import Struct
from typing import TYPE_CHECKING, Any, Callable

from . import _wire
from .errors import RequestTimeout
from .interrupt import conclude
from .responses import Heads
from .socket_pump import SocketPump
from .threads_link import LinkSet, WsgiLink
from .threads_monitor import Monitor
from .threads_seat import (
    NOTHING,
    RunnerSettings,
    Seat,
    SettingsLike,
    print_report,
    respond_late,
    wait_at_gate,
)
from .wsgi import WsgiCall
from .wsgi_environ import Environs, base_environ, inside
from .wsgi_socket import SocketCall

if TYPE_CHECKING:
    import socket

    from .board import Board

__all__ = ["RunnerSettings", "ThreadsRunner"]

IDLE_SECONDS = 10.0
"""A follower that nobody needed for so long ends, unless it is one of the SPARE_FOLLOWERS."""
SPARE_FOLLOWERS = 2

_STREAM = Struct("<I").pack
_END = _wire.FLAG_END
_SPECIAL = _END | _wire.FLAG_UPGRADE


class ThreadsRunner:
    """`add_link` and `stop` may be called by any thread, `stop` by a signal handler too."""

    def __init__(
        self,
        app: Callable[..., Any],
        settings: SettingsLike,
        kind: str = "threads",
        report: Callable[[str, str], None] = print_report,
    ) -> None:
        self._app = app
        self._root = settings.root_path.rstrip("/").encode().decode("latin-1")
        self._limit = 1 if kind == "sync" else max(1, settings.threads)
        self.report = report
        self.heads = Heads(
            settings.server_header,
            settings.date_header,
            lambda message: report("warning", message),
            settings.hsts_seconds,
            settings.alt_svc,
        )
        # A reload runs two generations at once, so even a single worker is not alone.
        self._base = base_environ(
            self._root,
            {
                "wsgi.multithread": self._limit > 1,
                "wsgi.multiprocess": True,
                "wsgi.early_hints": self._early_hints,
            },
        )
        self._pump = SocketPump()
        own: dict[str, Any] = {"heads": self.heads, "known": self.heads.known, "reporter": self}
        self._call_class = type("RunnerCall", (WsgiCall,), own)
        own["pump"] = self._pump
        self._socket_class = type("RunnerSocketCall", (SocketCall,), own)
        self.monitor = Monitor(self)
        self.links = LinkSet(report, self.monitor.links_changed)
        self.seat = Seat(self)
        self.lock = threading.Lock()
        """For the fields below; never needed where the app does not block."""
        self._idle: list[threading.Lock] = []
        self._threads = 1
        self._displaced = 0
        self.done = False
        self._stopping = False
        self._tending = False
        self._local = threading.local()

    # --- for the worker

    def add_link(self, sock: socket.socket, board: Board) -> None:
        classes = (self._call_class, self._socket_class)
        self.links.add(WsgiLink(sock, board, *classes, Environs(self._base)))

    def run(self) -> None:
        """Until stop() was called and what ran then has ended."""
        self.monitor.start()
        self._work(True)
        self.monitor.stop()
        self.links.close()
        self._pump.stop()

    def stop(self) -> None:
        self._stopping = True
        self.links.wake()

    # --- threads

    def _work(self, permanent: bool = False) -> None:
        """A thread's life: lead until displaced, rest until called."""
        gate = threading.Lock()
        gate.acquire()
        while True:
            seat = self._local.seat = Seat(self)
            self.seat = seat
            error: BaseException | None = None
            try:
                if not self._lead(seat):
                    self._end()
                    return
                self._settle(seat, gate, None)
            except RequestTimeout as raised:
                # It struck between the app's end and ours; only displaced calls are interrupted.
                error = raised
            if error is not None:
                self._settle(seat, gate, error)
            if not self._rest(gate, permanent):
                return

    def _settle(self, seat: Seat, gate: threading.Lock, error: BaseException | None) -> None:
        """The end of a displaced call. The thread is free before the edge hears of it: the request
        that comes next need not be given back."""
        call = seat.call
        if call is None:
            raise RuntimeError("a leader was displaced outside of a call")
        if error is not None:
            call.failed(error, seat.environ)
        conclude(call)
        with self.lock:
            self._displaced -= 1
            call.link.forget(call)
            self._idle.append(gate)
            if self._tending or self._stopping:
                self.links.wake()
        call.link.flush()
        seat.call = None
        seat.environ = NOTHING

    def _rest(self, gate: threading.Lock, permanent: bool) -> bool:
        """False: the thread ends. True: it has the baton."""
        while not gate.acquire(timeout=-1 if permanent else IDLE_SECONDS):
            with self.lock:
                if gate not in self._idle:
                    continue  # called in this very moment
                if len(self._idle) > SPARE_FOLLOWERS:
                    self._idle.remove(gate)
                    self._threads -= 1
                    return False
                permanent = True
        return not self.done

    def _end(self) -> None:
        with self.lock:
            self.done = True
            for gate in self._idle:
                gate.release()
            self._idle.clear()

    def pass_on(self) -> bool:
        """Under the lock, by who has the baton: to an idle follower or a new one, if there may
        be."""
        if self._idle:
            self._idle.pop().release()
            return True
        if self._threads >= self._limit:
            return False
        self._threads += 1
        number = self._threads
        try:
            threading.Thread(target=self._work, name=f"keelback-{number}", daemon=True).start()
        except RuntimeError:  # the system has no more threads for us
            self._threads -= 1
            return False
        return True

    def displace(self, call: WsgiCall) -> None:
        """Under the lock: this call's thread has lost the baton."""
        call.displaced = True
        call.link.expect(call)
        self._displaced += 1

    def tend(self) -> None:
        """By the monitor, which has taken the baton and found no follower: everything but running
        requests, until a thread is free."""
        while True:
            with self.lock:
                self._tending = not self._idle
                if self._idle:
                    self._idle.pop().release()
                    return
            for link in self.links.all:
                link.give_back()
                if link.out:
                    link.flush()
            self.links.receive()

    # --- the leader

    def _lead(self, seat: Seat) -> bool:
        """True when displaced, with this seat's call unfinished; False at the end of the run."""
        monitor = self.monitor
        while True:
            link = self._next_batch()
            if link is None:
                return False
            seat.busy = True
            if monitor.asleep:  # looked at after `busy` was set: see Monitor._sleep
                monitor.wake()
            if self._run_batch(seat, link):
                return True
            seat.call = None
            seat.environ = NOTHING
            seat.busy = False

    def _run_batch(self, seat: Seat, link: WsgiLink) -> bool:
        """Runs what is in the queue. The hot path: no call per request but the app's, and a request
        without anything special takes no lock and makes no object but its call and its environ."""
        app = self._app
        endings = self.heads
        make_call: Any = self._call_class
        leave = seat.table.append
        take = seat.table.pop
        queue = link.queue
        words = link.board.words
        environs = link.environs
        tails = environs.tails
        out = link.out
        result: Any = None
        plain: Any = list
        body = end = b""
        while queue:
            stream, _, flags, _, block = queue.popleft()
            try:
                parts = block.decode("latin-1").split("\0", 10)
                _, method, _, path, _, query, _, target, _, version, tail = parts
                alone = flags & _SPECIAL == _END
                call = make_call() if alone else link.special(stream, flags)
            except (ValueError, KeyError):
                self._malformed(link, stream)
                return False
            environ = (tails[tail] if tail in tails else environs.learn(tail, stream)).copy()
            environ["REQUEST_METHOD"] = method
            root = environ["SCRIPT_NAME"]
            environ["PATH_INFO"] = inside(root, path) if root else path
            environ["QUERY_STRING"] = query
            environ["REQUEST_URI"] = environ["RAW_URI"] = target
            environ["SERVER_PROTOCOL"] = version
            call.seat = seat
            if alone:
                call.link = link
                call.stream = stream
            else:
                call.prepare(environ)
            if method == "HEAD":
                call.head_only = True
                call.in_place = False
            seat.environ = environ
            seat.call = call
            words[0] = stream
            leave(None)
            frame = None
            try:
                result = app(environ, call.start_response)
                lines = call.lines
                if (
                    type(result) is plain
                    and len(result) == 1
                    and type(body := result[0]) is bytes
                    and lines is not None
                    and call.in_place
                ):
                    end = endings.current[lines.tail]
                    frame = lines.sized
                    if frame is None or frame[0] != len(body):
                        frame = lines.frame_of(len(body), end)
                if frame is None:
                    call.respond(result, environ)
            except BaseException as error:
                frame = None
                call.failed(error, environ)
            try:
                take()
            except IndexError:
                if frame is not None:
                    respond_late(call, result, environ)
                return True
            if frame is not None:
                out += (frame[1], _STREAM(stream), frame[2], end, body)
            if call.listed:
                link.forget(call)
        return False

    def _next_batch(self) -> WsgiLink | None:
        """Sends what is ready, then waits for requests; None at the end of the run."""
        while True:
            for link in self.links.all:
                if link.out:
                    link.flush()
            if self._stopping:
                for link in self.links.all:
                    link.give_back()
                    link.flush()
                if not self._displaced:
                    return None
            for link in self.links.all:
                if link.queue:
                    return link
            self.links.receive()

    def _malformed(self, link: WsgiLink, stream: int) -> None:
        self.report("error", f"the link to an edge is closed: stream {stream} has no proper head")
        self.links.drop(link)

    # --- calls that wait

    def wait(self, call: WsgiCall, ready: Callable[[], bool]) -> None:
        """In the app's thread, behind the shield: until something has happened to this call."""
        seat = call.seat
        try:
            seat.table.pop()
        except IndexError:
            wait_at_gate(call, ready)
            return
        if not call.listed:
            call.link.expect(call)
        while True:
            queued = False
            for link in self.links.all:
                if link.out:
                    link.flush()
                queued = queued or bool(link.queue)
            if queued:
                with self.lock:
                    if self.pass_on_from(call):
                        break
                for link in self.links.all:
                    link.give_back()
                continue
            if ready() or call.cancelled:
                seat.table.append(None)
                return
            self.links.receive()
        wait_at_gate(call, ready)

    def pass_on_from(self, call: WsgiCall) -> bool:
        """Under the lock. The call counts as displaced before anybody else has the baton."""
        self.displace(call)
        if self.pass_on():
            return True
        self._displaced -= 1
        call.displaced = False
        return False

    def _early_hints(self, headers: Any) -> None:
        seat = getattr(self._local, "seat", None)  # a thread of the app's own has none
        if seat is not None and seat.call is not None:
            seat.call.early_hints(headers)

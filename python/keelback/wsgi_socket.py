"""WebSockets of WSGI apps: the app gets a socket, and speaks the protocol itself.

The environ of a handshake has the key `werkzeug.socket`, by which simple-websocket, and with it
Flask-Sock and Flask-SocketIO, find the client's socket. Ours is one end of a socket pair. An app
that leaves it alone answers as usual. Once it has written to it, it has taken the socket: the edge
is told (ACCEPT, docs/protocol.md), and from then on bytes go both ways as they are.

One thread, the pump, reads what the apps write and waits until they read on. What comes from the
edge is written by whoever reads the link. Neither ever waits for an app: what an app does not read
is not credited to the edge, and what the edge has not credited is not read from the app.

Contract: whether the app has taken the socket is decided once, under the call's lock, by what comes
first: bytes in the socket or a byte of a response. A taken stream ends when the app has returned,
or soon after it has closed its end, whichever comes first.
"""

from __future__ import annotations

import socket
import threading
from struct import Struct
from typing import Any, ClassVar

from . import _wire
from .interrupt import conclude, raise_shield
from .ring import PART_BYTES_MIN
from .socket_pump import OVER, READ, WRITE, SocketPump
from .wsgi import SPLIT_BYTES, WsgiCall
from .wsgi_environ import where
from .wsgi_file import FileWrapper
from .wsgi_input import CREDIT_STEP_BYTES

KEY = "werkzeug.socket"
LINGER_SECONDS = 1.0
"""How long a socket may stay open and silent after the app has returned: a thread of its own may be
about to answer the client's close."""

OFFERED, TAKEN, DECLINED = 0, 1, 2

_HEADER = Struct("<IIBBH")
_CREDIT = Struct("<IIBBHI")


class SocketCall(WsgiCall):
    """A call whose environ has a socket. Where the lock guards a field this is said."""

    pump: ClassVar[SocketPump]

    in_place = False
    choice = DECLINED
    """Guarded, and final once it is not OFFERED."""
    interest = 0
    """What the pump's selector watches; the pump's own."""
    starved = False
    """The pump waits for credit."""
    cut = False
    """What the app has left open is closed now."""

    hung_up = False
    """The app has closed its end. Guarded, as all that follow."""
    ended = False
    """The END of a taken stream is on its way."""
    input_ended = False
    """The client sends no more."""
    deaf = False
    """Nobody reads what the client sends."""
    received = 0
    passed = 0
    credited = 0
    """Bytes from the edge, those of them that the app's end has taken, and what the edge knows of
    these."""
    backlog: bytearray
    """What the app's end had no room for: at most REQUEST_WINDOW_BYTES."""

    ours: socket.socket
    theirs: socket.socket | None = None
    lock: threading.Lock
    over: threading.Event
    """Our end is closed."""

    # --- the call's thread

    def prepare(self, environ: dict[str, Any]) -> None:
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.backlog = bytearray()
        try:
            self.pump.start()
            self.ours, theirs = socket.socketpair()
        except (OSError, RuntimeError) as error:
            self.reporter.report("error", f"no socket for the app in {where(environ)}: {error}")
            self.over.set()
            return
        self.ours.setblocking(False)
        theirs.setblocking(True)  # whatever socket.setdefaulttimeout says
        self.theirs = environ[KEY] = theirs
        self.choice = OFFERED
        self.pump.attend(self)

    def respond(self, result: Any, environ: dict[str, Any]) -> None:
        if result.__class__ is FileWrapper:
            self._declines()
        super().respond(result, environ)
        self._finish(environ)

    def failed(self, error: BaseException, environ: dict[str, Any]) -> None:
        """A broken connection is how an app notices that its client has left, and how
        Flask-SocketIO tells the server that all has been said."""
        conclude(self)
        taken = not self._declines()
        if not isinstance(error, ConnectionError) or not (taken or self.cancelled):
            super().failed(error, environ)
        elif not self.complete:
            self.reset(_wire.RESET_REASON_CANCELLED)
        self._finish(environ)

    def _declines(self) -> bool:
        """The app answers as usual, from here on at the latest. False: it has taken the socket."""
        with self.lock:
            if self.choice != OFFERED:
                return self.choice == DECLINED
            if self._receive(1, socket.MSG_PEEK):
                self._take()
                return False
            self.choice = DECLINED
        self.pump.attend(self)
        if self.theirs is not None:
            self.theirs.close()
        return True

    def _start(self, data: bytes, last: bool, total: int | None) -> None:
        if self._declines():
            super()._start(data, last, total)

    def _whole(self, body: bytes) -> bool:
        return self._declines() and super()._whole(body)

    def _inform(self, status: int, lines: bytes) -> None:
        with self.lock:  # not behind an ACCEPT
            super()._inform(status, lines)

    def _finish(self, environ: dict[str, Any]) -> None:
        """The app has returned. What it has written still goes out, in this thread's time: until
        its end is closed, which it mostly is already, or nothing comes any more."""
        if self._declines():
            return
        raise_shield(self)  # and it stays
        environ.pop(KEY, None)
        self.theirs = None  # an end that nobody has kept is closed by this
        with self.lock:
            self._deafen()
        sent = self.sent
        while not self.over.wait(LINGER_SECONDS):
            self.cut = sent == self.sent and not self.starved
            sent = self.sent
            self.pump.attend(self)
        with self.lock:
            if self.cancelled and not self.ended:
                self.ended = True
                self.reset(_wire.RESET_REASON_CANCELLED)
        self.end()

    # --- whoever reads the link

    def body_arrived(self, data: bytes, ended: bool) -> bool:
        with self.lock:
            self.received += len(data)
            excess = self.received - self.credited > _wire.REQUEST_WINDOW_BYTES
            if self.choice != TAKEN or self.input_ended or excess:
                return False
            self.input_ended = ended
            if self.deaf:
                return True
            waited = len(self.backlog) > 0
            self.backlog += data
            if waited:
                return True
            self._pass_on()
            waits = len(self.backlog) > 0
        if waits:
            self.pump.attend(self)
        return True

    def wake(self) -> None:
        super().wake()
        if not self.over.is_set() and (self.cancelled or self.starved):
            self.pump.attend(self)

    # --- the pump

    def wants(self) -> int:
        """The events it waits for, or OVER."""
        with self.lock:
            if self.cancelled or self.cut or self.choice == DECLINED or self.finished:
                return OVER
            events = WRITE if self.backlog else 0
            if not self.hung_up:
                self.starved = True  # first: credit that comes now is seen here, or wakes us
                if self.sent < self.allowed:
                    self.starved = False
                    events |= READ
                elif self._receive(1, socket.MSG_PEEK) == b"":
                    self.hung_up = True
                    return OVER
            return events

    def on_readable(self) -> None:
        with self.lock:
            room = self.allowed - self.sent
            if room <= 0 or self.choice == DECLINED:
                return
            data = self._receive(min(room, SPLIT_BYTES))
            if data:
                if self.choice == OFFERED:
                    self._take()
                self._send_part(data)
            elif data is not None:
                self.hung_up = True

    def on_writable(self) -> None:
        with self.lock:
            self._pass_on()

    def close(self) -> None:
        with self.lock:
            self._deafen(socket.SHUT_RDWR)  # a child of the app's may have a copy
            self.ours.close()
        self.over.set()

    @property
    def finished(self) -> bool:
        """The app has closed what it had taken."""
        return self.hung_up and self.choice == TAKEN

    def end(self) -> None:
        """The last frame, unless it is out or a cancelled call has yet to send its own."""
        with self.lock:
            if not (self.ended or self.cancelled):
                self.ended = True
                self.link.out.append(_HEADER.pack(0, self.stream, _wire.DATA, _wire.FLAG_END, 0))

    # --- with the lock

    def _receive(self, count: int, flags: int = 0) -> bytes | None:
        """What the app has written; None: nothing yet, b"": it has closed its end."""
        try:
            return self.ours.recv(count, flags)
        except BlockingIOError:
            return None
        except OSError:  # with something unread in it
            return b""

    def _take(self) -> None:
        self.choice = TAKEN
        # There is no response any more: whatever the app makes of one is dropped.
        self.started = self.complete = self.head_only = True
        aux = _wire.ACCEPT_TUNNEL
        self.link.out.append(_HEADER.pack(0, self.stream, _wire.ACCEPT, 0, aux))

    def _send_part(self, data: bytes) -> None:
        self.sent += len(data)
        if len(data) >= PART_BYTES_MIN and self._share(data):
            return
        self.link.out += (_HEADER.pack(len(data), self.stream, _wire.DATA, 0, 0), data)

    def _share(self, data: bytes) -> bool:
        try:
            return self.link.share(data, self.stream, 0)
        except ValueError:  # the link has just been closed, and its memory with it
            return True

    def _pass_on(self) -> None:
        """As much of the backlog as the app's end has room for."""
        backlog = self.backlog
        try:
            while backlog:
                with memoryview(backlog) as view:
                    count = self.ours.send(view)
                del backlog[:count]
                self.passed += count
        except BlockingIOError:
            pass
        except OSError:
            self._deafen()
            return
        count = self.passed - self.credited
        if self.input_ended:
            if not backlog:
                self._shut(socket.SHUT_WR)
        elif count >= CREDIT_STEP_BYTES:
            self.credited = self.passed
            self.link.out.append(_CREDIT.pack(4, self.stream, _wire.WORKER_CREDIT, 0, 0, count))

    def _deafen(self, how: int = socket.SHUT_WR) -> None:
        self.deaf = True
        self.backlog.clear()
        self._shut(how)

    def _shut(self, how: int) -> None:
        try:
            self.ours.shutdown(how)
        except OSError:
            pass  # the app was quicker
